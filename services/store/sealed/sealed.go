// Package sealed encrypts what is stored: rows under data keys, data keys under a master key that is kept elsewhere.
package sealed

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/store"
)

// A sealed column begins with three bytes that no JSON begins with, and the number of its data key.
const (
	mark       = "\x00S\x01"
	headerSize = len(mark) + 4
)

// Header is what everything begins with that a data key has sealed.
func Header(id uint32) []byte {
	return binary.BigEndian.AppendUint32([]byte(mark), id)
}

// Keys is where data keys are kept.
type Keys interface {
	DataKeys(ctx context.Context) ([]store.DataKey, error)
	KeepDataKey(ctx context.Context, k store.DataKey) error
}

// Box seals and opens columns. A nil Box seals nothing, and opens what is plain. It may be used by many goroutines.
type Box struct {
	master Master
	keys   Keys
	known  atomic.Pointer[ring]
	// mu keeps two from asking for keys at once.
	mu sync.Mutex
}

// ring are the data keys that are open. It does not change.
type ring struct {
	by      map[uint32]*sealer
	current uint32
}

// Unlock is New with a master key. Without one there is no Box, and there may be no data keys: else nothing could be read.
// Errors: those of New; Precondition where a master key is needed.
func Unlock(ctx context.Context, m Master, keys Keys) (*Box, error) {
	if m != nil {
		return New(ctx, m, keys)
	}
	found, err := keys.DataKeys(ctx)
	if err == nil && len(found) > 0 {
		err = ErrNoMaster()
	}
	return nil, err
}

// New is a Box over the data keys of a database, of which it makes the first when there is none. Errors: Precondition when the
// master key is not the one, or not to be had; Unavailable.
func New(ctx context.Context, m Master, keys Keys) (*Box, error) {
	b := &Box{master: m, keys: keys}
	err := b.Refresh(ctx)
	if err == nil && len(b.known.Load().by) == 0 {
		if err = Add(ctx, m, keys); err == nil || fault.Of(err) == fault.Conflict { // another server may have been first
			err = b.Refresh(ctx)
		}
	}
	if err != nil {
		return nil, err
	}
	return b, nil
}

// Add makes a data key, which seals from then on.
func Add(ctx context.Context, m Master, keys Keys) error {
	all, err := keys.DataKeys(ctx)
	if err != nil {
		return err
	}
	var id uint32 = 1
	if len(all) > 0 {
		id = all[len(all)-1].ID + 1
	}
	key := make([]byte, keySize)
	if _, err := rand.Read(key); err != nil {
		return fault.Wrap(fault.Internal, err, "making a data key")
	}
	wrapped, name, err := m.Wrap(ctx, purpose(id), key)
	if err != nil {
		return err
	}
	return keys.KeepDataKey(ctx, store.DataKey{ID: id, Master: name, Wrapped: wrapped})
}

// purpose is what the wrapping of a data key is bound to.
func purpose(id uint32) string { return "rapport data key " + strconv.FormatUint(uint64(id), 10) }

// Refresh takes note of keys that were made since. Errors: Precondition when the master key does not open one of them; those
// that were known go on working.
func (b *Box) Refresh(ctx context.Context) error {
	if b == nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	all, err := b.keys.DataKeys(ctx)
	if err != nil {
		return err
	}
	next := &ring{by: make(map[uint32]*sealer, len(all))}
	before := b.known.Load()
	for _, k := range all {
		if before != nil && before.by[k.ID] != nil {
			next.by[k.ID], next.current = before.by[k.ID], k.ID
			continue
		}
		key, err := b.master.Unwrap(ctx, purpose(k.ID), k.Wrapped, k.Master)
		if err != nil {
			return err
		}
		if next.by[k.ID], err = newSealer(key); err != nil {
			return fault.Newf(fault.Precondition, "security", "what the master key opens is no data key: it has %d bytes", len(key))
		}
		next.current = k.ID
	}
	b.known.Store(next)
	return nil
}

// Current is the number of the data key that seals; 0 without a Box.
func (b *Box) Current() uint32 {
	if b == nil {
		return 0
	}
	return b.known.Load().current
}

// Seal is a column as it is stored. What is empty stays so.
func (b *Box) Seal(plain []byte, of About) []byte {
	if b == nil || len(plain) == 0 {
		return plain
	}
	known := b.known.Load()
	var space [256]byte
	out := make([]byte, 0, headerSize+nonceSize+len(plain)+tagSize)
	out = binary.BigEndian.AppendUint32(append(out, mark...), known.current)
	out, err := known.by[known.current].seal(out, nil, plain, of.bytes(space[:0]))
	if err != nil {
		// Keys have their length and the system has randomness, or the process would have ended. Storing it plain would be worse.
		panic("sealed: " + err.Error())
	}
	return out
}

// Sealed says whether a column is sealed, and with which data key.
func Sealed(column []byte) (id uint32, is bool) {
	if len(column) < headerSize || string(column[:len(mark)]) != mark {
		return 0, false
	}
	return binary.BigEndian.Uint32(column[len(mark):]), true
}

// Open is a column as it was given to Seal; one that is plain is returned as it is. Errors: Precondition when there is no key
// for it; Internal when it was changed, or stands in another's place.
func (b *Box) Open(ctx context.Context, column []byte, of About) ([]byte, error) {
	id, is := Sealed(column)
	if !is {
		return column, nil
	}
	if b == nil {
		return nil, ErrNoMaster()
	}
	key := b.known.Load().by[id]
	if key == nil {
		if err := b.Refresh(ctx); err != nil {
			return nil, err
		}
		if key = b.known.Load().by[id]; key == nil {
			return nil, fault.Newf(fault.Precondition, "security", "a row is sealed with data key %d, which the database does not hold", id)
		}
	}
	var space [256]byte
	plain, err := key.open(column[headerSize:], of.bytes(space[:0]))
	if err != nil {
		return nil, fault.Wrap(fault.Internal, errors.New("it was changed, or belongs to another row"), "opening a sealed row")
	}
	return plain, nil
}

// ErrNoMaster is that rows are sealed and no master key was given.
func ErrNoMaster() error {
	return fault.Newf(fault.Precondition, "security", "the database is sealed: name its master key with --master-key")
}

// Rotate wraps every data key under the current master key, and makes a further one, so that what is written from then on has a
// key of its own. It says how many it wrapped anew. Servers go on meanwhile, as long as they have the current master key too.
func Rotate(ctx context.Context, m Master, keys store.DataKeys) (rewrapped int, err error) {
	all, err := keys.DataKeys(ctx)
	if err != nil {
		return 0, err
	}
	// The new one comes first: should the master key be of no use, nothing has been touched.
	if err := Add(ctx, m, keys); err != nil {
		return 0, err
	}
	for _, was := range slices.Backward(all) {
		key, err := m.Unwrap(ctx, purpose(was.ID), was.Wrapped, was.Master)
		if err != nil {
			return rewrapped, err
		}
		becomes := was
		if becomes.Wrapped, becomes.Master, err = m.Wrap(ctx, purpose(was.ID), key); err != nil {
			return rewrapped, err
		}
		if err := keys.RewrapDataKey(ctx, was, becomes); err != nil {
			return rewrapped, err
		}
		rewrapped++
	}
	return rewrapped, nil
}
