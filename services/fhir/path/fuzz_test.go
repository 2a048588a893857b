package path

import (
	"context"
	"encoding/json"
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

// FuzzFormulas: whatever a Questionnaire and a response hold, loading and computing give results or faults.
func FuzzFormulas(f *testing.F) {
	group := `{"linkId":"g","type":"group","repeats":true,"item":[` + strings.Join(append(integers("a"), calculated("s", "integer", "%context.linkId.length() + %v")), ",") + `]}`
	f.Add(moodForm(typicalTotal), moodResponse(0, 1, 2))
	f.Add(form(`"extension":[`+variableExtension("v", "%resource.repeat(item).answer.value.sum()")+`],`, group), response(`{"linkId":"g","item":[`+number("a", 3)+`]}`))
	f.Add(form("", question(two), calculated("t", "string", "%qitem.linkId")), response(answered("a", two)))
	f.Fuzz(func(t *testing.T, form, sent string) {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		loaded, err := Load(ctx, []byte(form), Options{Limits: Limits{Time: 50 * time.Millisecond}})
		if err != nil {
			if fault.Of(err) == fault.Internal {
				t.Fatalf("refused with %v", err)
			}
			return
		}
		results, err := loaded.Evaluate(ctx, []byte(sent))
		if err != nil && fault.Of(err) == fault.Internal {
			t.Fatalf("fails with %v", err)
		}
		for _, r := range results {
			if (r.Value == nil) == (r.Reason == "") {
				t.Fatalf("neither a value nor a reason, or both: %+v", r)
			}
		}
		if _, err := loaded.Enabled(ctx, []byte(sent)); err != nil && fault.Of(err) == fault.Internal {
			t.Fatalf("conditions fail with %v", err)
		}
		if json.Valid([]byte(sent)) {
			for _, linkID := range loaded.LinkIDs() {
				if _, err := loaded.Depends(ctx, linkID); err != nil && fault.Of(err) == fault.Internal {
					t.Fatalf("dependencies fail with %v", err)
				}
			}
		}
	})
}
