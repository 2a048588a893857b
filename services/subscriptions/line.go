package subscriptions

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/domain/subscription"
	"github.com/rapport-health/rapport/services/fhir"
)

// channel is the way by which a subscriber is told.
type channel interface {
	// bring brings one message, and says what became of it. When the channel is closed for good, it has ended the context of
	// the worker before it returns.
	bring(ctx context.Context, m message) answer
}

// line is one subscription on its way to a subscriber. Its worker alone moves the delivery.
type line struct {
	room   *Room
	tenant ref.Tenant
	// channel is nil where this line only keeps the status, since others tell.
	channel channel
	// base is where the subscriber reaches FHIR REST.
	base string
	end  context.CancelFunc
	wake chan struct{}

	mu sync.Mutex
	s  subscription.Subscription
	// last is the number of the newest event.
	last int64
	// oldest is when the first event that was not told happened; zero when there is none, or it is not known.
	oldest time.Time
	// letters says that dead letters may wait to be told again.
	letters bool

	// What follows is the worker's own.
	d subscription.Delivery
	// refusals is how often the next event was refused, and dead how many events in a row became dead letters.
	refusals, dead int
	// single says that a notification of several events was refused: they are told one by one until past single.
	single int64
	// letter is the number behind which dead letters are looked for, and yields says that it is the turn of what is new.
	letter int64
	yields bool
	begun  time.Time
}

func newLine(r *Room, t ref.Tenant, s subscription.Subscription, d subscription.Delivery, c channel, base string) *line {
	d.ID = s.ID
	return &line{room: r, tenant: t, channel: c, base: base, s: s, d: d, letters: true, wake: make(chan struct{}, 1), begun: r.now()}
}

// reached says how far the feed is.
func (l *line) reached(last int64) {
	l.mu.Lock()
	moved := last > l.last
	l.last = max(l.last, last)
	l.mu.Unlock()
	if moved {
		l.poke()
	}
}

// become takes a changed subscription.
func (l *line) become(s subscription.Subscription) {
	l.mu.Lock()
	changed := s.Version > l.s.Version // an older one was read before
	if changed {
		l.s, l.letters = s, true
	}
	l.mu.Unlock()
	if changed {
		l.poke()
	}
}

func (l *line) poke() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

func (l *line) now() (s subscription.Subscription, last int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.s, l.last
}

// never is how long a worker waits that waits for nothing but to be woken.
const never = time.Duration(-1)

// run works until ctx ends.
func (l *line) run(ctx context.Context) {
	for ctx.Err() == nil {
		wait, err := l.step(ctx)
		if err != nil {
			if ctx.Err() == nil {
				l.room.config.Logger.Warn("a subscriber cannot be told yet", slog.String("subscription", l.d.ID), slog.Any("error", err))
			}
			wait = l.room.config.Poll
		}
		if wait == 0 {
			continue
		}
		var timer <-chan time.Time
		if wait > 0 {
			timer = l.room.config.After(wait)
		}
		select {
		case <-ctx.Done():
		case <-l.wake:
		case <-timer:
		}
	}
}

// step does one thing and says how long there is nothing to do after it. An error is the store's.
func (l *line) step(ctx context.Context) (time.Duration, error) {
	s, last := l.now()
	now := l.room.now()
	switch {
	case s.Status != subscription.Active && s.Status != subscription.Requested:
		return never, l.date(ctx)
	case !s.End.IsZero() && !now.Before(s.End):
		return 0, l.settle(ctx, s, subscription.Off, "")
	case l.channel == nil:
		return l.until(s, now, time.Time{}), nil
	case s.Status == subscription.Requested:
		return 0, l.shake(ctx, s)
	case now.Before(l.d.Next):
		return l.until(s, now, l.d.Next), l.date(ctx)
	case l.lettersWait() && (!l.yields || l.d.Delivered >= last):
		l.yields = true
		return 0, l.again(ctx, s)
	case l.d.Delivered < last:
		l.yields = false
		return 0, l.tell(ctx, s)
	}
	if s.Heartbeat == 0 || s.Topic == subscription.Criteria {
		return l.until(s, now, time.Time{}), nil
	}
	quiet := l.d.Told
	if quiet.Before(l.begun) {
		quiet = l.begun // nothing is owed for the time in which nobody led
	}
	if beat := quiet.Add(s.Heartbeat); now.Before(beat) {
		return l.until(s, now, beat), nil
	}
	return 0, l.beat(ctx, s)
}

// until is how long to wait for a moment, or for the end of the subscription when that comes first.
func (l *line) until(s subscription.Subscription, now, moment time.Time) time.Duration {
	if !s.End.IsZero() && (moment.IsZero() || s.End.Before(moment)) {
		moment = s.End
	}
	if moment.IsZero() {
		return never
	}
	return max(moment.Sub(now), time.Millisecond)
}

// settle takes the subscription to another status, here and in the store.
func (l *line) settle(ctx context.Context, seen subscription.Subscription, to subscription.Status, because string) error {
	s, done, err := l.room.settle(ctx, l.tenant, seen, to, because)
	if err != nil {
		return err
	}
	if s.ID != "" {
		l.mu.Lock()
		l.s, l.letters = s, l.letters || !done // who changed it meanwhile may have asked for letters
		l.mu.Unlock()
	}
	if to == subscription.Failed {
		l.room.config.Logger.Warn("a subscription went to error", slog.String("subscription", seen.ID), slog.String("because", because))
	}
	return nil
}

// shake begins to speak with an endpoint: by a handshake, or, where plain R4 knows none, without.
func (l *line) shake(ctx context.Context, s subscription.Subscription) error {
	if s.Topic != subscription.Criteria {
		a := l.call(ctx, l.handshake(s), fhir.ToldHandshake)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if a.verdict != taken {
			return l.settle(ctx, s, subscription.Failed, "the handshake failed: "+a.failure)
		}
	}
	l.d.Attempts, l.d.Failure, l.d.Next, l.d.Told, l.dead = 0, "", time.Time{}, l.room.now(), 0
	if err := l.keep(ctx); err != nil {
		return err
	}
	return l.settle(ctx, s, subscription.Active, "")
}

// handshake is the first word to a subscriber of a topic.
func (l *line) handshake(s subscription.Subscription) message {
	return l.message(s, http.MethodPost, s.Endpoint, l.notification(s, fhir.ToldHandshake).Bundle(), 0)
}

func (l *line) keep(ctx context.Context, givenUp ...subscription.Letter) error {
	return l.room.config.Store.KeepDelivery(ctx, l.tenant, l.d, givenUp...)
}

func (l *line) notification(s subscription.Subscription, told fhir.Told) fhir.Notification {
	_, last := l.now()
	return fhir.Notification{Base: l.base, Subscription: s, Told: told, Content: s.Content, Since: last, At: l.room.now()}
}

func (l *line) message(s subscription.Subscription, method, url string, body []byte, number int64) message {
	m := message{
		method: method, url: url, headers: s.Headers, keys: s.Keys(l.room.now()), body: body, number: number,
		timeout: s.Timeout, at: l.room.now(),
	}
	if m.timeout == 0 {
		m.timeout = l.room.config.Timeout
	}
	if len(body) > 0 {
		m.contentType = s.Payload
	}
	return m
}

func (l *line) call(ctx context.Context, m message, told fhir.Told) answer {
	a := l.channel.bring(ctx, m)
	if ctx.Err() == nil {
		l.room.counts.call(told, a)
	}
	return a
}

// beat says that all is well while there is nothing to tell.
func (l *line) beat(ctx context.Context, s subscription.Subscription) error {
	n := l.notification(s, fhir.ToldHeartbeat)
	a := l.call(ctx, l.message(s, http.MethodPost, s.Endpoint, n.Bundle(), l.d.Delivered), fhir.ToldHeartbeat)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if a.verdict != taken {
		return l.failed(ctx, s, a)
	}
	l.told()
	return l.keep(ctx)
}

func (l *line) told() {
	l.d.Attempts, l.d.Failure, l.d.Next, l.d.Told = 0, "", time.Time{}, l.room.now()
}

// tell tells the next events. What could not be read of the store is tried again and counts for nothing.
func (l *line) tell(ctx context.Context, s subscription.Subscription) error {
	max := s.MaxCount
	if s.Topic == subscription.Criteria || l.d.Delivered < l.single {
		max = 1
	}
	events, err := l.read(ctx, max)
	if fault.Of(err) == fault.TooOld {
		return l.skip(ctx, s, err)
	}
	if err != nil {
		return err
	}
	if len(events) == 0 { // the database was restored from an older copy: it says itself how far it is
		l.mu.Lock()
		l.last = l.d.Delivered
		l.mu.Unlock()
		return nil
	}
	m, err := l.compose(ctx, s, events)
	if err != nil {
		return err
	}
	l.mu.Lock()
	l.oldest = events[0].Time
	l.mu.Unlock()
	a := l.call(ctx, m, fhir.ToldEvents)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	end := events[len(events)-1].Seq
	switch {
	case a.verdict == taken:
		l.dead = 0
		l.told()
		return l.advance(ctx, end)
	case a.verdict == refused && len(events) > 1:
		l.single = end
		return nil
	case a.verdict == refused && l.refusals+1 >= l.room.config.Refusals:
		return l.bury(ctx, s, events[0].Seq, a)
	case a.verdict == refused:
		l.refusals++
	}
	return l.failed(ctx, s, a)
}

// advance keeps that all events up to a number need no more to be told.
func (l *line) advance(ctx context.Context, to int64, givenUp ...subscription.Letter) error {
	l.d.Delivered, l.refusals = to, 0
	l.mu.Lock()
	l.oldest = time.Time{}
	l.mu.Unlock()
	return l.keep(ctx, givenUp...)
}

// read reads the next events.
func (l *line) read(ctx context.Context, max int) ([]feed.Event, error) {
	return l.room.config.Log.Since(ctx, feed.Cursor{Tenant: l.tenant, Feed: feed.Subscription(l.d.ID), After: l.d.Delivered}, max)
}

// skip gives up events that are no longer kept, and says so in the subscription itself.
func (l *line) skip(ctx context.Context, s subscription.Subscription, err error) error {
	f, ok := faultOf(err)
	if !ok {
		return err
	}
	if err := l.advance(ctx, f.Earliest); err != nil {
		return err
	}
	return l.settle(ctx, s, subscription.Failed, "events were not taken for so long that they are no longer kept: read afresh what this subscription is about")
}

// compose is the call that tells events.
func (l *line) compose(ctx context.Context, s subscription.Subscription, events []feed.Event) (message, error) {
	end := events[len(events)-1].Seq
	if s.Topic == subscription.Criteria {
		return l.plain(ctx, s, events[0])
	}
	noted, err := l.room.noted(ctx, l.tenant, &s, s.Content, events)
	if err != nil {
		return message{}, err
	}
	n := l.notification(s, fhir.ToldEvents)
	n.Events, n.Since = noted, max(n.Since, end)
	m := l.message(s, http.MethodPost, s.Endpoint, n.Bundle(), end)
	if s.Content != subscription.Empty {
		m.patients = patientsOf(events)
	}
	return m, nil
}

// patientsOf are whom events are about.
func patientsOf(events []feed.Event) (patients []ref.Patient) {
	for _, e := range events {
		if id, ok := strings.CutPrefix(e.Subject, "Patient/"); ok && !slices.Contains(patients, ref.Patient(id)) {
			patients = append(patients, ref.Patient(id))
		}
	}
	return patients
}

// plain tells one event as plain R4 does: an empty POST, or a PUT of the resource to its place below the endpoint.
func (l *line) plain(ctx context.Context, s subscription.Subscription, event feed.Event) (message, error) {
	if s.Payload == "" {
		return l.message(s, http.MethodPost, s.Endpoint, nil, event.Seq), nil
	}
	focus := about(l.tenant, &s, event).Focus
	of, err := ref.ParseResource(focus)
	if err != nil {
		return message{}, err
	}
	body, err := l.room.resource(ctx, l.tenant, of)
	switch {
	case err != nil && fault.Of(err) == fault.NotFound: // it is there no more: the bare word that something happened
		return l.message(s, http.MethodPost, s.Endpoint, nil, event.Seq), nil
	case err != nil:
		return message{}, err
	}
	return l.message(s, http.MethodPut, below(s.Endpoint, focus), body, event.Seq), nil
}

// failed notes a failure and waits, for longer and longer, or gives the endpoint up.
func (l *line) failed(ctx context.Context, s subscription.Subscription, a answer) error {
	c := &l.room.config
	l.d.Attempts++
	l.d.Failure = a.failure
	wait := backOff(l.d.Attempts, c.Patience, c.MaxPatience, c.Random())
	l.d.Next = l.room.now().Add(max(wait, min(a.wait, c.MaxPatience)))
	if l.d.Attempts >= c.Attempts || a.verdict == gone {
		l.d.Next = time.Time{}
		if err := l.keep(ctx); err != nil {
			return err
		}
		return l.settle(ctx, s, subscription.Failed, "given up after failing "+times(l.d.Attempts)+": "+a.failure)
	}
	return l.keep(ctx)
}

// bury makes an event that the endpoint will not have a dead letter, and goes on behind it.
func (l *line) bury(ctx context.Context, s subscription.Subscription, seq int64, a answer) error {
	letter := subscription.Letter{ID: l.d.ID, Seq: seq, At: l.room.now(), Attempts: l.d.Attempts + 1, Failure: a.failure}
	l.d.Attempts, l.d.Failure, l.d.Next = 0, a.failure, time.Time{}
	l.dead++
	l.room.counts.bury()
	if err := l.advance(ctx, seq, letter); err != nil {
		return err
	}
	l.room.config.Logger.Warn("an event became a dead letter", slog.String("subscription", l.d.ID), slog.Int64("event", seq), slog.String("because", a.failure))
	if l.dead >= l.room.config.DeadInRow {
		return l.settle(ctx, s, subscription.Failed, "given up: "+times(l.dead)+" in a row an event was refused: "+a.failure)
	}
	return nil
}

// date finds out since when an event waits, while none is told.
func (l *line) date(ctx context.Context) error {
	_, last := l.now()
	l.mu.Lock()
	known := !l.oldest.IsZero() || last <= l.d.Delivered || l.channel == nil
	l.mu.Unlock()
	if known {
		return nil
	}
	events, err := l.read(ctx, 1)
	if err != nil || len(events) == 0 {
		return nil //nolint:nilerr // it is wanted for a metric alone
	}
	l.mu.Lock()
	l.oldest = events[0].Time
	l.mu.Unlock()
	return nil
}
