package decision_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/episode"
	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/judge"
	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/ref"
)

var now = time.Date(2026, 3, 30, 12, 0, 0, 0, time.UTC)

// high fires at every sheet whose total is 10 or more; it is a safety rule, so nothing hides it.
var high = judge.Rule{
	ID: "high", Version: "1", Title: "High", Severity: judge.High, Safety: true, Each: true, On: []fact.Kind{fact.KindScores},
	When: func(v judge.View) (bool, error) { return *v.Fact.Scores.Scores[0].Value >= 10, nil },
}

func response(id string, day int, total float64) *decision.Input {
	return &decision.Input{
		Record: record.Record{
			Resource: ref.Resource{Type: "QuestionnaireResponse", ID: id}, Source: "ehr", SourceID: id,
			Hash: [32]byte([]byte(fmt.Sprintf("%-32s", fmt.Sprint(id, day, total)))), Received: now,
		},
		Subject: decision.Subject{Patient: "p"},
		Facts: []fact.Fact{{ID: "f" + id, Kind: fact.KindScores, At: now.AddDate(0, 0, day-20), Scores: &fact.Scores{
			Instrument: "phq-9", Construct: "distress", Respondent: "patient", Scores: []fact.Score{{Code: "total", Value: &total, Max: 27}},
		}}},
	}
}

// memory is what a store would hold: it lays out the desk for one input at a time and writes the decision down.
type memory struct {
	heads  map[ref.Resource]record.Head
	names  map[string]record.Alias
	keys   map[string]record.Key
	state  *episode.State
	alerts []alert.Alert
	facts  []fact.Fact
}

func newMemory() *memory {
	return &memory{heads: map[ref.Resource]record.Head{}, names: map[string]record.Alias{}, keys: map[string]record.Key{}}
}

func (m *memory) send(in *decision.Input) decision.Receipt {
	desk := decision.NewDesk([]judge.Rule{high}, now)
	desk.PutHeads(m.heads)
	desk.PutNames(m.names)
	desk.PutKeys("ehr", m.keys)
	for _, e := range desk.Episodes(in) {
		desk.PutEpisode(e, m.state)
	}
	for _, e := range desk.History(in) {
		desk.PutHistory(e, m.facts)
	}
	made, receipt := desk.Decide(in)
	for _, e := range desk.Unalerted() {
		desk.PutAlerts(e, m.alerts)
	}
	desk.Settle()
	if made != nil {
		m.write(made)
	}
	return receipt
}

func (m *memory) write(made *decision.Decision) {
	for _, r := range made.Records {
		m.heads[r.Unversioned()] = r.Head()
	}
	for _, a := range made.Aliases {
		m.names[a.Name] = a
	}
	for _, k := range made.Keys {
		m.keys[k.Name] = k
	}
	m.facts = slices.DeleteFunc(m.facts, func(f fact.Fact) bool { return slices.Contains(made.Superseded, f.Source.Unversioned()) })
	for _, f := range made.Facts {
		m.facts = append(m.facts, f.Fact)
	}
	slices.SortFunc(m.facts, func(a, b fact.Fact) int { return a.Key().Compare(b.Key()) })
	for _, s := range made.Episodes {
		m.state = s
	}
	for _, a := range made.Alerts {
		if i := slices.IndexFunc(m.alerts, func(have alert.Alert) bool { return have.ID == a.ID }); i >= 0 {
			m.alerts[i] = a
		} else {
			m.alerts = append(m.alerts, a)
		}
	}
}

func TestInAnyOrderOfArrivalTheSameAlertsStand(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newMemory()
		current := map[string]float64{}
		for range rapid.IntRange(1, 25).Draw(t, "submissions") {
			id := rapid.SampledFrom([]string{"a", "b", "c", "d", "e", "f"}).Draw(t, "id")
			day := int(id[0]-'a') + 1
			in := response(id, day, float64(rapid.IntRange(5, 15).Draw(t, "total")))
			if rapid.IntRange(0, 5).Draw(t, "void") == 0 {
				in.Facts, in.Record.Hash = nil, [32]byte([]byte(fmt.Sprintf("%-32s", "void"+id)))
			}
			m.send(in)
			delete(current, id)
			if in.Facts != nil {
				current[id] = *in.Facts[0].Scores.Scores[0].Value
			}
		}
		var want, have []string
		for id, total := range current {
			if total >= 10 {
				want = append(want, "f"+id)
			}
		}
		for _, a := range m.alerts {
			if a.Live() {
				have = append(have, a.Facts[0])
			}
		}
		slices.Sort(want)
		slices.Sort(have)
		if !slices.Equal(want, have) {
			t.Fatalf("alerts stand on %v, facts call for %v", have, want)
		}
		if m.state != nil && m.state.Facts != int64(len(current)) {
			t.Fatalf("%d facts folded, %d count", m.state.Facts, len(current))
		}
	})
}

func TestAKeyBelongsToOneBody(t *testing.T) {
	m := newMemory()
	first, other := response("a", 1, 5), response("b", 2, 6)
	first.Key, other.Key = "k", "k"
	if r := m.send(first); r.Outcome != record.Scored {
		t.Fatalf("%+v", r)
	}
	if r := m.send(first); r.Outcome != record.Unchanged || r.Resource.ID != "a" {
		t.Errorf("the same again: %+v", r)
	}
	if r := m.send(other); r.Outcome != record.Rejected || r.Kind != fault.Conflict {
		t.Errorf("another body: %+v", r)
	}
}

func TestAnOlderVersionNeverReplacesANewerOne(t *testing.T) {
	for _, versions := range [][2]string{{"2", "1"}, {"10", "9"}, {"2026-03-02T10:00:00Z", "2026-03-01T23:00:00-01:00"}} {
		m := newMemory()
		newer, older := response("a", 1, 5), response("a", 1, 12)
		newer.Record.SourceVersion, older.Record.SourceVersion = versions[0], versions[1]
		m.send(newer)
		if r := m.send(older); r.Outcome != record.Unchanged || len(r.Issues) != 1 {
			t.Errorf("%v: %+v", versions, r)
		}
	}
}

func TestAResponseMovedToAnotherPatientLeavesTheFirstOneClean(t *testing.T) {
	m := newMemory()
	m.send(response("a", 1, 12))
	desk := decision.NewDesk([]judge.Rule{high}, now)
	desk.PutHeads(m.heads)
	moved := response("a", 1, 12)
	moved.Subject.Patient, moved.Record.Hash = "q", [32]byte{1}
	desk.PutEpisode("p", m.state)
	desk.PutEpisode("q", nil)
	for _, e := range desk.History(moved) {
		desk.PutHistory(e, map[ref.Episode][]fact.Fact{"p": m.facts}[e])
	}
	made, receipt := desk.Decide(moved)
	for _, e := range desk.Unalerted() {
		desk.PutAlerts(e, map[ref.Episode][]alert.Alert{"p": m.alerts}[e])
	}
	desk.Settle()
	if receipt.Patient != "q" || len(made.Episodes) != 2 || made.Episodes[0].Facts != 0 || made.Episodes[1].Facts != 1 {
		t.Fatalf("%+v: %d episodes", receipt, len(made.Episodes))
	}
	var told []string
	for _, a := range made.Alerts {
		told = append(told, fmt.Sprint(a.Patient, " ", a.Status))
	}
	if fmt.Sprint(told) != "[p retracted q open]" {
		t.Errorf("alerts: %v", told)
	}
}

func TestWhatIsOldNewsIsStoredAsSuppressedUnlessItIsSafety(t *testing.T) {
	for _, safety := range []bool{true, false} {
		rule := high
		rule.Safety = safety
		desk := decision.NewDesk([]judge.Rule{rule}, now.AddDate(0, 6, 0))
		desk.PutEpisode("p", nil)
		made, _ := desk.Decide(response("a", 1, 12))
		desk.PutAlerts("p", nil)
		desk.Settle()
		if a := made.Alerts[0]; safety != (a.Status == alert.Open) || safety == strings.HasPrefix(a.SuppressedBecause, "back-fill") {
			t.Errorf("safety %t: %s, %s", safety, a.Status, a.SuppressedBecause)
		}
	}
}

func TestABrokenSafetyRuleIsRaisedInTheWordsOfItsFinding(t *testing.T) {
	rule := high
	rule.When = func(judge.View) (bool, error) { return false, errors.New("no such score") }
	desk := decision.NewDesk([]judge.Rule{rule}, now)
	made, _ := desk.Decide(response("a", 1, 12))
	desk.PutAlerts("p", nil)
	desk.Settle()
	if len(made.Alerts) != 1 {
		t.Fatalf("%d alerts", len(made.Alerts))
	}
	a := made.Alerts[0]
	if a.Status != alert.Open || a.Title != "Rule high could not be evaluated" || !strings.Contains(a.Seen, "is unknown") || a.Question == "" {
		t.Errorf("%s: %q, %q, %q", a.Status, a.Title, a.Seen, a.Question)
	}
}

func TestADeadlineThatPassedBecomesAFactOnce(t *testing.T) {
	m := newMemory()
	team := &decision.Input{
		Record:  record.Record{Resource: ref.Resource{Type: "CareTeam", ID: "t"}, Source: "ehr", SourceID: "t", Hash: [32]byte{2}},
		Subject: decision.Subject{Patient: "p"},
		Facts:   []fact.Fact{{ID: "team", Kind: fact.KindTeam, At: now.AddDate(0, 0, -30), Team: &fact.Team{ID: "t", Active: true}}},
	}
	m.send(team)
	m.send(response("a", 1, 5))
	desk := decision.NewDesk(nil, now)
	desk.PutEpisode("p", m.state)
	first := desk.Tick("p")
	if first == nil || first.Facts[0].Kind != fact.KindClock || !first.Facts[0].At.Equal(m.state.Deadline) {
		t.Fatalf("%+v, deadline %s", first, m.state.Deadline)
	}
	if again := desk.Tick("p"); again != nil {
		t.Errorf("passed twice: %+v", again)
	}
}
