package auth

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/rapport-health/rapport/services/domain/access"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/ref"
)

// sentResource is what a decision needs of a resource or Bundle that comes in. What cannot be read is left to the room
// behind the gate, which says what is wrong with it; it is not let through where scopes restrict.
type sentResource struct {
	ResourceType string     `json:"resourceType"`
	ID           string     `json:"id"`
	Subject      *reference `json:"subject"`
	Patient      *reference `json:"patient"`
	Entry        []struct {
		Resource json.RawMessage `json:"resource"`
		Request  *struct {
			Method      string `json:"method"`
			URL         string `json:"url"`
			IfNoneExist string `json:"ifNoneExist"`
		} `json:"request"`
	} `json:"entry"`
}

type reference struct {
	Reference string `json:"reference"`
}

func forbidden() error {
	return fault.Newf(fault.Forbidden, "forbidden", "the scopes of the token do not allow what was sent")
}

// mayWrite says whether a principal may send a resource, or every entry of a Bundle. A Bundle's entries without requests
// are written by the verbs given. Where ids are kept, what is sent may take the place of what is stored, a POST like all
// else; where they are not, a POST creates and can do no more.
func mayWrite(p access.Principal, body []byte, verbs access.Verbs, idsKept bool) error {
	if p.AllowAll(access.AllVerbs) {
		return nil
	}
	var sent sentResource
	if err := json.Unmarshal(body, &sent); err != nil || sent.ResourceType == "" {
		return forbidden()
	}
	if sent.ResourceType != "Bundle" {
		return mayWriteOne(p, sent, body, verbs, idsKept)
	}
	for _, e := range sent.Entry {
		if err := mayDo(p, e.Resource, verbs, idsKept, e.Request != nil, func() (string, string, string) {
			return e.Request.Method, e.Request.URL, e.Request.IfNoneExist
		}); err != nil {
			return err
		}
	}
	return nil
}

// mayDo decides one entry of a Bundle.
func mayDo(
	p access.Principal, resource json.RawMessage, verbs access.Verbs, idsKept, requested bool, request func() (method, address, ifNoneExist string),
) error {
	var inner sentResource
	if len(bytes.TrimSpace(resource)) > 0 && json.Unmarshal(resource, &inner) != nil {
		return forbidden()
	}
	if !requested {
		return mayWriteOne(p, inner, resource, verbs, idsKept)
	}
	method, address, ifNoneExist := request()
	u, err := url.Parse(strings.TrimPrefix(address, "/"))
	if err != nil || u.IsAbs() {
		return forbidden()
	}
	rule := access.Door(method, access.Prefix+"/"+u.Path)
	if rule.Interaction == "batch" || !rule.Decide(p) {
		return forbidden()
	}
	if ifNoneExist != "" && !p.Allow(inner.ResourceType, access.Search) {
		return forbidden()
	}
	if method != http.MethodPost && method != http.MethodPut || inner.ResourceType == "" {
		return nil
	}
	verb := access.Create
	switch {
	case method == http.MethodPut:
		verb = access.Update
	case idsKept:
		verb = access.Create | access.Update
	}
	return mayWriteOne(p, inner, resource, verb, idsKept || verb != access.Create)
}

func mayWriteOne(p access.Principal, sent sentResource, body []byte, verbs access.Verbs, idsKept bool) error {
	if !idsKept && verbs == access.Create {
		sent.ID = "" // a new resource is none of those that the caller may be bound to
	}
	thing := access.Thing{Type: sent.ResourceType, ID: sent.ID, Patient: sent.patient(), Raw: body}
	for _, verb := range []access.Verbs{access.Create, access.Update} {
		if verbs&verb != 0 && !p.Sees(thing, verb) {
			return forbidden()
		}
	}
	return nil
}

// patient it is about, as its source names them.
func (s sentResource) patient() ref.Patient {
	if s.ResourceType == "Patient" {
		return ref.Patient(s.ID)
	}
	for _, r := range []*reference{s.Subject, s.Patient} {
		if r == nil {
			continue
		}
		parts := strings.Split(strings.Split(r.Reference, "/_history/")[0], "/")
		if n := len(parts); n >= 2 && parts[n-2] == "Patient" {
			return ref.Patient(parts[n-1])
		}
	}
	return ""
}

// PatientsIn are the patients whom a body refers to, as its source names them: for the audit, which must not cost a second
// reading of every body.
func PatientsIn(body []byte) []ref.Patient {
	var found []ref.Patient
	mark := []byte("Patient/")
	for {
		at := bytes.Index(body, mark)
		if at < 0 {
			return found
		}
		body = body[at+len(mark):]
		end := 0
		for end < len(body) && end < 64 && idByte(body[end]) {
			end++
		}
		if id := ref.Patient(body[:end]); end > 0 && !slices.Contains(found[max(0, len(found)-8):], id) {
			found = append(found, id)
		}
	}
}

func idByte(b byte) bool {
	return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9' || b == '-' || b == '.'
}
