package bench

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"google.golang.org/grpc"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
)

// Followed is what the subscribers got.
type Followed struct {
	// Subscribers that followed, and the events that they got in all.
	Subscribers int `json:"subscribers"`
	Events      int `json:"events"`
	// Gaps are numbers that were left out or never came, Doubled those that came again, Broken streams that ended.
	Gaps    int `json:"gaps"`
	Doubled int `json:"doubled"`
	Broken  int `json:"broken"`
	// Lag is from the server's stamp, just before the commit, to the subscriber, while the load was kept up.
	Lag Latency `json:"commit_to_subscriber"`
}

// audience is subscribers that check what they get.
type audience struct {
	site     *site
	tally    *score
	conns    []*grpc.ClientConn
	watching sync.WaitGroup

	mu    sync.Mutex
	found Followed
	lag   []time.Duration
	// at is how far each subscriber is, on its feed.
	at    []int64
	feeds []string
}

// allEvery is which of the subscribers follows the tenant's own feed.
const allEvery = 4

// seat lets n subscribers follow from where the feeds end now, until ctx ends. It returns at once.
func seat(ctx context.Context, s *site, n int, t *score) (*audience, error) {
	a := &audience{site: s, tally: t, found: Followed{Subscribers: n}}
	ends := map[string]int64{}
	for _, feed := range []string{all, "team:" + clinicTeam} {
		last, err := s.db.last(ctx, feed)
		if err != nil {
			return a, err
		}
		ends[feed] = last
	}
	for i := range n {
		feed := "team:" + clinicTeam
		if i%allEvery == 0 {
			feed = all
		}
		conn, err := dial(s.server.grpc)
		if err != nil {
			return a, err
		}
		a.conns, a.feeds, a.at = append(a.conns, conn), append(a.feeds, feed), append(a.at, ends[feed])
	}
	for i := range n {
		a.watching.Go(func() { a.watch(ctx, i) })
	}
	return a, nil
}

// watch follows until ctx ends; a stream that ends before is counted, and taken up again where it ended.
func (a *audience) watch(ctx context.Context, i int) {
	for ctx.Err() == nil {
		err := a.listen(ctx, i)
		if ctx.Err() != nil {
			return
		}
		a.mu.Lock()
		a.found.Broken++
		a.mu.Unlock()
		a.tally.complain(fmt.Errorf("a subscriber's stream ended: %w", err))
		_ = sleepUntil(ctx, time.Now().Add(100*time.Millisecond)) // the loop looks at ctx itself
	}
}

func (a *audience) listen(ctx context.Context, i int) error {
	stream, err := subscribe(ctx, a.conns[i], &rapportv1.Cursor{Feed: a.feeds[i], After: a.reached(i)})
	if err != nil {
		return err
	}
	var message frame
	for {
		if err := stream.RecvMsg(&message); err != nil {
			return err
		}
		now := time.Now()
		g, err := glance(message.bytes)
		if err != nil {
			return err
		}
		if g.event {
			a.heard(i, g.seq, now.Sub(g.at))
		}
	}
}

func (a *audience) reached(i int) int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.at[i]
}

// heard counts an event and holds its number against the one that was due.
func (a *audience) heard(i int, seq int64, lag time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.found.Events++
	a.lag = append(a.lag, lag)
	switch due := a.at[i] + 1; {
	case seq < due:
		a.found.Doubled++
		return
	case seq > due:
		a.found.Gaps += int(seq - due)
	}
	a.at[i] = seq
}

// forget drops the lags so far, so that those of the load alone are told of.
func (a *audience) forget() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.lag = a.lag[:0]
}

// await waits until everybody is where their feed ends; what does not come is a gap.
func (a *audience) await(ctx context.Context) error {
	wait, cancel := context.WithTimeout(ctx, arriveWithin)
	defer cancel()
	for i, feed := range a.feeds {
		last, err := a.site.db.last(ctx, feed)
		if err != nil {
			return err
		}
		for a.reached(i) < last && sleepUntil(wait, time.Now().Add(10*time.Millisecond)) == nil {
			continue
		}
		a.mu.Lock()
		a.found.Gaps += int(max(0, last-a.at[i]))
		a.mu.Unlock()
	}
	return ctx.Err()
}

func (a *audience) report() Followed {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.found.Lag = latencyOf(a.lag)
	return a.found
}

// close sends everybody home.
func (a *audience) close() error {
	if a == nil {
		return nil
	}
	var errs []error
	for _, conn := range a.conns {
		errs = append(errs, conn.Close())
	}
	a.watching.Wait()
	return errors.Join(errs...)
}
