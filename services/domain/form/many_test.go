package form_test

import (
	"fmt"
	"testing"

	"github.com/rapport-health/rapport/services/domain/form"
)

func TestAFormOfVeryManyQuestionsOfOneNameIsReadInOneGo(t *testing.T) {
	const many = 60_000 // each compared with all before it takes minutes
	f := form.Form{URL: "urn:many"}
	for i := range many {
		high := form.Value{Kind: "Integer", Number: fmt.Sprint(i + 1)}
		f.Items = append(f.Items, form.Item{
			LinkID: "é" + string(rune('Ā'+i%500)) + string(rune('Ā'+i/500)), Type: form.Integer, Min: &form.Value{Kind: "Integer", Number: "0"}, Max: &high,
		})
	}
	made, issues := form.New(f)
	if made == nil {
		t.Fatal(issues)
	}
	def, _ := form.Instrument(made)
	concepts := map[string]bool{}
	for i := range def.Items {
		concepts[def.Items[i].Concept] = true
	}
	if len(concepts) != many || len(def.Scales) != many {
		t.Errorf("%d concepts and %d scales, want %d of both", len(concepts), len(def.Scales), many)
	}
}
