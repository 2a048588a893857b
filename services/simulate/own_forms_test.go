package simulate_test

import (
	"testing"

	"github.com/rapport-health/rapport/services/domain/form"
	"github.com/rapport-health/rapport/services/domain/instrument"
	"github.com/rapport-health/rapport/services/simulate"
)

func TestFormsUnderOurOwnCanonicalsKeepToOurForms(t *testing.T) {
	d, forms, checked := newDoor(t), map[*instrument.Definition]*form.Form{}, 0
	for e := range simulate.Default().Events() {
		for _, r := range d.read(t, e) {
			if r.Draft == nil {
				continue
			}
			def, err := d.registry.Lookup(r.Draft.Questionnaire)
			if err != nil || !def.Numbered(r.Draft.Questionnaire) {
				continue
			}
			if forms[def] == nil {
				forms[def] = form.Of(def)
			}
			checked++
			if _, issues := forms[def].Check(*r.Draft, form.Policy{Enforce: true}); issues != nil {
				t.Fatalf("%s: %v\n%s", e.Note, issues, e.Body)
			}
		}
	}
	if checked < 100 {
		t.Errorf("only %d forms were ours", checked)
	}
}
