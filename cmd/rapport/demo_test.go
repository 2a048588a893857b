package main

import (
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"
)

// timing is what differs between two demos: how long things took, and where the server listens.
var timing = regexp.MustCompile(` *\d+\.\d+ m?s|127\.0\.0\.1:\d+|-p \d+`)

func TestTheDemoLooksGoodAndIsTheSameEveryTime(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	takePort(t)
	begun := time.Now()
	first := rapport(t, "demo", "--once").want(t, exitDone, "stored and scored", "critical", "→ spine-team", "Latency", "redis-cli")
	// On a quiet machine it takes three to five seconds; here other tests share the processors.
	if took := time.Since(begun); took > time.Minute {
		t.Errorf("it took %v", took)
	}
	for line := range strings.Lines(first.out) {
		if n := length(strings.TrimSuffix(line, "\n")); n > width && !strings.Contains(line, os.Args[0]) {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	if first.err != "" {
		t.Errorf("it complained: %s", first.err)
	}
	second := rapport(t, "demo", "--once").want(t, exitDone)
	if diff := cmp.Diff(timing.ReplaceAllString(first.out, "…"), timing.ReplaceAllString(second.out, "…")); diff != "" {
		t.Errorf("the second run differs:\n%s", diff)
	}
	nothingLeft(t)
}

// takePort makes sure that a usual port is taken, by this test or another program: then the demo takes free ones.
func takePort(t *testing.T) {
	t.Helper()
	if l, err := net.Listen("tcp", "127.0.0.1:7401"); err == nil {
		t.Cleanup(func() { _ = l.Close() })
	}
}

func nothingLeft(t *testing.T) {
	t.Helper()
	left, err := filepath.Glob(filepath.Join(os.TempDir(), "rapport-demo-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

func TestTheDemosCommandsWorkAsPrinted(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	takePort(t)
	c := launch(t, "demo", "--patients", "12")
	eventually(t, "the demo stays up", func() bool { return strings.Contains(c.out.String(), "COUNT 1\n") })
	_, hints, _ := strings.Cut(c.out.String(), "Ctrl-C. In another terminal, try:\n")
	lines := strings.Split(strings.TrimSuffix(hints, "\n"), "\n")
	if len(lines) != 3 {
		t.Fatalf("not three commands: %q", lines)
	}
	for _, line := range lines[:2] {
		words := strings.Fields(strings.TrimPrefix(strings.TrimSpace(line), c.cmd.Args[0]))
		rapport(t, words...).want(t, exitDone, "p0")
	}
	words := strings.Fields(strings.ReplaceAll(lines[2], "'", ""))
	if words[0] != "redis-cli" || words[1] != "-p" {
		t.Fatalf("no redis-cli line: %q", lines[2])
	}
	rdb := redis.NewClient(&redis.Options{Addr: "127.0.0.1:" + words[2]})
	defer rdb.Close()
	args := make([]any, 0, len(words))
	for _, word := range words[3:] {
		args = append(args, word)
	}
	entries, err := rdb.Do(t.Context(), args...).Slice()
	if err != nil || len(entries) != 1 {
		t.Errorf("%s: %v %v", lines[2], entries, err)
	}
	c.signal(os.Interrupt)
	if code := c.code(); code != exitDone || c.err.String() != "" {
		t.Errorf("exit code %d: %s", code, c.err.String())
	}
	nothingLeft(t)
}

func TestADemoThatIsInterruptedAtWorkLeavesNothingBehind(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	c := launch(t, "demo", "--patients", "200")
	eventually(t, "the first alert", func() bool { return strings.Contains(c.out.String(), " → ") })
	c.signal(os.Interrupt)
	if code := c.code(); code != exitDone || strings.Contains(c.out.String(), "Latency") {
		t.Errorf("exit code %d: %s", code, c.err.String())
	}
	nothingLeft(t)
}

func TestADemoWhoseReaderGoesAwayLeavesNothingBehind(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	c := prepare(t, "demo", "--patients", "200")
	c.cmd.Stdout = write
	c.start()
	write.Close()
	first := make([]byte, 10)
	if _, err := read.Read(first); err != nil || !strings.HasPrefix(string(first), "Rapport") {
		t.Fatalf("%q %v", first, err)
	}
	read.Close()
	if code := c.code(); code != exitDone || c.err.String() != "" {
		t.Errorf("exit code %d: %s", code, c.err.String())
	}
	nothingLeft(t)
}
