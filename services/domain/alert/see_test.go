package alert_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/rapport-health/rapport/services/domain/access"
	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/judge"
	"github.com/rapport-health/rapport/services/domain/ref"
)

// secret marks whatever the rated clinician may not read.
const secret = "SECRET"

// rated is an alert about a patient's rating of Practitioner/pt.
func rated() alert.Alert {
	a := alert.Alert{
		ID: "a", Finding: "a", Severity: judge.High, Rule: "alliance-rupture", Group: secret, Patient: "p", Episode: "p",
		Title: "Worth a conversation", Seen: secret + " 12 of 60", Question: secret + "?", Phrase: secret + "!", Evidence: secret,
		Withheld: "The alliance was rated. Please speak with the care coordinator.", Partner: "Please ask how therapy goes.",
		Translations: map[string]judge.Wording{"de": {
			Title: "Ein Gespräch wert", Seen: secret + " 12 von 60", Withheld: "Die Allianz wurde bewertet.", Partner: "Bitte fragen Sie.",
			Question: secret + " de?",
		}},
		Rated: "Practitioner/pt", Proposal: &judge.Proposal{Text: secret},
		Recipients: []alert.Recipient{
			{Person: "Practitioner/lead", Role: "care-coordinator", Reason: alert.ByLead},
			{Person: "RelatedPerson/r1", Role: alert.CarePartner, Reason: alert.ByRole},
		},
		Feeds: []feed.Name{"team:spine", "partner:r1"}, Facts: []string{secret},
		Sources: []ref.Resource{{Type: "QuestionnaireResponse", ID: secret, Version: 1}},
		Numbers: []judge.Number{{Name: secret, Value: 12}}, Effective: at,
	}
	a, _ = alert.Begin(a, at, "")
	a, _, err := alert.Lifecycle(a, alert.Command{
		Alert: "a", Verb: alert.Comment, Actor: "Practitioner/lead", Note: secret + " said on the phone", At: at,
	})
	if err != nil {
		panic(err)
	}
	return a
}

func text(t *testing.T, s alert.Sight) string {
	t.Helper()
	all, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(all)
}

func TestTheRatedClinicianReadsNothingOfTheRatingInAnyLanguage(t *testing.T) {
	for _, language := range []string{"", "de"} {
		s, ok := rated().As(access.Principal{Person: "Practitioner/pt"})
		s = s.In(language)
		if !ok || !s.Withheld || strings.Contains(text(t, s), secret) || strings.Contains(s.Seen, "12") {
			t.Errorf("in %q: %s", language, text(t, s))
		}
		if language == "" && s.Seen != rated().Withheld || language == "de" && (s.Seen != "Die Allianz wurde bewertet." || s.Language != "de") {
			t.Errorf("in %q it says %q", language, s.Seen)
		}
	}
}

func TestEverybodyElseOnTheTeamReadsAllOfIt(t *testing.T) {
	for _, person := range []string{"", "Practitioner/lead", "PractitionerRole/x"} {
		s, ok := rated().As(access.Principal{Person: person})
		if !ok || s.Withheld || s.Seen != rated().Seen || len(s.Numbers) != 1 || s.History[1].Text == "" {
			t.Errorf("%s reads %s", person, text(t, s))
		}
	}
}

func TestWhatTheRatedClinicianSaidThemselvesTheyRead(t *testing.T) {
	a, _, err := alert.Lifecycle(rated(), alert.Command{
		Alert: "a", Verb: alert.Comment, Actor: "Practitioner/pt", Note: "we spoke", At: at,
	})
	if err != nil {
		t.Fatal(err)
	}
	if s, _ := a.As(access.Principal{Person: "Practitioner/pt"}); s.History[2].Text != "we spoke" || s.History[1].Text != "" {
		t.Errorf("%+v", s.History)
	}
}

func TestFeedsHoldNeitherTheRatingNorTheTextOfAComment(t *testing.T) {
	if s := rated().ForFeed(); !s.Withheld || strings.Contains(text(t, s), secret) {
		t.Error(text(t, s))
	}
	open := rated()
	open.Rated = ""
	s := open.ForFeed()
	if s.Withheld || s.Seen != open.Seen || len(s.Numbers) != 1 || s.History[1].Text != "" {
		t.Error(text(t, s))
	}
	if open.History[1].Text == "" {
		t.Error("what is stored lost the text too")
	}
}

func TestACarePartnerReadsOnlyWhatWasWrittenForThem(t *testing.T) {
	a := rated()
	for _, s := range []alert.Sight{a.ForPartners(), see(t, a, "RelatedPerson/r1")} {
		if s.Seen != a.Partner || strings.Contains(text(t, s), secret) || strings.Contains(text(t, s), "Practitioner/") || s.Title != "" {
			t.Error(text(t, s))
		}
		if de := s.In("de-AT"); de.Seen != "Bitte fragen Sie." || de.Title != "" {
			t.Error(text(t, de))
		}
	}
	for _, person := range []string{"RelatedPerson/r2", "Patient/p"} {
		if s, ok := a.As(access.Principal{Person: person}); ok || s.ID != "" {
			t.Errorf("%s reads %s", person, text(t, s))
		}
	}
}

func see(t *testing.T, a alert.Alert, person string) alert.Sight {
	t.Helper()
	s, ok := a.As(access.Principal{Person: person})
	if !ok {
		t.Fatalf("%s sees nothing", person)
	}
	return s
}

func TestTheWordingComesInTheLanguageAskedForElseInThatOfTheRules(t *testing.T) {
	a := rated()
	a.Rated, a.Proposal = "", &judge.Proposal{Modality: "telephone", WithinDays: 2, Text: "Call."}
	german := a.Translations["de"]
	german.Proposal = "Anrufen."
	a.Translations["de"] = german
	for asked, want := range map[string]string{"": "", "de": "de", "de-AT": "de", "DE-ch": "de", "fr": "", "d": ""} {
		s := see(t, a, "").In(asked)
		if s.Language != want || (want == "de") != (s.Title == "Ein Gespräch wert") {
			t.Errorf("asked for %q it comes in %q: %s", asked, s.Language, s.Title)
		}
		if s.Phrase != a.Phrase {
			t.Errorf("asked for %q the phrase, which is not translated, is %q", asked, s.Phrase)
		}
		if proposed := map[string]string{"": "Call.", "de": "Anrufen."}[want]; s.Proposal.Text != proposed || s.Proposal.WithinDays != 2 {
			t.Errorf("asked for %q it proposes %+v", asked, s.Proposal)
		}
	}
	if a.Proposal.Text != "Call." {
		t.Error("reading changed the alert")
	}
}
