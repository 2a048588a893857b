package rules

import (
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/judge"
)

func load(t testing.TB, text string) []judge.Rule {
	t.Helper()
	rules, err := Load("clinic.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return rules
}

func defaultRules(t testing.TB) []judge.Rule {
	t.Helper()
	rules, err := Default()
	if err != nil {
		t.Fatal(err)
	}
	return rules
}

func TestTheDefaultRulesPassTheirOwnTests(t *testing.T) {
	rules := defaultRules(t)
	for _, f := range Test(rules) {
		t.Errorf("%s: %s: %s", f.Rule, f.Test, f.Text)
	}
	for _, r := range rules {
		found, silent := false, false
		for _, test := range r.Tests {
			found = found || len(test.Findings) > 0
			silent = silent || len(test.Findings) == 0 || len(test.Findings) < len(test.Facts)
		}
		if (!found || !silent) && r.ID != decision.NobodyAssigned { // which the service itself raises
			t.Errorf("%s has no test of when it fires, or none of when it does not", r.ID)
		}
	}
}

func TestTheDefaultSetIsWhatItPromises(t *testing.T) {
	want := map[string]judge.Severity{
		"phq9-item-9": judge.Critical, "critical-item": judge.Critical, "safety-item-unanswered": judge.Moderate, "session-item-low": judge.Info,
		"screening-severe": judge.High, "screening-positive": judge.Moderate, "beliefs-high": judge.Info,
		"reliable-worsening": judge.Moderate, "no-response": judge.Moderate, "mood-improved": judge.Info,
		"alliance-drop": judge.High, "alliance-decline": judge.Moderate, "rupture-and-low-adherence": judge.High,
		"alliance-strain": judge.Info, "alliance-part": judge.Moderate, "alliance-withdrawal": judge.Moderate,
		"alliance-repaired": judge.Info, "alliance-gap": judge.Info, "team-weak-link": judge.Moderate,
		"drop-out-risk": judge.High, "silence": judge.Moderate, "missed-visits": judge.Moderate, "hep-very-low": judge.Moderate,
		"hep-lapse": judge.Info, "hep-falling": judge.Info, "hep-low": judge.Info, "hep-recovered": judge.Info, "check-in-overdue": judge.Info,
		"function-worsening": judge.Moderate, "stagnation": judge.Moderate, "milestone-reached": judge.Info,
		"total-discrepant": judge.Info, "nobody-assigned": judge.High,
	}
	safety := []string{"phq9-item-9", "critical-item"}
	got := map[string]judge.Severity{}
	for _, r := range defaultRules(t) {
		got[r.ID] = r.Severity
		if r.Safety != slices.Contains(safety, r.ID) || r.Safety && (r.CoolDown != 0 || !r.Each) {
			t.Errorf("%s: safety %v, cool-down %v, each %v", r.ID, r.Safety, r.CoolDown, r.Each)
		}
		if len(r.Version) != 26 || r.Title == "" || r.Evidence == "" || len(r.Roles) == 0 {
			t.Errorf("%s is incomplete", r.ID)
		}
		if first := [...]time.Duration{judge.Moderate: 7 * 24 * time.Hour, judge.High: 24 * time.Hour, judge.Critical: time.Hour}; r.Severity > judge.Info &&
			(len(r.Ladder) == 0 || r.Ladder[0].After > first[r.Severity] || r.AckTimeout == 0 || r.Proposal == nil) {
			t.Errorf("%s is %s: ladder %v, acknowledgement for %v", r.ID, r.Severity, r.Ladder, r.AckTimeout)
		}
		if r.Severity == judge.Info && len(r.Ladder) > 0 {
			t.Errorf("%s is for information and escalates", r.ID)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestNoWordingSoundsLikeADiagnosis(t *testing.T) {
	files, err := fs.Glob(defaults, "defaults/*.yaml")
	if err != nil || len(files) < 6 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, name := range files {
		raw, err := defaults.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, word := range []string{"diagnos", "Diagnos", "diagnós", "patient has depression", "suicidal patient"} {
			for line := range strings.Lines(string(raw)) {
				if strings.Contains(line, word) && !strings.HasPrefix(line, "#") {
					t.Errorf("%s: %q in %q", name, word, line)
				}
			}
		}
	}
}

func TestTheDefaultSetIsWholeInThreeLanguages(t *testing.T) {
	set, err := Standard()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"de", "es"}, set.Languages()); diff != "" {
		t.Errorf("languages (-want +got):\n%s", diff)
	}
	for _, issue := range set.Lint() {
		t.Errorf("%s: %s", issue.Path, issue.Text)
	}
}

// small is a rule with everything in it; each test below changes one line.
const small = `rules:
  - id: tired
    title: Tired
    severity: info
    roles: [nurse]
    on: [scores]
    constructs: [sleep]
    cooldown: 14d
    group: fact.instrument
    when: after.sheet.score("total").value >= 15.0
    numbers:
      - name: sleep
        value: after.sheet.score("total").value
        reference: 15
    wording:
      seen: Sleep {sleep} against {sleep:reference}.
      question: How do you sleep?
    evidence: service design
    tests:
      - name: one bad night
        facts:
          - {day: 0, scores: {instrument: isi, construct: sleep, scores: [{code: total, value: 15.25}]}}
        findings:
          - {fact: 1, group: isi, seen: "Sleep 15.25 against 15."}
`

func TestAWholeRuleIsRead(t *testing.T) {
	rules := load(t, small)
	r := rules[0]
	if r.ID != "tired" || r.Severity != judge.Info || r.CoolDown != 14*24*time.Hour || len(Test(rules)) != 0 {
		t.Errorf("%+v, failures %+v", r, Test(rules))
	}
	if diff := cmp.Diff([]fact.Kind{fact.KindScores}, r.On); diff != "" {
		t.Errorf("on (-want +got):\n%s", diff)
	}
}

func TestMistakesAreToldInTheOrderInWhichTheyStand(t *testing.T) {
	_, err := Load("clinic.yaml", []byte("policy: {zone: Nowhere/At/All}\nrules:\n  - id: A B\n    severity: hihg\n    roles: [nurs]\n    on: [score]\n    rolls: []\n"))
	var lines []string
	for _, i := range fault.IssuesOf(err) {
		lines = append(lines, strings.Split(i.Path, ":")[1])
	}
	if !slices.IsSorted(lines) || len(lines) < 6 {
		t.Errorf("lines %v: %v", lines, err)
	}
}

func TestMistakesAreNamedWithTheirPlace(t *testing.T) {
	cases := []struct {
		name, old, new, place, text string
	}{
		{"a field of the vocabulary", `.value >= 15.0`, `.valu >= 15.0`, "10:37", "undefined field 'valu'; did you mean 'value'?"},
		{"a variable", `when: after.`, `when: afer.`, "10:11", "undeclared reference to 'afer'; did you mean 'after'?"},
		{"a function", `    when: after.sheet.score("total")`, `    when: after.sheet.scor("total")`, "10:27", "did you mean 'score'?"},
		{"a type", `>= 15.0`, `>= "15"`, "10:44", "found no matching overload"},
		{"syntax", `>= 15.0`, `>= >`, "10:47", "Syntax error"},
		{"a literal block", "when: after.sheet.score(\"total\").value >= 15.0", "when: |\n      true &&\n      after.sheet.score(\"total\").vlaue > 1.0", "12:33", "did you mean 'value'?"},
		{"a folded block", "when: after.sheet.score(\"total\").value >= 15.0", "when: >-\n      true &&\n\n        after.shet.count > 1", "13:14", "did you mean 'sheet'?"},
		{"in single quotes", "when: after.sheet.score(\"total\").value >= 15.0", "when: 'fact.id != ''x'' && after.shet.count > 1'", "10:37", "did you mean 'sheet'?"},
		{"in double quotes", "when: after.sheet.score(\"total\").value >= 15.0", `when: "fact.id != \"x\" && after.shet.count > 1"`, "10:37", "did you mean 'sheet'?"},
		{"on two plain lines", "when: after.sheet.score(\"total\").value >= 15.0", "when: fact.id != 'x'\n      && after.shet.count > 1", "11:15", "did you mean 'sheet'?"},
		{"the result of a condition", `.value >= 15.0`, `.value`, "10:11", "gives double, want bool"},
		{"the result of a number", `reference: 15`, `reference: '"x"'`, "14:21", "gives string, want double"},
		{"a condition that never begins to hold", `when: after.sheet.score("total").value >= 15.0`, `when: fact.done > 1.0`, "10:11", "must look at `after`"},
		{"an unknown field", "cooldown: 14d", "cooldwon: 14d", "8:5", "unknown field 'cooldwon'; did you mean 'cooldown'?"},
		{"an unknown field of the wording", "question: How", "qestion: How", "17:7", "did you mean 'question'?"},
		{"a field given twice", "cooldown: 14d", "title: Again", "8:5", "the field 'title' is given twice"},
		{"a missing field", "    evidence: service design\n", "", "2:5", "the field 'evidence' is missing"},
		{"a severity", "severity: info", "severity: hihg", "4:15", "unknown severity 'hihg'; did you mean 'high'?"},
		{"a role", "[nurse]", "[nurse, physican]", "5:20", "did you mean 'physician'?"},
		{"a kind of fact", "on: [scores]", "on: [score]", "6:10", "did you mean 'scores'?"},
		{"a construct", "[sleep]", "[sleeep]", "7:18", "did you mean 'sleep'?"},
		{"a cool-down", "14d", "2 weeks", "8:15", "such as 14d or 12h"},
		{"an id", "id: tired", "id: Very Tired", "2:9", "lower-case words"},
		{"a number that is not there", "{sleep}", "{sleap}", "16:13", "there is no number or text 'sleap'; did you mean 'sleep'?"},
		{"an open brace", "{sleep}", "{sleep", "16:13", "there is no number"},
		{"an alias", "title: Tired", "title: &t [*t]", "3:16", "an alias"},
		{"no mapping", small, "rules:\n  - just text\n", "2:5", "a mapping was expected"},
		{"no list", small, "rules: none\n", "1:8", "a list was expected"},
		{"no rules", small, "", "", "no rules"},
		{"another document", small, small + "---\nrules: []\n", "", "one YAML document"},
		{"no YAML", small, "rules:\n\t- x\n", "2:1", "cannot start any token"},
		{"a control character", "title: Tired", "title: Ti\x7fred", "3:14", "control characters are not allowed"},
		{"a fact of a test", "code: total", "cod: total", "22:13", "unknown field 'cod'; did you mean 'code'?"},
		{"a fact that tells nothing", "{day: 0, scores", "{day: 0, id: x} # {", "22:13", "a fact tells one thing"},
		{"a fact without a day", "{day: 0, ", "{", "22:13", "needs a day"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			text := strings.Replace(small, c.old, c.new, 1)
			if text == small {
				t.Fatal("nothing was changed")
			}
			_, err := Load("clinic.yaml", []byte(text))
			if fault.Of(err) != fault.Invalid || err == nil {
				t.Fatalf("error %v", err)
			}
			place := "clinic.yaml"
			if c.place != "" {
				place += ":" + c.place
			}
			for _, issue := range fault.IssuesOf(err) {
				if issue.Path == place && strings.Contains(issue.Text, c.text) {
					return
				}
			}
			t.Errorf("want %s: %s\ngot  %v", place, c.text, err)
		})
	}
}

func TestEveryMistakeIsToldAtOnce(t *testing.T) {
	text := strings.NewReplacer("severity: info", "severity: loud", "[nurse]", "[baker]", ".value >=", ".valu >=").Replace(small)
	_, err := Load("clinic.yaml", []byte(text))
	if issues := fault.IssuesOf(err); len(issues) != 3 {
		t.Errorf("%d issues: %v", len(issues), err)
	}
}

func TestTwoRulesWithOneIdAreRefused(t *testing.T) {
	_, err := Load("clinic.yaml", []byte(small+strings.TrimPrefix(small, "rules:\n")))
	if err == nil || !strings.Contains(err.Error(), "a second rule with the id tired") {
		t.Errorf("error %v", err)
	}
}

func TestTheVersionFollowsTheContentNotTheTests(t *testing.T) {
	version := func(old, new string) string { return load(t, strings.Replace(small, old, new, 1))[0].Version }
	base := version("", "")
	for name, change := range map[string][2]string{
		"when": {">= 15.0", ">= 16.0"}, "severity": {"info", "high"}, "wording": {"How do you sleep?", "Do you sleep?"}, "roles": {"nurse", "physician"},
	} {
		if version(change[0], change[1]) == base {
			t.Errorf("a change of %s leaves the version as it is", name)
		}
	}
	for name, change := range map[string][2]string{
		"a test": {"one bad night", "a bad night"}, "a comment": {"rules:\n", "# ours\nrules:\n"}, "quotes": {"title: Tired", `title: "Tired"`},
	} {
		if version(change[0], change[1]) != base {
			t.Errorf("a change of %s changes the version", name)
		}
	}
}

func TestATestThatDoesNotComeOutIsAFailure(t *testing.T) {
	cases := map[string]struct{ old, new, want string }{
		"found too much":    {"        findings:\n          - {fact: 1, group: isi, seen: \"Sleep 15.25 against 15.\"}\n", "", "not expected at fact-001"},
		"found too little":  {"value: 15.25", "value: 3", "nothing was found at fact-001"},
		"another group":     {"group: isi", "group: ears", `the group is "isi"`},
		"another wording":   {"Sleep 15.25", "Sleep 99", "was seen"},
		"cannot be judged":  {`after.sheet.score("total").value >= 15.0`, `after.sheet.scores[7].value >= 15.0`, "index out of bounds"},
		"a broken number":   {`reference: 15`, `reference: 15 / after.visits.attended`, "division by zero"},
		"an infinite value": {`reference: 15`, `reference: 15.0 / double(after.visits.attended)`, "no finite number"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			failures := Test(load(t, strings.Replace(small, c.old, c.new, 1)))
			if len(failures) != 1 || !strings.Contains(failures[0].Text, c.want) || failures[0].Rule != "tired" || failures[0].Test != "one bad night" {
				t.Errorf("failures %+v, want %q", failures, c.want)
			}
		})
	}
}

func TestAFailureOfAConditionHoldsNoPatientData(t *testing.T) {
	rules := load(t, strings.Replace(small, `after.sheet.score("total").value >= 15.0`, `'{"a": after.now == after.now}[fact.clinician]'`, 1))
	secret := "Practitioner/secret"
	f := fact.Fact{ID: "f", Kind: fact.KindScores, At: dayZero, Scores: &fact.Scores{Instrument: "isi", Construct: "sleep", Respondent: "patient", Clinician: "Practitioner/secret"}}
	findings := play(rules, []fact.Fact{f})
	if len(findings) != 1 || findings[0].Err == nil {
		t.Fatalf("findings %+v", findings)
	}
	if text := findings[0].Err.Error(); strings.Contains(text, secret) || !strings.Contains(text, "no such key") || !strings.Contains(text, "clinic.yaml:10:11") {
		t.Errorf("error %q", text)
	}
}

func TestAnExpensiveConditionIsStopped(t *testing.T) {
	nested := "after.sheet.scores.all(a, after.sheet.scores.all(b, after.sheet.scores.all(c, after.sheet.scores.all(d, after.sheet.scores.all(e, e.value >= d.value)))))"
	rules := load(t, strings.Replace(small, `after.sheet.score("total").value >= 15.0`, nested, 1))
	f := fact.Fact{ID: "f", Kind: fact.KindScores, At: dayZero, Scores: &fact.Scores{Instrument: "isi", Construct: "sleep", Respondent: "patient"}}
	for range 12 {
		f.Scores.Scores = append(f.Scores.Scores, fact.Score{Code: strings.Repeat("x", len(f.Scores.Scores)+1), Value: new(1.0)})
	}
	findings := play(rules, []fact.Fact{f})
	if len(findings) != 1 || findings[0].Err == nil || !strings.Contains(findings[0].Err.Error(), "cost limit") {
		t.Errorf("findings %+v", findings)
	}
}

func TestTheDefaultConditionsAreCheapByTheirForm(t *testing.T) {
	c, err := newCompiler()
	if err != nil {
		t.Fatal(err)
	}
	for condition, counted := range map[string]bool{
		`fact.critical.exists(c, c.item == 9)`:                                                                          false,
		`after.sheet.scores.exists(s, s.since_first.worse)`:                                                             false,
		`after.tier() == "act-now" && after.part("anxiety").level == "severe"`:                                          false,
		`after.dyad.scores.all(a, after.dyad.scores.all(b, after.dyad.scores.all(c, after.sheet.scores.all(d, true))))`: true,
	} {
		ast, issues := c.env.Compile(condition)
		if issues.Err() != nil {
			t.Fatal(issues.Err())
		}
		if got := len(c.limits(ast)) > 1; got != counted {
			t.Errorf("%s: counted %v", condition, got)
		}
	}
}

func TestConditionsMayLookAtTheWholeEpisode(t *testing.T) {
	facts := []fact.Fact{
		sheet(0, "phq-9", "distress", "total"), sheet(1, "wai-sr", "alliance", "total", "total-mean"),
		{ID: "v", Kind: fact.KindVisit, At: dayZero.AddDate(0, 0, 2), Visit: &fact.Visit{ID: "Encounter/e", Status: "attended", Clinician: "Practitioner/p"}},
		sheet(3, "phq-9", "distress", "total"),
	}
	facts[3].Scores.Encounter = "Encounter/e"
	facts[3].Scores.Scores[0].Part, facts[3].Scores.Scores[0].Level = "depression", "moderate"
	facts[3].Scores.Critical = []fact.Critical{{Item: 9, Value: 2, Severity: "safety"}}
	for _, condition := range []string{
		`after.tier() == "act-now" && before.tier() == "steady"`,
		`after.score("phq-9", "total").value == 11.0 && after.score("phq-9", "total").first == 8.0`,
		`!after.score("phq-9", "sum").known && !after.score("isi", "total").known && !after.sheet.score("none").known`,
		`after.score("phq-9", "total").since_first.direction == "unchanged" && !after.score("isi", "total").since_first.known`,
		`after.part("depression").level == "moderate" && after.part("depression").score.value == 11.0`,
		`after.part("anxiety").level == "missing" && !after.part("anxiety").score.known && after.part("x").level == "missing"`,
		`after.visits.attended == 1 && after.visits.missed == 0 && after.teams == 0 && after.open_ruptures == 0`,
		`fact.clinician == "Practitioner/p" && fact.kind == "scores" && fact.at == after.now && after.begun < before.now`,
		`!after.dyad.known && after.dyad.clinician == "" && after.sheet.count == 2 && before.sheet.count == 1`,
		`fact.critical[0].value == 2.0 && fact.critical[0].severity == "safety" && size(fact.safety_unknown) == 0`,
		`after.silence.days == 0 && !after.silence.silent && !after.hep.closed && after.hep.running_due == 0.0`,
		`show(1.0 / 3.0) == "0.33" && show(7) == "7" && show(2.50) == "2.5"`,
	} {
		text := strings.NewReplacer(`after.sheet.score("total").value >= 15.0`, "|\n      after.now == after.now && "+condition, "[sleep]", "[distress]").Replace(small)
		rules := load(t, strings.Replace(text, "    cooldown", "    each: true\n    cooldown", 1))
		findings := play(rules, facts)
		if len(findings) == 0 || findings[len(findings)-1].Err != nil || findings[len(findings)-1].Fact != facts[3].ID {
			t.Errorf("%s: findings %+v", condition, findings)
		}
	}
}

func TestNoFileMakesTheLoaderPanic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bent := []byte(small)
		for range rapid.IntRange(1, 6).Draw(t, "changes") {
			if len(bent) == 0 {
				break
			}
			at := rapid.IntRange(0, len(bent)-1).Draw(t, "at")
			switch rapid.IntRange(0, 2).Draw(t, "change") {
			case 0:
				bent[at] = rapid.SampledFrom([]byte("{}[]\"'|>&*!-: \n\t\xff.()")).Draw(t, "byte")
			case 1:
				bent = bent[:at+1]
			default:
				bent = append(bent[:at:at], bent[min(len(bent), at+20):]...)
			}
		}
		rules, err := Load("clinic.yaml", bent)
		if err == nil {
			Test(rules)
		} else if kind := fault.Of(err); kind != fault.Invalid || len(fault.IssuesOf(err)) == 0 {
			t.Fatalf("%v", err)
		}
	})
}
