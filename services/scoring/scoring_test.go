package scoring_test

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
	"github.com/rapport-health/rapport/services/catalogue"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/instrument"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/scoring"
)

// room is the scoring room with what ships and what a folder adds.
func room(t *testing.T, folder string) *scoring.Server {
	t.Helper()
	loaded, err := catalogue.Open(folder)
	if err != nil {
		t.Fatal(err)
	}
	return &scoring.Server{Library: catalogue.NewLibrary(loaded, nil, ref.Namer{Home: "ehr"}, time.Now)}
}

// tabled is an instrument whose second score is looked up with a standard error, and whose bands are unconfirmed.
const tabled = `{
	"id": "tabled", "version": "1.0.0", "title": "Tabled", "construct": "distress", "respondent": "patient", "status": "licence-review",
	"licence": {"wording": false, "notice": "none", "evidence": "design"},
	"recall": {"text": "Now.", "evidence": "design"}, "cadence": {"text": "Once.", "evidence": "design"},
	"scales": {"five": {"from": 0, "to": 4, "step": 1, "evidence": "design"}},
	"items": [{"number": 1, "concept": "a", "scale": "five"}],
	"itemEvidence": "design",
	"scores": [
		{"code": "raw", "kind": "sum", "items": [1], "min": 0, "max": 4, "direction": "higher-worse", "missing": {"rule": "all", "evidence": "design"}, "evidence": "design"},
		{"code": "t", "kind": "table", "of": ["raw"], "min": 41, "max": 73.9, "step": 0.1, "direction": "higher-worse",
			"table": {"name": "tabled 1", "rows": [[0, 41, 6.2], [1, 49, 3.2], [2, 55.7, 2.3], [3, 63.9, 2.3], [4, 73.9, 2.4]], "evidence": "design"},
			"bands": {"list": [{"code": "low", "from": 41, "to": 59.9}, {"code": "high", "from": 60, "to": 73.9}], "evidence": "unconfirmed"},
			"change": {"reliable": {"level": "SE", "evidence": "computed"}, "important": {"points": 3, "percent": 30, "population": "somebody", "n": 12, "evidence": "cited: X"}},
			"evidence": "design"}
	]
}`

func tableRoom(t *testing.T) *scoring.Server {
	t.Helper()
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "tabled.json"), []byte(tabled), 0o600); err != nil {
		t.Fatal(err)
	}
	return room(t, folder)
}

func TestStandardErrorsComeFromTheTableUnlessGiven(t *testing.T) {
	s := tableRoom(t)
	req := &rapportv1.ChangeRequest{Instrument: "tabled", Score: "t", From: 63.9, To: 55.7}
	resp, err := s.Compare(req)
	if err != nil {
		t.Fatal(err)
	}
	v := resp.GetVerdict()
	if !v.GetReliable() || v.GetDirection() != "improved" || v.GetBand() != "better" || resp.GetFromSe() != 2.3 || resp.GetToSe() != 2.3 {
		t.Errorf("8.2 is more than 6.37: %v", resp)
	}
	if !v.GetUnconfirmed() || len(v.GetDoubts()) != 1 || v.GetDoubts()[0] != "values" {
		t.Errorf("the bands are unconfirmed: %v", v.GetDoubts())
	}
	req.FromSe, req.ToSe = new(4.0), new(4.0)
	if resp, err := s.Compare(req); err != nil || resp.GetVerdict().GetReliable() || math.Abs(resp.GetVerdict().GetIndex()-8.2/math.Hypot(4, 4)) > 1e-9 {
		t.Errorf("8.2 is less than 11.09: %v %v", resp, err)
	}
}

func TestAValueThatIsInNoRowHasNoErrorAndSaysSo(t *testing.T) {
	resp, err := tableRoom(t).Compare(&rapportv1.ChangeRequest{Instrument: "tabled", Score: "t", From: 63.9, To: 50})
	if err != nil {
		t.Fatal(err)
	}
	if v := resp.GetVerdict(); v.Reliable != nil || !v.GetImportant() || v.GetDirection() != "improved" || v.Index != nil {
		t.Errorf("%v", v)
	}
	if len(resp.GetIssues()) != 1 || resp.GetIssues()[0].GetExpression() != "to" {
		t.Errorf("issues: %v", resp.GetIssues())
	}
}

func TestStandardErrorsThatAreNotAskedForAreNotUsed(t *testing.T) {
	resp, err := room(t, "").Compare(&rapportv1.ChangeRequest{Instrument: "phq-9", Score: "total", From: 16, To: 9, FromSe: new(9.0), ToSe: new(9.0)})
	if err != nil {
		t.Fatal(err)
	}
	if !resp.GetVerdict().GetReliable() || resp.FromSe != nil || len(resp.GetIssues()) != 2 {
		t.Errorf("%v", resp)
	}
}

func TestBandsThatDependOnAnotherScoreAreNotCompared(t *testing.T) {
	resp, err := room(t, "").Compare(&rapportv1.ChangeRequest{Instrument: "start-back", Score: "total", From: 8, To: 2})
	if err != nil || resp.GetVerdict().GetBand() != "" || len(resp.GetIssues()) != 1 {
		t.Errorf("%v %v", resp, err)
	}
}

func TestAStandardErrorOfZeroIsRefused(t *testing.T) {
	for _, se := range []float64{0, -1, math.Inf(1), math.NaN()} {
		_, err := tableRoom(t).Compare(&rapportv1.ChangeRequest{Instrument: "tabled", Score: "t", From: 63.9, To: 55.7, FromSe: &se})
		if fault.Of(err) != fault.Invalid {
			t.Errorf("%v: %v", se, err)
		}
	}
}

func TestEverySheetShowsEverythingInEightyColumns(t *testing.T) {
	for _, d := range room(t, "").Library.All() {
		page := scoring.Page(d)
		for line := range strings.Lines(page) {
			line = strings.TrimSuffix(line, "\n")
			if n := utf8.RuneCountInString(line); n > 80 && len(strings.Fields(line)) > 1 && !strings.Contains(line, "://") {
				t.Errorf("%s: a line of %d: %s", d.ID, n, line)
			}
			if line != strings.TrimRight(line, " \u00a0") {
				t.Errorf("%s: blanks at the end of %q", d.ID, line)
			}
		}
		said := strings.Join(strings.Fields(page), " ")
		for _, want := range everything(d) {
			if !strings.Contains(said, strings.Join(strings.Fields(want), " ")) {
				t.Errorf("the sheet of %s does not show %q", d.ID, want)
			}
		}
	}
}

// everything are the facts of a definition that its sheet must show.
func everything(d *instrument.Definition) []string {
	want := append([]string{d.ID, d.Version, d.Title, d.Hash, d.Licence.Notice, d.Recall.Text, d.Cadence.Text}, d.References...)
	for i := range d.Items {
		want = append(want, d.Items[i].Concept)
		for _, code := range d.Items[i].Codes {
			want = append(want, code[strings.LastIndex(code, "|")+1:])
		}
	}
	for i := range d.Scores {
		s := &d.Scores[i]
		want = append(want, "SCORE "+s.Code, s.Words(), string(s.Evidence))
		if s.Missing != nil {
			want = append(want, string(s.Missing.Evidence))
		}
		if s.Bands != nil {
			want = append(append(want, string(s.Bands.Evidence)), s.Bands.Codes()...)
		}
		for j := range s.Alternatives {
			want = append(append(want, s.Alternatives[j].Name), s.Alternatives[j].Codes()...)
		}
		for _, c := range s.Cuts {
			want = append(want, c.Text, string(c.Evidence))
		}
		if s.Table != nil {
			want = append(want, s.Table.Name, string(s.Table.Evidence))
		}
		if s.Change != nil && s.Change.Reliable != nil {
			want = append(want, string(s.Change.Reliable.Evidence), s.Change.Reliable.Words())
		}
		if s.Change != nil && s.Change.Important != nil {
			want = append(want, string(s.Change.Important.Evidence))
		}
	}
	for i := range d.Decisions {
		want = append(want, "DECISION "+d.Decisions[i].Code, d.Decisions[i].Text)
	}
	for i := range d.Variants {
		want = append(want, d.Variants[i].Code, d.Variants[i].Text)
	}
	for i := range d.Notes {
		want = append(want, d.Notes[i].Text)
	}
	return want
}

func TestATableIsShownWithEveryRow(t *testing.T) {
	d, err := tableRoom(t).Library.Lookup("tabled")
	if err != nil {
		t.Fatal(err)
	}
	page := scoring.Page(d)
	for _, want := range []string{
		"     raw    value    SE      raw    value    SE      raw    value    SE\n" +
			"       0     41.0   6.2        2     55.7   2.3        4     73.9   2.4\n" +
			"       1     49.0   3.2        3     63.9   2.3\n",
		"licence review", "somebody, n = 12 (cited: X)", "t: bands",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("%q is not in\n%s", want, page)
		}
	}
}

func TestAFormOfAClinicHasItsSheetToo(t *testing.T) {
	folder := t.TempDir()
	form := `{"resourceType":"Questionnaire","url":"https://clinic.example/Questionnaire/pair","version":"1","title":"A pair","status":"active","item":[
		{"linkId":"1","type":"choice","required":true,"answerOption":[
			{"valueCoding":{"system":"https://clinic.example/answers","code":"no"},"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/ordinalValue","valueDecimal":0}]},
			{"valueCoding":{"system":"https://clinic.example/answers","code":"yes"},"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/ordinalValue","valueDecimal":1}]}]}]}`
	if err := os.WriteFile(filepath.Join(folder, "pair.json"), []byte(form), 0o600); err != nil {
		t.Fatal(err)
	}
	s := room(t, folder)
	d, err := s.Library.Lookup("https://clinic.example/Questionnaire/pair")
	if err != nil {
		t.Fatal(err)
	}
	page := scoring.Page(d)
	for _, want := range []string{"SCORE total  0-1, nobody has said which way is better", "codes of https://clinic.example/answers"} {
		if !strings.Contains(page, want) {
			t.Errorf("%q is not in\n%s", want, page)
		}
	}
	resp, err := s.Compare(&rapportv1.ChangeRequest{Instrument: d.ID, Score: "total", From: 0, To: 1})
	if err != nil || resp.GetVerdict().GetDirection() != "" {
		t.Errorf("a score without direction: %v %v", resp, err)
	}
	sheet, err := s.Answers(scoring.Answered{Instrument: d.ID, Ordinals: []*float64{new(1.0)}}, true)
	if err != nil || sheet.GetScores()[0].GetDirection() != rapportv1.Direction_DIRECTION_UNSPECIFIED || len(sheet.GetWorkings()) != 1 {
		t.Errorf("%v %v", sheet, err)
	}
}

func TestEveryDefinitionReadsBackAsItself(t *testing.T) {
	for _, d := range room(t, "").Library.All() {
		data, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		back, issues := instrument.Parse(d.ID, data)
		if back == nil {
			t.Errorf("%s: %v", d.ID, issues)
			continue
		}
		if diff := cmp.Diff(scoring.Page(d), strings.Replace(scoring.Page(back), back.Hash, d.Hash, 1)); diff != "" {
			t.Errorf("%s (-kept +read back):\n%s", d.ID, diff)
		}
	}
}

func TestTheNearestIDIsSuggested(t *testing.T) {
	all := room(t, "").Library.All()
	for name, want := range map[string]string{
		"phq9": "phq-9", "PHQ_9": "phq-9", "gad7": "gad-7", "start-bak": "start-back", "wai": "wai-s, wai-sr or wai-srt", "tsk": "tsk-11 or tsk-17",
		"none": "", "x": "", "": "", "quite-another-thing": "",
	} {
		if got := scoring.Nearest(name, all); got != want {
			t.Errorf("%q: %q, not %q", name, got, want)
		}
	}
}

func TestASeriesThatNoDetectorWatchesIsRefused(t *testing.T) {
	s := room(t, "")
	for name, c := range map[string]struct {
		id, code string
		rating   float64
		kind     fault.Kind
	}{
		"no detector": {"phq-9", "total", 3, fault.NotSupported}, "no instrument": {"phq-99", "total", 3, fault.NotFound},
		"no score": {"wai-sr", "mean", 3, fault.NotFound}, "off the range": {"wai-sr", "total-mean", 6, fault.Invalid},
	} {
		if _, _, err := s.Series(c.id, c.code, []*float64{nil, &c.rating}); fault.Of(err) != c.kind || err == nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	rated, rupture, err := s.Series("srs", "total", []*float64{new(38.0), nil, new(36.5)})
	if err != nil || rupture != nil || len(rated) != 2 || rated[1].At != 3 || rated[1].Event != "fall" || rated[0].Unconfirmed || !rated[1].Unconfirmed {
		t.Errorf("a fall on a session form: %+v, %v, %v", rated, rupture, err)
	}
}
