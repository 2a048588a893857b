package auth

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/rapport-health/rapport/services/domain/access"
	"github.com/rapport-health/rapport/services/domain/fault"
)

// Bounds of a JWKS that is fetched.
const (
	maxKeySet    = 64 << 10
	maxKeys      = 32
	keySetLife   = 15 * time.Minute
	keySetLeast  = time.Minute
	keySetMost   = 24 * time.Hour
	keySetAgain  = 30 * time.Second
	fetchTimeout = 5 * time.Second
	minRSABits   = 2048
)

// KeySets finds the public keys of clients: those registered inline, and those at their URLs, which are fetched, kept for
// a while, and fetched again when a key is asked for that is not among them.
type KeySets struct {
	client *http.Client
	now    func() time.Time
	// private says that URLs may lead to private addresses and be plain http there.
	private bool

	mu      sync.Mutex
	fetched map[string]*fetchedSet
}

type fetchedSet struct {
	turn  sync.Mutex
	keys  []jose.JSONWebKey
	until time.Time
	tried time.Time
}

// NewKeySets fetches with its own client: it follows no redirect, and goes to no private address unless that is allowed,
// whatever a name resolves to.
func NewKeySets(private bool, now func() time.Time) *KeySets {
	dialer := &net.Dialer{Timeout: fetchTimeout}
	if !private {
		dialer.Control = publicOnly
	}
	return &KeySets{
		client: &http.Client{
			Timeout:       fetchTimeout,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			Transport: &http.Transport{
				DialContext: dialer.DialContext, TLSHandshakeTimeout: fetchTimeout, ResponseHeaderTimeout: fetchTimeout,
				MaxResponseHeaderBytes: 16 << 10, MaxIdleConns: 16, IdleConnTimeout: time.Minute, ForceAttemptHTTP2: true,
			},
		},
		now: now, private: private, fetched: map[string]*fetchedSet{},
	}
}

// publicOnly refuses to connect to an address that is not on the public internet. It sees the address that is really
// connected to, after names are resolved.
func publicOnly(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil || !Public(at.Addr()) {
		return errors.New("the address is private")
	}
	return nil
}

// notPublic are the ranges beyond those that netip knows which lead to no public host.
var notPublic = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("240.0.0.0/4"), netip.MustParsePrefix("64:ff9b::/96"),
	netip.MustParsePrefix("64:ff9b:1::/48"), netip.MustParsePrefix("2001::/23"), netip.MustParsePrefix("2001:db8::/32"),
	netip.MustParsePrefix("2002::/16"), netip.MustParsePrefix("fec0::/10"), netip.MustParsePrefix("::/96"),
}

// Public says whether an address is one of the public internet.
func Public(a netip.Addr) bool {
	a = a.Unmap()
	if !a.IsValid() || !a.IsGlobalUnicast() || a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() {
		return false
	}
	for _, p := range notPublic {
		if p.Contains(a) {
			return false
		}
	}
	return true
}

// CheckKeysURL says whether keys may be fetched from there. Errors: Invalid.
func CheckKeysURL(address string, private bool) error {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.Fragment != "" || len(address) > 2000:
		return fault.Newf(fault.Invalid, "value", "the URL of the keys is no absolute URL")
	case u.Scheme == "https", u.Scheme == "http" && private:
		return nil
	default:
		return fault.Newf(fault.Invalid, "value", "the URL of the keys must be https")
	}
}

// ReadKeySet reads a JWKS and leaves out what cannot check an assertion. Errors: Invalid when nothing is left, or a
// private key is in it.
func ReadKeySet(text []byte) ([]jose.JSONWebKey, error) {
	var raw struct{ Keys []json.RawMessage }
	if len(text) > maxKeySet || json.Unmarshal(text, &raw) != nil || len(raw.Keys) > maxKeys {
		return nil, fault.Newf(fault.Invalid, "value", "the keys are no JWKS of at most %d keys", maxKeys)
	}
	var keys []jose.JSONWebKey
	for _, one := range raw.Keys {
		var parts map[string]json.RawMessage
		if json.Unmarshal(one, &parts) == nil && (parts["d"] != nil || parts["k"] != nil) {
			return nil, fault.Newf(fault.Invalid, "value", "a private or secret key is among the keys: register public ones, and take the others for lost")
		}
		var k jose.JSONWebKey
		if k.UnmarshalJSON(one) == nil && usable(k) {
			keys = append(keys, k)
		}
	}
	if len(keys) == 0 {
		return nil, fault.Newf(fault.Invalid, "value", "no key is of use: want EC P-384 for ES384, or RSA of 2048 bits or more for RS384, with a kid")
	}
	return keys, nil
}

// usable says whether a key can check what SMART lets a client sign.
func usable(k jose.JSONWebKey) bool {
	if k.KeyID == "" || k.Use != "" && k.Use != "sig" || !k.IsPublic() || !k.Valid() {
		return false
	}
	switch public := k.Key.(type) {
	case *rsa.PublicKey:
		return (k.Algorithm == "" || k.Algorithm == string(jose.RS384)) && public.N.BitLen() >= minRSABits
	case *ecdsa.PublicKey:
		return (k.Algorithm == "" || k.Algorithm == string(jose.ES384)) && public.Curve == elliptic.P384()
	default:
		return false
	}
}

// algorithm that goes with a key.
func algorithm(k jose.JSONWebKey) jose.SignatureAlgorithm {
	if _, ok := k.Key.(*rsa.PublicKey); ok {
		return jose.RS384
	}
	return jose.ES384
}

// Find is a client's key by its id and algorithm; several may share both while they are exchanged. Errors:
// Unauthenticated when there is none; Unavailable when the client's URL does not answer.
func (s *KeySets) Find(ctx context.Context, c access.Client, id string, alg jose.SignatureAlgorithm) ([]jose.JSONWebKey, error) {
	if c.KeysURL == "" {
		keys, err := ReadKeySet(c.Keys)
		if err != nil {
			return nil, err
		}
		return pick(keys, id, alg)
	}
	set := s.setOf(c.KeysURL)
	set.turn.Lock()
	defer set.turn.Unlock()
	now := s.now()
	found, err := pick(set.keys, id, alg)
	fresh := now.Before(set.until)
	if err == nil && fresh || now.Sub(set.tried) < keySetAgain && !set.tried.IsZero() && (fresh || err != nil) {
		return found, err
	}
	set.tried = now
	keys, life, fetchErr := s.fetch(ctx, c.KeysURL)
	if fetchErr != nil {
		if err == nil && now.Before(set.until.Add(keySetMost)) {
			return found, nil // what was known a while ago is better than shutting the client out
		}
		return nil, fetchErr
	}
	set.keys, set.until = keys, now.Add(life)
	return pick(keys, id, alg)
}

func (s *KeySets) setOf(address string) *fetchedSet {
	s.mu.Lock()
	defer s.mu.Unlock()
	set, ok := s.fetched[address]
	if !ok {
		set = &fetchedSet{}
		s.fetched[address] = set
	}
	return set
}

func pick(keys []jose.JSONWebKey, id string, alg jose.SignatureAlgorithm) ([]jose.JSONWebKey, error) {
	var found []jose.JSONWebKey
	for _, k := range keys {
		if k.KeyID == id && algorithm(k) == alg {
			found = append(found, k)
		}
	}
	if len(found) == 0 {
		return nil, fault.Newf(fault.Unauthenticated, "login", "no key of that kid and algorithm is registered")
	}
	return found, nil
}

func (s *KeySets) fetch(ctx context.Context, address string) ([]jose.JSONWebKey, time.Duration, error) {
	away := func(err error) error {
		return fault.Wrap(fault.Unavailable, fmt.Errorf("the keys' URL: %w", err), "fetching a client's keys")
	}
	if err := CheckKeysURL(address, s.private); err != nil {
		return nil, 0, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, 0, away(errors.New("is none"))
	}
	request.Header.Set("Accept", "application/jwk-set+json, application/json")
	response, err := s.client.Do(request)
	if err != nil {
		return nil, 0, away(errors.New("does not answer, or leads to a private address"))
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, 0, away(fmt.Errorf("answers with status %d", response.StatusCode))
	}
	if kind, _, err := mime.ParseMediaType(response.Header.Get("Content-Type")); err == nil && kind == "text/html" {
		return nil, 0, away(errors.New("answers with a page"))
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, maxKeySet+1))
	if err != nil {
		return nil, 0, away(errors.New("broke off"))
	}
	keys, err := ReadKeySet(text)
	return keys, life(response.Header.Get("Cache-Control")), err
}

// life is how long a set is kept, by its Cache-Control.
func life(control string) time.Duration {
	for part := range strings.SplitSeq(control, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		if seconds, err := strconv.Atoi(value); strings.EqualFold(name, "max-age") && err == nil {
			return min(max(time.Duration(seconds)*time.Second, keySetLeast), keySetMost)
		}
	}
	return keySetLife
}
