package subscriptions

import (
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/subscription"
	"github.com/rapport-health/rapport/services/fhir"
)

// notification about a subscription, as of now.
func (c *request) notification(s subscription.Subscription, told fhir.Told, since int64) fhir.Notification {
	return fhir.Notification{Base: c.base, Subscription: s, Told: told, Content: s.Content, Since: since, At: c.now()}
}

// statusOf is the Parameters resource that tells how a subscription stands.
func (c *request) statusOf(s subscription.Subscription) ([]byte, error) {
	x, err := c.extent(c.r.Context(), c.principal.Tenant, s.ID)
	if err != nil {
		return nil, err
	}
	return c.notification(s, fhir.ToldStatus, x.Last).Status(), nil
}

// status answers $status of one subscription.
func (c *request) status() error {
	s, err := c.one()
	if err != nil {
		return err
	}
	return c.giveStatuses([]subscription.Subscription{s})
}

// statuses answers $status of those that id and status name, or of all.
func (c *request) statuses() error {
	values, err := c.values()
	if err != nil {
		return err
	}
	all, err := c.list(c.r.Context(), c.principal.Tenant)
	if err != nil {
		return err
	}
	ids, wanted := values["id"], values["status"]
	all = slices.DeleteFunc(all, func(s subscription.Subscription) bool {
		return len(ids) > 0 && !slices.Contains(ids, s.ID) || len(wanted) > 0 && !slices.Contains(wanted, string(s.Status))
	})
	return c.giveStatuses(all)
}

func (c *request) giveStatuses(of []subscription.Subscription) error {
	out := fhir.Searchset{Self: c.base + c.r.URL.Path[len(prefix):], Total: new(len(of))}
	for _, s := range of {
		body, err := c.statusOf(s)
		if err != nil {
			return err
		}
		out.Matches = append(out.Matches, fhir.Match{FullURL: c.base + "/Subscription/" + s.ID + "/$status", Resource: body})
	}
	c.reply(http.StatusOK, out.Bundle())
	return nil
}

// events answers $events: what a subscriber missed. An answer holds MaxCount events at most; the numbers, which have no
// holes, and events-since-subscription-start tell whether there are more.
func (c *request) events() error {
	values, err := c.values()
	if err != nil {
		return err
	}
	from, err := number(values, "eventsSinceNumber", 1)
	if err != nil {
		return err
	}
	until, err := number(values, "eventsUntilNumber", math.MaxInt64)
	if err != nil {
		return err
	}
	ctx, t := c.r.Context(), c.principal.Tenant
	s, err := c.one()
	if err != nil {
		return err
	}
	content := s.Content
	if asked := values.Get("content"); asked != "" {
		content = subscription.Content(asked)
	}
	switch content {
	case subscription.Empty, subscription.IDOnly, subscription.Full:
	case "":
		content = subscription.IDOnly
	default:
		return fault.Newf(fault.Invalid, "value", "content must be empty, id-only or full-resource")
	}
	x, err := c.extent(ctx, t, s.ID)
	if err != nil {
		return err
	}
	if values.Get("eventsSinceNumber") == "" {
		from = x.First
	}
	n := c.notification(s, fhir.ToldQuery, x.Last)
	n.Content = content
	if until = min(until, x.Last); from <= until {
		found, err := c.between(ctx, t, s.ID, from, until, c.config.MaxCount)
		if err != nil {
			return err
		}
		if n.Events, err = c.noted(ctx, t, &s, content, found); err != nil {
			return err
		}
	}
	c.reply(http.StatusOK, n.Bundle())
	return nil
}

func number(values url.Values, name string, absent int64) (int64, error) {
	text := values.Get(name)
	if text == "" {
		return absent, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return 0, fault.Newf(fault.Invalid, "value", "%s must be a whole number", name)
	}
	return max(n, 1), nil
}
