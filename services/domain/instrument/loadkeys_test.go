package instrument_test

import (
	"strings"
	"testing"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/instrument"
)

// wide is a sound pack with one key of every other kind.
const wide = `{
 "id": "wide-5", "version": "1.0.0", "title": "Wide", "construct": "risk",
 "respondent": "patient", "status": "ready",
 "licence": {"wording": false, "notice": "ours", "evidence": "design"},
 "recall": {"text": "now", "evidence": "design"},
 "cadence": {"text": "weekly", "evidence": "design"},
 "forms": [{"url": "https://forms.example/wide", "items": ["w1", "w2", "w3", "w4", "w5"], "variant": "1-2", "evidence": "design"}],
 "scales": {
  "ten": {"from": 0, "to": 10, "evidence": "design"},
  "yes": {"options": [{"ordinal": 0, "codes": ["urn:w|n"], "label": "no"}, {"ordinal": 1, "codes": ["urn:w|y"]}],
   "blank": ["urn:w|na", "does not apply"], "evidence": "design"}
 },
 "items": [
  {"number": 1, "concept": "gate", "scale": "yes"},
  {"number": 2, "concept": "pain", "scale": "ten",
   "recode": [{"from": 0, "to": 4, "value": 0},
    {"from": 5, "to": 10, "value": 1}]},
  {"number": 3, "concept": "three", "scale": "yes"},
  {"number": 4, "concept": "four", "scale": "yes"},
  {"number": 5, "concept": "five", "scale": "yes", "unscored": true}
 ],
 "itemEvidence": "design",
 "scores": [
  {"code": "raw", "kind": "sum", "items": [2, 3, 4], "min": 0, "max": 3, "direction": "higher-worse",
   "missing": {"rule": "all", "evidence": "design"},
   "bands": {"list": [{"code": "low", "from": 0, "to": 1}, {"code": "high", "from": 2, "to": 3}], "evidence": "design"},
   "alternatives": [
    {"name": "strict", "list": [{"code": "none", "from": 0, "to": 0}, {"code": "any", "from": 1, "to": 3}],
     "levels": {"none": "none", "any": "mild"}, "evidence": "design"},
    {"name": "loose",
     "list": [{"code": "few", "from": 0, "to": 2}, {"code": "every", "from": 3, "to": 3}],
     "levels": {"few": "mild", "every": "severe"}, "evidence": "design"}
   ],
   "change": {"cutoff": {"clinical": {"mean": 2, "sd": 1}, "norm": {"mean": 1, "sd": 0.5}, "evidence": "design"}},
   "distress": {"part": "general", "levels": {"low": "none", "high": "moderate"}, "evidence": "design"},
   "evidence": "design"},
  {"code": "t-score", "kind": "table", "of": ["raw"], "min": 30, "max": 60, "direction": "higher-worse",
   "table": {"name": "ours, version 1", "rows": [
    [0, 30, 5],
    [1, 40, 4],
    [2, 50, 4],
    [3, 60, 5]
   ], "evidence": "design"},
   "change": {"reliable": {"level": "SE", "evidence": "design"}},
   "evidence": "design"},
  {"code": "gated", "kind": "sum", "items": [3, 4], "min": -1, "max": 2, "direction": "higher-worse",
   "gate": {"item": 1, "open": 1, "else": -1, "evidence": "design"},
   "missing": {"rule": "zero", "answered": 1, "evidence": "design"},
   "evidence": "design"},
  {"code": "model", "kind": "linear", "items": [3, 4], "min": 0, "max": 3, "direction": "higher-worse",
   "linear": {"name": "ours, version 1", "intercept": 1, "coefficients": [2, -1], "evidence": "design"},
   "missing": {"rule": "all", "evidence": "design: of the model"},
   "evidence": "design"},
  {"code": "share", "kind": "percent", "items": [3, 4], "min": 0, "max": 100, "direction": "higher-worse",
   "missing": {"rule": "prorate", "answered": 1, "round": "half-up", "evidence": "design"},
   "bands": {"rules": [
    {"code": "calm", "when": [{"score": "share", "is": "<=", "value": 10}]},
    {"code": "middling", "when": [{"score": "raw", "is": "<=", "value": 1}]},
    {"code": "rest"}
   ], "evidence": "design"},
   "evidence": "design"},
  {"code": "slots", "kind": "mean", "items": [3, 4], "offset": 1, "factor": 50, "min": 50, "max": 100, "direction": "higher-worse",
   "missing": {"rule": "slots", "answered": 1, "evidence": "design"},
   "evidence": "design"}
 ],
 "decisions": [
  {"code": "pattern", "text": "A pattern.",
   "counts": [
    {"code": "core", "at": [{"items": [3], "from": 1}]},
    {"code": "symptoms", "at": [{"items": [2, 3], "from": 1}, {"items": [4], "from": 1}]}
   ],
   "rules": [
    {"code": "whole", "when": [{"count": "core", "is": ">=", "value": 1}, {"count": "symptoms", "is": ">=", "value": 2}]},
    {"code": "no-pattern"}
   ],
   "evidence": "design"}
 ],
 "variants": [
  {"code": "1-2", "text": "Counted from one.", "shift": -1, "evidence": "design"}
 ]
}
`

func TestAPackWithEveryKindOfKeyLoads(t *testing.T) {
	r, err := load(map[string]string{"wide.json": wide})
	if err != nil {
		t.Fatal(err)
	}
	d, err := r.Lookup("https://forms.example/wide")
	if err != nil || d.VariantOf("https://forms.example/wide|2") != "1-2" || d.VariantOf(d.Canonical()) != "" {
		t.Error("the form numbers its answers in the variant 1-2, ours does not", err)
	}
}

func TestKeysThatCannotBeScoredAreRefusedWithFileLineAndReason(t *testing.T) {
	for _, c := range []struct {
		name, old, new string
		at             string // stands on the line that the issue names; empty for the line that was changed
		reason         string
	}{
		{"a table with a hole", "[1, 40, 4],\n", "", "", "leaves a hole: raw has the value 1"},
		{"a table with a hole at its beginning", "[0, 30, 5],\n", "", "", "leaves a hole: raw has the value 0"},
		{"a table that ends too early", ",\n    [3, 60, 5]", "\n", `"table": {`, "ends at 2, but raw reaches 3"},
		{"a table that goes on too long", "[3, 60, 5]", "[3, 60, 5], [4, 60, 5]", `"table": {`, "ends at 4, but raw reaches 3"},
		{"a row twice", "[1, 40, 4],", "[1, 40, 4], [1, 41, 4],", "", "comes again or too early"},
		{"a row without its standard error", "[1, 40, 4]", "[1, 40]", "", "in every row or in none"},
		{"a row that is a single number", "[1, 40, 4]", "[1]", "", "must be raw value, converted value"},
		{"a standard error of 0", "[1, 40, 4]", "[1, 40, 0]", "", "must be above 0"},
		{"a table beyond the range", "[3, 60, 5]", "[3, 66, 5]", `"code": "t-score"`, "the key gives 30 to 66"},
		{"a table without a name", `"name": "ours, version 1", "rows"`, `"name": "", "rows"`, "", "needs a name"},
		{"a table of two scores", `"of": ["raw"]`, `"of": ["raw", "raw"]`, "", "a table converts one score"},
		{"a table of a later score", `"of": ["raw"]`, `"of": ["share"]`, "", "no score share stands before"},
		{"a table with items", `"of": ["raw"]`, `"of": ["raw"], "items": [3]`, `"code": "t-score"`, "neither items nor a missing rule"},
		{"a table on a sum", `"kind": "table"`, `"kind": "sum"`, "", "belong to the kinds of these names"},
		{"a table score without its table", `"kind": "sum", "items": [3, 4]`, `"kind": "table", "of": ["raw"]`, "", "belong to the kinds of these names"},
		{"a model on a mean", `"kind": "linear"`, `"kind": "mean"`, "", "belong to the kinds of these names"},
		{"a coefficient too few", "[2, -1]", "[2]", "", "one coefficient for each of the 2 items"},
		{"a model beyond its range", "[2, -1]", "[2, 1]", `"code": "model"`, "the key gives 1 to 4"},
		{"a model that guesses", `{"rule": "all", "evidence": "design: of the model"}`, `{"rule": "prorate", "answered": 1, "evidence": "design"}`, "", "a linear model needs every item"},
		{"standard errors that are not there", `{"code": "gated",`, `{"code": "gated", "change": {"reliable": {"level": "SE", "evidence": "design"}},`, "", "needs a table with a standard error"},
		{"a standard error in points", `"level": "SE", `, `"level": "SE", "points": 5, `, "", "takes its numbers from the table"},
		{"a gate that is an item of the score", `"gate": {"item": 1`, `"gate": {"item": 3`, "", "is none of them"},
		{"a gate that is not there", `"gate": {"item": 1`, `"gate": {"item": 9`, "", "there is no item 9"},
		{"a gate that never opens", `"open": 1`, `"open": 2`, "", "no answer to item 1"},
		{"a gate whose other value is off the range", `"else": -1`, `"else": -2`, `"code": "gated"`, "the key gives -2 to 2"},
		{"a gate before other scores", `"max": 60, "direction": "higher-worse",`, `"max": 60, "direction": "higher-worse", "gate": {"item": 1, "open": 1, "else": 30, "evidence": "design"},`, "", "is none of them"},
		{"an unscored gate", `"concept": "gate", "scale": "yes"`, `"concept": "gate", "scale": "yes", "unscored": true`, "", "a score uses it"},
		{"a recode that misses an answer", `"from": 5, "to": 10`, `"from": 6, "to": 10`, `"recode"`, "the answer 5 one value; it gives it 0"},
		{"a recode that gives an answer two values", `"from": 5, "to": 10`, `"from": 4, "to": 10`, `"recode"`, "the answer 4 one value; it gives it 2"},
		{"a recode beyond the scale", `"value": 1}]`, `"value": 1}, {"from": 11, "to": 12, "value": 3}]`, "", "meets no answer"},
		{"a recode to one value", `"to": 10, "value": 1`, `"to": 10, "value": 0`, `"recode"`, "gives every answer the value 0"},
		{"rules whose last has conditions", `{"code": "rest"}`, `{"code": "rest", "when": [{"score": "raw", "is": ">=", "value": 2}]}`, "", "the last has none"},
		{"a rule before the last without conditions", `, "when": [{"score": "raw", "is": "<=", "value": 1}]`, ``, "", "each rule but the last has conditions"},
		{"two rules of one band", `"code": "middling"`, `"code": "calm"`, "", "needs a code of its own"},
		{"a rule that compares otherwise", `"score": "raw", "is": "<="`, `"score": "raw", "is": "<"`, "", "must be one of >=, <="},
		{"a rule about a later score", `{"score": "raw", "is": "<=", "value": 1}`, `{"score": "slots", "is": "<=", "value": 1}`, "", "this score, or one that stands before"},
		{"a rule of bands that counts", `{"score": "raw", "is": "<=", "value": 1}`, `{"count": "core", "is": "<=", "value": 1}`, "", "this score, or one that stands before"},
		{"bands by list and by rules", `"bands": {"rules": [`, `"bands": {"list": [{"code": "one", "from": 0, "to": 100}], "rules": [`, "", "a list of bands, or rules"},
		{"bands that are none", `{"list": [{"code": "low", "from": 0, "to": 1}, {"code": "high", "from": 2, "to": 3}], "evidence"`, `{"evidence"`, "", "a list of bands, or rules"},
		{"a decision that counts an unknown item", `[{"items": [3], "from": 1}]`, `[{"items": [8], "from": 1}]`, "", "there is no item 8"},
		{"a decision that counts an item twice", `{"items": [4], "from": 1}`, `{"items": [4, 3], "from": 1}`, "", "item 3 is counted twice"},
		{"a decision that counts nothing", `[{"items": [3], "from": 1}]`, `[]`, "", "counts nothing"},
		{"a threshold of no items", `[{"items": [3], "from": 1}]`, `[{"items": [], "from": 1}]`, "", "counts nothing"},
		{"a threshold that is always met", `[{"items": [3], "from": 1}]`, `[{"items": [3], "from": 0}]`, "", "always or never"},
		{"a threshold beyond the scale", `[{"items": [3], "from": 1}]`, `[{"items": [3], "from": 2}]`, "", "always or never"},
		{"a threshold on the answer before its recode", `{"items": [2, 3], "from": 1}`, `{"items": [2, 3], "from": 5}`, "", "item 2 is always or never at 5"},
		{"a decision on an unscored item", `[{"items": [3], "from": 1}]`, `[{"items": [3, 5], "from": 1}]`, `"concept": "five"`, "a score uses it"},
		{"two counts of one code", `{"code": "symptoms"`, `{"code": "core"`, "", "needs a code of its own"},
		{"a rule about an unknown count", `{"count": "symptoms", "is"`, `{"count": "signs", "is"`, "", "must name a count of this decision"},
		{"a rule of a decision about a score", `{"count": "symptoms", "is"`, `{"score": "raw", "is"`, "", "must name a count of this decision"},
		{"a decision whose last rule has conditions", `{"code": "no-pattern"}`, `{"code": "no-pattern", "when": [{"count": "core", "is": "<=", "value": 0}]}`, "", "the last has none"},
		{"a decision of the name of a score", `"code": "pattern", "text"`, `"code": "raw", "text"`, "", "needs a code of its own"},
		{"a decision without a text", `"text": "A pattern."`, `"text": ""`, "", "needs a text, counts and rules"},
		{"a variant without a shift", `, "shift": -1`, ``, "", "a shift other than 0"},
		{"a variant without a text", `"text": "Counted from one."`, `"text": ""`, "", "needs a text"},
		{"two variants of one code", `{"code": "1-2", "text"`, `{"code": "1-2", "text": "again", "shift": 1, "evidence": "design"}, {"code": "1-2", "text"`, "", "a code of its own"},
		{"a form in an unknown variant", `"variant": "1-2"`, `"variant": "2-3"`, "", "there is no variant 2-3"},
		{"an alternative without a name", `"name": "strict"`, `"name": ""`, "", "needs a name of its own"},
		{"two alternatives of one name", `"name": "loose"`, `"name": "strict"`, "", "needs a name of its own"},
		{"an alternative with a hole", `"from": 3, "to": 3}]`, `"from": 4, "to": 3}]`, "", "ends before it begins"},
		{"an alternative that overlaps", `{"code": "every", "from": 3`, `{"code": "every", "from": 2`, "", "overlaps"},
		{"an alternative that ends too early", `{"code": "any", "from": 1, "to": 3}`, `{"code": "any", "from": 1, "to": 2}`, "", "end at 2, the range at 3"},
		{"an alternative to nothing", `"bands": {"list": [{"code": "low", "from": 0, "to": 1}, {"code": "high", "from": 2, "to": 3}], "evidence": "design"},`, ``, `"name": "strict"`, "there are no bands to which"},
		{"an alternative off the ladder", `"levels": {"few": "mild", "every": "severe"}, `, ``, `"name": "loose"`, "must name each band once"},
		{"an alternative half on the ladder", `"levels": {"few": "mild", "every": "severe"}`, `"levels": {"few": "mild"}`, "", "must be one of none"},
		{"levels without a ladder", `"distress": {"part": "general", "levels": {"low": "none", "high": "moderate"}, "evidence": "design"},`, ``, `"levels": {"few"`, "speaks for no part"},
		{"a name for the bands in use", `"bands": {"rules"`, `"bands": {"name": "usual", "rules"`, "", "only alternatives have a name"},
		{"two scores for one part", `{"code": "share",`, `{"code": "share", "distress": {"part": "general", "levels": {"calm": "none", "middling": "mild", "rest": "severe"}, "evidence": "design"},`, "", "two scores speak for general"},
		{"slots that are summed", `"kind": "mean"`, `"kind": "sum"`, `"rule": "slots"`, "slots are averaged"},
		{"blanks as 0 that are averaged", `"kind": "sum", "items": [3, 4]`, `"kind": "mean", "items": [3, 4]`, `"rule": "zero"`, "the kind must be sum"},
		{"slots that are rounded", `"rule": "slots", "answered": 1`, `"rule": "slots", "answered": 1, "round": "half-up"`, "", "only a prorated score is rounded"},
		{"a rule for all with a number", `"missing": {"rule": "all", "evidence": "design"}`, `"missing": {"rule": "all", "answered": 2, "evidence": "design"}`, "", "takes neither answered nor round"},
		{"a divisor below 0", `"factor": 50`, `"factor": 50, "divisor": -1`, "", "divisor must be above 0"},
		{"an offset that moves the range", `"offset": 1`, `"offset": 2`, "", "the key gives 100 to 150"},
		{"a percent beyond 100", `"max": 100, "direction": "higher-worse",
   "missing": {"rule": "prorate"`, `"max": 101, "direction": "higher-worse",
   "missing": {"rule": "prorate"`, `"code": "share"`, "the key gives 0 to 100"},
		{"a percent of nothing", `, "label": "no"}, {"ordinal": 1, "codes": ["urn:w|y"]}`, `}`, `"code": "share"`, "item 3 has one answer only"},
		{"a formula in a pack", `"kind": "percent"`, `"kind": "formula"`, "", "stands in a Questionnaire"},
		{"a cutoff without a spread", `"norm": {"mean": 1, "sd": 0.5}`, `"norm": {"mean": 1, "sd": 0}`, "", "two standard deviations above 0"},
		{"a cutoff off the range", `"norm": {"mean": 1, "sd": 0.5}`, `"norm": {"mean": 9, "sd": 0.5}`, "", "must lie in the range"},
		{"a blank that is nothing", `"blank": ["urn:w|na"`, `"blank": [""`, "", "needs a code or a display"},
		{"a blank that is an option", `"blank": ["urn:w|na"`, `"blank": ["urn:w|y"`, "", "is an answer"},
		{"a blank that is an option's bare code", `"blank": ["urn:w|na"`, `"blank": ["n"`, "", "is an answer"},
		{"a blank that is an ordinal", `"blank": ["urn:w|na"`, `"blank": ["0"`, "", "is an answer"},
		{"an unknown field of a rule", `"is": "<=", "value": 10`, `"is": "<=", "than": 10`, "", "unknown field"},
		{"an unknown field of a table", `"rows": [`, `"se": 4, "rows": [`, "", "unknown field"},
	} {
		t.Run(c.name, func(t *testing.T) {
			wantRefused(t, wide, c.old, c.new, c.at, c.reason)
		})
	}
}

func TestOneFaultDoesNotHideAnother(t *testing.T) {
	bad := strings.NewReplacer(`"from": 5, "to": 10`, `"from": 6, "to": 10`, `"construct": "risk"`, `"construct": "luck"`,
		`"shift": -1`, `"shift": 0`, `"open": 1`, `"open": 3`).Replace(wide)
	_, err := load(map[string]string{"wide.json": bad})
	for _, reason := range []string{"the answer 5", "must be one of alliance", "a shift other than 0", "no answer to item 1"} {
		if err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("nobody says %q: %v", reason, err)
		}
	}
}

func TestARecodeOnAScaleWithoutEndIsRefusedNotWalked(t *testing.T) {
	bad := strings.Replace(wide, `"ten": {"from": 0, "to": 10,`, `"ten": {"from": 0, "to": 10, "step": 1e-300,`, 1)
	if _, err := load(map[string]string{"wide.json": bad}); fault.Of(err) != fault.Invalid {
		t.Error(err)
	}
}

func TestAnAlternativeIsChosenWithItsLevels(t *testing.T) {
	d, issues := instrument.Parse("wide.json", []byte(wide))
	if issues != nil {
		t.Fatal(issues)
	}
	chosen := *d.Score("raw")
	if chosen.Choose("nobody") {
		t.Error("chose a set that is not there")
	}
	if !chosen.Choose("loose") || chosen.Bands.Name != "" || chosen.Bands.Levels != nil {
		t.Errorf("%+v", chosen.Bands)
	}
	if band := chosen.Band(2, nil); band != "few" || chosen.Level(band) != "mild" || chosen.Part() != "general" {
		t.Errorf("2 is %s, %s of %s", band, chosen.Level(band), chosen.Part())
	}
	if own := d.Score("raw"); own.Band(2, nil) != "high" || own.Level("high") != "moderate" || own.Alternatives[1].Name != "loose" {
		t.Error("the original changed")
	}
}
