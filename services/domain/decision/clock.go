package decision

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/ref"
)

// maxTicks bounds how many deadlines of one episode are passed in one decision; the next sweep goes on.
const maxTicks = 64

// NextTick is the deadline of an episode when it has passed; false when it has not.
func (d *Desk) NextTick(e ref.Episode) (time.Time, bool) {
	known, ok := d.episode(e)
	if !ok || known.State == nil || known.State.Deadline.IsZero() || known.State.Deadline.After(d.now) {
		return time.Time{}, false
	}
	return known.State.Deadline, true
}

// TickHistory says whether Tick needs the whole history of an episode: when its deadline lies before a fact already folded.
func (d *Desk) TickHistory(e ref.Episode) bool {
	known, _ := d.episode(e)
	return known.State != nil && !known.Complete &&
		(!known.State.Current(d.terms) || !known.State.Deadline.IsZero() && !known.State.Deadline.After(known.State.Last.At))
}

// Tick turns the passed deadlines of an episode into facts, in order. It is nil when none has passed.
func (d *Desk) Tick(e ref.Episode) *Decision {
	dec := &Decision{}
	for range maxTicks {
		if !d.tick(dec, e) {
			break
		}
	}
	if len(dec.Facts) == 0 {
		return nil
	}
	return dec
}

// TickOnce turns the next passed deadline of an episode into a fact. It is nil when none has passed.
func (d *Desk) TickOnce(e ref.Episode) *Decision {
	dec := &Decision{}
	if !d.tick(dec, e) {
		return nil
	}
	return dec
}

// tick passes the next deadline of an episode; false when none has passed.
func (d *Desk) tick(dec *Decision, e ref.Episode) bool {
	at, passed := d.NextTick(e)
	if !passed {
		return false
	}
	known, _ := d.episode(e)
	f := fact.Fact{
		ID: ref.Digest("clock", string(e), at.UTC().Format(time.RFC3339Nano)), Kind: fact.KindClock,
		At: at, Recorded: d.now, Clock: &fact.Clock{},
	}
	dec.Facts = append(dec.Facts, Fact{Episode: e, Fact: f})
	dec.Events = append(dec.Events, elapsed(known.State.Patient, f, d.now))
	d.advance(dec, known.State.Patient, nil, []fact.Fact{f})
	return true
}

func elapsed(p ref.Patient, f fact.Fact, now time.Time) feed.Draft {
	data, _ := json.Marshal(struct {
		Outcome string      `json:"outcome"`
		Source  ref.Source  `json:"source"`
		Facts   []fact.Kind `json:"facts"`
	}{"OUTCOME_SCORED", stubSource, []fact.Kind{fact.KindClock}})
	return feed.Draft{ID: ref.Digest("event", f.ID), Type: feed.Elapsed, Time: now, Subject: p.Reference(), Data: data}
}

// Command takes one step in an alert's life at a caller's wish. The alert's episode and its
// alerts lie on the desk, and what was found before is settled.
// The decision is nil when the command was answered before. Errors: NotFound, and those of alert.Lifecycle.
func (d *Desk) Command(e ref.Episode, c alert.Command) (*Decision, alert.Alert, error) {
	known, _ := d.episode(e)
	i := slices.IndexFunc(known.Alerts, func(a alert.Alert) bool { return a.ID == c.Alert })
	if i < 0 {
		return nil, alert.Alert{}, fault.Newf(fault.NotFound, "not-found", "no alert has this id")
	}
	a, b := known.Alerts[i], d.board(nil, e, known, known.State)
	b.demand(&a)
	if c.Verb == alert.Reassign {
		b.hand(&a, c.To)
	}
	next, event, err := alert.Lifecycle(a, c)
	if err != nil || event == nil {
		return nil, next, err
	}
	known.Alerts = slices.Clone(known.Alerts)
	known.Alerts[i] = next
	d.episodes[e] = known
	return &Decision{Alerts: []alert.Alert{next}, Events: []feed.Draft{*event}}, next, nil
}
