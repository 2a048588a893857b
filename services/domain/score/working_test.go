package score_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rapport-health/rapport/services/domain/instrument"
	"github.com/rapport-health/rapport/services/domain/response"
	"github.com/rapport-health/rapport/services/domain/score"
)

// worked is the working of one score of a list of answers as a person types it.
func worked(t *testing.T, def *instrument.Definition, code string, answers ...float64) score.Working {
	t.Helper()
	ordinals := make([]*float64, len(answers))
	for i, a := range answers {
		if a != blank {
			ordinals[i] = &answers[i]
		}
	}
	resp, issues := response.FromOrdinals(def, ordinals, "")
	if len(issues) > 0 {
		t.Fatal(issues)
	}
	sheet := score.Score(def, resp)
	for _, w := range sheet.Workings() {
		if w.Score == code {
			return w
		}
	}
	t.Fatalf("%s has no score %s", def.ID, code)
	return score.Working{}
}

// blank stands for an unanswered item in a list of answers.
const blank = -99

func steps(t *testing.T, w score.Working, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, w.Steps); diff != "" {
		t.Errorf("%s (-want +got):\n%s", w.Score, diff)
	}
}

func TestAProratedTotalCanBeFollowedByHand(t *testing.T) {
	w := worked(t, lookup(t, registry(t), "phq-9"), "total", 2, 2, blank, 2, 1, blank, 2, 0, 0)
	if w.Formula != "sum of items 1-9" {
		t.Error(w.Formula)
	}
	steps(
		t, w,
		"answers 1: 2, 2: 2, 4: 2, 5: 1, 7: 2, 8: 0, 9: 0",
		"unanswered 3, 6; at least 7 of 9 must be answered; the others count as the mean of those, and the result is rounded half up",
		"2 + 2 + 2 + 1 + 2 + 0 + 0 = 9", "9 x 9 / 7 = 11.571", "rounded half up: 12", "12 is in the band moderate, 10-14",
	)
	var facts []string
	for _, b := range w.RestsOn {
		facts = append(facts, b.Fact)
	}
	if diff := cmp.Diff([]string{"items: order, codes and reversals", "key", "missing rule", "bands"}, facts); diff != "" {
		t.Error(diff)
	}
}

func TestWhatCannotBeScoredShowsWhy(t *testing.T) {
	w := worked(t, lookup(t, registry(t), "phq-9"), "total", 2, 2, blank, 2, 1, blank, 2, 0, blank)
	if last := w.Steps[len(w.Steps)-1]; last != "not scorable: missing-items" || !strings.Contains(w.Steps[1], "unanswered 3, 6, 9") {
		t.Error(w.Steps)
	}
	w = worked(t, lookup(t, registry(t), "wai-sr"), "total", blank, 4, 5, 4, 5, 4, 4, 4, 5, blank, 4, 4)
	steps(t, w, "task is not scorable: missing-items", "not scorable: missing-items")
}

func TestADecisionShowsItsCounts(t *testing.T) {
	w := worked(t, lookup(t, registry(t), "phq-9"), "dsm", 2, 2, 2, 2, 1, 1, 2, 0, 1)
	steps(
		t, w,
		"core, items 1, 2 at 2 or more: 2", "symptoms, items 1-8 at 2 or more, item 9 at 1 or more: 6",
		"major: core >= 1 and symptoms >= 5",
	)
	w = worked(t, lookup(t, registry(t), "phq-9"), "dsm", 2, 2, 2, blank, 1, 1, 2, 0, 1)
	steps(t, w, "cannot be said: missing-items")
}

func TestReversalShowsBothNumbers(t *testing.T) {
	w := worked(t, lookup(t, registry(t), "ears"), "total", 0, 4, 4, 0, 4, 1)
	steps(
		t, w,
		"answers 1: 0 reversed 4 (4 - x), 2: 4, 3: 4, 4: 0 reversed 4 (4 - x), 5: 4, 6: 1 reversed 3 (4 - x)",
		"4 + 4 + 4 + 4 + 4 + 3 = 23",
	)
}

func TestAScoreMadeOfOthersNamesThem(t *testing.T) {
	w := worked(t, lookup(t, registry(t), "wai-sr"), "total-mean", 4, 4, 5, blank, 5, 4, 4, 4, 5, 4, 4, 4)
	steps(t, w, "total 51", "51 / 12 = 4.25")
	if w.Formula != "total / 12" {
		t.Error(w.Formula)
	}
}

// everyKind is an instrument with one score of each kind that no built-in needs to have.
const everyKind = `{
	"id": "kinds", "version": "1.0.0", "title": "Kinds", "construct": "function", "respondent": "patient", "status": "provisional",
	"licence": {"wording": false, "notice": "none", "evidence": "design"},
	"recall": {"text": "Now.", "evidence": "design"}, "cadence": {"text": "Once.", "evidence": "design"},
	"scales": {"five": {"from": 0, "to": 4, "step": 1, "evidence": "design"}, "yes": {"from": 0, "to": 1, "step": 1, "evidence": "design"}},
	"items": [
		{"number": 1, "concept": "a", "scale": "five", "recode": [{"from": 0, "to": 2, "value": 0}, {"from": 3, "to": 4, "value": 1}]},
		{"number": 2, "concept": "b", "scale": "five"}, {"number": 3, "concept": "c", "scale": "five"}, {"number": 4, "concept": "d", "scale": "yes"}
	],
	"itemEvidence": "design",
	"scores": [
		{"code": "raw", "kind": "sum", "items": [1, 2], "min": 0, "max": 5, "direction": "higher-worse", "missing": {"rule": "all", "evidence": "design"},
			"bands": {"rules": [{"code": "low", "when": [{"score": "raw", "is": "<=", "value": 2}]}, {"code": "high"}], "evidence": "unconfirmed"}, "evidence": "design"},
		{"code": "t", "kind": "table", "of": ["raw"], "min": 30, "max": 80, "direction": "higher-worse",
			"table": {"name": "kinds 1", "rows": [[0, 30, 5], [1, 40, 4], [2, 50, 3], [3, 60, 3], [4, 70, 4], [5, 80, 5]], "evidence": "design"}, "evidence": "design"},
		{"code": "percent", "kind": "percent", "items": [2, 3], "min": 0, "max": 100, "direction": "higher-worse",
			"missing": {"rule": "prorate", "answered": 1, "evidence": "unconfirmed"}, "evidence": "design"},
		{"code": "rescaled", "kind": "mean", "items": [2, 3], "offset": 1, "factor": 20, "min": 20, "max": 100, "direction": "higher-worse",
			"missing": {"rule": "slots", "answered": 1, "evidence": "design"}, "evidence": "design"},
		{"code": "model", "kind": "linear", "items": [2, 3], "min": 6, "max": 14, "direction": "higher-better",
			"linear": {"name": "kinds model", "intercept": 10, "coefficients": [-1, 1], "evidence": "design"}, "missing": {"rule": "all", "evidence": "design"}, "evidence": "design"},
		{"code": "gated", "kind": "sum", "items": [2, 3], "gate": {"item": 4, "open": 1, "else": 0, "evidence": "design"}, "min": 0, "max": 8,
			"direction": "higher-worse", "missing": {"rule": "zero", "answered": 1, "evidence": "design"}, "evidence": "design"}
	]
}`

func TestEveryKindShowsItsWorking(t *testing.T) {
	def, issues := instrument.Parse("kinds.json", []byte(everyKind))
	if len(issues) > 0 {
		t.Fatal(issues)
	}
	steps(t, worked(t, def, "raw", 3, 4, 0, 1), "answers 1: 3 counts 1, 2: 4", "1 + 4 = 5", "5 is in the band high: none of the rules before it holds")
	steps(t, worked(t, def, "t", 0, 3, 0, 1), "raw 3 is 60 in kinds 1, standard error 3")
	steps(t, worked(t, def, "t", 0, blank, 0, 1), "raw is not scorable: missing-items", "not scorable: missing-items")
	steps(
		t, worked(t, def, "percent", 0, 3, blank, 1),
		"answers 2: 3", "unanswered 3; at least 1 of 2 must be answered; the others count as the mean of those",
		"(3 - 0) / (4 - 0) x 100 = 75",
	)
	steps(
		t, worked(t, def, "rescaled", 0, 3, 2, 1),
		"answers 2: 3, 3: 2", "3 + 2 = 5", "5 / 2 = 2.5", "(2.5 + 1) x 20 = 70",
	)
	steps(t, worked(t, def, "model", 0, 3, 2, 1), "answers 2: 3, 3: 2", "10 + -1 x 3 + 1 x 2 = 9")
	steps(t, worked(t, def, "gated", 0, 3, 2, 0), "item 4, the gate, is answered 0: 0")
	steps(t, worked(t, def, "gated", 0, 3, 2, blank), "item 4, the gate, is unanswered", "not scorable: missing-items")
	steps(
		t, worked(t, def, "gated", 0, 3, blank, 1), "item 4, the gate, is answered 1: the others count", "answers 2: 3",
		"unanswered 3; at least 1 of 2 must be answered; an item left blank counts as 0",
	)
	for code, want := range map[string]string{
		"raw": "sum of items 1, 2", "t": "raw looked up in the table", "rescaled": "(mean of items 2, 3 + 1) x 20",
		"percent": "items 2, 3 as a percentage of what the answered ones could reach", "model": "10 - 1 x item 2 + 1 x item 3",
		"gated": "sum of items 2, 3; only if item 4 is answered 1, otherwise 0",
	} {
		if got := def.Score(code).Words(); got != want {
			t.Errorf("%s: %q, not %q", code, got, want)
		}
	}
}

func TestTheWorkingOfEveryVectorEndsAtItsValue(t *testing.T) {
	r := registry(t)
	for _, name := range vectorFiles(t, "*") {
		file := readVectors(t, name)
		def := lookup(t, r, file.Instrument)
		for _, v := range file.Vectors {
			resp, _ := response.FromOrdinals(def, v.Answers, "")
			sheet := score.Score(def, resp)
			for i, w := range sheet.Workings() {
				if i >= len(sheet.Scores) {
					break // decisions are words
				}
				r := &sheet.Scores[i]
				said := strings.Join(w.Steps, "\n")
				if value := instrument.Decimal(r.Value); r.Scorable() && !strings.Contains(said, value) || !r.Scorable() && !strings.Contains(said, r.NotScorable) {
					t.Errorf("%s %s, %s: %s is nowhere in\n%s", file.Instrument, v.Name, w.Score, value, said)
				}
			}
		}
	}
}
