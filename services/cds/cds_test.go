package cds_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/rapport-health/rapport/services/cds"
	"github.com/rapport-health/rapport/services/domain/access"
	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/alliance"
	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/episode"
	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/judge"
	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/store"
	"github.com/rapport-health/rapport/services/store/sqlite"
)

var monday = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

const instance = "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea"

// chart is an EHR in front of the services, over a database of its own.
type chart struct {
	t      testing.TB
	store  *sqlite.Store
	server *cds.Server
	// who calls.
	who access.Principal
	// broken, when set, is what reading fails with.
	broken error
}

func open(t testing.TB, change func(*cds.Config)) *chart {
	t.Helper()
	s, err := sqlite.Open(context.Background(), filepath.Join(t.TempDir(), "cds.db"), sqlite.Options{Migrate: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	c := &chart{t: t, store: s, who: access.Principal{Name: "ehr-client", Tenant: "default"}}
	config := cds.Default()
	config.Store, config.Commands, config.Now = c, c, func() time.Time { return monday }
	config.Caller = func(*http.Request) (access.Principal, error) {
		if c.who.Tenant == "" {
			return access.Principal{}, fault.Newf(fault.Unauthenticated, "login", "no token")
		}
		return c.who, nil
	}
	if change != nil {
		change(&config)
	}
	if c.server, err = cds.New(config); err != nil {
		t.Fatal(err)
	}
	return c
}

// View reads, or fails as told.
func (c *chart) View(ctx context.Context, t ref.Tenant, read func(store.Reader) error) error {
	if c.broken != nil {
		return c.broken
	}
	return c.store.View(ctx, t, read)
}

// Command takes a step of an alert's life, as group commit does.
func (c *chart) Command(ctx context.Context, t ref.Tenant, of alert.Command) (after alert.Alert, err error) {
	of.At = monday.Add(time.Hour)
	_, err = c.store.Update(ctx, t, func(tx store.Tx) error {
		a, err := tx.Alert(of.Alert)
		if err != nil {
			return err
		}
		next, event, err := alert.Lifecycle(a, of)
		after = next
		if err != nil || event == nil {
			return err
		}
		return tx.Commit(&decision.Decision{Alerts: []alert.Alert{next}, Events: []feed.Draft{*event}})
	})
	return after, err
}

// keep stores the state that facts lead to.
func (c *chart) keep(p ref.Patient, facts ...fact.Fact) *episode.State {
	c.t.Helper()
	state := episode.Terms{}.New(p).Replay(facts)
	d := &decision.Decision{Episodes: []*episode.State{state}}
	for _, f := range facts {
		d.Facts = append(d.Facts, decision.Fact{Episode: state.Episode, Fact: f})
	}
	c.commit(d)
	return state
}

func (c *chart) commit(d *decision.Decision) {
	c.t.Helper()
	if _, err := c.store.Update(context.Background(), "default", func(tx store.Tx) error { return tx.Commit(d) }); err != nil {
		c.t.Fatal(err)
	}
}

// raise stores an alert that was just opened, and returns its id.
func (c *chart) raise(name string, change func(*alert.Alert)) string {
	c.t.Helper()
	a := alert.Alert{
		ID: ref.Digest("alert", name), Finding: name, Severity: judge.High, Rule: "screening-severe", Patient: "p1", Episode: "p1",
		Title: "Depression screens severe", Seen: "PHQ-9 total 22 of 27", Question: "What was the worst day?", Facts: []string{"f1"},
		Effective: monday, Feeds: []feed.Name{"team:spine"}, Numbers: []judge.Number{{Name: "phq-9 total", Value: 22}},
	}
	if change != nil {
		change(&a)
	}
	a, event := alert.Begin(a, monday, "")
	c.commit(&decision.Decision{Alerts: []alert.Alert{a}, Events: []feed.Draft{event}})
	return a.ID
}

// scored is a rating at a day, by a respondent, of a clinician where one is named.
func scored(id, instrument, construct, respondent string, day int, clinician ref.Clinician, scores ...fact.Score) fact.Fact {
	return fact.Fact{
		ID: id, Kind: fact.KindScores, At: monday.AddDate(0, 0, day), Recorded: monday.AddDate(0, 0, day),
		Source: ref.Resource{Type: "QuestionnaireResponse", ID: id, Version: 1},
		Scores: &fact.Scores{
			Instrument: instrument, Version: "1", Construct: construct, Respondent: respondent, Clinician: clinician, Scores: scores,
		},
	}
}

type reply struct {
	status int
	header http.Header
	body   []byte
	Cards  []struct {
		UUID, Summary, Detail, Indicator, SelectionBehavior string
		Source                                              struct{ Label string }
		Suggestions                                         []struct {
			Label, UUID string
			Actions     []struct {
				Type     string
				Resource map[string]any
			}
		}
		OverrideReasons []struct{ System, Code string }
		Links           []struct{ URL, Type string }
	}
}

func (c *chart) do(method, path, body string, headers ...string) reply {
	c.t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	c.server.ServeHTTP(w, r)
	out := reply{status: w.Code, header: w.Header(), body: w.Body.Bytes()}
	if w.Code == http.StatusOK {
		if err := json.Unmarshal(out.body, &out); err != nil {
			c.t.Fatalf("%s: %s", err, out.body)
		}
	}
	return out
}

func view(user, patient string) string {
	return fmt.Sprintf(`{"hook":"patient-view","hookInstance":%q,"fhirServer":"https://ehr.example.org/fhir","context":{"userId":%q,"patientId":%q}}`,
		instance, user, patient)
}

func (c *chart) see(user, patient string, headers ...string) reply {
	c.t.Helper()
	r := c.do("POST", "/cds-services/patient-view", view(user, patient), headers...)
	if r.status != http.StatusOK {
		c.t.Fatalf("%d %s", r.status, r.body)
	}
	return r
}

func TestTheServicesAreDiscovered(t *testing.T) {
	c := open(t, nil)
	c.who = access.Principal{}
	r := c.do("GET", "/cds-services", "")
	var listed struct {
		Services []struct{ Hook, ID, Description string }
	}
	if err := json.Unmarshal(r.body, &listed); err != nil || r.status != 200 || len(listed.Services) != 2 {
		t.Fatalf("%d %s", r.status, r.body)
	}
	for _, s := range listed.Services {
		if s.ID != s.Hook || s.Description == "" {
			t.Errorf("%+v", s)
		}
	}
}

func TestThereIsNoCardWithoutAdvice(t *testing.T) {
	c := open(t, nil)
	c.keep("steady")
	for _, patient := range []string{"steady", "unknown-here"} {
		if r := c.see("Practitioner/pt", patient); string(bytes.TrimSpace(r.body)) != `{"cards":[]}` {
			t.Errorf("%s: %s", patient, r.body)
		}
	}
}

func TestTheMostUrgentAlertComesFirstWithTheRestBesideIt(t *testing.T) {
	c := open(t, func(config *cds.Config) { config.BoardURL = "https://board.example.org/" })
	c.keep("p1", scored("s1", "phq-9", "distress", "patient", 0, "", total(22, 27)))
	c.raise("a", nil)
	top := c.raise("b", func(a *alert.Alert) {
		a.Severity, a.Title, a.Seen = judge.Critical, "Item 9 was answered above zero", strings.Repeat("very long indeed ", 20)
		a.Proposal = &judge.Proposal{Modality: "telephone", WithinDays: 1}
	})
	c.raise("quiet", func(a *alert.Alert) { a.Patient, a.Episode = "p2", "p2" })
	r := c.see("Practitioner/pt", "p1")
	if len(r.Cards) != 2 {
		t.Fatalf("%s", r.body)
	}
	first, second := r.Cards[0], r.Cards[1]
	if first.Indicator != "critical" || first.Summary != "Item 9 was answered above zero" || first.Source.Label == "" || len(first.OverrideReasons) < 3 {
		t.Errorf("%+v", first)
	}
	if first.Links[0].URL != "https://board.example.org/patients/p1" || first.Links[0].Type != "absolute" {
		t.Errorf("%+v", first.Links)
	}
	if first.SelectionBehavior != "at-most-one" || len(first.Suggestions) != 1 {
		t.Fatalf("%+v", first)
	}
	proposed := first.Suggestions[0].Actions[0]
	if proposed.Type != "create" || proposed.Resource["intent"] != "proposal" || proposed.Resource["status"] != "draft" ||
		proposed.Resource["resourceType"] != "ServiceRequest" {
		t.Errorf("%+v", proposed)
	}
	if !strings.Contains(second.Detail, "Depression screens severe") || !strings.Contains(second.Detail, "PHQ-9 screens positive") ||
		!strings.Contains(second.Summary, "to discuss") || second.Indicator != "warning" {
		t.Errorf("%+v", second)
	}
	for _, card := range r.Cards {
		if n := utf8.RuneCountInString(card.Summary); n == 0 || n >= 140 {
			t.Errorf("a summary of %d characters: %s", n, card.Summary)
		}
	}
	if _, err := c.Command(t.Context(), "default", alert.Command{Alert: top, Verb: alert.Acknowledge, Version: 1, Actor: "Practitioner/psy"}); err != nil {
		t.Fatal(err)
	}
	if r := c.see("Practitioner/pt", "p1"); r.Cards[0].Summary != "Depression screens severe: PHQ-9 total 22 of 27" {
		t.Errorf("one that is in hand comes after one that nobody has: %s", r.body)
	}
}

func total(value, most float64) fact.Score {
	return fact.Score{Code: "total", Value: &value, Min: 0, Max: most}
}

func TestWhatWasPutOffOrHandledHasNoCard(t *testing.T) {
	c := open(t, nil)
	c.keep("p1")
	id := c.raise("a", nil)
	if r := c.see("Practitioner/pt", "p1"); len(r.Cards) != 1 {
		t.Fatalf("%s", r.body)
	}
	_, err := c.Command(t.Context(), "default", alert.Command{Alert: id, Verb: alert.Snooze, Version: 1, Actor: "Practitioner/pt", Until: monday.Add(24 * time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	if r := c.see("Practitioner/pt", "p1"); len(r.Cards) != 0 {
		t.Errorf("%s", r.body)
	}
}

func TestTheRatedClinicianDoesNotSeeTheRatingUnderAnyName(t *testing.T) {
	c := open(t, nil)
	c.keep("p1")
	c.raise("r", func(a *alert.Alert) {
		a.Rule, a.Rated, a.Seen, a.Withheld, a.Title = "alliance-rupture", "Practitioner/pt", "SECRET 12 of 60", "Please speak with the lead.", "Alliance"
		a.Numbers, a.Question = []judge.Number{{Name: "SECRET", Value: 12}}, "SECRET"
		a.Proposal = &judge.Proposal{Text: "SECRET"}
	})
	c.commit(&decision.Decision{Records: []record.Record{
		role("r-pt", "Practitioner/pt"), role("r-lead", "https://ehr.example.org/fhir/Practitioner/lead"),
	}})
	for user, sees := range map[string]bool{
		"Practitioner/pt": false, "PractitionerRole/r-pt": false, "PractitionerRole/unheard-of": false,
		"Practitioner/lead": true, "PractitionerRole/r-lead": true,
	} {
		r := c.see(user, "p1")
		if len(r.Cards) != 1 || strings.Contains(string(r.body), "SECRET") != sees {
			t.Errorf("%s: %s", user, r.body)
		}
		if !sees && !strings.Contains(r.Cards[0].Detail, "Please speak with the lead.") {
			t.Errorf("%s: %s", user, r.body)
		}
	}
	for _, user := range []string{"Patient/p1", "RelatedPerson/r1"} {
		if r := c.see(user, "p1"); len(r.Cards) != 0 {
			t.Errorf("%s: %s", user, r.body)
		}
	}
}

func role(id, practitioner string) record.Record {
	return record.Record{
		Resource: ref.Resource{Type: "PractitionerRole", ID: id, Version: 1}, Source: "ehr", SourceID: id, Received: monday,
		Raw: []byte(`{"resourceType":"PractitionerRole","id":"` + id + `","practitioner":{"reference":"` + practitioner + `"}}`),
	}
}

func TestTheFusedViewKeepsRatingsFromTheRated(t *testing.T) {
	c := open(t, nil)
	state := &episode.State{Form: episode.Form, Episode: "p1", Patient: "p1", Dyads: []*alliance.Dyad{
		{Clinician: "Practitioner/pt", Rater: "patient", Instrument: "wai-sr", Event: alliance.Strain, Rated: monday, Sessions: 4},
	}}
	c.commit(&decision.Decision{Episodes: []*episode.State{state}})
	if r := c.see("Practitioner/lead", "p1"); len(r.Cards) != 1 || !strings.Contains(r.Cards[0].Detail, "strained") || r.Cards[0].UUID != "" {
		t.Errorf("the lead: %s", r.body)
	}
	for _, user := range []string{"Practitioner/pt", "PractitionerRole/x", "Patient/p1"} {
		if r := c.see(user, "p1"); len(r.Cards) != 0 {
			t.Errorf("%s: %s", user, r.body)
		}
	}
}

func TestAPatientIsKnownByIdOrByIdentifier(t *testing.T) {
	c := open(t, nil)
	c.keep("p1")
	c.raise("a", nil)
	c.commit(&decision.Decision{Aliases: []record.Alias{
		{Name: "urn:mrn|1", Patient: "p1", Source: "ehr"}, {Name: "Patient/merged", Patient: "p1", Source: "ehr"},
	}})
	prefetched := func(prefetch string) string {
		return strings.TrimSuffix(view("Practitioner/pt", "elsewhere-77"), "}") + `,"prefetch":` + prefetch + `}`
	}
	for name, test := range map[string]struct {
		body  string
		cards int
	}{
		"by id":                    {view("Practitioner/pt", "p1"), 1},
		"by reference":             {view("Practitioner/pt", "Patient/p1"), 1},
		"by another id":            {view("Practitioner/pt", "merged"), 1},
		"by identifier":            {prefetched(`{"patient":{"resourceType":"Patient","identifier":[{"system":"urn:x","value":"9"},{"system":"urn:mrn","value":"1"}]}}`), 1},
		"by another's identifier":  {prefetched(`{"patient":{"resourceType":"Patient","identifier":[{"system":"urn:mrn","value":"2"}]}}`), 0},
		"with a failed prefetch":   {prefetched(`{"patient":null}`), 0},
		"with any other prefetch":  {prefetched(`{"patient":{"resourceType":"OperationOutcome"},"more":[1]}`), 0},
		"with an ill-made patient": {prefetched(`{"patient":{"resourceType":"Patient","identifier":{}}}`), 0},
	} {
		if r := c.do("POST", "/cds-services/patient-view", test.body); r.status != 200 || len(r.Cards) != test.cards {
			t.Errorf("%s: %d %s", name, r.status, r.body)
		}
	}
	if r := c.see("Practitioner/pt", "p1", "X-Rapport-Source", "lab"); len(r.Cards) != 0 {
		t.Errorf("another source's p1 is somebody else: %s", r.body)
	}
}

func booking(starts ...string) string {
	var entries []string
	for _, s := range starts {
		entries = append(entries, `{"resource":{"resourceType":"Appointment","status":"proposed","start":"`+s+`"}}`)
	}
	return fmt.Sprintf(`{"hook":"appointment-book","hookInstance":%q,"context":{"userId":"Practitioner/pt","patientId":"p1",`+
		`"appointments":{"resourceType":"Bundle","entry":[%s]}}}`, instance, strings.Join(entries, ","))
}

func TestBookingHearsOfProposalsThatTheAppointmentDoesNotMeet(t *testing.T) {
	c := open(t, nil)
	c.keep("p1")
	c.raise("a", nil)
	c.raise("b", func(a *alert.Alert) { a.Severity, a.Proposal = judge.Moderate, &judge.Proposal{WithinDays: 7} })
	r := c.do("POST", "/cds-services/appointment-book", booking("2026-03-20T10:00:00Z", "2026-03-19T10:00:00Z"))
	if len(r.Cards) != 2 || len(r.Cards[0].Suggestions) != 1 || !strings.Contains(r.Cards[0].Detail, "2026-03-19") {
		t.Fatalf("%s", r.body)
	}
	proposed := r.Cards[0].Suggestions[0].Actions[0].Resource
	if proposed["resourceType"] != "Appointment" || proposed["status"] != "proposed" {
		t.Errorf("%v", proposed)
	}
	if r := c.do("POST", "/cds-services/appointment-book", booking("2026-03-05T10:00:00+01:00")); len(r.Cards) != 1 || len(r.Cards[0].Suggestions) != 0 {
		t.Errorf("the proposal is met: %s", r.body)
	}
}

func TestARequestThatIsNoneIsRefusedWithItsPlace(t *testing.T) {
	c := open(t, nil)
	for name, test := range map[string]struct {
		path, body string
		status     int
		says       string
	}{
		"wrong hook":      {"patient-view", strings.Replace(view("Practitioner/pt", "p1"), "patient-view", "order-sign", 1), 400, "hook"},
		"no context":      {"patient-view", `{"hook":"patient-view","hookInstance":"` + instance + `"}`, 400, "context.patientId"},
		"no user":         {"patient-view", view("", "p1"), 400, "context.userId"},
		"odd user":        {"patient-view", view("Device/x", "p1"), 400, "context.userId"},
		"no patient":      {"patient-view", view("Practitioner/pt", ""), 400, "context.patientId"},
		"no id":           {"patient-view", view("Practitioner/pt", "a b"), 400, "context.patientId"},
		"no instance":     {"patient-view", strings.Replace(view("Practitioner/pt", "p1"), instance, "1", 1), 400, "hookInstance"},
		"no appointments": {"appointment-book", strings.Replace(view("Practitioner/pt", "p1"), "patient-view", "appointment-book", 1), 400, "context.appointments"},
		"a wrong type":    {"patient-view", `{"hook":7}`, 400, "hook"},
		"no JSON":         {"patient-view", `{`, 400, "JSON"},
		"nothing":         {"patient-view", ``, 400, "JSON"},
		"a list":          {"patient-view", `[]`, 400, "JSON"},
		"too much":        {"patient-view", `{"x":"` + strings.Repeat("y", 5<<20) + `"}`, 413, "limit"},
		"no service":      {"order-sign", view("Practitioner/pt", "p1"), 404, "no such CDS service"},
		"no path":         {"a/b/c", "", 404, "nothing here"},
		"no card":         {"patient-view/feedback", `{"feedback":[{"card":"` + instance + `","outcome":"accepted","outcomeTimestamp":"2026-03-02T09:00:00Z"}]}`, 404, "alert"},
	} {
		r := c.do("POST", "/cds-services/"+test.path, test.body)
		if r.status != test.status || !strings.Contains(string(r.body), test.says) || !strings.Contains(string(r.body), "OperationOutcome") {
			t.Errorf("%s: %d %s", name, r.status, r.body)
		}
	}
	if r := c.do("DELETE", "/cds-services/patient-view", ""); r.status != 405 || r.header.Get("Allow") != "POST" {
		t.Errorf("%d %v", r.status, r.header)
	}
	c.who = access.Principal{}
	if r := c.do("POST", "/cds-services/patient-view", view("Practitioner/pt", "p1")); r.status != 401 || r.header.Get("WWW-Authenticate") == "" {
		t.Errorf("%d %v", r.status, r.header)
	}
	c.who = access.Principal{Name: "app", Tenant: "default", Person: "Practitioner/other"}
	if r := c.do("POST", "/cds-services/patient-view", view("Practitioner/pt", "p1")); r.status != 403 {
		t.Errorf("%d %s", r.status, r.body)
	}
}

func TestDataThatCannotBeReadIsSaidSo(t *testing.T) {
	c := open(t, nil)
	c.broken = fault.Newf(fault.Unavailable, "transient", "the store is away")
	if r := c.do("POST", "/cds-services/patient-view", view("Practitioner/pt", "p1")); r.status != http.StatusPreconditionFailed {
		t.Errorf("%d %s", r.status, r.body)
	}
}

func TestBrowsersOfNamedOriginsMayCall(t *testing.T) {
	c := open(t, func(config *cds.Config) { config.Origins = []string{"https://ehr.example.org"} })
	asks := []string{"Access-Control-Request-Method", "POST", "Origin"}
	if r := c.do("OPTIONS", "/cds-services/patient-view", "", append(slices.Clone(asks), "https://ehr.example.org")...); r.status != 204 ||
		r.header.Get("Access-Control-Allow-Origin") != "https://ehr.example.org" || !strings.Contains(r.header.Get("Access-Control-Allow-Headers"), "Authorization") {
		t.Errorf("%d %v", r.status, r.header)
	}
	if r := c.do("OPTIONS", "/cds-services/patient-view", "", append(slices.Clone(asks), "https://evil.example")...); r.status != 403 ||
		r.header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("%d %v", r.status, r.header)
	}
	for origin, allowed := range map[string]string{"https://ehr.example.org": "https://ehr.example.org", "https://evil.example": "", "null": ""} {
		r := c.see("Practitioner/pt", "p1", "Origin", origin)
		if r.header.Get("Access-Control-Allow-Origin") != allowed || r.header.Get("Vary") != "Origin" {
			t.Errorf("%s: %v", origin, r.header)
		}
	}
	for _, origin := range []string{"*", "null", "https://a.example/", "ehr.example.org", "ftp://a.example"} {
		if cds.CheckOrigins([]string{origin}) == nil {
			t.Errorf("%s was taken for an origin", origin)
		}
	}
	for _, board := range []string{"board", "javascript:alert(1)", "/x"} {
		if cds.CheckBoard(board) == nil {
			t.Errorf("%s was taken for the board", board)
		}
	}
}
