package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/server"
	"github.com/rapport-health/rapport/services/simulate"
)

// demoCmd runs a synthetic clinic end to end.
type demoCmd struct {
	Once     bool   `help:"Exit after the summary instead of staying up." env:"-"`
	Patients int    `default:"24" help:"Patients of the clinic (${default})." env:"-"`
	Weeks    int    `default:"12" help:"Weeks it is watched (${default})." env:"-"`
	Seed     uint64 `default:"1" help:"Another seed is another clinic (${default})." env:"-"`
}

// Help says what happens.
func (demoCmd) Help() string {
	return `Starts the server with an embedded database and an embedded Redis on loopback, sends twelve weeks of FHIR of a
synthetic clinic over gRPC in a few seconds, and shows the alerts as they reach the care team's Redis stream.
Nothing is left behind.

Examples:
  rapport demo
  rapport demo --once --patients 60`
}

// simulated is a clock that stands where it is put, and goes on from there once it is let go.
type simulated struct {
	at    atomic.Int64
	freed atomic.Int64
}

func (c *simulated) set(t time.Time) { c.at.Store(t.UnixMicro()) }
func (c *simulated) letGo()          { c.freed.Store(time.Now().UnixMicro()) }

// Now is the simulated moment.
func (c *simulated) Now() time.Time {
	at := c.at.Load()
	if freed := c.freed.Load(); freed != 0 {
		at += time.Now().UnixMicro() - freed
	}
	return time.UnixMicro(at).UTC()
}

// Run runs the clinic.
func (c demoCmd) Run(ctx context.Context, s streams) error {
	clinic := simulate.Default()
	clinic.Patients, clinic.Weeks, clinic.Seed = c.Patients, c.Weeks, c.Seed
	if err := clinic.Validate(); err != nil {
		return usageError{err}
	}
	folder, err := os.MkdirTemp("", "rapport-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	clock := &simulated{}
	clock.set(clinic.Start)
	running, err := startDemo(ctx, folder, clock, s.err)
	if err != nil {
		return err
	}
	defer func() { _ = running.Stop(context.WithoutCancel(ctx)) }()
	conn, err := grpc.NewClient(running.Addr(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer conn.Close()

	show := newStage(s, clinic, running)
	show.opening()
	team := follow(ctx, running.RedisAddr(), teamFeeds(clinic), show.alert)
	defer team.stop()
	run := &clinicRun{server: running, client: rapportv1.NewIngestServiceClient(conn), clock: clock, sent: show.sent}
	var total alertCount
	// Once a week the team is waited for, so that its alerts stand in the order of the clinic's days.
	run.settle = func() (err error) {
		if total, err = countAlerts(ctx, conn); err != nil {
			return err
		}
		if err := team.waitFor(ctx, total.raised); err != nil {
			return err
		}
		show.show()
		return nil
	}
	if err := run.all(ctx, clinic); err != nil {
		return interrupted(ctx, err)
	}
	clock.letGo()
	show.summary(run, total)
	show.next(c.Once)
	if c.Once {
		return nil
	}
	<-ctx.Done()
	return nil
}

// interrupted is no failure when a person pressed Ctrl-C.
func interrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// startDemo takes the usual ports, or free ones when they are taken.
func startDemo(ctx context.Context, folder string, clock *simulated, warnings io.Writer) (*server.Server, error) {
	config := server.Default()
	config.Store = "sqlite:" + filepath.Join(folder, "demo.db")
	config.Redis = "embedded:7403"
	config.Now, config.Version, config.Retention = clock.Now, version, 0
	config.Log = slog.New(slog.NewTextHandler(warnings, &slog.HandlerOptions{Level: slog.LevelWarn}))
	config.Drain = 5 * time.Second
	for _, address := range []string{config.Listen, config.HTTPListen, "127.0.0.1:7403"} {
		if !free(address) {
			config.Listen, config.HTTPListen, config.Redis = "127.0.0.1:0", "127.0.0.1:0", "embedded"
			break
		}
	}
	running, err := server.New(ctx, config)
	if err != nil {
		return nil, err
	}
	running.Start()
	return running, nil
}

func free(address string) bool {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return false
	}
	return l.Close() == nil
}

// teamFeeds are the feeds of the clinic's teams, and the one for patients without a team.
func teamFeeds(clinic simulate.Clinic) []string {
	feeds := []string{string(feed.Unassigned)}
	seen := map[string]bool{"": true}
	for truth := range clinic.Truths() {
		id := strings.TrimPrefix(truth.Team, "CareTeam/")
		if key := string(truth.Source) + id; !seen[key] && id != "" {
			seen[key] = true
			feeds = append(feeds, string(feed.Team(ref.Namer{Home: simulate.EHR}.ID(truth.Source, id))))
		}
	}
	return feeds
}

// clinicRun sends a clinic day by day.
type clinicRun struct {
	server *server.Server
	client rapportv1.IngestServiceClient
	clock  *simulated
	// sent hears of every result with the moment its batch was sent.
	sent func(*rapportv1.Result, time.Time)
	// settle is called after each week and at the end.
	settle   func() error
	items    int
	outcomes map[rapportv1.Outcome]int
	took     time.Duration
	batches  []time.Duration
}

func (r *clinicRun) all(ctx context.Context, clinic simulate.Clinic) error {
	begun := time.Now()
	r.outcomes = map[rapportv1.Outcome]int{}
	var today []simulate.Event
	week := clinic.Start
	for e := range clinic.Events() {
		if len(today) > 0 && !sameDay(today[0].At, e.At) {
			if err := r.day(ctx, today); err != nil {
				return err
			}
			today = today[:0]
		}
		if e.At.Sub(week) >= 7*24*time.Hour {
			week = e.At
			if err := r.settle(); err != nil {
				return err
			}
		}
		today = append(today, e)
	}
	if err := r.day(ctx, today); err != nil {
		return err
	}
	r.took = time.Since(begun)
	return r.settle()
}

func sameDay(a, b time.Time) bool {
	return a.Format(time.DateOnly) == b.Format(time.DateOnly)
}

// day sends a day's resources, a batch per run of one source, and then lets the passed deadlines count.
func (r *clinicRun) day(ctx context.Context, events []simulate.Event) error {
	const largest = 200
	for len(events) > 0 {
		n := 1
		for n < len(events) && n < largest && events[n].Source == events[0].Source {
			n++
		}
		if err := r.batch(ctx, events[:n]); err != nil {
			return err
		}
		events = events[n:]
	}
	_, err := r.server.Sweep(ctx)
	return err
}

func (r *clinicRun) batch(ctx context.Context, events []simulate.Event) error {
	r.clock.set(events[len(events)-1].At)
	req := &rapportv1.IngestRequest{Source: string(events[0].Source)}
	for _, e := range events {
		req.Items = append(req.Items, &rapportv1.Item{Body: e.Body})
	}
	sent := time.Now()
	resp, err := r.client.Ingest(ctx, req)
	if err != nil {
		return err
	}
	r.batches = append(r.batches, time.Since(sent))
	for n, result := range resp.GetResults() {
		r.items++
		r.count(result, sent)
		if result.GetOutcome() == rapportv1.Outcome_OUTCOME_REJECTED && len(result.GetIssues()) == 0 {
			return errors.New("refused without a reason: " + events[n].Note)
		}
	}
	return nil
}

func (r *clinicRun) count(result *rapportv1.Result, sent time.Time) {
	if entries := result.GetEntries(); len(entries) > 0 {
		for _, entry := range entries {
			r.count(entry, sent)
		}
		return
	}
	r.outcomes[result.GetOutcome()]++
	r.sent(result, sent)
}

// alertCount is how many alerts there are of each rule.
type alertCount struct {
	raised, suppressed, retracted int
	byRule                        map[string]map[rapportv1.Severity]int
}

func countAlerts(ctx context.Context, conn *grpc.ClientConn) (alertCount, error) {
	total := alertCount{byRule: map[string]map[rapportv1.Severity]int{}}
	client := rapportv1.NewAlertServiceClient(conn)
	req := &rapportv1.ListAlertsRequest{PageSize: 1000, Statuses: []rapportv1.AlertStatus{
		rapportv1.AlertStatus_ALERT_STATUS_OPEN, rapportv1.AlertStatus_ALERT_STATUS_ACKNOWLEDGED, rapportv1.AlertStatus_ALERT_STATUS_RESOLVED,
		rapportv1.AlertStatus_ALERT_STATUS_RETRACTED, rapportv1.AlertStatus_ALERT_STATUS_SUPPRESSED,
	}}
	for {
		resp, err := client.ListAlerts(ctx, req)
		if err != nil {
			return total, err
		}
		for _, a := range resp.GetAlerts() {
			total.add(a)
		}
		if req.PageToken = resp.GetNextPageToken(); req.PageToken == "" {
			return total, nil
		}
	}
}

func (c *alertCount) add(a *rapportv1.Alert) {
	told := slices.ContainsFunc(a.GetHistory(), func(s *rapportv1.AlertStep) bool { return s.GetStatus() == rapportv1.AlertStatus_ALERT_STATUS_OPEN })
	if !told {
		if a.GetStatus() == rapportv1.AlertStatus_ALERT_STATUS_SUPPRESSED {
			c.suppressed++
		}
		return
	}
	c.raised++
	if a.GetStatus() == rapportv1.AlertStatus_ALERT_STATUS_RETRACTED {
		c.retracted++
	}
	if c.byRule[a.GetRule()] == nil {
		c.byRule[a.GetRule()] = map[rapportv1.Severity]int{}
	}
	c.byRule[a.GetRule()][a.GetSeverity()]++
}
