package fhir

import (
	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/ref"
)

// Panel is the derived Observation that stands for all of an answered form.
func Panel(t ref.Tenant, form ref.Resource) ref.Resource {
	return ref.Resource{Type: "Observation", ID: ref.Derived(t, form) + "-panel"}
}

// ScoresBehind are the panel Observations derived from the forms behind an alert, each once. Taken gives every fact ever
// taken from a resource, and perhaps from others that share its number.
func ScoresBehind(t ref.Tenant, a alert.Alert, taken func(ref.Resource) ([]fact.Taken, error)) ([]ref.Resource, error) {
	var out []ref.Resource
	seen := map[ref.Resource]bool{}
	for _, source := range a.Sources {
		form := source.Unversioned()
		if form.Type != "QuestionnaireResponse" || seen[form] {
			continue
		}
		seen[form] = true
		facts, err := taken(form)
		if err != nil {
			return nil, err
		}
		for _, f := range facts {
			if f.Source.Unversioned() == form && !f.Superseded && Derivable(f.Fact) {
				out = append(out, Panel(t, form))
				break
			}
		}
	}
	return out, nil
}
