package client_test

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"github.com/rapport-health/rapport/api/client"
	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
)

// service answers each Subscribe with the next of its scripts.
type service struct {
	rapportv1.UnimplementedAlertServiceServer
	mu       sync.Mutex
	scripts  []func(send func(...*rapportv1.SubscribeResponse), stop context.Context) error
	requests []*rapportv1.SubscribeRequest
}

func (s *service) Subscribe(r *rapportv1.SubscribeRequest, stream grpc.ServerStreamingServer[rapportv1.SubscribeResponse]) error {
	s.mu.Lock()
	s.requests = append(s.requests, r)
	if len(s.scripts) == 0 {
		s.mu.Unlock()
		return status.Error(codes.PermissionDenied, "no script is left")
	}
	script := s.scripts[0]
	s.scripts = s.scripts[1:]
	s.mu.Unlock()
	return script(func(messages ...*rapportv1.SubscribeResponse) {
		for _, m := range messages {
			if err := stream.Send(m); err != nil {
				return
			}
		}
	}, stream.Context())
}

type script = func(send func(...*rapportv1.SubscribeResponse), stop context.Context) error

func event(feed string, seq int64) *rapportv1.SubscribeResponse {
	return &rapportv1.SubscribeResponse{Message: &rapportv1.SubscribeResponse_Event{Event: &rapportv1.Event{Feed: feed, Seq: seq}}}
}

func heartbeat(feed string, after int64) *rapportv1.SubscribeResponse {
	return &rapportv1.SubscribeResponse{Message: &rapportv1.SubscribeResponse_Heartbeat{Heartbeat: &rapportv1.Heartbeat{
		HighWater: []*rapportv1.Cursor{{Feed: feed, After: after}},
	}}}
}

// connect serves in memory.
func connect(t *testing.T, s *service) *grpc.ClientConn {
	t.Helper()
	listener := bufconn.Listen(1 << 16)
	server := grpc.NewServer()
	rapportv1.RegisterAlertServiceServer(server, s)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener)
	}()
	conn, err := grpc.NewClient("passthrough:///memory", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(); server.Stop(); <-done })
	return conn
}

// follow follows team:north from 0 through scripts and returns what was handled and how it ended.
func follow(t *testing.T, handle func(*rapportv1.Event) error, scripts ...script) (*service, []int64, error) {
	t.Helper()
	s := &service{scripts: scripts}
	var got []int64
	err := client.Follow(t.Context(), connect(t, s), []*rapportv1.Cursor{{Feed: "team:north"}}, func(e *rapportv1.Event) error {
		if handle != nil {
			if err := handle(e); err != nil {
				return err
			}
		}
		got = append(got, e.GetSeq())
		return nil
	})
	return s, got, err
}

func wantSeqs(t *testing.T, got []int64, last int64) {
	t.Helper()
	if int64(len(got)) != last {
		t.Fatalf("handled %v, want 1 to %d", got, last)
	}
	for i, seq := range got {
		if seq != int64(i)+1 {
			t.Fatalf("handled %v, want 1 to %d", got, last)
		}
	}
}

func TestFollowGoesOnBehindTheLastEventHandledHoweverOftenTheServerBreaksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := func(code codes.Code) script {
			return func(func(...*rapportv1.SubscribeResponse), context.Context) error { return status.Error(code, "down") }
		}
		s, got, err := follow(t, nil,
			func(send func(...*rapportv1.SubscribeResponse), _ context.Context) error {
				send(event("team:north", 1), event("team:north", 2), heartbeat("team:north", 2))
				return status.Error(codes.Unavailable, "the server stops")
			},
			down(codes.Unavailable), down(codes.Internal), down(codes.ResourceExhausted),
			func(send func(...*rapportv1.SubscribeResponse), _ context.Context) error {
				send(event("team:north", 2), event("team:north", 3), event("team:north", 4))
				return nil
			},
		)
		if status.Code(err) != codes.PermissionDenied {
			t.Fatalf("following ended with %v", err)
		}
		wantSeqs(t, got, 4)
		after := make([]int64, len(s.requests))
		for i, r := range s.requests {
			after[i] = r.GetCursors()[0].GetAfter()
		}
		for i, want := range []int64{0, 2, 2, 2, 2, 4} {
			if after[i] != want {
				t.Fatalf("subscribed from %v", after)
			}
		}
	})
}

func TestFollowNamesTheGap(t *testing.T) {
	for name, messages := range map[string][]*rapportv1.SubscribeResponse{
		"between two events":                {event("team:north", 1), event("team:north", 4)},
		"before an idle server's heartbeat": {event("team:north", 1), heartbeat("team:north", 3)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, got, err := follow(t, nil, func(send func(...*rapportv1.SubscribeResponse), stop context.Context) error {
					send(messages...)
					<-stop.Done()
					return nil
				})
				gap, ok := errors.AsType[*client.GapError](err)
				if !ok || *gap != (client.GapError{Feed: "team:north", From: 2, To: 3}) {
					t.Fatalf("following ended with %v, want the gap from 2 to 3", err)
				}
				wantSeqs(t, got, 1)
			})
		})
	}
}

func TestFollowEndsWithWhatWaitingDoesNotMend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, _, err := follow(t, nil, func(func(...*rapportv1.SubscribeResponse), context.Context) error {
			return status.Error(codes.OutOfRange, "too old")
		})
		if status.Code(err) != codes.OutOfRange {
			t.Fatalf("following ended with %v, want OUT_OF_RANGE", err)
		}
	})
}

func TestFollowEndsWithTheErrorOfItsHandlerAndLeavesTheCursorBeforeThatEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refusal := errors.New("full")
		s := &service{scripts: []script{func(send func(...*rapportv1.SubscribeResponse), _ context.Context) error {
			send(event("all", 8), event("all", 9))
			return nil
		}}}
		cursor := &rapportv1.Cursor{Feed: "all", After: 7}
		err := client.Follow(t.Context(), connect(t, s), []*rapportv1.Cursor{cursor}, func(e *rapportv1.Event) error {
			if e.GetSeq() == 9 {
				return refusal
			}
			return nil
		})
		if !errors.Is(err, refusal) || cursor.GetAfter() != 8 {
			t.Fatalf("following ended with %v at %d, want the refusal at 8", err, cursor.GetAfter())
		}
	})
}

func TestAServerThatFallsSilentCountsAsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		_, got, err := follow(t, nil,
			func(send func(...*rapportv1.SubscribeResponse), stop context.Context) error {
				send(event("team:north", 1))
				<-stop.Done()
				return nil
			},
			func(send func(...*rapportv1.SubscribeResponse), _ context.Context) error {
				send(event("team:north", 2))
				return nil
			},
		)
		if status.Code(err) != codes.PermissionDenied {
			t.Fatalf("following ended with %v", err)
		}
		wantSeqs(t, got, 2)
		if took := time.Since(begin); took < 3*client.Heartbeat || took > 4*client.Heartbeat {
			t.Fatalf("it took %v to notice, want about three heartbeats", took)
		}
	})
}

func TestASlowHandlerIsNotTakenForASilentServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, got, err := follow(t,
			func(*rapportv1.Event) error { time.Sleep(10 * client.Heartbeat); return nil },
			func(send func(...*rapportv1.SubscribeResponse), _ context.Context) error {
				send(event("team:north", 1), event("team:north", 2))
				return nil
			})
		if status.Code(err) != codes.PermissionDenied {
			t.Fatalf("following ended with %v", err)
		}
		wantSeqs(t, got, 2)
		if len(s.requests) != 2 {
			t.Fatalf("subscribed %d times, want once and again at the end of the stream", len(s.requests))
		}
	})
}

func TestFollowEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		s := &service{scripts: []script{func(send func(...*rapportv1.SubscribeResponse), stop context.Context) error {
			send(event("all", 1))
			<-stop.Done()
			return nil
		}}}
		err := client.Follow(ctx, connect(t, s), []*rapportv1.Cursor{{Feed: "all"}}, func(*rapportv1.Event) error {
			cancel()
			return nil
		})
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("following ended with %v", err)
		}
	})
}
