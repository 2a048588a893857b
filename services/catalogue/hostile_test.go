package catalogue_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rapport-health/rapport/services/catalogue"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/store"
)

// containing is a response that brings its form and the value set of its one question along.
func containing(weights ...int) string {
	var concepts []string
	for i, w := range weights {
		concepts = append(concepts, fmt.Sprintf(`{"code":"c%d","extension":[{"url":"http://hl7.org/fhir/StructureDefinition/ordinalValue","valueDecimal":%d}]}`, i, w))
	}
	return strings.Replace(answered("#q", "completed", coded("1", "urn:cs", "c1")), `"questionnaire"`,
		`"contained":[{"resourceType":"Questionnaire","id":"q","status":"active","item":[{"linkId":"1","type":"choice","answerValueSet":"#v"}]},
		{"resourceType":"ValueSet","id":"v","status":"active","compose":{"include":[{"system":"urn:cs","concept":[`+strings.Join(concepts, ",")+`]}]}}],"questionnaire"`, 1)
}

func TestTheSameFormOverOtherWeightsIsAnotherVersion(t *testing.T) {
	shelf := library(t).Open("default")
	one, err := score(t, shelf, "ehr", containing(0, 1, 2))
	if err != nil {
		t.Fatal(err)
	}
	other, err := score(t, shelf, "ehr", containing(0, 10, 20))
	if err != nil {
		t.Fatal(err)
	}
	if one.Sheet.Scores[0].Value != 1 || other.Sheet.Scores[0].Value != 10 {
		t.Fatalf("scores %v and %v, want 1 and 10", one.Sheet.Scores, other.Sheet.Scores)
	}
	if a, b := one.Definition, other.Definition; a.Version == b.Version || a.Hash == b.Hash {
		t.Errorf("both are %s %s with hash %s: what was scored by one would be explained by the other", a.ID, a.Version, a.Hash)
	}
}

func TestFormulasThatTakeForEverAreGivenUp(t *testing.T) {
	nested := `%resource.item.answer.value.select(%resource.item.answer.value.select(%resource.item.answer.value.select(` +
		`%resource.item.answer.value.weight().sum()).sum()).sum()).sum()`
	var items []string
	for i := range 12 {
		items = append(items, fmt.Sprintf(`{"linkId":"%d","type":"choice","answerOption":[{"valueInteger":0},{"valueInteger":1}]}`, i))
	}
	for i := range 100 {
		items = append(items, fmt.Sprintf(`{"linkId":"s%d","type":"decimal","extension":[{"url":
			"http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-calculatedExpression",
			"valueExpression":{"language":"text/fhirpath","expression":%q}}]}`, i, nested))
	}
	shelf := catalogue.NewLibrary(catalogue.Hasty(clinic(t), 100*time.Millisecond), nil, namer, now).Open("default")
	issues := shelf.Put("ehr", ref.Resource{Type: "Questionnaire", ID: "slow"}, parse(t,
		`{"resourceType":"Questionnaire","id":"slow","url":"urn:slow","status":"active","item":[`+strings.Join(items, ",")+`]}`))
	defer shelf.Close()
	for _, issue := range issues {
		if issue.Code == "too-costly" {
			return
		}
	}
	t.Errorf("nobody is told that the formulas take too long: %v", issues)
}

// crowd is a store of copies of one Questionnaire, each as long as it is said to be.
type crowd struct {
	store.Reader
	copies, bytes int
}

// long is a list of so many bytes, of strings that are not too long.
func long(bytes int) string {
	const most = 1 << 19
	parts := []string{`{"name":"u"}`}
	for ; bytes > 0; bytes -= most {
		parts = append(parts, `{"name":"`+strings.Repeat("x", min(bytes, most))+`"}`)
	}
	return strings.Join(parts, ",")
}

func (c crowd) Search(q record.Query) (out []record.Record, err error) {
	for i := range min(c.copies, q.Max) {
		raw := fmt.Sprintf(`{"resourceType":"Questionnaire","id":"c%d","url":"urn:crowd","version":"%d","status":"active","contact":[%s],
			"item":[{"linkId":"1","type":"choice","answerOption":[{"valueInteger":0},{"valueInteger":1}]}]}`, i, i, long(c.bytes))
		out = append(out, record.Record{
			Resource: ref.Resource{Type: "Questionnaire", ID: fmt.Sprintf("c%d", i)}, Source: "ehr", Raw: []byte(raw), Hash: [32]byte{byte(i), byte(c.bytes)},
		})
		if q.MaxBytes -= len(raw); q.MaxBytes <= 0 {
			break
		}
	}
	return out, nil
}

func TestACrowdOfQuestionnairesOfOneNameIsNotLookedThrough(t *testing.T) {
	for name, c := range map[string]struct {
		crowd
		scored bool
	}{
		"a few":         {crowd{copies: 3}, true},
		"too many":      {crowd{copies: 1000}, false},
		"too large":     {crowd{copies: 6, bytes: 6 << 20}, false},
		"one large one": {crowd{copies: 1, bytes: 12 << 20}, true},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := score(t, library(t).OpenIn("default", c.crowd), "ehr", answered("urn:crowd", "completed", integer("1", 1)))
			if err != nil {
				t.Fatal(err)
			}
			if got := out.Scores != nil; got != c.scored {
				t.Errorf("scored is %v, want %v; issues %v", got, c.scored, out.Issues)
			}
			if !c.scored && !slices.ContainsFunc(out.Issues, func(i fault.Issue) bool { return i.Code == "multiple-matches" }) {
				t.Errorf("issues %v, want multiple-matches", out.Issues)
			}
		})
	}
}

func TestADeviceInTheFolderDoesNotHoldUpTheStart(t *testing.T) {
	dir := t.TempDir()
	if err := os.Symlink(os.DevNull, filepath.Join(dir, "x.json")); err != nil {
		t.Fatal(err)
	}
	if _, err := catalogue.Open(dir); err == nil || !strings.Contains(err.Error(), "regular") {
		t.Errorf("error %v, want that it is no regular file", err)
	}
}

func TestResponsesMayAskForTheValueSetsOfTheFolderAtOnce(t *testing.T) {
	l := library(t)
	done := make(chan bool)
	for g := range 8 {
		go func() {
			defer func() { done <- true }()
			for i := range 200 {
				_, _ = score(t, l.Open("default"), "ehr", strings.Replace(containing(0, g, i), `"#v"`, fmt.Sprintf(`"urn:vs:%d"`, i), 1))
			}
		}()
	}
	for range 8 {
		<-done
	}
}
