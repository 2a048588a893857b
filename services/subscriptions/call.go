package subscriptions

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/rapport-health/rapport/services/domain/ref"
)

// The headers of ours on every call.
const (
	// HeaderSignature holds the moment and the signatures of the body; a new secret's comes first.
	HeaderSignature = "Rapport-Signature"
	// HeaderNumber holds the number of the last event that the call tells of; 0 when of none.
	HeaderNumber = "Rapport-Event-Number"
	// HeaderAgain is `true` on a call that tells an event again because somebody asked for it: its number is an old one, and
	// later ones were told before.
	HeaderAgain = "Rapport-Event-Redriven"
)

// caller calls endpoints. It goes through no proxy and follows no redirect.
type caller struct{ secure, plain *http.Client }

func newCaller(g guard, resolver *net.Resolver) *caller {
	return &caller{g.client(true, resolver), g.client(false, resolver)}
}

// The bounds of one endpoint's part of our memory and patience.
const (
	maxAnswer  = 64 << 10
	idleConns  = 2
	idleFor    = 90 * time.Second
	dialWithin = 10 * time.Second
)

func (g guard) client(secure bool, resolver *net.Resolver) *http.Client {
	dialer := &net.Dialer{Timeout: dialWithin, Control: g.control(secure), Resolver: resolver}
	return &http.Client{
		Transport: &http.Transport{
			DialContext: dialer.DialContext, ForceAttemptHTTP2: true, DisableCompression: true,
			TLSHandshakeTimeout: dialWithin, MaxIdleConnsPerHost: idleConns, IdleConnTimeout: idleFor,
			MaxResponseHeaderBytes: maxAnswer, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12},
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// message is one call to be made.
type message struct {
	method, url, contentType string
	headers                  []string
	keys                     []string
	body                     []byte
	number                   int64
	again                    bool
	timeout                  time.Duration
	at                       time.Time
	// patients of whom it tells.
	patients []ref.Patient
}

// verdict is how a call ended.
type verdict uint8

const (
	// taken: answered with 2xx.
	taken verdict = iota
	// refused: the endpoint will not have this very message.
	refused
	// failed: it may go well another time.
	failed
	// gone: the endpoint says that it is there no more.
	gone
)

// answer is a verdict and why.
type answer struct {
	verdict verdict
	// failure says what went wrong, without anything of the message; empty when nothing.
	failure string
	// wait is how long the endpoint asks to be left alone; 0 when it does not.
	wait time.Duration
}

// bring makes one call.
func (c *caller) bring(ctx context.Context, m message) answer {
	ctx, cancel := context.WithTimeout(ctx, m.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, m.method, m.url, bytes.NewReader(m.body))
	if err != nil {
		return answer{verdict: failed, failure: "the endpoint is no URL that can be called"}
	}
	for _, header := range m.headers {
		name, value, _ := strings.Cut(header, ": ")
		req.Header.Add(name, value)
	}
	if m.contentType != "" {
		req.Header.Set("Content-Type", m.contentType)
	}
	req.Header.Set("User-Agent", "Rapport")
	req.Header.Set(HeaderNumber, strconv.FormatInt(m.number, 10))
	if m.again {
		req.Header.Set(HeaderAgain, "true")
	}
	req.Header.Set(HeaderSignature, sign(m.keys, m.at, m.body))
	client := c.plain
	if req.URL.Scheme == "https" {
		client = c.secure
	}
	resp, err := client.Do(req)
	if err != nil {
		return answer{verdict: failed, failure: reason(err)}
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer)) // what it says does not count, so neither does how it ends
	return judge(resp)
}

// judge reads the status of an answer.
func judge(resp *http.Response) answer {
	text := "status " + strconv.Itoa(resp.StatusCode)
	switch s := resp.StatusCode; {
	case s >= 200 && s < 300:
		return answer{}
	case s == http.StatusGone:
		return answer{verdict: gone, failure: text}
	case s == http.StatusBadRequest || s == http.StatusRequestEntityTooLarge || s == http.StatusUnsupportedMediaType ||
		s == http.StatusUnprocessableEntity || s == http.StatusConflict || s == http.StatusNotAcceptable:
		return answer{verdict: refused, failure: text}
	case s >= 300 && s < 400:
		return answer{verdict: failed, failure: text + ": redirects are not followed"}
	}
	seconds, err := strconv.Atoi(resp.Header.Get("Retry-After"))
	if err != nil || seconds < 0 {
		seconds = 0
	}
	return answer{verdict: failed, failure: text, wait: time.Duration(min(seconds, 86400)) * time.Second}
}

// reason says what kept a call from being answered. The error itself may quote the URL, which may name a patient.
func reason(err error) string {
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return "the endpoint's host name leads nowhere"
	}
	_, unknown := errors.AsType[x509.UnknownAuthorityError](err)
	_, unverified := errors.AsType[*tls.CertificateVerificationError](err)
	_, record := errors.AsType[tls.RecordHeaderError](err)
	timeout, isTimeout := errors.AsType[net.Error](err)
	switch {
	case errors.Is(err, errForbidden):
		return errForbidden.Error()
	case errors.Is(err, context.DeadlineExceeded) || isTimeout && timeout.Timeout():
		return "the endpoint did not answer in time"
	case unknown || unverified:
		return "the endpoint's certificate is not trusted"
	case record:
		return "the endpoint does not speak TLS"
	default:
		return "the endpoint could not be reached"
	}
}

// sign is the value of HeaderSignature: HMAC-SHA256 of the moment in seconds, a dot and the body, by each secret.
func sign(keys []string, at time.Time, body []byte) string {
	moment := strconv.FormatInt(at.Unix(), 10)
	out := "t=" + moment
	for _, key := range keys {
		mac := hmac.New(sha256.New, []byte(key))
		mac.Write([]byte(moment + "."))
		mac.Write(body)
		out += ",v1=" + hex.EncodeToString(mac.Sum(nil))
	}
	return out
}

// backOff doubles with every failure up to a limit and takes between half and all of it.
func backOff(failures int, least, most time.Duration, random float64) time.Duration {
	wait := most
	if failures >= 1 && failures < 20 {
		wait = min(most, least<<(failures-1))
	}
	return wait/2 + time.Duration(random*float64(wait/2))
}
