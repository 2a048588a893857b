package cds_test

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/rapport-health/rapport/services/domain/access"
	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/judge"
	"github.com/rapport-health/rapport/services/store"
)

func (c *chart) say(outcomes ...string) reply {
	c.t.Helper()
	return c.do("POST", "/cds-services/patient-view/feedback", `{"feedback":[`+strings.Join(outcomes, ",")+`]}`)
}

func (c *chart) alert(id string) (found alert.Alert) {
	c.t.Helper()
	err := c.store.View(c.t.Context(), "default", func(r store.Reader) (err error) {
		found, err = r.Alert(id)
		return err
	})
	if err != nil {
		c.t.Fatal(err)
	}
	return found
}

func TestFeedbackBecomesAVerdictOnTheAlertOnce(t *testing.T) {
	c := open(t, nil)
	c.keep("p1")
	id := c.raise("a", func(a *alert.Alert) { a.Proposal = &judge.Proposal{Modality: "telephone"} })
	card := c.see("Practitioner/pt", "p1").Cards[0]
	override := func(reason, comment, at string) string {
		return fmt.Sprintf(`{"card":%q,"outcome":"overridden","overrideReason":{"reason":%s,"userComment":%q},"outcomeTimestamp":%q}`,
			card.UUID, reason, comment, at)
	}
	accepted := fmt.Sprintf(`{"card":%q,"outcome":"accepted","acceptedSuggestions":[{"id":%q}],"outcomeTimestamp":"2026-03-02T10:00:00Z"}`,
		card.UUID, card.Suggestions[0].UUID)
	ours := `{"system":"https://github.com/rapport-health/rapport/fhir/CodeSystem/card-override","code":"plan-in-place"}`
	for range 3 {
		if r := c.say(accepted, override(ours, "spoke with Synthetic-1", "2026-03-02T10:01:00Z")); r.status != 200 {
			t.Fatalf("%d %s", r.status, r.body)
		}
	}
	if r := c.say(override(`{"system":"urn:theirs","code":"plan-in-place"}`, "", "2026-03-02T10:02:00Z"),
		fmt.Sprintf(`{"card":%q,"outcome":"overridden","outcomeTimestamp":"2026-03-02T10:03:00Z"}`, strings.ToUpper(card.UUID))); r.status != 200 {
		t.Fatalf("%d %s", r.status, r.body)
	}
	var got []string
	for _, step := range c.alert(id).History[1:] {
		got = append(got, fmt.Sprintf("%s %s %s %s %s", step.Verb, step.Verdict, step.Reason, step.Actor, step.Text))
	}
	want := []string{
		"feedback useful accepted Device/ehr-client ", "feedback already-known plan-in-place Device/ehr-client ",
		"comment  plan-in-place Device/ehr-client spoke with Synthetic-1",
		"feedback not-useful other Device/ehr-client ", "feedback not-useful no-reason-given Device/ehr-client ",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestFeedbackThatIsNoneChangesNothing(t *testing.T) {
	c := open(t, nil)
	c.keep("p1")
	id := c.raise("a", nil)
	card := c.see("Practitioner/pt", "p1").Cards[0].UUID
	good := fmt.Sprintf(`{"card":%q,"outcome":"accepted","outcomeTimestamp":"2026-03-02T10:00:00Z"}`, card)
	for name, bad := range map[string]string{
		"no card":             strings.Replace(good, card, "x", 1),
		"no outcome":          strings.Replace(good, "accepted", "ignored", 1),
		"no time":             strings.Replace(good, "2026-03-02T10:00:00Z", "yesterday", 1),
		"another suggestion":  strings.Replace(good, `"outcome"`, `"acceptedSuggestions":[{"id":"`+instance+`"}],"outcome"`, 1),
		"a card of nothing":   strings.Replace(good, card, instance, 1),
		"a reason of a shape": strings.Replace(good, `"outcome"`, `"overrideReason":"no","outcome"`, 1),
	} {
		if r := c.say(good, bad); r.status != 400 && r.status != 404 {
			t.Errorf("%s: %d %s", name, r.status, r.body)
		}
	}
	if r := c.say(); r.status != 400 {
		t.Errorf("nothing: %d", r.status)
	}
	c.who = access.Principal{Name: "app", Tenant: "default", Person: "Patient/p1"}
	if r := c.say(good); r.status != 403 {
		t.Errorf("a patient: %d", r.status)
	}
	if n := len(c.alert(id).History); n != 1 {
		t.Errorf("%d steps", n)
	}
}

func TestFeedbackOnAnotherTenantsCardFindsNothing(t *testing.T) {
	c := open(t, nil)
	c.keep("p1")
	id := c.raise("a", nil)
	card := c.see("Practitioner/pt", "p1").Cards[0].UUID
	c.who.Tenant = "other"
	if r := c.say(fmt.Sprintf(`{"card":%q,"outcome":"accepted","outcomeTimestamp":"2026-03-02T10:00:00Z"}`, card)); r.status != 404 {
		t.Errorf("%d %s", r.status, r.body)
	}
	if n := len(c.alert(id).History); n != 1 {
		t.Errorf("%d steps", n)
	}
}

func TestWhateverIsSentIsAnswered(t *testing.T) {
	c := open(t, nil)
	c.keep("p1")
	c.raise("a", nil)
	json := rapid.OneOf(rapid.Just(view("Practitioner/pt", "p1")), rapid.Just(booking("2026-03-20T10:00:00Z")), rapid.String(),
		rapid.StringMatching(`\{"(hook|context|prefetch|feedback)":(null|\[\]|\{\}|"x"|\[\{"card":1\}\]|\{"patientId":\["p"\]\})\}`))
	rapid.Check(t, func(t *rapid.T) {
		body := json.Draw(t, "body")
		if len(body) > 2 {
			cut := rapid.IntRange(0, len(body)-1).Draw(t, "cut")
			body = body[:cut] + rapid.StringN(0, 3, -1).Draw(t, "more") + body[cut:]
		}
		path := rapid.SampledFrom([]string{"patient-view", "appointment-book", "patient-view/feedback"}).Draw(t, "path")
		if r := c.do("POST", "/cds-services/"+path, body); r.status >= 500 {
			t.Fatalf("%d %s for %q", r.status, r.body, body)
		}
	})
}
