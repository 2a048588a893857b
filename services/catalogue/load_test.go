package catalogue_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/rapport-health/rapport/services/catalogue"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/instrument"
)

// clinic is the catalogue of the folder in testdata.
func clinic(t testing.TB) *catalogue.Catalogue {
	t.Helper()
	c, err := catalogue.Open("testdata/clinic")
	if err != nil {
		t.Fatalf("%v", err)
	}
	return c
}

func lookup(t *testing.T, c *catalogue.Catalogue, name string) *instrument.Definition {
	t.Helper()
	def, err := c.Lookup(name)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return def
}

func TestTheBuiltInCatalogueLoadsQuickly(t *testing.T) {
	begun := time.Now()
	c, err := catalogue.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	if len(c.All()) < 9 {
		t.Errorf("%d instruments", len(c.All()))
	}
	if took := time.Since(begun); took > time.Second {
		t.Errorf("loading took %v", took)
	}
}

func BenchmarkBuiltin(b *testing.B) {
	for b.Loop() {
		if _, err := catalogue.Builtin(); err != nil {
			b.Fatal(err)
		}
	}
}

func TestAnOverlayMakesANewVersionAndTheOldOneStays(t *testing.T) {
	c := clinic(t)
	now, before := lookup(t, c, "gad-7"), lookup(t, c, "gad-7|1.0.0")
	if now == before || !strings.HasPrefix(now.Version, "1.0.0+") || now.Hash == before.Hash {
		t.Errorf("%s with hash %s, before %s with hash %s", now.Version, now.Hash, before.Version, before.Hash)
	}
	if got := now.Score("total").Band(9, nil) + " " + before.Score("total").Band(9, nil); got != "low mild" {
		t.Errorf("9 is %s", got)
	}
	for _, name := range []string{"http://loinc.org/q/69737-5", now.Canonical(), "gad-7|" + now.Version} {
		if lookup(t, c, name) != now {
			t.Errorf("%s is not the version in force", name)
		}
	}
	if again := lookup(t, clinic(t), "gad-7"); again.Version != now.Version || again.Hash != now.Hash {
		t.Error("the same overlay gives another version")
	}
	if strict := lookup(t, c, "phq-9"); strict.Version != "1.0.0+strict" || strict.Score("total").Missing.Rule != instrument.MissingNone {
		t.Errorf("%s %v", strict.Version, strict.Score("total").Missing)
	}
	if k10 := lookup(t, c, "k10").Score("total"); k10.Band(20, nil) != "mild" {
		t.Errorf("the chosen bands are not used: %s", k10.Band(20, nil))
	}
}

func TestAnOverlayThatSaysNothingNewChangesNoVersion(t *testing.T) {
	c, err := catalogue.Load(fstest.MapFS{"a.yaml": {Data: []byte("instruments:\n  phq-9: {construct: distress}\n")}})
	if err != nil {
		t.Fatal(err)
	}
	if def := lookup(t, c, "phq-9"); def.Version != "1.0.0" {
		t.Error(def.Version)
	}
}

func TestWordsAndOrderOfAnOverlayDoNotChangeItsVersion(t *testing.T) {
	version := func(text string) string {
		c, err := catalogue.Load(fstest.MapFS{"a.yml": {Data: []byte(text)}})
		if err != nil {
			t.Fatal(err)
		}
		return lookup(t, c, "phq-9").Version
	}
	a := version("instruments:\n  phq-9:\n    title: Ours\n    construct: sleep\n")
	b := version("# a remark\ninstruments: {phq-9: {construct: \"sleep\", title: 'Ours'}}\n")
	if c := version("instruments:\n  phq-9:\n    title: Theirs\n"); a != b || a == c {
		t.Error(a, b, c)
	}
}

func TestAFormOfTheFolderBecomesAnInstrument(t *testing.T) {
	c := clinic(t)
	diary := lookup(t, c, "https://clinic.example/Questionnaire/sleep-diary")
	if diary.ID != "sleep-diary" || !strings.HasPrefix(diary.Version, "2.1+") || diary.Construct != "sleep" || len(diary.Scores) != 1 {
		t.Errorf("%s %s %s with %d scores", diary.ID, diary.Version, diary.Construct, len(diary.Scores))
	}
	if s := diary.Score("trouble"); s.Max != 6 || s.Band(3, nil) != "poor" || s.Unconfirmed() || len(diary.Alerts) != 1 {
		t.Errorf("%+v", s)
	}
	mood := lookup(t, c, "https://clinic.example/Questionnaire/mood|1")
	s := mood.Score("sum")
	if s == nil || s.Kind != instrument.KindFormula || s.Min != 0 || s.Max != 6 || len(s.Items) != 2 || s.Direction != "" || !s.Unconfirmed() {
		t.Errorf("%s: %+v", mood.ID, s)
	}
	if !strings.HasPrefix(mood.ID, "mood-") || !catalogue.IsForm(mood.ID) {
		t.Errorf("the id %s could be taken for that of an instrument", mood.ID)
	}
	if _, err := c.Lookup("https://clinic.example/Questionnaire/mood|2"); fault.Of(err) != fault.NotFound {
		t.Errorf("the nearest version was taken: %v", err)
	}
}

// pack is a built-in pack with some texts replaced.
func pack(t *testing.T, id string, pairs ...string) *fstest.MapFile {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../domain/instrument/packs", id+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return &fstest.MapFile{Data: []byte(strings.NewReplacer(pairs...).Replace(string(text)))}
}

func TestAClinicsPackOfAHigherVersionIsTheOneInForce(t *testing.T) {
	c, err := catalogue.Load(fstest.MapFS{
		"deep/phq-9.json": pack(t, "phq-9", `"version": "1.0.0"`, `"version": "1.1.0"`, `"title": "Patient`, `"title": "Our patient`),
		".git/bad.json":   {Data: []byte("{")}, "README.md": {Data: []byte("words")},
	})
	if err != nil {
		t.Fatal(err)
	}
	if now, before := lookup(t, c, "phq-9"), lookup(t, c, "phq-9|1.0.0"); now.Version != "1.1.0" || before.Title == now.Title {
		t.Error(now.Version, before.Title)
	}
}

func TestAnOverlayLiesOverTheVersionInForce(t *testing.T) {
	c, err := catalogue.Load(fstest.MapFS{
		"phq-9.json": pack(t, "phq-9", `"version": "1.0.0"`, `"version": "1.1.0"`),
		"a.yaml":     {Data: []byte("instruments: {phq-9: {title: Ours}}")},
	})
	if err != nil {
		t.Fatal(err)
	}
	if now := lookup(t, c, "phq-9"); !strings.HasPrefix(now.Version, "1.1.0+") {
		t.Error(now.Version)
	}
}

func TestEverythingWrongInAFolderIsSaidAtOnceWithItsLine(t *testing.T) {
	folder := fstest.MapFS{
		"a.yaml": {Data: []byte(`instruments:
  phq-9:
    sctrict: true
`)},
		"b.yaml": {Data: []byte("instruments: {phq-99: {strict: true}}")},
		"c.json": {Data: []byte("{\n\"resourceType\": \"Patient\"}")},
		"d.json": {Data: []byte("{\"name\": 1}")},
		"e.json": {Data: []byte(`{
  "resourceType": "Questionnaire", "status": "active",
  "url": "https://clinic.example/q",
  "item": [
    {"linkId": "a", "type": "integer"},
    {"linkId": "a", "type": "integer"}
  ]
}`)},
		"f.json": {Data: []byte("{\n  \"id\": \"x\",\n  \"scores\": [],\n  \"scors\": 1\n}")},
		"g.yaml": {Data: []byte("instruments: {a: *b}")},
		"h.yaml": {Data: []byte("")},
		"i.json": {Data: []byte("{\"resourceType\": \"Questionnaire\",\n \"status\": \"active\", \"item\": []}")},
		"j.json": pack(t, "phq-9", `"title": "Patient`, `"title": "Our patient`),
	}
	_, err := catalogue.Load(folder)
	if fault.Of(err) != fault.Invalid {
		t.Fatalf("loaded: %v", err)
	}
	var said []string
	for _, issue := range fault.IssuesOf(err) {
		said = append(said, issue.Path+": "+issue.Text)
	}
	for _, want := range []string{
		"b.yaml:1:23: there is no instrument 'phq-99': did you mean 'phq-9'?",
		"a.yaml:3:5: unknown field 'sctrict': did you mean 'strict'?",
		"c.json:2: a Questionnaire, ValueSet or CodeSystem was expected",
		"d.json:1: neither an instrument",
		"e.json:6: Questionnaire.item[1].linkId: two items have this linkId",
		"f.json:4: scors: unknown field",
		"h.yaml:1: says nothing",
		"i.json",
		"j.json:3: version: phq-9 version 1.0.0 is defined already, with other content",
	} {
		if !slices.ContainsFunc(said, func(s string) bool { return strings.HasPrefix(s, want) }) {
			t.Errorf("not said: %s", want)
		}
	}
	if t.Failed() {
		t.Log(strings.Join(said, "\n"))
	}
}

func TestEverythingWrongInOverlaysAndMapsIsSaidWithItsColumn(t *testing.T) {
	text := `instruments:
  gad-7:
    scores:
      total:
        bands:
          list:
            - {code: low, from: 0, to: 9}
            - {code: high, from: 11, to: 21}
          evidence: "guess"
      totl: {direction: higher-worse}
  pcs:
    scores:
      total: {items: [1, 2]}
  phq-9:
    alerts: [{items: [sleeep], when: ">=", value: 1, severity: safety, evidence: design}]
  pseq:
    id: pain
    scores:
      extra: {kind: sum, items: [1, 2], direction: higher-better, evidence: design}
sources:
  ehr:
    systems: {a: b, b: c}
    questionnaires:
      Questionnaire/x:
        instrument: phq9
      Questionnaire/y:
        instrument: phq-2
        variant: 1-4
        respondent: dog
        items: {a: 1, b: anhedonia, c: 3}
        scores: {d: sum}
        answers: {e: 7}
    scores:
      total: {instrument: phq-9, score: total}
      "a|b": {instrument: phq-9, score: totl}
  "a/b": {}
`
	_, err := catalogue.Load(fstest.MapFS{"a.yaml": {Data: []byte(text)}})
	if fault.Of(err) != fault.Invalid {
		t.Fatalf("loaded: %v", err)
	}
	var said []string
	for _, issue := range fault.IssuesOf(err) {
		said = append(said, issue.Path+": "+issue.Text)
	}
	for _, want := range []string{
		"a.yaml:10:13: there is no score totl: did you mean 'total'?; a new one needs a kind",
		"a.yaml:13:14: total has a key already",
		"a.yaml:15:23: phq-9 has no item 'sleeep'",
		"a.yaml:17:9: pseq has an id of its own",
		"a.yaml:22:18: 'b' is itself another name",
		"a.yaml:25:21: there is no instrument 'phq9': did you mean 'phq-9'?",
		"a.yaml:28:18: phq-2 has no variant '1-4'",
		"a.yaml:29:21: must be patient, clinician or care-partner",
		"a.yaml:30:26: item 1 is 'a' already",
		"a.yaml:30:40: phq-2 has no item '3'",
		"a.yaml:31:21: phq-2 has no score 'sum'",
		"a.yaml:32:22: 7 is an answer to no item of phq-2",
		"a.yaml:34:14: a code is given as system|code",
		"a.yaml:35:41: phq-9 has no score 'totl': did you mean 'total'?",
		"a.yaml:36:10: a source has 1 to 64 letters",
	} {
		if !slices.ContainsFunc(said, func(s string) bool { return strings.HasPrefix(s, want) }) {
			t.Errorf("not said: %s", want)
		}
	}
	if t.Failed() {
		t.Log(strings.Join(said, "\n"))
	}
}

func TestWhatAnOverlayMakesIsCheckedAsAPackIs(t *testing.T) {
	_, err := catalogue.Load(fstest.MapFS{"a.yaml": {Data: []byte(`instruments:
  gad-7:
    scores:
      total:
        bands:
          list:
            - {code: low, from: 0, to: 9}
            - {code: high, from: 11, to: 21}
          evidence: "guess"
`)}})
	var said []string
	for _, issue := range fault.IssuesOf(err) {
		said = append(said, issue.Path+" "+issue.Text)
	}
	text := strings.Join(said, "\n")
	for _, want := range []string{
		"a.yaml:9:21 scores[0].bands: the evidence tag must be", "a.yaml:8:15 scores[0].bands.list[1]: leaves a hole",
		"a.yaml:4:7 scores[0].distress",
	} {
		if !strings.Contains(text, want[:strings.Index(want, ":")]) {
			t.Errorf("not said: %s\n%s", want, text)
		}
	}
	if !strings.Contains(text, "a.yaml:8:15 scores[0].bands.list[1]: leaves a hole") {
		t.Error(text)
	}
}

func TestTwoPlacesForOneThingAreRefused(t *testing.T) {
	_, err := catalogue.Load(fstest.MapFS{
		"a.yaml": {Data: []byte("instruments: {phq-9: {strict: true}}\nsources: {ehr: {systems: {a: b}}}")},
		"b.yaml": {Data: []byte("instruments:\n  http://loinc.org/q/44249-1: {title: x}\nsources:\n  ehr: {systems: {c: d}}")},
	})
	if err == nil || !strings.Contains(err.Error(), "phq-9 is laid over already at a.yaml:1") || !strings.Contains(err.Error(), "the source ehr has a map already") {
		t.Error(err)
	}
}

func TestLintNamesTheFilesThatCanBeUsedAndEveryProblem(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"good.yaml": "instruments: {gad-7: {strict: true}}", "bad.yaml": "instruments:\n  phq-9: {strikt: true}",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ok, err := catalogue.Lint("", dir)
	bad := filepath.Join(dir, "bad.yaml")
	if len(ok) != 1 || filepath.Base(ok[0]) != "good.yaml" || err == nil || fault.IssuesOf(err)[0].Path != bad+":2:11" {
		t.Error(ok, err)
	}
	if ok, err := catalogue.Lint("testdata/clinic", filepath.Join(dir, "good.yaml")); len(ok) != 0 || err == nil {
		t.Error("a second overlay of the same instrument was let pass", ok)
	}
	if ok, err := catalogue.Lint("", "testdata/clinic"); len(ok) != 3 || err != nil {
		t.Error(ok, err)
	}
	if _, err := catalogue.Lint("", filepath.Join(dir, "none")); fault.Of(err) != fault.Unavailable {
		t.Error(err)
	}
}

func TestTheExamplesOfTheReadmeLoad(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	diary, err := os.ReadFile("testdata/clinic/sleep-diary.json")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllSubmatch(readme, -1)
	if len(blocks) < 2 {
		t.Fatal("an overlay and a source map are meant to be shown", len(blocks))
	}
	folder := fstest.MapFS{"diary.json": {Data: diary}}
	for i, block := range blocks {
		folder[fmt.Sprintf("%d.yaml", i)] = &fstest.MapFile{Data: block[1]}
	}
	if _, err := catalogue.Load(folder); err != nil {
		t.Error(err)
	}
}
