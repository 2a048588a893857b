package client_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/rapport-health/rapport/api/client"
	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
)

func TestAGapIsReadOverGRPCFromItsFirstEventToItsLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &service{scripts: []script{
			func(send func(...*rapportv1.SubscribeResponse), _ context.Context) error {
				send(event("all", 6), event("all", 7))
				return status.Error(codes.Unavailable, "the server stops")
			},
			func(send func(...*rapportv1.SubscribeResponse), stop context.Context) error {
				send(event("all", 8), event("all", 9), event("all", 10))
				<-stop.Done()
				return nil
			},
		}}
		var got []int64
		gap := &client.GapError{Feed: "all", From: 6, To: 8}
		err := client.Refill(t.Context(), connect(t, s), gap, func(e *rapportv1.Event) error {
			got = append(got, e.GetSeq())
			return nil
		})
		if err != nil || fmt.Sprint(got) != "[6 7 8]" {
			t.Fatalf("read %v (%v), want 6 to 8", got, err)
		}
		if after := s.requests[0].GetCursors()[0].GetAfter(); after != 5 {
			t.Errorf("read from behind %d, want 5", after)
		}
	})
}

func TestAGapThatTheServerDoesNotKeepEitherIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old, err := status.New(codes.OutOfRange, "too old").WithDetails(&rapportv1.Cursor{Feed: "all", After: 7})
		if err != nil {
			t.Fatal(err)
		}
		s := &service{scripts: []script{func(func(...*rapportv1.SubscribeResponse), context.Context) error { return old.Err() }}}
		err = client.Refill(t.Context(), connect(t, s), &client.GapError{Feed: "all", From: 6, To: 8}, func(*rapportv1.Event) error { return nil })
		tooOld, ok := errors.AsType[*client.TooOldError](err)
		if !ok || tooOld.Feed != "all" || tooOld.Earliest != 7 || status.Code(err) != codes.OutOfRange {
			t.Fatalf("refilling ended with %v, want that 7 is the earliest cursor", err)
		}
	})
}

func TestAGapThatCannotBeHandledEndsWithTheErrorOfTheHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refusal := errors.New("full")
		s := &service{scripts: []script{func(send func(...*rapportv1.SubscribeResponse), _ context.Context) error {
			send(event("all", 6))
			return nil
		}}}
		err := client.Refill(t.Context(), connect(t, s), &client.GapError{Feed: "all", From: 6, To: 6}, func(*rapportv1.Event) error { return refusal })
		if !errors.Is(err, refusal) {
			t.Fatalf("refilling ended with %v", err)
		}
	})
}

func TestOnceHandlesAnEventOnceAndOneThatWasRefusedAgain(t *testing.T) {
	var got []string
	refuse := true
	handle := client.Once(2, func(e client.Entry) error {
		if e.ID == "b" && refuse {
			refuse = false
			return errors.New("not now")
		}
		got = append(got, e.ID)
		return nil
	})
	for _, id := range []string{"a", "a", "b", "b", "b", "c", "b", "a"} {
		_ = handle(client.Entry{ID: id})
	}
	if fmt.Sprint(got) != "[a b c a]" { // at the end a was forgotten, because two ids came after it
		t.Errorf("handled %v", got)
	}
}
