package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rapport-health/rapport/services/server"
)

var update = flag.Bool("update", false, "write the transcripts anew")

// asRapport makes the test binary behave as the program: for tests of signals, exit codes and killed servers.
const asRapport = "RAPPORT_TEST_IS_THE_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asRapport) != "" {
		_ = os.Unsetenv(asRapport)
		main()
		return
	}
	os.Exit(m.Run())
}

// monday is when the test servers live.
var monday = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// clinic is a server in this process with a clock that stands until it is moved.
type clinic struct {
	*server.Server
	clock atomic.Int64
	store string
}

func (c *clinic) later(by time.Duration) { c.clock.Add(by.Microseconds()) }

// startClinic runs a server on free loopback ports, and points the commands of this test to it.
func startClinic(t *testing.T, change func(*server.Config)) *clinic {
	t.Helper()
	c := &clinic{store: "sqlite:" + filepath.Join(t.TempDir(), "clinic.db")}
	c.clock.Store(monday.UnixMicro())
	config := server.Default()
	config.Listen, config.HTTPListen, config.Redis = "127.0.0.1:0", "127.0.0.1:0", "none"
	config.Store, config.Retention = c.store, 0
	config.Now = func() time.Time { return time.UnixMicro(c.clock.Load()).UTC() }
	if change != nil {
		change(&config)
	}
	running, err := server.New(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	running.Start()
	c.Server = running
	t.Cleanup(func() {
		if err := running.Stop(context.Background()); err != nil {
			t.Errorf("stopping: %v", err)
		}
	})
	t.Setenv("RAPPORT_ADDR", running.Addr())
	return c
}

// ran is what a command printed and how it ended.
type ran struct {
	code     int
	out, err string
}

// rapport runs a command in this process.
func rapport(t *testing.T, args ...string) ran {
	t.Helper()
	return rapportWith(t, streams{in: strings.NewReader("")}, args...)
}

// rapportWith runs it with an input, or on a terminal.
func rapportWith(t *testing.T, s streams, args ...string) ran {
	t.Helper()
	var out, err safeBuffer
	s.out, s.err = &out, &err
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	code := run(ctx, args, s)
	if ctx.Err() != nil {
		t.Fatalf("rapport %s did not end; it printed %s%s", strings.Join(args, " "), out.String(), err.String())
	}
	return ran{code, out.String(), err.String()}
}

// want fails unless the command ended as it should.
func (r ran) want(t *testing.T, code int, said ...string) ran {
	t.Helper()
	if r.code != code {
		t.Fatalf("exit code %d, not %d\n%s%s", r.code, code, r.out, r.err)
	}
	for _, text := range said {
		if !strings.Contains(r.out+r.err, text) {
			t.Errorf("%q is not in\n%s%s", text, r.out, r.err)
		}
	}
	return r
}

// safeBuffer is a buffer that may be read while it is written to.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// child is this test binary as a program of its own.
type child struct {
	t        *testing.T
	cmd      *exec.Cmd
	out, err safeBuffer
	ended    chan struct{}
}

// launch starts a child that ends with the test at the latest, and collects what it prints.
func launch(t *testing.T, args ...string) *child {
	t.Helper()
	c := prepare(t, args...)
	c.cmd.Stdout = &c.out
	return c.start()
}

func prepare(t *testing.T, args ...string) *child {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := &child{t: t, cmd: exec.Command(self, args...), ended: make(chan struct{})}
	c.cmd.Env = append(os.Environ(), asRapport+"=yes")
	c.cmd.Stderr = &c.err
	return c
}

func (c *child) start() *child {
	c.t.Helper()
	if err := c.cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	go func() {
		_ = c.cmd.Wait() // how it ended is its exit code
		close(c.ended)
	}()
	c.t.Cleanup(func() {
		c.signal(syscall.SIGKILL)
		<-c.ended
	})
	return c
}

func (c *child) signal(s os.Signal) {
	_ = c.cmd.Process.Signal(s) // it may have ended by itself
}

// code waits for the end and is the exit code.
func (c *child) code() int {
	c.t.Helper()
	select {
	case <-c.ended:
	case <-time.After(60 * time.Second):
		c.t.Fatalf("it did not end:\n%s%s", c.out.String(), c.err.String())
	}
	return c.cmd.ProcessState.ExitCode()
}

// eventually waits until a condition holds that another process brings about.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.NewTimer(40 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatal("waited in vain: " + what)
		}
	}
}

// file is a file of the test's own folder.
func file(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// transcript runs every line of testdata/NAME.txt that begins with `$ rapport`, and compares what the command printed:
// output first, then what went to standard error behind `! `, then an exit code that is not 0. `< FILE` gives the input.
func transcript(t *testing.T, name string, hide ...string) {
	t.Helper()
	path := filepath.Join("testdata", name+".txt")
	script, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	commands := 0
	for line := range strings.Lines(string(script)) {
		switch {
		case strings.HasPrefix(line, "# "):
			got.WriteString(line)
		case strings.HasPrefix(line, "$ rapport"):
			commands++
			got.WriteString(line + hidden(played(t, strings.Fields(line)[2:]), hide) + "\n")
		}
	}
	if commands == 0 {
		t.Fatalf("%s has no command", path)
	}
	if *update {
		if err := os.WriteFile(path, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(string(script), got.String()); diff != "" {
		t.Errorf("%s (-want +got), -update writes it anew:\n%s", path, diff)
	}
}

func played(t *testing.T, words []string) string {
	t.Helper()
	s := streams{in: strings.NewReader("")}
	for n, word := range words {
		words[n] = strings.Trim(word, "'")
		if word == "ALERT" {
			words[n] = firstAlert(t)
		}
	}
	if n := len(words); n > 1 && words[n-2] == "<" {
		text, err := os.ReadFile(words[n-1])
		if err != nil {
			t.Fatal(err)
		}
		s.in, words = bytes.NewReader(text), words[:n-2]
	}
	r := rapportWith(t, s, words...)
	text := r.out
	for line := range strings.Lines(r.err) {
		text += "! " + line
	}
	if r.code != 0 {
		text += fmt.Sprintf("[exit %d]\n", r.code)
	}
	return text
}

// firstAlert is the id of the alert that stands first in the list, whatever its status.
func firstAlert(t *testing.T) string {
	t.Helper()
	r := rapport(t, "alerts", "list", "--all", "--rule", "phq9-item-9", "-o", "json").want(t, exitDone)
	return digest.FindString(r.out)
}

// digest is an id or a content hash: it moves whenever a rule or an instrument is edited.
var digest = regexp.MustCompile(`\b[a-z2-7]{26}\b`)

// hidden puts words in the place of what differs from run to run: pairs of a text and its word.
func hidden(text string, pairs []string) string {
	return digest.ReplaceAllString(strings.NewReplacer(pairs...).Replace(text), strings.Repeat("x", 26))
}
