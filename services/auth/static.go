package auth

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"sync/atomic"

	"github.com/rapport-health/rapport/services/domain/access"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/ref"
)

// Tokens are the SHA-256 digests of bearer tokens with their principals.
type Tokens struct{ byDigest map[[32]byte]access.Principal }

// ReadTokens reads lines of `name tenant sha256-hex`, which may do everything in the tenant, and may be followed by
// columns that say less: `scopes=system/*.rs,user/Observation.rs feeds=team:ct-1,role:physio person=Practitioner/p1
// role=physio purposes=TREAT labels=PSY patient=p1`. Empty lines and lines that begin with # do not count. The file never
// holds a token itself.
func ReadTokens(r io.Reader) (*Tokens, error) {
	t := &Tokens{byDigest: map[[32]byte]access.Principal{}}
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		digest, p, err := readToken(strings.Fields(line))
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		t.byDigest[digest] = p
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("reading tokens: %w", err)
	}
	if len(t.byDigest) == 0 {
		return nil, fmt.Errorf("no token in the file: add one with `rapport token`")
	}
	return t, nil
}

func readToken(fields []string) (digest [32]byte, p access.Principal, err error) {
	if len(fields) < 3 {
		return digest, p, fmt.Errorf("want `name tenant sha256-hex`")
	}
	raw, err := hex.DecodeString(fields[2])
	if err != nil || len(raw) != sha256.Size {
		return digest, p, fmt.Errorf("the third field is not the 64 hex digits of a SHA-256")
	}
	if !ref.ValidID(fields[1]) {
		return digest, p, fmt.Errorf("the tenant wants 1 to 64 letters, digits, dots or hyphens")
	}
	p = access.Everything(fields[0], ref.Tenant(fields[1]))
	for _, column := range fields[3:] {
		name, value, _ := strings.Cut(column, "=")
		if err := restrict(&p, name, value); err != nil {
			return digest, p, err
		}
	}
	return [32]byte(raw), p, nil
}

// restrict takes over one column. The first that says what a principal may do takes away that it may do everything.
func restrict(p *access.Principal, name, value string) (err error) {
	list := strings.Split(value, ",")
	switch name {
	case "scopes":
		p.Scopes, err = access.ParseScopes(strings.ReplaceAll(value, ",", " "))
		if err != nil || len(p.Scopes) == 0 {
			return fmt.Errorf("scopes= wants scopes such as system/*.rs, parted by commas")
		}
	case "feeds":
		p.Feeds = list
		if access.CheckGrants(list) != nil {
			return fmt.Errorf("feeds= wants names of feeds, team:*, role:ROLE or *, parted by commas")
		}
	case "person":
		p.Person = value
	case "role":
		p.Role = value
	case "purposes":
		p.Purposes = list
	case "labels":
		p.Labels = list
	case "patient":
		p.Patient = ref.Patient(value)
	default:
		return fmt.Errorf("%q is not a column: those are scopes, feeds, person, role, purposes, labels and patient", name)
	}
	return nil
}

// NewToken is a fresh token and the line that lets it in.
func NewToken(name string, tenant ref.Tenant) (token, line string) {
	token = rand.Text()
	digest := sha256.Sum256([]byte(token))
	return token, fmt.Sprintf("%s %s %s", name, tenant, hex.EncodeToString(digest[:]))
}

// Principal looks the token up by its digest, so that comparing takes the same time for every wrong one.
func (t *Tokens) Principal(authorization string) (access.Principal, error) {
	token, err := bearer(authorization)
	if err != nil {
		return access.Principal{}, err
	}
	p, ok := t.byDigest[sha256.Sum256([]byte(token))]
	if !ok {
		return access.Principal{}, fault.Newf(fault.Unauthenticated, "login", "the token is not known here")
	}
	return p, nil
}

// Callers knows everybody who may send a token: those of the token file, those with a token of ours, and those with one
// of an external issuer.
type Callers struct {
	tokens   atomic.Pointer[Tokens]
	issuer   *Issuer
	external *External
}

// NewCallers takes those that are not nil.
func NewCallers(tokens *Tokens, issuer *Issuer, external *External) *Callers {
	c := &Callers{issuer: issuer, external: external}
	c.tokens.Store(tokens)
	return c
}

// Replace takes another token file's tokens from now on.
func (c *Callers) Replace(tokens *Tokens) { c.tokens.Store(tokens) }

// Principal is PrincipalIn without a bound.
func (c *Callers) Principal(authorization string) (access.Principal, error) {
	return c.PrincipalIn(context.Background(), authorization)
}

// Ours is whom a token of ours was given to; ours is false for any other token, and for none.
func (c *Callers) Ours(ctx context.Context, authorization string) (p access.Principal, ours bool, err error) {
	token, err := bearer(authorization)
	if err != nil || c.issuer == nil {
		return access.Principal{}, false, nil
	}
	return c.issuer.Principal(ctx, token)
}

// PrincipalIn is who sends a token.
func (c *Callers) PrincipalIn(ctx context.Context, authorization string) (access.Principal, error) {
	token, err := bearer(authorization)
	if err != nil {
		return access.Principal{}, err
	}
	if c.issuer != nil {
		if p, ours, err := c.issuer.Principal(ctx, token); ours || err != nil {
			return p, err
		}
	}
	if c.external != nil {
		if p, theirs, err := c.external.Principal(ctx, token); theirs || err != nil {
			return p, err
		}
	}
	if known := c.tokens.Load(); known != nil {
		return known.Principal(authorization)
	}
	return access.Principal{}, fault.Newf(fault.Unauthenticated, "login", "the token is not known here")
}
