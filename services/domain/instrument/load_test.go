package instrument_test

import (
	"cmp"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/instrument"
)

// sound is a small pack in which the tests break one thing at a time.
const sound = `{
 "id": "demo-3", "version": "1.2.0", "title": "Demo", "construct": "distress",
 "respondent": "patient", "status": "ready",
 "licence": {"wording": false, "notice": "ours", "evidence": "design"},
 "recall": {"text": "now", "evidence": "design"},
 "cadence": {"text": "weekly", "evidence": "design"},
 "aliases": ["demo"],
 "panels": [{"code": "http://loinc.org|69737-5", "evidence": "design"}],
 "forms": [{"url": "https://forms.example/demo", "versions": ["7"], "items": ["d1", "d2", "d3"], "scores": {"total": "dt"}, "evidence": "design"}],
 "scales": {
  "four": {"from": 0, "to": 3, "evidence": "design"},
  "words": {"options": [{"ordinal": 0, "codes": ["urn:w|a"], "display": "A"}, {"ordinal": 3, "codes": ["urn:w|b"], "display": "B"}], "evidence": "design"}
 },
 "items": [
  {"number": 1, "concept": "one", "scale": "four", "codes": ["http://loinc.org|44250-9"]},
  {"number": 2, "concept": "two", "scale": "words", "reverse": 3},
  {"number": 3, "concept": "three", "scale": "four", "unscored": true}
 ],
 "itemEvidence": "cited: a source",
 "scores": [
  {"code": "total", "kind": "sum", "items": [1, 2], "min": 0, "max": 6, "direction": "higher-worse",
   "codes": [{"code": "urn:s|total", "evidence": "design"}],
   "missing": {"rule": "prorate", "answered": 1, "evidence": "design"},
   "bands": {"list": [
     {"code": "low", "from": 0, "to": 2},
     {"code": "high", "from": 3, "to": 6}
    ], "evidence": "design"},
   "cuts": [{"at": 3, "text": "cut", "evidence": "design"}],
   "change": {"reliable": {"level": "RC95", "sd": 2, "r": 0.8, "rKind": "retest", "evidence": "design"}, "important": {"points": 1, "evidence": "design"}},
   "distress": {"part": "general", "levels": {"low": "none", "high": "severe"}, "evidence": "design"},
   "evidence": "design"},
  {"code": "half", "kind": "scores", "of": ["total"], "divisor": 2, "min": 0, "max": 3, "direction": "higher-worse", "evidence": "design"}
 ],
 "alerts": [{"items": [1], "when": ">=", "value": 2, "severity": "safety", "evidence": "design"}]
}
`

func load(files map[string]string) (*instrument.Registry, error) {
	folder := fstest.MapFS{}
	for name, text := range files {
		folder[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return instrument.Load(folder)
}

func TestASoundPackLoads(t *testing.T) {
	r, err := load(map[string]string{"demo.json": sound, "README.md": "not a pack"})
	if err != nil {
		t.Fatal(err)
	}
	if d, err := r.Lookup("https://forms.example/demo|7"); err != nil || d.ID != "demo-3" {
		t.Error("the declared version of a form must be found", err)
	}
}

func TestWhatIsWrongIsRefusedWithFileLineAndReason(t *testing.T) {
	for _, c := range []struct {
		name, old, new string
		at             string // stands on the line that the issue names; empty for the line that was changed
		reason         string
	}{
		{"an unknown field", `"title":`, `"titel": "x", "title":`, "", "titel: unknown field"},
		{"a field in the wrong case", `"unscored": true`, `"Unscored": true`, "", "items[2].Unscored: unknown field"},
		{"a name twice", `"construct": "distress"`, `"construct": "distress", "construct": "pain"`, "", "occurs twice"},
		{"null", `"reverse": 3`, `"reverse": null`, "", "null is no value"},
		{"a wrong type", `"number": 2`, `"number": "2"`, "", "does not fit"},
		{"a fraction for a whole number", `"answered": 1`, `"answered": 0.5`, "", "does not fit"},
		{"broken JSON", `"status": "ready",`, `"status": "ready"`, `"licence"`, "not valid JSON"},
		{"overlapping bands", `"from": 3, "to": 6`, `"from": 2, "to": 6`, "", "overlaps"},
		{"a hole between bands", `"from": 3, "to": 6`, `"from": 4, "to": 6`, "", "leaves a hole"},
		{"bands that end too early", `"from": 3, "to": 6`, `"from": 3, "to": 5`, `"bands"`, "end at 5, the range at 6"},
		{"bands that begin too late", `"from": 0, "to": 2`, `"from": 1, "to": 2`, "", "leaves a hole"},
		{"a band backwards", `"from": 3, "to": 6`, `"from": 3, "to": 1`, "", "ends before it begins"},
		{"two bands of one name", `"code": "high"`, `"code": "low"`, "", "needs a code of its own"},
		{"an item that no score uses", `, "unscored": true`, ``, "", "no score uses it"},
		{"an unscored item in a score", `"items": [1, 2], "min"`, `"items": [1, 2, 3], "min"`, `"concept": "three"`, "a score uses it"},
		{"an item twice in a score", `"items": [1, 2], "min"`, `"items": [1, 2, 2], "min"`, "", "used twice"},
		{"an item that is not there", `"items": [1, 2], "min"`, `"items": [1, 9], "min"`, "", "no item 9"},
		{"a range that the key cannot give", `"max": 6,`, `"max": 7,`, "", "the key gives 0 to 6"},
		{"a LOINC check digit", `44250-9`, `44250-8`, "", "fails the LOINC check digit"},
		{"no LOINC code at all", `44250-9`, `x`, "", "is not a LOINC code"},
		{"a LOINC panel's check digit", `69737-5`, `69737-6`, "", "fails the LOINC check digit"},
		{"a LOINC canonical's check digit", `https://forms.example/demo`, `http://loinc.org/q/44249-2`, "", "fails the LOINC check digit"},
		{"the PHQ-9 score code", `urn:s|total`, `http://loinc.org|44261-6`, "", "is the code of phq-9"},
		{"the PHQ-9 SNOMED CT code", `urn:s|total`, `http://snomed.info/sct|720433000`, "", "is the code of phq-9"},
		{"the back screen total", `urn:s|total`, `http://loinc.org|91351-7`, "", "is the code of start-back"},
		{"the PHQ-15 total", `urn:s|total`, `http://loinc.org|70273-8`, "", "is the code of phq-15"},
		{"a code without a system", `urn:s|total`, `total`, "", "must be system|code"},
		{"evidence left out", `"itemEvidence": "cited: a source"`, `"itemEvidence": ""`, "", "needs evidence"},
		{"evidence without a source", `"cited: a source"`, `"cited"`, "", "must name its source"},
		{"an invented evidence tag", `"cited: a source"`, `"surely: yes"`, "", "evidence tag must be"},
		{"an unknown construct", `"construct": "distress"`, `"construct": "mood"`, "", "must be one of"},
		{"an unknown respondent", `"respondent": "patient"`, `"respondent": "nurse"`, "", "must be one of"},
		{"a version that is none", `"version": "1.2.0"`, `"version": "2024"`, "", "major.minor.patch"},
		{"an id that is none", `"id": "demo-3"`, `"id": "Demo 3"`, "", "kebab case"},
		{"a reversal off the scale", `"reverse": 3`, `"reverse": 4`, "", "reverse must be 3"},
		{"an unknown scale", `"scale": "words"`, `"scale": "word"`, "", "no scale"},
		{"items out of order", `"number": 2`, `"number": 4`, "", "number must be 2"},
		{"a concept twice", `"concept": "two"`, `"concept": "one"`, "", "share the concept"},
		{"a concept that is a number", `"concept": "two"`, `"concept": "2"`, "", "must be a name"},
		{"a code for two options", `urn:w|b`, `urn:w|a`, "", "stands for two ordinals"},
		{"a code for two options in two systems", `urn:w|b`, `urn:x|a`, "", "stands for two ordinals"},
		{"a display for two options", `"display": "B"`, `"display": "a"`, "", "share a display"},
		{"ordinals that fall", `"ordinal": 3`, `"ordinal": -1`, "", "must rise"},
		{"a scale backwards", `"from": 0, "to": 3, "evidence"`, `"from": 3, "to": 0, "evidence"`, "", "in whole steps"},
		{"a scale of endless steps", `"from": 0, "to": 3, "evidence"`, `"from": 0, "to": 3, "step": 1e-300, "evidence"`, "", "in whole steps"},
		{"too few linkIds", `["d1", "d2", "d3"]`, `["d1", "d2"]`, "", "one linkId for each"},
		{"a linkId for two items", `["d1", "d2", "d3"]`, `["d1", "d1", "d3"]`, "", "means two items"},
		{"a bare number as a form's linkId", `["d1", "d2", "d3"]`, `["d1", "2", "d3"]`, "", "bare item number"},
		{"a linkId for an item and a score", `{"total": "dt"}`, `{"total": "d1"}`, "", "means two things"},
		{"a linkId of no score", `{"total": "dt"}`, `{"sum": "dt"}`, "", "no score sum"},
		{"a canonical with a version", `"https://forms.example/demo"`, `"https://forms.example/demo|7"`, "", "without a version"},
		{"an alias that is no id", `"aliases": ["demo"]`, `"aliases": ["a/b"]`, "", "FHIR id"},
		{"an alert on no item", `"items": [1], "when"`, `"items": [4], "when"`, "", "no item 4"},
		{"an alert value off the scale", `"value": 2, "severity"`, `"value": 5, "severity"`, "", "no answer to item 1"},
		{"an alert that compares otherwise", `">="`, `"="`, "", "must be one of"},
		{"a prorate that needs all", `"answered": 1`, `"answered": 2`, "", "below the number of items"},
		{"an unknown missing rule", `"rule": "prorate"`, `"rule": "impute"`, "", "must be one of"},
		{"no missing rule", `"missing": {"rule": "prorate", "answered": 1, "evidence": "design"},`, ``, `"code": "total"`, "needs a missing rule"},
		{"an unknown kind", `"kind": "sum"`, `"kind": "product"`, "", "must be one of"},
		{"an unknown direction", `"max": 6, "direction": "higher-worse"`, `"max": 6, "direction": "up"`, "", "must be one of"},
		{"a score made of a later one", `"of": ["total"]`, `"of": ["half"]`, "", "no score half stands before"},
		{"two scores of one code", `"code": "half"`, `"code": "total"`, "", "share the code"},
		{"a cut outside the range", `"at": 3`, `"at": 9`, "", "outside the range"},
		{"an error band without a basis", `"sd": 2, "r": 0.8, "rKind": "retest", `, ``, "", "exactly one of"},
		{"a reliability above 1", `"r": 0.8`, `"r": 1.8`, "", "r between 0 and 1"},
		{"a band without a level", `"low": "none", `, ``, "", "must be one of none"},
		{"a level for no band", `"low": "none"`, `"low": "none", "mid": "mild"`, "", "name each band once"},
		{"a range of ready-made values that is too narrow", `"max": 6, "direction"`, `"max": 6, "accepts": {"from": 1, "to": 9}, "direction"`, "", "must hold the whole range"},
		{"an unknown kind of reliability", `"rKind": "retest"`, `"rKind": "guess"`, "", "rKind alpha, retest or unstated"},
		{"the code of another version of a score", `urn:s|total`, `http://loinc.org|77866-2`, "", "physical function v1.0"},
		{"the code of an item for a score of several", `urn:s|total`, `http://loinc.org|44250-9`, `"code": "total"`, "means two things"},
		{"an unknown part", `"part": "general"`, `"part": "joy"`, "", "must be one of depression"},
	} {
		t.Run(c.name, func(t *testing.T) {
			wantRefused(t, sound, c.old, c.new, c.at, c.reason)
		})
	}
}

// wantRefused puts one text of a pack for another, and wants it refused with the line of at (of old, when at is empty)
// and with the reason.
func wantRefused(t *testing.T, pack, old, replacement, at, reason string) {
	t.Helper()
	_, err := load(map[string]string{"demo.json": strings.Replace(pack, old, replacement, 1)})
	if fault.Of(err) != fault.Invalid {
		t.Fatalf("loaded: %v", err)
	}
	lineOf(t, pack, old)
	line := lineOf(t, pack, cmp.Or(at, old))
	where := fmt.Sprintf("demo.json:%d", line)
	for _, issue := range fault.IssuesOf(err) {
		located := issue.Path == where || issue.Path == "demo.json" && strings.HasPrefix(issue.Text, fmt.Sprintf("line %d:", line))
		if located && strings.Contains(issue.Text, reason) {
			return
		}
	}
	t.Errorf("no issue at %s says %q: %v", where, reason, err)
}

func lineOf(t *testing.T, pack, text string) int {
	t.Helper()
	before, _, found := strings.Cut(pack, text)
	if !found {
		t.Fatalf("the sound pack holds no %s", text)
	}
	return 1 + strings.Count(before, "\n")
}

func TestTwoPacksMustNotContradictEachOther(t *testing.T) {
	other := strings.NewReplacer("demo-3", "demo-4", `"demo"`, `"demo4"`, "https://forms.example/demo", "https://forms.example/demo4",
		"urn:s|total", "urn:s|total4").Replace(sound)
	for name, c := range map[string]struct{ text, reason string }{
		"one version changed":    {strings.Replace(sound, `"at": 3`, `"at": 4`, 1), "demo-3 version 1.2.0 is defined already, with other content"},
		"a canonical for two":    {strings.Replace(other, "forms.example/demo4", "forms.example/demo", 1), "already means demo-3"},
		"an alias for two":       {strings.Replace(other, `"demo4"`, `"demo"`, 1), "Questionnaire/demo already means demo-3"},
		"a score code for two":   {strings.Replace(other, "urn:s|total4", "urn:s|total", 1), "urn:s|total already is total of demo-3"},
		"our own code of theirs": {strings.Replace(other, "urn:s|total4", instrument.ScoreSystem+"|demo-3-total", 1), "already is total of demo-3"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := load(map[string]string{"a.json": sound, "b.json": c.text})
			if fault.Of(err) != fault.Invalid || !strings.Contains(err.Error(), "b.json:") || !strings.Contains(err.Error(), c.reason) {
				t.Errorf("%v", err)
			}
		})
	}
	for name, text := range map[string]string{"another instrument": other, "the same again": " " + sound} {
		if _, err := load(map[string]string{"a.json": sound, "b.json": text}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestEveryFaultOfEveryFileIsReportedAtOnce(t *testing.T) {
	bad := strings.NewReplacer(`"construct": "distress"`, `"construct": "mood"`, `"at": 3`, `"at": 9`).Replace(sound)
	_, err := load(map[string]string{"a.json": bad, "b.json": "{", "c.json": sound})
	files := map[string]int{}
	for _, issue := range fault.IssuesOf(err) {
		file, _, _ := strings.Cut(issue.Path, ":")
		files[file]++
	}
	if files["a.json"] != 2 || files["b.json"] != 1 || files["c.json"] != 0 {
		t.Error(err)
	}
}

func TestTheNewestVersionIsTheCurrentOneAndOldOnesStayKnown(t *testing.T) {
	newer := strings.Replace(sound, `"version": "1.2.0"`, `"version": "1.10.0"`, 1)
	r, err := load(map[string]string{"a.json": newer, "b.json": sound})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"demo-3": "1.10.0", "demo-3|1.2.0": "1.2.0", "https://forms.example/demo": "1.10.0", "Questionnaire/demo": "1.10.0",
	} {
		if d, err := r.Lookup(name); err != nil || d.Version != want {
			t.Errorf("%s: %v %v", name, d, err)
		}
	}
	if d, _, _ := r.ByScoreCode("urn:s|total"); d.Version != "1.10.0" || len(r.All()) != 1 {
		t.Error("observations belong to the current version")
	}
}

func TestTheHashFollowsTheFactsNotTheLayout(t *testing.T) {
	hash := func(text string) string {
		d, issues := instrument.Parse("demo.json", []byte(text))
		if issues != nil {
			t.Fatal(issues)
		}
		return d.Hash
	}
	if hash(sound) != hash(strings.ReplaceAll(sound, "\n", " \n ")) {
		t.Error("white space changed the hash")
	}
	if hash(sound) == hash(strings.Replace(sound, `"points": 1`, `"points": 2`, 1)) {
		t.Error("a fact changed, the hash did not")
	}
}

func TestAFolderWithoutPacksIsRefused(t *testing.T) {
	if _, err := load(map[string]string{"notes.txt": ""}); fault.Of(err) != fault.Invalid {
		t.Error(err)
	}
}

// Trap 4: codes of an early draft of the German PRO module.
func TestMadeUpLoincCodesFailTheCheckDigit(t *testing.T) {
	for _, code := range []string{"71953-7", "71958-6", "71959-4", "71961-0", "71962-8", "71964-4", "71965-1", "71966-9"} {
		_, issues := instrument.Parse("demo.json", []byte(strings.Replace(sound, "44250-9", code, 1)))
		if len(issues) != 1 || !strings.Contains(issues[0].Text, "check digit") {
			t.Errorf("%s: %v", code, issues)
		}
	}
	for _, code := range []string{"71959-1", "71967-4", "71965-8", "71963-3", "71955-9", "71961-7", "77854-8", "1751-7"} {
		if _, issues := instrument.Parse("demo.json", []byte(strings.Replace(sound, "44250-9", code, 1))); issues != nil {
			t.Errorf("%s: %v", code, issues)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(sound))
	f.Add([]byte(`{"items":[{"number":1,"scale":"x"}],"scores":[{"kind":"sum","items":[1,2]}],"scales":{"x":null}}`))
	f.Add([]byte(strings.Repeat(`[`, 100)))
	f.Fuzz(func(t *testing.T, data []byte) {
		d, issues := instrument.Parse("f.json", data)
		if (d == nil) != (len(issues) > 0) {
			t.Fatal("either a definition or issues", d, issues)
		}
	})
}
