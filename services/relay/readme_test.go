package relay_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rapport-health/rapport/services/relay/embedded"
	"github.com/rapport-health/rapport/services/testbed"
)

// blocks are the lines of the README's blocks in a language.
func blocks(t *testing.T, language string) []string {
	t.Helper()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for i, block := range strings.Split(string(text), "```") {
		if body, ok := strings.CutPrefix(block, language+"\n"); ok && i%2 == 1 {
			lines = append(lines, strings.Split(strings.TrimSpace(body), "\n")...)
		}
	}
	return lines
}

// shimFor is a folder with a redis-cli that talks to a port of the test instead of to 6379.
func shimFor(t *testing.T, port string) string {
	t.Helper()
	real, err := exec.LookPath("redis-cli")
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	script := "#!/bin/sh\nexec '" + real + "' -p " + port + " \"$@\"\n"
	if err := os.WriteFile(filepath.Join(folder, "redis-cli"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	return folder
}

func TestTheCommandsOfTheReadmeWorkAsPrinted(t *testing.T) {
	servers := map[string]func(*testing.T) string{
		"redis-server": func(t *testing.T) string {
			return testbed.FreshRedis(t, testbed.RedisOptions{}).URL()
		},
		"embedded": func(t *testing.T) string {
			s, err := embedded.Start("127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(s.Stop)
			return s.URL()
		},
	}
	for name, start := range servers {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			url := start(t)
			b.connect(url)
			b.tenant = "default"
			b.run(b.relay())
			b.commit(north, 5)
			b.await(north, 5)
			_, port, _ := strings.Cut(strings.TrimPrefix(url, "redis://"), ":")
			shim := shimFor(t, port)
			commands := blocks(t, "sh")
			if len(commands) < 12 {
				t.Fatalf("the README has %d examples, want them all", len(commands))
			}
			for _, command := range commands {
				cmd := exec.CommandContext(t.Context(), "sh", "-c", command)
				cmd.Env = append(os.Environ(), "PATH="+shim+string(os.PathListSeparator)+os.Getenv("PATH"))
				out, err := cmd.CombinedOutput()
				if err != nil || strings.Contains(string(out), "ERR") || strings.Contains(string(out), "NOGROUP") {
					t.Errorf("%s\nanswers %v\n%s", command, err, out)
				}
				if strings.Contains(command, "XREADGROUP") && strings.Count(string(out), "alert.opened") != 5 {
					t.Errorf("%s\nshows not 5 alerts:\n%s", command, out)
				}
			}
		})
	}
}

func TestEveryMetricIsInTheReadme(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	var source []byte
	for _, name := range []string{"lag.go", "series.go"} {
		part, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		source = append(source, part...)
	}
	found := 0
	for _, part := range strings.Split(string(source), `"`) {
		if strings.HasPrefix(part, "rapport_relay_") {
			found++
			if !strings.Contains(string(text), part) {
				t.Errorf("the README does not name %s", part)
			}
		}
	}
	if found != 17 {
		t.Errorf("%d metrics were found in the source, want 17", found)
	}
}

func TestAPausedRedisHoldsUpNeitherTheDatabaseNorTheEnd(t *testing.T) {
	b := newBench(t)
	server := testbed.FreshRedis(t, testbed.RedisOptions{})
	b.connect(server.URL())
	r := b.relay()
	stop := b.run(r)
	b.commit(north, 3)
	b.await(north, 3)
	server.Pause()
	defer server.Resume()
	begin := time.Now()
	b.commit(north, 3)
	if took := time.Since(begin); took > time.Second {
		t.Errorf("a commit took %v while Redis stood still", took)
	}
	b.until(func() bool { return !r.Lag().Connected })
	begin = time.Now()
	stop()
	if took := time.Since(begin); took > 6*time.Second {
		t.Errorf("the relay took %v to stop", took)
	}
	server.Resume()
	b.run(r)
	b.await(north, 6)
	b.wantEqual(north, 1)
}
