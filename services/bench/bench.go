// Package bench measures a server under load beside the floor of its machine, and kills servers and counts what is lost.
package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"runtime"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/rapport-health/rapport/api/client"
)

// Config of a measuring run.
type Config struct {
	// Binary makes a command of the binary under test; `serve` is among its commands.
	Binary Command
	// Stores to measure, Postgres and SQLite.
	Stores []string
	// Slice is how long each load lasts in all.
	Slice time.Duration
	// Patients answer in turn, 128 or more, so that each of 128 clients has one.
	Patients int
	// Profiles is a folder for processor profiles of the server, one per load; empty for none.
	Profiles string
	// Progress takes a line before each phase.
	Progress io.Writer
}

// missing names what every kind of run needs and does not have.
func missing(stores []string, binary Command, progress io.Writer) (wrong []error) {
	for _, store := range stores {
		if store != Postgres && store != SQLite {
			wrong = append(wrong, fmt.Errorf("no store is called %q: want postgres or sqlite", store))
		}
	}
	if len(stores) == 0 || binary == nil || progress == nil {
		wrong = append(wrong, errors.New("bench: Stores, Binary and Progress are required"))
	}
	return wrong
}

// Validate names everything that is wrong.
func (c Config) Validate() error {
	wrong := missing(c.Stores, c.Binary, c.Progress)
	if c.Slice < 200*time.Millisecond {
		wrong = append(wrong, errors.New("a load must last at least 0.2 s"))
	}
	if c.Patients < mostClients {
		wrong = append(wrong, fmt.Errorf("%d patients are too few: each of %d clients needs one", c.Patients, mostClients))
	}
	return errors.Join(wrong...)
}

// mostClients is how many concurrent clients there are at most.
const mostClients = 128

// turns is how often each load and each floor takes its turn, so that all of them meet the same good and bad moments
// of the machine.
const turns = 2

// load is one kind of load.
type load struct {
	kind           Kind
	clients, items int
}

// loads in the order of their turns.
var loads = []load{
	{Calls, 1, 1},
	{Calls, 8, 1},
	{Calls, 32, 1},
	{Calls, mostClients, 1},
	{Streams, 1, 1},
	{Streams, 4, 1},
	{Calls, 4, 200},
}

// The floors that are measured between the loads, one after each in turn.
var floors = []Floor{
	{Connections: 1},
	{Connections: 1, Indexed: true},
	{Connections: 2},
	{Connections: 2, Indexed: true},
}

// Run measures every store and says where it stands against the aims. Errors: a program that is missing, a server that
// does not start, an answer that is not as it must be.
func Run(ctx context.Context, c Config) (*Report, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	r := &Report{Machine: machine(), Slice: c.Slice.Seconds(), Patients: c.Patients}
	var err error
	if r.Binary, err = binaryOf(c.Binary); err != nil {
		return nil, err
	}
	for _, store := range c.Stores {
		measured, err := c.measure(ctx, store)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", store, err)
		}
		r.Stores = append(r.Stores, *measured)
	}
	r.Aims = aims(r)
	return r, nil
}

func (c Config) say(format string, args ...any) { fmt.Fprintf(c.Progress, format+"\n", args...) }

// run is the measuring of one store.
type run struct {
	Config
	*site
	report *StoreReport
	floor  floor
}

func (c Config) measure(ctx context.Context, store string) (*StoreReport, error) {
	r := &run{Config: c, report: &StoreReport{Store: store, Redis: "redis-server"}}
	if err := r.starts(ctx); err != nil {
		return nil, err
	}
	_, err := exec.LookPath("redis-server")
	realRedis := store == Postgres || err == nil
	if !realRedis {
		r.report.Redis = "embedded"
	}
	c.say("%s: starting", store)
	begun := time.Now()
	r.site, err = newSite(ctx, c.Binary, siteOptions{engine: store, realRedis: realRedis, patients: c.Patients, profiled: c.Profiles != ""})
	if err != nil {
		return nil, err
	}
	defer r.close()
	c.say("%s: ready after %v", store, time.Since(begun).Round(time.Millisecond))
	watched := r.watchOthers()
	for _, step := range []func(context.Context) error{r.fill, r.learn, r.turns, r.half, r.screens} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	r.report.Others = watched()
	return r.report, errors.Join(r.check(ctx), r.weigh(ctx))
}

// watchOthers begins to look at what other programs take of the processors; the function it returns says their share.
func (r *run) watchOthers() (share func() float64) {
	busy, own, begun := busyTime(), r.used(), time.Now()
	return func() float64 {
		others := busyTime() - busy - r.used().minus(own).all()
		return max(0, others.Seconds()/time.Since(begun).Seconds()/float64(runtime.NumCPU()))
	}
}

// starts times starts on a new SQLite file, from exec to a healthy answer.
func (r *run) starts(ctx context.Context) error {
	if r.report.Store != SQLite {
		return nil
	}
	const often = 5
	for range often {
		s := &site{engine: SQLite, panel: newPanel(1, time.Now())}
		begun := time.Now()
		err := s.open(ctx, r.Binary, siteOptions{engine: SQLite})
		r.report.Starts = append(r.report.Starts, milliseconds(time.Since(begun)))
		s.close()
		if err != nil {
			return err
		}
	}
	slices.Sort(r.report.Starts)
	return nil
}

// fill sends the care teams and warms up.
func (r *run) fill(ctx context.Context) error {
	r.say("%s: warming up", r.engine)
	if err := r.sendTeams(ctx, len(r.panel.patients)); err != nil {
		return err
	}
	for r.answered < 4*block {
		if _, err := r.streams(ctx, 2, max(r.Slice/5, 200*time.Millisecond)); err != nil {
			return err
		}
	}
	_, err := r.calls(ctx, 32, 1, max(r.Slice/5, 200*time.Millisecond))
	return err
}

// learn reads what was written for the responses so far, for the floor to write the same.
func (r *run) learn(ctx context.Context) error {
	s, err := shapeOf(ctx, r.db)
	if err != nil {
		return err
	}
	r.report.BytesPerResponse = s.bytes
	if r.engine == Postgres {
		r.floor, err = newPostgresFloor(ctx, r.store, r.db, s)
	} else {
		r.floor, err = newSQLiteFloor(ctx, r.folder, r.db, s)
	}
	return err
}

// turns lets loads and floors alternate.
func (r *run) turns(ctx context.Context) (err error) {
	defer func() { err = errors.Join(err, r.floor.Close()) }()
	sums := make([]measured, len(loads))
	rates := make([]float64, len(floors))
	tried := make([]int, len(floors))
	for turn := range turns {
		for i, l := range loads {
			r.say("%s: %s (%d of %d)", r.engine, l, turn+1, turns)
			m, err := r.load(ctx, l, r.Slice/turns)
			if err != nil {
				return fmt.Errorf("%s: %w", l, err)
			}
			sums[i].add(m)
			at := (i + turn*len(loads)) % len(floors)
			if r.engine == SQLite && floors[at].Connections > 1 {
				continue
			}
			rate, err := r.floor.turn(ctx, floors[at].Connections, floors[at].Indexed, r.Slice/turns/2)
			if err != nil {
				return fmt.Errorf("the floor: %w", err)
			}
			rates[at] += rate
			tried[at]++
		}
	}
	for i, l := range loads {
		r.report.Loads = append(r.report.Loads, loadOf(l, &sums[i]))
	}
	for i, f := range floors {
		if tried[i] > 0 {
			f.PerSecond = rates[i] / float64(tried[i])
			r.report.Floors = append(r.report.Floors, f)
		}
	}
	return nil
}

func (r *run) load(ctx context.Context, l load, lasting time.Duration) (measured, error) {
	stop := r.profile(ctx, l.String(), lasting)
	defer stop()
	if l.kind == Streams {
		return r.streams(ctx, l.clients, lasting)
	}
	return r.calls(ctx, l.clients, l.items, lasting)
}

// half measures single calls at half of what 128 clients reached.
func (r *run) half(ctx context.Context) error {
	rate := r.report.capacity() / 2
	r.say("%s: %.0f/s, half of capacity", r.engine, rate)
	m, err := r.steady(ctx, rate, r.Slice, r.round(0), func(answer, time.Time) {})
	if err != nil {
		return fmt.Errorf("at half of capacity: %w", err)
	}
	r.report.Half = loadOf(load{Calls, 0, 1}, &m)
	return nil
}

// screens time the way to the subscribers.
func (r *run) screens(ctx context.Context) error {
	const calm, manyAlerts, asTheyCome = 200, 10, 0
	for _, turn := range []struct {
		rate        float64
		safetyEvery int
	}{{min(calm, r.report.capacity()/2), manyAlerts}, {r.report.capacity() / 2, asTheyCome}} {
		rate := turn.rate
		r.say("%s: from submission to subscriber at %.0f/s", r.engine, rate)
		screen, err := r.screen(ctx, rate, turn.safetyEvery, r.Slice)
		if err != nil {
			return fmt.Errorf("following at %.0f/s: %w", rate, err)
		}
		r.report.Screens = append(r.report.Screens, screen)
	}
	return nil
}

// check holds what the database and Redis hold against what was acknowledged.
func (r *run) check(ctx context.Context) error {
	for _, what := range []struct{ query, words string }{
		{"SELECT count(*) FROM resource WHERE type = 'QuestionnaireResponse'", "are stored"},
		{"SELECT count(*) FROM fact WHERE source LIKE 'QuestionnaireResponse/%' AND NOT superseded", "have their scores"},
	} {
		n, err := r.db.count(ctx, what.query)
		if err != nil {
			return err
		}
		if n != int64(r.answered) {
			return fmt.Errorf("%d responses were acknowledged and %d %s", r.answered, n, what.words)
		}
	}
	told, err := r.db.count(ctx, "SELECT count(*) FROM event WHERE feed = 'all' AND type = 'submission.recorded'")
	if err != nil {
		return err
	}
	if want := int64(r.answered + len(r.panel.patients)); told != want {
		return fmt.Errorf("%d submissions were acknowledged and %d events tell of one", want, told)
	}
	r.report.Responses = r.answered
	return r.checkRedis(ctx)
}

// checkRedis waits until the stream is as long as the feed.
func (r *run) checkRedis(ctx context.Context) error {
	if r.redis == nil {
		return nil
	}
	want, err := r.db.last(ctx, all)
	if err != nil {
		return err
	}
	reader := redis.NewClient(&redis.Options{Addr: r.redis.Addr()})
	defer reader.Close()
	ctx, cancel := context.WithTimeout(ctx, arriveWithin)
	defer cancel()
	for {
		n, err := reader.XLen(ctx, client.StreamKey(tenant, all)).Result()
		if err == nil && n == want {
			return nil
		}
		if err := sleepUntil(ctx, time.Now().Add(50*time.Millisecond)); err != nil {
			return fmt.Errorf("the feed has %d events and its stream in Redis %d: %w", want, n, err)
		}
	}
}

// weigh reads the peak of memory and times starts on the filled database.
func (r *run) weigh(ctx context.Context) error {
	r.report.PeakMemory = peakMemory(r.server.pid())
	r.say("%s: starting again on %d responses", r.engine, r.answered)
	const often = 3
	for range often {
		if err := r.server.stop(); err != nil {
			return err
		}
		begun := time.Now()
		if err := r.server.start(); err != nil {
			return err
		}
		if err := r.server.ready(ctx); err != nil {
			return err
		}
		r.report.Restarts = append(r.report.Restarts, milliseconds(time.Since(begun)))
	}
	slices.Sort(r.report.Restarts)
	return r.server.stop()
}
