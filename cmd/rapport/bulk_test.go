package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var httpReadyAt = regexp.MustCompile(`msg=ready .*http=(\S+)`)

// house is `rapport serve` as a program over a file that outlives it.
type house struct {
	*testing.T
	store, dir string
	*child
	http string
}

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{T: t, store: "sqlite:" + filepath.Join(t.TempDir(), "x.db"), dir: filepath.Join(t.TempDir(), "bulk")}
	h.open()
	return h
}

func (h *house) open() {
	h.Helper()
	h.child, _ = served(h.T, "--store", h.store, "--bulk-dir", h.dir)
	h.http = "http://" + httpReadyAt.FindStringSubmatch(h.err.String())[1] + "/fhir"
}

// killed ends the program as a failure of the machine would, and starts another.
func (h *house) killed() {
	h.Helper()
	h.signal(syscall.SIGKILL)
	<-h.ended
	h.open()
}

func (h *house) ask(method, path string, body io.Reader, contentType string) (*http.Response, []byte) {
	h.Helper()
	req, err := http.NewRequestWithContext(h.Context(), method, path, body)
	if err != nil {
		h.Fatal(err)
	}
	req.Header.Set("Content-Type", contentType)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		h.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		h.Fatal(err)
	}
	return resp, text
}

// job begins one, and returns the end of its address, which outlives the program's port.
func (h *house) job(method, path, body string) string {
	h.Helper()
	resp, text := h.ask(method, h.http+path, strings.NewReader(body), "application/fhir+ndjson")
	if resp.StatusCode != http.StatusAccepted {
		h.Fatalf("%s: %d %s", path, resp.StatusCode, text)
	}
	_, id, _ := strings.Cut(resp.Header.Get("Content-Location"), "/fhir")
	return id
}

type report struct {
	Output []struct {
		Type, URL string
		Count     int
	}
	Extension map[string]int
}

// done asks again and again, as Bulk Data has clients do: there is nothing else by which a job tells that it has ended.
func (h *house) done(job string) (m report) {
	h.Helper()
	for until := time.Now().Add(3 * time.Minute); time.Now().Before(until); time.Sleep(200 * time.Millisecond) {
		resp, text := h.ask(http.MethodGet, h.http+job, http.NoBody, "")
		switch resp.StatusCode {
		case http.StatusOK:
			if err := json.Unmarshal(text, &m); err != nil {
				h.Fatal(err)
			}
			return m
		case http.StatusAccepted, http.StatusTooManyRequests:
		default:
			h.Fatalf("%d %s", resp.StatusCode, text)
		}
	}
	h.Fatal("the job does not end")
	return m
}

// lines of an export, by type and id.
func (h *house) lines(m report) map[string]string {
	h.Helper()
	out := map[string]string{}
	for _, f := range m.Output {
		_, path, _ := strings.Cut(f.URL, "/fhir/")
		resp, text := h.ask(http.MethodGet, h.http+"/"+path, http.NoBody, "")
		if resp.StatusCode != http.StatusOK || bytes.Count(text, []byte("\n")) != f.Count {
			h.Fatalf("%s: %d, %d lines, not %d", f.URL, resp.StatusCode, bytes.Count(text, []byte("\n")), f.Count)
		}
		for line := range strings.Lines(string(text)) {
			var head struct {
				ResourceType, ID string
			}
			if err := json.Unmarshal([]byte(line), &head); err != nil {
				h.Fatalf("%s: %v", line, err)
			}
			name := head.ResourceType + "/" + head.ID
			if out[name] != "" {
				h.Errorf("%s is there twice", name)
			}
			out[name] = line
		}
	}
	return out
}

// forms are answered PHQ-9s of the last days; every tenth one is amended further down.
func forms(n int) string {
	begun := time.Now().UTC().Add(-time.Duration(n+60) * time.Minute)
	links := []string{"/44250-9", "/44255-8", "/44259-0", "/44254-1", "/44251-7", "/44258-2", "/44252-5", "/44253-3", "/44260-8"}
	codes := []string{"LA6568-5", "LA6569-3", "LA6570-1", "LA6571-9"}
	var b strings.Builder
	form := func(i, shift int) {
		fmt.Fprintf(&b, `{"resourceType":"QuestionnaireResponse","id":"f%d","questionnaire":"http://loinc.org/q/44249-1","status":"completed",`+
			`"subject":{"reference":"Patient/p%d"},"authored":"%s","item":[`, i, i%97, begun.Add(time.Duration(i)*time.Minute).Format(time.RFC3339))
		for k, link := range links {
			if k > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, `{"linkId":%q,"answer":[{"valueCoding":{"system":"http://loinc.org","code":%q}}]}`, link, codes[(i+k*shift)%4])
		}
		b.WriteString("]}\n")
	}
	for i := range n {
		form(i, 1)
		if i%10 == 9 {
			form(i-7, 3)
		}
	}
	return b.String()
}

func TestJobsOutliveTheServerAndDoubleNothing(t *testing.T) {
	const n = 2_500
	h := newHouse(t)
	job := h.job(http.MethodPost, "/$import", forms(n))
	for kills := 0; kills < 2; {
		resp, text := h.ask(http.MethodGet, h.http+job, http.NoBody, "")
		if resp.StatusCode == http.StatusOK {
			t.Fatalf("the import was done before it was killed twice: %s", text)
		}
		if p := resp.Header.Get("X-Progress"); p != "" && !strings.Contains(p, " 0 lines") && strings.Contains(p, "lines") {
			kills++
			h.killed()
		}
	}
	m := h.done(job)
	if got := m.Extension; got["rejected"] != 0 || got["scored"]+got["unchanged"] != n+n/10 {
		t.Errorf("the import: %v", got)
	}
	want := h.lines(h.done(h.job(http.MethodGet, "/$export", "")))
	versions := map[string]int{}
	for name, line := range want {
		var is struct{ Meta struct{ VersionID string } }
		if err := json.Unmarshal([]byte(line), &is); err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(name, "QuestionnaireResponse/") {
			versions[is.Meta.VersionID]++
		}
	}
	if diff := cmp.Diff(map[string]int{"1": n - n/10, "2": n / 10}, versions); diff != "" {
		t.Errorf("versions (-want +got):\n%s", diff)
	}

	job = h.job(http.MethodGet, "/$export", "")
	_, id, _ := strings.Cut(job, "/bulk/")
	reached := int64(0)
	for range 2 {
		eventually(t, "the export has gone on", func() bool {
			info, err := os.Stat(filepath.Join(h.dir, id, "Observation-1.ndjson"))
			return err == nil && info.Size() > reached+6<<20
		})
		reached = 12 << 20
		h.killed()
	}
	if diff := cmp.Diff(want, h.lines(h.done(job))); diff != "" {
		t.Errorf("an export that was killed is another (-want +got):\n%s", diff)
	}
	h.signal(syscall.SIGTERM)
	if code := h.code(); code != exitDone {
		t.Errorf("exit code %d: %s", code, h.err.String())
	}
	rapport(t, "verify", "--store", h.store).want(t, exitDone, "Everything is as it must be.")
}

func TestIngestOfAmendedFormsThatIsKilledDoublesNothing(t *testing.T) {
	const n = 2_500
	h := newHouse(t)
	_, addr, _ := strings.Cut(readyAt.FindString(h.err.String()), "grpc=")
	path, position := file(t, "forms.ndjson", forms(n)), filepath.Join(t.TempDir(), "position")
	args := []string{"ingest", "-o", "json", "--back-fill", "--addr", addr, "--resume", position, path}
	for done := 0; done < 1_500; {
		c := launch(t, args...)
		eventually(t, "more items are done", func() bool { return strings.Count(c.out.String(), "\n") > 400 })
		c.signal(syscall.SIGKILL)
		<-c.ended
		done += strings.Count(c.out.String(), "\n")
	}
	rapport(t, args...).want(t, exitDone)
	versions := map[string]int{}
	for _, line := range h.lines(h.done(h.job(http.MethodGet, "/$export?_type=QuestionnaireResponse", ""))) {
		_, rest, _ := strings.Cut(line, `"versionId":"`)
		version, _, _ := strings.Cut(rest, `"`)
		versions[version]++
	}
	if diff := cmp.Diff(map[string]int{"1": n - n/10, "2": n / 10}, versions); diff != "" {
		t.Errorf("versions (-want +got):\n%s", diff)
	}
	raised := rapport(t, "alerts", "--addr", addr, "-o", "json", "--max", "0").want(t, exitDone)
	for line := range strings.Lines(raised.out) {
		// What concerns safety is raised however old it is, and so is that nobody was there to be told.
		if !strings.Contains(line, `safety`) && !strings.Contains(line, `"nobody-assigned"`) {
			t.Errorf("raised: %s", line)
		}
	}
}
