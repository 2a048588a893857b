package cds

import (
	"context"
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/rapport-health/rapport/services/auth"
	"github.com/rapport-health/rapport/services/domain/access"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/ref"
)

// headerSource names the sending system, as on FHIR REST.
const headerSource = "X-Rapport-Source"

// request is a call of a hook, as far as it is used. What is prefetched is tolerated whatever it is.
type request struct {
	Hook         string                     `json:"hook"`
	HookInstance string                     `json:"hookInstance"`
	Context      hookContext                `json:"context"`
	Prefetch     map[string]json.RawMessage `json:"prefetch"`
}

type hookContext struct {
	UserID       string          `json:"userId"`
	PatientID    string          `json:"patientId"`
	Appointments json.RawMessage `json:"appointments"`
}

// asked is a request that is complete, with who asks.
type asked struct {
	hook string
	who  access.Principal
	// role is set when the user is a PractitionerRole, behind which any clinician may be.
	role ref.Resource
	// local is the patient's id at the client; identifiers are `system|value`.
	local       string
	source      ref.Source
	identifiers []string
	// booked is when the earliest of the appointments begins; zero when none is said.
	booked   time.Time
	language string
}

var (
	instanceForm = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)
	userForm     = regexp.MustCompile(`^(Practitioner|PractitionerRole|Patient|RelatedPerson)/[A-Za-z0-9\-.]{1,64}$`)
)

// ask reads a request to a service. Errors: Invalid naming all that is missing or wrong, and those of the Caller.
func (s *Server) ask(r *http.Request, of service) (asked, error) {
	who, err := s.config.Caller(r)
	if err != nil {
		return asked{}, err
	}
	var q request
	if err := read(r, &q); err != nil {
		return asked{}, err
	}
	a := asked{
		hook: of.Hook, who: who, local: strings.TrimPrefix(q.Context.PatientID, "Patient/"), source: s.config.Source,
		language: language(r.Header.Get("Accept-Language")),
	}
	if named := r.Header.Get(headerSource); named != "" {
		a.source = ref.Source(named)
	}
	if err := q.check(of, a); err != nil {
		return asked{}, err
	}
	if err := a.actFor(q.Context.UserID); err != nil {
		return asked{}, err
	}
	a.identifiers = identifiers(q.Prefetch["patient"])
	a.booked = earliest(q.Context.Appointments)
	return a, nil
}

func (q *request) check(of service, a asked) error {
	var issues []fault.Issue
	wrong := func(bad bool, code, path, text string) {
		if bad {
			issues = append(issues, fault.Errorf(code, path, "%s", text))
		}
	}
	wrong(q.Hook != of.Hook, "value", "hook", "this service answers the hook "+of.Hook)
	wrong(!instanceForm.MatchString(q.HookInstance), "required", "hookInstance", "a UUID is needed")
	wrong(q.Context.UserID == "", "required", "context.userId", "say who looks, as a reference such as Practitioner/p1")
	wrong(q.Context.UserID != "" && !userForm.MatchString(q.Context.UserID), "value", "context.userId",
		"want a reference to a Practitioner, PractitionerRole, Patient or RelatedPerson")
	wrong(q.Context.PatientID == "", "required", "context.patientId", "the id of the patient is needed")
	wrong(q.Context.PatientID != "" && !ref.ValidID(a.local), "value", "context.patientId", "it is no FHIR id")
	wrong(!ref.ValidSource(string(a.source)), "value", headerSource, "want 1 to 64 letters, digits, `-` or `.`")
	if of.Hook == appointmentBook {
		wrong(len(q.Context.Appointments) == 0 || string(q.Context.Appointments) == "null", "required", "context.appointments",
			"the Bundle of the proposed appointments is needed")
	}
	if len(issues) > 0 {
		return fault.New(fault.Invalid, issues...)
	}
	return nil
}

// actFor makes the user the person who reads. A token that names somebody else may not act for them. Errors: Forbidden.
func (a *asked) actFor(user string) error {
	if a.who.Person != "" && a.who.Person != user {
		return fault.New(fault.Forbidden, fault.Errorf("forbidden", "context.userId", "the token is for another person"))
	}
	a.who.Person = user
	if id, ok := strings.CutPrefix(user, "PractitionerRole/"); ok {
		a.role = ref.Resource{Type: "PractitionerRole", ID: id}
	}
	return nil
}

// ctx carries who reads, for a store that lets each caller see what they may.
func (a *asked) ctx(ctx context.Context) context.Context { return auth.With(ctx, a.who) }

// maxIdentifiers bounds the identifiers of a patient that are looked up.
const maxIdentifiers = 16

// identifiers of a prefetched Patient; none when it is anything else.
func identifiers(raw json.RawMessage) []string {
	var p struct {
		Type       string `json:"resourceType"`
		Identifier []struct {
			System string `json:"system"`
			Value  string `json:"value"`
		} `json:"identifier"`
	}
	if len(raw) == 0 || json.Unmarshal(raw, &p) != nil || p.Type != "Patient" {
		return nil
	}
	var out []string
	for _, id := range p.Identifier[:min(len(p.Identifier), maxIdentifiers)] {
		if id.System != "" && id.Value != "" {
			out = append(out, id.System+"|"+id.Value)
		}
	}
	return out
}

// earliest is when the first of the appointments in a Bundle begins; zero when none says.
func earliest(raw json.RawMessage) time.Time {
	var b struct {
		Entry []struct {
			Resource struct {
				Type  string `json:"resourceType"`
				Start string `json:"start"`
			} `json:"resource"`
		} `json:"entry"`
	}
	if len(raw) == 0 || json.Unmarshal(raw, &b) != nil {
		return time.Time{}
	}
	var starts []time.Time
	for _, e := range b.Entry {
		if at, err := time.Parse(time.RFC3339, e.Resource.Start); err == nil && e.Resource.Type == "Appointment" {
			starts = append(starts, at)
		}
	}
	if len(starts) == 0 {
		return time.Time{}
	}
	return slices.MinFunc(starts, time.Time.Compare)
}

// language is the first that a client prefers; empty when it names none.
func language(header string) string {
	tag, _, _ := strings.Cut(header, ",")
	tag, _, _ = strings.Cut(tag, ";")
	if tag = strings.TrimSpace(tag); tag == "*" {
		return ""
	}
	return tag
}
