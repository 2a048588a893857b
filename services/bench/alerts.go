package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"time"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
)

// AlertsConfig of a run that times the way of alerts to many watchers, and a long replay.
type AlertsConfig struct {
	// Binary makes a command of the binary under test; `serve` is among its commands.
	Binary Command
	// Stores to measure, Postgres and SQLite.
	Stores []string
	// Watchers follow over gRPC, each with a connection of its own; Teams is how many care teams they belong to.
	Watchers, Teams int
	// Rate of alerts per second, constant, for as long as Lasting.
	Rate    float64
	Lasting time.Duration
	// Replay is how many events one follower reads from the beginning; 0 leaves that out.
	Replay int
	// Progress takes a line before each phase.
	Progress io.Writer
}

// Validate names everything that is wrong.
func (c AlertsConfig) Validate() error {
	wrong := missing(c.Stores, c.Binary, c.Progress)
	if c.Watchers < 1 || c.Teams < 1 || c.Teams > c.Watchers {
		wrong = append(wrong, errors.New("there must be a watcher for each team, and a team at least"))
	}
	if c.Rate <= 0 || c.Lasting < 200*time.Millisecond || c.Replay < 0 {
		wrong = append(wrong, errors.New("the rate must be above zero, the time at least 0.2 s, the replay not negative"))
	}
	return errors.Join(wrong...)
}

func (c AlertsConfig) say(format string, args ...any) { fmt.Fprintf(c.Progress, format+"\n", args...) }

// AlertsReport is what was found.
type AlertsReport struct {
	// Machine it ran on, and the binary that was measured.
	Machine Machine `json:"machine"`
	Binary  Binary  `json:"binary"`
	// Stores that were measured.
	Stores []AlertsOfStore `json:"stores"`
}

// AlertsOfStore is what was found on one store.
type AlertsOfStore struct {
	// Store is postgres or sqlite.
	Store string `json:"store"`
	// Fans are alerts spreading to the watchers: of their own team each, and all of one feed.
	Fans []Fan `json:"fans"`
	// Replays are one follower reading a feed from its beginning; none when that was left out.
	Replays []Replay `json:"replays"`
}

// Fan is how long alerts took to their watchers.
type Fan struct {
	// Watchers and the feeds they follow in all.
	Watchers int `json:"watchers"`
	Feeds    int `json:"feeds"`
	// Rate of alerts per second that was kept up, and of messages to watchers that it means.
	Rate     float64 `json:"alerts_per_second"`
	Messages float64 `json:"messages_per_second"`
	// Commit is from the time that the server's clock stamped on the alert, which is just before its transaction is
	// flushed, to each watcher that it is for.
	Commit Latency `json:"commit_to_watcher"`
	// Acknowledged is from the submission that raised it to its acknowledgement.
	Acknowledged Latency `json:"submitted_to_acknowledged"`
	// Busy is the share of all processors that the servers took, and that the watchers and senders took, 0 to 1.
	Busy    float64 `json:"servers_busy"`
	Clients float64 `json:"clients_busy"`
}

// Alerts measures every store. Errors: a program that is missing, a server that does not start, an alert that does not
// arrive or comes out of order.
func Alerts(ctx context.Context, c AlertsConfig) (*AlertsReport, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	r := &AlertsReport{Machine: machine()}
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
	return r, nil
}

func (c AlertsConfig) measure(ctx context.Context, store string) (*AlertsOfStore, error) {
	_, missing := exec.LookPath("redis-server")
	c.say("%s: starting", store)
	s, err := newSite(ctx, c.Binary, siteOptions{engine: store, realRedis: store == Postgres || missing == nil, patients: c.Teams})
	if err != nil {
		return nil, err
	}
	defer s.close()
	if err := s.sendTeams(ctx, c.Teams); err != nil {
		return nil, err
	}
	report := &AlertsOfStore{Store: store}
	for _, way := range []struct {
		feeds  int
		feedOf func(int) string
	}{
		{c.Teams, func(i int) string { return "team:" + s.panel.patients[i%c.Teams].name + "-team" }},
		{1, func(int) string { return "team:" + clinicTeam }},
	} {
		c.say("%s: %d watchers of %s", store, c.Watchers, plural(way.feeds, "feed"))
		fan, err := c.fan(ctx, s, way.feeds, way.feedOf)
		if err != nil {
			return nil, err
		}
		report.Fans = append(report.Fans, *fan)
	}
	if c.Replay > 0 {
		report.Replays, err = c.replays(ctx, s)
	}
	return report, err
}

// fan raises alerts at a constant rate and times them to the watchers.
func (c AlertsConfig) fan(ctx context.Context, s *site, feeds int, feedOf func(int) string) (f *Fan, err error) {
	const warming = 2 * time.Second
	next := c.safetyAnswers(s, warming+c.Lasting)
	ctx, fail := context.WithCancelCause(ctx)
	crowd, err := gather(ctx, s, c.Watchers, feedOf, fail)
	defer func() {
		fail(nil)
		err = errors.Join(err, crowd.close())
	}()
	if err != nil {
		return nil, err
	}
	perAlert := c.Watchers / feeds
	alerts := 0
	sending := func(answer, time.Time) { alerts++ }
	if _, err := s.steady(ctx, c.Rate, warming, next, sending); err != nil {
		return nil, err
	}
	if err := crowd.await(ctx, int64(alerts*perAlert)); err != nil {
		return nil, err
	}
	crowd.time()
	before, begun := s.used(), time.Now()
	m, err := s.steady(ctx, c.Rate, c.Lasting, next, sending)
	if err != nil {
		return nil, err
	}
	if err := crowd.await(ctx, int64(alerts*perAlert)); err != nil {
		return nil, err
	}
	took, used := time.Since(begun), s.used().minus(before)
	lags := crowd.lags()
	all := took.Seconds() * float64(machine().Processors)
	return &Fan{
		Watchers: c.Watchers, Feeds: feeds, Rate: perSecond(len(m.samples), m.took), Messages: perSecond(len(lags), took),
		Commit: latencyOf(lags), Acknowledged: latencyOf(m.samples),
		Busy: (used.server + used.postgres + used.redis).Seconds() / all, Clients: used.self.Seconds() / all,
	}, nil
}

// safetyAnswers are made before the clock runs: each raises one alert, of the patients in turn.
func (c AlertsConfig) safetyAnswers(s *site, lasting time.Duration) func() answer {
	made := make([]answer, 0, int(c.Rate*lasting.Seconds())+2)
	for n := range cap(made) {
		made = append(made, s.panel.nextSafety(n%c.Teams))
	}
	turn := 0
	return func() answer {
		if turn == len(made) {
			return s.panel.nextSafety(0)
		}
		turn++
		return made[turn-1]
	}
}

// Replay is one follower reading a feed from its beginning.
type Replay struct {
	// Words say what the events are.
	Words string `json:"words"`
	// Events that were read, in Seconds.
	Events  int     `json:"events"`
	Seconds float64 `json:"seconds"`
	// Bytes of an event on the wire.
	Bytes float64 `json:"bytes_an_event"`
}

// replays fills feeds with copies of what was told, and reads them over gRPC from the beginning.
func (c AlertsConfig) replays(ctx context.Context, s *site) ([]Replay, error) {
	var done []Replay
	for _, r := range []struct {
		words, feed string
		// alerts is how many of a hundred events are alerts.
		alerts int
	}{
		{"one event in ten an alert", "team:bench-mixed", 10},
		{"alerts alone", "team:bench-alerts", 100},
	} {
		c.say("%s: making a feed of %d events, %s", s.engine, c.Replay, r.words)
		if err := s.server.stop(); err != nil {
			return nil, err
		}
		if err := s.copies(ctx, r.feed, c.Replay, r.alerts); err != nil {
			return nil, err
		}
		if err := s.server.start(); err != nil {
			return nil, err
		}
		if err := s.server.ready(ctx); err != nil {
			return nil, err
		}
		c.say("%s: reading it from the beginning", s.engine)
		replay, err := s.replay(ctx, r.feed, c.Replay)
		if err != nil {
			return nil, err
		}
		replay.Words = r.words
		done = append(done, *replay)
	}
	return done, nil
}

// replay reads a feed from its beginning up to an event.
func (s *site) replay(ctx context.Context, feed string, events int) (*Replay, error) {
	conn, err := dial(s.server.grpc)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	begun := time.Now()
	stream, err := subscribe(ctx, conn, &rapportv1.Cursor{Feed: feed})
	if err != nil {
		return nil, err
	}
	bytes := 0
	var message frame
	for seq := int64(0); seq < int64(events); {
		if err := stream.RecvMsg(&message); err != nil {
			return nil, fmt.Errorf("after %d of %d events: %w", seq, events, err)
		}
		g, err := glance(message.bytes)
		if err != nil {
			return nil, err
		}
		if !g.event {
			continue
		}
		if seq++; g.seq != seq {
			return nil, fmt.Errorf("feed %s: number %d came where %d was due", feed, g.seq, seq)
		}
		bytes += len(message.bytes)
	}
	return &Replay{Events: events, Seconds: time.Since(begun).Seconds(), Bytes: float64(bytes) / float64(events)}, nil
}
