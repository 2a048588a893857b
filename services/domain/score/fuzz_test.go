package score_test

import (
	"encoding/json"
	"testing"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/response"
	"github.com/rapport-health/rapport/services/domain/score"
)

// FuzzBindAndScore feeds any draft to every instrument: nothing panics, what is scored lies in range and on a
// complete enough form, and the answers of items with a complaint never count.
func FuzzBindAndScore(f *testing.F) {
	r := registry(f)
	for _, def := range r.All() {
		form := make([]*float64, len(def.Items))
		for i := range form {
			low, _ := def.Items[i].Answers().Bounds()
			form[i] = new(low)
		}
		seed, err := json.Marshal(draftOf(def, form))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(seed)
	}
	f.Add([]byte(`{"Status":"stopped","Items":[{"LinkID":"/44260-8","Answers":[{"Kind":"Coding","Code":"LA6571-9","Weight":"1e999"}]}]}`))
	f.Add([]byte(`{"Items":[{"LinkID":"g","Items":[{"LinkID":"srs-1","Codes":["|"],"Answers":[{"Kind":"Quantity","Number":"9.25","Items":[{}]}]}]}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var d response.Draft
		if json.Unmarshal(data, &d) != nil {
			return
		}
		for _, def := range r.All() {
			resp, issues := response.Bind(def, d)
			if fault.Any(issues) {
				t.Fatal("an EHR's form is never rejected", issues)
			}
			sheet := score.Score(def, resp)
			for i, item := range sheet.Items {
				x, ok := def.Items[i].Answers().Ordinal(item.Answer)
				if item.Answered && (!ok || x != item.Answer) {
					t.Fatalf("%s item %d counts %v, which is off its scale", def.ID, item.Number, item.Answer)
				}
			}
			for _, s := range sheet.Scores {
				if s.Scorable() && (s.Value < s.Key.Min || s.Value > s.Key.Max || resp.Unscored != "") {
					t.Fatalf("%s %s is %v", def.ID, s.Key.Code, s.Value)
				}
			}
		}
	})
}
