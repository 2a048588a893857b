package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/fhir/search"
	"github.com/rapport-health/rapport/services/fhir/tree"
	"github.com/rapport-health/rapport/services/store"
	"github.com/rapport-health/rapport/services/store/sqlite"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew")

// laidOut is JSON for people.
func laidOut(t *testing.T, body []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := json.Indent(&b, body, "", "  "); err != nil {
		t.Fatalf("no JSON: %v", err)
	}
	b.WriteByte('\n')
	return b.Bytes()
}

// noon is the time of every test.
var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

// house is the room over a real store and a real socket.
type house struct {
	*testing.T
	store store.Store
	door  *door
	base  string
	log   *bytes.Buffer
}

// newHouse opens everything; changes are made to the configuration before.
func newHouse(t *testing.T, changes ...func(*Config)) *house {
	t.Helper()
	s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "rapport.db"), sqlite.Options{Migrate: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	h := &house{T: t, store: s, door: &door{store: s}, log: &bytes.Buffer{}}
	config := Default()
	config.Accept, config.Store, config.Score, config.Definitions, config.Tenant = h.door, s, scorer{}, catalogue{}, func(*http.Request) (ref.Tenant, error) { return "default", nil }
	config.Now = func() time.Time { return noon }
	config.Log = slog.New(slog.NewTextHandler(&lockedWriter{w: h.log}, nil))
	for _, change := range changes {
		change(&config)
	}
	server, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	listening := httptest.NewServer(server)
	t.Cleanup(listening.Close)
	h.base = listening.URL + Prefix
	return h
}

type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// do sends a request; headers are given as name, value, name, value.
func (h *house) do(method, path, body string, headers ...string) answer {
	h.Helper()
	url := path
	if !strings.HasPrefix(path, "http") {
		url = h.base + path
	}
	request, err := http.NewRequestWithContext(h.Context(), method, url, strings.NewReader(body))
	if err != nil {
		h.Fatal(err)
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/fhir+json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i] == "Host" {
			request.Host = headers[i+1]
		}
		request.Header.Set(headers[i], headers[i+1])
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(request)
	if err != nil {
		h.Fatal(err)
	}
	defer response.Body.Close()
	read, err := io.ReadAll(response.Body)
	if err != nil {
		h.Fatal(err)
	}
	return answer{response.StatusCode, response.Header, read}
}

// must sends a request and expects a status.
func (h *house) must(status int, method, path, body string, headers ...string) answer {
	h.Helper()
	a := h.do(method, path, body, headers...)
	if a.status != status {
		h.Fatalf("%s %s: %d %s, want %d", method, path, a.status, a.body, status)
	}
	return a
}

// outcome is an OperationOutcome, as far as tests look at one.
type outcome struct {
	ResourceType string
	Issue        []struct {
		Severity, Code string
		Expression     []string
		Details        struct{ Text string }
	}
}

func (h *house) outcome(body []byte) outcome {
	h.Helper()
	var o outcome
	if err := json.Unmarshal(body, &o); err != nil || o.ResourceType != "OperationOutcome" || len(o.Issue) == 0 {
		h.Fatalf("no OperationOutcome: %s", body)
	}
	return o
}

// bundle is a Bundle, as far as tests look at one.
type bundle struct {
	ResourceType, Type string
	Total              *int
	Link               []struct{ Relation, URL string }
	Entry              []bundleEntry
	// Said counts the entries that are no matches but say something about the search.
	Said int `json:"-"`
}

type bundleEntry struct {
	FullURL  string
	Resource struct {
		ResourceType, ID, Status string
	}
	Search   struct{ Mode string }
	Response struct {
		Status, Location, Etag, LastModified string
		Outcome                              *outcome
	}
}

func (h *house) bundle(body []byte) bundle {
	h.Helper()
	var b bundle
	if err := json.Unmarshal(body, &b); err != nil || b.ResourceType != "Bundle" {
		h.Fatalf("no Bundle: %s", body)
	}
	b.Entry = slices.DeleteFunc(b.Entry, func(e bundleEntry) bool {
		if e.Search.Mode != "outcome" {
			return false
		}
		b.Said++
		return true
	})
	return b
}

func (b bundle) ids() []string {
	var out []string
	for _, e := range b.Entry {
		out = append(out, e.Resource.ID)
	}
	return out
}

func (b bundle) link(relation string) string {
	for _, l := range b.Link {
		if l.Relation == relation {
			return l.URL
		}
	}
	return ""
}

// door is an Accepter that stores for real and judges little: a resource needs a subject, and what names the code
// `unusable` is stored with a warning. It keeps the ids also of what is to be created, so that tests know them.
type door struct {
	store store.Store
	mu    sync.Mutex
	seen  []decision.Submission
	// fails, when set, is the error of every call.
	fails error
	// terse leaves it to the entries to say why a transaction was refused.
	terse bool
	// panics, when set, is what every call panics with.
	panics any
}

func (d *door) last() decision.Submission {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.seen[len(d.seen)-1]
}

func (d *door) calls() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.seen)
}

func (d *door) Accept(ctx context.Context, s decision.Submission) (decision.Receipt, error) {
	return d.AcceptIf(ctx, s, nil)
}

// Check finds what readRecord finds.
func (d *door) Check(_ context.Context, s decision.Submission) ([]fault.Issue, error) {
	doc, err := tree.Parse(s.Body, tree.Limits{})
	if err != nil {
		return nil, err
	}
	rec, err := readRecord(doc, s.Source)
	return rec.Issues, err
}

// AcceptIf asks within the transaction that writes.
func (d *door) AcceptIf(ctx context.Context, s decision.Submission, holds func(store.Reader) error) (decision.Receipt, error) {
	d.mu.Lock()
	d.seen = append(d.seen, s)
	d.mu.Unlock()
	if d.panics != nil {
		panic(d.panics)
	}
	if d.fails != nil {
		return decision.Receipt{}, d.fails
	}
	if s.Body == nil {
		receipts, err := d.write(ctx, s, nil, true, holds)
		if s.Type == "Bundle" {
			return decision.Receipt{Outcome: record.Gone, Entries: receipts}, err
		}
		return receipts[0], err
	}
	doc, err := tree.Parse(s.Body, tree.Limits{Bytes: MaxBundle})
	if err != nil {
		return refused(err), nil
	}
	if s.Type != "" && !doc.Root().Child("resourceType").Is(s.Type) {
		return refused(fault.New(fault.Invalid, fault.Errorf("invalid", "resourceType", "not a %s", s.Type))), nil
	}
	if s.Type != "Bundle" {
		receipts, err := d.write(ctx, s, []*tree.Doc{doc}, false, holds)
		return receipts[0], err
	}
	var resources []*tree.Doc
	for entry := range doc.Root().Child("entry").Children() {
		resources = append(resources, doc.Sub(entry.Child("resource")))
	}
	atomic := doc.Root().Child("type").Is("transaction")
	receipts, err := d.write(ctx, s, resources, atomic, holds)
	whole := decision.Receipt{Outcome: record.Scored, Entries: receipts}
	for _, r := range receipts {
		if r.Outcome == record.Rejected {
			whole.Outcome, whole.Kind = record.Rejected, r.Kind
			if atomic && !d.terse {
				whole.Issues = append(whole.Issues, r.Issues...)
			}
		}
	}
	for i := range receipts {
		if atomic && whole.Outcome == record.Rejected && receipts[i].Outcome != record.Rejected {
			receipts[i] = decision.Receipt{Outcome: record.Rejected, Issues: []fault.Issue{fault.Infof("suppressed", "", "fell with another")}}
		}
	}
	return whole, err
}

func refused(err error) decision.Receipt {
	return decision.Receipt{Outcome: record.Rejected, Kind: fault.Of(err), Issues: fault.IssuesOf(err)}
}

func (d *door) write(ctx context.Context, s decision.Submission, docs []*tree.Doc, atomic bool, holds func(store.Reader) error) ([]decision.Receipt, error) {
	var receipts []decision.Receipt
	_, err := d.store.Update(ctx, s.Tenant, func(tx store.Tx) error {
		receipts = make([]decision.Receipt, len(docs)+len(s.Gone))
		var dec decision.Decision
		bad := false
		if holds != nil {
			if err := holds(tx); err != nil {
				for i := range receipts {
					receipts[i] = refused(err)
				}
				return nil
			}
		}
		for i, of := range s.Gone {
			rec, err := tx.Record(of)
			if err != nil {
				receipts[len(docs)+i] = decision.Receipt{Outcome: record.Unchanged}
				continue
			}
			rec.Version, rec.Raw, rec.Codes, rec.Outcome = rec.Version+1, nil, nil, record.Gone
			rec.Hash = [32]byte{}
			dec.Records = append(dec.Records, rec)
			receipts[len(docs)+i] = decision.Receipt{Outcome: record.Gone, Resource: rec.Resource, Received: rec.Received}
		}
		for i, doc := range docs {
			rec, err := readRecord(doc, s.Source)
			if at := placeOf(s, i); at.ID != "" {
				rec.ID, rec.Source, rec.SourceID = at.ID, at.Source, at.SourceID
			}
			if err != nil {
				receipts[i], bad = refused(err), true
				continue
			}
			heads, err := tx.Heads([]ref.Resource{rec.Resource})
			if err != nil {
				return err
			}
			head, exists := heads[rec.Resource]
			if exists && head.Hash == rec.Hash {
				receipts[i] = decision.Receipt{Outcome: record.Unchanged, Resource: head.Resource, Issues: head.Issues}
				continue
			}
			rec.Version = head.Version + 1
			dec.Records = append(dec.Records, rec)
			receipts[i] = decision.Receipt{Outcome: rec.Outcome, Resource: rec.Resource, Issues: rec.Issues}
		}
		if dec.Empty() || (atomic && bad) {
			return nil
		}
		for i := range dec.Records {
			dec.Events = append(dec.Events, feed.Draft{ID: dec.Records[i].String(), Type: feed.Recorded, Time: noon})
		}
		return tx.Commit(&dec)
	})
	return receipts, err
}

func placeOf(s decision.Submission, i int) decision.Place {
	if i < len(s.Places) {
		return s.Places[i]
	}
	return s.Place
}

func readRecord(doc *tree.Doc, source ref.Source) (record.Record, error) {
	root := doc.Root()
	rec := record.Record{
		Resource: ref.Resource{Type: root.Child("resourceType").Text(), ID: root.Child("id").Text()},
		Source:   source, SourceID: root.Child("id").Text(), Hash: doc.Content(), Raw: doc.Raw(), Received: noon, Outcome: record.Scored,
	}
	looked := &search.Document{Type: rec.Type, Root: doc.Root, Source: source, Namer: ref.Namer{Home: source}}
	rec.Marks, rec.Sieve = search.Marks(looked), search.Sieve(looked)
	if rec.ID == "" {
		rec.ID = ref.Digest(string(rec.Hash[:]))
	}
	subject := root.Child("subject").Child("reference").Text()
	if subject == "" && rec.Type != "Patient" {
		return rec, fault.New(fault.Unprocessable, fault.Errorf("required", root.Path()+".subject", "a subject is needed"))
	}
	rec.Patient = ref.Patient(strings.TrimPrefix(subject, "Patient/"))
	for coding := range root.Child("code").Child("coding").Children() {
		rec.Codes = append(rec.Codes, coding.Child("system").Text()+"|"+coding.Child("code").Text())
	}
	if q := root.Child("questionnaire").Text(); q != "" {
		url, _, _ := strings.Cut(q, "|")
		rec.Codes = append(rec.Codes, q, url)
	}
	when := root.Child("effectiveDateTime").Text() + root.Child("authored").Text()
	rec.From, rec.To, _ = search.DateInterval(when, time.UTC)
	if slices.ContainsFunc(rec.Codes, func(c string) bool { return strings.HasSuffix(c, "unusable") }) {
		rec.Outcome = record.Stored
		rec.Issues = []fault.Issue{fault.Warnf("code-invalid", "Observation.code", "the code is not known: kept, not used")}
	}
	return rec, nil
}

// observation in JSON.
func observation(id, patient, code, effective string) string {
	return `{"resourceType":"Observation","id":"` + id + `","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"` + code +
		`"}]},"subject":{"reference":"Patient/` + patient + `"},"effectiveDateTime":"` + effective + `","valueQuantity":{"value":1.00}}`
}

// raise stores alerts as they are.
func (h *house) raise(alerts ...alert.Alert) {
	h.Helper()
	_, err := h.store.Update(h.Context(), "default", func(tx store.Tx) error {
		return tx.Commit(&decision.Decision{Alerts: alerts})
	})
	if err != nil {
		h.Fatal(err)
	}
}

func itoa(n int) string { return strconv.Itoa(n) }

func aliasOf(name string, patient ref.Patient) *decision.Decision {
	return &decision.Decision{Aliases: []record.Alias{{Name: name, Patient: patient, Source: "ehr"}}}
}
