package ref

import (
	"crypto/sha256"
	"encoding/binary"
	"hash/fnv"
	"strings"
)

// SourceKey is a number for a resource of a tenant, given as `Type/id` without version, by which a store finds the facts
// taken from it. Two may share one, so whoever looks by it compares the names as well.
func SourceKey(t Tenant, source string) int64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(t)) // A hash never fails.
	_, _ = h.Write([]byte{0})
	_, _ = h.Write([]byte(source))
	return int64(h.Sum64())
}

// Derived is the id of what is derived from a resource of a tenant, but for its part: 26 characters, of which the first
// half is the SourceKey and the second tells resources apart that share one.
func Derived(t Tenant, source Resource) string {
	name := source.Unversioned().String()
	sum := sha256.Sum256([]byte(name))
	var b [16]byte
	binary.BigEndian.PutUint64(b[:], uint64(SourceKey(t, name)))
	copy(b[8:], sum[:])
	return strings.ToLower(digestCoding.EncodeToString(b[:]))
}

// derivedLength is how long the first part of a derived id is: 16 bytes in base 32.
const derivedLength = 26

// SplitDerived parts the id of something derived, such as `<Derived>-panel`. ok is false when it is no such id.
func SplitDerived(id string) (key int64, derived, part string, ok bool) {
	if len(id) < derivedLength+2 || id[derivedLength] != '-' || !ValidID(id) {
		return 0, "", "", false
	}
	derived = id[:derivedLength]
	b, err := digestCoding.DecodeString(strings.ToUpper(derived))
	if err != nil || strings.ToLower(derived) != derived {
		return 0, "", "", false
	}
	return int64(binary.BigEndian.Uint64(b)), derived, id[derivedLength+1:], true
}

// MaxPart is how long the part of a derived id can be.
const MaxPart = 64 - derivedLength - 1
