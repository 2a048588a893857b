package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rapport-health/rapport/services/server"
)

// phq2 is a small response of its own patient.
func phq2(n int) string {
	return fmt.Sprintf(`{"resourceType":"QuestionnaireResponse","id":"r%d","questionnaire":"http://example.org/Questionnaire/mood","status":"completed",`+
		`"subject":{"reference":"Patient/p%d"},"authored":"2026-03-01T09:00:00Z","item":[{"linkId":"a","answer":[{"valueInteger":1}]}]}`, n, n%50)
}

func phq2s(from, to int) string {
	var b strings.Builder
	for n := from; n < to; n++ {
		b.WriteString(phq2(n) + "\n")
	}
	return b.String()
}

func zipped(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestIngestReadsWhatEHRsExport(t *testing.T) {
	startClinic(t, nil)
	three := phq2s(0, 3)
	pretty := strings.ReplaceAll(phq2(0), ",", ",\n  ")
	wide := `{"resourceType":"Patient","id":"wide","photo":[{"data":"` + strings.Repeat("x", 2<<20) + `"}]}`
	for name, c := range map[string]struct {
		file, text string
		code       int
		said       string
	}{
		"NDJSON":                           {"a.ndjson", three, exitDone, "3 resources in 3 items"},
		"NDJSON with Windows line ends":    {"a.ndjson", strings.ReplaceAll(three, "\n", "\r\n"), exitDone, "3 resources in 3 items"},
		"NDJSON with a byte order mark":    {"a.ndjson", "\ufeff" + three, exitDone, "3 resources in 3 items"},
		"NDJSON with empty lines":          {"a.ndjson", "\n" + three + "\n\n", exitDone, "3 resources in 3 items"},
		"NDJSON without an end of line":    {"a.ndjson", strings.TrimSuffix(three, "\n"), exitDone, "3 resources in 3 items"},
		"NDJSON under another name":        {"a.txt", phq2(0) + "\n{\n" + phq2(1) + "\n", exitFailed, "3 resources in 3 items"},
		"NDJSON with a bad line":           {"a.ndjson", phq2(0) + "\n{bad\n" + phq2(1) + "\n", exitFailed, "a.ndjson:2: rejected"},
		"packed":                           {"a.ndjson.gz", zipped(t, three), exitDone, "3 resources in 3 items"},
		"packed under a plain name":        {"a.json", zipped(t, pretty), exitDone, "1 resource in 1 item"},
		"JSON over several lines":          {"a.json", pretty, exitDone, "1 resource in 1 item"},
		"several JSON values":              {"a.json", pretty + pretty + "\n" + pretty, exitDone, "3 resources in 3 items"},
		"JSON with a byte order mark":      {"a.json", "\ufeff" + pretty, exitDone, "1 resource in 1 item"},
		"a wide line":                      {"a.json", wide + "\n" + three, exitDone, "4 resources in 4 items"},
		"an empty file":                    {"a.json", "", exitDone, "0 resources in 0 items"},
		"an empty line":                    {"a.ndjson", "\n", exitDone, "0 resources in 0 items"},
		"JSON cut off":                     {"a.json", pretty[:60], exitFailed, "1  rejected"},
		"JSON cut off behind good JSON":    {"a.json", pretty + pretty[:60], exitFailed, "2 resources in 2 items"},
		"no JSON":                          {"a.json", "name;score\n", exitFailed, "1  rejected"},
		"UTF-16":                           {"a.json", "\xff\xfe{\x00}\x00", exitFailed, "the text is UTF-16"},
		"broken gzip":                      {"a.json.gz", "\x1f\x8bnonsense", exitFailed, "broken gzip"},
		"gzip cut off":                     {"a.ndjson.gz", zipped(t, phq2s(0, 2000))[:5000], exitFailed, "1  could not be read"},
		"larger than any Bundle":           {"a.ndjson", phq2(0) + "\n{" + strings.Repeat(" ", maxItem) + "}\n" + phq2(1) + "\n", exitFailed, "2 resources in 2 items"},
		"a JSON value larger than allowed": {"a.json", "{" + strings.Repeat(" ", maxItem) + "}", exitFailed, "larger than 64 MiB"},
	} {
		t.Run(name, func(t *testing.T) {
			rapport(t, "ingest", file(t, c.file, c.text)).want(t, c.code, c.said)
		})
	}
}

func TestIngestGoesOnBehindAFileThatCannotBeRead(t *testing.T) {
	startClinic(t, nil)
	broken := file(t, "broken.json.gz", "\x1f\x8bnonsense")
	good := file(t, "good.ndjson", phq2s(0, 3))
	rapport(t, "ingest", broken, good).want(t, exitFailed, "3 resources", "1  could not be read", broken)
	rapport(t, "ingest", "-o", "json", broken, good).want(t, exitFailed, `"error":"`)
}

func TestIngestTakesAFolderInTheOrderOfItsNames(t *testing.T) {
	startClinic(t, nil)
	folder := t.TempDir()
	for name, text := range map[string]string{"b/2.ndjson": phq2s(0, 2), "a.json": phq2(2), "notes.txt": "no JSON", "c.jsonl.gz": zipped(t, phq2(3))} {
		path := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r := rapport(t, "ingest", "-o", "json", folder).want(t, exitDone)
	if strings.Index(r.out, "a.json") > strings.Index(r.out, "2.ndjson") || strings.Count(r.out, "\n") != 4 {
		t.Errorf("not in order:\n%s", r.out)
	}
	rapport(t, "ingest", t.TempDir()).want(t, exitFailed, "no .json, .ndjson or .jsonl file in this folder")
}

func TestIngestLooksForEveryFileBeforeItSendsAny(t *testing.T) {
	startClinic(t, nil)
	good := file(t, "good.json", phq2(1))
	rapport(t, "ingest", good, good+".not").want(t, exitFailed, "no such file")
	rapport(t, "ingest", good).want(t, exitDone, "0  unchanged")
}

func TestIngestTakesSixtyMegabytes(t *testing.T) {
	startClinic(t, nil)
	var b strings.Builder
	b.WriteString(`{"resourceType":"Bundle","type":"batch","entry":[`)
	filler := strings.Repeat("x", 6<<20)
	for n := range 10 {
		if n > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"resource":{"resourceType":"Patient","id":"large%d","photo":[{"data":"%s"}]},"request":{"method":"PUT","url":"Patient/large%d"}}`, n, filler, n)
	}
	b.WriteString("]}")
	rapport(t, "ingest", file(t, "large.json", b.String())).want(t, exitDone, "10 resources in 1 item")
}

func TestProgressIsDrawnOnATerminalAlone(t *testing.T) {
	startClinic(t, nil)
	path := file(t, "a.ndjson", phq2s(0, 20))
	if r := rapport(t, "ingest", "-q", path).want(t, exitDone); r.err != "" {
		t.Errorf("in a file would stand %q", r.err)
	}
	r := rapportWith(t, streams{in: strings.NewReader(""), terminal: true}, "ingest", "-q", path)
	r.want(t, exitDone, "\r", "━", " %", "items")
	if !strings.HasSuffix(r.err, "\r\x1b[K") {
		t.Errorf("the line is left behind: %q", r.err)
	}
}

func TestResumePassesOverWhatIsDone(t *testing.T) {
	startClinic(t, nil)
	path, position := file(t, "a.ndjson", phq2s(0, 5)), filepath.Join(t.TempDir(), "position")
	rapport(t, "ingest", "--resume", position, path).want(t, exitDone, "5 resources")
	rapport(t, "ingest", "--resume", position, path).want(t, exitDone, "0 resources in 0 items")
	t.Run("but not over a file that has changed", func(t *testing.T) {
		if err := os.WriteFile(path, []byte(phq2s(0, 6)), 0o600); err != nil {
			t.Fatal(err)
		}
		rapport(t, "ingest", "--resume", position, path).want(t, exitDone, "6 resources", "5  unchanged")
	})
	rapport(t, "ingest", "--resume", path, path).want(t, exitFailed, "not a position file")
	rapport(t, "ingest", "--resume", filepath.Join(position, "x"), path).want(t, exitFailed)
}

func TestIngestThatIsInterruptedGoesOnWhereItWas(t *testing.T) {
	startClinic(t, nil)
	path, position := file(t, "a.ndjson", phq2s(0, 6000)), filepath.Join(t.TempDir(), "position")
	c := launch(t, "ingest", "-o", "json", "--resume", position, path)
	eventually(t, "the first items are done", func() bool { return strings.Count(c.out.String(), "\n") > 200 })
	c.signal(os.Interrupt)
	code, done := c.code(), strings.Count(c.out.String(), "\n")
	if code != exitFailed || !strings.Contains(c.err.String(), "goes on from") || done >= 6000 {
		t.Fatalf("exit code %d after %d items: %s", code, done, c.err.String())
	}
	rapport(t, "ingest", "--resume", position, path).want(t, exitDone, fmt.Sprintf("%d resources in", 6000-done))
	rapport(t, "ingest", path).want(t, exitDone, "6000  unchanged")
}

// address is a free loopback address.
func address(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestIngestOutlivesAServerThatIsKilledAndStartedAgain(t *testing.T) {
	listen, store := address(t), "sqlite:"+filepath.Join(t.TempDir(), "clinic.db")
	serve := func() *child {
		c := launch(t, "serve", "--listen", listen, "--http-listen", "127.0.0.1:0", "--store", store, "--redis", "none")
		eventually(t, "serve is ready", func() bool { return strings.Contains(c.err.String(), "msg=ready") })
		return c
	}
	first := serve()
	c := launch(t, "ingest", "-o", "json", "--addr", listen, file(t, "a.ndjson", phq2s(0, 8000)))
	eventually(t, "the first items are done", func() bool { return strings.Count(c.out.String(), "\n") > 500 })
	first.signal(syscall.SIGKILL)
	eventually(t, "ingest notices", func() bool { return strings.Contains(c.err.String(), "trying again") })
	second := serve()
	if code := c.code(); code != exitDone {
		t.Fatalf("exit code %d: %s", code, c.err.String())
	}
	if n := strings.Count(c.out.String(), "\n"); n != 8000 {
		t.Errorf("%d of 8000 items were told of", n)
	}
	if strings.Contains(c.out.String(), "REJECTED") {
		t.Error("something was rejected")
	}
	rapport(t, "unscored", "--addr", listen, "--max", "0", "-o", "json").want(t, exitDone, `"QuestionnaireResponse/r7999/_history/1"`)
	rapport(t, "ingest", "-q", "--addr", listen, file(t, "again.ndjson", phq2s(0, 8000))).want(t, exitDone, "8000  unchanged")
	second.signal(syscall.SIGTERM)
	if code := second.code(); code != exitDone {
		t.Errorf("serve ended with %d on SIGTERM: %s", code, second.err.String())
	}
	rapport(t, "verify", "--store", store).want(t, exitDone, "Everything is as it must be.")
}

func TestListsPageBeyondTheirFirstPage(t *testing.T) {
	startClinic(t, nil)
	rapport(t, "ingest", "-q", file(t, "a.ndjson", phq2s(0, 1201))).want(t, exitDone)
	for args, want := range map[string]int{"": 50, "--max 60": 60, "--max 501": 501, "--max 0": 1201, "--max 5000": 1201} {
		r := rapport(t, append([]string{"unscored", "-o", "json"}, strings.Fields(args)...)...).want(t, exitDone)
		if n := strings.Count(r.out, "\n"); n != want {
			t.Errorf("unscored %s lists %d, not %d", args, n, want)
		}
		if strings.Contains(r.err, "There are more") != (want < 1201) {
			t.Errorf("unscored %s says %q", args, r.err)
		}
	}
}

func TestWatchNamesTheEarliestCursorThatStillWorks(t *testing.T) {
	c := startClinic(t, func(config *server.Config) { config.Retention = time.Hour })
	rapport(t, "ingest", "-q", file(t, "a.ndjson", phq2s(0, 3))).want(t, exitDone)
	c.later(2 * time.Hour)
	rapport(t, "ingest", "-q", file(t, "b.ndjson", phq2s(3, 4))).want(t, exitDone)
	if err := c.Trim(t.Context()); err != nil {
		t.Fatal(err)
	}
	rapport(t, "watch", "all@0", "--max", "1").want(t, exitFailed, "the earliest cursor that works is 3")
	rapport(t, "watch", "all@3", "--max", "1").want(t, exitDone, "all@4 ")
}
