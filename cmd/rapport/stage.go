package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/rapport-health/rapport/api/client"
	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
	"github.com/rapport-health/rapport/services/server"
	"github.com/rapport-health/rapport/services/simulate"
)

// width is what the demo keeps to.
const width = 80

// stage prints the demo.
type stage struct {
	streams
	colour bool
	clinic simulate.Clinic
	server *server.Server

	mu sync.Mutex
	// moments hold when each resource was sent; delays how long its alerts took to the team.
	moments map[string]time.Time
	delays  []time.Duration
}

func newStage(s streams, clinic simulate.Clinic, running *server.Server) *stage {
	out, ok := s.out.(*os.File)
	colour := ok && isTerminal(out) && os.Getenv("NO_COLOR") == ""
	return &stage{streams: s, colour: colour, clinic: clinic, server: running, moments: map[string]time.Time{}}
}

func (s *stage) opening() {
	fmt.Fprintf(s.out, "%s a clinic of %d synthetic patients over %d weeks, all on this machine.\n",
		s.bold("Rapport demo:"), s.clinic.Patients, s.clinic.Weeks)
	fmt.Fprintf(s.out, "gRPC %s   FHIR http://%s/fhir   Redis %s\n\n", s.server.Addr(), s.server.HTTPAddr(), s.server.RedisAddr())
	fmt.Fprintln(s.out, "Alerts as they reach the care teams, read from their Redis streams:")
}

func (s *stage) bold(text string) string { return s.paint("1", text) }

func (s *stage) paint(code, text string) string {
	if !s.colour {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// sent notes when a resource was sent.
func (s *stage) sent(r *rapportv1.Result, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.GetReference() != "" && r.GetOutcome() != rapportv1.Outcome_OUTCOME_UNCHANGED {
		s.moments[r.GetReference()] = at
	}
}

var severityColours = map[rapportv1.Severity]string{
	rapportv1.Severity_SEVERITY_CRITICAL: "1;31", rapportv1.Severity_SEVERITY_HIGH: "31",
	rapportv1.Severity_SEVERITY_MODERATE: "33", rapportv1.Severity_SEVERITY_INFO: "36",
}

// alert prints one alert: when, how urgent, who, what, and the numbers behind it.
func (s *stage) alert(feed string, a *rapportv1.Alert) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, source := range a.GetSources() {
		if at, ok := s.moments[source]; ok {
			s.delays = append(s.delays, time.Since(at))
		}
	}
	head := fmt.Sprintf("%s  %s  %-13s ", a.GetEffective().AsTime().Format("Jan 02"),
		s.paint(severityColours[a.GetSeverity()], fmt.Sprintf("%-8s", severityWord(a.GetSeverity()))),
		strings.TrimPrefix(a.GetPatient(), "Patient/"))
	fmt.Fprintf(s.out, "%s%s\n", head, a.GetTitle())
	for _, line := range wrap(a.GetSeen()+s.behind(a)+"  → "+strings.TrimPrefix(feed, "team:"), width-18) {
		fmt.Fprintf(s.out, "%18s%s\n", "", line)
	}
}

// behind are the numbers that the sentence does not say already.
func (s *stage) behind(a *rapportv1.Alert) string {
	var parts []string
	for _, n := range a.GetNumbers() {
		if !strings.Contains(a.GetSeen(), decimal(n.GetValue())) {
			parts = append(parts, numberWords(n))
		}
	}
	return prefixed(" · ", strings.Join(parts, ", "))
}

// wrap breaks text into lines of at most n runes, at blanks.
func wrap(text string, n int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && len([]rune(line))+1+len([]rune(word)) > n {
			lines = append(lines, line)
			line = ""
		}
		line = strings.TrimSpace(line + " " + word)
	}
	return append(lines, line)
}

// team is a consumer of the care teams' streams.
type team struct {
	stop    func()
	arrived chan struct{}
	failed  chan error
	mu      sync.Mutex
	seen    map[string]bool
}

// follow reads the streams as a consumer group does, and shows each opened alert once, however many feeds it stands in.
func follow(ctx context.Context, address string, feeds []string, show func(string, *rapportv1.Alert)) *team {
	ctx, cancel := context.WithCancel(ctx)
	t := &team{arrived: make(chan struct{}, 1), failed: make(chan error, 1), seen: map[string]bool{}}
	rdb := redis.NewClient(&redis.Options{Addr: address})
	ended := make(chan struct{})
	group := client.Group{Tenant: "default", Feeds: feeds, Name: "demo", Consumer: "screen", Block: 50 * time.Millisecond}
	go func() {
		defer close(ended)
		err := group.Consume(ctx, rdb, func(e client.Entry) error { return t.handle(e, show) })
		if ctx.Err() == nil {
			t.failed <- fmt.Errorf("reading the streams: %w", err)
		}
	}()
	t.stop = func() {
		cancel()
		<-ended
		_ = rdb.Close()
	}
	return t
}

func (t *team) handle(e client.Entry, show func(string, *rapportv1.Alert)) error {
	event, err := e.Event()
	if err != nil {
		return err
	}
	t.mu.Lock()
	first := !t.seen[e.ID]
	if e.Type == "alert.opened" {
		t.seen[e.ID] = true
	}
	t.mu.Unlock()
	if e.Type != "alert.opened" || !first {
		return nil
	}
	show(e.Feed, event.GetAlert())
	select {
	case t.arrived <- struct{}{}:
	default:
	}
	return nil
}

// waitFor returns once so many alerts have arrived.
func (t *team) waitFor(ctx context.Context, n int) error {
	patience := time.NewTimer(10 * time.Second)
	defer patience.Stop()
	for {
		t.mu.Lock()
		have := len(t.seen)
		t.mu.Unlock()
		if have >= n {
			return nil
		}
		select {
		case <-t.arrived:
		case err := <-t.failed:
			return err
		case <-patience.C:
			return fmt.Errorf("only %d of %d alerts reached the care team within 10 s", have, n)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (s *stage) summary(run *clinicRun, total alertCount) {
	s.mu.Lock()
	defer s.mu.Unlock()
	rule := strings.Repeat("─", width-2)
	fmt.Fprintf(s.out, "\n%s\n", rule)
	resources := 0
	for _, n := range run.outcomes {
		resources += n
	}
	fmt.Fprintf(s.out, "%s  %d resources in %d submissions, in %.1f s\n", s.bold("Sent"), resources, run.items, run.took.Seconds())
	for _, o := range outcomeWords {
		fmt.Fprintf(s.out, "      %6d  %s\n", run.outcomes[o.outcome], o.word)
	}
	fmt.Fprintf(s.out, "%s  %d raised, %d of them retracted after corrections, %d suppressed\n",
		s.bold("Alerts"), total.raised, total.retracted, total.suppressed)
	s.rules(total)
	fmt.Fprintf(s.out, "%s  batch to durable: median %s, 99th percentile %s\n", s.bold("Latency"),
		milliseconds(percentile(run.batches, 50)), milliseconds(percentile(run.batches, 99)))
	fmt.Fprintf(s.out, "         batch to the team's stream: median %s, 99th percentile %s\n",
		milliseconds(percentile(s.delays, 50)), milliseconds(percentile(s.delays, 99)))
	fmt.Fprintln(s.out, rule)
}

// rules prints a row per rule and a column per severity.
func (s *stage) rules(total alertCount) {
	severities := []rapportv1.Severity{
		rapportv1.Severity_SEVERITY_CRITICAL, rapportv1.Severity_SEVERITY_HIGH,
		rapportv1.Severity_SEVERITY_MODERATE, rapportv1.Severity_SEVERITY_INFO,
	}
	fmt.Fprintf(s.out, "  %-30s", "rule")
	for _, severity := range severities {
		fmt.Fprintf(s.out, " %9s", severityWord(severity))
	}
	fmt.Fprintln(s.out)
	for _, name := range slices.Sorted(maps.Keys(total.byRule)) {
		fmt.Fprintf(s.out, "  %-30s", name)
		for _, severity := range severities {
			text := "·"
			if n := total.byRule[name][severity]; n > 0 {
				text = fmt.Sprint(n)
			}
			fmt.Fprintf(s.out, " %9s", text)
		}
		fmt.Fprintln(s.out)
	}
}

func percentile(all []time.Duration, p int) time.Duration {
	if len(all) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(all))
	return sorted[min(len(sorted)-1, len(sorted)*p/100)]
}

func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000)
}

// staying says what to try next, with the addresses and a patient of this very run.
func (s *stage) staying() {
	self := "rapport"
	if strings.Contains(os.Args[0], "go-build") {
		self = "go run ./cmd/rapport"
	}
	addr := ""
	if s.server.Addr() != server.Default().Listen {
		addr = " --addr " + s.server.Addr()
	}
	_, port, _ := strings.Cut(s.server.RedisAddr(), ":")
	fmt.Fprintln(s.out, "The server stays up until Ctrl-C. In another terminal, try:")
	fmt.Fprintf(s.out, "  %s explain %s%s\n", self, cmp.Or(s.example(), "p1"), addr)
	fmt.Fprintf(s.out, "  %s alerts list%s\n", self, addr)
	fmt.Fprintf(s.out, "  redis-cli -p %s XREVRANGE '%s' + - COUNT 1\n", port, client.StreamKey("default", "all"))
}

// example is a patient with something to see: one whose alliance ruptures.
func (s *stage) example() string {
	for truth := range s.clinic.Truths() {
		if truth.Rupture != nil {
			return string(truth.Ref())
		}
	}
	return ""
}
