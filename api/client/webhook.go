package client

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strconv"
	"strings"
	"time"
)

// The headers of a notification.
const (
	// HeaderSignature holds `t=<seconds>,v1=<hex>`, with one v1 per secret that is valid: two while a secret is changed.
	HeaderSignature = "Rapport-Signature"
	// HeaderEventNumber holds the number of the last event told of. The same number told again is the same event.
	HeaderEventNumber = "Rapport-Event-Number"
	// HeaderEventRedriven is `true` where an event is told again because somebody asked for it: its number lies below others
	// that were told already.
	HeaderEventRedriven = "Rapport-Event-Redriven"
)

// What is wrong with a signature.
var (
	// ErrSignature says that the body was not signed with any of the secrets, or changed on its way.
	ErrSignature = errors.New("client: the signature is not that of the body")
	// ErrSignatureAge says that it was signed too long ago, or in the future: it may be an old message sent again.
	ErrSignatureAge = errors.New("client: the signature is too old, or of the future")
)

// VerifySignature says whether a notification comes from Rapport, given the value of HeaderSignature and the body as it
// was received. Tolerance is how far the clocks may differ and the message may have travelled; five minutes is usual. While
// a secret is changed give the new and the old one. Errors: ErrSignature, ErrSignatureAge.
func VerifySignature(header string, body []byte, now time.Time, tolerance time.Duration, secrets ...string) error {
	moment, signatures := parseSignature(header)
	seconds, err := strconv.ParseInt(moment, 10, 64)
	if err != nil {
		return ErrSignature
	}
	signed := false
	for _, secret := range secrets {
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write([]byte(moment + "."))
		mac.Write(body)
		want := mac.Sum(nil)
		for _, got := range signatures {
			signed = signed || secret != "" && hmac.Equal(want, got)
		}
	}
	if !signed {
		return ErrSignature
	}
	if age := now.Sub(time.Unix(seconds, 0)); age > tolerance || age < -tolerance {
		return ErrSignatureAge
	}
	return nil
}

// parseSignature leaves out what it cannot read: a later version may sign in further ways.
func parseSignature(header string) (moment string, signatures [][]byte) {
	for part := range strings.SplitSeq(header, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch name {
		case "t":
			moment = value
		case "v1":
			if mac, err := hex.DecodeString(value); err == nil {
				signatures = append(signatures, mac)
			}
		}
	}
	return moment, signatures
}
