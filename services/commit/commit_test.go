package commit_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rapport-health/rapport/services/commit"
	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/judge"
	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/store"
	"github.com/rapport-health/rapport/services/store/sqlite"
)

const tenant ref.Tenant = "t"

var now = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// itemNine fires at every score sheet with a critical item.
var itemNine = judge.Rule{
	ID: "safety", Version: "1", Title: "Safety item", Severity: judge.Critical, Safety: true, Each: true,
	On:   []fact.Kind{fact.KindScores},
	When: func(v judge.View) (bool, error) { return v.Fact.Scores != nil && len(v.Fact.Scores.Critical) > 0, nil },
	Describe: func(judge.View) (judge.Wording, []judge.Number, error) {
		return judge.Wording{Seen: "item 9 above zero"}, nil, nil
	},
}

func open(t *testing.T) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "t.db"), sqlite.Options{Migrate: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func group(t *testing.T, s store.Store, change func(*commit.Config)) *commit.Group {
	t.Helper()
	c := commit.Default()
	c.Store, c.Now, c.Rules = s, func() time.Time { return now }, func() ([]judge.Rule, alert.Policy) { return []judge.Rule{itemNine}, alert.Policy{} }
	if change != nil {
		change(&c)
	}
	g, err := commit.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.Stop(context.Background()) })
	return g
}

// sheet is an input with one PHQ-9 sheet of a patient.
func sheet(patient, id string, total float64, itemNine bool, at time.Time) decision.Input {
	scores := &fact.Scores{
		Instrument: "phq-9", Version: "1", Construct: "distress", Respondent: "patient",
		Scores: []fact.Score{{Code: "total", Value: &total, Max: 27}},
	}
	if itemNine {
		scores.Critical = []fact.Critical{{Item: 9, Value: 1, Severity: "safety"}}
	}
	return decision.Input{
		Record: record.Record{
			Resource: ref.Resource{Type: "QuestionnaireResponse", ID: id}, Source: "ehr", SourceID: id,
			Hash: [32]byte([]byte(fmt.Sprintf("%-32s", fmt.Sprint(id, total, itemNine)))), Received: now, Raw: []byte(`{"resourceType":"QuestionnaireResponse"}`),
			From: at, To: at.Add(time.Second),
		},
		Subject: decision.Subject{Patient: ref.Patient(patient)},
		Facts:   []fact.Fact{{ID: "f-" + id, Kind: fact.KindScores, At: at, Scores: scores}},
	}
}

func do(t *testing.T, g *commit.Group, in ...decision.Input) []decision.Receipt {
	t.Helper()
	receipts, err := g.Do(t.Context(), tenant, in, false)
	if err != nil {
		t.Fatal(err)
	}
	return receipts
}

func alertsOf(t *testing.T, s store.Store, patient string) []alert.Alert {
	t.Helper()
	var found []alert.Alert
	err := s.View(t.Context(), tenant, func(r store.Reader) error {
		all, err := r.AlertsOf([]ref.Episode{ref.Episode(patient)})
		found = all[ref.Episode(patient)]
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func last(t *testing.T, s store.Store, name feed.Name) int64 {
	t.Helper()
	var extents []feed.Extent
	err := s.View(t.Context(), tenant, func(r store.Reader) (err error) { extents, err = r.Extents(name); return err })
	if err != nil {
		t.Fatal(err)
	}
	if len(extents) == 0 {
		return 0
	}
	return extents[0].Last
}

func TestAResponseBecomesAFactAStateAndAnAlertInOneCommit(t *testing.T) {
	s := open(t)
	g := group(t, s, nil)
	receipts := do(t, g, sheet("p", "a", 4, true, now.AddDate(0, 0, -1)))
	if r := receipts[0]; r.Outcome != record.Scored || r.Resource.Version != 1 || r.TenantSeq != 2 {
		t.Fatalf("receipt %+v", r)
	}
	alerts := alertsOf(t, s, "p")
	if len(alerts) != 1 || alerts[0].Status != alert.Open || alerts[0].Feeds[0] != feed.Unassigned {
		t.Fatalf("alerts %+v", alerts)
	}
	if n := last(t, s, feed.Unassigned); n != 1 {
		t.Errorf("the unassigned feed is at %d", n)
	}
}

func TestAReplayHasNoEffectAndTheSameAnswer(t *testing.T) {
	s := open(t)
	g := group(t, s, nil)
	in := sheet("p", "a", 4, true, now)
	first := do(t, g, in)[0]
	var callers sync.WaitGroup
	for range 50 {
		callers.Go(func() {
			receipts, err := g.Do(context.Background(), tenant, []decision.Input{in, in}, false)
			if err != nil || receipts[0].Outcome != record.Unchanged || receipts[1].Resource != first.Resource {
				t.Errorf("replay: %v %+v", err, receipts)
			}
		})
	}
	callers.Wait()
	if n := last(t, s, feed.All); n != 2 {
		t.Errorf("replays moved the feed to %d", n)
	}
}

func TestACorrectionRetractsWhatIsNoLongerTrue(t *testing.T) {
	s := open(t)
	g := group(t, s, nil)
	do(t, g, sheet("p", "a", 4, true, now), sheet("p", "b", 6, false, now.Add(time.Minute)))
	corrected := sheet("p", "a", 3, false, now)
	if r := do(t, g, corrected)[0]; r.Outcome != record.Scored || r.Resource.Version != 2 {
		t.Fatalf("correction: %+v", r)
	}
	if a := alertsOf(t, s, "p")[0]; a.Status != alert.Retracted || a.Version != 2 {
		t.Fatalf("the alert is %s at version %d", a.Status, a.Version)
	}
	do(t, g, sheet("p", "a", 5, true, now))
	alerts := alertsOf(t, s, "p")
	if len(alerts) != 2 || alerts[0].ID == alerts[1].ID || alerts[0].Status == alerts[1].Status {
		t.Fatalf("found again: %+v", alerts)
	}
}

func TestACorrectionInTheSameGroupIsSeen(t *testing.T) {
	s := open(t)
	g := group(t, s, nil)
	do(t, g, sheet("p", "a", 4, true, now), sheet("p", "a", 3, false, now))
	alerts := alertsOf(t, s, "p")
	if len(alerts) != 1 || alerts[0].Status != alert.Retracted {
		t.Fatalf("alerts %+v", alerts)
	}
	err := s.View(t.Context(), tenant, func(r store.Reader) error {
		facts, err := r.Facts([]ref.Episode{"p"})
		if n := len(facts["p"]); n != 1 || *facts["p"][0].Scores.Scores[0].Value != 3 {
			t.Errorf("%d facts count: %+v", n, facts["p"])
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestATransactionStandsOrFallsTogether(t *testing.T) {
	s := open(t)
	g := group(t, s, nil)
	do(t, g, sheet("p", "x", 1, false, now))
	foreign := sheet("q", "x", 2, false, now)
	foreign.Record.Source = "other"
	receipts, err := g.Do(t.Context(), tenant, []decision.Input{sheet("q", "y", 1, true, now), foreign}, true)
	if err != nil {
		t.Fatal(err)
	}
	if receipts[1].Outcome != record.Rejected || last(t, s, feed.All) != 1 {
		t.Fatalf("receipts %+v, feed at %d", receipts, last(t, s, feed.All))
	}
	if r := do(t, g, sheet("q", "y", 1, true, now))[0]; r.Outcome != record.Scored {
		t.Errorf("what fell with the transaction is not there: %+v", r)
	}
}

func TestABadNeighbourFailsAlone(t *testing.T) {
	s := open(t)
	bad := func(judge.View) (bool, error) { panic("boom") }
	g := group(t, s, func(c *commit.Config) {
		rule := itemNine
		rule.When = func(v judge.View) (bool, error) {
			if len(v.Fact.Scores.Critical) > 0 {
				return bad(v)
			}
			return false, nil
		}
		c.Rules = func() ([]judge.Rule, alert.Policy) { return []judge.Rule{rule}, alert.Policy{} }
	})
	var inputs []decision.Input
	for n := range 20 {
		inputs = append(inputs, sheet(fmt.Sprint("p", n), fmt.Sprint("r", n), 1, n == 7, now))
	}
	for n, r := range do(t, g, inputs...) {
		want := record.Scored
		if n == 7 {
			want = record.Rejected
		}
		if r.Outcome != want {
			t.Errorf("input %d ended as %s", n, r.Outcome)
		}
	}
	if n := last(t, s, feed.All); n != 19 {
		t.Errorf("the feed is at %d", n)
	}
}

func TestOfTwoWhoAcknowledgeAtOnceOneWins(t *testing.T) {
	s := open(t)
	g := group(t, s, nil)
	do(t, g, sheet("p", "a", 4, true, now))
	a := alertsOf(t, s, "p")[0]
	results := make(chan error, 20)
	var callers sync.WaitGroup
	for n := range 20 {
		callers.Go(func() {
			_, err := g.Command(context.Background(), tenant, alert.Command{
				Alert: a.ID, Verb: alert.Acknowledge, Version: a.Version, Actor: fmt.Sprint("Practitioner/", n), Key: fmt.Sprint(n),
			})
			results <- err
		})
	}
	callers.Wait()
	close(results)
	won := 0
	for err := range results {
		if err == nil {
			won++
		} else if fault.Of(err) != fault.Conflict {
			t.Errorf("lost with %v", err)
		}
	}
	if won != 1 {
		t.Errorf("%d acknowledged", won)
	}
}

func TestACommandSentTwiceIsAnsweredTwiceAndDoneOnce(t *testing.T) {
	s := open(t)
	g := group(t, s, nil)
	do(t, g, sheet("p", "a", 4, true, now))
	command := alert.Command{Alert: alertsOf(t, s, "p")[0].ID, Verb: alert.Acknowledge, Version: 1, Actor: "Practitioner/1", Key: "k"}
	for range 2 {
		after, err := g.Command(t.Context(), tenant, command)
		if err != nil || after.Version != 2 {
			t.Fatalf("%v, version %d", err, after.Version)
		}
	}
}

// away fails the first updates as a store that cannot be reached.
type away struct {
	store.Store
	times int
}

func (a *away) Update(ctx context.Context, t ref.Tenant, write func(store.Tx) error) ([]feed.Cursor, error) {
	if a.times > 0 {
		a.times--
		return nil, fault.New(fault.Unavailable)
	}
	return a.Store.Update(ctx, t, write)
}

func TestAStoreThatIsAwayLeavesNothingAndSaysSo(t *testing.T) {
	s := open(t)
	g := group(t, &away{Store: s, times: 1}, nil)
	if _, err := g.Do(t.Context(), tenant, []decision.Input{sheet("p", "a", 1, false, now)}, false); fault.Of(err) != fault.Unavailable {
		t.Fatalf("got %v", err)
	}
	if r := do(t, g, sheet("p", "a", 1, false, now))[0]; r.Outcome != record.Scored {
		t.Errorf("sent again: %+v", r)
	}
}

func TestStoppingCommitsWhatWaitsAndRefusesWhatComes(t *testing.T) {
	s := open(t)
	g := group(t, s, nil)
	pending, err := g.Submit(t.Context(), tenant, []decision.Input{sheet("p", "a", 1, false, now)}, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if receipts, err := pending.Wait(); err != nil || receipts[0].Outcome != record.Scored {
		t.Errorf("what waited: %v %+v", err, receipts)
	}
	if _, err := g.Do(t.Context(), tenant, []decision.Input{sheet("p", "b", 1, false, now)}, false); fault.Of(err) != fault.Unavailable {
		t.Errorf("what came later: %v", err)
	}
	if !errors.Is(g.Stop(t.Context()), nil) {
		t.Error("stopping twice fails")
	}
}

// counted notes how many records each transaction wrote.
type counted struct {
	store.Store
	mu     sync.Mutex
	groups []int
}

type countedTx struct {
	store.Tx
	n int
}

func (c *countedTx) Commit(made ...*decision.Decision) error {
	c.n = len(made)
	return c.Tx.Commit(made...)
}

func (c *counted) Update(ctx context.Context, t ref.Tenant, write func(store.Tx) error) ([]feed.Cursor, error) {
	var n int
	moved, err := c.Store.Update(ctx, t, func(tx store.Tx) error {
		counting := &countedTx{Tx: tx}
		err := write(counting)
		n = counting.n
		return err
	})
	c.mu.Lock()
	defer c.mu.Unlock()
	c.groups = append(c.groups, n)
	return moved, err
}

func TestATransactionIsBoundedInSize(t *testing.T) {
	s := &counted{Store: open(t)}
	g := group(t, s, func(c *commit.Config) { c.MaxInputs, c.MaxBytes = 8, 200 })
	var inputs []decision.Input
	for n := range 20 {
		inputs = append(inputs, sheet(fmt.Sprint("p", n), fmt.Sprint("r", n), 1, false, now))
	}
	do(t, g, inputs...)
	perBytes := 200 / len(inputs[0].Record.Raw)
	for _, n := range s.groups {
		if n > min(8, perBytes) {
			t.Errorf("transactions held %v submissions, the bounds allow %d", s.groups, min(8, perBytes))
			break
		}
	}
}

func TestATransactionSeesOneSetOfRulesWithItsOwnPolicy(t *testing.T) {
	asked := 0
	g := group(t, open(t), func(c *commit.Config) {
		c.Rules = func() ([]judge.Rule, alert.Policy) {
			asked++
			return []judge.Rule{itemNine}, alert.Policy{}
		}
	})
	for n := range 3 {
		do(t, g, sheet("p", fmt.Sprint("r", n), 1, true, now))
	}
	if asked != 3 {
		t.Errorf("three transactions asked %d times", asked)
	}
}

func TestLingeringWaitsForCompanyAndNoLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &counted{Store: &slow{}}
		g, err := commit.New(func() commit.Config {
			c := commit.Default()
			c.Store, c.Now, c.Rules, c.Linger = s, time.Now, func() ([]judge.Rule, alert.Policy) { return nil, alert.Policy{} }, time.Second
			return c
		}())
		if err != nil {
			t.Fatal(err)
		}
		var callers sync.WaitGroup
		for n := range 3 {
			callers.Go(func() {
				_, _ = g.Do(t.Context(), tenant, []decision.Input{sheet(fmt.Sprint("p", n), fmt.Sprint("r", n), 1, false, now)}, false)
			})
		}
		callers.Wait()
		begun := time.Now()
		_, _ = g.Do(t.Context(), tenant, []decision.Input{sheet("p9", "r9", 1, false, now)}, false)
		if waited := time.Since(begun); waited > time.Second+slowness {
			t.Errorf("alone, it waited %v", waited)
		}
		if err := g.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

const slowness = 100 * time.Millisecond

// slow is a store whose every transaction takes a while and fails; only its timing counts.
type slow struct{ store.Store }

func (*slow) Update(context.Context, ref.Tenant, func(store.Tx) error) ([]feed.Cursor, error) {
	time.Sleep(slowness) // in a bubble: no real time passes
	return nil, fault.New(fault.Unavailable)
}
