package rest

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/instrument"
	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/fhir"
	"github.com/rapport-health/rapport/services/fhir/search"
)

// Taken is what is taken away of one type, all of it or as searches select, as it stood at an event.
type Taken struct {
	// Type is one of ExportTypes.
	Type string
	// Queries of searches, any of which selects; none selects all.
	Queries []string
	// Elements that are told beside the required ones; nil for all.
	Elements []string
	// Upto is the number of the tenant's event at which it is told how things stood.
	Upto int64
	// Above leaves out what was stored at the event of that number or before; nil leaves nothing out.
	Above *int64
	// Since leaves out what was last updated before, and Until what was last updated after; zero leaves nothing out.
	Since, Until time.Time
	// Of says about whom; nil for everything, also what is about no patient.
	Of func(ref.Patient) bool
	// Patients are those, where there are few; none says nothing.
	Patients []ref.Patient
}

// Spot is where a portion ended: the next one begins behind it. The zero Spot is the beginning.
type Spot struct {
	Derived bool   `json:"derived,omitempty"`
	Seq     int64  `json:"seq,omitempty"`
	ID      string `json:"id,omitempty"`
	Version int64  `json:"version,omitempty"`
}

// Portion is a piece of what is taken away.
type Portion struct {
	// Resources as FHIR JSON, each on one line.
	Resources [][]byte
	// Gone are those that were deleted.
	Gone []ref.Resource
	// Next is where it ended; nil at the end of all.
	Next *Spot
}

// ExportTypes are the types that can be taken away.
func ExportTypes() []string {
	var out []string
	for i := range kinds {
		if k := &kinds[i]; k.sent || slices.Contains(fromAlerts, k.name) || k.name == "Provenance" {
			out = append(out, k.name)
		}
	}
	return out
}

// CheckTaken says what is wrong with the query of a search that is to select what is taken away. Errors: Invalid.
func (s *Server) CheckTaken(typ, query string) error {
	k, ok := kindOf(typ)
	if !ok || !slices.Contains(ExportTypes(), typ) {
		return unknownKind(typ)
	}
	_, err := s.selecting(k, query)
	return err
}

// selecting reads a query. What depends on other resources is refused: those may have changed since.
func (s *Server) selecting(k *kind, query string) (*inquiry, error) {
	values, err := url.ParseQuery(query)
	if err != nil {
		return nil, badQuery()
	}
	for name := range values {
		if controls[name] || strings.HasPrefix(name, "_include") || strings.HasPrefix(name, "_revinclude") {
			return nil, fault.New(fault.Invalid, fault.Errorf("not-supported", "", "the parameter %s has no place in a _typeFilter", shownParam(name)))
		}
	}
	q, err := readInquiry(k, values, s.config.BaseURL, s.config.Now().In(s.config.Zone))
	if err != nil {
		return nil, err
	}
	if refused := q.ignoredIssues(fault.Error); len(refused) > 0 {
		return nil, fault.New(fault.Invalid, refused...)
	}
	if len(q.linked) > 0 {
		return nil, fault.New(fault.Invalid, fault.Errorf("not-supported", "", "chains and _has have no place in a _typeFilter"))
	}
	return q, nil
}

// Base is the URL by which the client of a request reaches FHIR REST.
func (s *Server) Base(r *http.Request) string { return s.base(r) }

// behind is a call that nobody waits for: its caller is the one in ctx.
func (s *Server) behind(ctx context.Context, t ref.Tenant) (*call, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "/", http.NoBody)
	if err != nil {
		return nil, err
	}
	return &call{Server: s, r: r, tenant: t, base: s.config.BaseURL, fetched: map[defined]*instrument.Definition{}}, nil
}

// taking is the reading of one portion.
type taking struct {
	*sight
	Taken
	kind    *kind
	queries []*inquiry
	shape   shape
	out     Portion
}

func (c *call) taking(v *sight, w Taken) (*taking, error) {
	k, ok := kindOf(w.Type)
	if !ok {
		return nil, unknownKind(w.Type)
	}
	t := &taking{sight: v, Taken: w, kind: k, shape: shape{elements: w.Elements}}
	v.upto = &t.Upto
	for _, query := range w.Queries {
		q, err := c.selecting(k, query)
		if err != nil {
			return nil, err
		}
		if err := q.resolve(c.r.Context(), v); err != nil {
			return nil, err
		}
		t.queries = append(t.queries, q)
	}
	if len(t.queries) == 0 {
		t.queries = append(t.queries, &inquiry{kind: k})
	}
	return t, nil
}

// Portion reads on behind a spot, over up to max records. Errors: as View; Invalid for what CheckTaken refuses.
func (s *Server) Portion(ctx context.Context, t ref.Tenant, w Taken, from Spot, max int) (Portion, error) {
	c, err := s.behind(ctx, t)
	if err != nil {
		return Portion{}, err
	}
	var out Portion
	return out, c.look(func(v *sight) error {
		reading, err := c.taking(v, w)
		if err != nil {
			return err
		}
		err = reading.read(from, max)
		out = reading.out
		return err
	})
}

// fromAlerts are the types that are made of alerts.
var fromAlerts = []string{"DetectedIssue", "Task", "Flag"}

// fromForms are the types of which some are derived from forms.
var fromForms = []string{"Observation", "Provenance"}

func (t *taking) read(from Spot, max int) error {
	typ := t.kind.name
	if slices.Contains(fromAlerts, typ) {
		return nil // Freeze gave them all
	}
	derived := from.Derived || typ == "Provenance"
	if derived {
		typ = "QuestionnaireResponse"
	}
	past := record.Past{Type: typ, Patients: t.Patients, Above: t.Above, Upto: &t.Upto, Max: max, Unshown: true}
	if t.Above == nil {
		past.Since = t.Since
	}
	if from.ID != "" {
		past.After = record.Kept{Resource: ref.Resource{Type: typ, ID: from.ID, Version: from.Version}, Seq: from.Seq}
	}
	page, err := t.Versions(past)
	if err != nil {
		return err
	}
	names, marks := make([]ref.Resource, len(page)), make([]record.Marked, len(page))
	for i, one := range page {
		names[i], marks[i] = one.Resource, record.Marked{ID: one.ID}
	}
	stored, err := t.Records(names...) // what the caller may not see is not among them
	if err == nil && derived {
		err = t.readAhead(marks)
	}
	if err != nil {
		return err
	}
	by := make(map[ref.Resource]record.Record, len(stored))
	for _, rec := range stored {
		by[rec.Resource] = rec
	}
	for _, one := range page {
		rec, seen := by[one.Resource]
		if !seen {
			continue
		}
		if err := t.take(one, rec, derived); err != nil {
			return err
		}
	}
	switch {
	case len(page) >= max:
		last := page[len(page)-1]
		t.out.Next = &Spot{Derived: derived, Seq: last.Seq, ID: last.ID, Version: last.Version}
	case !derived && slices.Contains(fromForms, t.kind.name):
		t.out.Next = &Spot{Derived: true}
	}
	return nil
}

// take takes one version, if it is the one that stood.
func (t *taking) take(one record.Kept, rec record.Record, derived bool) error {
	stood, err := t.stoodThen(one)
	if err != nil || !stood {
		return err
	}
	switch {
	case !t.Until.IsZero() && rec.Received.After(t.Until):
		return nil
	case derived:
		return t.takeDerived(rec)
	case t.Of != nil && (rec.Patient == "" || !t.Of(rec.Patient)):
		return nil
	case rec.Gone():
		t.out.Gone = append(t.out.Gone, rec.Unversioned())
		return nil
	}
	t.records[rec.Resource] = rec
	return t.takeHit(t.recordHit(rec))
}

// stoodThen says whether a version was the newest one at the event.
func (t *taking) stoodThen(one record.Kept) (bool, error) {
	if one.Current {
		return true, nil
	}
	newest, err := t.Versions(record.Past{Type: one.Type, ID: one.ID, Upto: &t.Upto, Max: 1, Unshown: true})
	return len(newest) == 1 && newest[0].Version == one.Version, err
}

// takeDerived takes what is derived from a form in the version that stood.
func (t *taking) takeDerived(form record.Record) error {
	if t.Of != nil && form.Patient != "" && !t.Of(form.Patient) {
		return nil
	}
	if !form.Gone() {
		t.records[form.Resource] = form
	}
	t.changed = map[string]map[string]int64{"QuestionnaireResponse": {form.ID: form.Version}}
	if t.kind.name == "Provenance" {
		return t.takeProvenance(form)
	}
	for _, q := range t.queries {
		hits, err := t.derivedFromForm(q, form.Unversioned())
		if err != nil {
			return err
		}
		if len(t.queries) > 1 {
			hits = slices.DeleteFunc(hits, func(h hit) bool { return !q.met(&h) || t.metBefore(q, &h) })
		}
		for _, h := range hits {
			if err := t.takeHit(h); err != nil {
				return err
			}
		}
	}
	return nil
}

// metBefore says whether a query before q selects it too.
func (t *taking) metBefore(q *inquiry, h *hit) bool {
	for _, other := range t.queries {
		if other == q {
			return false
		}
		if other.met(h) {
			return true
		}
	}
	return false
}

func (t *taking) takeProvenance(form record.Record) error {
	taken, err := t.takenFrom(form.Unversioned())
	if err != nil || len(taken) == 0 {
		return err
	}
	history, err := t.history(taken)
	if err != nil {
		return err
	}
	p, patient, err := t.formProvenance(history)
	if err != nil {
		if fault.Of(err) == fault.NotFound {
			return nil
		}
		return err
	}
	return t.takeHit(t.provenanceHit(idOf(history), patient, p))
}

func (t *taking) takeHit(h hit) error {
	if t.Of != nil && (h.doc.Patient == "" || !t.Of(h.doc.Patient)) {
		return nil
	}
	if !slices.ContainsFunc(t.queries, func(q *inquiry) bool { return q.met(&h) }) {
		return nil
	}
	body, err := h.body()
	if err != nil {
		return err
	}
	t.out.Resources = append(t.out.Resources, t.shape.of(h.typ, body))
	return nil
}

// alertsAtOnce is how many alerts are read at once.
const alertsAtOnce = 200

// lanes is how much earlier than its commit a step of an alert may be dated.
const lanes = time.Minute

// Freeze reads, from one state of the store, the number of the tenant's last event, and all of the alerts that are taken
// away with it: an alert cannot be read as it stood once it has changed. Each is given to each, by the index of what it
// was taken for. Errors: as View; those of each.
func (s *Server) Freeze(ctx context.Context, t ref.Tenant, of []Taken, each func(n int, resource []byte) error) (upto int64, err error) {
	c, err := s.behind(ctx, t)
	if err != nil {
		return 0, err
	}
	return upto, c.look(func(v *sight) error {
		extents, err := v.Extents(feed.All)
		if err != nil {
			return err
		}
		if len(extents) > 0 {
			upto = extents[0].Last
		}
		var readings []*taking
		for _, w := range of {
			w.Upto = upto
			reading := (*taking)(nil)
			if slices.Contains(fromAlerts, w.Type) || w.Type == "Provenance" {
				if reading, err = c.taking(v, w); err != nil {
					return err
				}
			}
			readings = append(readings, reading)
		}
		return v.takeAlerts(readings, each)
	})
}

func (v *sight) takeAlerts(readings []*taking, each func(n int, resource []byte) error) error {
	if !slices.ContainsFunc(readings, func(t *taking) bool { return t != nil }) {
		return nil
	}
	of := []ref.Patient{""} // all
	for _, t := range readings {
		if t != nil && t.Patients != nil {
			of = t.Patients // as for each of them
		}
	}
	for _, patient := range of {
		if err := v.takeAlertsOf(patient, readings, each); err != nil {
			return err
		}
	}
	return nil
}

func (v *sight) takeAlertsOf(patient ref.Patient, readings []*taking, each func(n int, resource []byte) error) error {
	q := alert.Query{Patient: patient, Statuses: raised, Max: alertsAtOnce}
	for {
		alerts, err := v.ListAlerts(q)
		if err != nil {
			return err
		}
		for _, a := range alerts {
			for n, t := range readings {
				if t == nil {
					continue
				}
				if err := t.takeAlert(a); err != nil {
					return err
				}
				for _, resource := range t.out.Resources {
					if err := each(n, resource); err != nil {
						return err
					}
				}
				t.out.Resources = nil
			}
		}
		if len(alerts) < q.Max {
			return nil
		}
		last := alerts[len(alerts)-1]
		q.After = alert.Place{Severity: last.Severity, Effective: last.Effective, ID: last.ID}
	}
}

func (t *taking) takeAlert(a alert.Alert) error {
	updated := fhir.IssueUpdated(a)
	early := t.Since
	if t.Above != nil {
		early = early.Add(-lanes)
	}
	if updated.Before(early) || !t.Until.IsZero() && updated.After(t.Until) {
		return nil
	}
	if t.kind.name == "Provenance" {
		p, err := t.issueProvenance(a)
		if err != nil {
			return nil //nolint:nilerr // it was never raised, so nothing is said of where it comes from
		}
		return t.takeHit(t.provenanceHit(fhir.IssueProvenanceID(a.ID), a.Patient, p))
	}
	switch t.kind.name {
	case "Task":
		return t.takeHit(t.taskHit(a))
	case "Flag":
		return t.takeHit(t.flagHit(a))
	default:
		return t.takeHit(t.alertHit(a))
	}
}

// Cohort are the patients of a Group: the members of the Group resource of that id, or else those whom the CareTeam of
// that id looks after, itself or through a CareTeam of the patient's own in which it takes part. Errors: NotFound.
func (s *Server) Cohort(ctx context.Context, t ref.Tenant, id string) (patients []ref.Patient, err error) {
	c, err := s.behind(ctx, t)
	if err != nil {
		return nil, err
	}
	return patients, c.look(func(v *sight) error {
		patients, err = v.cohort(id)
		return err
	})
}

func (v *sight) cohort(id string) ([]ref.Patient, error) {
	group, err := v.Record(ref.Resource{Type: "Group", ID: id})
	switch {
	case err == nil:
		return v.members(group)
	case fault.Of(err) != fault.NotFound:
		return nil, err
	}
	var out []ref.Patient
	team, err := v.Record(ref.Resource{Type: "CareTeam", ID: id})
	switch {
	case err == nil && team.Patient != "":
		out = append(out, team.Patient)
	case err != nil && fault.Of(err) != fault.NotFound:
		return nil, err
	}
	there := err == nil
	k, _ := kindOf("CareTeam")
	for after := (place{}); ; {
		q, err := readInquiry(k, url.Values{"participant": {"CareTeam/" + id}, "status": {"active"}}, v.config.BaseURL, v.config.Now())
		if err != nil {
			return nil, err
		}
		q.count, q.uncounted, q.cursor.after = maxCount, true, after
		f, err := q.runMatches(v.r.Context(), v)
		if err != nil {
			return nil, err
		}
		for i := range f.hits {
			there = true
			if p := f.hits[i].doc.Patient; p != "" {
				out = append(out, p)
			}
		}
		if after = f.reached; !f.more {
			break
		}
	}
	if !there {
		return nil, unknownResource()
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// members of a Group that are patients, and members still.
func (v *sight) members(group record.Record) ([]ref.Patient, error) {
	var body struct {
		Member []json.RawMessage `json:"member"`
	}
	if err := json.Unmarshal(group.Raw, &body); err != nil {
		return nil, nil //nolint:nilerr // it was read before it was stored: it has no members then
	}
	active := slices.DeleteFunc(body.Member, func(raw json.RawMessage) bool {
		var m struct{ Inactive bool }
		return json.Unmarshal(raw, &m) != nil || m.Inactive
	})
	reduced, err := json.Marshal(map[string]any{"resourceType": "Group", "member": active})
	if err != nil {
		return nil, err
	}
	group.Raw = reduced
	var named []string
	for _, value := range v.document(&group).Values(search.Find("Group", "member")) {
		if value.Ref.Type == "Patient" {
			named = append(named, value.Ref.String())
		}
	}
	return v.knownAs(named)
}

// knownAs are the patients that go by names such as `Patient/1`, under the ids by which all of them is kept.
func (v *sight) knownAs(named []string) ([]ref.Patient, error) {
	known, err := v.Patients(named)
	if err != nil {
		return nil, err
	}
	var out []ref.Patient
	for _, name := range named {
		_, id, _ := strings.Cut(name, "/")
		if alias, ok := known[name]; ok {
			id = string(alias.Patient)
		}
		_, err := v.Record(ref.Resource{Type: "Patient", ID: id})
		switch {
		case err == nil:
			out = append(out, ref.Patient(id))
		case fault.Of(err) != fault.NotFound:
			return nil, err
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// Patients are those who go by ids, under the ids by which all of them is kept, and the ids by which nobody goes.
func (s *Server) Patients(ctx context.Context, t ref.Tenant, ids []string) (found []ref.Patient, unknown []string, err error) {
	c, err := s.behind(ctx, t)
	if err != nil {
		return nil, nil, err
	}
	return found, unknown, c.look(func(v *sight) error {
		found, unknown = nil, nil
		for _, id := range ids {
			named, err := v.knownAs([]string{"Patient/" + id})
			if err != nil {
				return err
			}
			if len(named) == 0 {
				unknown = append(unknown, id)
			}
			found = append(found, named...)
		}
		slices.Sort(found)
		found = slices.Compact(found)
		return nil
	})
}
