package subscriptions

import (
	"context"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/domain/subscription"
	"github.com/rapport-health/rapport/services/fhir"
	"github.com/rapport-health/rapport/services/store"
)

// lettersAtOnce is how many dead letters are told again before it is the turn of what is new.
const lettersAtOnce = 10

func (l *line) lettersWait() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.letters
}

// again tells some dead letters that somebody asked to be told once more, one after another, until one fails.
func (l *line) again(ctx context.Context, s subscription.Subscription) error {
	for told := 0; told < lettersAtOnce; {
		page, err := l.room.config.Store.DeadLetters(ctx, l.tenant, l.d.ID, l.letter, 100)
		if err != nil {
			return err
		}
		if len(page) == 0 {
			l.letter = 0
			l.mu.Lock()
			l.letters = l.s.Version != s.Version
			l.mu.Unlock()
			return nil
		}
		for _, letter := range page {
			if told == lettersAtOnce {
				return nil
			}
			if letter.Again {
				told++
				if waits, err := l.retell(ctx, s, letter); err != nil || waits {
					return err
				}
			}
			l.letter = letter.Seq
		}
	}
	return nil
}

// retell tells one dead letter. One that is refused, or no longer kept, stays a letter; one that fails for another reason is
// told again later, as an event would be, and waits says so.
func (l *line) retell(ctx context.Context, s subscription.Subscription, letter subscription.Letter) (waits bool, err error) {
	a := answer{verdict: refused, failure: "the event is no longer kept"}
	events, err := l.room.between(ctx, l.tenant, l.d.ID, letter.Seq, letter.Seq, 1)
	switch {
	case err != nil && fault.Of(err) != fault.TooOld:
		return false, err
	case len(events) == 1:
		m, err := l.compose(ctx, s, events)
		if err != nil {
			return false, err
		}
		m.again = true
		a = l.call(ctx, m, fhir.ToldEvents)
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
	}
	if a.verdict == taken {
		if err := l.room.config.Store.DropLetters(ctx, l.tenant, l.d.ID, letter.Seq); err != nil {
			return false, err
		}
		l.told()
		return false, l.keep(ctx)
	}
	letter.At, letter.Attempts, letter.Failure = l.room.now(), letter.Attempts+1, a.failure
	letter.Again = a.verdict == failed
	if err := l.room.config.Store.KeepLetters(ctx, l.tenant, letter); err != nil || a.verdict == refused {
		return false, err
	}
	return true, l.failed(ctx, s, a)
}

// resend answers $resend: events that were told already are told once more.
func (c *request) resend() error {
	values, err := c.values()
	if err != nil {
		return err
	}
	s, err := c.one()
	if err != nil {
		return err
	}
	asked, err := readStretch(values)
	if err != nil {
		return err
	}
	if s.Status != subscription.Active {
		return fault.Newf(fault.Unprocessable, "business-rule", "only an active subscription is told again; bring this one back first by a PUT with the status requested")
	}
	ctx, t := c.r.Context(), c.principal.Tenant
	told, err := c.told(ctx, t)
	if err != nil {
		return err
	}
	x, err := c.extent(ctx, t, s.ID)
	if err != nil {
		return err
	}
	from, until := max(asked.from, x.First), min(asked.until, told[s.ID].Delivered) // what was not told yet comes anyway
	events, err := c.between(ctx, t, s.ID, from, until, c.config.MaxCount+1)
	if err != nil {
		return err
	}
	if len(events) > c.config.MaxCount {
		return fault.Newf(fault.Unprocessable, "too-costly", "at most %d events can be told again at once: ask for fewer numbers", c.config.MaxCount)
	}
	events = slices.DeleteFunc(events, asked.outside)
	if err := c.askAgain(ctx, t, s.ID, events); err != nil {
		return err
	}
	c.reply(http.StatusOK, fhir.Outcome(fault.Infof("informational", "", "%d events are told again", len(events))))
	return nil
}

// stretch is which events are meant: by their numbers, both ends included, and by when they happened.
type stretch struct {
	from, until int64
	// after and before are zero for no bound.
	after, before time.Time
}

// outside says whether an event did not happen in it.
func (s stretch) outside(e feed.Event) bool {
	return !s.after.IsZero() && e.Time.Before(s.after) || !s.before.IsZero() && e.Time.After(s.before)
}

// readStretch reads the parameters of $resend. One of them is needed.
func readStretch(values url.Values) (s stretch, err error) {
	bounded := false
	for _, name := range []string{"eventsSinceNumber", "eventsUntilNumber", "eventsSinceInstant", "eventsUntilInstant"} {
		bounded = bounded || values.Get(name) != ""
	}
	if !bounded {
		return s, fault.New(fault.Invalid, fault.Errorf("required", "", "say which events, by eventsSinceNumber, eventsUntilNumber, eventsSinceInstant or eventsUntilInstant"))
	}
	if s.from, err = number(values, "eventsSinceNumber", 1); err != nil {
		return s, err
	}
	if s.until, err = number(values, "eventsUntilNumber", math.MaxInt64); err != nil {
		return s, err
	}
	for name, to := range map[string]*time.Time{"eventsSinceInstant": &s.after, "eventsUntilInstant": &s.before} {
		if text := values.Get(name); text != "" {
			if *to, err = time.Parse(time.RFC3339Nano, strings.Replace(text, " ", "+", 1)); err != nil {
				return s, fault.Newf(fault.Invalid, "value", "%s must be an instant such as 2026-03-02T09:00:00Z", name)
			}
		}
	}
	return s, nil
}

// askAgain asks for events to be told once more: as dead letters, of which those that are there keep what they tell.
func (r *Room) askAgain(ctx context.Context, t ref.Tenant, id string, events []feed.Event) error {
	letters := make([]subscription.Letter, len(events))
	for i, e := range events {
		letters[i] = subscription.Letter{ID: id, Seq: e.Seq, At: r.now(), Again: true}
		known, err := r.config.Store.DeadLetters(ctx, t, id, e.Seq-1, 1)
		if err != nil {
			return err
		}
		if len(known) == 1 && known[0].Seq == e.Seq {
			letters[i] = known[0]
			letters[i].Again = true
		}
	}
	if len(letters) == 0 {
		return nil
	}
	if err := r.config.Store.KeepLetters(ctx, t, letters...); err != nil {
		return err
	}
	_, err := r.bringBack(ctx, t, id)
	return err
}

// redrive asks for dead letters to be told once more, all of them when no number is given, and brings a subscription in
// error back. It returns how many letters that are.
func (r *Room) redrive(ctx context.Context, t ref.Tenant, id string, seqs []int64) (letters int, s subscription.Subscription, err error) {
	for after := int64(0); ; {
		page, err := r.config.Store.DeadLetters(ctx, t, id, after, 500)
		if err != nil {
			return letters, s, err
		}
		if len(page) == 0 {
			break
		}
		after = page[len(page)-1].Seq
		page = slices.DeleteFunc(page, func(l subscription.Letter) bool { return len(seqs) > 0 && !slices.Contains(seqs, l.Seq) })
		for i := range page {
			page[i].Again = true
		}
		if err := r.config.Store.KeepLetters(ctx, t, page...); err != nil {
			return letters, s, err
		}
		letters += len(page)
	}
	s, err = r.bringBack(ctx, t, id)
	return letters, s, err
}

// bringBack lets whoever tells look for letters, and takes a subscription in error back to its beginning.
func (r *Room) bringBack(ctx context.Context, t ref.Tenant, id string) (subscription.Subscription, error) {
	return r.change(ctx, t, id, func(_ store.Tx, old *subscription.Subscription) (*subscription.Subscription, error) {
		if err := existing(old); err != nil {
			return nil, err
		}
		to := old.Status
		if to == subscription.Failed {
			to = old.First()
		}
		next := old.Become(to, "", r.now())
		return &next, nil
	})
}
