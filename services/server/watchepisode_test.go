package server_test

import (
	"context"
	"fmt"
	"io"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/rapport-health/rapport/api/client"
	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
	"github.com/rapport-health/rapport/services/server"
)

// episodeStream is what a watcher receives.
type episodeStream interface {
	Recv() (*rapportv1.WatchEpisodeResponse, error)
}

func (c *clinic) watchEpisode(patient string, after int64) episodeStream {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	c.t.Cleanup(cancel)
	stream, err := c.outcomes.WatchEpisode(ctx, &rapportv1.WatchEpisodeRequest{Patient: patient, After: after, HeartbeatSeconds: 1})
	if err != nil {
		c.t.Fatal(err)
	}
	return stream
}

// state is the next state, and beat the next heartbeat; a state in its place is an error.
func (c *clinic) state(s episodeStream) *rapportv1.WatchEpisodeResponse {
	c.t.Helper()
	for {
		m, err := s.Recv()
		if err != nil {
			c.t.Fatal(err)
		}
		if m.GetEpisode() != nil {
			return m
		}
	}
}

func (c *clinic) beat(s episodeStream) *rapportv1.WatchEpisodeResponse {
	c.t.Helper()
	m, err := s.Recv()
	if err != nil || m.GetEpisode() != nil {
		c.t.Fatalf("instead of a heartbeat: %v %v", m, err)
	}
	return m
}

func TestAWatcherSeesThePresentStateAndThenEachThatACommitMakes(t *testing.T) {
	onBoth(t, func(t *testing.T, c *clinic) {
		c.send(patientP1, teamP1, phq9("r1", "p1", monday, 1, 1, 1, 1, 1, 0, 0, 0, 0))
		s := c.watchEpisode("Patient/p1", 0)
		if m := c.state(s); m.GetAfter() != 3 || m.GetEpisode().GetView() != "steady" {
			t.Fatalf("first %v", m)
		}
		c.send(phq9("x1", "other", monday, 3, 3, 3, 3, 3, 3, 3, 3, 3)) // another patient's
		c.later(24 * time.Hour)
		c.send(phq9("r2", "p1", c.now(), 2, 2, 2, 2, 2, 2, 2, 2, 1))
		m := c.state(s)
		if m.GetEpisode().GetView() != "act-now" || len(m.GetEpisode().GetAlerts()) == 0 || !m.GetTime().AsTime().Equal(c.now()) {
			t.Fatalf("then %v", m)
		}
		a := c.listAlerts(&rapportv1.ListAlertsRequest{Patient: "p1", Rule: "phq9-item-9"})[0]
		if _, err := c.alerts.Acknowledge(t.Context(), &rapportv1.AcknowledgeRequest{Id: a.GetId(), Version: 1, Actor: "Practitioner/d1"}); err != nil {
			t.Fatal(err)
		}
		taken := c.state(s)
		for _, one := range taken.GetEpisode().GetAlerts() {
			if one.GetId() == a.GetId() && one.GetStatus() != rapportv1.AlertStatus_ALERT_STATUS_ACKNOWLEDGED {
				t.Errorf("that it was taken is not seen: %v", one)
			}
		}
		c.later(20 * 24 * time.Hour)
		if n, err := c.Sweep(t.Context()); n < 1 || err != nil {
			t.Fatal(n, err)
		}
		if silent := c.state(s); !silent.GetEpisode().GetLastFact().AsTime().After(m.GetEpisode().GetLastFact().AsTime()) {
			t.Errorf("that time passed a deadline is not seen: %v", silent)
		}
	})
}

func TestAWatcherWhoComesBackGetsOnlyWhatIsNew(t *testing.T) {
	c := start(t, func(config *server.Config) { config.Redis = "none" })
	c.send(patientP1, phq9("r1", "p1", monday, 1, 1, 1, 1, 1, 0, 0, 0, 0))
	after := c.state(c.watchEpisode("p1", 0)).GetAfter()
	c.send(phq9("x1", "other", monday, 1, 1, 1, 1, 1, 0, 0, 0, 0))
	again := c.watchEpisode("p1", after)
	if m := c.beat(again); m.GetAfter() <= after {
		t.Errorf("the heartbeat stands at %d", m.GetAfter())
	}
	c.send(phq9("r2", "p1", monday.Add(time.Hour), 2, 2, 2, 2, 2, 0, 0, 0, 0))
	if m := c.state(again); m.GetEpisode().GetFacts() != 2 {
		t.Errorf("%v", m)
	}
	if m := c.state(c.watchEpisode("p1", after)); m.GetEpisode().GetFacts() != 2 {
		t.Errorf("what happened meanwhile: %v", m)
	}
	if m := c.state(c.watchEpisode("p1", 1000)); m.GetEpisode().GetFacts() != 2 {
		t.Errorf("from a number that is not there yet: %v", m)
	}
}

func TestAWatcherFromBeforeWhatIsKeptGetsThePresentState(t *testing.T) {
	c := start(t, func(config *server.Config) { config.Redis, config.Retention = "none", time.Hour })
	c.send(patientP1, phq9("r1", "p1", monday, 1, 1, 1, 1, 1, 0, 0, 0, 0), phq9("x1", "other", monday, 1, 1, 1, 1, 1, 0, 0, 0, 0))
	c.later(2 * time.Hour)
	if err := c.Trim(t.Context()); err != nil {
		t.Fatal(err)
	}
	if m := c.state(c.watchEpisode("p1", 1)); m.GetEpisode().GetFacts() != 1 || m.GetAfter() < 3 {
		t.Errorf("%v", m)
	}
}

func TestASlowWatcherSkipsToTheNewestState(t *testing.T) {
	onBoth(t, func(t *testing.T, c *clinic) {
		c.send(patientP1, phq9("r0", "p1", monday, 1, 1, 1, 1, 1, 0, 0, 0, 0))
		s := c.watchEpisode("p1", 0)
		c.state(s)
		const sent, commits = 600, 120
		for n := range commits {
			var bodies []string
			for i := range sent / commits {
				id := 1 + n*(sent/commits) + i
				bodies = append(bodies, phq9(fmt.Sprint("r", id), "p1", monday.Add(time.Duration(id)*time.Minute), 1, 1, 1, 1, 1, 0, 0, 0, id%2))
			}
			c.send(bodies...)
		}
		states, last := 0, int64(0)
		for last < sent+1 {
			m := c.state(s)
			if facts := m.GetEpisode().GetFacts(); facts <= last {
				t.Fatalf("after the state with %d facts came one with %d", last, facts)
			}
			last = m.GetEpisode().GetFacts()
			states++
		}
		t.Logf("%d states of %d commits", states, commits)
		if states >= commits {
			t.Errorf("%d states of %d commits", states, commits)
		}
	})
}

func TestAWatcherLearnsThatThePatientIsAnother(t *testing.T) {
	c := start(t, func(config *server.Config) { config.Redis = "none" })
	c.send(patientP1, patientP2, phq9("r1", "p1", monday, 1, 1, 1, 1, 1, 0, 0, 0, 0), phq9("r2", "p2", monday.Add(time.Hour), 1, 1, 1, 1, 1, 0, 0, 0, 0))
	s := c.watchEpisode("p2", 0)
	if m := c.state(s); m.GetEpisode().GetPatient() != "Patient/p2" {
		t.Fatalf("%v", m)
	}
	c.send(mergedP2)
	if m := c.state(s); m.GetEpisode().GetPatient() != "Patient/p1" || m.GetEpisode().GetFacts() != 2 {
		t.Errorf("%v", m)
	}
	c.send(phq9("r3", "p1", monday.Add(2*time.Hour), 1, 1, 1, 1, 1, 0, 0, 0, 0))
	if m := c.state(s); m.GetEpisode().GetFacts() != 3 {
		t.Errorf("%v", m)
	}
}

func TestAWatchIsRefusedOrEndsWithAClearAnswer(t *testing.T) {
	c := start(t, func(config *server.Config) { config.Redis = "none" })
	for _, test := range []struct {
		req  *rapportv1.WatchEpisodeRequest
		want codes.Code
	}{
		{&rapportv1.WatchEpisodeRequest{Patient: "p9"}, codes.NotFound},
		{&rapportv1.WatchEpisodeRequest{Patient: ""}, codes.InvalidArgument},
		{&rapportv1.WatchEpisodeRequest{Patient: "p1", After: -1}, codes.InvalidArgument},
		{&rapportv1.WatchEpisodeRequest{Patient: "p1", HeartbeatSeconds: 301}, codes.InvalidArgument},
	} {
		stream, err := c.outcomes.WatchEpisode(t.Context(), test.req)
		if err == nil {
			_, err = stream.Recv()
		}
		if status.Code(err) != test.want {
			t.Errorf("%v: %v", test.req, err)
		}
	}
	c.send(patientP1, phq9("r1", "p1", monday, 1, 1, 1, 1, 1, 0, 0, 0, 0))
	s := c.watchEpisode("p1", 0)
	c.state(s)
	if err := c.Stop(context.Background()); err != nil {
		t.Error(err)
	}
	for {
		if _, err := s.Recv(); err != nil {
			if status.Code(err) != codes.Unavailable {
				t.Errorf("the stop ended it with %v", err)
			}
			return
		}
	}
}

func TestTheClientGoesOnWatchingAfterARestart(t *testing.T) {
	store := newStore(t, "sqlite")
	var addr, httpAddr string
	first := start(t, func(config *server.Config) { config.Store, config.Redis = store, "none" })
	addr, httpAddr = first.Addr(), first.HTTPAddr()
	first.send(patientP1, phq9("r1", "p1", monday, 1, 1, 1, 1, 1, 0, 0, 0, 0))
	states := make(chan *rapportv1.WatchEpisodeResponse)
	ended := make(chan error, 1)
	go func() {
		ended <- client.WatchEpisode(t.Context(), first.conn, "p1", func(m *rapportv1.WatchEpisodeResponse) error {
			states <- m
			if m.GetEpisode().GetFacts() == 2 {
				return io.EOF
			}
			return nil
		})
	}()
	<-states
	if err := first.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	second := start(t, func(config *server.Config) {
		config.Store, config.Redis, config.Listen, config.HTTPListen = store, "none", addr, httpAddr
	})
	second.send(phq9("r2", "p1", monday.Add(time.Hour), 1, 1, 1, 1, 1, 0, 0, 0, 0))
	if m := <-states; m.GetEpisode().GetFacts() != 2 {
		t.Errorf("the same state came again: %v", m)
	}
	if err := <-ended; err != io.EOF { //nolint:errorlint // what handle returned
		t.Errorf("it ended with %v", err)
	}
}
