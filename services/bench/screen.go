package bench

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/rapport-health/rapport/api/client"
	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
)

// Screen says how long it took from a submission to those who follow the feeds. One clock times both ends.
type Screen struct {
	// Rate of submissions per second, constant.
	Rate float64 `json:"rate_per_second"`
	// Acknowledged is from a submission to its acknowledgement.
	Acknowledged Latency `json:"submitted_to_acknowledged"`
	// GRPC and Redis are from a submission to a follower of the feed `all`, by AlertService.Subscribe and by XREAD.
	GRPC  Latency `json:"submitted_to_grpc"`
	Redis Latency `json:"submitted_to_redis"`
	// CommitGRPC and CommitRedis are from the time that the server's clock stamped on the event, which is just before
	// its transaction is flushed, to the same followers: a little more than from the commit.
	CommitGRPC  Latency `json:"commit_to_grpc"`
	CommitRedis Latency `json:"commit_to_redis"`
	// AlertGRPC and AlertRedis are from a submission that answers the safety item to its alert on the team's feed.
	AlertGRPC  Latency `json:"submitted_to_alert_grpc"`
	AlertRedis Latency `json:"submitted_to_alert_redis"`
}

// followers times what arrives.
type followers struct {
	mu sync.Mutex
	// sent is when each response went, by reference; seen says who has seen it.
	sent map[string]time.Time
	seen map[follower]map[string]bool
	// from are the latencies from the submission, commit those from the server's stamp.
	from, commit map[follower][]time.Duration
	// news is signalled after each arrival.
	news chan struct{}
}

// follower is one way to one feed.
type follower struct{ way, feed string }

// The followers of a screen.
var (
	allByGRPC   = follower{"gRPC", all}
	allByRedis  = follower{"Redis", all}
	teamByGRPC  = follower{"gRPC", "team:" + clinicTeam}
	teamByRedis = follower{"Redis", "team:" + clinicTeam}
)

func newFollowers() *followers {
	f := &followers{
		sent: map[string]time.Time{}, seen: map[follower]map[string]bool{},
		from: map[follower][]time.Duration{}, commit: map[follower][]time.Duration{}, news: make(chan struct{}, 1),
	}
	for _, who := range []follower{allByGRPC, allByRedis, teamByGRPC, teamByRedis} {
		f.seen[who] = map[string]bool{}
	}
	return f
}

// sending notes a response just before it goes.
func (f *followers) sending(a answer, at time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sent[a.reference()] = at
}

// forget drops what was measured so far, but not what is under way.
func (f *followers) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.from)
	clear(f.commit)
}

// arrived notes an event that a follower has just got.
func (f *followers) arrived(who follower, e *rapportv1.Event) {
	now := time.Now()
	reference := e.GetRecorded().GetReference()
	if alert := e.GetAlert(); alert != nil && who.feed != all && e.GetType() == "alert.opened" {
		if sources := alert.GetSources(); len(sources) > 0 {
			reference = sources[len(sources)-1]
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	sent, ok := f.sent[reference]
	if !ok || f.seen[who][reference] {
		return
	}
	f.seen[who][reference] = true
	f.from[who] = append(f.from[who], now.Sub(sent))
	f.commit[who] = append(f.commit[who], now.Sub(e.GetTime().AsTime()))
	select {
	case f.news <- struct{}{}:
	default:
	}
}

// arriveWithin bounds the wait for what was submitted to arrive.
const arriveWithin = 30 * time.Second

// await waits until a follower has seen all of the references.
func (f *followers) await(ctx context.Context, who follower, references []string) error {
	ctx, cancel := context.WithTimeout(ctx, arriveWithin)
	defer cancel()
	for {
		missing := f.missing(who, references)
		if missing == 0 {
			return nil
		}
		select {
		case <-f.news:
		case <-time.After(100 * time.Millisecond): // another waiter may have taken the news
		case <-ctx.Done():
			return fmt.Errorf("%d of %d events of %s did not reach the follower over %s within %v",
				missing, len(references), who.feed, who.way, arriveWithin)
		}
	}
}

func (f *followers) missing(who follower, references []string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, r := range references {
		if !f.seen[who][r] {
			n++
		}
	}
	return n
}

// screen submits at a constant rate and times the way to the followers. Every so manyth response answers the safety
// item (0: as it comes, one in fifty).
func (s *site) screen(ctx context.Context, rate float64, safetyEvery int, lasting time.Duration) (Screen, error) {
	f := newFollowers()
	follow, stop := context.WithCancelCause(ctx)
	var following sync.WaitGroup
	defer following.Wait()
	defer stop(nil)
	cursors, err := s.cursors(ctx, all, teamByGRPC.feed)
	if err != nil {
		return Screen{}, err
	}
	following.Go(func() { stop(s.followGRPC(follow, cursors, f)) })
	if s.redis != nil {
		following.Go(func() { stop(s.followRedis(follow, cursors, f)) })
	}
	var alls, alerts []string
	sending := func(a answer, at time.Time) {
		f.sending(a, at)
		alls = append(alls, a.reference())
		if a.safety {
			alerts = append(alerts, a.reference())
		}
	}
	await := func() error {
		for _, who := range s.followed() {
			wanted := alls
			if who.feed != all {
				wanted = alerts
			}
			if err := f.await(follow, who, wanted); err != nil {
				return errors.Join(err, context.Cause(follow))
			}
		}
		return nil
	}
	const warming = time.Second / 2
	next := s.round(safetyEvery)
	if _, err := s.steady(follow, rate, warming, next, sending); err != nil {
		return Screen{}, err
	}
	if err := await(); err != nil {
		return Screen{}, err
	}
	f.forget()
	m, err := s.steady(follow, rate, lasting, next, sending)
	if err != nil {
		return Screen{}, err
	}
	if err := await(); err != nil {
		return Screen{}, err
	}
	return f.screen(rate, m), nil
}

// followed are the followers that there are.
func (s *site) followed() []follower {
	if s.redis == nil {
		return []follower{allByGRPC, teamByGRPC}
	}
	return []follower{allByGRPC, teamByGRPC, allByRedis, teamByRedis}
}

func (f *followers) screen(rate float64, m measured) Screen {
	f.mu.Lock()
	defer f.mu.Unlock()
	return Screen{
		Rate: rate, Acknowledged: latencyOf(m.samples),
		GRPC: latencyOf(f.from[allByGRPC]), Redis: latencyOf(f.from[allByRedis]),
		CommitGRPC: latencyOf(f.commit[allByGRPC]), CommitRedis: latencyOf(f.commit[allByRedis]),
		AlertGRPC: latencyOf(f.from[teamByGRPC]), AlertRedis: latencyOf(f.from[teamByRedis]),
	}
}

// cursors are the ends of feeds now.
func (s *site) cursors(ctx context.Context, feeds ...string) ([]*rapportv1.Cursor, error) {
	cursors := make([]*rapportv1.Cursor, 0, len(feeds))
	for _, feed := range feeds {
		last, err := s.db.last(ctx, feed)
		if err != nil {
			return nil, err
		}
		cursors = append(cursors, &rapportv1.Cursor{Feed: feed, After: last})
	}
	return cursors, nil
}

func (s *site) followGRPC(ctx context.Context, cursors []*rapportv1.Cursor, f *followers) error {
	conn, err := dial(s.server.grpc)
	if err != nil {
		return err
	}
	defer conn.Close()
	own := make([]*rapportv1.Cursor, 0, len(cursors))
	for _, c := range cursors {
		own = append(own, &rapportv1.Cursor{Feed: c.GetFeed(), After: c.GetAfter()})
	}
	return client.Follow(ctx, conn, own, func(e *rapportv1.Event) error {
		f.arrived(follower{"gRPC", e.GetFeed()}, e)
		return nil
	})
}

// followRedis reads the streams as a plain reader does.
func (s *site) followRedis(ctx context.Context, cursors []*rapportv1.Cursor, f *followers) error {
	reader := redis.NewClient(&redis.Options{Addr: s.redis.Addr()})
	defer reader.Close()
	keys, after, feeds := []string{}, []string{}, map[string]string{}
	place := map[string]int{}
	for i, c := range cursors {
		key := client.StreamKey(tenant, c.GetFeed())
		keys, after = append(keys, key), append(after, entryID(c.GetAfter()))
		feeds[key], place[key] = c.GetFeed(), i
	}
	for ctx.Err() == nil {
		streams, err := reader.XRead(ctx, &redis.XReadArgs{
			Streams: append(append([]string{}, keys...), after...), Count: 256, Block: 200 * time.Millisecond,
		}).Result()
		if errors.Is(err, redis.Nil) {
			continue
		}
		if err != nil {
			return err
		}
		for _, stream := range streams {
			for _, message := range stream.Messages {
				e, err := eventOf(feeds[stream.Stream], message)
				if err != nil {
					return err
				}
				f.arrived(follower{"Redis", e.GetFeed()}, e)
				after[place[stream.Stream]] = message.ID
			}
		}
	}
	return ctx.Err()
}

func entryID(seq int64) string { return strconv.FormatInt(seq, 10) + "-0" }

// eventOf reads a stream's entry as README of the relay says it is written.
func eventOf(feed string, m redis.XMessage) (*rapportv1.Event, error) {
	text := func(name string) string { s, _ := m.Values[name].(string); return s }
	seq, err := strconv.ParseInt(text("seq"), 10, 64)
	if err != nil || m.ID != entryID(seq) {
		return nil, fmt.Errorf("entry %s of %s says that it is number %q", m.ID, feed, text("seq"))
	}
	at, err := time.Parse(time.RFC3339Nano, text("time"))
	if err != nil {
		return nil, fmt.Errorf("entry %s of %s has no time", m.ID, feed)
	}
	e, err := client.Entry{Feed: feed, Seq: seq, ID: text("id"), Type: text("type"), Time: at, Data: []byte(text("data"))}.Event()
	if err != nil {
		return nil, err
	}
	return e, nil
}
