package storetest

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/domain/subscription"
	"github.com/rapport-health/rapport/services/store"
)

// Call is one of the store's verbs.
type Call string

// The verbs that can fail.
const (
	View   Call = "view"
	Update Call = "update"
	Since  Call = "since"
	Hold   Call = "hold"
	Listen Call = "listen"
)

// Verdict is what becomes of a call.
type Verdict int

// The verdicts.
const (
	// Works lets the call through.
	Works Verdict = iota
	// Fails ends the call with Unavailable before it has done anything.
	Fails
	// Hides lets the call do its work and then reports Unavailable: an Update is committed and its caller does not
	// know it. The others have the effect of Fails.
	Hides
	// Repeats makes an Update run its write twice and commit only what the second did, as after a conflict.
	// The others work.
	Repeats
)

// Faulty is a store that fails as told.
type Faulty struct {
	store.Registrations
	store.Audit
	inner Store
	// plan is asked before each call, with how many calls of the same verb came before.
	plan func(c Call, before int) Verdict

	mu     sync.Mutex
	counts map[Call]int
	leases []context.CancelFunc
}

// NewFaulty wraps a store. The plan is asked before each call, with the number of calls of that verb before it.
func NewFaulty(inner Store, plan func(c Call, before int) Verdict) *Faulty {
	return &Faulty{Registrations: inner, Audit: inner, inner: inner, plan: plan, counts: map[Call]int{}}
}

// Once is a plan by which a verb meets the verdict at its n-th call, counted from 0, and all else works.
func Once(at Call, n int, v Verdict) func(Call, int) Verdict {
	return func(c Call, before int) Verdict {
		if c == at && before == n {
			return v
		}
		return Works
	}
}

// errTold is what a told failure looks like.
func errTold() error {
	return fault.Newf(fault.Unavailable, "transient", "the store was told to fail")
}

var errAgain = errors.New("this transaction is thrown away and written again")

func (f *Faulty) verdict(c Call) Verdict {
	f.mu.Lock()
	defer f.mu.Unlock()
	before := f.counts[c]
	f.counts[c]++
	if f.plan == nil {
		return Works
	}
	return f.plan(c, before)
}

// Calls is how often a verb was called.
func (f *Faulty) Calls(c Call) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.counts[c]
}

// View reads, unless it is told to fail.
func (f *Faulty) View(ctx context.Context, t ref.Tenant, read func(store.Reader) error) error {
	if v := f.verdict(View); v == Fails || v == Hides {
		return errTold()
	}
	return f.inner.View(ctx, t, read)
}

// Update writes, or fails, or both.
func (f *Faulty) Update(ctx context.Context, t ref.Tenant, write func(store.Tx) error) ([]feed.Cursor, error) {
	switch f.verdict(Update) {
	case Fails:
		return nil, errTold()
	case Hides:
		if _, err := f.inner.Update(ctx, t, write); err != nil {
			return nil, err
		}
		return nil, errTold()
	case Repeats:
		_, err := f.inner.Update(ctx, t, func(tx store.Tx) error {
			if err := write(tx); err != nil {
				return err
			}
			return errAgain
		})
		if !errors.Is(err, errAgain) {
			return nil, err
		}
	}
	return f.inner.Update(ctx, t, write)
}

// Since reads, unless it is told to fail.
func (f *Faulty) Since(ctx context.Context, after feed.Cursor, max int) ([]feed.Event, error) {
	if v := f.verdict(Since); v == Fails || v == Hides {
		return nil, errTold()
	}
	return f.inner.Since(ctx, after, max)
}

// Hold takes a lease that LoseLeases can take away again.
func (f *Faulty) Hold(ctx context.Context, lease string) (context.Context, error) {
	if v := f.verdict(Hold); v == Fails || v == Hides {
		return nil, errTold()
	}
	ctx, lose := context.WithCancel(ctx)
	held, err := f.inner.Hold(ctx, lease)
	if err != nil {
		lose()
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.leases = append(f.leases, lose)
	return held, nil
}

// LoseLeases ends every lease taken so far, as when the connections to the database break.
func (f *Faulty) LoseLeases() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, lose := range f.leases {
		lose()
	}
	f.leases = nil
}

// Listen listens, unless it is told to fail.
func (f *Faulty) Listen(ctx context.Context, ring func(ref.Tenant, []feed.Cursor)) error {
	if v := f.verdict(Listen); v == Fails || v == Hides {
		return errTold()
	}
	return f.inner.Listen(ctx, ring)
}

// Tenants lists the tenants of the store.
func (f *Faulty) Tenants(ctx context.Context) ([]ref.Tenant, error) { return f.inner.Tenants(ctx) }

// Trim forgets old events of the store.
func (f *Faulty) Trim(ctx context.Context, t ref.Tenant, before time.Time) (int, error) {
	return f.inner.Trim(ctx, t, before)
}

// KeepDefinitions keeps them in the store.
func (f *Faulty) KeepDefinitions(ctx context.Context, t ref.Tenant, of []store.Definition) ([]store.Definition, error) {
	return f.inner.KeepDefinitions(ctx, t, of)
}

// KeptDefinition reads one from the store.
func (f *Faulty) KeptDefinition(ctx context.Context, t ref.Tenant, id, version string) (store.Definition, error) {
	return f.inner.KeptDefinition(ctx, t, id, version)
}

// Deliveries reads them from the store.
func (f *Faulty) Deliveries(ctx context.Context, t ref.Tenant) ([]subscription.Delivery, error) {
	return f.inner.Deliveries(ctx, t)
}

// KeepDelivery keeps it in the store.
func (f *Faulty) KeepDelivery(ctx context.Context, t ref.Tenant, d subscription.Delivery, givenUp ...subscription.Letter) error {
	return f.inner.KeepDelivery(ctx, t, d, givenUp...)
}

// DeadLetters reads them from the store.
func (f *Faulty) DeadLetters(ctx context.Context, t ref.Tenant, id string, after int64, max int) ([]subscription.Letter, error) {
	return f.inner.DeadLetters(ctx, t, id, after, max)
}

// KeepLetters keeps them in the store.
func (f *Faulty) KeepLetters(ctx context.Context, t ref.Tenant, of ...subscription.Letter) error {
	return f.inner.KeepLetters(ctx, t, of...)
}

// DropLetters drops them from the store.
func (f *Faulty) DropLetters(ctx context.Context, t ref.Tenant, id string, seqs ...int64) error {
	return f.inner.DropLetters(ctx, t, id, seqs...)
}

// Close closes the store.
func (f *Faulty) Close() error { return f.inner.Close() }

var _ Store = (*Faulty)(nil)

// Unmarked is passed on.
func (f *Faulty) Unmarked(ctx context.Context, t ref.Tenant, max int) ([]record.Record, error) {
	return f.inner.Unmarked(ctx, t, max)
}

// Mark is passed on.
func (f *Faulty) Mark(ctx context.Context, t ref.Tenant, of []record.Record) error {
	return f.inner.Mark(ctx, t, of)
}

// AddJob is passed on.
func (f *Faulty) AddJob(ctx context.Context, j store.Job, most int) error {
	return f.inner.AddJob(ctx, j, most)
}

// PutJob is passed on.
func (f *Faulty) PutJob(ctx context.Context, j store.Job) (store.Job, error) {
	return f.inner.PutJob(ctx, j)
}

// KeptJob is passed on.
func (f *Faulty) KeptJob(ctx context.Context, t ref.Tenant, id string) (store.Job, error) {
	return f.inner.KeptJob(ctx, t, id)
}

// JobsKept is passed on.
func (f *Faulty) JobsKept(ctx context.Context, done bool) ([]store.Job, error) {
	return f.inner.JobsKept(ctx, done)
}

// DropJob is passed on.
func (f *Faulty) DropJob(ctx context.Context, t ref.Tenant, id string) error {
	return f.inner.DropJob(ctx, t, id)
}

// KeepMoment is passed on.
func (f *Faulty) KeepMoment(ctx context.Context, t ref.Tenant, at time.Time, seq int64) (time.Time, error) {
	return f.inner.KeepMoment(ctx, t, at, seq)
}

// KeptMoment is passed on.
func (f *Faulty) KeptMoment(ctx context.Context, t ref.Tenant, at time.Time) (int64, bool, error) {
	return f.inner.KeptMoment(ctx, t, at)
}
