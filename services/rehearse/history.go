package rehearse

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/episode"
	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/judge"
	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/store"
)

// Book is a set of rules with the policy of telling that goes with them.
type Book struct {
	// Name of it in a report, such as a file and a version.
	Name   string
	Rules  []judge.Rule
	Policy alert.Policy
}

// History is what was stored of a tenant, to be played through rules once more.
type History struct {
	// Store is read, episode by episode.
	Store store.Store
	// Tenant whose history it is.
	Tenant ref.Tenant
	// Since and Until bound the alerts that are counted; whatever happened before Since is played, too.
	Since, Until time.Time
	// Try are the rules to try.
	Try Book
	// Against are the rules that they are held against; nil holds them against the alerts that are stored.
	Against *Book
	// Live plays each fact as if it had been heard of when it happened. Without it a fact comes in when it was recorded, so
	// that what was loaded from elsewhere is history, and muted.
	Live bool
	// Played, when set, hears after each episode how many were played so far.
	Played func(episodes int)
}

// historyPage is how many episodes are read at once.
const historyPage = 32

// Backtest plays a history and counts what the rules would have raised, held back and dropped. The facts that count today
// are played: what was corrected since is played as corrected. What people did with a stored alert is done again with the
// same alert where the rules raise it. Errors: of the store; of ctx when it ends.
func Backtest(ctx context.Context, h History) (*Comparison, error) {
	if h.Store == nil || h.Until.Before(h.Since) {
		return nil, errors.New("rehearse: Store and a Since before Until are required")
	}
	c := newComparison(h)
	for last := ref.Episode(""); ; {
		page, err := h.page(ctx, last)
		if err != nil {
			return nil, err
		}
		if len(page) == 0 {
			return c.report(), nil
		}
		for _, one := range page {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			c.episode(h, one)
			if h.Played != nil {
				h.Played(c.episodes)
			}
		}
		last = page[len(page)-1].episode
	}
}

// past is what is stored of one episode.
type past struct {
	episode ref.Episode
	patient ref.Patient
	terms   episode.Terms
	facts   []fact.Fact
	alerts  []alert.Alert
}

// page reads the episodes after one; none when it was the last.
func (h History) page(ctx context.Context, after ref.Episode) (page []past, err error) {
	err = h.Store.View(ctx, h.Tenant, func(r store.Reader) error {
		page = nil
		ids, err := r.EpisodesAfter(after, historyPage)
		if err != nil || len(ids) == 0 {
			return err
		}
		states, err := r.States(ids)
		if err != nil {
			return err
		}
		facts, err := r.Facts(ids)
		if err != nil {
			return err
		}
		alerts, err := r.AlertsOf(ids)
		if err != nil {
			return err
		}
		for _, id := range ids {
			one := past{episode: id, facts: facts[id], alerts: alerts[id]}
			if s := states[id]; s != nil {
				one.patient, one.terms = s.Patient, s.Terms()
			}
			page = append(page, one)
		}
		return nil
	})
	return page, err
}

// event is one thing that happens in a replay: facts that come in together, or what somebody does with an alert.
type event struct {
	at    time.Time
	facts []fact.Fact
	deed  *alert.Command
}

// play plays an episode through rules and gives its alerts.
func (h History) play(b Book, p past) []alert.Alert {
	w := newWard(b.Rules, b.Policy, 0)
	w.terms = p.terms
	for i, e := range h.events(p) {
		for {
			if made, _ := w.tick(e.at); made == nil {
				break
			}
		}
		if e.deed != nil {
			w.do(ref.EpisodeOf(p.patient), *e.deed)
			continue
		}
		source := ref.Resource{Type: "Basic", ID: ref.Digest("replay", e.facts[0].Source.String(), strconv.Itoa(i))}
		w.take(e.at, []decision.Input{{
			Record:  record.Record{Resource: source, Source: "replay", SourceID: source.ID, Hash: sha256.Sum256([]byte(source.ID)), Received: e.at},
			Subject: decision.Subject{Patient: p.patient}, Facts: e.facts,
		}}, false)
	}
	for {
		if made, _ := w.tick(h.Until); made == nil {
			break
		}
	}
	return w.stay(ref.EpisodeOf(p.patient)).alerts
}

// events of an episode up to Until, in order. The clock tells its own.
func (h History) events(p past) (events []event) {
	type arrival struct {
		at   time.Time
		from ref.Resource
	}
	of := map[arrival]int{}
	for _, f := range p.facts {
		at := f.Recorded
		if h.Live || at.IsZero() {
			at = f.At
		}
		if f.Kind == fact.KindClock || at.After(h.Until) {
			continue
		}
		key := arrival{at, f.Source.Unversioned()}
		i, is := of[key]
		if !is {
			i = len(events)
			of[key], events = i, append(events, event{at: at})
		}
		events[i].facts = append(events[i].facts, f)
	}
	for _, a := range p.alerts {
		for _, s := range a.History {
			if d := deed(a, s); d != nil && !s.Time.After(h.Until) {
				events = append(events, event{at: s.Time, deed: d})
			}
		}
	}
	slices.SortStableFunc(events, func(a, b event) int {
		return cmp.Or(a.at.Compare(b.at), cmp.Compare(boolInt(a.deed != nil), boolInt(b.deed != nil)))
	})
	return events
}

// deed is what somebody did in a step of an alert; nil where the service itself did it, or nothing that changes what follows.
func deed(a alert.Alert, s alert.Step) *alert.Command {
	verb := s.Verb
	if verb == "" { // written before steps said what was done
		verb = map[alert.Status]alert.Verb{alert.Acknowledged: alert.Acknowledge, alert.Resolved: alert.Resolve}[s.Status]
	}
	switch {
	case s.Actor == alert.Service:
		return nil
	case verb != alert.Acknowledge && verb != alert.Resolve && verb != alert.Snooze:
		return nil
	}
	return &alert.Command{Alert: a.ID, Verb: verb, Actor: s.Actor, Role: s.Role, Reason: s.Reason, Until: s.Until, At: s.Time}
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}
