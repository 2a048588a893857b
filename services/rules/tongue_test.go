package rules

import (
	"strings"
	"testing"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/judge"
)

// spoken is small with the wording of several languages.
const spokenWording = `wording:
      title: Very tired
      seen:
        - {when: after.sheet.count == 1, text: "At first {sleep} on {form}."}
        - {text: "{sleep} against {sleep:reference} on {form}, with {trouble}."}
      withheld: Somebody sleeps badly.
      partner: Sleep is hard.
      question: How do you sleep?
      phrase: Sleep heals.
    texts:
      form: fact.instrument
      trouble: '["missed-one", "quiet"]'
    rated: fact.clinician
    proposal: {modality: video, within: 14d, text: Talk about sleep.}
    languages:
      de:
        title: Sehr müde
        seen: "{sleep} statt {sleep:reference} im {form}, dazu {trouble}."
        withheld: Jemand schläft schlecht.
        partner: Schlafen ist schwer.
        question: Wie schlafen Sie?
        phrase: Schlaf heilt.
        proposal: Über den Schlaf sprechen.
`

func spoken(t *testing.T) judge.Finding {
	t.Helper()
	text := strings.NewReplacer("wording:\n      seen: Sleep {sleep} against {sleep:reference}.\n      question: How do you sleep?\n", spokenWording, "seen: \"Sleep 15.25 against 15.\"", "seen: \"At first 15.25 on ISI.\"").Replace(small)
	rules := load(t, text)
	if failed := Test(rules); len(failed) > 0 {
		t.Fatal(failed)
	}
	findings := play(rules, rules[0].Tests[0].Facts)
	if len(findings) != 1 || findings[0].Err != nil {
		t.Fatalf("%+v", findings)
	}
	return findings[0]
}

func TestAFindingIsWordedInEveryLanguageOfItsRule(t *testing.T) {
	f := spoken(t)
	want := judge.Wording{
		Title: "Very tired", Seen: "At first 15.25 on ISI.", Withheld: "Somebody sleeps badly.", Partner: "Sleep is hard.",
		Question: "How do you sleep?", Phrase: "Sleep heals.",
	}
	if f.Wording != want {
		t.Errorf("%+v", f.Wording)
	}
	german := judge.Wording{
		Title: "Sehr müde", Seen: "15,25 statt 15 im ISI, dazu der letzte Termin versäumt; stiller als gewohnt.",
		Withheld: "Jemand schläft schlecht.", Partner: "Schlafen ist schwer.", Question: "Wie schlafen Sie?", Phrase: "Schlaf heilt.",
		Proposal: "Über den Schlaf sprechen.",
	}
	if f.Translations["de"] != german || len(f.Translations) != 1 {
		t.Errorf("%+v", f.Translations)
	}
	if p := f.Rule.Proposal; p == nil || *p != (judge.Proposal{Modality: "video", WithinDays: 14, Text: "Talk about sleep."}) {
		t.Errorf("%+v", p)
	}
}

func TestMistakesOfAWordingAreNamedWithTheirPlace(t *testing.T) {
	whole := strings.Replace(small, "wording:\n      seen: Sleep {sleep} against {sleep:reference}.\n      question: How do you sleep?\n", spokenWording, 1)
	for _, c := range []struct{ name, old, new, want string }{
		{"numbers are for those who may see them", "withheld: Somebody sleeps badly.", "withheld: Slept {sleep}.", "numbers stand in `seen` alone"},
		{"a last way without an end", "        - {text: \"{sleep} against", "        - {when: 'true', text: \"{sleep} against", "every way to say it but the last"},
		{"a condition of a way", "after.sheet.count == 1", "after.sheet.cuont == 1", "did you mean 'count'?"},
		{"a text that is a number", "form: fact.instrument", "form: fact.value", "gives double, want string"},
		{"a text twice", "form: fact.instrument", "sleep: fact.instrument", "a second number or text 'sleep'"},
		{"a language", "      de:\n", "      german:\n", "a language is a tag such as de"},
		{"English twice", "      de:\n", "      en:\n", "English is the wording itself"},
		{"a modality", "modality: video", "modality: vidio", "unknown modality 'vidio'; did you mean 'video'?"},
		{"half a day", "within: 14d", "within: 36h", "whole days were expected"},
		{"a rated clinician", "rated: fact.clinician", "rated: fact.critical", "want string"},
		{"a part", "        phrase: Schlaf heilt.", "        phrse: Schlaf heilt.", "unknown field 'phrse'; did you mean 'phrase'?"},
	} {
		text := strings.Replace(whole, c.old, c.new, 1)
		if text == whole {
			t.Fatalf("%s: nothing was changed", c.name)
		}
		_, err := Load("clinic.yaml", []byte(text))
		if fault.Of(err) != fault.Invalid || err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "clinic.yaml:") {
			t.Errorf("%s: %v\nwant %s", c.name, err, c.want)
		}
	}
}

func TestLintTellsWhatALanguageLacksAndWhoWillNotBeTold(t *testing.T) {
	whole := strings.Replace(small, "wording:\n      seen: Sleep {sleep} against {sleep:reference}.\n      question: How do you sleep?\n", spokenWording, 1)
	whole = strings.NewReplacer(
		"        phrase: Schlaf heilt.\n", "", "        proposal: Über den Schlaf sprechen.\n", "", "      withheld: Somebody sleeps badly.\n", "",
		"severity: info", "severity: high", "        withheld: Jemand schläft schlecht.\n", "").Replace(whole)
	set := clinic(t, "extends: none\npolicy: {language: fr}\n"+whole[:strings.Index(whole, "    tests:")])
	var told []string
	for _, issue := range set.Lint() {
		if issue.Severity != fault.Warning || !strings.HasPrefix(issue.Path, "clinic.yaml:") && !strings.Contains(issue.Text, "nobody-assigned") {
			t.Errorf("%+v", issue)
		}
		told = append(told, issue.Text)
	}
	text := strings.Join(told, "\n")
	for _, want := range []string{
		"in the language de lacks phrase, proposal", "not written in the language fr", "has no wording `withheld`", "no ladder", "no ack-timeout", "has no tests",
		"care partners are told nothing",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
}

func TestLintDoubtsWordsThatNothingIsCalled(t *testing.T) {
	condition := func(when string) []string {
		t.Helper()
		var told []string
		text := strings.Replace(small, `when: after.sheet.score("total").value >= 15.0`, "when: >-\n      "+when, 1)
		for _, issue := range clinic(t, "extends: none\n"+text).Lint() {
			if issue.Code == "code-invalid" {
				told = append(told, issue.Path+": "+issue.Text)
			}
		}
		return told
	}
	for when, want := range map[string]string{
		`after.open_ruptures > 0 && fact.instrument == "phq9"`:              "clinic.yaml:12:53: no instrument is called 'phq9'; did you mean 'phq-9'?",
		`after.open_ruptures > 0 && "patiant" != after.sheet.respondent`:    "clinic.yaml:12:34: no respondent is called 'patiant'; did you mean 'patient'?",
		`after.score("phq-9", "totl").known`:                                "clinic.yaml:12:28: no score of phq-9 is called 'totl'; did you mean 'total'?",
		`after.score("gad7", "any").known`:                                  "clinic.yaml:12:19: no instrument is called 'gad7'; did you mean 'gad-7'?",
		`after.sheet.score("totl").known`:                                   "clinic.yaml:12:25: no score is called 'totl'; did you mean 'total'?",
		`after.tier() in ["watch", "stady"]`:                                "clinic.yaml:12:33: no tier is called 'stady'; did you mean 'steady'?",
		`after.part("anxity").level == "mild"`:                              "clinic.yaml:12:18: no part of the distress profile is called 'anxity'; did you mean 'anxiety'?",
		`after.open_ruptures > 0 && after.sheet.construct == "distres"`:     "clinic.yaml:12:59: no construct is called 'distres'; did you mean 'distress'?",
		`after.sheet.score("total").screen == "sevre"`:                      "clinic.yaml:12:44: no screen is called 'sevre'; did you mean 'severe'?",
		`after.open_ruptures > 0 && fact.instrument in ["phq-9", "gad-7"]`:  "",
		`after.sheet.score("total").screen != "" && fact.id == "something"`: "",
	} {
		if told := strings.Join(condition(when), "\n"); told != want {
			t.Errorf("%s\nsays %s\nwant %s", when, told, want)
		}
	}
}

func TestAStoryGoesOnInTime(t *testing.T) {
	const silent = `rules:
  - id: quiet
    title: Quiet
    severity: info
    roles: [nurse]
    when: after.silence.silent
    wording: {seen: Quiet.}
    evidence: service design
    tests:
      - name: two weeks after the last word, and after the return from a pause
        facts:
          - {day: 0, team: {id: spine, active: true}}
          - {day: 1, exercise: {done: 1}}
          - {day: 20, course: {id: EpisodeOfCare/e, status: onhold, reason: patient-choice}}
          - {day: 40, course: {id: EpisodeOfCare/e, status: active}}
        until: 60
        findings:
          - {day: 15}
          - {day: 54}
      - name: not after a death
        facts:
          - {day: 0, team: {id: spine, active: true}}
          - {day: 1, exercise: {done: 1}}
          - {day: 3, death: {}}
        until: 90
`
	if failed := Test(load(t, silent)); len(failed) > 0 {
		t.Error(failed)
	}
	if failed := Test(load(t, strings.Replace(silent, "{day: 54}", "{day: 55}", 1))); len(failed) != 1 || !strings.Contains(failed[0].Text, "not expected at day-54") {
		t.Error(failed)
	}
}
