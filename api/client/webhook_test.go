package client_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"testing"
	"time"

	"github.com/rapport-health/rapport/api/client"
)

func TestASignatureIsBelievedOnlyWithItsSecretItsBodyAndInItsTime(t *testing.T) {
	body, now := []byte(`{"resourceType":"Bundle"}`), time.Unix(1_770_000_000, 0)
	mac := hmac.New(sha256.New, []byte("new"))
	mac.Write([]byte("1770000000."))
	mac.Write(body)
	good := "t=1770000000,v0=ab,v1=zz,v1=" + hex.EncodeToString(make([]byte, 32)) + ",v1=" + hex.EncodeToString(mac.Sum(nil))
	for name, test := range map[string]struct {
		header  string
		body    string
		at      time.Time
		secrets []string
		want    error
	}{
		"as it was sent":          {good, string(body), now, []string{"new"}, nil},
		"while a secret changes":  {good, string(body), now.Add(4 * time.Minute), []string{"newer", "new"}, nil},
		"another secret":          {good, string(body), now, []string{"old"}, client.ErrSignature},
		"no secret":               {good, string(body), now, nil, client.ErrSignature},
		"an empty secret":         {good, string(body), now, []string{""}, client.ErrSignature},
		"another body":            {good, "{}", now, []string{"new"}, client.ErrSignature},
		"an old message":          {good, string(body), now.Add(6 * time.Minute), []string{"new"}, client.ErrSignatureAge},
		"a message of the future": {good, string(body), now.Add(-6 * time.Minute), []string{"new"}, client.ErrSignatureAge},
		"no header":               {"", string(body), now, []string{"new"}, client.ErrSignature},
		"another moment":          {"t=1770000001" + good[len("t=1770000000"):], string(body), now, []string{"new"}, client.ErrSignature},
	} {
		if err := client.VerifySignature(test.header, []byte(test.body), test.at, 5*time.Minute, test.secrets...); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", name, err, test.want)
		}
	}
}
