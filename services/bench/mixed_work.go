package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
)

// kindOfWork is an index of workKinds.
type kindOfWork int

// The kinds of requests in the mix.
const (
	ingestGRPC kindOfWork = iota
	ingestREST
	searchDate
	searchPages
	readOne
	exports
	kindsOfWork
)

// workKinds are the kinds in words.
var workKinds = [kindsOfWork]string{
	ingestGRPC:  "PHQ-9 in, gRPC",
	ingestREST:  "PHQ-9 in, REST",
	searchDate:  "search patient+category+date",
	searchPages: "search and leaf through pages",
	readOne:     "read by id",
	exports:     "Bulk export, to the last byte",
}

// mix is the order in which kinds follow one another, again and again: ten of twenty submit, six search as a chart does,
// three leaf through pages, one reads.
var mix = []kindOfWork{
	ingestGRPC, searchDate, ingestGRPC, ingestREST, searchDate, ingestGRPC, searchPages, ingestGRPC, searchDate, ingestREST,
	ingestGRPC, searchDate, searchPages, ingestGRPC, readOne, searchDate, ingestREST, ingestGRPC, searchPages, searchDate,
}

// task is one request of the mix, or several that follow from one another.
type task struct {
	kind kindOfWork
	do   func(context.Context) error
}

// deck gives the tasks of the mix in turn. Its methods may be called at once from anywhere.
type deck struct {
	door     *door
	services []rapportv1.IngestServiceClient

	mu     sync.Mutex
	panel  *panel
	turn   int
	answer int
	page   int
	// known are the ids of responses that were acknowledged.
	known []string
}

func newDeck(s *site, door *door, clients int) (*deck, error) {
	conns, err := s.connections(max(clients, 2*callersPerConnection))
	if err != nil {
		return nil, err
	}
	d := &deck{door: door, panel: s.panel}
	for _, conn := range conns {
		d.services = append(d.services, rapportv1.NewIngestServiceClient(conn))
	}
	return d, nil
}

// next is the next task.
func (d *deck) next() task {
	d.mu.Lock()
	defer d.mu.Unlock()
	kind := mix[d.turn%len(mix)]
	if kind == readOne && len(d.known) == 0 {
		kind = searchDate
	}
	d.turn++
	service := d.services[d.turn%len(d.services)]
	switch kind {
	case ingestGRPC:
		a := d.submit()
		return task{kind, func(ctx context.Context) error {
			err := ingest(ctx, service, &rapportv1.IngestRequest{Source: source, Items: []*rapportv1.Item{{Body: a.body}}})
			return d.took(a.resource, err)
		}}
	case ingestREST:
		a := d.submit()
		return task{kind, func(ctx context.Context) error { return d.took(a.resource, d.door.put(ctx, a)) }}
	case searchDate:
		search := d.byDate()
		return task{kind, func(ctx context.Context) error { return d.door.leaf(ctx, search, 1) }}
	case readOne:
		of := d.known[d.turn%len(d.known)]
		return task{kind, func(ctx context.Context) error { return d.door.read(ctx, of) }}
	default:
		search := d.byPages()
		return task{kind, func(ctx context.Context) error { return d.door.leaf(ctx, search, pagesToLeaf) }}
	}
}

// batch is how many responses one request of fill holds.
const batch = 100

// fill sends responses in batches, a few at once, and does not measure.
func (d *deck) fill(ctx context.Context, responses int) error {
	var senders sync.WaitGroup
	failed := make(chan error, len(d.services))
	for n, service := range d.services {
		senders.Go(func() {
			for sent := n * batch; sent < responses; sent += len(d.services) * batch {
				if err := d.fillBatch(ctx, service, min(batch, responses-sent)); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	senders.Wait()
	close(failed)
	return <-failed
}

func (d *deck) fillBatch(ctx context.Context, service rapportv1.IngestServiceClient, responses int) error {
	request := &rapportv1.IngestRequest{Source: source}
	var names []string
	d.mu.Lock()
	for range responses {
		a := d.submit()
		request.Items, names = append(request.Items, &rapportv1.Item{Body: a.body}), append(names, a.resource)
	}
	d.mu.Unlock()
	err := ingest(ctx, service, request)
	for _, name := range names {
		err = d.took(name, err)
	}
	return err
}

// submit makes the next response, of the patients in turn.
func (d *deck) submit() answer {
	d.answer++
	return d.panel.next(d.answer % len(d.panel.patients))
}

// took notes what was acknowledged.
func (d *deck) took(resource string, err error) error {
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.known = append(d.known, resource)
	return nil
}

// acknowledged are the references of the responses that were.
func (d *deck) acknowledged() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.known
}

// someone is a patient who need not be the next to answer.
func (d *deck) someone() *patient {
	const stride = 7919 // a prime, so that all are met and neighbours are not met together
	return &d.panel.patients[d.turn*stride%len(d.panel.patients)]
}

// byDate asks for what a chart shows of a patient: the last twenty answers.
func (d *deck) byDate() string {
	who := d.someone()
	until := d.panel.at(who).Add(time.Minute)
	return "Observation?" + url.Values{
		"patient": {who.name}, "category": {"survey"},
		"date": {"ge" + until.Add(-20*time.Minute).Format(time.RFC3339), "lt" + until.Format(time.RFC3339)},
	}.Encode()
}

// pagesToLeaf is over how many pages a search is followed.
const pagesToLeaf = 3

// byPages asks for something that comes on more pages than one.
func (d *deck) byPages() string {
	who := d.someone()
	d.page++
	switch d.page % 3 {
	case 0:
		return "QuestionnaireResponse?_count=5&patient=" + who.name
	case 1:
		return "DetectedIssue?_count=5&patient=" + who.name
	default: // the PHQ-9's total, of anybody
		return "Observation?_count=20&code=" + url.QueryEscape("http://loinc.org|44261-6")
	}
}

// door is FHIR REST as a client sees it.
type door struct {
	base   string
	client *http.Client
}

func newDoor(address string) *door {
	transport := &http.Transport{MaxIdleConns: mostUnderWay, MaxIdleConnsPerHost: mostUnderWay, IdleConnTimeout: time.Minute}
	return &door{base: "http://" + address + "/fhir", client: &http.Client{Transport: transport, Timeout: answerWithin}}
}

func (d *door) close() { d.client.CloseIdleConnections() }

// ask sends one request and wants one of the statuses. The body of any other answer is part of the error: all is synthetic.
func (d *door) ask(ctx context.Context, method, target string, body []byte, headers map[string]string, want ...int) (*http.Response, []byte, error) {
	if !strings.HasPrefix(target, "http://") {
		target = d.base + "/" + target
	}
	request, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	for name, value := range headers {
		request.Header.Set(name, value)
	}
	response, err := d.client.Do(request)
	if err != nil {
		return nil, nil, err
	}
	defer response.Body.Close()
	got, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, nil, err
	}
	for _, status := range want {
		if response.StatusCode == status {
			return response, got, nil
		}
	}
	return response, got, fmt.Errorf("%s %s: %s %.300s", method, target, response.Status, got)
}

// put stores a response under its id, as an EHR's interface does, and wants it scored.
func (d *door) put(ctx context.Context, a answer) error {
	headers := map[string]string{"Content-Type": "application/fhir+json", "Prefer": "return=minimal"}
	response, _, err := d.ask(ctx, http.MethodPut, a.resource, a.body, headers, http.StatusCreated)
	if err != nil {
		return err
	}
	if outcome := response.Header.Get("X-Rapport-Outcome"); outcome != "scored" {
		return fmt.Errorf("%s was not scored but %s", a.resource, outcome)
	}
	return nil
}

// read wants a resource that was acknowledged.
func (d *door) read(ctx context.Context, resource string) error {
	_, body, err := d.ask(ctx, http.MethodGet, resource, nil, nil, http.StatusOK)
	if err != nil {
		return err
	}
	if n := nameOf(body); n != resource {
		return fmt.Errorf("%s was asked for and %s came", resource, n)
	}
	return nil
}

// nameOf is the reference of a resource.
func nameOf(body []byte) string {
	var r struct{ ResourceType, ID string }
	if json.Unmarshal(body, &r) != nil {
		return ""
	}
	return r.ResourceType + "/" + r.ID
}

// leaf searches and follows `next` over so many pages at most. No match may come twice.
func (d *door) leaf(ctx context.Context, search string, pages int) error {
	seen := map[string]bool{}
	for target := search; target != "" && pages > 0; pages-- {
		_, body, err := d.ask(ctx, http.MethodGet, target, nil, nil, http.StatusOK)
		if err != nil {
			return err
		}
		var bundle struct {
			Type  string
			Link  []struct{ Relation, URL string }
			Entry []struct {
				FullURL string
				Search  struct{ Mode string }
			}
		}
		if err := json.Unmarshal(body, &bundle); err != nil || bundle.Type != "searchset" {
			return errors.Join(fmt.Errorf("%s was not answered with a searchset", search), err)
		}
		for _, e := range bundle.Entry {
			if e.Search.Mode == "match" && seen[e.FullURL] {
				return fmt.Errorf("%s: %s came twice", search, e.FullURL)
			}
			seen[e.FullURL] = true
		}
		target = ""
		for _, l := range bundle.Link {
			if l.Relation == "next" {
				target = l.URL
			}
		}
	}
	return nil
}
