package server_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
	"github.com/rapport-health/rapport/services/catalogue"
	"github.com/rapport-health/rapport/services/domain/instrument"
	"github.com/rapport-health/rapport/services/server"
	"github.com/rapport-health/rapport/services/testbed"
)

// onBothEngines runs a test on a new database of each engine.
func onBothEngines(t *testing.T, test func(t *testing.T, store string)) {
	t.Run("SQLite", func(t *testing.T) { test(t, "sqlite:"+filepath.Join(t.TempDir(), "clinic.db")) })
	t.Run("PostgreSQL", func(t *testing.T) { test(t, testbed.Database(t)) })
}

// packs are the instruments that ship, as files that a test may change.
func packs(t *testing.T) fstest.MapFS {
	t.Helper()
	folder := os.DirFS("../domain/instrument/packs")
	files := fstest.MapFS{}
	for _, name := range []string{"phq-9.json", "gad-7.json"} {
		f, err := folder.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(f)
		if err := errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
		files[name] = &fstest.MapFile{Data: text}
	}
	return files
}

func registry(t *testing.T, files fstest.MapFS) *catalogue.Catalogue {
	t.Helper()
	r, err := instrument.Load(files)
	if err != nil {
		t.Fatal(err)
	}
	return catalogue.Of(r)
}

// changed replaces texts of a pack, each of which must be there.
func changed(t *testing.T, files fstest.MapFS, name string, pairs ...string) {
	t.Helper()
	text := string(files[name].Data)
	for n := 0; n < len(pairs); n += 2 {
		if !strings.Contains(text, pairs[n]) {
			t.Fatalf("%s does not hold %s", name, pairs[n])
		}
		text = strings.Replace(text, pairs[n], pairs[n+1], 1)
	}
	files[name] = &fstest.MapFile{Data: []byte(text)}
}

// second is a catalogue with version 1.1.0 of the PHQ-9: severe begins at 18, item 9 counts from 2, and the clinic's own
// form `mood` is one.
func second(t *testing.T) fstest.MapFS {
	t.Helper()
	files := packs(t)
	changed(t, files, "phq-9.json",
		`"version": "1.0.0"`, `"version": "1.1.0"`,
		`{"code": "moderately-severe", "from": 15, "to": 19}`, `{"code": "moderately-severe", "from": 15, "to": 17}`,
		`{"code": "severe", "from": 20, "to": 27}`, `{"code": "severe", "from": 18, "to": 27}`,
		`"value": 1,`, `"value": 2,`,
		`"forms": [`, `"forms": [{"url": "http://example.org/Questionnaire/mood", "evidence": "design: test"},`)
	return files
}

// by runs a server on a store with the instruments of some packs, a while after monday.
func by(t *testing.T, store string, files fstest.MapFS, after time.Duration) *clinic {
	t.Helper()
	c := start(t, func(c *server.Config) { c.Store, c.Redis, c.Catalogue = store, "none", registry(t, files) })
	c.later(after)
	return c
}

func (c *clinic) end() {
	c.t.Helper()
	if err := c.Stop(context.Background()); err != nil {
		c.t.Fatal(err)
	}
}

// told is what a run of rescoring told of.
type told struct {
	changes  []*rapportv1.RescoreChange
	failures []*rapportv1.RescoreFailure
	progress []*rapportv1.RescoreProgress
}

// last is the last progress.
func (x told) last() *rapportv1.RescoreProgress { return x.progress[len(x.progress)-1] }

// counts are those of the last progress, in short.
func (x told) counts() string {
	p := x.last()
	return fmt.Sprintf("%d seen, %d changed, %d the same, %d failed", p.GetSeen(), p.GetChanged(), p.GetUnchanged(), p.GetFailed())
}

func (x told) change(t *testing.T, id string) *rapportv1.RescoreChange {
	t.Helper()
	for _, c := range x.changes {
		if strings.HasPrefix(c.GetBefore(), "QuestionnaireResponse/"+id+"/") {
			return c
		}
	}
	t.Fatalf("%s did not change: %v", id, x.changes)
	return nil
}

func (c *clinic) rescore(req *rapportv1.RescoreRequest) told {
	c.t.Helper()
	stream, err := c.ingest.Rescore(c.t.Context(), req)
	if err != nil {
		c.t.Fatal(err)
	}
	var x told
	for {
		resp, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return x
		}
		if err != nil {
			c.t.Fatal(err)
		}
		x.take(resp)
	}
}

func (x *told) take(resp *rapportv1.RescoreResponse) {
	switch step := resp.GetStep().(type) {
	case *rapportv1.RescoreResponse_Change:
		x.changes = append(x.changes, step.Change)
	case *rapportv1.RescoreResponse_Failure:
		x.failures = append(x.failures, step.Failure)
	case *rapportv1.RescoreResponse_Progress:
		x.progress = append(x.progress, step.Progress)
	}
}

// gad7 is a GAD-7 with the same answer to every item.
func gad7(id, patient string, at time.Time, answer int) string {
	links := []string{"/69725-0", "/68509-9", "/69733-4", "/69734-2", "/69735-9", "/69689-8", "/69736-7"}
	var items []string
	for _, link := range links {
		items = append(items, fmt.Sprintf(`{"linkId":%q,"answer":[{"valueInteger":%d}]}`, link, answer))
	}
	return fmt.Sprintf(`{"resourceType":"QuestionnaireResponse","id":%q,"questionnaire":"gad-7","status":"completed",`+
		`"subject":{"reference":"Patient/%s"},"authored":%q,"item":[%s]}`, id, patient, at.Format(time.RFC3339), strings.Join(items, ","))
}

// mood is a PHQ-9 under a name that only the second catalogue knows.
func mood(id, patient string, at time.Time, answers ...int) string {
	return strings.Replace(phq9(id, patient, at, answers...), "http://loinc.org/q/44249-1", "http://example.org/Questionnaire/mood", 1)
}

// week sends what the clinic of these tests holds: two of eighteen points and one milder for p1, item 9 for p2 (1) and p3
// (3), an unknown form of p4, and a GAD-7.
func (c *clinic) week() {
	c.t.Helper()
	day := 24 * time.Hour
	results := c.send(patientP1, teamP1,
		phq9("mild", "p1", monday.Add(-9*day), 1, 1, 1, 1, 1, 0, 0, 0, 0),
		phq9("first", "p1", monday.Add(-8*day), 3, 3, 3, 3, 3, 3, 0, 0, 0),
		phq9("again", "p1", monday.Add(-time.Hour), 3, 3, 3, 3, 3, 3, 0, 0, 0),
		phq9("one", "p2", monday, 0, 0, 0, 0, 0, 0, 0, 0, 1),
		phq9("three", "p3", monday, 0, 0, 0, 0, 0, 0, 0, 0, 3),
		mood("mood", "p4", monday, 2, 2, 2, 2, 2, 2, 2, 2, 0),
		gad7("gad", "p1", monday, 1))
	for n, r := range results {
		want := rapportv1.Outcome_OUTCOME_SCORED
		if n == 0 || n == 7 {
			want = rapportv1.Outcome_OUTCOME_STORED
		}
		if r.GetOutcome() != want {
			c.t.Fatalf("item %d ended as %v", n, r)
		}
	}
}

// standing says of each alert about whom it is, what found it, and where it stands and why.
func (c *clinic) standing() string {
	c.t.Helper()
	var all []string
	every := []rapportv1.AlertStatus{
		rapportv1.AlertStatus_ALERT_STATUS_OPEN, rapportv1.AlertStatus_ALERT_STATUS_RETRACTED, rapportv1.AlertStatus_ALERT_STATUS_SUPPRESSED,
	}
	for _, a := range c.listAlerts(&rapportv1.ListAlertsRequest{Statuses: every, PageSize: 1000}) {
		// The scheduler climbs ladders meanwhile, before or after the rest.
		steps := slices.DeleteFunc(a.GetHistory(), func(s *rapportv1.AlertStep) bool { return s.GetVerb() == "escalate" })
		last := steps[len(steps)-1]
		text := fmt.Sprintf("%s %s %s v%d", strings.TrimPrefix(a.GetPatient(), "Patient/"), a.GetRule(),
			strings.ToLower(strings.TrimPrefix(a.GetStatus().String(), "ALERT_STATUS_")), len(steps))
		if last.GetReason() != "" {
			text += " " + last.GetReason()
		}
		all = append(all, text)
	}
	slices.Sort(all)
	return strings.Join(all, "\n")
}

func (c *clinic) fetch(path string) (int, string) {
	c.t.Helper()
	resp, err := http.Get("http://" + c.HTTPAddr() + "/fhir/" + path)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// band of a patient's newest PHQ-9, by which definition, now or as it was known at a moment.
func (c *clinic) band(patient string) string {
	c.t.Helper()
	resp, err := c.outcomes.ListScores(c.t.Context(), &rapportv1.ListScoresRequest{Patient: patient, Instrument: "phq-9"})
	if err != nil {
		c.t.Fatal(err)
	}
	s := resp.GetSheets()[0]
	return s.GetVersion() + " " + s.GetScores()[0].GetBand() + " " + s.GetSource()
}

func TestStoredResponsesAreScoredByTheNewDefinition(t *testing.T) {
	onBothEngines(t, func(t *testing.T, store string) {
		first := by(t, store, packs(t), 0)
		first.week()
		const before = "p1 reliable-worsening open v1\np1 screening-positive open v1\np2 phq9-item-9 open v1\np3 phq9-item-9 open v1"
		if got := first.standing(); got != before {
			t.Fatalf("alerts before:\n%s", got)
		}
		first.end()
		c := by(t, store, second(t), time.Hour)

		dry := c.rescore(&rapportv1.RescoreRequest{DryRun: true})
		if got := dry.counts(); got != "7 seen, 6 changed, 1 the same, 0 failed" {
			t.Errorf("a dry run: %s %v", got, dry.failures)
		}
		if got := c.standing(); got != before || c.band("p1") != "1.0.0 moderately-severe QuestionnaireResponse/again/_history/1" {
			t.Errorf("a dry run wrote: %s\n%s", c.band("p1"), got)
		}

		x := c.rescore(&rapportv1.RescoreRequest{})
		if got := x.counts(); got != "7 seen, 6 changed, 1 the same, 0 failed" || x.last().GetPageToken() != "" {
			t.Errorf("%s, token %q", got, x.last().GetPageToken())
		}
		again := x.change(t, "again")
		if again.GetAfter() != "QuestionnaireResponse/again/_history/2" || again.GetInstrument() != "phq-9" ||
			again.GetBeforeVersion() != "1.0.0" || again.GetAfterVersion() != "1.1.0" || again.GetBeforeHash() == again.GetAfterHash() {
			t.Errorf("change: %v", again)
		}
		if s := again.GetScores(); len(s) != 1 || s[0].GetBefore().GetBand() != "moderately-severe" || s[0].GetAfter().GetBand() != "severe" ||
			s[0].GetBefore().GetValue() != 18 || s[0].GetAfter().GetValue() != 18 {
			t.Errorf("scores: %v", s)
		}
		if known := x.change(t, "mood"); known.GetBeforeVersion() != "" || known.GetScores()[0].GetBefore() != nil || known.GetScores()[0].GetAfter().GetValue() != 16 {
			t.Errorf("what was not known: %v", known)
		}
		if one := x.change(t, "one"); one.GetRetracted() != 1 || one.GetOpened() != 0 {
			t.Errorf("alerts that followed: %v", one)
		}
		if opened := x.change(t, "first"); opened.GetOpened() != 1 {
			t.Errorf("alerts that followed: %v", opened)
		}
		// Severe begins at the first of p1's two sheets of 18 points, and is raised there once.
		const after = "p1 reliable-worsening open v2 rescored\np1 screening-positive retracted v2 rescored\np1 screening-severe open v1\n" +
			"p2 phq9-item-9 retracted v2 rescored\np3 phq9-item-9 open v2 rescored\np4 screening-positive open v1"
		if got := c.standing(); got != after {
			t.Errorf("alerts after:\n%s\nwant:\n%s", got, after)
		}

		t.Run("both versions stay", func(t *testing.T) {
			for _, path := range []string{"QuestionnaireResponse/again/_history/1", "QuestionnaireResponse/again/_history/2", "QuestionnaireResponse/again"} {
				if code, body := c.fetch(path); code != http.StatusOK || !strings.Contains(body, `"authored":"2026-03-02T08:00:00Z"`) {
					t.Errorf("%s: %d %s", path, code, body)
				}
			}
			asOf := func(at time.Time) string {
				resp, err := c.outcomes.GetEpisode(t.Context(), &rapportv1.GetEpisodeRequest{Patient: "p1", AsOf: timestamppb.New(at)})
				if err != nil {
					t.Fatal(err)
				}
				return fmt.Sprint(resp.GetEpisode().GetState())
			}
			if was, is := asOf(monday.Add(time.Minute)), asOf(monday.Add(2*time.Hour)); !strings.Contains(was, "moderately-severe") || strings.Contains(is, "moderately-severe") {
				t.Errorf("as it was known: %s\nas it is known: %s", was, is)
			}
			if got := c.band("p1"); got != "1.1.0 severe QuestionnaireResponse/again/_history/2" {
				t.Errorf("now: %s", got)
			}
			unscored, err := c.outcomes.ListUnscored(t.Context(), &rapportv1.ListUnscoredRequest{})
			if err != nil || len(unscored.GetUnscored()) != 0 {
				t.Errorf("unscored: %v %v", unscored, err)
			}
		})
		t.Run("a second time changes nothing", func(t *testing.T) {
			if x := c.rescore(&rapportv1.RescoreRequest{}); x.counts() != "7 seen, 0 changed, 7 the same, 0 failed" || len(x.changes) != 0 {
				t.Errorf("%s %v", x.counts(), x.changes)
			}
			if r := c.send(phq9("one", "p2", monday, 0, 0, 0, 0, 0, 0, 0, 0, 1))[0]; r.GetOutcome() != rapportv1.Outcome_OUTCOME_UNCHANGED {
				t.Errorf("sent again by its source: %v", r)
			}
			if got := c.standing(); got != after {
				t.Errorf("alerts:\n%s", got)
			}
		})
		c.end()
		verified(t, store)
	})
}

func TestRescoringCanBeNarrowed(t *testing.T) {
	store := "sqlite:" + filepath.Join(t.TempDir(), "clinic.db")
	first := by(t, store, packs(t), 0)
	first.week()
	first.send(readyScore("o1", "p1"))
	first.end()
	c := by(t, store, second(t), time.Hour)
	for name, test := range map[string]struct {
		req  *rapportv1.RescoreRequest
		want string
	}{
		"by instrument":          {&rapportv1.RescoreRequest{Instruments: []string{"gad-7"}}, "1 seen, 0 changed, 1 the same, 0 failed"},
		"by another one":         {&rapportv1.RescoreRequest{Instruments: []string{"phq-9"}}, "6 seen, 6 changed, 0 the same, 0 failed"},
		"by both":                {&rapportv1.RescoreRequest{Instruments: []string{"phq-9", "gad-7"}}, "7 seen, 6 changed, 1 the same, 0 failed"},
		"to what was not scored": {&rapportv1.RescoreRequest{OnlyUnscored: true}, "1 seen, 1 changed, 0 the same, 0 failed"},
		"to Observations":        {&rapportv1.RescoreRequest{Types: []string{"Observation"}}, "1 seen, 1 changed, 0 the same, 0 failed"},
		"to both types": {
			&rapportv1.RescoreRequest{Types: []string{"Observation", "QuestionnaireResponse"}}, "8 seen, 7 changed, 1 the same, 0 failed",
		},
	} {
		t.Run(name, func(t *testing.T) {
			test.req.DryRun = true
			if x := c.rescore(test.req); x.counts() != test.want {
				t.Errorf("%s, not %s", x.counts(), test.want)
			}
		})
	}
	for name, req := range map[string]*rapportv1.RescoreRequest{
		"a type that carries no scores": {Types: []string{"Patient"}},
		"an instrument that is not":     {Instruments: []string{"phq-99"}},
		"a token that is none":          {PageToken: "?"},
	} {
		stream, err := c.ingest.Rescore(t.Context(), req)
		if err == nil {
			_, err = stream.Recv()
		}
		if status.Code(err) != codes.InvalidArgument {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// readyScore is an Observation with the total of a PHQ-9.
func readyScore(id, patient string) string {
	return fmt.Sprintf(`{"resourceType":"Observation","id":%q,"status":"final","code":{"coding":[{"system":"http://loinc.org","code":"44261-6"}]},`+
		`"subject":{"reference":"Patient/%s"},"effectiveDateTime":%q,"valueInteger":18}`, id, patient, monday.Format(time.RFC3339))
}

func TestAnObservationWhoseCodeIsNewlyKnownBecomesAScore(t *testing.T) {
	store := "sqlite:" + filepath.Join(t.TempDir(), "clinic.db")
	files := packs(t)
	delete(files, "phq-9.json")
	first := by(t, store, files, 0)
	first.send(readyScore("o1", "p1"))
	first.end()
	c := by(t, store, packs(t), time.Hour)
	if x := c.rescore(&rapportv1.RescoreRequest{}); x.counts() != "0 seen, 0 changed, 0 the same, 0 failed" {
		t.Errorf("without --type: %s", x.counts())
	}
	x := c.rescore(&rapportv1.RescoreRequest{Types: []string{"Observation"}})
	if x.counts() != "1 seen, 1 changed, 0 the same, 0 failed" || x.changes[0].GetAfterVersion() != "external" {
		t.Fatalf("%s %v", x.counts(), x.changes)
	}
	if got := c.band("p1"); got != "external moderately-severe Observation/o1/_history/2" {
		t.Errorf("now: %s", got)
	}
}

func TestScoresOfADefinitionThatIsNotLoadedAreKept(t *testing.T) {
	store := "sqlite:" + filepath.Join(t.TempDir(), "clinic.db")
	first := by(t, store, packs(t), 0)
	pinned := strings.Replace(phq9("pinned", "p1", monday, 0, 0, 0, 0, 0, 0, 0, 0, 1), "http://loinc.org/q/44249-1", instrument.Base+"/Questionnaire/phq-9|1.0.0", 1)
	if r := first.send(pinned)[0]; r.GetOutcome() != rapportv1.Outcome_OUTCOME_SCORED {
		t.Fatal(r)
	}
	first.send(readyScore("o1", "p1"), gad7("gad", "p1", monday, 1))
	first.end()
	for _, test := range []struct {
		name  string
		files func(t *testing.T) fstest.MapFS
		want  string
	}{
		{"beside a new one", func(t *testing.T) fstest.MapFS {
			files := packs(t)
			files["new.json"] = second(t)["phq-9.json"]
			return files
		}, "3 seen, 1 changed, 2 the same, 0 failed"}, // the band of the ready-made score is today's
		{"replaced by a new one", second, "3 seen, 0 changed, 2 the same, 1 failed"},
		{"gone", func(t *testing.T) fstest.MapFS {
			files := packs(t)
			delete(files, "phq-9.json")
			return files
		}, "3 seen, 0 changed, 1 the same, 2 failed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := by(t, store, test.files(t), time.Hour)
			x := c.rescore(&rapportv1.RescoreRequest{Types: []string{"Observation", "QuestionnaireResponse"}})
			if x.counts() != test.want {
				t.Errorf("%s, not %s: %v", x.counts(), test.want, x.changes)
			}
			for _, f := range x.failures {
				if !strings.Contains(f.GetIssues()[0].GetText(), "its scores were kept") {
					t.Errorf("failure: %v", f)
				}
			}
			resp, err := c.outcomes.ListScores(t.Context(), &rapportv1.ListScoresRequest{Patient: "p1", Instrument: "phq-9"})
			if err != nil || len(resp.GetSheets()) != 2 {
				t.Errorf("sheets: %v %v", resp, err)
			}
			c.end()
		})
	}
}

func TestADefinitionThatWasChangedUnderItsVersionIsRefusedAtTheStart(t *testing.T) {
	onBothEngines(t, func(t *testing.T, store string) {
		by(t, store, packs(t), 0).end()
		quiet := packs(t)
		changed(t, quiet, "phq-9.json", `"value": 1,`, `"value": 2,`)
		config := server.Default()
		config.Listen, config.HTTPListen, config.Redis, config.Store = "127.0.0.1:0", "127.0.0.1:0", "none", store
		config.Catalogue = registry(t, quiet)
		_, err := server.New(t.Context(), config)
		if err == nil || !strings.Contains(err.Error(), "phq-9|1.0.0") || !strings.Contains(err.Error(), "higher version") || strings.Contains(err.Error(), "gad-7") {
			t.Fatalf("got %v", err)
		}
		changed(t, quiet, "phq-9.json", `"version": "1.0.0"`, `"version": "1.0.1"`)
		by(t, store, quiet, 0).end()
		by(t, store, packs(t), 0).end() // going back is no change of either
	})
}

func TestRescoringGoesOnWhereItWasEnded(t *testing.T) {
	onBothEngines(t, func(t *testing.T, store string) {
		const patients, each = 120, 2
		first := by(t, store, packs(t), 0)
		var bodies []string
		for n := range patients * each {
			bodies = append(bodies, phq9(fmt.Sprint("r", n), fmt.Sprint("p", n%patients), monday.Add(-time.Duration(n)*time.Minute), 3, 3, 3, 3, 3, 3, 0, 0, 0))
		}
		first.send(bodies...)
		first.end()
		c := by(t, store, second(t), time.Hour)
		ctx, cancel := context.WithCancel(t.Context())
		stream, err := c.ingest.Rescore(ctx, &rapportv1.RescoreRequest{})
		if err != nil {
			t.Fatal(err)
		}
		var cut told
		for len(cut.progress) == 0 {
			resp, err := stream.Recv()
			if err != nil {
				t.Fatal(err)
			}
			cut.take(resp)
		}
		cancel()
		for err == nil {
			_, err = stream.Recv()
		}
		if status.Code(err) != codes.Canceled {
			t.Errorf("ended with %v", err)
		}
		token := cut.last().GetPageToken()
		if n := len(cut.changes); n == 0 || n == patients*each || token == "" {
			t.Fatalf("%d changes before the end, token %q", n, token)
		}
		rest := c.rescore(&rapportv1.RescoreRequest{PageToken: token})
		if p := rest.last(); int(p.GetSeen())+len(cut.changes) != patients*each || p.GetFailed() != 0 {
			t.Errorf("%d before, then %s", len(cut.changes), rest.counts())
		}
		if x := c.rescore(&rapportv1.RescoreRequest{}); x.counts() != fmt.Sprintf("%d seen, 0 changed, %d the same, 0 failed", patients*each, patients*each) {
			t.Errorf("all of it once more: %s", x.counts())
		}
		for n := range patients * each {
			path := fmt.Sprintf("QuestionnaireResponse/r%d/_history/", n)
			if code, _ := c.fetch(path + "2"); code != http.StatusOK {
				t.Errorf("%s2: %d", path, code)
			}
			if code, _ := c.fetch(path + "3"); code != http.StatusNotFound {
				t.Errorf("%s3: %d", path, code)
			}
		}
		if n := len(c.listAlerts(&rapportv1.ListAlertsRequest{PageSize: 1000})); n != patients {
			t.Errorf("%d alerts for %d patients", n, patients)
		}
		c.end()
		verified(t, store)
	})
}

func TestKillNineInMidRunDoublesNothing(t *testing.T) {
	onBothEngines(t, func(t *testing.T, store string) {
		const patients, each = 200, 2
		first := by(t, store, packs(t), 0)
		var bodies []string
		for n := range patients * each {
			bodies = append(bodies, phq9(fmt.Sprint("r", n), fmt.Sprint("p", n%patients), monday.Add(-time.Duration(n)*time.Minute), 3, 3, 3, 3, 3, 3, 0, 0, 0))
		}
		first.send(bodies...)
		first.end()
		folder := t.TempDir()
		for name, f := range second(t) {
			if err := os.WriteFile(filepath.Join(folder, name), f.Data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		for pages := range 3 { // killed in the first page, after the first, after the second
			c := startChild(t, childStore+"="+store, childPacks+"="+folder)
			stream, err := c.ingest.Rescore(t.Context(), &rapportv1.RescoreRequest{})
			if err != nil {
				t.Fatal(err)
			}
			var cut told
			for len(cut.progress) < pages || len(cut.changes) == 0 && len(cut.progress) <= pages {
				resp, err := stream.Recv()
				if err != nil {
					t.Fatal(err)
				}
				cut.take(resp)
			}
			if err := c.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = c.Wait() // It was killed, which is an error.
		}
		c := by(t, store, second(t), time.Hour)
		if x := c.rescore(&rapportv1.RescoreRequest{}); x.last().GetSeen() != patients*each || x.last().GetFailed() != 0 {
			t.Errorf("then %s", x.counts())
		}
		for n := range patients * each {
			path := fmt.Sprintf("QuestionnaireResponse/r%d/_history/", n)
			two, _ := c.fetch(path + "2")
			three, _ := c.fetch(path + "3")
			if two != http.StatusOK || three != http.StatusNotFound {
				t.Errorf("%s: version 2 is %d, version 3 is %d", path, two, three)
			}
		}
		// By the clock of the servers that were killed it is long ago, and theirs are suppressed as back-fill.
		if n := strings.Count(c.standing(), "screening-severe"); n != patients {
			t.Errorf("%d alerts for %d patients", n, patients)
		}
		c.end()
		verified(t, store)
	})
}
