package fhir

import (
	"time"

	"github.com/rapport-health/rapport/services/domain/fact"
)

// The links between Patients by which one replaces another.
const (
	// LinkReplacedBy leads from a Patient to the one that is used instead.
	LinkReplacedBy = "replaced-by"
	// LinkReplaces leads from a Patient to one that is no longer used.
	LinkReplaces = "replaces"
)

// patient reads who a patient is, with whom the record was merged, and whether the patient died.
func (w *work) patient() {
	w.out.Subject = Subject{Logical: w.out.LogicalID, Path: w.root.Path()}
	for n := w.root.Child("identifier").First(); n.Exists(); n = n.Next() {
		if id := identifier(n); id != "" {
			w.out.Identifiers = append(w.out.Identifiers, id)
		}
	}
	if len(w.out.Identifiers) > 0 {
		w.out.Subject.Identifier = w.out.Identifiers[0]
	}
	for n := w.root.Child("link").First(); n.Exists(); n = n.Next() {
		w.link(n.Child("type").Text(), n.Child("other"), "Patient")
	}
	w.death()
}

// death enters that the patient died, when that is said.
func (w *work) death() {
	if at, _, ok := Interval(w.root.Child("deceasedDateTime"), w.zone); ok {
		w.add("", at, fact.Fact{Kind: fact.KindDeath, Death: &fact.Death{Dated: true}})
		return
	}
	if dead, _ := w.root.Child("deceasedBoolean").Bool(); dead {
		w.add("", w.out.Updated, fact.Fact{Kind: fact.KindDeath, Death: &fact.Death{}})
	}
}

// changed is when the resource came to be as it is; zero when nobody says.
func (w *work) changed() time.Time {
	if at, _, ok := Interval(extension(w.root, statusDate).Child("valueDateTime"), w.zone); ok {
		return at
	}
	return w.out.Updated
}
