package auth

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rapport-health/rapport/services/domain/access"
	"github.com/rapport-health/rapport/services/domain/audit"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/fhir"
	"github.com/rapport-health/rapport/services/store"
)

// AuditFace answers for the type AuditEvent below the base of FHIR REST: read and search. Nobody writes it but the gate.
type AuditFace struct {
	// Store is read from.
	Store store.Audit
	// Base of a request is where the caller reaches FHIR REST.
	Base func(*http.Request) string
}

// The bounds of one page.
const (
	auditCount    = 50
	auditMost     = 500
	auditExamined = 20_000
)

// ServeHTTP answers.
func (f *AuditFace) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	status, body, err := f.answer(w, r)
	if err != nil {
		Problem(w, err)
		return
	}
	text := encoded(body)
	h := w.Header()
	h.Set("Content-Type", "application/fhir+json; charset=utf-8")
	h.Set("Cache-Control", "private, no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(status)
	_, _ = w.Write(text) // whoever went away asks again
}

func (f *AuditFace) answer(w http.ResponseWriter, r *http.Request) (int, any, error) {
	p, err := From(r.Context())
	if err != nil {
		return 0, nil, err
	}
	rest := strings.Trim(strings.TrimPrefix(r.URL.Path, access.Prefix+"/AuditEvent"), "/")
	switch {
	case rest == "" && (r.Method == http.MethodGet || r.Method == http.MethodHead):
		return f.search(r, p, r.URL.Query())
	case rest == "_search" && r.Method == http.MethodPost:
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		if err := r.ParseForm(); err != nil {
			return 0, nil, fault.Newf(fault.Invalid, "structure", "the form of the search cannot be read")
		}
		return f.search(r, p, r.Form)
	case rest != "" && !strings.Contains(rest, "/") && (r.Method == http.MethodGet || r.Method == http.MethodHead):
		event, err := f.read(r.Context(), p, rest)
		return http.StatusOK, event, err
	case strings.Contains(rest, "/"):
		return 0, nil, fault.Newf(fault.NotFound, "not-found", "there is no such FHIR endpoint: an AuditEvent can be read and searched for")
	case rest == "_search":
		w.Header().Set("Allow", "POST")
	default:
		w.Header().Set("Allow", "GET, HEAD")
	}
	return 0, nil, fault.Newf(fault.NotSupported, "not-supported", "an AuditEvent can be read and searched for, and is written by the server alone")
}

func (f *AuditFace) read(ctx context.Context, p access.Principal, id string) (object, error) {
	missing := fault.Newf(fault.NotFound, "not-found", "there is no such AuditEvent")
	seq, index, ok := parseEventID(id)
	if !ok {
		return nil, missing
	}
	found, err := f.Store.AuditAfter(ctx, p.Tenant, seq-1, 1)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 || found[0].Seq != seq {
		return nil, missing
	}
	e, err := found[0].Entry()
	if err != nil {
		return nil, err
	}
	events := eventsOf(seq, e)
	if index >= len(events) || !p.Sees(thingOf(e, index), access.Read) {
		return nil, missing
	}
	return events[index], nil
}

// thingOf is one AuditEvent for a decision.
func thingOf(e audit.Entry, index int) access.Thing {
	t := access.Thing{Type: "AuditEvent"}
	if index < len(e.Patients) {
		t.Patient = e.Patients[index]
	}
	return t
}

// inquiry is what a search asks for.
type inquiry struct {
	query   audit.Query
	id      string
	matches []func(audit.Entry) bool
	count   int
	// from is the place in the record at which the page begins.
	from int
}

func (f *AuditFace) search(r *http.Request, p access.Principal, params url.Values) (int, any, error) {
	q, err := readInquiry(params)
	if err != nil {
		return 0, nil, err
	}
	entries, next, err := f.page(r.Context(), p, q)
	if err != nil {
		return 0, nil, err
	}
	base := f.Base(r)
	bundle := object{
		"resourceType": "Bundle", "type": "searchset",
		"link": []object{{"relation": "self", "url": base + "/AuditEvent" + queryOf(params, "")}},
	}
	if next != "" {
		bundle["link"] = append(bundle["link"].([]object), object{"relation": "next", "url": base + "/AuditEvent" + queryOf(params, next)})
	}
	var list []object
	for _, e := range entries {
		list = append(list, object{
			"fullUrl": base + "/AuditEvent/" + e["id"].(string), "resource": e, "search": object{"mode": "match"},
		})
	}
	if list != nil {
		bundle["entry"] = list
	}
	return http.StatusOK, bundle, nil
}

func queryOf(params url.Values, next string) string {
	kept := url.Values{}
	for name, values := range params {
		if name != "_page" {
			kept[name] = values
		}
	}
	if next != "" {
		kept.Set("_page", next)
	}
	if len(kept) == 0 {
		return ""
	}
	return "?" + kept.Encode()
}

// page reads on until it is full. Its end is the place of the last event: the record's number and the patient's in it.
func (f *AuditFace) page(ctx context.Context, p access.Principal, q inquiry) (events []object, next string, err error) {
	q.query.Max = min(q.count+1, auditMost)
	for examined := 0; ; {
		found, err := f.Store.FindAudit(ctx, p.Tenant, q.query)
		if err != nil {
			return nil, "", err
		}
		for _, r := range found {
			e, err := r.Entry()
			if err != nil {
				return nil, "", err
			}
			for i, event := range eventsOf(r.Seq, e) {
				if q.from > i && q.query.Before == r.Seq+1 || !q.wants(r.Seq, i, e) || !p.Sees(thingOf(e, i), access.Search) {
					continue
				}
				if len(events) == q.count {
					return events, place(r.Seq, i), nil
				}
				events = append(events, event)
			}
		}
		if len(found) < q.query.Max {
			return events, "", nil
		}
		last := found[len(found)-1].Seq
		if examined += len(found); examined >= auditExamined {
			return events, place(last-1, 0), nil
		}
		q.query.Before, q.from = last, 0
	}
}

// place is where the next page begins.
func place(seq int64, index int) string {
	return strconv.FormatInt(seq, 10) + "." + strconv.Itoa(index)
}

func (q inquiry) wants(seq int64, index int, e audit.Entry) bool {
	if q.id != "" && q.id != eventID(seq, index) {
		return false
	}
	if q.query.Patient != "" && (index >= len(e.Patients) || e.Patients[index] != q.query.Patient) {
		return false
	}
	return !slices.ContainsFunc(q.matches, func(m func(audit.Entry) bool) bool { return !m(e) })
}

func wrongParam(name string) error {
	return fault.New(fault.Invalid, fault.Errorf("value", "", "the search parameter %s cannot be read", name))
}

// readInquiry reads the parameters. One that is not known is refused: none is silently ignored.
func readInquiry(params url.Values) (inquiry, error) {
	q := inquiry{count: auditCount}
	for name, values := range params {
		for _, value := range values {
			if err := q.read(name, value); err != nil {
				return q, err
			}
		}
	}
	return q, nil
}

func (q *inquiry) read(name, value string) error {
	words := strings.Split(value, ",")
	among := func(of func(audit.Entry) string) {
		q.matches = append(q.matches, func(e audit.Entry) bool {
			return slices.ContainsFunc(words, func(w string) bool { return of(e) == w[strings.LastIndex(w, "|")+1:] })
		})
	}
	switch name {
	case "_format", "_pretty", "_summary", "_total":
		return nil
	case "_id":
		seq, _, ok := parseEventID(value)
		if !ok {
			seq = 1 << 60 // nothing has it
		}
		q.id, q.query.Before = value, seq+1
	case "_count":
		n, err := strconv.Atoi(value)
		if err != nil || n < 0 {
			return wrongParam(name)
		}
		q.count = min(n, auditMost-1)
	case "_page":
		number, index, _ := strings.Cut(value, ".")
		seq, err := strconv.ParseInt(number, 10, 64)
		from, err2 := strconv.Atoi(index)
		if err != nil || err2 != nil || seq < 0 {
			return wrongParam(name)
		}
		q.query.Before, q.from = seq+1, from
	case "patient":
		q.query.Patient = ref.Patient(value[strings.LastIndex(value, "/")+1:])
	case "date":
		return q.date(value)
	case "action":
		among(func(e audit.Entry) string { return e.Action })
	case "outcome":
		among(func(e audit.Entry) string { return string(e.Outcome) })
	case "subtype":
		among(func(e audit.Entry) string { return e.Interaction })
	case "agent-name":
		among(func(e audit.Entry) string { return e.Client })
	case "agent":
		among(func(e audit.Entry) string { return e.Person })
	case "entity":
		q.matches = append(q.matches, func(e audit.Entry) bool {
			return slices.ContainsFunc(words, func(w string) bool {
				return slices.Contains(e.Things, w) || strings.HasPrefix(w, "Patient/") && slices.Contains(e.Patients, ref.Patient(w[8:]))
			})
		})
	default:
		return fault.New(fault.Invalid, fault.Errorf("not-supported", "",
			"an AuditEvent is searched for by _id, action, agent, agent-name, date, entity, outcome, patient and subtype, and nothing else"))
	}
	return nil
}

// date takes one bound; several must all hold.
func (q *inquiry) date(value string) error {
	op, rest := "eq", value
	if len(value) > 2 && value[0] >= 'a' {
		op, rest = value[:2], value[2:]
	}
	begin, end := from(rest), until(rest)
	if begin.IsZero() {
		return wrongParam("date")
	}
	later := func(t time.Time) {
		if t.After(q.query.From) {
			q.query.From = t
		}
	}
	earlier := func(t time.Time) {
		if q.query.To.IsZero() || t.Before(q.query.To) {
			q.query.To = t
		}
	}
	switch op {
	case "eq":
		later(begin)
		earlier(end)
	case "ge":
		later(begin)
	case "gt", "sa":
		later(end)
	case "lt", "eb":
		earlier(begin)
	case "le":
		earlier(end)
	default:
		return wrongParam("date")
	}
	return nil
}

// AuditCapability is what AuditFace offers, for the CapabilityStatement.
func AuditCapability() fhir.ResourceCapability {
	c := fhir.ResourceCapability{
		Type: "AuditEvent", Versioning: "no-version",
		Documentation: "Who saw what, as IHE BALP tells it; written by the server alone. It wants a scope that names AuditEvent, or one that allows everything.",
		Interactions:  []fhir.InteractionCapability{{Code: "read"}, {Code: "search-type"}},
	}
	for _, p := range [][2]string{
		{"_id", "token"},
		{"action", "token"},
		{"agent", "reference"},
		{"agent-name", "string"},
		{"date", "date"},
		{"entity", "reference"},
		{"outcome", "token"},
		{"patient", "reference"},
		{"subtype", "token"},
	} {
		definition := "http://hl7.org/fhir/SearchParameter/AuditEvent-" + p[0]
		if p[0] == "_id" {
			definition = "http://hl7.org/fhir/SearchParameter/Resource-id"
		}
		c.SearchParams = append(c.SearchParams, fhir.SearchParamCapability{Name: p[0], Type: p[1], Definition: definition})
	}
	return c
}
