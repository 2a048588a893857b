package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

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
	// arrived are the alerts that are not printed yet.
	arrived []arrival
}

// arrival is an alert as it reached a team.
type arrival struct {
	feed string
	*rapportv1.Alert
}

func newStage(s streams, clinic simulate.Clinic, running *server.Server) *stage {
	colour := s.screen && os.Getenv("NO_COLOR") == ""
	return &stage{streams: s, colour: colour, clinic: clinic, server: running, moments: map[string]time.Time{}}
}

func (s *stage) opening() {
	fmt.Fprintf(s.out, "%s %d synthetic patients over %d weeks, all on this machine.\n",
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

// alert takes an alert as it arrives.
func (s *stage) alert(feed string, a *rapportv1.Alert) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, source := range a.GetSources() {
		if at, ok := s.moments[source]; ok {
			s.delays = append(s.delays, time.Since(at))
		}
	}
	s.arrived = append(s.arrived, arrival{feed, a})
}

// show prints what has arrived, oldest first. The teams' streams come in no order among themselves, so this is what makes
// two runs alike.
func (s *stage) show() {
	s.mu.Lock()
	defer s.mu.Unlock()
	slices.SortFunc(s.arrived, func(a, b arrival) int {
		return cmp.Or(a.GetEffective().AsTime().Compare(b.GetEffective().AsTime()),
			cmp.Compare(a.GetPatient(), b.GetPatient()), cmp.Compare(a.GetRule(), b.GetRule()), cmp.Compare(a.GetId(), b.GetId()))
	})
	for _, a := range s.arrived {
		s.one(a)
	}
	s.arrived = s.arrived[:0]
}

// margin is where the text of an alert begins.
const margin = 18

// one prints when, how urgent, who and what, and below it the numbers and whom they reached.
func (s *stage) one(a arrival) {
	title := cut(a.GetTitle(), width-margin-14)
	fmt.Fprintf(s.out, "%s  %s  %-13s %s\n", a.GetEffective().AsTime().Format("Jan 02"),
		s.paint(severityColours[a.GetSeverity()], fmt.Sprintf("%-8s", severityWord(a.GetSeverity()))),
		cut(strings.TrimPrefix(a.GetPatient(), "Patient/"), 13), s.bold(title))
	to := " → " + cut(strings.TrimPrefix(a.feed, "team:"), 24)
	lines := []string{short(a.Alert, width-margin-length(to)) + to}
	if a.GetSeverity() == rapportv1.Severity_SEVERITY_CRITICAL {
		lines = wrap(a.GetSeen(), width-margin)
		if last := len(lines) - 1; length(lines[last]+to) <= width-margin {
			lines[last] += to
		} else {
			lines = append(lines, strings.TrimSpace(to))
		}
	}
	for _, line := range lines {
		fmt.Fprintf(s.out, "%*s%s\n", margin, "", line)
	}
}

// short is what was seen in at most n runes: the beginning of the sentence that holds its numbers when there is one, else
// as many of the numbers as fit.
func short(a *rapportv1.Alert, n int) string {
	clause, _, _ := strings.Cut(a.GetSeen(), ": ")
	if length(clause) <= n && strings.ContainsAny(clause, "0123456789") {
		return clause
	}
	text := ""
	for _, number := range a.GetNumbers() {
		longer := strings.TrimPrefix(text+", "+briefly(number), ", ")
		if length(longer) > n {
			break
		}
		text = longer
	}
	return cmp.Or(text, cut(a.GetSeen(), n))
}

// briefly is a number to two decimals, with what it is compared with.
func briefly(n *rapportv1.Number) string {
	if n.GetUnit() == "d" && n.Reference == nil {
		return twoDecimals(n.GetValue()) + " " + n.GetName() // days of silence
	}
	text := n.GetName() + " " + twoDecimals(n.GetValue()) + unitWords(n.GetUnit())
	if n.Reference != nil {
		text += " against " + twoDecimals(n.GetReference()) + unitWords(n.GetUnit())
	}
	return text
}

func twoDecimals(x float64) string { return decimal(math.Round(x*100) / 100) }

func length(s string) int { return utf8.RuneCountInString(s) }

// cut is text in at most n runes.
func cut(text string, n int) string {
	if length(text) <= n {
		return text
	}
	return string([]rune(text)[:n-1]) + "…"
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
	fmt.Fprintf(s.out, "%s    %d resources in %d submissions, in %.1f s\n", s.bold("Sent"), resources, run.items, run.took.Seconds())
	for _, o := range outcomeWords {
		s.counted(run.outcomes[o.outcome], o.word, outcomeMeanings[o.outcome])
	}
	fmt.Fprintf(s.out, "%s\n", s.bold("Alerts"))
	s.counted(total.raised, "raised", fmt.Sprintf("told to a care team; %d retracted after corrections", total.retracted))
	s.counted(total.suppressed, "suppressed", "found but not raised, with the reason")
	s.rules(total)
	fmt.Fprintf(s.out, "%s  %-26s  median %8s   99th percentile %8s\n", s.bold("Latency"), "batch to durable",
		milliseconds(percentile(run.batches, 50)), milliseconds(percentile(run.batches, 99)))
	fmt.Fprintf(s.out, "         %-26s  median %8s   99th percentile %8s\n", "batch to the team's stream",
		milliseconds(percentile(s.delays, 50)), milliseconds(percentile(s.delays, 99)))
	fmt.Fprintln(s.out, rule)
}

// outcomeMeanings say what is counted.
var outcomeMeanings = map[rapportv1.Outcome]string{
	rapportv1.Outcome_OUTCOME_SCORED:    "gave a score, an exercise log, a visit …",
	rapportv1.Outcome_OUTCOME_STORED:    "for reference, or of no use: `rapport unscored`",
	rapportv1.Outcome_OUTCOME_UNCHANGED: "sent again by the EHR, without effect",
	rapportv1.Outcome_OUTCOME_REJECTED:  "nothing of it was written",
}

func (s *stage) counted(n int, word, meaning string) {
	fmt.Fprintf(s.out, "%7d  %-19s %s\n", n, word, meaning)
}

// rules prints a row per rule and a column per severity.
func (s *stage) rules(total alertCount) {
	severities := []rapportv1.Severity{
		rapportv1.Severity_SEVERITY_CRITICAL, rapportv1.Severity_SEVERITY_HIGH,
		rapportv1.Severity_SEVERITY_MODERATE, rapportv1.Severity_SEVERITY_INFO,
	}
	fmt.Fprintf(s.out, "         %-29s", "by rule and severity")
	for _, severity := range severities {
		fmt.Fprintf(s.out, " %8s", severityWord(severity))
	}
	fmt.Fprintln(s.out)
	for _, name := range slices.Sorted(maps.Keys(total.byRule)) {
		fmt.Fprintf(s.out, "         %-29s", cut(name, 29))
		for _, severity := range severities {
			text := "·"
			if n := total.byRule[name][severity]; n > 0 {
				text = fmt.Sprint(n)
			}
			fmt.Fprintf(s.out, " %8s", text)
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

// next says what to try, with the addresses and a patient of this very run.
func (s *stage) next(once bool) {
	self := myself()
	addr := ""
	if s.server.Addr() != server.Default().Listen || os.Getenv("RAPPORT_ADDR") != "" {
		addr = " --addr " + s.server.Addr()
	}
	_, port, _ := strings.Cut(s.server.RedisAddr(), ":")
	if once {
		fmt.Fprintln(s.out, "Without --once the server stays up. Try then, in another terminal:")
	} else {
		fmt.Fprintln(s.out, "The server stays up until Ctrl-C. In another terminal, try:")
	}
	fmt.Fprintf(s.out, "  %s explain %s%s\n", self, cmp.Or(s.example(), "p1"), addr)
	fmt.Fprintf(s.out, "  %s alerts list%s\n", self, addr)
	fmt.Fprintf(s.out, "  redis-cli -p %s XREVRANGE '%s' + - COUNT 1\n", port, client.StreamKey("default", "all"))
}

// myself is how this program was called.
func myself() string {
	name := os.Args[0]
	if strings.Contains(name, "go-build") && strings.HasSuffix(filepath.Dir(name), "exe") {
		return "go run ./cmd/rapport"
	}
	return name
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
