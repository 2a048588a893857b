package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"testing/synctest"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
	"github.com/rapport-health/rapport/services/catalogue"
	"github.com/rapport-health/rapport/services/domain/instrument"
	"github.com/rapport-health/rapport/services/server"
)

// catalogue is the PHQ-9 that ships, with pairs of texts replaced.
func loaded(t *testing.T, pairs ...string) *catalogue.Catalogue {
	t.Helper()
	text, err := os.ReadFile("../../services/domain/instrument/packs/phq-9.json")
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; n < len(pairs); n += 2 {
		if !strings.Contains(string(text), pairs[n]) {
			t.Fatalf("the pack does not hold %s", pairs[n])
		}
	}
	text = []byte(strings.NewReplacer(pairs...).Replace(string(text)))
	r, err := instrument.Load(fstest.MapFS{"phq-9.json": {Data: text}})
	if err != nil {
		t.Fatal(err)
	}
	return catalogue.Of(r)
}

func TestRescoringIsToldAsRecorded(t *testing.T) {
	store := "sqlite:" + filepath.Join(t.TempDir(), "clinic.db")
	first := startClinic(t, func(c *server.Config) { c.Store, c.Catalogue = store, loaded(t) })
	rapport(t, "ingest", "testdata/fhir/bundle.json", "testdata/fhir/first.json", "testdata/fhir/mixed.ndjson").want(t, exitFailed)
	if err := first.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	second := startClinic(t, func(c *server.Config) {
		c.Store = store
		c.Catalogue = loaded(t, `"version": "1.0.0"`, `"version": "1.1.0"`, `"from": 0, "to": 4`, `"from": 0, "to": 2`,
			`"from": 5, "to": 9`, `"from": 3, "to": 9`, `"value": 1,`, `"value": 2,`,
			`"forms": [`, `"forms": [{"url": "http://example.org/Questionnaire/mood", "evidence": "design: test"},`)
	})
	transcript(t, "rescore", second.Addr(), "ADDRESS")
}

func TestALineOfRescoringMarksWhatIsUnconfirmed(t *testing.T) {
	line := changeWords(&rapportv1.RescoreChange{
		After: "QuestionnaireResponse/r1/_history/2", Instrument: "gad-7", BeforeVersion: "1.0.0", AfterVersion: "1.1.0",
		Scores: []*rapportv1.RescoredScore{
			{Code: "total", Before: &rapportv1.Score{Value: new(11.0), Band: "moderate"}, After: &rapportv1.Score{Value: new(11.0), Band: "moderate", Unconfirmed: true}},
			{Code: "core", After: &rapportv1.Score{NotScorable: "missing-items", Unconfirmed: true}},
		},
	})
	const want = "QuestionnaireResponse/r1/_history/2  gad-7 1.0.0 → 1.1.0  total 11 moderate → 11 moderate (unconfirmed), core none → missing-items (unconfirmed)"
	if line != want {
		t.Errorf("%s\nwant %s", line, want)
	}
}

func TestADefinitionThatWasChangedUnderItsVersionIsToldOf(t *testing.T) {
	c := server.Default()
	c.Listen, c.HTTPListen, c.Redis = "127.0.0.1:0", "127.0.0.1:0", "none"
	c.Store = "sqlite:" + filepath.Join(t.TempDir(), "clinic.db")
	startClinic(t, func(config *server.Config) { config.Store = c.Store }).end(t)
	c.Catalogue = loaded(t, `"value": 1,`, `"value": 2,`)
	_, err := server.New(t.Context(), c)
	if err == nil {
		t.Fatal("it was taken")
	}
	for _, word := range []string{"phq-9|1.0.0", "higher version", "rapport rescore"} {
		if !strings.Contains(describe(err), word) {
			t.Errorf("%q is not in %q", word, describe(err))
		}
	}
}

func (c *clinic) end(t *testing.T) {
	t.Helper()
	if err := c.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// flaky answers Rescore with scripted steps, one script per call; after a script without an end the connection is lost.
type flaky struct {
	rapportv1.IngestServiceClient
	scripts [][]*rapportv1.RescoreResponse
	tokens  []string
}

func (f *flaky) Rescore(_ context.Context, req *rapportv1.RescoreRequest, _ ...grpc.CallOption) (grpc.ServerStreamingClient[rapportv1.RescoreResponse], error) {
	script := f.scripts[len(f.tokens)]
	f.tokens = append(f.tokens, req.GetPageToken())
	return &scripted{steps: script, last: len(f.tokens) == len(f.scripts)}, nil
}

type scripted struct {
	grpc.ServerStreamingClient[rapportv1.RescoreResponse]
	steps []*rapportv1.RescoreResponse
	last  bool
}

func (s *scripted) Recv() (*rapportv1.RescoreResponse, error) {
	if len(s.steps) == 0 {
		if s.last {
			return nil, io.EOF
		}
		return nil, status.Error(codes.Unavailable, "the server went away")
	}
	step := s.steps[0]
	s.steps = s.steps[1:]
	return step, nil
}

func toldOf(token string, changed, unchanged int64) *rapportv1.RescoreResponse {
	return &rapportv1.RescoreResponse{Step: &rapportv1.RescoreResponse_Progress{Progress: &rapportv1.RescoreProgress{
		Seen: changed + unchanged, Changed: changed, Unchanged: unchanged, PageToken: token,
	}}}
}

func changedOne(n int) *rapportv1.RescoreResponse {
	return &rapportv1.RescoreResponse{Step: &rapportv1.RescoreResponse_Change{Change: &rapportv1.RescoreChange{
		Before: fmt.Sprintf("QuestionnaireResponse/r%d/_history/1", n), After: fmt.Sprintf("QuestionnaireResponse/r%d/_history/2", n),
	}}}
}

func TestALostConnectionIsTakenUpWhereItWas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := &flaky{scripts: [][]*rapportv1.RescoreResponse{
			{changedOne(1), changedOne(2), toldOf("a", 2, 8), changedOne(3)},
			{}, // away still
			{toldOf("b", 0, 10), changedOne(4), toldOf("", 1, 14)},
		}}
		var out, told safeBuffer
		run := &rescore{streams: streams{out: &out, err: &told, terminal: true}, client: client, req: &rapportv1.RescoreRequest{}}
		if err := errors.Join(run.all(t.Context()), run.finish()); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(client.tokens, ","); got != ",a,a" {
			t.Errorf("the calls went on from %s", got)
		}
		// Of the 25 that were looked at, r3 was changed by the call that was lost and found unchanged by the next.
		if !strings.HasSuffix(out.String(), "25 looked at, 4 changed, 21 the same, 0 failed\n") {
			t.Errorf("told:\n%s", out.String())
		}
		if !strings.Contains(told.String(), "trying again") || !strings.Contains(told.String(), "\r10 looked at, 2 changed") {
			t.Errorf("progress: %q", told.String())
		}
	})
}

func TestRescoringThatIsInterruptedSaysHowToGoOn(t *testing.T) {
	startClinic(t, nil)
	rapport(t, "ingest", "-q", file(t, "a.ndjson", phq2s(0, 100))).want(t, exitDone)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out, told safeBuffer
	if code := run(ctx, []string{"rescore"}, streams{in: strings.NewReader(""), out: &out, err: &told}); code != exitFailed {
		t.Errorf("exit code %d", code)
	}
	if !strings.Contains(told.String(), "the same command again does no harm") {
		t.Errorf("told %q", told.String())
	}
	stopped := (&rescore{req: &rapportv1.RescoreRequest{PageToken: "InA5OSI"}}).stopped()
	if !strings.Contains(stopped.Error(), "--after InA5OSI") {
		t.Errorf("told %q", stopped)
	}
	rapport(t, "rescore", "--after", "InA5OSI").want(t, exitDone, "0 looked at")
	rapport(t, "rescore").want(t, exitDone, "100 looked at, 0 changed, 100 the same, 0 failed")
}
