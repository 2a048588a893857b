package response_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/instrument"
	"github.com/rapport-health/rapport/services/domain/response"
)

const missed = "unanswered, the missing rule decides: item "

func required(issues []fault.Issue) string {
	for _, issue := range issues {
		if issue.Code == "required" {
			return issue.Text
		}
	}
	return ""
}

func TestItemsBehindAClosedGateAreNotMissed(t *testing.T) {
	def := definition(t, "pc-ptsd-5")
	for name, c := range map[string]struct {
		items []response.Item
		want  string
	}{
		"closed":             {[]response.Item{asked("trauma", integer("0"))}, ""},
		"open":               {[]response.Item{asked("trauma", integer("1"))}, missed + "2, 3, 4, 5, 6"},
		"open, half filled":  {[]response.Item{asked("trauma", integer("1")), asked("avoidance", integer("0"))}, missed + "2, 4, 5, 6"},
		"nobody asked":       {[]response.Item{asked("avoidance", integer("0"))}, missed + "1, 2, 4, 5, 6"},
		"gate off its scale": {[]response.Item{asked("trauma", integer("2"))}, missed + "1, 2, 3, 4, 5, 6"},
	} {
		_, issues := response.Bind(def, form(c.items...))
		if got := required(issues); got != c.want {
			t.Errorf("%s: %q, not %q", name, got, c.want)
		}
	}
}

func TestYesAndNoAnswerItemsOfTwoOptionsAlone(t *testing.T) {
	yes := func(text string) response.Answer { return response.Answer{Kind: "Boolean", Text: text} }
	for _, c := range []struct {
		instrument, link, text string
		want                   response.Ordinal
	}{
		{"start-back", "leg", "true", response.Ordinal{Value: 1, Given: true}},
		{"start-back", "leg", "false", response.Ordinal{Value: 0, Given: true}},
		{"start-back", "leg", "", response.Ordinal{}},
		{"start-back", "leg", "TRUE", response.Ordinal{}},
		{"start-back", "bothersomeness", "true", response.Ordinal{}},
		{"pc-ptsd-5", "trauma", "true", response.Ordinal{Value: 1, Given: true}},
		{"start-msk", "pain-intensity", "false", response.Ordinal{}},
		{"phq-9", "self-harm", "true", response.Ordinal{}},
		{"wai-sr", "bond-care", "true", response.Ordinal{}},
	} {
		def := definition(t, c.instrument)
		resp, issues := response.Bind(def, form(asked(c.link, yes(c.text))))
		place, _ := def.ItemByLink(c.link, false)
		if got := resp.Ordinals[place]; got != c.want {
			t.Errorf("%s %s %q: %+v", c.instrument, c.link, c.text, got)
		}
		if warned := len(complaints(issues)) == 1; warned == c.want.Given {
			t.Errorf("%s %s %q: %v", c.instrument, c.link, c.text, issues)
		}
	}
}

func TestDoesNotApplyIsNoAnswer(t *testing.T) {
	def := definition(t, "care")
	const flavors = "http://terminology.hl7.org/CodeSystem/v3-NullFlavor"
	for name, answer := range map[string]response.Answer{
		"code with its system":    coding(flavors, "NA"),
		"bare code":               coding("", "does-not-apply"),
		"code of another system":  coding("urn:oid:1.2.3", "does-not-apply"),
		"display":                 {Kind: "Coding", Display: "Does Not Apply"},
		"display of a local code": {Kind: "Coding", System: "urn:x", Code: "6", Display: "does not apply"},
		"text":                    {Kind: "String", Text: " N/A "},
	} {
		resp, issues := response.Bind(def, form(asked("at-ease", answer)))
		want := []complaint{{fault.Information, "informational", "QuestionnaireResponse.item[0].answer[0].value"}}
		if diff := cmp.Diff(want, complaints(issues)); diff != "" || resp.Ordinals[0].Given {
			t.Errorf("%s: %+v %s", name, resp.Ordinals[0], diff)
		}
	}
	resp, _ := response.Bind(def, form(asked("at-ease", coding("", "NA"))))
	if resp.Ordinals[0].Given {
		t.Error("the code of a null flavor without its system is no answer either")
	}
}

func TestNumbersAreReadInTheVariantThatIsNamed(t *testing.T) {
	def := definition(t, "k10")
	weighted := coding("urn:oid:1.2.3", "some")
	weighted.Weight = "2"
	for name, c := range map[string]struct {
		answer    response.Answer
		own, ours response.Ordinal // read as 1-5, and as 0-4
	}{
		"number":               {integer("2"), ordinal(2), ordinal(3)},
		"lowest of theirs":     {integer("0"), response.Ordinal{}, ordinal(1)},
		"highest of ours":      {integer("5"), ordinal(5), response.Ordinal{}},
		"text":                 {response.Answer{Kind: "String", Text: "4"}, ordinal(4), ordinal(5)},
		"weight":               {weighted, ordinal(2), ordinal(3)},
		"bare code":            {coding("", "2"), ordinal(2), ordinal(3)},
		"our own coded answer": {coding(instrument.AnswerSystem, "2"), ordinal(2), ordinal(2)},
	} {
		for variant, want := range map[string]response.Ordinal{"": c.own, "0-4": c.ours} {
			d := form(asked("tired", c.answer))
			d.Variant = variant
			if resp, _ := response.Bind(def, d); resp.Ordinals[0] != want || resp.Variant != variant {
				t.Errorf("%s in variant %q: %+v, not %+v", name, variant, resp.Ordinals[0], want)
			}
		}
	}
	d := form(asked("tired", integer("2")))
	d.Variant = "1-4"
	if resp, issues := response.Bind(def, d); resp.Unscored != response.UnknownVariant || len(issues) == 0 {
		t.Errorf("a variant that nobody declared: %+v %v", resp, issues)
	}
}

func ordinal(x float64) response.Ordinal { return response.Ordinal{Value: x, Given: true} }

func TestAListOfOrdinalsIsReadInItsVariant(t *testing.T) {
	def := definition(t, "k10")
	form := make([]*float64, 10)
	for i := range form {
		form[i] = new(float64(i % 5))
	}
	resp, issues := response.FromOrdinals(def, form, "0-4")
	if issues != nil || resp.Variant != "0-4" {
		t.Fatal(resp.Variant, issues)
	}
	for i, o := range resp.Ordinals {
		if o != ordinal(*form[i]+1) {
			t.Errorf("answers[%d] is %+v", i, o)
		}
	}
	_, issues = response.FromOrdinals(def, form, "")
	if len(issues) != 2 || issues[0].Path != "answers[0]" || issues[1].Path != "answers[5]" {
		t.Errorf("0 is no answer to the form from 1 to 5: %v", issues)
	}
	form[3] = new(5.0)
	_, issues = response.FromOrdinals(def, form, "0-4")
	if want := "no answer to item 4, which takes 0 to 4"; len(issues) != 1 || issues[0].Text != want {
		t.Errorf("%v, not %s", issues, want)
	}
	if _, issues = response.FromOrdinals(def, form, "nought-to-four"); len(issues) != 1 || issues[0].Path != "variant" {
		t.Errorf("%v", issues)
	}
}
