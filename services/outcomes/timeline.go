package outcomes

import (
	"cmp"
	"context"
	"math"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
	"github.com/rapport-health/rapport/services/auth"
	"github.com/rapport-health/rapport/services/domain/access"
	"github.com/rapport-health/rapport/services/domain/episode"
	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/store"
	"github.com/rapport-health/rapport/services/wire"
)

// kind of a timeline's entries: whether it is one of facts, and whether it is shown without being asked for.
type kind struct {
	name        string
	fact, usual bool
}

var kinds = []kind{
	{string(fact.KindScores), true, true},
	{string(fact.KindExercise), true, true},
	{string(fact.KindPrescription), true, true},
	{string(fact.KindVisit), true, true},
	{string(fact.KindTeam), true, true},
	{string(fact.KindGoal), true, true},
	{string(fact.KindMeasure), true, true},
	{string(fact.KindCourse), true, true},
	{string(fact.KindDeath), true, true},
	{string(fact.KindRepair), true, true},
	{string(fact.KindClock), true, false},
	{wire.TimelineAlliance, false, true},
	{wire.TimelineView, false, true},
	{wire.TimelineAlert, false, true},
}

// spot orders a timeline: by time, then what happened before what followed from it.
type spot struct {
	At time.Time `json:"at"`
	// Rank is 0 for facts, 1 for what they meant to the alliance, 2 for views, 3 for alerts.
	Rank    int    `json:"rank,omitempty"`
	ID      string `json:"id"`
	Version int64  `json:"version,omitempty"`
}

func (s spot) compare(other spot) int {
	return cmp.Or(s.At.Compare(other.At), cmp.Compare(s.Rank, other.Rank), cmp.Compare(s.ID, other.ID), cmp.Compare(s.Version, other.Version))
}

// entry is one thing that happened; it is put into words only when its page is sent.
type entry struct {
	spot
	tell func() (*rapportv1.TimelineEntry, error)
}

// endOfTime is after everything that can have happened.
var endOfTime = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)

// asked is a TimelineRequest that holds.
type asked struct {
	// asks is who asked.
	asks        access.Principal
	patient     ref.Patient
	from, until time.Time
	kinds       map[string]bool
	superseded  bool
	oldest      bool
	size        int
	after       *spot
}

// Timeline returns a page of the course of an episode.
func (s *Server) Timeline(ctx context.Context, req *rapportv1.TimelineRequest) (*rapportv1.TimelineResponse, error) {
	p, err := auth.From(ctx)
	if err != nil {
		return nil, wire.Error(err)
	}
	a, err := timelineOf(req)
	if err != nil {
		return nil, wire.Error(err)
	}
	a.asks = p
	var entries []entry
	err = s.Store.View(ctx, p.Tenant, func(r store.Reader) (err error) {
		entries, err = a.read(r)
		return err
	})
	if err != nil {
		return nil, wire.Error(err)
	}
	resp, err := a.page(entries)
	return resp, wire.Error(err)
}

// timelineOf checks a request, and names everything that is wrong with it.
func timelineOf(req *rapportv1.TimelineRequest) (asked, error) {
	a := asked{
		until: endOfTime, kinds: map[string]bool{}, superseded: req.GetSuperseded(), oldest: req.GetOldestFirst(),
	}
	var issues []fault.Issue
	note := func(err error) { issues = append(issues, fault.IssuesOf(err)...) }
	var err error
	a.patient, err = patientOf(req.GetPatient())
	note(err)
	a.size, err = wire.PageSize(req.GetPageSize())
	note(err)
	if req.GetPageToken() != "" {
		after, err := wire.Place[spot](req.GetPageToken())
		note(err)
		a.after = &after
	}
	note(bound(&a.from, req.GetFrom(), "from"))
	note(bound(&a.until, req.GetUntil(), "until"))
	for _, name := range req.GetKinds() {
		if !slices.ContainsFunc(kinds, func(k kind) bool { return k.name == name }) {
			issues = append(issues, fault.Errorf("value", "kinds", "there is no such kind of entry"))
		}
		a.kinds[name] = true
	}
	for _, k := range kinds {
		if len(req.GetKinds()) == 0 && k.usual {
			a.kinds[k.name] = true
		}
	}
	if len(issues) > 0 {
		return a, fault.New(fault.Invalid, issues...)
	}
	return a, nil
}

func bound(to *time.Time, from *timestamppb.Timestamp, name string) error {
	if from == nil {
		return nil
	}
	if from.CheckValid() != nil {
		return fault.New(fault.Invalid, fault.Errorf("value", name, "no moment between the years 1 and 9999"))
	}
	*to = from.AsTime()
	return nil
}

// read gathers the entries that were asked for, in order.
func (a *asked) read(r store.Reader) ([]entry, error) {
	patient, err := store.KnownAs(r, a.patient)
	if err != nil {
		return nil, err
	}
	e := ref.EpisodeOf(patient)
	var entries []entry
	add := func(one entry) {
		if !one.At.Before(a.from) && one.At.Before(a.until) && a.beyond(one.spot) {
			entries = append(entries, one)
		}
	}
	for _, read := range []func() error{
		func() error { return a.facts(r, e, add) },
		func() error { return a.former(r, e, add) },
		func() error { return a.turns(r, patient, add) },
		func() error { return a.steps(r, e, add) },
	} {
		if err := read(); err != nil {
			return nil, err
		}
	}
	if len(entries) == 0 {
		if err := anything(r, e); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(entries, func(x, y entry) int { return a.order(x.spot, y.spot) })
	return entries, nil
}

// lastID is above every id of a fact.
const lastID = "~"

// facts adds as many facts as the page may hold, and one more, by which it is told that there are others. They are read
// by their keys: how long the history is makes no difference.
func (a *asked) facts(r store.Reader, e ref.Episode, add func(entry)) error {
	q := fact.Page{From: a.from, Newest: !a.oldest, Max: a.size + 1}
	if a.until.Before(endOfTime) {
		q.Until = a.until
	}
	for _, k := range kinds {
		if k.fact && a.kinds[k.name] {
			q.Kinds = append(q.Kinds, fact.Kind(k.name))
		}
	}
	switch {
	case len(q.Kinds) == 0:
		return nil
	case a.superseded:
		q.Max = math.MaxInt32 // what no longer counts has the same keys
	case a.after != nil:
		q.After = &fact.Key{At: a.after.At, ID: a.after.ID}
		if a.after.Rank > 0 {
			q.After.ID = lastID // what facts meant stands after every fact of its moment
		}
	}
	found, err := r.FactsBy(e, q)
	for _, f := range found {
		add(factEntry(f))
	}
	return err
}

// anything fails with NotFound when an episode has never been begun.
func anything(r store.Reader, e ref.Episode) error {
	states, err := r.States([]ref.Episode{e})
	if err == nil && states[e] == nil {
		err = unknown()
	}
	return err
}

func (a *asked) order(x, y spot) int {
	if a.oldest {
		return x.compare(y)
	}
	return y.compare(x)
}

// beyond says whether an entry lies behind the last page.
func (a *asked) beyond(s spot) bool { return a.after == nil || a.order(s, *a.after) > 0 }

func factEntry(f fact.Fact) entry {
	return entry{spot{At: f.At, ID: f.ID, Version: f.Source.Version}, func() (*rapportv1.TimelineEntry, error) { return wire.FactEntry(f) }}
}

// former adds the facts of an episode that no longer count, where they were asked for.
func (a *asked) former(r store.Reader, e ref.Episode, add func(entry)) error {
	for _, k := range kinds {
		if !a.superseded || !k.fact || !a.kinds[k.name] {
			continue
		}
		taken, err := r.TakenIn(e, fact.Kind(k.name))
		if err != nil {
			return err
		}
		for _, one := range formerOf(taken) {
			add(one)
		}
	}
	return nil
}

// formerOf are those of the facts ever taken that no longer count, marked as such.
func formerOf(taken []fact.Taken) []entry {
	var entries []entry
	for _, t := range taken {
		if t.Superseded {
			entries = append(entries, formerEntry(t.Fact, successor(taken, t)))
		}
	}
	return entries
}

// successor is the version of its source from which a fact was taken anew; zero when there is none.
func successor(taken []fact.Taken, of fact.Taken) (next ref.Resource) {
	for _, t := range taken {
		later := t.ID == of.ID && t.Source.Unversioned() == of.Source.Unversioned() && t.Source.Version > of.Source.Version
		if later && (next.Version == 0 || t.Source.Version < next.Version) {
			next = t.Source
		}
	}
	return next
}

func formerEntry(f fact.Fact, next ref.Resource) entry {
	return entry{spot{At: f.At, ID: f.ID, Version: f.Source.Version}, func() (*rapportv1.TimelineEntry, error) {
		out, err := wire.FactEntry(f)
		if err != nil {
			return nil, err
		}
		out.Superseded, out.SupersededBy = true, next.String()
		return out, nil
	}}
}

// turns adds what the facts meant to the alliance and to the view, where that was asked for: to know it all of them are
// walked.
func (a *asked) turns(r store.Reader, p ref.Patient, add func(entry)) error {
	if !a.kinds[wire.TimelineAlliance] && !a.kinds[wire.TimelineView] {
		return nil
	}
	e := ref.EpisodeOf(p)
	found, err := r.Facts([]ref.Episode{e})
	if err != nil {
		return err
	}
	terms, err := termsOf(r, e)
	if err != nil {
		return err
	}
	a.told(terms.Walk(p, found[e]).Turns, add)
	return nil
}

func (a *asked) told(turns []episode.Turn, add func(entry)) {
	for _, t := range turns {
		at := spot{At: t.Fact.At, ID: t.Fact.ID}
		if t.Dyad != nil && a.kinds[wire.TimelineAlliance] {
			at.Rank = 1
			add(entry{at, func() (*rapportv1.TimelineEntry, error) { return wire.AllianceEntry(t), nil }})
		}
		for n, b := range t.Breaks {
			if a.kinds[wire.TimelineAlliance] {
				at.Rank, at.Version = 1, int64(n)+1
				add(entry{at, func() (*rapportv1.TimelineEntry, error) { return wire.BreakEntry(t, b), nil }})
			}
		}
		at.Version = 0
		if t.Viewed() && a.kinds[wire.TimelineView] {
			at.Rank = 2
			add(entry{at, func() (*rapportv1.TimelineEntry, error) { return wire.ViewEntry(t), nil }})
		}
	}
}

// steps adds those that alerts took.
func (a *asked) steps(r store.Reader, e ref.Episode, add func(entry)) error {
	if !a.kinds[wire.TimelineAlert] {
		return nil
	}
	alerts, err := r.AlertsOf([]ref.Episode{e})
	for _, one := range alerts[e] {
		sight, _ := one.As(a.asks) // what is not for this reader has no history
		for n, step := range sight.History {
			at := spot{At: step.Time, Rank: 3, ID: one.ID, Version: step.Version}
			add(entry{at, func() (*rapportv1.TimelineEntry, error) { return wire.AlertEntry(sight.Alert, n), nil }})
		}
	}
	return err
}

// pageBytes ends a page that holds so much.
const pageBytes = 512 << 10

// page puts the first entries into words.
func (a *asked) page(entries []entry) (*rapportv1.TimelineResponse, error) {
	resp := &rapportv1.TimelineResponse{}
	bytes := 0
	for n, one := range entries {
		if n == a.size || bytes >= pageBytes {
			resp.NextPageToken = wire.PageToken(entries[n-1].spot)
			break
		}
		told, err := one.tell()
		if err != nil {
			return nil, err
		}
		bytes += proto.Size(told)
		resp.Entries = append(resp.Entries, told)
	}
	return resp, nil
}
