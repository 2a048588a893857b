package rest

import (
	"slices"
	"strings"
	"time"

	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/fhir"
	"github.com/rapport-health/rapport/services/fhir/search"
)

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
	return func(after place, most int) ([]hit, error) {
		atOnce := max(8, min(most, 64))
		var out []hit
		from := record.Marked{}
		if after.id != "" {
			from = record.Marked{At: after.at, ID: lowest}
		}
		for {
			marks, err := v.Marked(search.DerivedKey(instrument), from, atOnce)
			if err != nil {
				return nil, err
			}
			if err := v.readAhead(marks); err != nil {
				return nil, err
			}
			ended := len(marks) < atOnce
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

// derivedOf are all of a patient.
func (v *sight) derivedOf(q *inquiry, patient ref.Patient) ([]hit, error) {
	forms, err := v.formsOf(patient)
	if err != nil {
		return nil, err
	}
	if q.asks("date", "status") {
		var sources []ref.Resource
		for _, history := range forms {
			for _, o := range history.Current() {
				sources = append(sources, o.Sheet.Fact.Source)
			}
		}
		if err := v.fetch(sources); err != nil {
			return nil, err
		}
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

// derivedSize is about how large a derived Observation is, in bytes.
const derivedSize = 3 << 10

// derivedHit reads the form only where what is asked for stands there alone.
func (v *sight) derivedHit(q *inquiry, o fhir.Observed) (hit, error) {
	source := o.Sheet.Fact.Source
	source.Version = o.Version
	h := hit{
		typ: "Observation", place: place{at: o.Sheet.Fact.At, id: o.Sheet.ID(o.Name)}, size: derivedSize,
		needs: []ref.Resource{o.Sheet.Fact.Source, source},
	}
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
