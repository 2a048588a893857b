package rest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/instrument"
	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/domain/response"
	"github.com/rapport-health/rapport/services/domain/score"
	"github.com/rapport-health/rapport/services/fhir"
	"github.com/rapport-health/rapport/services/fhir/search"
	"github.com/rapport-health/rapport/services/fhir/tree"
	"github.com/rapport-health/rapport/services/store"
	"github.com/rapport-health/rapport/services/testbed"
)

// scorer scores by the built-in instruments.
type scorer struct{}

func (scorer) Scored(_ context.Context, _ ref.Tenant, body []byte) (fact.Fact, []fault.Issue, error) {
	none := fact.Fact{}
	instruments, err := instrument.Builtin()
	if err != nil {
		return none, nil, err
	}
	doc, err := tree.Parse(body, tree.Default())
	if err != nil {
		return none, nil, err
	}
	reading, err := (&fhir.Reader{}).Read(doc, "ehr")
	if err != nil {
		return none, nil, err
	}
	def, err := instruments.Lookup(reading.Draft.Questionnaire)
	if err != nil {
		return none, nil, err
	}
	answered, issues := response.Bind(def, *reading.Draft)
	sheet := fact.FromSheet(score.Score(def, answered))
	return fact.Fact{Kind: fact.KindScores, At: reading.Draft.Authored, Scores: sheet}, append(reading.Issues, issues...), nil
}

// catalogue finds the built-in instruments, but for those that must be fetched first.
type catalogue struct {
	away    string
	fetches *int
}

func (c catalogue) Definition(_ ref.Tenant, id, version string) *instrument.Definition {
	instruments, err := instrument.Builtin()
	if err != nil || id == c.away {
		return nil
	}
	def, err := instruments.Lookup(id + "|" + version)
	if err != nil {
		return nil
	}
	return def
}

func (c catalogue) FetchDefinition(_ context.Context, t ref.Tenant, id, version string) (*instrument.Definition, error) {
	if c.fetches != nil {
		*c.fetches++
	}
	return catalogue{}.Definition(t, id, version), nil
}

func (catalogue) Definitions(ref.Tenant) []*instrument.Definition { return builtin() }

// builtin is read once.
var builtin = sync.OnceValue(func() []*instrument.Definition {
	instruments, err := instrument.Builtin()
	if err != nil {
		return nil
	}
	return instruments.All()
})

// form is a PHQ-2 with two answers, none where negative.
func form(id, status string, answers ...int) string {
	var items []string
	for n, a := range answers {
		if a >= 0 {
			items = append(items, fmt.Sprintf(`{"linkId":"%d","answer":[{"valueInteger":%d}]}`, n+1, a))
		}
	}
	return fmt.Sprintf(`{"resourceType":"QuestionnaireResponse","id":%q,"status":%q,"questionnaire":"%s/Questionnaire/phq-2","authored":"2026-03-02",
		"subject":{"reference":"Patient/p1"},"item":[%s]}`, id, status, instrument.Base, strings.Join(items, ","))
}

// take stores a version of a form with what is taken from it, in place of what was taken before.
func (h *house) take(version int64, body string) {
	h.Helper()
	doc, err := tree.Parse([]byte(body), tree.Default())
	if err != nil {
		h.Fatal(err)
	}
	rec, err := readRecord(doc, "ehr")
	if err != nil {
		h.Fatal(err)
	}
	rec.Version = version
	d := &decision.Decision{Events: []feed.Draft{{ID: rec.String(), Type: feed.Recorded, Time: noon}}, Records: []record.Record{rec}, Superseded: []ref.Resource{rec.Unversioned()}}
	if !doc.Root().Child("status").Is("entered-in-error") {
		f, _, err := scorer{}.Scored(h.Context(), "default", []byte(body))
		if err != nil {
			h.Fatal(err)
		}
		f.ID, f.Source, f.Recorded = "f-"+rec.ID, rec.Resource, noon
		d.Facts = []decision.Fact{{Episode: ref.EpisodeOf(rec.Patient), Fact: f}}
		d.Records[0].Marks = append(d.Records[0].Marks, search.DerivedMarks(f.Scores.Instrument, f.At)...)
	}
	if _, err := h.store.Update(h.Context(), "default", func(tx store.Tx) error { return tx.Commit(d) }); err != nil {
		h.Fatal(err)
	}
}

// transaction is the Bundle that $extract gives, as far as tests look at one.
type transaction struct {
	ResourceType, Type string
	Entry              []struct {
		FullURL  string
		Resource struct {
			ID, Status  string
			Identifier  []struct{ Value string }
			Subject     struct{ Reference string }
			HasMember   []struct{ Reference string }
			DerivedFrom []struct{ Reference string }
		}
		Request struct{ Method, URL, IfNoneExist string }
	}
}

// transaction of an answer, which may have something to say beside it.
func (h *house) transaction(body []byte) transaction {
	h.Helper()
	var p struct {
		Parameter []struct{ Resource json.RawMessage }
	}
	if err := json.Unmarshal(body, &p); err == nil && len(p.Parameter) == 2 {
		h.outcome(p.Parameter[1].Resource)
		body = p.Parameter[0].Resource
	}
	var b transaction
	if err := json.Unmarshal(body, &b); err != nil || b.ResourceType != "Bundle" || b.Type != "transaction" {
		h.Fatalf("no transaction: %s", body)
	}
	return b
}

// parts are the parts of a transaction with their status and the verb of their request.
func (b transaction) parts() string {
	var out []string
	for _, e := range b.Entry {
		_, _, part, _ := ref.SplitDerived(e.Resource.Identifier[0].Value)
		out = append(out, part+" "+e.Resource.Status+" "+e.Request.Method)
	}
	return strings.Join(out, ", ")
}

func parameters(form string) string {
	return `{"resourceType":"Parameters","parameter":[{"name":"other","valueString":"x"},{"name":"questionnaire-response","resource":` + form + `}]}`
}

const bornInMay = `{"resourceType":"Patient","id":"p1","birthDate":"1980-05"}`

func TestObservationsAreExtractedFromAFormThatIsNotStored(t *testing.T) {
	h := newHouse(t)
	h.must(http.StatusCreated, "POST", "/Patient", bornInMay)
	calls := h.door.calls()
	got := h.must(http.StatusOK, "POST", "/QuestionnaireResponse/$extract", parameters(form("r1", "completed", 2, 1))).body
	b := h.transaction(got)
	if want := "panel final POST, score-total final POST, screen final POST, item-1 final POST, item-2 final POST"; b.parts() != want {
		t.Errorf("%s", b.parts())
	}
	total := b.Entry[1]
	if total.Resource.ID != "" || total.Resource.Subject.Reference != "Patient/p1" || total.Resource.DerivedFrom[0].Reference != "QuestionnaireResponse/r1" ||
		b.Entry[0].Resource.HasMember[0].Reference != total.FullURL || !strings.HasPrefix(total.FullURL, "urn:uuid:") || total.Request.URL != "Observation" ||
		!strings.HasSuffix(total.Request.IfNoneExist, "%7C"+total.Resource.Identifier[0].Value) {
		t.Errorf("%+v", total)
	}
	if again := h.must(http.StatusOK, "POST", "/QuestionnaireResponse/$extract", form("r1", "completed", 2, 1)).body; string(again) != string(got) {
		t.Errorf("the form alone gives another Bundle: %s", again)
	}
	if h.door.calls() != calls || len(h.bundle(h.must(http.StatusOK, "GET", "/Observation?patient=p1", "").body).Entry) != 0 {
		t.Error("something was stored")
	}
	skipped := h.must(http.StatusOK, "POST", "/QuestionnaireResponse/$extract", form("r1", "amended", 2, -1)).body
	if got, want := h.transaction(skipped).parts(), "panel amended PUT, score-total amended PUT, item-1 amended PUT"; got != want {
		t.Errorf("a skipped item gives none: %s", got)
	}
	testbed.Valid(t, map[string][]byte{"the Bundle": got, "another": skipped})
}

func TestWhatIsExtractedBearsTheIdsOfWhatIsDerivedOnceItIsStored(t *testing.T) {
	h := newHouse(t)
	sent := h.transaction(h.must(http.StatusOK, "POST", "/QuestionnaireResponse/$extract", form("r1", "completed", 2, 1)).body)
	h.take(1, form("r1", "completed", 2, 1))
	stored := h.transaction(h.must(http.StatusOK, "GET", "/QuestionnaireResponse/r1/$extract", "").body)
	if sent.parts() != stored.parts() || sent.Entry[0].FullURL != stored.Entry[0].FullURL {
		t.Errorf("%s, %s", sent.parts(), stored.parts())
	}
	for _, e := range stored.Entry {
		h.must(http.StatusOK, "GET", "/Observation/"+e.Resource.Identifier[0].Value, "")
	}
	h.take(2, form("r1", "amended", 2, -1))
	if got, want := h.transaction(h.must(http.StatusOK, "POST", "/QuestionnaireResponse/r1/$extract", "").body).parts(),
		"panel amended PUT, score-total amended PUT, item-1 amended PUT"; got != want {
		t.Errorf("%s", got)
	}
	h.take(3, form("r1", "entered-in-error", 2, -1))
	h.outcome(h.must(http.StatusUnprocessableEntity, "GET", "/QuestionnaireResponse/r1/$extract", "").body)
}

func TestWhatThereIsToSayAboutAnExtractionStandsBesideIt(t *testing.T) {
	h := newHouse(t)
	body := h.must(http.StatusOK, "POST", "/QuestionnaireResponse/$extract", form("r1", "completed", 2, 7)).body
	var p struct {
		ResourceType string
		Parameter    []struct {
			Name     string
			Resource json.RawMessage
		}
	}
	if err := json.Unmarshal(body, &p); err != nil || len(p.Parameter) != 2 || p.Parameter[0].Name != "return" || p.Parameter[1].Name != "issues" {
		t.Fatalf("%s", body)
	}
	if got := h.transaction(p.Parameter[0].Resource).parts(); got != "panel final POST, score-total final POST, item-1 final POST" {
		t.Errorf("%s", got)
	}
	h.outcome(p.Parameter[1].Resource)
	testbed.Valid(t, map[string][]byte{"the Parameters": body})
}

func TestWhatCannotBeExtractedSaysWhy(t *testing.T) {
	h := newHouse(t)
	h.take(1, form("unfinished", "in-progress", 2, 1))
	for _, test := range []struct {
		status             int
		method, path, body string
	}{
		{422, "POST", "/QuestionnaireResponse/$extract", form("r1", "in-progress", 2, 1)},
		{422, "POST", "/QuestionnaireResponse/$extract", form("r1", "stopped", 2, 1)},
		{422, "POST", "/QuestionnaireResponse/$extract", form("r1", "entered-in-error", 2, 1)},
		{422, "POST", "/QuestionnaireResponse/$extract", strings.Replace(form("r1", "completed", 2), "phq-2", "unknown", 1)},
		{422, "GET", "/QuestionnaireResponse/unfinished/$extract", ""},
		{404, "GET", "/QuestionnaireResponse/none/$extract", ""},
		{404, "GET", "/QuestionnaireResponse/a%20b/$extract", ""},
		{404, "GET", "/Observation/x/$extract", ""},
		{405, "GET", "/QuestionnaireResponse/$extract", ""},
		{400, "POST", "/QuestionnaireResponse/$extract", `{"resourceType":"Parameters"}`},
		{400, "POST", "/QuestionnaireResponse/$extract", `{"resourceType":"Patient"}`},
		{400, "POST", "/QuestionnaireResponse/$extract", `{"resourceType":"Parameters","parameter":[{"name":"questionnaire-response","resource":{"resourceType":"QuestionnaireResponse"}}]}`},
		{400, "POST", "/QuestionnaireResponse/$extract", `{`},
		{400, "POST", "/QuestionnaireResponse/$extract", ""},
	} {
		h.outcome(h.must(test.status, test.method, test.path, test.body).body)
	}
}
