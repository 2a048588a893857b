package fhir_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/rapport-health/rapport/services/fhir"
	"github.com/rapport-health/rapport/services/fhir/path"
	"github.com/rapport-health/rapport/services/fhir/tree"
)

// hostile is a form of some questions over the last of some value sets.
func hostile(t *testing.T, questions int, sets []string) tree.Node {
	t.Helper()
	var items []string
	for i := range questions {
		items = append(items, fmt.Sprintf(`{"linkId":"%d","type":"choice","answerValueSet":"#v%d"}`, i, len(sets)-1))
	}
	doc, err := tree.Parse([]byte(`{"resourceType":"Questionnaire","status":"active","contained":[`+strings.Join(sets, ",")+
		`],"item":[`+strings.Join(items, ",")+`]}`), tree.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return doc.Root()
}

func setOf(n int, compose string) string {
	return fmt.Sprintf(`{"resourceType":"ValueSet","id":"v%d","status":"active","compose":{%s}}`, n, compose)
}

func concepts(prefix string, count int) string {
	codes := make([]string, count)
	for i := range codes {
		codes[i] = fmt.Sprintf(`{"code":"%s%d"}`, prefix, i)
	}
	return `{"system":"urn:cs","concept":[` + strings.Join(codes, ",") + `]}`
}

func TestValueSetsThatNameOneAnotherManyTimesAreMadeOnce(t *testing.T) {
	sets := []string{setOf(0, `"include":[`+concepts("a", 1)+`]`)}
	for n := 1; n < 9; n++ { // each is made of the one before, sixty times: together more than there are atoms in a cat
		before := fmt.Sprintf(`{"valueSet":["#v%d"]}`, n-1)
		sets = append(sets, setOf(n, `"include":[`+strings.Repeat(before+",", 60)+concepts("b"+fmt.Sprint(n), 1)+`],"exclude":[`+before+`]`))
	}
	form, issues := fhir.ReadForm(hostile(t, 1, sets), nil)
	if form == nil {
		t.Fatal(issues)
	}
	if got := form.Item("0").Options; len(got) != 1 || got[0].Code != "b80" {
		t.Errorf("options %v, want the one that the last set adds", got)
	}
}

func TestWhatAValueSetExcludesIsAListToo(t *testing.T) {
	set := setOf(0, `"include":[`+concepts("a", 20_000)+`],"exclude":[`+concepts("b", 20_000)+`]`)
	form, issues := fhir.ReadForm(hostile(t, 1, []string{set}), nil)
	if form == nil || !form.Item("0").Unresolved {
		t.Errorf("a value set of 20,000 codes is a list to choose from, want it not known: %v", issues)
	}
}

func TestAFormThatOffersMoreAnswersThanAnybodyReadsIsNotUsed(t *testing.T) {
	n := hostile(t, 1000, []string{setOf(0, `"include":[`+concepts("a", 5000)+`]`)})
	form, issues := fhir.ReadForm(n, nil)
	if form != nil || len(issues) != 1 || issues[0].Code != "too-costly" {
		t.Errorf("five million answers: form %v, issues %v, want one: too-costly", form != nil, issues)
	}
	if _, err := path.Load(t.Context(), n.Raw(), path.Options{}); err == nil || !strings.Contains(err.Error(), "50000") {
		t.Errorf("the formulas of a form of five million answers load: %v", err)
	}
}
