package subscriptions

import (
	"context"

	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/domain/subscription"
	"github.com/rapport-health/rapport/services/fhir"
	"github.com/rapport-health/rapport/services/store"
)

// noted is what events tell in a content. Resources are read as they are now, where the content has them.
func (r *Room) noted(ctx context.Context, t ref.Tenant, s *subscription.Subscription, content subscription.Content, events []feed.Event) ([]fhir.Noted, error) {
	out := make([]fhir.Noted, 0, len(events))
	for _, e := range events {
		n := about(t, s, e)
		n.Number, n.At = e.Seq, e.Time
		if content == subscription.Full {
			var err error
			if n.Bodies, err = r.bodies(ctx, t, append([]string{n.Focus}, n.Context...)); err != nil {
				return nil, err
			}
		}
		out = append(out, n)
	}
	return out, nil
}

// about names what an event is about, as a subscription looks at it.
func about(t ref.Tenant, s *subscription.Subscription, e feed.Event) fhir.Noted {
	if e.Type == feed.Recorded {
		of, _ := subscription.Recorded(e.Data)
		name := of.Resource.Unversioned()
		created := of.Resource.Version == 1
		if s.Topic == subscription.Score {
			return fhir.Noted{Focus: fhir.Panel(t, name).String(), Context: []string{name.String()}, Created: created}
		}
		return fhir.Noted{Focus: name.String(), Created: created}
	}
	id := subscription.AlertID(e.Data)
	issue, task := "DetectedIssue/"+id, "Task/"+id
	created := e.Type == feed.Opened
	if s.Topic == subscription.Criteria && len(s.Filters) > 0 && s.Filters[0].Type == "Task" {
		return fhir.Noted{Focus: task, Created: created}
	}
	n := fhir.Noted{Focus: issue, Created: created}
	if s.Topic != subscription.Criteria {
		n.Context = []string{task}
	}
	return n
}

// bodies reads resources; those that are there no more are left out.
func (r *Room) bodies(ctx context.Context, t ref.Tenant, names []string) (map[string][]byte, error) {
	out := map[string][]byte{}
	for _, name := range names {
		of, err := ref.ParseResource(name)
		if err != nil {
			continue
		}
		body, err := r.resource(ctx, t, of)
		switch {
		case err == nil:
			out[name] = body
		case fault.Of(err) != fault.NotFound:
			return nil, err
		}
	}
	return out, nil
}

// resource is what a subscriber may read of whom no more is known than that they subscribed: of an alert the minimum.
func (r *Room) resource(ctx context.Context, t ref.Tenant, of ref.Resource) (body []byte, err error) {
	if of.Type != "DetectedIssue" && of.Type != "Task" {
		return r.config.Resources.Resource(ctx, t, of)
	}
	err = r.config.Store.View(ctx, t, func(reader store.Reader) error {
		a, err := reader.Alert(of.ID)
		if err != nil {
			return err
		}
		a = a.Minimum()
		if of.Type == "Task" {
			body = fhir.Task(a)
			return nil
		}
		scores, err := scoresBehind(reader, t, a)
		body = fhir.DetectedIssue(a, scores...)
		return err
	})
	return body, err
}

// scoresBehind are the Observations derived from an alert's sources.
func scoresBehind(reader store.Reader, t ref.Tenant, a alert.Alert) ([]ref.Resource, error) {
	return fhir.ScoresBehind(t, a, func(of ref.Resource) ([]fact.Taken, error) {
		return reader.TakenFrom(ref.SourceKey(t, of.Unversioned().String()))
	})
}

// view reads one subscription.
func (r *Room) view(ctx context.Context, t ref.Tenant, id string) (s subscription.Subscription, err error) {
	err = r.config.Store.View(ctx, t, func(reader store.Reader) error {
		s, err = reader.Subscription(id)
		if err == nil {
			err = existing(&s)
		}
		return err
	})
	return s, err
}

// list reads all subscriptions of a tenant.
func (r *Room) list(ctx context.Context, t ref.Tenant) (all []subscription.Subscription, err error) {
	err = r.config.Store.View(ctx, t, func(reader store.Reader) error {
		all, err = reader.ListSubscriptions()
		return err
	})
	return all, err
}

// extent is which events of a subscription there are.
func (r *Room) extent(ctx context.Context, t ref.Tenant, id string) (feed.Extent, error) {
	found := feed.Extent{Feed: feed.Subscription(id), First: 1}
	err := r.config.Store.View(ctx, t, func(reader store.Reader) error {
		extents, err := reader.Extents(found.Feed)
		if len(extents) == 1 {
			found = extents[0]
		}
		return err
	})
	return found, err
}

// between reads the events of a subscription from one number to another, both included, at most so many.
func (r *Room) between(ctx context.Context, t ref.Tenant, id string, from, until int64, max int) ([]feed.Event, error) {
	var out []feed.Event
	for after := from - 1; after < until && len(out) < max; {
		page, err := r.config.Log.Since(ctx, feed.Cursor{Tenant: t, Feed: feed.Subscription(id), After: after}, max-len(out))
		if err != nil || len(page) == 0 {
			return out, err
		}
		for _, e := range page {
			if e.Seq <= until {
				out = append(out, e)
			}
		}
		after = page[len(page)-1].Seq
	}
	return out, nil
}
