package server

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/episode"
	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/store"
	"github.com/rapport-health/rapport/services/store/postgres"
	"github.com/rapport-health/rapport/services/store/sqlite"
)

// Report is what Verify found.
type Report struct {
	Tenants  int `json:"tenants"`
	Feeds    int `json:"feeds"`
	Events   int `json:"events"`
	Episodes int `json:"episodes"`
	Facts    int `json:"facts"`
	Alerts   int `json:"alerts"`
	// Problems say what is wrong, without patient data; none when everything is as it must be.
	Problems []string `json:"problems,omitempty"`
}

// The sizes of what is read at once.
const (
	eventPage   = 1000
	episodePage = 200
)

// Verify checks the invariants of a database, reading only. A server may go on writing to PostgreSQL meanwhile. A sealed one
// needs its master key, as Config.MasterKey names it.
func Verify(ctx context.Context, named string, progress func(string), masterKey ...string) (*Report, error) {
	opened, err := openReadOnly(ctx, named, masterKey...)
	if err != nil {
		return nil, err
	}
	defer opened.Close()
	tenants, err := opened.Tenants(ctx)
	if err != nil {
		return nil, err
	}
	report := &Report{Tenants: len(tenants)}
	for _, t := range tenants {
		v := verifier{report, opened, t, progress}
		if err := v.feeds(ctx); err != nil {
			return nil, err
		}
		if err := v.episodes(ctx); err != nil {
			return nil, err
		}
	}
	return report, nil
}

func openReadOnly(ctx context.Context, named string, masterKey ...string) (engine, error) {
	kind, place, err := storeOf(named)
	if err != nil {
		return nil, err
	}
	master, err := masterOf(masterKey)
	if err != nil {
		return nil, err
	}
	if kind == "sqlite" {
		return sqlite.OpenReadOnly(ctx, place, master)
	}
	return postgres.Open(ctx, place, postgres.Options{Master: master})
}

// Migrate brings a database to this binary's schema and returns the versions before and after.
func Migrate(ctx context.Context, named string) (from, to int64, err error) {
	kind, place, err := storeOf(named)
	if err != nil {
		return 0, 0, err
	}
	if kind == "sqlite" {
		return sqlite.Migrate(ctx, place)
	}
	return postgres.Migrate(ctx, place)
}

type verifier struct {
	*Report
	store    engine
	tenant   ref.Tenant
	progress func(string)
}

func (v *verifier) wrong(format string, args ...any) {
	v.Problems = append(v.Problems, fmt.Sprintf("tenant %s: ", v.tenant)+fmt.Sprintf(format, args...))
}

// feeds checks that every feed is numbered without a hole, and that what stands in a team's feed stands in All.
func (v *verifier) feeds(ctx context.Context) error {
	var extents []feed.Extent
	err := v.store.View(ctx, v.tenant, func(r store.Reader) (err error) {
		extents, err = r.Extents()
		return err
	})
	if err != nil {
		return err
	}
	for _, x := range extents {
		v.Feeds++
		if err := v.feed(ctx, x); err != nil {
			return err
		}
	}
	return nil
}

func (v *verifier) feed(ctx context.Context, x feed.Extent) error {
	if x.First < 1 || x.First > x.Last+1 {
		v.wrong("feed %s: keeps %d to %d", x.Feed, x.First, x.Last)
		return nil
	}
	seen := map[string]bool{}
	for after := x.First - 1; after < x.Last; {
		events, err := v.store.Since(ctx, feed.Cursor{Tenant: v.tenant, Feed: x.Feed, After: after}, eventPage)
		if err != nil {
			return err
		}
		if len(events) == 0 {
			v.wrong("feed %s: events %d to %d are missing", x.Feed, after+1, x.Last)
			return nil
		}
		for _, e := range events {
			if e.Seq != after+1 {
				v.wrong("feed %s: event %d follows event %d", x.Feed, e.Seq, after)
			}
			if x.Feed == feed.All && e.TenantSeq != e.Seq {
				v.wrong("feed %s: event %d has the tenant's number %d", x.Feed, e.Seq, e.TenantSeq)
			}
			if seen[e.ID] {
				v.wrong("feed %s: event %s stands twice", x.Feed, e.ID)
			}
			seen[e.ID] = true
			after = e.Seq
			v.Events++
		}
		v.progress(fmt.Sprintf("feed %s: %d of %d events", x.Feed, after, x.Last))
	}
	return nil
}

// episodes checks that every state equals its facts folded from scratch, and that every alert has the facts behind it.
func (v *verifier) episodes(ctx context.Context) error {
	var last ref.Episode
	for {
		var page []ref.Episode
		err := v.store.View(ctx, v.tenant, func(r store.Reader) (err error) {
			if page, err = r.EpisodesAfter(last, episodePage); err != nil || len(page) == 0 {
				return err
			}
			return v.page(r, page)
		})
		if err != nil {
			return err
		}
		if len(page) == 0 {
			return nil
		}
		last = page[len(page)-1]
		v.progress(fmt.Sprintf("%d episodes", v.Episodes))
	}
}

func (v *verifier) page(r store.Reader, page []ref.Episode) error {
	states, err := r.States(page)
	if err != nil {
		return err
	}
	facts, err := r.Facts(page)
	if err != nil {
		return err
	}
	alerts, err := r.AlertsOf(page)
	if err != nil {
		return err
	}
	for _, e := range page {
		v.Episodes++
		v.Facts += len(facts[e])
		v.Alerts += len(alerts[e])
		v.state(e, states[e], facts[e])
		v.alerts(alerts[e], facts[e])
	}
	return nil
}

func (v *verifier) state(e ref.Episode, stored *episode.State, facts []fact.Fact) {
	if stored == nil {
		v.wrong("episode %s: has no state", e)
		return
	}
	if stored.Form != episode.Form {
		return // laid out by another version; the next fact folds it anew
	}
	folded := stored.Terms().New(stored.Patient).Replay(facts)
	a, errA := json.Marshal(stored)
	b, errB := json.Marshal(folded)
	if errA != nil || errB != nil || !bytes.Equal(a, b) {
		v.wrong("episode %s: the stored state differs from its %d facts folded from scratch", e, len(facts))
	}
}

func (v *verifier) alerts(alerts []alert.Alert, facts []fact.Fact) {
	known := make(map[string]bool, len(facts))
	for _, f := range facts {
		known[f.ID] = true
	}
	for _, a := range alerts {
		if a.Status == alert.Retracted {
			continue
		}
		for _, id := range a.Facts {
			if !known[id] {
				v.wrong("alert %s: is %s, but a fact behind it does not count any more", a.ID, a.Status)
			}
		}
		if int64(len(a.History)) != a.Version {
			v.wrong("alert %s: is at version %d with %d steps", a.ID, a.Version, len(a.History))
		}
	}
}
