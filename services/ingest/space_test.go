package ingest

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
)

func TestALargeWishWaitsForItsTurnAndIsNotOvertaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSpace(10)
		first, err := s.take(t.Context(), 6)
		if err != nil {
			t.Fatal(err)
		}
		var order []string
		go func() {
			n, _ := s.take(t.Context(), 100)
			order = append(order, "large")
			s.give(n)
		}()
		synctest.Wait()
		go func() {
			n, _ := s.take(t.Context(), 1)
			order = append(order, "small")
			s.give(n)
		}()
		synctest.Wait()
		if len(order) > 0 {
			t.Fatalf("%v did not wait", order)
		}
		s.give(first)
		synctest.Wait()
		if len(order) != 2 || order[0] != "large" || s.used != 0 {
			t.Errorf("%v, %d bytes are still taken", order, s.used)
		}
	})
}

func TestWhoGivesUpWaitingTakesNothingAndLetsOthersPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSpace(10)
		first, _ := s.take(t.Context(), 6)
		ctx, cancel := context.WithCancel(t.Context())
		var failed error
		go func() { _, failed = s.take(ctx, 9) }()
		synctest.Wait()
		passed := false
		go func() {
			n, _ := s.take(t.Context(), 4)
			passed = true
			s.give(n)
		}()
		synctest.Wait()
		cancel()
		synctest.Wait()
		if !errors.Is(failed, context.Canceled) || !passed {
			t.Errorf("gave up with %v, the next one passed: %v", failed, passed)
		}
		if s.give(first); s.used != 0 {
			t.Errorf("%d bytes are still taken", s.used)
		}
	})
}
