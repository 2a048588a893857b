package server_test

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/episode"
	"github.com/rapport-health/rapport/services/domain/instrument"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/server"
	"github.com/rapport-health/rapport/services/store"
	"github.com/rapport-health/rapport/services/store/sqlite"
)

func TestAnInstrumentIsServedWithItsSheetAndWholeDefinition(t *testing.T) {
	c := start(t, nil)
	resp, err := c.scoring.GetInstrument(t.Context(), &rapportv1.GetInstrumentRequest{Instrument: "tsk-11"})
	if err != nil {
		t.Fatal(err)
	}
	def, issues := instrument.Parse("served.json", resp.GetDefinition())
	if def == nil || def.ID != "tsk-11" || len(def.Items) != 11 {
		t.Errorf("the definition is no instrument file: %v", issues)
	}
	if i := resp.GetInstrument(); i.GetStatus() != "ready" || !i.GetUnconfirmed() || i.GetDefinitionHash() == "" {
		t.Errorf("%v", i)
	}
	if !strings.Contains(resp.GetSheet(), "SCORE somatic-focus  5-20, higher is worse") {
		t.Errorf("the sheet reads\n%s", resp.GetSheet())
	}
	if !slices.ContainsFunc(resp.GetUnconfirmed(), func(b *rapportv1.Backing) bool { return b.GetFact() == "somatic-focus: key" && !b.GetConfirmed() }) {
		t.Errorf("unconfirmed: %v", resp.GetUnconfirmed())
	}
	_, err = c.scoring.GetInstrument(t.Context(), &rapportv1.GetInstrumentRequest{Instrument: "tsk11b"})
	if status.Code(err) != codes.NotFound || !strings.Contains(err.Error(), "did you mean tsk-11?") {
		t.Errorf("a misspelt id: %v", err)
	}
}

func TestPlainAnswersAreScoredInTheirVariantAndExplained(t *testing.T) {
	c := start(t, nil)
	answers := &rapportv1.Answers{Instrument: "k10", Variant: "0-4"}
	for range 10 {
		answers.Answers = append(answers.Answers, &rapportv1.Answer{Value: new(2.0)})
	}
	req := &rapportv1.ScoreRequest{Response: &rapportv1.ScoreRequest_Answers{Answers: answers}, Explain: true}
	resp, err := c.scoring.Score(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	sheet := resp.GetSheet()
	if sheet.GetScores()[0].GetValue() != 30 || sheet.GetVariant() != "0-4" || !sheet.GetVersionAssumed() || sheet.GetStatus() != "ready" {
		t.Errorf("%v", sheet)
	}
	if w := sheet.GetWorkings(); len(w) != 1 || w[0].GetFormula() != "sum of items 1-10" || len(w[0].GetSteps()) != 3 || len(w[0].GetRestsOn()) != 3 {
		t.Errorf("workings: %v", w)
	}
	answers.Variant = "9-13"
	if _, err := c.scoring.Score(t.Context(), req); status.Code(err) != codes.InvalidArgument {
		t.Errorf("an unknown variant: %v", err)
	}
}

func TestAChangeIsJudgedOverTheWire(t *testing.T) {
	c := start(t, nil)
	judge := func(instrument, score string, from, to float64) (*rapportv1.ChangeResponse, error) {
		return c.scoring.Change(t.Context(), &rapportv1.ChangeRequest{Instrument: instrument, Score: score, From: from, To: to})
	}
	resp, err := judge("phq-9", "total", 16, 8)
	if err != nil {
		t.Fatal(err)
	}
	v := resp.GetVerdict()
	if !v.GetReliable() || !v.GetImportant() || v.GetDirection() != "improved" || v.GetBand() != "better" || v.GetClass() != "recovered" {
		t.Errorf("%v", v)
	}
	if !v.GetUnconfirmed() || !slices.Equal(v.GetDoubts(), []string{"reliable", "class"}) || !resp.GetStatistics().GetReliableUnconfirmed() {
		t.Errorf("the error band of the PHQ-9 and its cut-off are unconfirmed: %v", v)
	}
	if v.Index == nil || v.GetIndex() < 3.02 || v.GetIndex() > 3.03 {
		t.Errorf("8 points are 3.024 times their error: %v", v.GetIndex())
	}
	if resp, err := judge("care", "total", 20, 40); err != nil || resp.GetVerdict().Reliable != nil || resp.GetVerdict().Important != nil {
		t.Errorf("no statistic is known: %v %v", resp, err)
	}
	for name, c := range map[string]struct {
		instrument, score string
		to                float64
		code              codes.Code
	}{
		"an unknown instrument": {"phq-99", "total", 3, codes.NotFound},
		"an unknown score":      {"phq-9", "bond", 3, codes.NotFound},
		"a value off the range": {"phq-9", "total", 28, codes.InvalidArgument},
	} {
		if _, err := judge(c.instrument, c.score, 3, c.to); status.Code(err) != c.code {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// worsened has a patient whose depression got reliably worse, by an error band that nobody has confirmed.
func worsened(t *testing.T, change func(*server.Config)) *clinic {
	c := start(t, change)
	c.send(patientP1, teamP1, phq9("r1", "p1", monday, 1, 1, 1, 0, 0, 0, 0, 0, 0))
	c.later(14 * 24 * time.Hour)
	c.send(phq9("r2", "p1", monday.AddDate(0, 0, 14), 2, 2, 2, 2, 2, 1, 0, 0, 0))
	return c
}

func (c *clinic) episode(patient string) *rapportv1.Episode {
	c.t.Helper()
	resp, err := c.outcomes.GetEpisode(c.t.Context(), &rapportv1.GetEpisodeRequest{Patient: patient})
	if err != nil {
		c.t.Fatal(err)
	}
	return resp.GetEpisode()
}

func TestWhatRestsOnAnUnconfirmedErrorBandSaysSoFromAlertToEpisode(t *testing.T) {
	c := worsened(t, nil)
	alerts := c.listAlerts(&rapportv1.ListAlertsRequest{Patient: "p1", Rule: "reliable-worsening"})
	if len(alerts) != 1 || !alerts[0].GetNumbers()[0].GetUnconfirmed() || !strings.Contains(alerts[0].GetSeen(), "Unconfirmed: no source") {
		t.Errorf("alerts: %v", alerts)
	}
	e := c.episode("p1")
	if since := e.GetDistress()[0].GetSinceFirst(); since.GetDirection() != "deteriorated" || !slices.Equal(since.GetDoubts(), []string{"reliable", "class"}) {
		t.Errorf("depression: %v", since)
	}
	if n := len(e.GetTrajectories()); n != 1 {
		t.Fatalf("%d trajectories", n)
	}
	way := e.GetTrajectories()[0]
	if way.GetReadings() != 2 || way.GetFirst().GetBand() != "minimal" || way.GetSinceFirst().GetBand() != "worse" || way.GetSincePrevious().GetPoints() != 8 {
		t.Errorf("%v", way)
	}
	scores, err := c.outcomes.ListScores(t.Context(), &rapportv1.ListScoresRequest{Patient: "p1"})
	if err != nil || !scores.GetSheets()[0].GetScores()[0].GetChange().GetReliableUnconfirmed() || scores.GetSheets()[0].GetDecisions()[0].GetResult() == "" {
		t.Errorf("%v %v", scores, err)
	}
}

func TestAStateLaidOutByAnEarlierVersionIsFoldedAnew(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kept.db")
	kept := func(c *server.Config) { c.Store = "sqlite:" + path }
	first := worsened(t, kept)
	if err := first.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	file, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = file.Update(t.Context(), "default", func(tx store.Tx) error {
		e := ref.EpisodeOf("p1")
		states, err := tx.States([]ref.Episode{e})
		if err != nil {
			return err
		}
		old := *states[e]
		old.Form, old.Instruments = episode.Form-1, nil
		return tx.Commit(&decision.Decision{Episodes: []*episode.State{&old}})
	})
	if err := file.Close(); err != nil {
		t.Error(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	if report, err := server.Verify(t.Context(), "sqlite:"+path, func(string) {}); err != nil || len(report.Problems) > 0 {
		t.Errorf("verify: %+v %v", report, err)
	}
	second := start(t, kept)
	if e := second.episode("p1"); len(e.GetTrajectories()) != 1 || e.GetFacts() != 3 {
		t.Errorf("read before the next fact: %v", e)
	}
	second.later(21 * 24 * time.Hour)
	second.send(phq9("r3", "p1", monday.AddDate(0, 0, 20), 1, 1, 1, 1, 0, 0, 0, 0, 0))
	if e := second.episode("p1"); len(e.GetTrajectories()) != 1 || e.GetTrajectories()[0].GetReadings() != 3 {
		t.Errorf("after the next fact: %v", e)
	}
}
