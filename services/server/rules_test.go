package server

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rapport-health/rapport/services/domain/judge"
)

// own is a clinic's file with one rule of a title.
func own(title string) string {
	return `rules:
  - id: tired
    title: ` + title + `
    severity: info
    roles: [nurse]
    when: after.visits.attended > 3
    wording: {seen: Tired.}
    evidence: service design
`
}

// follower is a rulebook that is followed, with a tick that the test gives.
type follower struct {
	*rulebook
	t     *testing.T
	path  string
	ticks chan time.Time
	said  lockedText
	all   *prometheus.Registry
}

type lockedText struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lockedText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lockedText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func follow(t *testing.T, text string) *follower {
	t.Helper()
	f := &follower{t: t, path: filepath.Join(t.TempDir(), "clinic.yaml"), ticks: make(chan time.Time), all: prometheus.NewRegistry()}
	f.write(text)
	var err error
	now := func() time.Time { return time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC) }
	f.rulebook, err = newRulebook(f.path, slog.New(slog.NewTextHandler(&f.said, nil)), now, f.all)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		f.follow(ctx, f.ticks)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	return f
}

func (f *follower) write(text string) {
	f.t.Helper()
	if err := os.WriteFile(f.path, []byte(text), 0o600); err != nil {
		f.t.Fatal(err)
	}
}

// look gives enough ticks for a thorough look, whatever the grain of the file's time. Once a tick is taken, what the tick
// before brought is done.
func (f *follower) look() {
	for range hashEvery + 1 {
		f.ticks <- time.Time{}
	}
}

func (f *follower) metric(name string) (sum float64) {
	f.t.Helper()
	families, err := f.all.Gather()
	if err != nil {
		f.t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() == name {
			for _, m := range family.GetMetric() {
				sum += m.GetGauge().GetValue() + m.GetCounter().GetValue()
			}
		}
	}
	return sum
}

func (f *follower) rules() []judge.Rule {
	rules, _ := f.Rules()
	return rules
}

func title(rules []judge.Rule) string { return rules[len(rules)-1].Title }

func TestChangedRulesTakeTheirPlaceWhole(t *testing.T) {
	f := follow(t, own("First"))
	first := f.Version()
	f.look()
	if title(f.rules()) != "First" || f.Version() != first || f.metric("rapport_rules_reloads_total") != 1 {
		t.Errorf("%s was loaded %v times", title(f.rules()), f.metric("rapport_rules_reloads_total"))
	}
	before := f.rules()
	f.write(own("Other"))
	f.look()
	if title(f.rules()) != "Other" || f.Version() == first || title(before) != "First" {
		t.Errorf("in force is %s; a transaction that had begun sees %s", title(f.rules()), title(before))
	}
	if f.metric("rapport_rules_info") != 1 {
		t.Errorf("%v versions are named", f.metric("rapport_rules_info"))
	}
}

func TestABrokenFileLeavesInForceWhatIsAndSaysWhere(t *testing.T) {
	f := follow(t, own("First"))
	version := f.Version()
	f.write(strings.Replace(own("Other"), "after.visits.attended", "after.visit.attended", 1))
	f.look()
	f.look()
	if title(f.rules()) != "First" || f.Version() != version || f.metric("rapport_rules_broken") != 1 {
		t.Errorf("in force is %s, broken %v", title(f.rules()), f.metric("rapport_rules_broken"))
	}
	if said := f.said.String(); strings.Count(said, "clinic.yaml:6:16") != 1 || !strings.Contains(said, "did you mean 'visits'?") {
		t.Errorf("the log says\n%s", said)
	}
	f.write(own("Mended"))
	f.look()
	if title(f.rules()) != "Mended" || f.metric("rapport_rules_broken") != 0 {
		t.Errorf("in force is %s, broken %v", title(f.rules()), f.metric("rapport_rules_broken"))
	}
}

func TestAFileThatGoesAwayLeavesInForceWhatIs(t *testing.T) {
	f := follow(t, own("First"))
	if err := os.Remove(f.path); err != nil {
		t.Fatal(err)
	}
	f.look()
	if title(f.rules()) != "First" || f.metric("rapport_rules_broken") != 1 {
		t.Errorf("in force is %s, broken %v", title(f.rules()), f.metric("rapport_rules_broken"))
	}
	f.write(own("First"))
	f.look()
	if f.metric("rapport_rules_broken") != 0 {
		t.Error("it is back, and broken still")
	}
}

func TestAFileBelowIsFollowedToo(t *testing.T) {
	f := follow(t, own("First"))
	below := filepath.Join(filepath.Dir(f.path), "group.yaml")
	if err := os.WriteFile(below, []byte(own("Below")), 0o600); err != nil {
		t.Fatal(err)
	}
	f.write("extends: group.yaml\n")
	f.look()
	if err := os.WriteFile(below, []byte(own("Changed")), 0o600); err != nil {
		t.Fatal(err)
	}
	f.look()
	if title(f.rules()) != "Changed" {
		t.Errorf("in force is %s", title(f.rules()))
	}
}
