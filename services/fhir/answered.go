package fhir

import (
	"slices"
	"strings"
	"time"

	samply "github.com/samply/golang-fhir-models/fhir-models/fhir"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/fhir/tree"
)

// Subject is the id of the patient, as Rapport names it; empty when the form names none by an id.
func (a Answered) Subject() ref.Patient {
	if a.subject == nil || a.subject.Reference == nil {
		return ""
	}
	return ref.Patient(strings.TrimPrefix(*a.subject.Reference, "Patient/"))
}

// Answered is what a QuestionnaireResponse says beside its answers, for what is derived from it.
type Answered struct {
	// Status as sent, such as completed.
	Status string
	// Authored as written; empty when not said.
	Authored string
	// From and To bound it at the written precision, To exclusive; zero when not said.
	From, To time.Time

	subject, encounter         *samply.Reference
	basedOn, partOf, performer []samply.Reference
}

// Answered reads a stored QuestionnaireResponse. Its references lead to the resources as Rapport names them.
// Errors: Internal for what is none, since it was checked before it was stored.
func (r *Reader) Answered(rec record.Record) (Answered, error) {
	doc, err := tree.Parse(rec.Raw, tree.Limits{Bytes: len(rec.Raw) + 1})
	if err != nil {
		return Answered{}, fault.Newf(fault.Internal, "exception", "a stored QuestionnaireResponse cannot be read back")
	}
	return r.AnsweredIn(doc, rec.Source), nil
}

// AnsweredIn reads a QuestionnaireResponse that a source sent.
func (r *Reader) AnsweredIn(doc *tree.Doc, source ref.Source) Answered {
	w := work{Reader: r, checker: &checker{structure: loadStructure()}, root: doc.Root(), source: source, zone: r.Zone}
	if w.zone == nil {
		w.zone = time.UTC
	}
	a := Answered{Status: w.root.Child("status").Text()}
	if authored := w.root.Child("authored"); authored.Exists() {
		var ok bool
		if a.From, a.To, ok = Interval(authored, w.zone); ok {
			a.Authored = authored.Text()
		}
	}
	if to := w.linked(w.root.Child("subject"), "Patient"); len(to) > 0 {
		a.subject = &to[0]
	}
	if to := w.linked(w.root.Child("encounter"), "Encounter"); len(to) > 0 {
		a.encounter = &to[0]
	}
	a.basedOn = w.linked(w.root.Child("basedOn"), "CarePlan", "ServiceRequest")
	a.partOf = w.linked(w.root.Child("partOf"), "Procedure")
	people := []string{"Practitioner", "PractitionerRole", "Organization", "CareTeam", "Patient", "RelatedPerson"}
	if a.performer = w.linked(w.root.Child("author"), people...); a.performer == nil {
		a.performer = w.linked(w.root.Child("source"), people...)
	}
	return a
}

// linked are the references at n, one or a list, that lead to one of the types.
func (w *work) linked(n tree.Node, types ...string) []samply.Reference {
	if n.Kind() != tree.Array {
		if to := w.linkedOne(n, types); to != nil {
			return []samply.Reference{*to}
		}
		return nil
	}
	var out []samply.Reference
	for one := n.First(); one.Exists(); one = one.Next() {
		if to := w.linkedOne(one, types); to != nil {
			out = append(out, *to)
		}
	}
	return out
}

func (w *work) linkedOne(n tree.Node, types []string) *samply.Reference {
	fallback := ""
	if len(types) == 1 {
		fallback = types[0]
	}
	switch p := w.reference(n, fallback); {
	case !slices.Contains(types, p.typ):
		return nil
	case p.id != "":
		return &samply.Reference{Reference: new(p.typ + "/" + w.Namer.ID(w.source, p.id))}
	case p.identifier != "":
		system, value, _ := strings.Cut(p.identifier, "|")
		return &samply.Reference{Type: &p.typ, Identifier: &samply.Identifier{System: &system, Value: &value}}
	default:
		return nil
	}
}

// Born bounds the birth date that a stored Patient has, at its written precision, To exclusive; zero when it has none.
func Born(rec record.Record) (from, to time.Time) {
	doc, err := tree.Parse(rec.Raw, tree.Limits{Bytes: len(rec.Raw) + 1})
	if err != nil {
		return time.Time{}, time.Time{}
	}
	from, to, _ = Interval(doc.Root().Child("birthDate"), time.UTC)
	return from, to
}

// Sources are what an Observation says that it is derived from, as Rapport names them, without versions.
func (r *Reader) Sources(root tree.Node, source ref.Source) []ref.Resource {
	w := work{Reader: r, checker: &checker{structure: loadStructure()}, root: root, source: source}
	var out []ref.Resource
	for _, to := range w.linked(root.Child("derivedFrom"), "Observation", "QuestionnaireResponse") {
		if to.Reference == nil {
			continue
		}
		if of, err := ref.ParseResource(*to.Reference); err == nil {
			out = append(out, of)
		}
	}
	return out
}

// Categories of an Observation, as `system|code`.
func Categories(root tree.Node) []string {
	var out []string
	for c := root.Child("category").First(); c.Exists(); c = c.Next() {
		out = append(out, tokens(c)...)
	}
	return out
}
