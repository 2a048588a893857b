package path

import (
	"strings"
	"sync"
	"testing"
)

// Every goroutine compiles, and evaluates one shared expression on one shared resource and one shared questionnaire.
func TestExpressionsAreSharedBetweenGoroutines(t *testing.T) {
	texts := []string{
		typicalTotal, "%questionnaire.item.answerOption.value.code.distinct().count()", "%resource.repeat(item).linkId.join(',').matches('442[0-9]+')",
		"%resource.descendants().count()", "iif(item.answer.value.weight().sum() >= 10, 'high', 'it\\'s low')", "%qitem", "item.where(linkId='/44250-9').answer.value is Coding",
	}
	form := moodForm(typicalTotal)
	q := readForm(t, form)
	resource := read(t, moodResponse(0, 1, 2, 3, 3, 2, 1, 0, 1))
	f := load(t, strings.Replace(form, `"url":"http://example.org`, `"extension":[`+variableExtension("answers", "%resource.item.answer.value")+`],"url":"http://example.org`, 1))
	raw := []byte(moodResponse(0, 1, 2, 3, 3, 2, 1, 0, 1))
	want := map[string]string{}
	shared := map[string]*Expression{}
	for _, text := range texts {
		e, err := Compile(text)
		if err != nil {
			t.Fatal(err)
		}
		values, err := e.Evaluate(t.Context(), Input{Resource: resource, Questionnaire: q})
		if err != nil {
			t.Fatal(err)
		}
		shared[text], want[text] = e, shown(values)
	}
	var group sync.WaitGroup
	for worker := range 8 {
		group.Go(func() {
			for i := range 20 {
				text := texts[(worker+i)%len(texts)]
				e := shared[text]
				if i%4 == 0 {
					fresh, err := Compile(text)
					if err != nil {
						t.Error(err)
						return
					}
					e = fresh
				}
				values, err := e.Evaluate(t.Context(), Input{Resource: resource, Questionnaire: q})
				if err != nil || shown(values) != want[text] {
					t.Errorf("%s: %s %v, want %s", text, shown(values), err, want[text])
				}
				results, err := f.Evaluate(t.Context(), raw)
				if err != nil || len(results) != 1 || results[0].Value == nil || results[0].Value.Text != "13" {
					t.Errorf("formulas: %+v %v", results, err)
				}
			}
		})
	}
	group.Wait()
}
