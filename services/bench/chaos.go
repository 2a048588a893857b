package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os/exec"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// ChaosConfig of a run that kills servers.
type ChaosConfig struct {
	// Binary makes a command of the binary under test; `serve` is among its commands.
	Binary Command
	// Verify makes the command that checks a store's own invariants at the end; nil for none.
	Verify func(store string) *exec.Cmd
	// Stores to run on, Postgres and SQLite, one after the other.
	Stores []string
	// Kills is how often a server is killed on each store, at least 1.
	Kills int
	// Servers on one database, 1 or 2; on SQLite, whose file belongs to one process, there is always one.
	Servers int
	// Events that there must be at the end, at least; the kills are spread over them. 0 asks for no number.
	Events int
	// Seed of every choice: what is sent, when the server is killed. What the machine does in between is its own.
	Seed uint64
	// Patients answer, at least 16.
	Patients int
	// Redis wants a real redis-server, to be emptied and killed; without it the server's embedded one dies with it.
	Redis bool
	// Progress takes a line now and then.
	Progress io.Writer
}

// Validate names everything that is wrong.
func (c ChaosConfig) Validate() error {
	wrong := missing(c.Stores, c.Binary, c.Progress)
	if c.Kills < 1 {
		wrong = append(wrong, errors.New("the server must be killed at least once"))
	}
	if c.Servers < 1 || c.Servers > 2 {
		wrong = append(wrong, errors.New("one server or two can be put under load"))
	}
	if c.Events < 0 {
		wrong = append(wrong, errors.New("there cannot be fewer than no events"))
	}
	if c.Patients < 16 {
		wrong = append(wrong, errors.New("16 patients are needed at least"))
	}
	return errors.Join(wrong...)
}

// Ordeal is what one store went through, and what came of it.
type Ordeal struct {
	// Store is postgres or sqlite; Seed is the run's.
	Store string `json:"store"`
	Seed  uint64 `json:"seed"`
	// Seconds under load.
	Seconds float64 `json:"seconds"`
	// Servers on the database.
	Servers int `json:"servers"`
	// Kills of a server; InStart of them before it was ready.
	Kills   int `json:"kills"`
	InStart int `json:"kills_in_start"`
	// What else was done, in order.
	Deeds []string `json:"deeds"`
	// Acknowledged submissions, Resent of them more than once, Versions that were promised, Commands that were taken.
	Acknowledged int `json:"acknowledged"`
	Resent       int `json:"resent"`
	Versions     int `json:"versions"`
	Commands     int `json:"commands"`
	// Events of the tenant, in Feeds feeds; Alerts that were raised.
	Events int64 `json:"events"`
	Feeds  int   `json:"feeds"`
	Alerts int   `json:"alerts"`
	// Verdict is the count.
	Verdict
	// Wrong are answers that were not as they must be.
	Wrong []string `json:"wrong"`
	// Verified is what `rapport verify` said; Sound whether it found nothing.
	Verified string `json:"verified"`
	Sound    bool   `json:"sound"`
}

// Good says whether the store came out of it unharmed.
func (o *Ordeal) Good() bool { return o.Verdict.Good() && len(o.Wrong) == 0 && o.Sound }

// Chaos runs every store through its ordeal. An error means that it could not be brought to its end; whether anything
// was lost, the ordeals say.
func Chaos(ctx context.Context, c ChaosConfig) ([]Ordeal, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	var ordeals []Ordeal
	for i, store := range c.Stores {
		ctx, cancel := context.WithTimeout(ctx, c.bound())
		o, err := c.ordeal(ctx, store, rand.New(rand.NewPCG(c.Seed, uint64(i))))
		cancel()
		if err != nil {
			return ordeals, fmt.Errorf("%s, seed %d: %w", store, c.Seed, err)
		}
		ordeals = append(ordeals, *o)
	}
	return ordeals, nil
}

// bound is how long one ordeal may take at most.
func (c ChaosConfig) bound() time.Duration {
	const slowest = 150 // events a second, on a machine that does much else
	return 4*time.Minute + time.Duration(c.Kills)*15*time.Second + time.Duration(c.Events/slowest)*time.Second
}

func (c ChaosConfig) say(format string, args ...any) { fmt.Fprintf(c.Progress, format+"\n", args...) }

// trial is one ordeal under way.
type trial struct {
	ChaosConfig
	*site
	// servers on the database, that of the site first.
	servers []*child
	dice    *rand.Rand
	ordeal  *Ordeal
	ledger  *ledger
	steady  *listener
	restive *listener
	group   *listener
	reader  *redis.Client
	// feeds that are followed; of the tenant's own teams each patient of the first half has one.
	feeds []string
}

func (c ChaosConfig) ordeal(ctx context.Context, store string, dice *rand.Rand) (*Ordeal, error) {
	s, err := newSite(ctx, c.Binary, siteOptions{engine: store, realRedis: c.Redis, patients: c.Patients})
	if err != nil {
		return nil, err
	}
	defer s.close()
	t := &trial{
		ChaosConfig: c, site: s, servers: []*child{s.server}, dice: dice, ordeal: &Ordeal{Store: store, Seed: c.Seed}, ledger: newLedger(),
		steady: newListener("a gRPC subscriber", false), restive: newListener("a gRPC subscriber that is restarted", false),
		group: newListener("a Redis consumer group", true), feeds: []string{all, "unassigned", "team:" + clinicTeam},
	}
	if s.redis != nil {
		t.reader = redis.NewClient(&redis.Options{Addr: s.redis.Addr()})
		defer t.reader.Close()
	}
	if err := t.enrol(ctx); err != nil {
		return nil, err
	}
	defer t.closeSecond()
	if err := t.openSecond(ctx); err != nil {
		return nil, err
	}
	t.ordeal.Servers = len(t.servers)
	if err := t.endure(ctx); err != nil {
		return nil, err
	}
	return t.ordeal, t.verify(ctx)
}

// enrol gives half of the patients a care team; alerts of the others go to the feed of those without one.
func (t *trial) enrol(ctx context.Context) error { return t.sendTeams(ctx, len(t.panel.patients)/2) }

// openSecond starts a second server on the same database, when one is wanted.
func (t *trial) openSecond(ctx context.Context) error {
	if t.Servers < 2 || t.engine == SQLite {
		return nil
	}
	second, err := newChild(t.Binary, t.server.flags...)
	if err != nil {
		return err
	}
	t.servers = append(t.servers, second)
	if err := second.start(); err != nil {
		return err
	}
	return second.ready(ctx)
}

func (t *trial) closeSecond() {
	for _, s := range t.servers[1:] {
		s.close()
	}
}

// by is the server that the nth client calls.
func (t *trial) by(n int) *child { return t.servers[n%len(t.servers)] }

// The clients of an ordeal.
const (
	streamers = 3
	callers   = 4
	nurses    = 2
)

// endure puts the server under load, kills it again and again, and counts once all is quiet.
func (t *trial) endure(ctx context.Context) error {
	var following, loading, nursing sync.WaitGroup
	defer following.Wait()
	follow, endFollow := context.WithCancelCause(ctx)
	defer endFollow(nil)
	defer nursing.Wait()
	defer loading.Wait()
	load, endLoad := context.WithCancel(follow)
	defer endLoad()

	stop, ended, alerts := make(chan struct{}), make(chan struct{}), make(chan raised, 1024)
	t.startFollowers(follow, endFollow, &following, alerts)
	t.startLoad(load, &loading, stop)
	for n := range nurses {
		nursing.Go(func() { nurse(load, t.by(n).conn, alerts, ended, t.ledger) })
	}
	begun := time.Now()
	if err := t.torment(follow); err != nil {
		return errors.Join(err, context.Cause(follow))
	}
	close(stop)
	loading.Wait()
	t.ordeal.Seconds = time.Since(begun).Seconds()
	t.say("%s: all %d submissions are acknowledged; waiting for the followers", t.engine, t.ledger.count())

	wait, cancel := context.WithTimeout(follow, settleWithin)
	defer cancel()
	if err := t.caughtUp(ctx, wait, t.steady); err != nil {
		return err
	}
	close(ended) // the steady follower has told the nurses of the last new alert
	nursing.Wait()
	for _, l := range t.listeners() {
		if err := t.caughtUp(ctx, wait, l); err != nil {
			return err
		}
	}
	if err := context.Cause(follow); err != nil {
		return err
	}
	endFollow(nil)
	following.Wait()
	return t.count(ctx)
}

// listeners are those that there are.
func (t *trial) listeners() []*listener {
	if t.redis == nil {
		return []*listener{t.steady, t.restive}
	}
	return []*listener{t.steady, t.restive, t.group}
}

// startFollowers lets everybody follow who does. One of them ends when its feed cannot be followed any further, which ends the run.
func (t *trial) startFollowers(ctx context.Context, fail context.CancelCauseFunc, following *sync.WaitGroup, alerts chan<- raised) {
	run := func(follow func() error) {
		following.Go(func() {
			if err := follow(); err != nil && ctx.Err() == nil {
				fail(fmt.Errorf("a follower gave up: %w", err))
			}
		})
	}
	opened := func(a raised) {
		select {
		case alerts <- a:
		default: // the nurses are busy: this one stays open
		}
	}
	run(func() error { return follow(ctx, t.by(0), t.steady, t.feeds, opened) })
	restless := rand.New(rand.NewPCG(t.Seed, 7))
	run(func() error { return followRestlessly(ctx, t.servers, t.restive, t.feeds, restless) })
	if t.redis == nil {
		return
	}
	gap := func(err error) { t.say("%s: the consumer group was told of a gap: %v", t.engine, err) }
	for _, consumer := range []string{"one", "two"} {
		run(func() error { return t.consume(ctx, t.group, t.feeds, consumer, gap) })
	}
}

// startLoad starts the clients; each ends after stop, once all that it sent is acknowledged.
func (t *trial) startLoad(ctx context.Context, loading *sync.WaitGroup, stop <-chan struct{}) {
	for n := range streamers + callers {
		c := &insistent{
			panel: t.panel, mine: t.panel.share(n, streamers+callers), dice: rand.New(rand.NewPCG(t.Seed, uint64(100+n))),
			ledger: t.ledger, keyed: n%2 == 1,
		}
		loading.Go(func() {
			conn, err := dial(t.by(n).grpc)
			if err != nil {
				t.say("%s: a client cannot be made: %v", t.engine, err)
				return
			}
			defer conn.Close()
			if n < streamers {
				c.stream(ctx, conn, stop)
			} else {
				c.call(ctx, conn, stop)
			}
		})
	}
}

// settleWithin bounds how long followers may take to catch up.
const settleWithin = 2 * time.Minute

// caughtUp waits for one follower until it has what the database holds. One that does not catch up is no error: the
// count will name what it lacks.
func (t *trial) caughtUp(ctx, wait context.Context, l *listener) error {
	for _, feed := range t.feeds {
		last, err := t.db.last(ctx, feed)
		if err != nil {
			return err
		}
		for l.has(feed) < last && wait.Err() == nil {
			_ = sleepUntil(wait, time.Now().Add(20*time.Millisecond)) // the loop looks at wait itself
		}
		if n := l.has(feed); n < last {
			t.say("%s: %s has %d of %d events of %s", t.engine, l.name, n, last, feed)
		}
	}
	return nil
}

// count stops the server and holds what was promised against what is there.
func (t *trial) count(ctx context.Context) error {
	var e Evidence
	t.ledger.promises(&e)
	streams, err := t.streamsOf(ctx)
	if err != nil {
		return err
	}
	for _, s := range t.servers {
		if err := s.stop(); err != nil {
			return err
		}
	}
	if err := t.db.gather(ctx, &e); err != nil {
		return err
	}
	e.Readings = streams
	for _, l := range t.listeners() {
		e.Readings = append(e.Readings, l.readings(t.feeds)...)
	}
	o := t.ordeal
	o.Verdict = Count(e)
	t.ledger.mu.Lock()
	o.Wrong, o.Acknowledged, o.Resent, o.Commands = t.ledger.wrong, t.ledger.answers, t.ledger.resent, len(t.ledger.taken)
	t.ledger.mu.Unlock()
	o.Versions, o.Feeds, o.Alerts = len(e.Promised), len(e.Feeds), len(e.Alerts)
	for _, f := range e.Feeds {
		if f.Name == all {
			o.Events = f.Last
		}
	}
	return nil
}

// streamsOf reads the stream of every feed, those of the patients' own teams as well, once the relay has moved all.
func (t *trial) streamsOf(ctx context.Context) ([]Reading, error) {
	if t.redis == nil {
		return nil, nil
	}
	ends := map[string]int64{}
	err := t.db.each(ctx, "SELECT name, last FROM feed", func(scan func(...any) error) error {
		var name string
		var last int64
		err := scan(&name, &last)
		ends[name] = last
		return err
	})
	if err != nil {
		return nil, err
	}
	var readings []Reading
	wait, cancel := context.WithTimeout(ctx, settleWithin)
	defer cancel()
	for feed, last := range ends {
		r, err := t.streamOf(ctx, t.reader, feed)
		for err == nil && int64(len(r.Entries)) < last && sleepUntil(wait, time.Now().Add(100*time.Millisecond)) == nil {
			r, err = t.streamOf(ctx, t.reader, feed)
		}
		if err != nil {
			return nil, err
		}
		readings = append(readings, r)
	}
	return readings, nil
}

// verify lets the binary check the store's own invariants.
func (t *trial) verify(ctx context.Context) error {
	if t.Verify == nil {
		t.ordeal.Sound, t.ordeal.Verified = true, "not asked"
		return nil
	}
	t.say("%s: verifying the store", t.engine)
	cmd, output := t.Verify(t.store), &tail{}
	cmd.Stdout, cmd.Stderr = output, output
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("verifying the store: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() }) // it may have ended
	defer stop()
	err := cmd.Wait()
	t.ordeal.Verified, t.ordeal.Sound = output.String(), err == nil
	return ctx.Err()
}
