package decision_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/judge"
)

// paging are the events that ask somebody to take an alert.
var paging = []feed.Type{feed.Opened, feed.Escalated, feed.Woken, feed.Paged}

// shift is a ward under rules in which people and the clock take turns, with what must be true of it kept beside it.
type shift struct {
	*ward
	totals map[string]float64
	at     map[string]time.Time
}

func newShift(rules ...judge.Rule) *shift {
	s := &shift{newWard(rules...), map[string]float64{}, map[string]time.Time{}}
	s.team(twoMembers...)
	return s
}

// sheetNames are the forms of the patient, one a day, oldest first.
var sheetNames = []string{"a", "b", "c", "d", "e", "f"}

// hear sends a form, corrects it, or withdraws it where the total is below zero.
func (s *shift) hear(id string, total float64) {
	at, known := s.at[id]
	if !known {
		at = now.Add(-time.Duration(24*(len(sheetNames)-slices.Index(sheetNames, id))) * time.Hour)
		s.at[id] = at
	}
	in := response(id, 0, total)
	in.Record.Hash = [32]byte([]byte(fmt.Sprintf("%-32s", fmt.Sprint(id, total))))
	in.Record.Received, in.Facts[0].At = s.now, at
	if total < 0 {
		in.Facts = nil
		delete(s.totals, id)
	} else {
		s.totals[id] = total
	}
	s.send(in)
}

// spans are the forms at which the total begins to be high, in order.
func (s *shift) spans() (begun []string) {
	was := false
	for _, id := range sheetNames {
		total, known := s.totals[id]
		if !known {
			continue
		}
		if total >= 10 && !was {
			begun = append(begun, "f"+id)
		}
		was = total >= 10
	}
	return begun
}

// holds says whether the last total is high.
func (s *shift) holds() bool {
	last := 0.0
	for _, id := range sheetNames {
		if total, known := s.totals[id]; known {
			last = total
		}
	}
	return last >= 10
}

// whose is the alert on a form at which the total begins to be high; nil when there is none.
func (s *shift) whose(fact string) *alert.Alert {
	for i, a := range s.alerts {
		if a.Status != alert.Retracted && a.Facts[0] == fact {
			return &s.alerts[i]
		}
	}
	return nil
}

func TestWhateverComesLateAndWhoeverActsNobodyIsPagedTwiceAndNothingIsLost(t *testing.T) {
	for n := range 4 {
		rule := over("high", 10, judge.High, func(r *judge.Rule) {
			r.Roles, r.EachRole = []string{"nurse", "physician"}, n%2 == 1
			r.Ladder = []judge.Rung{{After: time.Hour, Roles: []string{"lead"}}}
			if n >= 2 {
				crossing(r)
			}
		})
		rapid.Check(t, func(t *rapid.T) {
			s := newShift(rule)
			for range rapid.IntRange(1, 20).Draw(t, "turns") {
				before := slices.Clone(s.alerts)
				s.events = nil
				switch rapid.SampledFrom([]string{"form", "form", "withdrawn", "somebody", "clock"}).Draw(t, "turn") {
				case "form":
					s.hear(rapid.SampledFrom(sheetNames).Draw(t, "id"), float64(rapid.SampledFrom([]int{4, 14, 16}).Draw(t, "total")))
				case "withdrawn":
					if id := rapid.SampledFrom(sheetNames).Draw(t, "id"); s.totals[id] > 0 {
						s.hear(id, -1)
					}
				case "somebody":
					if len(s.alerts) == 0 {
						continue
					}
					verb := rapid.SampledFrom([]alert.Verb{alert.Acknowledge, alert.Acknowledge, alert.Snooze, alert.Resolve, alert.Reassign}).Draw(t, "verb")
					actor := rapid.SampledFrom([]string{"Practitioner/n", "Practitioner/m"}).Draw(t, "actor")
					n := rapid.IntRange(0, len(s.alerts)-1).Draw(t, "alert")
					_ = s.try(n, alert.Command{Verb: verb, Actor: actor, Reason: "contacted", Until: s.now.Add(2 * time.Hour), To: "Practitioner/n"}) // what the table refuses is no turn
				case "clock":
					s.after(time.Duration(rapid.IntRange(1, 90).Draw(t, "minutes")) * time.Minute)
				}
				s.check(t, before)
			}
		})
	}
}

// check holds the ward to its promises after a turn, given the alerts before it.
func (s *shift) check(t *rapid.T, before []alert.Alert) {
	t.Helper()
	handled := map[string]bool{} // alerts that somebody has in hand, or had
	for _, a := range s.alerts {
		was := slices.IndexFunc(before, func(b alert.Alert) bool { return b.ID == a.ID })
		if was < 0 || before[was].Status != alert.Acknowledged && before[was].Status != alert.Resolved || a.Status != before[was].Status {
			continue
		}
		handled[a.ID] = true
	}
	for _, e := range s.events {
		for id := range handled {
			if slices.Contains(paging, e.Type) && strings.Contains(string(e.Data), id) && strings.Contains(string(e.Data), `"id":"`+id+`"`) {
				t.Fatalf("%s of %s, which somebody has: %s", e.Type, id, s.stand())
			}
		}
	}
	for _, b := range before {
		if b.Status == alert.Acknowledged || b.Status == alert.Resolved {
			s.kept(t, before, b)
		}
	}
	ids := map[string]bool{}
	live := 0
	for _, a := range s.alerts {
		if ids[a.ID] {
			t.Fatalf("two alerts are called %s", a.ID)
		}
		ids[a.ID] = true
		if a.Live() {
			live++
		}
	}
	begun := s.spans()
	for _, f := range begun {
		if s.whose(f) == nil {
			t.Fatalf("nothing says that it is high since %s of %v: %s", f, s.totals, s.stand())
		}
	}
	if !s.holds() || live > 0 {
		return
	}
	if last := s.whose(begun[len(begun)-1]); last.Status != alert.Resolved && !s.resolvedWithin(begun[len(begun)-1]) {
		t.Fatalf("it is high since %s and nobody has it or had it (%s): %s", begun[len(begun)-1], s.said(), s.stand())
	}
}

// kept wants of what somebody had in hand, or has handled, that it is not taken back while what it said is true, unless
// another alert was told before that says the same.
func (s *shift) kept(t *rapid.T, all []alert.Alert, before alert.Alert) {
	t.Helper()
	i := slices.IndexFunc(s.alerts, func(a alert.Alert) bool { return a.ID == before.ID })
	if s.alerts[i].Status != alert.Retracted || s.totals[strings.TrimPrefix(before.Facts[0], "f")] < 10 {
		return
	}
	begun := s.spans()
	since := slices.IndexFunc(begun, func(f string) bool { return f > before.Facts[0] })
	if since < 0 {
		since = len(begun)
	}
	same := s.whose(begun[since-1])
	if !same.Live() && same.Status != alert.Resolved || !slices.ContainsFunc(all, func(a alert.Alert) bool { return a.ID == same.ID }) {
		t.Fatalf("%s was %s and is taken back, and it is high since %s (%s): %s", before.Facts[0], before.Status, begun[since-1], s.said(), s.stand())
	}
}

// resolvedWithin says whether something was resolved behind which a finding hides.
func (s *shift) resolvedWithin(fact string) bool {
	a := s.whose(fact)
	return a != nil && a.Status == alert.Suppressed && slices.ContainsFunc(s.alerts, func(b alert.Alert) bool {
		return b.ID == a.SuppressedBy && b.Status == alert.Resolved
	})
}

func (s *shift) said() string {
	var all []string
	for _, id := range sheetNames {
		if total, known := s.totals[id]; known {
			all = append(all, fmt.Sprint(id, " ", total))
		}
	}
	return strings.Join(all, ", ")
}

func TestWhereNobodyActsTheSameAlertsStandInWhateverOrderTheFormsCame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rule := over("high", 10, judge.High, nil)
		if rapid.Bool().Draw(t, "of the change") {
			crossing(&rule)
		}
		final := map[string]float64{}
		for _, id := range sheetNames[:rapid.IntRange(1, len(sheetNames)).Draw(t, "forms")] {
			final[id] = float64(rapid.SampledFrom([]int{4, 14}).Draw(t, "total"))
		}
		ids := slices.Sorted(maps.Keys(final))
		stands := func(order []string, first map[string]float64) string {
			s := newShift(rule)
			for _, id := range order {
				if total, wrong := first[id]; wrong {
					s.hear(id, total)
				}
			}
			for _, id := range order {
				s.hear(id, final[id])
			}
			var all []string
			for _, a := range s.alerts {
				if a.Live() || a.Status == alert.Suppressed {
					all = append(all, a.Facts[0])
				}
			}
			slices.Sort(all)
			return strings.Join(all, " ")
		}
		wrong := map[string]float64{}
		for _, id := range ids {
			if rapid.Bool().Draw(t, "was wrong") {
				wrong[id] = float64(rapid.SampledFrom([]int{4, 14}).Draw(t, "first"))
			}
		}
		want := stands(ids, nil)
		if got := stands(rapid.Permutation(ids).Draw(t, "order"), wrong); got != want {
			t.Fatalf("%v: findings %q, in order %q", final, got, want)
		}
	})
}
