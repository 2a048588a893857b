package bench

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Exported is what came of the exports.
type Exported struct {
	// Chained exports hold the responses since the one before, so that none grows with the run; Charts hold all that there
	// is of some patients.
	Chained int `json:"chained"`
	Charts  int `json:"charts"`
	// Resources and Bytes that were downloaded, Responses those of the chain.
	Resources int   `json:"resources"`
	Bytes     int64 `json:"bytes"`
	Responses int   `json:"responses"`
	// Missing responses were acknowledged and are in no export of the chain, Twice are in more than one place.
	Missing int `json:"missing"`
	Twice   int `json:"twice"`
}

// exporter asks for one export after another.
type exporter struct {
	door  *door
	panel *panel
	tally *score
	ended chan struct{}
	once  sync.Once

	found Exported
	// since is when the state was that the chain's last export told of.
	since string
	// chained are the responses of the chain.
	chained map[string]bool
}

func newExporter(door *door, p *panel, t *score) *exporter {
	return &exporter{door: door, panel: p, tally: t, ended: make(chan struct{}), chained: map[string]bool{}}
}

// end lets the export under way be the last.
func (e *exporter) end() { e.once.Do(func() { close(e.ended) }) }

// patientsPerChart is of how many patients one export holds everything.
const patientsPerChart = 20

// run asks for an export of the chain and one of charts in turn.
func (e *exporter) run(ctx context.Context) {
	for n := 0; ctx.Err() == nil; n++ {
		select {
		case <-e.ended:
			return
		default:
		}
		if n%2 == 0 {
			e.chain(ctx)
			continue
		}
		var some []string
		for i := range patientsPerChart {
			some = append(some, "Patient/"+e.panel.patients[(n*patientsPerChart+i)%len(e.panel.patients)].name)
		}
		_, err := e.timed(ctx, "Patient/$export?patient="+strings.Join(some, ","), func(string) {})
		if err == nil {
			e.found.Charts++
		}
	}
}

// chain exports the responses since the last export of the chain.
func (e *exporter) chain(ctx context.Context) {
	asked := url.Values{"_type": {"QuestionnaireResponse"}}
	if e.since != "" {
		asked.Set("_since", e.since)
	}
	var came []string
	at, err := e.timed(ctx, "$export?"+asked.Encode(), func(name string) { came = append(came, name) })
	if err != nil {
		return // it is counted as an error, and the next one begins where this one did
	}
	e.since = at
	e.found.Chained++
	for _, name := range came {
		if e.chained[name] {
			e.found.Twice++
		}
		e.chained[name] = true
	}
	e.found.Responses = len(e.chained)
}

// compare looks for what was acknowledged and did not come.
func (e *exporter) compare(acknowledged []string) {
	for _, name := range acknowledged {
		if !e.chained[name] {
			e.found.Missing++
		}
	}
}

func (e *exporter) report() Exported { return e.found }

func (e *exporter) timed(ctx context.Context, kickOff string, each func(name string)) (at string, err error) {
	begun := time.Now()
	at, err = e.export(ctx, kickOff, each)
	e.tally.note(exports, begun, err)
	if err != nil {
		_ = sleepUntil(ctx, time.Now().Add(time.Second)) // not to hammer at what fails
	}
	return at, err
}

// exportWithin bounds one export.
const exportWithin = 10 * time.Minute

// export asks for one, waits for it, downloads and checks all of it, and deletes it. It gives the time that the export
// tells of.
func (e *exporter) export(ctx context.Context, kickOff string, each func(name string)) (at string, err error) {
	ctx, cancel := context.WithTimeout(ctx, exportWithin)
	defer cancel()
	headers := map[string]string{"Accept": "application/fhir+json", "Prefer": "respond-async"}
	response, _, err := e.door.ask(ctx, http.MethodGet, kickOff, nil, headers, http.StatusAccepted)
	if err != nil {
		return "", err
	}
	job := response.Header.Get("Content-Location")
	m, err := e.await(ctx, job)
	if err != nil {
		return "", err
	}
	if len(m.Error) > 0 {
		return "", fmt.Errorf("%s ended with %d files of errors", kickOff, len(m.Error))
	}
	names := map[string]bool{}
	for _, file := range m.Output {
		if err := e.download(ctx, file, names, each); err != nil {
			return "", err
		}
	}
	_, _, err = e.door.ask(ctx, http.MethodDelete, job, nil, nil, http.StatusAccepted)
	return m.TransactionTime, err
}

// manifest of an export.
type manifest struct {
	TransactionTime string
	Output          []output
	Error           []output
}

type output struct {
	Type, URL string
	Count     *int
}

// await asks how far an export is as often as it may.
func (e *exporter) await(ctx context.Context, job string) (m manifest, err error) {
	const (
		eager = 5
		soon  = 100 * time.Millisecond
	)
	for n := 0; ; n++ {
		response, body, err := e.door.ask(ctx, http.MethodGet, job, nil, nil, http.StatusOK, http.StatusAccepted, http.StatusTooManyRequests)
		if err != nil {
			return m, err
		}
		if response.StatusCode == http.StatusOK {
			return m, json.Unmarshal(body, &m)
		}
		wait := soon
		if n >= eager || response.StatusCode == http.StatusTooManyRequests {
			seconds, err := strconv.Atoi(response.Header.Get("Retry-After"))
			if err != nil {
				return m, fmt.Errorf("an export does not say when to ask again: %w", err)
			}
			wait = time.Duration(seconds) * time.Second
		}
		if err := sleepUntil(ctx, time.Now().Add(wait)); err != nil {
			return m, err
		}
	}
}

// download reads one file and checks that each line is a resource of its type and comes once.
func (e *exporter) download(ctx context.Context, file output, names map[string]bool, each func(name string)) error {
	_, body, err := e.door.ask(ctx, http.MethodGet, file.URL, nil, nil, http.StatusOK)
	if err != nil {
		return err
	}
	lines := bufio.NewScanner(bytes.NewReader(body))
	lines.Buffer(nil, len(body)+1)
	n := 0
	for lines.Scan() {
		n++
		name := nameOf(lines.Bytes())
		if typ, _, _ := strings.Cut(name, "/"); typ != file.Type {
			return fmt.Errorf("line %d of a file of %s is %.80q", n, file.Type, lines.Bytes())
		}
		if names[name] {
			return fmt.Errorf("%s stands twice in one export", name)
		}
		names[name] = true
		each(name)
	}
	if file.Count != nil && *file.Count != n {
		return fmt.Errorf("a file of %s has %d lines and should have %d", file.Type, n, *file.Count)
	}
	e.found.Resources += n
	e.found.Bytes += int64(len(body))
	return lines.Err()
}
