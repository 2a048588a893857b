package subscriptions

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/rapport-health/rapport/services/domain/access"
	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/domain/subscription"
	"github.com/rapport-health/rapport/services/fhir"
	"github.com/rapport-health/rapport/services/store"
)

// terms are what this server is ready to do, for a caller who reaches it at base.
func (r *Room) terms(base string) fhir.SubscriptionTerms {
	c := &r.config
	return fhir.SubscriptionTerms{
		Base: base, Endpoint: func(u *url.URL) error { return r.guard.endpoint(u) },
		MinHeartbeat: c.MinHeartbeat, MaxTimeout: c.MaxTimeout, MaxCount: c.MaxCount, Now: r.now(),
	}
}

// now is to the microsecond, as stores keep it.
func (r *Room) now() time.Time { return r.config.Now().UTC().Truncate(time.Microsecond) }

// change reads a subscription in the line of the tenant's writers, lets do say what becomes of it, and writes that. Do may
// run more than once. An old one that is not there is nil; a new one that is nil leaves all as it was.
func (r *Room) change(
	ctx context.Context, t ref.Tenant, id string,
	do func(tx store.Tx, old *subscription.Subscription) (*subscription.Subscription, error),
) (s subscription.Subscription, err error) {
	_, err = r.config.Store.Update(ctx, t, func(tx store.Tx) error {
		var before *subscription.Subscription
		old, err := tx.Subscription(id)
		switch {
		case err == nil:
			before, s = &old, old
		case fault.Of(err) != fault.NotFound:
			return err
		}
		next, err := do(tx, before)
		if err != nil || next == nil {
			return err
		}
		s = *next
		return tx.Commit(&decision.Decision{Subscriptions: []subscription.Subscription{s}})
	})
	if err == nil {
		r.look()
	}
	return s, err
}

// put makes a subscription, or replaces the one under its id. With a version it replaces that version alone. It returns
// the secret of one that is new.
// Errors: as fhir.ReadSubscription; Precondition, Unprocessable when there are too many.
func (r *Room) put(ctx context.Context, p access.Principal, wanted subscription.Subscription, ifVersion int64) (s subscription.Subscription, created bool, secret string, err error) {
	fresh := r.config.Secret()
	s, err = r.change(ctx, p.Tenant, wanted.ID, func(tx store.Tx, old *subscription.Subscription) (*subscription.Subscription, error) {
		next := wanted
		next.Created, next.Updated, next.Version, next.Owner = r.now(), r.now(), 1, p.Name
		next.Secrets = []subscription.Secret{{Key: fresh}}
		created = old == nil
		switch {
		case old != nil && old.Deleted:
			return nil, fault.Newf(fault.Conflict, "deleted", "a subscription of this id was deleted, and its numbers cannot begin anew: choose another id")
		case ifVersion != 0 && (old == nil || old.Version != ifVersion):
			return nil, fault.Newf(fault.Precondition, "conflict", "the subscription is not at that version: read it again and decide again")
		case old != nil && old.Channel != wanted.Channel:
			return nil, fault.New(fault.Unprocessable, fault.Errorf("business-rule", "Subscription.channel.type", "a subscription keeps its channel, %s: delete it and make another one", old.Channel))
		case created:
			if err := r.roomFor(tx); err != nil {
				return nil, err
			}
		default:
			next.Created, next.Secrets = old.Created, old.Secrets
		}
		if old != nil {
			next.Version = old.Version + 1
		}
		if next.Status == subscription.Requested {
			next.Status = next.First()
		}
		if err := unmask(&next, old); err != nil {
			return nil, err
		}
		return &next, know(tx, &next)
	})
	if created {
		secret = fresh
	}
	return s, created, secret, err
}

// roomFor refuses one more than there may be.
func (r *Room) roomFor(tx store.Tx) error {
	all, err := tx.ListSubscriptions()
	if err == nil && len(all) >= r.config.PerTenant {
		err = fault.Newf(fault.Unprocessable, "too-costly", "there are %d subscriptions already, which is the most there may be: delete one", len(all))
	}
	return err
}

// unmask gives a header that was sent as it was shown its value back.
func unmask(next, old *subscription.Subscription) error {
	headers := slices.Clone(next.Headers)
	for i, header := range headers {
		name := fhir.HeaderName(header)
		if header != name+": "+fhir.Masked {
			continue
		}
		at := -1
		if old != nil {
			at = slices.IndexFunc(old.Headers, func(h string) bool { return strings.EqualFold(fhir.HeaderName(h), name) })
		}
		if at < 0 {
			return fault.New(fault.Unprocessable, fault.Errorf("value", "Subscription.channel.header", "a header is sent as it is shown, and there is no value for it: send it with one"))
		}
		headers[i] = old.Headers[at]
	}
	next.Headers = headers
	return nil
}

// know lets filters name patients by the ids under which all of theirs is kept.
func know(r store.Reader, s *subscription.Subscription) error {
	for i := range s.Filters {
		tests := slices.Clone(s.Filters[i].Tests)
		for j := range tests {
			patients := slices.Clone(tests[j].Patients)
			for k, p := range patients {
				known, err := store.KnownAs(r, p)
				if err != nil {
					return err
				}
				patients[k] = known
			}
			tests[j].Patients = patients
		}
		s.Filters[i].Tests = tests
	}
	return nil
}

// existing refuses to change what is not there.
func existing(old *subscription.Subscription) error {
	if old == nil || old.Deleted {
		return fault.Newf(fault.NotFound, "not-found", "there is no such subscription")
	}
	return nil
}

// remove turns a subscription off for good. One that is not there is removed already.
func (r *Room) remove(ctx context.Context, t ref.Tenant, id string) error {
	_, err := r.change(ctx, t, id, func(_ store.Tx, old *subscription.Subscription) (*subscription.Subscription, error) {
		if existing(old) != nil {
			return nil, nil
		}
		next := old.Become(subscription.Off, "", r.now())
		next.Deleted, next.Headers, next.Secrets = true, nil, nil
		return &next, nil
	})
	return err
}

// rotate gives a subscription a new secret. The one before signs beside it until the moment returned.
func (r *Room) rotate(ctx context.Context, t ref.Tenant, id string) (secret string, until time.Time, err error) {
	secret = r.config.Secret()
	s, err := r.change(ctx, t, id, func(_ store.Tx, old *subscription.Subscription) (*subscription.Subscription, error) {
		if err := existing(old); err != nil {
			return nil, err
		}
		next := old.Become(old.Status, old.Error, r.now())
		next.Rotate(secret, r.now(), r.config.Overlap)
		return &next, nil
	})
	if err == nil && len(s.Secrets) > 1 {
		until = s.Secrets[1].Until
	}
	return secret, until, err
}

// settle takes a subscription to another status, if it is still at the version that was acted on; done says whether it was.
func (r *Room) settle(ctx context.Context, t ref.Tenant, seen subscription.Subscription, to subscription.Status, because string) (s subscription.Subscription, done bool, err error) {
	s, err = r.change(ctx, t, seen.ID, func(_ store.Tx, old *subscription.Subscription) (*subscription.Subscription, error) {
		if done = old != nil && old.Version == seen.Version; !done {
			return nil, nil
		}
		next := old.Become(to, because, r.now())
		return &next, nil
	})
	return s, done, err
}
