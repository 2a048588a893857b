package rules

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/rapport-health/rapport/services/domain/fault"
)

// A clinic writes its rules: whatever it writes is taken and can be judged by, or is refused with a place for each fault.

func FuzzRules(f *testing.F) {
	files, err := defaults.ReadDir("defaults")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		text, err := defaults.ReadFile("defaults/" + file.Name())
		if err != nil {
			f.Fatal(err)
		}
		// One rule is enough to begin with: a whole file is slow.
		if rules := strings.Split(string(text), "\n  - id: "); len(rules) > 1 {
			f.Add("rules:\n  - id: " + rules[1])
		}
	}
	f.Add("rules: [{id: a, when: 'true'}]\npolicies: {}\nglossary: {}")
	f.Add("a: &a [*a]")
	c, err := newCompiler()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) { takenOrRefused(t, c, text) })
}

func FuzzCondition(f *testing.F) {
	for _, when := range []string{
		"true", `fact.instrument == "phq-9" && fact.critical.exists(c, c.item == 9)`, "1/0 > 2", "fact.at - fact.at",
		`"a".matches("(a+)+$")`, "[1,2].map(x, x*2).filter(x, x > 1)", "size(string(1)) + 9223372036854775807", "fact.nothing.at.all",
		`has(fact.band) ? fact.value : dyn({})["x"]`, "((((((((((1))))))))))", "\x00", "'\\u", "a\n.b",
	} {
		f.Add(when)
	}
	c, err := newCompiler()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, when string) {
		quoted, err := json.Marshal(when)
		if err != nil {
			t.Fatal(err)
		}
		takenOrRefused(t, c, `
rules:
  - id: a
    title: A
    severity: info
    roles: [nurse]
    evidence: service design
    when: `+string(quoted)+`
    wording: {seen: s, question: q, phrase: p}
    tests:
      - name: t
        facts:
          - {day: 0, scores: {instrument: phq-9, construct: distress, scores: [{code: total, value: 14, band: moderate}], critical: [{item: 9, value: 1, severity: safety}]}}
          - {day: 7, exercise: {prescribed: 3, done: 1}}
        findings: []
`)
	})
}

func takenOrRefused(t *testing.T, c *compiler, text string) {
	t.Helper()
	rules, err := c.load("clinic.yaml", []byte(text))
	if err == nil {
		Test(rules)
		return
	}
	if fault.Of(err) != fault.Invalid || len(fault.IssuesOf(err)) == 0 {
		t.Fatalf("%v", err)
	}
	for _, i := range fault.IssuesOf(err) {
		if i.Path != "clinic.yaml" && !strings.HasPrefix(i.Path, "clinic.yaml:") {
			t.Errorf("%q has no place: %s", i.Path, i.Text)
		}
	}
}
