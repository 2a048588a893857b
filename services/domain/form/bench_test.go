package form_test

import (
	"fmt"
	"testing"

	"github.com/rapport-health/rapport/services/domain/form"
	"github.com/rapport-health/rapport/services/domain/response"
)

// BenchmarkCheck holds a complete PHQ-9 against our own form, and against one of an EHR in a group.
func BenchmarkCheck(b *testing.B) {
	def := definition(b, "phq-9")
	var flat, nested []response.Item
	var asked []form.Item
	for n := range def.Items {
		link := fmt.Sprintf("phq-9-%d", n+1)
		flat = append(flat, answered(link, coding(loinc, "LA6569-3")))
		nested = append(nested, answered(link, coding(loinc, "LA6569-3")))
		asked = append(asked, required(frequency(link)))
	}
	flat[9] = answered("phq-9-10", coding(loinc, "LA6573-5"))
	for name, c := range map[string]struct {
		form  *form.Form
		given response.Draft
	}{
		"own": {form.Of(def), ours(def, flat...)},
		"ehr": {made(b, group("phq", asked...)), draft(holding("phq", nested...))},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, issues := c.form.Check(c.given, strict); issues != nil {
					b.Fatal(issues)
				}
			}
		})
	}
}
