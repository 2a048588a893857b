package auth

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/store"
)

// How long a key signs, and how long it is kept to check what it signed. A new key waits until every server has read it.
const (
	keyLife   = 24 * time.Hour
	keyKept   = 48 * time.Hour
	keyReread = time.Minute
)

// Ring holds the keys that sign access tokens. They lie in the store, so that every server checks what another signed,
// without asking it.
type Ring struct {
	store store.Registrations
	now   func() time.Time

	mu   sync.Mutex
	keys []key
	read time.Time
}

type key struct {
	id      string
	created time.Time
	private *ecdsa.PrivateKey
}

// NewRing is over the keys of a store.
func NewRing(s store.Registrations, now func() time.Time) *Ring { return &Ring{store: s, now: now} }

// current is the key to sign with; it is made when there is none young enough.
func (r *Ring) current(ctx context.Context) (key, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.young() == nil {
		if err := r.reread(ctx); err != nil {
			return key{}, err
		}
	}
	if k := r.young(); k != nil {
		return *k, nil
	}
	return r.mint(ctx)
}

func (r *Ring) young() *key {
	for i := range r.keys {
		if age := r.now().Sub(r.keys[i].created); age < keyLife {
			return &r.keys[i]
		}
	}
	return nil
}

func (r *Ring) mint(ctx context.Context) (key, error) {
	private, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		return key{}, fault.Wrap(fault.Internal, err, "making a signing key")
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return key{}, fault.Wrap(fault.Internal, err, "making a signing key")
	}
	k := key{rand.Text(), r.now(), private}
	err = r.store.KeepSigningKey(ctx, store.SigningKey{ID: k.id, Created: k.created, Private: der}, r.now().Add(-keyKept))
	if err != nil {
		return key{}, err
	}
	r.keys = append([]key{k}, r.keys...)
	return k, nil
}

func (r *Ring) reread(ctx context.Context) error {
	found, err := r.store.SigningKeys(ctx)
	if err != nil {
		return err
	}
	var keys []key
	for _, k := range found {
		parsed, err := x509.ParsePKCS8PrivateKey(k.Private)
		private, ok := parsed.(*ecdsa.PrivateKey)
		if err != nil || !ok || r.now().Sub(k.Created) > keyKept {
			continue
		}
		keys = append(keys, key{k.ID, k.Created, private})
	}
	r.keys, r.read = keys, r.now()
	return nil
}

// find is the key of an id; ok is false for one that is none of ours. A stranger makes the store be asked once a minute
// at most, but one who was just told of a new key is not kept waiting: the first question after a while always goes through.
func (r *Ring) find(ctx context.Context, id string) (found key, ok bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for range 2 {
		for _, k := range r.keys {
			if k.id == id && r.now().Sub(k.created) <= keyKept {
				return k, true, nil
			}
		}
		if !r.read.IsZero() && r.now().Sub(r.read) < keyReread && r.now().Sub(r.read) >= 0 {
			break
		}
		if err := r.reread(ctx); err != nil {
			return key{}, false, err
		}
	}
	return key{}, false, nil
}

// Public is the JWKS by which others can check our tokens.
func (r *Ring) Public(ctx context.Context) ([]byte, error) {
	if _, err := r.current(ctx); err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	var set jose.JSONWebKeySet
	for _, k := range r.keys {
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: k.private.Public(), KeyID: k.id, Algorithm: string(jose.ES384), Use: "sig"})
	}
	return json.Marshal(set)
}
