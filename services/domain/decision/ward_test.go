package decision_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/judge"
	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/ref"
)

// ward is a memory under rules and a policy, on a clock.
type ward struct {
	*memory
	rules  []judge.Rule
	policy alert.Policy
	now    time.Time
	told   map[alert.Ration]int64
	// events since they were last looked at.
	events []feed.Draft
}

func newWard(rules ...judge.Rule) *ward {
	return &ward{memory: newMemory(), rules: rules, now: now, told: map[alert.Ration]int64{}}
}

func (w *ward) desk() *decision.Desk {
	d := decision.NewDesk(w.rules, w.now).Telling(w.policy)
	d.PutHeads(w.heads)
	d.PutNames(w.names)
	return d
}

// settle lays down what the desk asks for, as a group commit does, and writes what was decided.
func (w *ward) settle(d *decision.Desk, made ...*decision.Decision) {
	for _, e := range d.Unalerted() {
		d.PutAlerts(e, w.alerts)
	}
	for _, e := range d.Unread() {
		d.PutHistory(e, w.facts)
	}
	rations := d.Rations("p")
	d.PutTold(rations, w.told)
	d.Settle()
	for _, m := range made {
		if m == nil {
			continue
		}
		w.write(m)
		w.events = append(w.events, m.Events...)
		for _, t := range m.Told {
			w.told[t.Ration] = t.Count
		}
	}
}

// sheet is a response whose total was found at a moment of the ward's clock, so many hours ago.
func (w *ward) sheet(id string, hours int, total float64) *decision.Input {
	in := response(id, 0, total)
	in.Record.Received = w.now
	in.Facts[0].At = w.now.Add(-time.Duration(hours) * time.Hour)
	return in
}

func (w *ward) send(inputs ...*decision.Input) {
	d := w.desk()
	var made []*decision.Decision
	for _, in := range inputs {
		for _, e := range d.Episodes(in) {
			if !d.HasEpisode(e) {
				d.PutEpisode(e, w.state)
			}
		}
		for _, e := range d.History(in) {
			d.PutHistory(e, w.facts)
		}
		dec, _ := d.Decide(in)
		made = append(made, dec)
	}
	w.settle(d, made...)
}

// after moves the clock and does what is due.
func (w *ward) after(d time.Duration) {
	w.now = w.now.Add(d)
	for range 64 {
		desk := w.desk()
		desk.PutEpisode("p", w.state)
		desk.PutAlerts("p", w.alerts)
		desk.PutTold(desk.Rations("p"), w.told)
		var due []string
		for _, a := range w.alerts {
			if !a.Due.IsZero() && !a.Due.After(w.now) {
				due = append(due, a.ID)
			}
		}
		moved := false
		for _, id := range due {
			if desk.DueHistory("p", id) {
				desk.PutHistory("p", w.facts)
			}
			if made := desk.Rouse("p", id); made != nil {
				w.settle(desk, made)
				moved = true
			}
		}
		if !moved {
			return
		}
	}
}

// ask sends a command of a person about the n-th alert.
func (w *ward) ask(t *testing.T, n int, verb alert.Verb) {
	t.Helper()
	w.as(t, n, verb, "Practitioner/1")
}

// as is ask by somebody in particular.
func (w *ward) as(t *testing.T, n int, verb alert.Verb, actor string) {
	t.Helper()
	w.do(t, n, alert.Command{Verb: verb, Actor: actor, Reason: "contacted", Until: w.now.Add(2 * time.Hour), To: "Practitioner/2"})
}

// do sends a command about the n-th alert as it is now.
func (w *ward) do(t *testing.T, n int, c alert.Command) {
	t.Helper()
	if err := w.try(n, c); err != nil {
		t.Fatal(err)
	}
}

func (w *ward) try(n int, c alert.Command) error {
	d := w.desk()
	d.PutEpisode("p", w.state)
	d.PutAlerts("p", w.alerts)
	c.Alert, c.Version, c.At = w.alerts[n].ID, w.alerts[n].Version, w.now
	made, _, err := d.Command("p", c)
	if err != nil {
		return err
	}
	w.settle(d, made)
	return nil
}

// stand tells of every alert the rule, the status, and the reason for it if there is one.
func (w *ward) stand() string {
	var all []string
	for _, a := range w.alerts {
		text := a.Rule + " " + string(a.Status)
		if because := a.Because(); because != "" {
			text += " for " + string(because)
		}
		all = append(all, text)
	}
	return strings.Join(all, ", ")
}

// heard are the events about alerts since it was last asked, with the feeds they went to beside all.
func (w *ward) heard() string {
	var all []string
	for _, e := range w.events {
		if strings.HasPrefix(string(e.Type), "alert.") {
			all = append(all, fmt.Sprint(strings.TrimPrefix(string(e.Type), "alert."), e.Feeds))
		}
	}
	w.events = nil
	return strings.Join(all, " ")
}

func (w *ward) stands(t *testing.T, want string) {
	t.Helper()
	if got := w.stand(); got != want {
		t.Errorf("it stands: %s\n\twant: %s", got, want)
	}
}

// over is a rule that finds something when a total begins to be at least so high.
func over(id string, least float64, severity judge.Severity, change func(*judge.Rule)) judge.Rule {
	r := judge.Rule{
		ID: id, Version: "1", Title: id, Severity: severity, On: []fact.Kind{fact.KindScores},
		When: func(v judge.View) (bool, error) {
			i := v.After.Instrument("phq-9", "patient")
			if i == nil {
				return false, nil
			}
			track, _ := i.Track("total")
			return track.Last.Value >= least, nil
		},
	}
	if change != nil {
		change(&r)
	}
	return r
}

// below clears when the total is at most so high.
func below(most float64) judge.Condition {
	return func(v judge.View) (bool, error) {
		track, _ := v.After.Instrument("phq-9", "patient").Track("total")
		return track.Last.Value <= most, nil
	}
}

// team makes a care team known, with a nurse and a physician.
func (w *ward) team(members ...fact.Member) {
	w.send(&decision.Input{
		Record:  recordOf("CareTeam", "t"),
		Subject: decision.Subject{Patient: "p"},
		Facts:   []fact.Fact{{ID: "team", Kind: fact.KindTeam, At: w.now.AddDate(0, 0, -60), Team: &fact.Team{ID: "t", Active: true, Members: members}}},
	})
	w.events = nil
}

func (w *ward) rations() string {
	var all []string
	for _, r := range slices.SortedFunc(maps.Keys(w.told), func(a, b alert.Ration) int { return strings.Compare(a.Role, b.Role) }) {
		all = append(all, fmt.Sprintf("%s of %s: %d", r.Role, r.Team, w.told[r]))
	}
	return strings.Join(all, ", ")
}

func recordOf(typ, id string) record.Record {
	return record.Record{Resource: ref.Resource{Type: typ, ID: id}, Source: "ehr", SourceID: id, Hash: [32]byte([]byte(fmt.Sprintf("%-32s", typ+id)))}
}
