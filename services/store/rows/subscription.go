package rows

import (
	"context"
	"encoding/json"
	"time"

	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/domain/subscription"
	"github.com/rapport-health/rapport/services/store/sealed"
)

// Subscription is a row of subscription.
type Subscription struct {
	ID string
	// Deleted ones are kept, so that their id is not used again.
	Deleted bool
	// Data is its JSON.
	Data []byte
}

func (g *gatherer) subscriptions(d *decision.Decision) error {
	for _, s := range d.Subscriptions {
		if err := storable("subscription", s.ID); err != nil {
			return err
		}
		if !feed.Subscription(s.ID).Valid() {
			return fault.Newf(fault.Unprocessable, "invalid", "the id of a subscription cannot name a feed")
		}
		data, err := marshal("subscription", s)
		if err != nil {
			return err
		}
		put(&g.batch.Subscriptions, g.wishes, s.ID, Subscription{s.ID, s.Deleted, data})
	}
	return nil
}

// ParseSubscription opens and reads the data of a row, which holds the secret that notifications are signed with. Errors: those of
// Box.Open; Internal.
func ParseSubscription(ctx context.Context, b *sealed.Box, t ref.Tenant, id string, data []byte) (s subscription.Subscription, err error) {
	plain, err := b.Open(ctx, data, sealed.Other("subscription", t, id))
	if err == nil && json.Unmarshal(plain, &s) != nil {
		err = fault.Newf(fault.Internal, "exception", "a stored subscription cannot be read")
	}
	return s, err
}

// ErrNoSubscription says that there is none.
func ErrNoSubscription() error {
	return fault.Newf(fault.NotFound, "not-found", "there is no such subscription")
}

// Moment is a time in microseconds, 0 for none.
func Moment(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// AtMoment is the time that Moment wrote.
func AtMoment(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return Time(us)
}
