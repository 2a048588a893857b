package rest

import (
	"slices"
	"strings"
	"time"

	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/instrument"
	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/fhir"
	"github.com/rapport-health/rapport/services/fhir/search"
	"github.com/rapport-health/rapport/services/store"
)

// sight is one state of a tenant's store, and what was read from it already.
type sight struct {
	store.Reader
	*call
	records map[ref.Resource]record.Record
	born    map[ref.Patient][2]time.Time
	// wanted are definitions that are not at hand.
	wanted []defined
	// upto is the event up to which forms are told of; nil for all.
	upto *int64
	// changed holds, by type, what changedSince found.
	changed map[string]map[string]int64
}

// look reads one state of the store. Definitions that are not at hand are fetched in between, and it looks again.
func (c *call) look(read func(v *sight) error) error {
	for {
		v := &sight{call: c, records: map[ref.Resource]record.Record{}, born: map[ref.Patient][2]time.Time{}}
		err := c.config.Store.View(c.r.Context(), c.tenant, func(r store.Reader) error {
			v.Reader = r
			return read(v)
		})
		if err != nil || len(v.wanted) == 0 {
			return err
		}
		for _, w := range v.wanted {
			if c.fetched[w], err = c.config.Definitions.FetchDefinition(c.r.Context(), c.tenant, w.id, w.version); err != nil {
				return err
			}
		}
	}
}

// defined names a definition.
type defined struct{ id, version string }

// definition by which something was scored; nil when it is not known, or wanted first.
func (v *sight) definition(of defined) *instrument.Definition {
	if d := v.config.Definitions.Definition(v.tenant, of.id, of.version); d != nil {
		return d
	}
	d, fetched := v.fetched[of]
	if !fetched && !slices.Contains(v.wanted, of) {
		v.wanted = append(v.wanted, of)
	}
	return d
}

// once reads a record unless it was read before.
func (v *sight) once(of ref.Resource) (record.Record, error) {
	if rec, ok := v.records[of]; ok {
		return rec, nil
	}
	rec, err := v.Record(of)
	if err == nil {
		v.records[of] = rec
	}
	return rec, err
}

// findDerived looks among the Observations derived from answered forms.
func findDerived(v *sight, q *inquiry) ([]lookup, error) {
	v.upto = q.cursor.upto
	sources := q.asksFor("derived-from")
	switch {
	case len(q.ids) > 0:
		return []lookup{listed(func() ([]hit, error) { return v.derivedByID(q) })}, nil
	case q.narrowed:
		var out []lookup
		for _, p := range q.patients {
			out = append(out, listed(func() ([]hit, error) { return v.derivedOf(q, p) }))
		}
		return out, nil
	case sources != nil:
		return []lookup{listed(func() ([]hit, error) { return v.derivedFrom(q, sources) })}, nil
	}
	var out []lookup
	for _, instrument := range v.scoredBy(q) {
		out = append(out, v.derivedMarked(q, instrument))
	}
	return out, nil
}

// scoredBy are the instruments by which what is asked for may have been scored; one that is empty stands for all.
func (v *sight) scoredBy(q *inquiry) []string {
	c := q.asksFor("code")
	if c == nil {
		return []string{""}
	}
	var out []string
	for _, a := range c.Any {
		instrument, ok := v.instrumentOf(a.System, a.Code)
		if !ok || a.NoCode || a.AnySystem {
			return []string{""}
		}
		if !slices.Contains(out, instrument) {
			out = append(out, instrument)
		}
	}
	return out
}

// instrumentOf is the one whose own scores bear a code; ok is false when there is none or more than one.
func (v *sight) instrumentOf(system, code string) (instrument string, ok bool) {
	for _, d := range v.config.Definitions.Definitions(v.tenant) {
		if !fhir.Bears(d, system+"|"+code) {
			continue
		}
		if ok && d.ID != instrument {
			return "", false
		}
		instrument, ok = d.ID, true
	}
	return instrument, ok
}

// derivedMarked leafs through the forms scored by an instrument, or by any, newest first.
func (v *sight) derivedMarked(q *inquiry, instrument string) lookup {
	const marksAtOnce = 64
	return func(after place, most int) ([]hit, error) {
		var out []hit
		from := record.Marked{}
		if after.id != "" {
			from = record.Marked{At: after.at, ID: lowest}
		}
		for {
			marks, err := v.Marked(search.DerivedKey(instrument), from, marksAtOnce)
			if err != nil {
				return nil, err
			}
			ended := len(marks) < marksAtOnce
			for i, m := range marks {
				// What stands at one moment stands in the order of its own ids, so all of it is looked at together.
				if i > 0 && len(out) >= most && !m.At.Equal(marks[i-1].At) {
					return inPlace(out), nil
				}
				hits, err := v.derivedAt(q, m)
				if err != nil {
					return nil, err
				}
				for _, h := range hits {
					if h.compare(after) > 0 || after.id == "" {
						out = append(out, h)
					}
				}
				from = m
			}
			if ended {
				return inPlace(out), nil
			}
		}
	}
}

// lowest comes before every id.
const lowest = "!"

func inPlace(hits []hit) []hit {
	slices.SortFunc(hits, func(a, b hit) int { return a.compare(b.place) })
	return hits
}

// derivedAt are those derived from a form that stand at the moment of its mark.
func (v *sight) derivedAt(q *inquiry, m record.Marked) ([]hit, error) {
	hits, err := v.derivedFromForm(q, ref.Resource{Type: "QuestionnaireResponse", ID: m.ID})
	return slices.DeleteFunc(hits, func(h hit) bool { return !h.at.Equal(m.At) }), err
}

// derivedFromForm are all derived from a form.
func (v *sight) derivedFromForm(q *inquiry, form ref.Resource) ([]hit, error) {
	taken, err := v.takenFrom(form)
	if err != nil || len(taken) == 0 {
		return nil, err
	}
	history, err := v.history(taken)
	if err != nil {
		return nil, err
	}
	var out []hit
	for _, o := range history.Current() {
		h, err := v.derivedHit(q, o)
		if err != nil {
			return nil, err
		}
		out = append(out, h)
	}
	return out, nil
}

// derivedFrom are those of the forms, and of the forms of the Observations, that are named.
func (v *sight) derivedFrom(q *inquiry, sources *search.Condition) ([]hit, error) {
	var out []hit
	for _, a := range sources.Any {
		of := a.Ref
		if o, ok, err := v.derived(ref.Resource{Type: "Observation", ID: of.ID}); err != nil {
			return nil, err
		} else if ok && of.Type != "QuestionnaireResponse" {
			of = o.Sheet.Fact.Source.Unversioned()
		}
		of.Type = "QuestionnaireResponse"
		hits, err := v.derivedFromForm(q, of)
		if err != nil {
			return nil, err
		}
		out = append(out, hits...)
	}
	return out, nil
}

func (v *sight) derivedByID(q *inquiry) ([]hit, error) {
	var out []hit
	for _, id := range q.ids[0] {
		o, ok, err := v.derived(ref.Resource{Type: "Observation", ID: id})
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		h, err := v.derivedHit(q, o)
		if err != nil {
			return nil, err
		}
		out = append(out, h)
	}
	return out, nil
}

// formsOf are the histories of the forms of a patient. A form may have moved from or to another patient: then its history
// lies in both episodes.
func (v *sight) formsOf(patient ref.Patient) ([]fhir.History, error) {
	taken, err := v.TakenIn(ref.EpisodeOf(patient), fact.KindScores)
	if err != nil {
		return nil, err
	}
	var out []fhir.History
	for _, of := range bySource(taken) {
		if last := of[len(of)-1]; last.Superseded || of[0].Source.Version > 1 {
			if of, err = v.takenFrom(last.Source); err != nil {
				return nil, err
			}
		}
		history, err := v.history(of)
		if err != nil {
			return nil, err
		}
		out = append(out, history)
	}
	return out, nil
}

// derivedOf are all of a patient.
func (v *sight) derivedOf(q *inquiry, patient ref.Patient) ([]hit, error) {
	forms, err := v.formsOf(patient)
	if err != nil {
		return nil, err
	}
	var out []hit
	for _, history := range forms {
		for _, o := range history.Current() {
			if o.Sheet.Patient != patient {
				continue
			}
			h, err := v.derivedHit(q, o)
			if err != nil {
				return nil, err
			}
			out = append(out, h)
		}
	}
	return out, nil
}

// bySource parts facts that lie in the order of their sources.
func bySource(taken []fact.Taken) [][]fact.Taken {
	var out [][]fact.Taken
	for len(taken) > 0 {
		end := slices.IndexFunc(taken, func(f fact.Taken) bool { return f.Source.Unversioned() != taken[0].Source.Unversioned() })
		if end < 0 {
			end = len(taken)
		}
		out, taken = append(out, taken[:end]), taken[end:]
	}
	return out
}

// takenFrom are the scores ever taken from one resource.
func (v *sight) takenFrom(source ref.Resource) ([]fact.Taken, error) {
	name := source.Unversioned()
	taken, err := v.TakenFrom(ref.SourceKey(v.tenant, name.String()))
	return slices.DeleteFunc(taken, func(f fact.Taken) bool { return f.Source.Unversioned() != name || f.Scores == nil }), err
}

// derived is the derived Observation of an id, in one version or the newest. ok is false when there is none.
func (v *sight) derived(of ref.Resource) (o fhir.Observed, ok bool, err error) {
	key, stem, part, ok := ref.SplitDerived(of.ID)
	if !ok {
		return o, false, nil
	}
	taken, err := v.TakenFrom(key)
	if err != nil {
		return o, false, err
	}
	taken = slices.DeleteFunc(taken, notOf(v.tenant, stem))
	history, err := v.history(taken)
	if err != nil {
		return o, false, err
	}
	o, ok = history.Find(part, of.Version)
	return o, ok, nil
}

// notOf says whether a fact is none of the scores from which the ids with a stem are derived.
func notOf(t ref.Tenant, stem string) func(fact.Taken) bool {
	return func(f fact.Taken) bool { return f.Scores == nil || ref.Derived(t, f.Source) != stem }
}

// history puts the scores ever taken from one form together.
func (v *sight) history(taken []fact.Taken) (fhir.History, error) {
	var sheets []fhir.Past
	taken, err := v.stood(taken)
	if err != nil {
		return fhir.History{}, err
	}
	for _, f := range taken {
		if f.Scores.CriticalOnly() && slices.ContainsFunc(taken, func(of fact.Taken) bool { return of.Source == f.Source && !of.Scores.CriticalOnly() }) {
			continue // the form has a sheet of its own, and these would stand under the same ids
		}
		s := &fhir.Sheet{
			Fact: f.Fact, Definition: v.definition(defined{f.Scores.Instrument, f.Scores.Version}),
			Patient: ref.Patient(f.Episode), Engine: v.config.Version, Stem: ref.Derived(v.tenant, f.Source),
		}
		var err error
		if s.BornFrom, s.BornTo, err = v.birth(s.Patient); err != nil {
			return fhir.History{}, err
		}
		sheets = append(sheets, fhir.Past{Sheet: s, Superseded: f.Superseded})
	}
	return fhir.NewHistory(sheets), nil
}

// stood are the facts as they stood at the event up to which is told.
func (v *sight) stood(taken []fact.Taken) ([]fact.Taken, error) {
	if v.upto == nil || len(taken) == 0 {
		return taken, nil
	}
	changed, err := v.changedSince("QuestionnaireResponse", *v.upto)
	if err != nil {
		return nil, err
	}
	var out []fact.Taken
	for _, f := range taken {
		if then, ok := changed[f.Source.ID]; ok {
			if f.Source.Version > then {
				continue
			}
			f.Superseded = then > f.Source.Version
		}
		out = append(out, f)
	}
	return out, nil
}

// birth of a patient, as far as it is known.
func (v *sight) birth(p ref.Patient) (from, to time.Time, err error) {
	if known, ok := v.born[p]; ok {
		return known[0], known[1], nil
	}
	rec, err := v.Record(ref.Resource{Type: "Patient", ID: string(p)})
	switch {
	case err == nil:
		from, to = fhir.Born(rec)
	case fault.Of(err) != fault.NotFound:
		return from, to, err
	}
	v.born[p] = [2]time.Time{from, to}
	return from, to, nil
}

// answered fills in what the form itself says.
func (v *sight) answered(s *fhir.Sheet) error {
	if s.Answered.Status != "" {
		return nil
	}
	rec, err := v.once(s.Fact.Source)
	if err != nil {
		return fault.Wrap(fault.Internal, err, "read the form behind a score")
	}
	reader := fhir.Reader{Namer: v.config.Namer, Zone: v.config.Zone}
	s.Answered, err = reader.Answered(rec)
	return err
}

// derivedSize is about how large a derived Observation is, in bytes.
const derivedSize = 3 << 10

// derivedHit reads the form only where what is asked for stands there alone.
func (v *sight) derivedHit(q *inquiry, o fhir.Observed) (hit, error) {
	h := hit{typ: "Observation", place: place{at: o.Sheet.Fact.At, id: o.Sheet.ID(o.Name)}, size: derivedSize}
	if q.asks("date", "status") {
		if err := v.answered(o.Sheet); err != nil {
			return h, err
		}
	}
	h.body = func() ([]byte, error) {
		p, err := v.observedPage(o)
		return p.body, err
	}
	h.updated = func() time.Time {
		source := o.Sheet.Fact.Source
		source.Version = o.Version
		rec, err := v.once(source)
		if err != nil {
			return time.Time{} // the page cannot be made either, and says so
		}
		return rec.Received
	}
	h.doc = v.rendered("Observation", o.Sheet.Patient, func() []byte {
		body, err := h.body()
		if err != nil {
			return []byte(`{}`) // as above
		}
		return body
	})
	h.doc.Known = func(p *search.Param) ([]search.Value, bool) { return knownOf(&o, p) }
	return h, nil
}

// knownOf is what a derived Observation can be found by without making it.
func knownOf(o *fhir.Observed, p *search.Param) ([]search.Value, bool) {
	var out []search.Value
	coded := func(codes []string) {
		for _, c := range codes {
			system, code, _ := strings.Cut(c, "|")
			out = append(out, search.Value{System: system, Code: code})
		}
	}
	switch p.Name {
	case "code":
		coded(o.Codes)
	case "category":
		coded(o.Categories)
	case "patient", "subject":
		out = append(out, search.Value{Ref: ref.Resource{Type: "Patient", ID: string(o.Sheet.Patient)}})
	case "derived-from":
		for _, of := range o.Sheet.Sources(o.Part) {
			out = append(out, search.Value{Ref: of})
		}
	case "status":
		if o.Sheet.Answered.Status == "" {
			return nil, false
		}
		coded([]string{systemObservationStatus + "|" + o.Sheet.Status(o.Part, o.Standing)})
	case "date":
		from, to := o.Sheet.Answered.From, o.Sheet.Answered.To
		if o.Sheet.Answered.Status == "" {
			return nil, false
		}
		if from.IsZero() {
			from, to = o.Sheet.Fact.At, o.Sheet.Fact.At.Add(time.Millisecond)
		}
		out = append(out, search.Value{From: from, To: to})
	default:
		return nil, false
	}
	return out, true
}

// systemObservationStatus is FHIR's own.
const systemObservationStatus = "http://hl7.org/fhir/observation-status"

// observedPage renders a derived Observation.
func (v *sight) observedPage(o fhir.Observed) (page, error) {
	if err := v.answered(o.Sheet); err != nil {
		return page{}, err
	}
	source := o.Sheet.Fact.Source
	source.Version = o.Version
	rec, err := v.once(source)
	if err != nil {
		return page{}, fault.Wrap(fault.Internal, err, "read the form behind a score")
	}
	body := o.Sheet.Observation(o.Part, fhir.Version{Number: o.Version, Standing: o.Standing, Updated: rec.Received})
	return page{version: o.Version, updated: rec.Received, body: body}, nil
}

// derivedPage reads a derived Observation; false when the id is of none. The versions of one that is are numbered as
// those of its form, and not each has one.
func (v *sight) derivedPage(of ref.Resource) (page, bool, error) {
	o, ok, err := v.derived(of.Unversioned())
	if err != nil || !ok {
		return page{}, false, err
	}
	if of.Version != 0 {
		if o, ok, err = v.derived(of); err == nil && !ok {
			err = unknownVersion()
		}
		if err != nil {
			return page{}, true, err
		}
	}
	p, err := v.observedPage(o)
	return p, true, err
}
