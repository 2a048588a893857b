package rest

import (
	"slices"
	"sync"
	"time"

	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/judge"
	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/fhir"
	"github.com/rapport-health/rapport/services/fhir/search"
	"github.com/rapport-health/rapport/services/fhir/tree"
	"github.com/rapport-health/rapport/services/store"
)

// hit is a candidate of a search.
type hit struct {
	place
	typ string
	// hidden candidates are never served.
	hidden bool
	// doc is looked at for what is asked.
	doc *search.Document
	// updated is when its version came in.
	updated func() time.Time
	// size of the body, about, in bytes.
	size int
	// needs are the records from which the body is made, beside what is at hand.
	needs []ref.Resource
	body  func() ([]byte, error)
	// served is the body, once the hit is known to be on the page.
	served []byte
}

// finder gives the candidates of a search: every match is among those of one of its lookups at least.
type finder func(v *sight, q *inquiry) ([]lookup, error)

// lookup gives up to max candidates after a place, in order; fewer than max only at the end.
type lookup func(after place, max int) ([]hit, error)

// met says whether a candidate meets all that is asked.
func (q *inquiry) met(h *hit) bool {
	if h.hidden {
		return false
	}
	for _, group := range q.ids {
		if !slices.Contains(group, h.id) {
			return false
		}
	}
	for i := range q.conditions {
		if !q.conditions[i].Met(h.doc) {
			return false
		}
	}
	for _, group := range q.updated {
		at := h.updated().Truncate(time.Millisecond)
		if !slices.ContainsFunc(group, func(all []search.Bound) bool {
			return !slices.ContainsFunc(all, func(b search.Bound) bool { return !search.Holds(b, at, at.Add(time.Millisecond)) })
		}) {
			return false
		}
	}
	return true
}

// findRecords looks among what was received, by the narrowest way that there is.
func findRecords(v *sight, q *inquiry) ([]lookup, error) {
	ways, err := q.ways(v)
	if err != nil || !q.later() {
		return ways, err
	}
	changed, err := v.changedSince(q.kind.name, *q.cursor.upto)
	if err != nil {
		return nil, err
	}
	return append(ways, listed(func() ([]hit, error) { return v.asTheyStood(q.kind.name, changed) })), nil
}

// ways are the lookups among current records.
func (q *inquiry) ways(v *sight) ([]lookup, error) {
	base := record.Query{Type: q.kind.name, Until: q.cursor.upto}
	for i := range q.conditions {
		c := &q.conditions[i]
		if c.Param.Name == q.kind.date && c.Modifier == "" && len(c.Any) == 1 {
			base.Dates = append(base.Dates, c.Any[0].Dates...)
		}
		if bits, ok := c.Sieve(); ok {
			base.Sieves = append(base.Sieves, bits)
		}
	}
	if c := q.asksFor("code"); c != nil && q.kind.name == "Observation" {
		base.Codes = codesOf(c)
	}
	if c := q.asksFor("questionnaire"); c != nil {
		base.Codes = canonicalsOf(c)
	}
	switch {
	case len(q.ids) > 0:
		return []lookup{listed(func() ([]hit, error) { return v.recordsByID(q, q.ids[0]) })}, nil
	case q.narrowed:
		var out []lookup
		for _, p := range q.patients {
			of := base
			of.Patient = p
			out = append(out, v.searching(of))
		}
		return out, nil
	}
	if keys := q.keys(); keys != nil && v.filled() {
		var out []lookup
		for _, key := range keys {
			of := base
			of.Codes, of.Key = nil, key
			out = append(out, v.searching(of))
		}
		return out, nil
	}
	return []lookup{v.searching(base)}, nil
}

// keys are those of the condition with the fewest.
func (q *inquiry) keys() []int64 {
	var best []int64
	for i := range q.conditions {
		if keys, ok := q.conditions[i].Keys(); ok && (best == nil || len(keys) < len(best)) {
			best = keys
		}
	}
	if len(best) > maxWays {
		return nil
	}
	return best
}

// searching is the lookup of a query.
func (v *sight) searching(q record.Query) lookup {
	return func(after place, max int) ([]hit, error) {
		q.Max, q.After, q.MaxBytes = max, record.Place{}, 0
		if after.id != "" {
			q.After = record.Place{From: after.at, Resource: ref.Resource{Type: q.Type, ID: after.id}}
		}
		records, err := v.Search(q)
		return hitsOf(records, v.recordHit), err
	}
}

// codesOf are what the store knows a condition on codes by; none when it cannot look for it.
func codesOf(c *search.Condition) []string {
	var out []string
	for _, a := range c.Any {
		if a.NoCode {
			return nil
		}
		out = append(out, a.System+"|"+a.Code) // without a system, a code of any
	}
	return out
}

// canonicalsOf are what the store knows a condition on a questionnaire by: `url|version`, or whatever its version the url.
// What is no URL may be meant as the end of one.
func canonicalsOf(c *search.Condition) []string {
	var out []string
	for _, a := range c.Any {
		switch {
		case !absolute(a.Text):
			return nil
		case a.Version != "":
			out = append(out, a.Text+"|"+a.Version)
		default:
			out = append(out, "|"+a.Text)
		}
	}
	return out
}

func (v *sight) recordsByID(q *inquiry, ids []string) ([]hit, error) {
	var out []hit
	for _, id := range ids {
		rec, err := v.Record(ref.Resource{Type: q.kind.name, ID: id})
		switch {
		case err != nil && fault.Of(err) != fault.NotFound:
			return nil, err
		case err == nil && (q.cursor.upto == nil || rec.Seq <= *q.cursor.upto):
			out = append(out, v.recordHit(rec))
		}
	}
	return out, nil
}

func (v *sight) recordHit(rec record.Record) hit {
	doc := sync.OnceValue(func() *tree.Doc { return docOf(rec.Raw) })
	h := hit{
		place: place{at: rec.From, id: rec.ID}, typ: rec.Type, size: len(rec.Raw), doc: v.documentOf(&rec, func() tree.Node { return doc().Root() }),
		updated: func() time.Time { return rec.Received },
		body:    func() ([]byte, error) { return fhir.ServedAs(rec, doc()), nil },
	}
	if rec.Type == "Observation" {
		// A copy of a derived one that came back is not another one.
		_, ok, err := v.derived(ref.Resource{Type: "Observation", ID: rec.ID})
		h.hidden = err == nil && ok
	}
	return h
}

// document is a record as a search looks at it.
func (v *sight) document(rec *record.Record) *search.Document {
	return v.documentOf(rec, func() tree.Node { return parsed(rec.Raw) })
}

func (v *sight) documentOf(rec *record.Record, root func() tree.Node) *search.Document {
	return &search.Document{
		Type: rec.Type, Source: rec.Source, Namer: v.config.Namer, Patient: rec.Patient, Zone: v.config.Zone, Root: root,
	}
}

// parsed is what was read before it was stored.
func parsed(raw []byte) tree.Node { return docOf(raw).Root() }

// docOf is what was read before it was stored; nil when it cannot be read any more.
func docOf(raw []byte) *tree.Doc {
	doc, err := tree.Parse(raw, tree.Limits{Bytes: len(raw) + 1})
	if err != nil {
		return nil
	}
	return doc
}

func hitsOf[T any](of []T, hitOf func(T) hit) []hit {
	out := make([]hit, len(of))
	for i, one := range of {
		out[i] = hitOf(one)
	}
	return out
}

// listed serves candidates that are all known at once. They are looked up once.
func listed(all func() ([]hit, error)) lookup {
	var sorted []hit
	looked := false
	return func(after place, max int) ([]hit, error) {
		if !looked {
			hits, err := all()
			if err != nil {
				return nil, err
			}
			slices.SortFunc(hits, func(a, b hit) int { return a.compare(b.place) })
			sorted, looked = slices.CompactFunc(hits, func(a, b hit) bool { return a.place == b.place }), true
		}
		rest := sorted
		if after.id != "" {
			first := slices.IndexFunc(sorted, func(h hit) bool { return h.compare(after) > 0 })
			if first < 0 {
				return nil, nil
			}
			rest = sorted[first:]
		}
		return rest[:min(len(rest), max)], nil
	}
}

// maxChanged bounds how much may change while somebody leafs through a search.
const maxChanged = 10_000

// changedSince gives, of each resource of a type that was stored anew after an event, the version that it had then; 0 for
// none.
func (v *sight) changedSince(typ string, upto int64) (map[string]int64, error) {
	if known, ok := v.changed[typ]; ok {
		return known, nil
	}
	newer, err := v.Versions(record.Past{Type: typ, Above: &upto, Max: maxChanged, Unshown: true})
	if err != nil {
		return nil, err
	}
	if len(newer) == maxChanged {
		return nil, &refusal{410, "", fault.Newf(fault.TooOld, "expired", "too much has changed since the first page: search again")}
	}
	out := make(map[string]int64, len(newer))
	for _, one := range newer { // newest first, so the oldest counts in the end
		out[one.ID] = one.Version - 1
	}
	if v.changed == nil {
		v.changed = map[string]map[string]int64{}
	}
	v.changed[typ] = out
	return out, nil
}

// asTheyStood are the versions from before they changed.
func (v *sight) asTheyStood(typ string, versions map[string]int64) ([]hit, error) {
	var out []hit
	var names []ref.Resource
	for id, version := range versions {
		if version == 0 {
			continue
		}
		names = append(names, ref.Resource{Type: typ, ID: id, Version: version})
	}
	found, err := v.Records(names...) // what the caller may not see is not among them
	for _, rec := range found {
		if !rec.Gone() {
			out = append(out, v.recordHit(rec))
		}
	}
	return out, err
}

// raised are the statuses of alerts that may be shown: one that was raised may have given way to another.
var raised = []alert.Status{alert.Open, alert.Acknowledged, alert.Snoozed, alert.Resolved, alert.Retracted, alert.Suppressed}

// findAlerts looks among the alerts that were raised.
func findAlerts(v *sight, q *inquiry) ([]lookup, error) { return v.findRaised(q, v.alertHit) }

// findRaised looks among the alerts that were raised, in one of the forms that they have in FHIR.
func (v *sight) findRaised(q *inquiry, hitOf func(alert.Alert) hit) ([]lookup, error) {
	if ids := q.alertIDs(); ids != nil {
		return []lookup{listed(func() ([]hit, error) { return v.alertsByID(ids, hitOf) })}, nil
	}
	base := alert.Query{Statuses: raised}
	if c := q.asksFor("code"); c != nil && len(c.Any) == 1 && !c.Any[0].NoCode {
		base.Rule = c.Any[0].Code
	}
	list := func(of alert.Query) lookup {
		return func(after place, max int) ([]hit, error) {
			of.Max, of.After = max, alert.Place{}
			if after.id != "" {
				of.After = alert.Place{Severity: judge.Severity(after.severity), Effective: after.at, ID: after.id}
			}
			alerts, err := v.ListAlerts(of)
			hits := hitsOf(alerts, hitOf)
			for i := range hits {
				// What was raised since the first page is none of its search.
				hits[i].hidden = hits[i].hidden || q.later() && alerts[i].Opened.After(q.cursor.now.Add(time.Second))
			}
			return hits, err
		}
	}
	if !q.narrowed {
		return []lookup{list(base)}, nil
	}
	var out []lookup
	for _, p := range q.patients {
		of := base
		of.Patient = p
		out = append(out, list(of))
	}
	return out, nil
}

// alertIDs are the ids to look for, by _id or by the focus of a Task; nil when neither is asked for.
func (q *inquiry) alertIDs() []string {
	if len(q.ids) > 0 {
		return q.ids[0]
	}
	c := q.asksFor("focus")
	if c == nil {
		return nil
	}
	ids := []string{}
	for _, a := range c.Any {
		ids = append(ids, a.Ref.ID)
	}
	return ids
}

func (v *sight) alertsByID(ids []string, hitOf func(alert.Alert) hit) ([]hit, error) {
	var out []hit
	for _, id := range ids {
		a, err := v.Alert(id)
		switch {
		case err != nil && fault.Of(err) != fault.NotFound:
			return nil, err
		case err == nil:
			out = append(out, hitOf(a))
		}
	}
	return out, nil
}

// alertSize is about how large a DetectedIssue is, in bytes.
const alertSize = 2 << 10

func (v *sight) alertHit(a alert.Alert) hit {
	_, wasRaised := fhir.IssueStatus(a)
	return v.madeHit("DetectedIssue", a, !wasRaised, func() ([]byte, error) { return v.issue(a) })
}

// madeHit is an alert in one of its forms. What cannot be rendered meets no condition, and says why when it is served.
func (v *sight) madeHit(typ string, a alert.Alert, hidden bool, render func() ([]byte, error)) hit {
	body := sync.OnceValues(render)
	return hit{
		hidden: hidden, typ: typ, size: alertSize,
		place: place{severity: uint8(a.Severity), at: a.Effective, id: a.ID},
		doc: v.rendered(typ, a.Patient, func() []byte {
			b, _ := body()
			return b
		}),
		updated: func() time.Time { return fhir.IssueUpdated(a) },
		body:    body,
	}
}

// rendered is something that the server makes as a search looks at it: its references bear our ids.
func (v *sight) rendered(typ string, patient ref.Patient, body func() []byte) *search.Document {
	return &search.Document{
		Type: typ, Patient: patient, Zone: v.config.Zone, Root: func() tree.Node { return parsed(body()) },
	}
}

// findArtefacts looks among what Rapport defines.
func findArtefacts(v *sight, q *inquiry) ([]lookup, error) {
	return []lookup{listed(func() ([]hit, error) {
		var out []hit
		for name, body := range v.artefacts {
			of, err := ref.ParseResource(name)
			if err != nil || of.Type != q.kind.name {
				continue
			}
			out = append(out, hit{
				typ: of.Type, place: place{id: of.ID}, size: len(body), doc: v.rendered(of.Type, "", func() []byte { return body }),
				updated: func() time.Time { return v.since }, body: func() ([]byte, error) { return body, nil },
			})
		}
		return out, nil
	})}, nil
}

// filled says whether the index of searches holds also what was stored before it was there.
func (v *sight) filled() bool { return v.config.Filled == nil || v.config.Filled(v.tenant) }

var _ store.Reader = (*sight)(nil)
