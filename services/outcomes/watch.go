package outcomes

import (
	"context"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
	"github.com/rapport-health/rapport/services/auth"
	"github.com/rapport-health/rapport/services/domain/access"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/store"
	"github.com/rapport-health/rapport/services/watch"
	"github.com/rapport-health/rapport/services/wire"
)

// maxCatchUp is how many events a watcher that comes back is read through; further back it gets the present state at once.
const maxCatchUp = 4096

// WatchEpisode sends the state of an episode whenever it changes.
func (s *Server) WatchEpisode(req *rapportv1.WatchEpisodeRequest, stream grpc.ServerStreamingServer[rapportv1.WatchEpisodeResponse]) error {
	p, err := auth.From(stream.Context())
	if err != nil {
		return wire.Error(err)
	}
	heartbeat, err := wire.Heartbeat(req.GetHeartbeatSeconds())
	if err != nil {
		return wire.Error(err)
	}
	patient, err := patientOf(req.GetPatient())
	if err != nil {
		return wire.Error(err)
	}
	if req.GetAfter() < 0 {
		return wire.Error(fault.New(fault.Invalid, fault.Errorf("value", "after", "the number of an event is not negative")))
	}
	ctx, end := watch.Until(stream.Context(), s.Stopping)
	defer end()
	w := &watcher{Server: s, asks: p, named: patient, stream: stream}
	return wire.Error(watch.Ended(ctx, w.run(ctx, req.GetAfter(), heartbeat)))
}

// watcher is one caller of WatchEpisode.
type watcher struct {
	*Server
	// asks is who watches.
	asks access.Principal
	// named is the patient as the caller names them, known as the one under whose id all is kept now.
	named, known ref.Patient
	stream       grpc.ServerStreamingServer[rapportv1.WatchEpisodeResponse]
	// sent is the last state sent, and after the number of the last event it holds.
	sent  *rapportv1.Episode
	after int64
}

// run sends the present state, unless the caller can go on from an event, and then follows the feed of the tenant. An
// event is only the sign to look: what is sent is the state at that moment with the number of the last event it holds, so
// that whoever is slow skips to the newest, and events that a state already holds bring no other.
func (w *watcher) run(ctx context.Context, after int64, heartbeat time.Duration) error {
	now, last, err := w.look(ctx)
	if err != nil {
		return err
	}
	if w.after = after; after == 0 || after > last || last-after > maxCatchUp || !w.kept(ctx, after) {
		if err := w.send(now, last); err != nil {
			return err
		}
	}
	for {
		err := w.follow(ctx, heartbeat)
		if fault.Of(err) != fault.TooOld {
			return err
		}
		// So slow that the events it has not come to yet are forgotten: the state holds them.
		if err := w.renew(ctx); err != nil {
			return err
		}
	}
}

func (w *watcher) follow(ctx context.Context, heartbeat time.Duration) error {
	cursor := feed.Cursor{Tenant: w.asks.Tenant, Feed: feed.All, After: w.after}
	for message, err := range w.Log.Follow(ctx, []feed.Cursor{cursor}, heartbeat) {
		if err != nil {
			return err
		}
		if err := w.take(ctx, message); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// kept says whether the events after a number can still be read.
func (w *watcher) kept(ctx context.Context, after int64) bool {
	_, err := w.Log.Since(ctx, feed.Cursor{Tenant: w.asks.Tenant, Feed: feed.All, After: after}, 1)
	return err == nil
}

func (w *watcher) take(ctx context.Context, m watch.Message) error {
	if m.Entry == nil {
		return w.beat(ctx, m.HighWater[0].After)
	}
	if m.Entry.Seq <= w.after || m.Entry.Subject != w.known.Reference() && m.Entry.Subject != w.named.Reference() {
		return nil
	}
	return w.renew(ctx)
}

// renew sends the state when it is another than the last one.
func (w *watcher) renew(ctx context.Context) error {
	now, last, err := w.look(ctx)
	if err != nil {
		return err
	}
	if proto.Equal(now, w.sent) {
		w.after = last
		return nil
	}
	return w.send(now, last)
}

// beat sends a heartbeat. A patient who has turned out to be another one since is told of first: the events of that are
// the other's.
func (w *watcher) beat(ctx context.Context, high int64) error {
	before := w.known
	known, err := w.knownAs(ctx)
	if err != nil {
		return err
	}
	if known != before {
		return w.renew(ctx)
	}
	w.after = max(w.after, high)
	return w.stream.Send(&rapportv1.WatchEpisodeResponse{After: w.after, Time: timestamppb.New(w.Now())})
}

func (w *watcher) knownAs(ctx context.Context) (known ref.Patient, err error) {
	err = w.Store.View(ctx, w.asks.Tenant, func(r store.Reader) (err error) {
		known, err = store.KnownAs(r, w.named)
		return err
	})
	return known, err
}

// look reads the state together with the number of the last event it holds.
func (w *watcher) look(ctx context.Context) (now *rapportv1.Episode, last int64, err error) {
	err = w.Store.View(ctx, w.asks.Tenant, func(r store.Reader) (err error) {
		if w.known, err = store.KnownAs(r, w.named); err != nil {
			return err
		}
		state, alerts, err := read(r, w.known, nil)
		if err != nil {
			return err
		}
		if now, err = told(w.asks, state, alerts); err != nil {
			return err
		}
		extents, err := r.Extents(feed.All)
		for _, e := range extents {
			last = e.Last
		}
		return err
	})
	return now, last, err
}

func (w *watcher) send(now *rapportv1.Episode, last int64) error {
	w.sent, w.after = now, last
	return w.stream.Send(&rapportv1.WatchEpisodeResponse{Episode: now, After: last, Time: timestamppb.New(w.Now())})
}
