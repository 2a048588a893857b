package bench

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rapport-health/rapport/services/server"
)

// asServer is set in the environment of a test binary that is to be the server under test.
const asServer = "BENCH_TEST_AS_SERVER"

func TestMain(m *testing.M) {
	if os.Getenv(asServer) != "" {
		if err := serve(os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// serve is `rapport serve` with the flags that a server under test is given.
func serve(args []string) error {
	config := server.Default()
	config.Log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	flags := flag.NewFlagSet("serve", flag.ContinueOnError)
	flags.StringVar(&config.Listen, "listen", "", "")
	flags.StringVar(&config.HTTPListen, "http-listen", "", "")
	flags.StringVar(&config.Store, "store", "", "")
	flags.StringVar(&config.Redis, "redis", "", "")
	flags.StringVar(&config.Bulk.Dir, "bulk-dir", "", "")
	flags.String("log-level", "", "")
	if err := flags.Parse(args); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	s, err := server.New(ctx, config)
	if err != nil {
		return err
	}
	s.Start()
	<-ctx.Done()
	return s.Stop(context.Background())
}

// thisTest makes commands of this test binary as the server.
func thisTest(args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), asServer+"=1")
	return cmd
}

func TestAShortRunOnSQLiteMeasuresEverything(t *testing.T) {
	report, err := Run(t.Context(), Config{
		Binary: thisTest, Stores: []string{SQLite}, Slice: 200 * time.Millisecond, Patients: 256, Progress: t.Output(),
	})
	if err != nil {
		t.Fatal(err)
	}
	s := &report.Stores[0]
	for _, l := range s.Loads {
		if l.PerSecond <= 0 || l.Acknowledged.Samples == 0 || l.Acknowledged.P99 < l.Acknowledged.P50 {
			t.Errorf("%s: %+v", l.Words(), l)
		}
	}
	for _, screen := range s.Screens {
		if screen.GRPC.Samples == 0 || screen.CommitGRPC.P50 <= 0 {
			t.Errorf("the way to the subscriber was not measured: %+v", screen)
		}
	}
	if s.Screens[0].AlertGRPC.Samples == 0 {
		t.Errorf("the way of an alert was not measured: %+v", s.Screens[0])
	}
	if len(s.Loads) != len(loads) || len(s.Screens) != 2 || len(s.Floors) != 2 || s.Responses == 0 || s.BytesPerResponse < 2600 {
		t.Errorf("the report has %d loads, %d screens, %d floors, %d responses of %.0f bytes",
			len(s.Loads), len(s.Screens), len(s.Floors), s.Responses, s.BytesPerResponse)
	}
	if len(s.Starts) == 0 || s.Starts[0] <= 0 || len(s.Restarts) == 0 {
		t.Errorf("starts took %v and %v", s.Starts, s.Restarts)
	}
	if err := report.Text(t.Output()); err != nil {
		t.Error(err)
	}
}

func TestOneKillOnSQLiteLosesNothing(t *testing.T) {
	ordeals, err := Chaos(t.Context(), ChaosConfig{
		Binary: thisTest, Stores: []string{SQLite}, Servers: 1, Kills: 1, Seed: 5, Patients: 64, Progress: t.Output(),
	})
	if err != nil {
		t.Fatal(err)
	}
	o := &ordeals[0]
	if err := ChaosText(t.Output(), ordeals); err != nil {
		t.Error(err)
	}
	if !o.Good() || o.Kills != 1 || o.Acknowledged == 0 || o.Resent == 0 || o.Commands == 0 || o.Events == 0 {
		t.Errorf("the ordeal ended as %+v", *o)
	}
}

func TestAStoreThatLostARowIsFoundOut(t *testing.T) {
	ctx := t.Context()
	s, err := newSite(ctx, thisTest, siteOptions{engine: SQLite, patients: 128})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	l := newLedger()
	c := &insistent{panel: s.panel, mine: s.panel.share(0, 1), dice: nil, ledger: l}
	for range 20 {
		e := &errand{answer: s.panel.nextSafety(0), sent: 1}
		result, err := c.one(ctx, ingestClient(s), e)
		if err != nil {
			t.Fatal(err)
		}
		c.took(e, result)
	}
	if err := s.server.stop(); err != nil {
		t.Fatal(err)
	}
	if v := verdictOf(t, s, l); !v.Good() {
		t.Fatalf("before anything was taken away: %+v", v)
	}
	for _, fault := range []struct{ statement, want string }{
		{"UPDATE resource SET raw = 'else' WHERE id LIKE '%phq9%' AND rowid = (SELECT max(rowid) FROM resource)", "another body is stored"},
		{"DELETE FROM fact WHERE rowid = (SELECT max(rowid) FROM fact)", "stored without its fact"},
		{"DELETE FROM alert WHERE rowid = (SELECT max(rowid) FROM alert)", "answers the safety item"},
		{"DELETE FROM event WHERE feed = 'all' AND seq = 3", "feed all: after 2 comes 4"},
		{"DELETE FROM resource WHERE rowid = (SELECT max(rowid) FROM resource)", "is not stored"},
	} {
		tamper(t, s, fault.statement)
		v := verdictOf(t, s, l)
		if found := strings.Join(append(append(v.Lost, v.Doubled...), v.Gaps...), "\n"); !strings.Contains(found, fault.want) {
			t.Errorf("after %s the count says:\n%s", fault.statement, found)
		}
	}
}

func TestAServerThatCannotStartSaysWhy(t *testing.T) {
	broken := func(...string) *exec.Cmd { return exec.Command(os.Args[0], "-no-such-flag") }
	_, err := Run(t.Context(), Config{Binary: broken, Stores: []string{SQLite}, Slice: time.Second, Patients: 128, Progress: io.Discard})
	if err == nil || !strings.Contains(err.Error(), "no-such-flag") {
		t.Errorf("the error is %v", err)
	}
}

func TestARunThatIsInterruptedLeavesNothingBehind(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	progress := &trigger{when: "kill 1", do: cancel}
	_, err := Chaos(ctx, ChaosConfig{
		Binary: thisTest, Stores: []string{SQLite}, Servers: 1, Kills: 1000, Seed: 9, Patients: 64, Progress: progress,
	})
	if err == nil {
		t.Error("an interrupted run ended without an error")
	}
	left, err := os.ReadDir(os.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if len(left) > 0 {
		t.Errorf("%d entries are left, such as %s", len(left), left[0].Name())
	}
}

// trigger does something once a line says something.
type trigger struct {
	when string
	do   func()
}

func (g *trigger) Write(p []byte) (int, error) {
	if strings.Contains(string(p), g.when) {
		g.do()
	}
	return len(p), nil
}

func TestAlertsReachManyWatchersAndAreReplayed(t *testing.T) {
	report, err := Alerts(t.Context(), AlertsConfig{
		Binary: thisTest, Stores: []string{SQLite}, Watchers: 20, Teams: 5, Rate: 40, Lasting: 300 * time.Millisecond,
		Replay: 2000, Progress: t.Output(),
	})
	if err != nil {
		t.Fatal(err)
	}
	s := &report.Stores[0]
	for i, feeds := range []int{5, 1} {
		f := s.Fans[i]
		if f.Feeds != feeds || f.Commit.Samples == 0 || f.Commit.Samples != 20/feeds*f.Acknowledged.Samples || f.Commit.P50 <= 0 {
			t.Errorf("to watchers of %d feeds: %+v", feeds, f)
		}
	}
	if len(s.Replays) != 2 || s.Replays[0].Events != 2000 || s.Replays[1].Bytes <= s.Replays[0].Bytes {
		t.Errorf("replays: %+v", s.Replays)
	}
	if err := report.Text(t.Output()); err != nil {
		t.Error(err)
	}
}

func TestAShortMixedLoadIsBorneWithoutAnError(t *testing.T) {
	report, err := Mixed(t.Context(), MixedConfig{
		Binary: thisTest, Stores: []string{SQLite}, Probe: 500 * time.Millisecond, Lasting: 2 * time.Second, Share: 0.3,
		Every: 500 * time.Millisecond, Clients: 4, Patients: 64, Subscribers: 5, Progress: t.Output(),
	})
	if err != nil {
		t.Fatal(err)
	}
	s := &report.Stores[0]
	for _, work := range s.Whole.Work {
		if work.Kind != workKinds[exports] && work.Answered == 0 {
			t.Errorf("nothing of %s was answered", work.Kind)
		}
	}
	if s.Errors != 0 || s.Followed.Gaps+s.Followed.Doubled+s.Followed.Broken != 0 || s.Exports.Missing+s.Exports.Twice != 0 {
		t.Errorf("%d errors, %+v, %+v: %q", s.Errors, s.Followed, s.Exports, s.Wrong)
	}
	if s.Acknowledged == 0 || s.Acknowledged != s.Stored || s.Exports.Responses != s.Stored || s.Followed.Events == 0 {
		t.Errorf("%d were acknowledged, %d stored, %d exported; %d events came", s.Acknowledged, s.Stored, s.Exports.Responses, s.Followed.Events)
	}
	if held := s.Whole.Holding; held.Resident < 1 || held.Files < 5 || len(s.Windows) == 0 || s.Whole.Database <= 0 {
		t.Errorf("the server held %+v in %d windows, and the database %v MiB", held, len(s.Windows), s.Whole.Database)
	}
	if err := report.Text(t.Output()); err != nil {
		t.Error(err)
	}
}
