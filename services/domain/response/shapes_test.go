package response_test

import (
	"testing"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/instrument"
	"github.com/rapport-health/rapport/services/domain/response"
)

func TestATickBoxAnswersAnItemOfYesAndNo(t *testing.T) {
	def := definition(t, "rmdq")
	for text, want := range map[string]response.Ordinal{
		"true": {Value: 1, Given: true}, "false": {Value: 0, Given: true}, "yes": {}, "": {},
	} {
		resp, issues := response.Bind(def, form(asked("rmdq-1", response.Answer{Kind: "Boolean", Text: text})))
		if resp.Ordinals[0] != want || want.Given != (complaints(issues) == nil) {
			t.Errorf("%q is %+v, %v", text, resp.Ordinals[0], complaints(issues))
		}
	}
}

func TestATickBoxIsNoRatingOfPain(t *testing.T) {
	resp, issues := response.Bind(definition(t, "nprs"), form(asked("nprs-1", response.Answer{Kind: "Boolean", Text: "true"})))
	if resp.Ordinals[0].Given || len(complaints(issues)) != 1 {
		t.Errorf("%+v %v", resp.Ordinals[0], issues)
	}
}

func TestOnAContraryScaleTheWordsOutrankTheWeight(t *testing.T) {
	def := definition(t, "promis-sleep-disturbance-4a")
	for _, c := range []struct {
		item, code, weight string
		want               float64
		warned             bool
	}{
		{"sleep109", "LA9615-1", "5", 5, false},
		{"sleep109", "LA9615-1", "1", 5, true},
		{"sleep116", "LA6568-5", "1", 5, true},
		{"sleep116", "LA13914-9", "", 1, false},
		{"sleep20", "LA6568-5", "5", 5, true}, // this scale runs one way everywhere: the weight is believed
	} {
		a := coding(loinc, c.code)
		a.Weight = c.weight
		resp, issues := response.Bind(def, form(asked(c.item, a)))
		place, _ := def.ItemByLink(c.item, false)
		warned := len(complaints(issues)) == 1 && complaints(issues)[0].Severity == fault.Warning
		if resp.Ordinals[place] != (response.Ordinal{Value: c.want, Given: true}) || warned != c.warned {
			t.Errorf("%+v: %+v %v", c, resp.Ordinals[place], complaints(issues))
		}
	}
}

func TestTheCodeOfAOneItemScoreNamesTheItemOnAForm(t *testing.T) {
	resp, issues := response.Bind(definition(t, "nprs"), form(asked("/72514-3", integer("7"))))
	if resp.Ordinals[0] != (response.Ordinal{Value: 7, Given: true}) || resp.Submitted != nil || complaints(issues) != nil {
		t.Errorf("%+v %v", resp, issues)
	}
	def := definition(t, "promis-29")
	for _, code := range []string{"75261-8", "61583-1"} {
		if place, ok := def.ItemByCode(loinc + "|" + code); !ok || def.Items[place].Concept != "global07" {
			t.Errorf("%s is item %d, %v", code, place, ok)
		}
	}
	if _, ok := def.ItemByCode(instrument.ItemSystem + "|promis-29-global07"); !ok {
		t.Error("our own code of the item is gone")
	}
}
