package path

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/rapport-health/rapport/services/domain/fault"
)

// FuzzExpression: whatever stands in a definition, there is a result or a fault with its reason, in bounded time, and no
// answer in it.
func FuzzExpression(f *testing.F) {
	for _, row := range secondOpinions {
		f.Add(row.expression)
	}
	for _, text := range hostile() {
		if len(text) < 500 {
			f.Add(text)
		}
	}
	const secret = "Zebrafisch"
	resource, err := Read([]byte(strings.ReplaceAll(secondResources()["wild"], "Äpfel 12", secret)))
	if err != nil {
		f.Fatal(err)
	}
	q, err := ReadQuestionnaire([]byte(moodForm(typicalTotal)))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		began := time.Now()
		e, err := Compile(text)
		if err != nil {
			if fault.Of(err) != fault.Invalid || len(fault.IssuesOf(err)) == 0 {
				t.Fatalf("refused with %v", err)
			}
			return
		}
		_, err = e.Evaluate(t.Context(), Input{Resource: resource, Questionnaire: q, Limits: Limits{Time: 100 * time.Millisecond}})
		if err != nil && (fault.Of(err) != fault.Unprocessable || len(fault.IssuesOf(err)) == 0 || strings.Contains(err.Error(), secret)) {
			t.Fatalf("fails with %v", err)
		}
		if took := time.Since(began); took > 20*time.Second {
			t.Fatalf("took %s", took)
		}
	})
}

// FuzzFormulas: whatever a Questionnaire's expressions and a response hold, loading and computing give results or faults.
func FuzzFormulas(f *testing.F) {
	f.Add("item.answer.value.weight().sum()", "%resource.repeat(item).answer.value.sum()", "%v > 3", `{"valueInteger":3}`)
	f.Add("%context.linkId.length() + %v", "1", "true", `{"valueInteger":3},{"valueInteger":4}`)
	f.Add("%resource.item.where(linkId='t').answer.value", "%qitem.linkId", "%resource.item.where(linkId='s').answer.value = 1", `{"valueCoding":{"code":"two"}}`)
	f.Add("iif(%v.exists(), %v, 0)", "%questionnaire.item.count()", "%s", `{"valueString":"a"}`)
	f.Fuzz(func(t *testing.T, total, variable, condition, answer string) {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		q := form(`"extension":[`+variableExtension("v", variable)+`],`, question(`{"valueCoding":{"code":"two"},`+weightExtension(itemWeight, "2")+`}`), integers("b")[0],
			`{"linkId":"g","type":"group","item":[`+calculated("s", "integer", total)+`]}`, calculated("t", "string", condition),
			`{"linkId":"c","type":"string","extension":[`+expressionExtension(enableWhenURL, condition)+`]}`)
		loaded, err := Load(ctx, []byte(q), Options{Limits: Limits{Time: 50 * time.Millisecond}})
		if err != nil {
			if fault.Of(err) == fault.Internal {
				t.Fatalf("refused with %v", err)
			}
			return
		}
		sent := []byte(response(answered("a", answer), `{"linkId":"g","item":[`+answered("s", answer)+`]}`))
		results, err := loaded.Evaluate(ctx, sent)
		if err != nil && fault.Of(err) == fault.Internal {
			t.Fatalf("fails with %v", err)
		}
		for _, r := range results {
			if (r.Value == nil) == (r.Reason == "") {
				t.Fatalf("neither a value nor a reason, or both: %+v", r)
			}
		}
		if _, err := loaded.Enabled(ctx, sent); err != nil && fault.Of(err) == fault.Internal {
			t.Fatalf("conditions fail with %v", err)
		}
		for _, linkID := range loaded.LinkIDs() {
			if _, _, _, err := loaded.Range(ctx, linkID); err != nil && fault.Of(err) == fault.Internal {
				t.Fatalf("dependencies fail with %v", err)
			}
		}
	})
}
