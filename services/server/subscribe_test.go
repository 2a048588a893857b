package server

import (
	"context"
	"fmt"
	"io"
	"iter"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/store"
	"github.com/rapport-health/rapport/services/watch/watchtest"
)

// overGRPC is a real server whose Subscribe is held to the promises of watchtest.
type overGRPC struct {
	config  Config
	running *Server
	conn    *grpc.ClientConn
	serial  int
}

func subscribable(t *testing.T) watchtest.Subject {
	config := Default()
	config.Listen, config.HTTPListen, config.Redis, config.Retention = "127.0.0.1:0", "127.0.0.1:0", "none", 0
	config.Store = "sqlite:" + filepath.Join(t.TempDir(), "feeds.db")
	s := &overGRPC{config: config}
	s.start(t)
	t.Cleanup(func() {
		_ = s.conn.Close()
		_ = s.running.Stop(context.Background())
	})
	return s
}

func (s *overGRPC) start(t testing.TB) {
	t.Helper()
	var err error
	s.config.Metrics = prometheus.NewRegistry()
	if s.running, err = New(context.Background(), s.config); err != nil {
		t.Fatal(err)
	}
	s.running.Start()
	s.conn, err = grpc.NewClient(s.running.Addr(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
}

// Tenant is the one of callers without tokens.
func (s *overGRPC) Tenant() ref.Tenant { return s.config.Tenant }

// Commit writes events as a commit of this server does.
func (s *overGRPC) Commit(t testing.TB, name feed.Name, n int) {
	t.Helper()
	made := &decision.Decision{}
	for range n {
		s.serial++
		made.Events = append(made.Events, feed.Draft{
			Feeds: []feed.Name{name}, ID: fmt.Sprintf("event-%d", s.serial), Type: feed.Recorded, Time: time.Now().UTC(), Data: []byte(`{}`),
		})
	}
	moved, err := s.running.store.Update(context.Background(), s.Tenant(), func(tx store.Tx) error { return tx.Commit(made) })
	if err != nil {
		t.Fatal(err)
	}
	s.running.log.Moved(s.Tenant(), moved, made.Events...)
}

// Forget trims everything so far.
func (s *overGRPC) Forget(t testing.TB) {
	t.Helper()
	if _, err := s.running.store.Trim(context.Background(), s.Tenant(), time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
}

// Restart cuts every connection off, closes the store and opens both again.
func (s *overGRPC) Restart(t testing.TB) {
	t.Helper()
	s.running.grpc.Stop()
	_ = s.conn.Close()
	if err := s.running.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	s.start(t)
}

// Follow subscribes.
func (s *overGRPC) Follow(ctx context.Context, cursors []feed.Cursor, heartbeat time.Duration) iter.Seq2[watchtest.Message, error] {
	return subscribe(ctx, s.conn, cursors, heartbeat)
}

func subscribe(
	ctx context.Context, conn *grpc.ClientConn, cursors []feed.Cursor, heartbeat time.Duration,
) iter.Seq2[watchtest.Message, error] {
	return func(yield func(watchtest.Message, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		req := &rapportv1.SubscribeRequest{HeartbeatSeconds: int32(heartbeat.Seconds())}
		for _, c := range cursors {
			req.Cursors = append(req.Cursors, &rapportv1.Cursor{Feed: string(c.Feed), After: c.After})
		}
		stream, err := rapportv1.NewAlertServiceClient(conn).Subscribe(ctx, req)
		for err == nil {
			var resp *rapportv1.SubscribeResponse
			if resp, err = stream.Recv(); err == nil && !yield(message(resp), nil) {
				return
			}
		}
		yield(watchtest.Message{}, asFault(ctx, err))
	}
}

func message(resp *rapportv1.SubscribeResponse) watchtest.Message {
	if e := resp.GetEvent(); e != nil {
		return watchtest.Message{Event: &feed.Event{
			Feed: feed.Name(e.GetFeed()), Seq: e.GetSeq(), TenantSeq: e.GetTenantSeq(), ID: e.GetId(), Type: feed.Type(e.GetType()),
			Time: e.GetTime().AsTime(), Subject: e.GetSubject(),
		}}
	}
	m := watchtest.Message{HighWater: []feed.Cursor{}}
	for _, c := range resp.GetHeartbeat().GetHighWater() {
		m.HighWater = append(m.HighWater, feed.Cursor{Tenant: Default().Tenant, Feed: feed.Name(c.GetFeed()), After: c.GetAfter()})
	}
	return m
}

// asFault reads the status of the contract back into the fault it was made from.
func asFault(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err == io.EOF { //nolint:errorlint // gRPC gives io.EOF itself
		return fault.New(fault.Unavailable)
	}
	st := status.Convert(err)
	kinds := map[codes.Code]fault.Kind{
		codes.OutOfRange: fault.TooOld, codes.InvalidArgument: fault.Invalid, codes.Unavailable: fault.Unavailable,
	}
	f := fault.New(kinds[st.Code()])
	for _, detail := range st.Details() {
		switch d := detail.(type) {
		case *rapportv1.Cursor:
			f.Earliest = d.GetAfter()
		case *rapportv1.Issue:
			f.Issues = append(f.Issues, fault.Errorf(d.GetCode(), d.GetExpression(), "%s", d.GetText()))
		}
	}
	return f
}

func TestSubscribeKeepsThePromisesOfAFeed(t *testing.T) {
	options := watchtest.Default()
	options.Bubble, options.Heartbeat, options.Patience, options.Crowd = false, time.Second, 20*time.Second, 50
	watchtest.Run(t, options, subscribable)
}
