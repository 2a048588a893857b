package decision_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/judge"
	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/ref"
)

// again is a response as it was sent, with another total taken from it by a later definition.
func again(sent *decision.Input, version int64, total float64) decision.Input {
	in := *sent
	in.Again = true
	in.Record.Version, in.Record.Patient = version, "p"
	in.Facts = response(in.Record.ID, 0, total).Facts
	in.Facts[0].At = sent.Facts[0].At
	return in
}

// judgeAgain judges inputs together and writes down what was decided.
func (m *memory) judgeAgain(rules []judge.Rule, inputs ...decision.Input) ([]decision.Receipt, []*decision.Decision) {
	desk := decision.NewDesk(rules, now)
	desk.PutHeads(m.heads)
	desk.PutNames(m.names)
	made, receipts, _ := desk.DecideAll(inputs, func(d *decision.Desk, in *decision.Input) bool {
		for _, e := range d.Episodes(in) {
			if !d.HasEpisode(e) {
				d.PutEpisode(e, m.state)
			}
		}
		for _, e := range d.History(in) {
			d.PutHistory(e, m.facts)
		}
		return true
	})
	for _, e := range desk.Unalerted() {
		desk.PutAlerts(e, m.alerts)
	}
	desk.Settle()
	decision.Tally(receipts, made)
	for _, d := range made {
		m.write(d)
	}
	return receipts, made
}

func (m *memory) total(id string) float64 {
	for _, f := range m.facts {
		if f.ID == "f"+id {
			return *f.Scores.Scores[0].Value
		}
	}
	return -1
}

func TestWhatIsKnownIsJudgedAgainOnlyOnTheVersionThatWasRead(t *testing.T) {
	for _, c := range []struct {
		what    string
		version int64
		outcome record.Outcome
		stored  int64
		total   float64
	}{
		{"the current version", 2, record.Scored, 3, 7},
		{"the one before", 1, record.Unchanged, 2, 5},
		{"one that there is not yet", 3, record.Unchanged, 2, 5},
	} {
		m := newMemory()
		m.send(response("a", 1, 4))
		sent := response("a", 1, 5)
		m.send(sent)
		receipts, made := m.judgeAgain([]judge.Rule{high}, again(sent, c.version, 7))
		if r := receipts[0]; r.Outcome != c.outcome || r.Resource.Version != c.stored || m.total("a") != c.total {
			t.Errorf("%s: %s at version %d, total %v", c.what, r.Outcome, r.Resource.Version, m.total("a"))
		}
		if c.outcome == record.Unchanged && (len(made) != 0 || len(receipts[0].Issues) == 0) {
			t.Errorf("%s: %d decisions, issues %v", c.what, len(made), receipts[0].Issues)
		}
	}
	m := newMemory()
	if receipts, made := m.judgeAgain(nil, again(response("a", 1, 5), 1, 7)); receipts[0].Outcome != record.Unchanged || len(made) != 0 {
		t.Errorf("what is not stored at all: %+v", receipts[0])
	}
}

func TestWhatIsJudgedAgainKeepsItsNameItsContentAndItsPatient(t *testing.T) {
	m := newMemory()
	sent := response("a", 1, 5)
	sent.Record.SourceVersion = "7"
	m.send(sent)
	m.names["Patient/p"] = record.Alias{Name: "Patient/p", Patient: "q", Source: "ehr"} // it would lead elsewhere by now
	_, made := m.judgeAgain(nil, again(sent, 1, 7))
	r := made[0].Records[0]
	if r.Version != 2 || r.Hash != sent.Record.Hash || r.SourceVersion != "7" || r.Patient != "p" || r.Outcome != record.Scored {
		t.Errorf("stored %+v", r)
	}
	if f := made[0].Facts[0]; f.Source.Version != 2 || !f.Recorded.Equal(now) || f.Episode != "p" {
		t.Errorf("fact %+v", f)
	}
	if replay := m.send(sent); replay.Outcome != record.Unchanged || replay.Resource.Version != 2 {
		t.Errorf("sent again by its source: %+v", replay)
	}
}

func TestAlertsFollowWhatIsJudgedAgain(t *testing.T) {
	for _, c := range []struct {
		before, after     float64
		status            string
		opened, retracted int
	}{
		{5, 7, "", 0, 0},
		{5, 12, "open", 1, 0},
		{12, 5, "retracted for rescored", 0, 1},
		{12, 13, "open for rescored", 0, 0},
	} {
		m := newMemory()
		sent := response("a", 1, c.before)
		m.send(sent)
		receipts, _ := m.judgeAgain([]judge.Rule{high}, again(sent, 1, c.after))
		var told []string
		for _, a := range m.alerts {
			text := string(a.Status)
			if last := a.History[len(a.History)-1]; last.Reason != "" {
				text += " for " + last.Reason
			}
			told = append(told, text)
		}
		if got := strings.Join(told, ", "); got != c.status || receipts[0].Opened != c.opened || receipts[0].Retracted != c.retracted {
			t.Errorf("from %v to %v: %q, opened %d, retracted %d", c.before, c.after, got, receipts[0].Opened, receipts[0].Retracted)
		}
	}
}

// rise fires when a total is 5 or more above the one before.
var rise = judge.Rule{
	ID: "rise", Version: "1", Title: "Rise", Severity: judge.High, Safety: true, Each: true, On: []fact.Kind{fact.KindScores},
	When: func(v judge.View) (bool, error) {
		before, answered := v.Before.Instrument("phq-9", "patient"), v.After.Instrument("phq-9", "patient")
		if before == nil {
			return false, nil
		}
		was, _ := before.Track("total")
		is, _ := answered.Track("total")
		return is.Last.Value-was.Last.Value >= 5, nil
	},
}

func TestScoresByTwoDefinitionsAreNeverComparedWithEachOther(t *testing.T) {
	m := newMemory()
	var inputs []decision.Input
	for day := 1; day <= 4; day++ {
		sent := response(fmt.Sprint("r", day), day, 4)
		m.send(sent)
		inputs = append(inputs, again(sent, 1, 9)) // every total rises by as much: nobody became worse
	}
	slices.Reverse(inputs)
	_, made := m.judgeAgain([]judge.Rule{rise}, inputs...)
	states := 0
	for _, d := range made {
		states += len(d.Episodes)
		if len(d.Alerts) > 0 {
			t.Errorf("an alert was raised: %+v", d.Alerts)
		}
	}
	if states != 1 {
		t.Errorf("the episode was folded %d times for one commit", states)
	}
	if got := m.state.Facts; got != 4 {
		t.Errorf("the state holds %d facts", got)
	}
}

func TestJudgedAgainTogetherIsAsIfItHadComeSo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m, fresh := newMemory(), newMemory()
		var inputs []decision.Input
		for day := range rapid.IntRange(1, 6).Draw(t, "responses") {
			id := fmt.Sprint("r", day)
			before, after := float64(rapid.IntRange(5, 15).Draw(t, "before")), float64(rapid.IntRange(5, 15).Draw(t, "after"))
			sent := response(id, day, before)
			m.send(sent)
			fresh.send(response(id, day, after))
			inputs = append(inputs, again(sent, 1, after))
		}
		m.judgeAgain([]judge.Rule{high}, rapid.Permutation(inputs).Draw(t, "order")...)
		if got, want := standing(m.alerts), standing(fresh.alerts); got != want {
			t.Fatalf("alerts stand for %s, not for %s", got, want)
		}
		if m.state.Facts != fresh.state.Facts || m.state.Last != fresh.state.Last {
			t.Fatalf("folded to %+v, not %+v", m.state, fresh.state)
		}
	})
}

// standing names the facts of alerts that were not taken back.
func standing(alerts []alert.Alert) string {
	var facts []string
	for _, a := range alerts {
		if a.Status != alert.Retracted {
			facts = append(facts, a.Facts...)
		}
	}
	slices.Sort(facts)
	return strings.Join(facts, ",")
}

func TestAResponseThatSaysNothingAnyMoreLeavesItsEpisode(t *testing.T) {
	m := newMemory()
	sent := response("a", 1, 12)
	m.send(sent)
	m.send(response("b", 2, 5))
	gone := again(sent, 1, 0)
	gone.Facts = nil
	receipts, _ := m.judgeAgain([]judge.Rule{high}, gone)
	if r := receipts[0]; r.Outcome != record.Stored || r.Retracted != 1 || m.state.Facts != 1 || len(m.facts) != 1 {
		t.Errorf("%+v, the state holds %d facts, %d count", r, m.state.Facts, len(m.facts))
	}
}

func TestWhatCameAboutNobodyCanBeJudgedAgainAboutSomebody(t *testing.T) {
	m := newMemory()
	sent := response("a", 1, 12)
	sent.Subject, sent.Facts = decision.Subject{}, nil
	m.send(sent)
	found := again(response("a", 1, 12), 1, 12)
	found.Record.Hash, found.Record.Patient = sent.Record.Hash, ""
	receipts, made := m.judgeAgain([]judge.Rule{high}, found)
	if r := receipts[0]; r.Outcome != record.Scored || r.Patient != "p" || len(made[0].Records) != 2 || !made[0].Records[0].Stub {
		t.Errorf("%+v, records %+v", r, made[0].Records)
	}
	if head := m.heads[ref.Resource{Type: "QuestionnaireResponse", ID: "a"}]; head.Patient != "p" || head.Version != 2 {
		t.Errorf("head %+v", head)
	}
}
