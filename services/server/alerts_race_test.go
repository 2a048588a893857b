package server

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/judge"
	"github.com/rapport-health/rapport/services/store"
	"github.com/rapport-health/rapport/services/testbed"
)

// crowded are servers on one store, each with callers that have connections of their own.
type crowded struct {
	servers []*Server
	callers []rapportv1.AlertServiceClient
	// until is what they snooze to.
	until *timestamppb.Timestamp
}

// crowd starts servers on one store and connects callers, who are spread over them.
func crowd(t *testing.T, storeURL string, servers, callers int) *crowded {
	t.Helper()
	c := &crowded{until: timestamppb.New(time.Now().Add(24 * time.Hour))}
	for range servers {
		config := Default()
		config.Listen, config.HTTPListen, config.Redis, config.Retention = "127.0.0.1:0", "127.0.0.1:0", "none", 0
		config.Store, config.Metrics, config.Sweep = storeURL, prometheus.NewRegistry(), time.Hour
		s, err := New(context.Background(), config)
		if err != nil {
			t.Fatal(err)
		}
		s.Start()
		t.Cleanup(func() { _ = s.Stop(context.Background()) })
		c.servers = append(c.servers, s)
	}
	for n := range callers {
		conn, err := grpc.NewClient(c.servers[n%servers].Addr(), grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		c.callers = append(c.callers, rapportv1.NewAlertServiceClient(conn))
	}
	return c
}

// raise stores an alert that was opened an hour ago and whose ladder is due.
func (c *crowded) raise(t *testing.T, id string) {
	t.Helper()
	a, event := alert.Begin(alert.Alert{
		ID: id, Finding: id, Severity: judge.High, Rule: "screening-severe", Patient: "p1", Episode: "p1", Title: "Worth a look",
		Feeds: []feed.Name{"unassigned"}, Facts: []string{"f"}, Effective: time.Now().Add(-time.Hour).UTC().Truncate(time.Microsecond),
		Ladder: []judge.Rung{{After: time.Minute, Roles: []string{"physician"}}, {After: 2 * time.Minute, Roles: []string{"nurse"}}},
	}, time.Now().Add(-time.Hour).UTC().Truncate(time.Microsecond), "")
	_, err := c.servers[0].store.Update(t.Context(), "default", func(tx store.Tx) error {
		return tx.Commit(&decision.Decision{Alerts: []alert.Alert{a}, Events: []feed.Draft{event}})
	})
	if err != nil {
		t.Fatal(err)
	}
}

// command is what the n-th caller asks, on the version that all have seen.
func (c *crowded) command(ctx context.Context, id string, n int) error {
	who, key := fmt.Sprintf("Practitioner/p%d", n), fmt.Sprintf("key-%d", n)
	var err error
	switch n % 4 {
	case 0, 1:
		_, err = c.callers[n].Acknowledge(ctx, &rapportv1.AcknowledgeRequest{Id: id, Version: 1, Actor: who, Key: key})
	case 2:
		_, err = c.callers[n].Resolve(ctx, &rapportv1.ResolveRequest{Id: id, Version: 1, Actor: who, Reason: "contacted", Key: key})
	default:
		_, err = c.callers[n].Snooze(ctx, &rapportv1.SnoozeRequest{Id: id, Version: 1, Actor: who, Until: c.until, Key: key})
	}
	return err
}

// together has all callers and the ladders of all servers act at the same moment, and returns how each caller was answered.
func (c *crowded) together(t *testing.T, id string) []error {
	t.Helper()
	answers := make([]error, len(c.callers))
	ready := make(chan struct{})
	var acting sync.WaitGroup
	for n := range c.callers {
		acting.Go(func() {
			<-ready
			answers[n] = c.command(t.Context(), id, n)
		})
	}
	for _, s := range c.servers {
		acting.Go(func() {
			<-ready
			_, err := s.group.Command(t.Context(), "default", alert.Command{Alert: id, Verb: alert.Escalate, Version: 1, Actor: alert.Service})
			if kind := fault.Of(err); err != nil && kind != fault.Conflict && kind != fault.Precondition {
				t.Errorf("the ladder: %v", err)
			}
		})
	}
	close(ready)
	acting.Wait()
	return answers
}

func held(t *testing.T, storeURL string, servers int) {
	const rounds, callers = 15, 16
	c := crowd(t, storeURL, servers, callers)
	for round := range rounds {
		id := fmt.Sprintf("alert-%d", round)
		c.raise(t, id)
		answers := c.together(t, id)
		a := c.one(t, id)
		c.check(t, a, answers)
		for n, before := range c.together(t, id) { // all once more, with the same keys
			if (before == nil) != (answers[n] == nil) {
				t.Errorf("caller %d is told %v, and again %v", n, answers[n], before)
			}
		}
		if again := c.one(t, id); again.GetVersion() != a.GetVersion() {
			t.Errorf("replays made version %d of %d: %v", again.GetVersion(), a.GetVersion(), again.GetHistory())
		}
	}
}

func (c *crowded) one(t *testing.T, id string) *rapportv1.Alert {
	t.Helper()
	resp, err := c.callers[0].GetAlert(t.Context(), &rapportv1.GetAlertRequest{Id: id})
	if err != nil {
		t.Fatal(err)
	}
	return resp.GetAlert()
}

// check holds a history against what its callers were answered: one of them won, and nobody was paged after that.
func (c *crowded) check(t *testing.T, a *rapportv1.Alert, answers []error) {
	t.Helper()
	won := map[string]bool{}
	for n, err := range answers {
		switch status.Code(err) {
		case codes.OK:
			won[fmt.Sprintf("key-%d", n)] = true
		case codes.Aborted:
		default:
			t.Errorf("caller %d is told %v, want ABORTED", n, err)
		}
	}
	if len(won) != 1 {
		t.Errorf("%d callers were told that version 1 was theirs: %v", len(won), won)
	}
	taken := false
	for i, step := range a.GetHistory() {
		if step.GetVersion() != int64(i+1) {
			t.Errorf("step %d is version %d", i, step.GetVersion())
		}
		if step.GetKey() != "" {
			if !won[step.GetKey()] {
				t.Errorf("%s stands in the history, and its caller was refused", step.GetKey())
			}
			taken = true
		}
		if taken && step.GetVerb() == "escalate" {
			t.Errorf("it was escalated after it was taken: %v", a.GetHistory())
		}
	}
}

func TestOfManyWhoHandleAnAlertAtOnceOneWins(t *testing.T) {
	held(t, "sqlite:"+filepath.Join(t.TempDir(), "race.db"), 1)
}

func TestOfManyWhoHandleAnAlertAtOnceOnTwoServersOneWins(t *testing.T) {
	held(t, testbed.Database(t), 2)
}

func TestACommandSentManyTimesAtOnceIsTakenOnce(t *testing.T) {
	c := crowd(t, testbed.Database(t), 2, 12)
	c.raise(t, "a")
	answers := make([]error, len(c.callers))
	var acting sync.WaitGroup
	for n, caller := range c.callers {
		acting.Go(func() {
			resp, err := caller.Acknowledge(t.Context(), &rapportv1.AcknowledgeRequest{Id: "a", Version: 1, Actor: "Practitioner/p", Key: "k"})
			if answers[n] = err; err == nil && resp.GetAlert().GetStatus() != rapportv1.AlertStatus_ALERT_STATUS_ACKNOWLEDGED {
				t.Errorf("answered with %v", resp)
			}
		})
	}
	acting.Wait()
	for n, err := range answers {
		if err != nil {
			t.Errorf("caller %d: %v", n, err)
		}
	}
	if a := c.one(t, "a"); a.GetVersion() != 2 {
		t.Errorf("%v", a.GetHistory())
	}
}
