// Package ref names things: tenants, sources, patients, episodes, clinicians, care teams and stored resources.
package ref

import (
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"strconv"
	"strings"
)

// Tenant is one customer; everything stored belongs to exactly one.
type Tenant string

// Source is a sending system, such as `ehr`; part of the identity of what it sends.
type Source string

// Patient is the id of a patient's Patient resource in Rapport, without `Patient/`.
type Patient string

// Reference is the patient as a FHIR reference.
func (p Patient) Reference() string { return "Patient/" + string(p) }

// Episode is the id of one course of care. Until episodes are told apart it equals the patient's id.
type Episode string

// EpisodeOf is the episode of a patient.
func EpisodeOf(p Patient) Episode { return Episode(p) }

// Clinician is a FHIR reference such as `Practitioner/p1` in its source's own ids; empty when not named.
type Clinician string

// CareTeam is the id of a CareTeam resource in Rapport.
type CareTeam string

// Resource is a stored resource, with the version meant (0: the current one).
type Resource struct {
	// Type is the FHIR type.
	Type string
	// ID is the id in Rapport.
	ID string
	// Version counts from 1.
	Version int64
}

// String is `Type/id` or `Type/id/_history/version`.
func (r Resource) String() string {
	if r.Type == "" {
		return ""
	}
	if r.Version == 0 {
		return r.Type + "/" + r.ID
	}
	return r.Type + "/" + r.ID + "/_history/" + strconv.FormatInt(r.Version, 10)
}

// Unversioned is the resource whatever its version.
func (r Resource) Unversioned() Resource { return Resource{Type: r.Type, ID: r.ID} }

// MarshalText writes String.
func (r Resource) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads what String wrote.
func (r *Resource) UnmarshalText(text []byte) error {
	parsed, err := ParseResource(string(text))
	*r = parsed
	return err
}

// ParseResource reads `Type/id` or `Type/id/_history/version`; the empty string is the zero Resource.
func ParseResource(s string) (Resource, error) {
	if s == "" {
		return Resource{}, nil
	}
	parts := strings.Split(s, "/")
	switch {
	case len(parts) == 2:
		return Resource{Type: parts[0], ID: parts[1]}, nil
	case len(parts) == 4 && parts[2] == "_history":
		v, err := strconv.ParseInt(parts[3], 10, 64)
		if err == nil && v > 0 {
			return Resource{parts[0], parts[1], v}, nil
		}
	}
	return Resource{}, fmt.Errorf("not a resource reference of the form Type/id[/_history/n]")
}

// ValidID says whether s can be a FHIR id: letters, digits, `-` and `.`, at most 64. It is asked of every reference.
func ValidID(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '.':
		default:
			return false
		}
	}
	return len(s) > 0 && len(s) <= 64
}

// ValidSource says whether s can name a source: a FHIR id without slashes or blanks.
func ValidSource(s string) bool { return ValidID(s) }

// Namer gives resources their ids in Rapport. It is a pure function of where they came from,
// so that a replay, another server and a later session all arrive at the same id.
type Namer struct {
	// Home is the source whose own logical ids are kept as they are.
	Home Source
}

// ID is the id in Rapport of the resource that a source calls typ/logical.
// The home source's ids are kept; those of others are prefixed, or hashed when that would be too long. A source with a
// dot in its name is always hashed: `a.b` and `c` must not meet `a` and `b.c`.
func (n Namer) ID(source Source, logical string) string {
	if source == n.Home {
		return logical
	}
	if id := string(source) + "." + logical; ValidID(id) && !strings.Contains(string(source), ".") {
		return id
	}
	return Digest("id", string(source), logical)
}

// Digest is a 26-character id made from its parts: the same parts, the same id.
func Digest(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		h.Write([]byte(strconv.Itoa(len(p))))
		h.Write([]byte{':'})
		h.Write([]byte(p))
	}
	return strings.ToLower(digestCoding.EncodeToString(h.Sum(nil)[:16]))
}

var digestCoding = base32.StdEncoding.WithPadding(base32.NoPadding)
