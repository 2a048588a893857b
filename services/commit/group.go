// Package commit takes submissions, commands and passed deadlines of many callers into one database transaction at a time.
//
// The writers of one tenant come one after another anyway (its feed numbers have no holes), so whatever arrives while one
// transaction is under way is written together by the next. A caller is answered only after the transaction that holds its
// submission has been committed. A submission that cannot be written fails alone: its group is run again without it.
package commit

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/episode"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/judge"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/store"
)

// Config of a Group.
type Config struct {
	// Store that is written to.
	Store store.Store
	// Rules in force, and the policy of telling that goes with them; asked once per transaction, so that a reload takes effect
	// between two.
	Rules func() ([]judge.Rule, alert.Policy)
	// Terms of all episodes.
	Terms episode.Terms
	// Now is the clock.
	Now func() time.Time
	// Committed is told of the feeds that each transaction moved, and of its events in order, after it. It does not block.
	Committed func(t ref.Tenant, moved []feed.Cursor, events ...feed.Draft)
	// Log takes what nobody else is told.
	Log *slog.Logger
	// MaxInputs bounds a transaction, unless one atomic submission is larger by itself. At least 1.
	MaxInputs int
	// MaxBytes bounds the raw bytes of a transaction likewise.
	MaxBytes int
	// Linger is how long a transaction waits for company after its first submission, when the one before had some.
	Linger time.Duration
	// Timeout bounds one transaction; a store that does not answer by then counts as away.
	Timeout time.Duration
	// Metrics is where the Group's metrics are registered; nil for none.
	Metrics prometheus.Registerer
	// Queue bounds how many submissions wait per tenant; beyond it callers block until there is room or they give up.
	Queue int
}

// Default is what serves well on small machines.
func Default() Config {
	return Config{
		Committed: func(ref.Tenant, []feed.Cursor, ...feed.Draft) {}, Log: slog.New(slog.DiscardHandler),
		MaxInputs: 256, MaxBytes: 16 << 20, Linger: 0, Timeout: 30 * time.Second, Queue: 1024,
	}
}

// Validate names what is missing or out of range.
func (c Config) Validate() error {
	if c.Store == nil || c.Rules == nil || c.Now == nil || c.Committed == nil || c.Log == nil {
		return fmt.Errorf("commit: Store, Rules, Now, Committed and Log are required")
	}
	if c.MaxInputs < 1 || c.MaxBytes < 1 || c.Queue < 1 || c.Timeout <= 0 || c.Linger < 0 {
		return fmt.Errorf("commit: MaxInputs, MaxBytes, Queue and Timeout must be above zero, Linger not below")
	}
	return nil
}

// Group commits for all tenants, one lane each.
type Group struct {
	config  Config
	metrics *metrics
	mu      sync.Mutex
	lanes   map[ref.Tenant]*lane
	closed  bool
	done    sync.WaitGroup
}

// New is a Group ready to take submissions.
func New(config Config) (*Group, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	counted, err := newMetrics(config.Metrics)
	if err != nil {
		return nil, err
	}
	return &Group{config: config, metrics: counted, lanes: map[ref.Tenant]*lane{}}, nil
}

// Pending are inputs on their way to a commit.
type Pending struct{ jobs []*job }

// Submit queues inputs in order, without waiting for their commit. Atomic inputs stand or fall together.
// Errors: Unavailable when the Group has stopped or ctx ended before there was room.
func (g *Group) Submit(ctx context.Context, t ref.Tenant, inputs []decision.Input, atomic bool) (*Pending, error) {
	p := &Pending{}
	if len(inputs) == 0 {
		return p, nil
	}
	for _, piece := range g.cut(ctx, inputs, atomic) {
		if err := g.enqueue(ctx, t, piece); err != nil {
			_, _ = p.Wait() // what was queued is finished first, so that nothing of it is still under way
			return nil, err
		}
		p.jobs = append(p.jobs, piece)
	}
	return p, nil
}

// SubmitIf queues inputs that stand or fall together, on the condition that holds returns nil for the very state that they
// are committed to; its fault is the answer to each of them otherwise. It may be called more than once, and reads only.
// Errors: as Submit.
func (g *Group) SubmitIf(ctx context.Context, t ref.Tenant, inputs []decision.Input, holds func(store.Reader) error) (*Pending, error) {
	piece := newJob(ctx, inputs, true)
	piece.holds = holds
	if err := g.enqueue(ctx, t, piece); err != nil {
		return nil, err
	}
	return &Pending{jobs: []*job{piece}}, nil
}

// Wait returns one receipt per input, in order, once all are committed or refused.
// Errors: Unavailable when the store is away (what was not committed may be sent again; what was is then Unchanged).
func (p *Pending) Wait() ([]decision.Receipt, error) {
	var receipts []decision.Receipt
	var failed error
	for _, piece := range p.jobs {
		if err := piece.wait(); err != nil && failed == nil {
			failed = err
		}
		receipts = append(receipts, piece.receipts...)
	}
	if failed != nil {
		return nil, failed
	}
	return receipts, nil
}

// Do is Submit and Wait.
func (g *Group) Do(ctx context.Context, t ref.Tenant, inputs []decision.Input, atomic bool) ([]decision.Receipt, error) {
	p, err := g.Submit(ctx, t, inputs, atomic)
	if err != nil {
		return nil, err
	}
	return p.Wait()
}

// cut divides inputs that need not stand together into jobs that fit one transaction each.
func (g *Group) cut(ctx context.Context, inputs []decision.Input, atomic bool) []*job {
	if atomic {
		return []*job{newJob(ctx, inputs, true)}
	}
	var jobs []*job
	from, bytes := 0, 0
	for i := range inputs {
		size := len(inputs[i].Record.Raw)
		if i > from && (i-from >= g.config.MaxInputs || bytes+size > g.config.MaxBytes) {
			jobs = append(jobs, newJob(ctx, inputs[from:i], false))
			from, bytes = i, 0
		}
		bytes += size
	}
	return append(jobs, newJob(ctx, inputs[from:], false))
}

// Command takes one step in an alert's life and returns the alert afterwards.
// Errors: NotFound, Conflict, Precondition, Invalid as alert.Lifecycle; Unavailable as Do.
func (g *Group) Command(ctx context.Context, t ref.Tenant, c alert.Command) (alert.Alert, error) {
	c.At = g.config.Now()
	j := newJob(ctx, nil, false)
	j.command = &c
	if err := g.enqueue(ctx, t, j); err != nil {
		return alert.Alert{}, err
	}
	err := j.wait()
	return j.alert, err
}

// Tick turns passed deadlines of episodes into facts, at most Config.MaxInputs of them, in the order of time across the
// episodes, and returns how many episodes moved. Others says that further episodes wait whose deadlines passed after those
// of these: then no later deadline is passed before theirs. What cannot be passed fails alone, and is the error.
func (g *Group) Tick(ctx context.Context, t ref.Tenant, episodes []ref.Episode, others bool) (int, error) {
	j := newJob(ctx, nil, false)
	j.ticks, j.others = episodes, others
	if err := g.enqueue(ctx, t, j); err != nil {
		return 0, err
	}
	err := j.wait()
	return j.moved, err
}

// Rouse does to alerts what time alone does to them, in their order, and returns how many it changed. Alerts that are no
// longer due, because somebody was faster, are left as they are. What cannot be changed fails alone, and is the error.
func (g *Group) Rouse(ctx context.Context, t ref.Tenant, due []alert.Due) (int, error) {
	j := newJob(ctx, nil, false)
	j.due = due
	if err := g.enqueue(ctx, t, j); err != nil {
		return 0, err
	}
	err := j.wait()
	return j.moved, err
}

func (g *Group) enqueue(ctx context.Context, t ref.Tenant, j *job) error {
	l, err := g.lane(t)
	if err != nil {
		return err
	}
	return l.put(ctx, j)
}

func (g *Group) lane(t ref.Tenant) (*lane, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return nil, stopping()
	}
	l, ok := g.lanes[t]
	if !ok {
		l = newLane(&g.config, g.metrics, t)
		g.lanes[t] = l
		g.done.Go(l.run)
	}
	return l, nil
}

func stopping() error {
	return fault.Newf(fault.Unavailable, "transient", "the server is stopping: send again")
}

// Stop refuses new submissions, commits those that wait, and returns when they are answered or ctx ends.
func (g *Group) Stop(ctx context.Context) error {
	g.mu.Lock()
	if !g.closed {
		g.closed = true
		for _, l := range g.lanes {
			close(l.stop)
		}
	}
	g.mu.Unlock()
	drained := make(chan struct{})
	go func() {
		g.done.Wait()
		close(drained)
	}()
	select {
	case <-drained:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("commit: not drained in time: %w", ctx.Err())
	}
}
