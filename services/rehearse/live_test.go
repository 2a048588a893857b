package rehearse_test

import (
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rapport-health/rapport/services/catalogue"
	"github.com/rapport-health/rapport/services/commit"
	"github.com/rapport-health/rapport/services/deadlines"
	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/judge"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/fhir"
	"github.com/rapport-health/rapport/services/ingest"
	"github.com/rapport-health/rapport/services/rehearse"
	"github.com/rapport-health/rapport/services/rules"
	"github.com/rapport-health/rapport/services/simulate"
	"github.com/rapport-health/rapport/services/store"
	"github.com/rapport-health/rapport/services/store/sqlite"
)

func config(t *testing.T, clinics ...simulate.Clinic) rehearse.Config {
	t.Helper()
	set, err := rules.Standard()
	if err != nil {
		t.Fatal(err)
	}
	loaded, err := catalogue.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	return rehearse.Config{Clinics: clinics, Rules: set.Rules, Policy: set.Policy, Catalogue: loaded, Log: slog.New(slog.DiscardHandler)}
}

// small is a clinic in which every archetype of the head occurs.
func small(patients int) simulate.Clinic {
	c := simulate.Default()
	c.Seed, c.Patients, c.Weeks = 5, patients, 10
	return c
}

func TestARehearsalRaisesWhatTheServiceRaises(t *testing.T) {
	clinic := small(16)
	c := config(t, clinic)
	report, err := rehearse.Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	rehearsed := map[string]int{}
	for _, v := range report.Volumes {
		if slices.ContainsFunc(c.Rules, func(r judge.Rule) bool { return r.ID == v.Detector }) && v.Alerts > 0 {
			rehearsed[v.Detector] = v.Alerts
		}
	}
	live := raisedIn(t, liveStore(t, c, clinic), clinic)
	if diff := cmp.Diff(live, rehearsed); diff != "" || len(live) < 4 {
		t.Errorf("alerts raised by rule (-live +rehearsed):\n%s", diff)
	}
}

// liveStore sends the clinic through ingest, group commit and the scheduler onto a database.
func liveStore(t *testing.T, c rehearse.Config, clinic simulate.Clinic) store.Store {
	t.Helper()
	return sent(t, c, clinic, false)
}

// loadedStore sends it all a year later, as when a clinic loads what it has.
func loadedStore(t *testing.T, c rehearse.Config, clinic simulate.Clinic) store.Store {
	t.Helper()
	return sent(t, c, clinic, true)
}

func sent(t *testing.T, c rehearse.Config, clinic simulate.Clinic, later bool) store.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "live.db"), sqlite.Options{Migrate: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	var clock atomic.Int64
	now := func() time.Time { return time.UnixMicro(clock.Load()).UTC() }
	grouping := commit.Default()
	grouping.Store, grouping.Now, grouping.Rules, grouping.Linger = s, now, func() ([]judge.Rule, alert.Policy) { return c.Rules, c.Policy }, 0
	group, err := commit.New(grouping)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = group.Stop(t.Context()) })
	scheduler, err := deadlines.New(deadlines.Config{
		Store: s, Directory: s, Group: group, Now: now, Every: time.Hour, Batch: 100, PerSecond: 1000, Pause: deadlines.Pause, Log: c.Log,
	})
	if err != nil {
		t.Fatal(err)
	}
	namer := ref.Namer{Home: simulate.EHR}
	door, err := ingest.New(ingest.Config{
		Group: group, Reader: &fhir.Reader{Instruments: c.Catalogue, Namer: namer}, Library: catalogue.NewLibrary(c.Catalogue, s, namer, now),
		Namer: namer, Now: now, Log: c.Log,
	})
	if err != nil {
		t.Fatal(err)
	}
	// The scheduler looks every so often; a rehearsal passes each deadline at its moment.
	sweepUntil := func(until time.Time) {
		for at := now().Truncate(time.Hour).Add(time.Hour); at.Before(until); at = at.Add(time.Hour) {
			clock.Store(at.UnixMicro())
			if at.Hour()%6 == 0 {
				if _, err := scheduler.Sweep(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		}
		clock.Store(until.UnixMicro())
		if _, err := scheduler.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	clock.Store(clinic.Start.UnixMicro())
	if later {
		clock.Store(clinic.Start.AddDate(1, 0, 0).UnixMicro())
	}
	for e := range clinic.Events() {
		if !later {
			sweepUntil(e.At)
		}
		if _, err := door.Accept(t.Context(), decision.Submission{Tenant: "default", Source: e.Source, Body: e.Body}); err != nil {
			t.Fatal(err)
		}
	}
	if !later {
		sweepUntil(clinic.Start.AddDate(0, 0, 7*clinic.Weeks))
	}
	return s
}

func raisedIn(t *testing.T, s store.Store, clinic simulate.Clinic) map[string]int {
	t.Helper()
	var episodes []ref.Episode
	for truth := range clinic.Truths() {
		episodes = append(episodes, ref.EpisodeOf(truth.Ref()))
	}
	raised := map[string]int{}
	err := s.View(t.Context(), "default", func(r store.Reader) error {
		alerts, err := r.AlertsOf(episodes)
		for _, of := range slices.Collect(maps.Values(alerts)) {
			for _, a := range of {
				if slices.ContainsFunc(a.History, func(s alert.Step) bool { return s.Status == alert.Open }) {
					raised[a.Rule]++
				}
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return raised
}
