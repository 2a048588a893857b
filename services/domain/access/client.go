package access

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/ref"
)

// Client is a system that is registered to ask for tokens. The JSON names are a stored form.
type Client struct {
	// ID is its client_id, of its own on the whole server.
	ID string `json:"id"`
	// Version counts its changes, from 1.
	Version int64 `json:"version"`
	// Tenant in which it works.
	Tenant ref.Tenant `json:"tenant"`
	// Scopes that it may ask for, in the words of SMART.
	Scopes string `json:"scopes"`
	// KeysURL is where its public keys lie; empty when they are in Keys.
	KeysURL string `json:"keysUrl,omitempty"`
	// Keys is its JWKS.
	Keys json.RawMessage `json:"keys,omitempty"`
	// Certificate is the subject that its client certificate bears, by which it comes in over mTLS without a token: a
	// distinguished name, or a DNS or URI name of the certificate.
	Certificate string `json:"certificate,omitempty"`
	// Person and Role it acts for.
	Person string `json:"person,omitempty"`
	Role   string `json:"role,omitempty"`
	// Feeds that are granted to it.
	Feeds Grants `json:"feeds,omitempty"`
	// Purposes of use that it may claim; empty means treatment.
	Purposes []string `json:"purposes,omitempty"`
	// Labels of sensitivity that it is cleared for.
	Labels []string `json:"labels,omitempty"`
	// Created, and Changed last.
	Created time.Time `json:"created"`
	Changed time.Time `json:"changed"`
	// Generation counts how often its tokens were voided: by new keys, or by its revocation. A token of another one does
	// not count.
	Generation int64 `json:"generation,omitempty"`
	// Revoked says that it gets no tokens any more.
	Revoked bool `json:"revoked,omitempty"`
}

var (
	clientForm  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:/\-]{0,127}$`)
	personForm  = regexp.MustCompile(`^(Practitioner|PractitionerRole|RelatedPerson|Patient|Organization|Device)/[A-Za-z0-9\-.]{1,64}$`)
	purposeForm = regexp.MustCompile(`^(\*|[A-Z0-9_-]{1,32})$`)
)

// Check says everything that is wrong with a registration, but for its keys. Errors: Invalid.
func (c Client) Check() error {
	var issues []fault.Issue
	wrong := func(path, text string) { issues = append(issues, fault.Errorf("value", path, "%s", text)) }
	if !clientForm.MatchString(c.ID) {
		wrong("id", "want 1 to 128 letters, digits, and . _ : / -")
	}
	if !ref.ValidID(string(c.Tenant)) {
		wrong("tenant", "want 1 to 64 letters, digits, dots or hyphens")
	}
	if scopes, err := ParseScopes(c.Scopes); err != nil || len(scopes) == 0 {
		wrong("scopes", "want SMART scopes such as `system/*.rs`, parted by blanks")
	}
	if c.KeysURL == "" && len(c.Keys) == 0 && c.Certificate == "" {
		wrong("keys", "want a JWKS, its URL, or the subject of a client certificate")
	}
	if c.KeysURL != "" && len(c.Keys) > 0 {
		wrong("keys", "want a JWKS or its URL, not both")
	}
	if c.Person != "" && !personForm.MatchString(c.Person) {
		wrong("person", "want a reference such as Practitioner/p1")
	}
	if err := CheckGrants(c.Feeds); err != nil {
		wrong("feeds", "want names of feeds, team:*, role:ROLE or *")
	}
	if slices.ContainsFunc(slices.Concat(c.Purposes, c.Labels), func(s string) bool { return !purposeForm.MatchString(s) }) {
		wrong("purposes", "purposes and labels are codes in capitals, such as TREAT or PSY, or *")
	}
	if len(issues) > 0 {
		return fault.New(fault.Invalid, issues...)
	}
	return nil
}

// Principal is the client as a caller, with the scopes of its token.
func (c Client) Principal(granted Scopes) Principal {
	p := Principal{
		Name: c.ID, Tenant: c.Tenant, Person: c.Person, Role: c.Role, Scopes: granted, Feeds: c.Feeds,
		Purposes: c.Purposes, Labels: c.Labels,
	}
	if id, ok := strings.CutPrefix(c.Person, "Patient/"); ok {
		p.Patient = ref.Patient(id)
	}
	return p
}

// Allowed are the scopes that it may ask for.
func (c Client) Allowed() Scopes {
	scopes, err := ParseScopes(c.Scopes)
	if err != nil {
		return nil // Check lets none in that cannot be read
	}
	return scopes
}
