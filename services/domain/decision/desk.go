package decision

import (
	"slices"
	"time"

	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/episode"
	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/judge"
	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/ref"
)

// Desk holds what was read for a group of inputs, and what earlier inputs of the group have decided,
// so that each input is judged as if those before it were already stored.
type Desk struct {
	parent *Desk
	rules  []judge.Rule
	terms  episode.Terms
	policy alert.Policy
	now    time.Time
	heads  map[ref.Resource]record.Head
	names  map[string]record.Alias
	keys   map[keyName]record.Key
	// unions lead from patients to those who were found to be the same.
	unions   map[ref.Patient]ref.Patient
	episodes map[ref.Episode]Known
	// unsettled are the findings of which it is still to be said what becomes of them, in the order they were made.
	unsettled []unsettled
	// held are the episodes whose facts were taken anew and that are still to be folded.
	held map[ref.Episode]held
	// told is what roles were told today, as far as it was laid down, and what this group has told since.
	told map[alert.Ration]int64
}

type keyName struct {
	source ref.Source
	name   string
}

// Known is what is known of one episode.
type Known struct {
	// State is nil when there is none yet.
	State *episode.State
	// Alerts are all of the episode's, once they were laid down.
	Alerts []alert.Alert
	// Alerted says that they were. Most inputs find nothing, and need none.
	Alerted bool
	// Facts that count, in the order of fact.Key, when Complete; otherwise those decided in this group.
	Facts []fact.Fact
	// Complete says that Facts holds the whole history.
	Complete bool
	// Superseded are the resources whose stored facts this group took back.
	Superseded []ref.Resource
}

// NewDesk is an empty desk at a moment.
func NewDesk(rules []judge.Rule, now time.Time) *Desk {
	return &Desk{
		rules: rules, now: now,
		heads: map[ref.Resource]record.Head{}, names: map[string]record.Alias{},
		keys: map[keyName]record.Key{}, episodes: map[ref.Episode]Known{},
		held: map[ref.Episode]held{}, unions: map[ref.Patient]ref.Patient{}, told: map[alert.Ration]int64{},
	}
}

// Under makes the terms those of all episodes on the desk; without it they are the usual ones. It returns the desk.
func (d *Desk) Under(t episode.Terms) *Desk {
	d.terms = t
	return d
}

// Telling makes a policy that of all alerts on the desk; without it nothing is held back. It returns the desk.
func (d *Desk) Telling(p alert.Policy) *Desk {
	d.policy = p
	return d
}

// fork is a desk on top of this one: what it decides is seen below only after join.
func (d *Desk) fork() *Desk {
	f := NewDesk(d.rules, d.now).Under(d.terms).Telling(d.policy)
	f.parent = d
	return f
}

// join makes the decisions of a fork the parent's own.
func (d *Desk) join() {
	for k, v := range d.heads {
		d.parent.heads[k] = v
	}
	for k, v := range d.names {
		d.parent.names[k] = v
	}
	for k, v := range d.unions {
		d.parent.unions[k] = v
	}
	for k, v := range d.keys {
		d.parent.keys[k] = v
	}
	for k, v := range d.episodes {
		d.parent.episodes[k] = v
	}
	d.parent.unsettled = append(d.parent.unsettled, d.unsettled...)
}

// PutHeads lays down what was read of resources.
func (d *Desk) PutHeads(heads map[ref.Resource]record.Head) {
	for k, v := range heads {
		d.heads[k] = v
	}
}

// PutNames lays down what was read of patients' other names.
func (d *Desk) PutNames(names map[string]record.Alias) {
	for k, v := range names {
		d.names[k] = v
	}
}

// PutKeys lays down what was read of idempotency keys.
func (d *Desk) PutKeys(source ref.Source, keys map[string]record.Key) {
	for k, v := range keys {
		d.keys[keyName{source, k}] = v
	}
}

// PutEpisode lays down the state of an episode; nil when it has none yet.
func (d *Desk) PutEpisode(e ref.Episode, state *episode.State) {
	d.episodes[e] = Known{State: state}
}

// PutAlerts lays down all stored alerts of an episode.
func (d *Desk) PutAlerts(e ref.Episode, alerts []alert.Alert) {
	known, _ := d.episode(e)
	known.Alerts, known.Alerted = alerts, true
	d.episodes[e] = known
}

// Alerted says whether the alerts of an episode were laid down.
func (d *Desk) Alerted(e ref.Episode) bool {
	known, _ := d.episode(e)
	return known.Alerted
}

// Unalerted are the episodes whose alerts must be laid down before Settle.
func (d *Desk) Unalerted() []ref.Episode {
	var found []ref.Episode
	for _, u := range d.unsettled {
		for _, e := range [2]ref.Episode{u.episode, u.from} {
			if known, _ := d.episode(e); e != "" && !known.Alerted && !slices.Contains(found, e) {
				found = append(found, e)
			}
		}
	}
	return found
}

// HasEpisode says whether an episode was laid down.
func (d *Desk) HasEpisode(e ref.Episode) bool {
	_, ok := d.episode(e)
	return ok
}

// PutHistory lays down all stored facts of an episode; what this group decided on it is kept on top. Once is enough.
func (d *Desk) PutHistory(e ref.Episode, stored []fact.Fact) {
	known, _ := d.episode(e)
	if known.Complete {
		return
	}
	kept := without(stored, known.Superseded)
	known.Facts = merge(kept, known.Facts)
	known.Complete = true
	d.episodes[e] = known
}

func (d *Desk) head(r ref.Resource) (record.Head, bool) {
	for at := d; at != nil; at = at.parent {
		if h, ok := at.heads[r]; ok {
			h.Patient = d.resolve(h.Patient)
			return h, true
		}
	}
	return record.Head{}, false
}

func (d *Desk) name(n string) (record.Alias, bool) {
	for at := d; at != nil; at = at.parent {
		if a, ok := at.names[n]; ok {
			a.Patient = d.resolve(a.Patient)
			return a, true
		}
	}
	return record.Alias{}, false
}

func (d *Desk) key(source ref.Source, name string) (record.Key, bool) {
	for at := d; at != nil; at = at.parent {
		if k, ok := at.keys[keyName{source, name}]; ok {
			return k, true
		}
	}
	return record.Key{}, false
}

func (d *Desk) episode(e ref.Episode) (Known, bool) {
	for at := d; at != nil; at = at.parent {
		if k, ok := at.episodes[e]; ok {
			return k, true
		}
	}
	return Known{}, false
}
