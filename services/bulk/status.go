package bulk

import (
	"compress/gzip"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/store"
)

// own is a job of the caller. What others asked for is not there.
func (c *call) own() (store.Job, *common, error) {
	unknown := fault.Newf(fault.NotFound, "not-found", "there is no such bulk job, or no more")
	id := c.r.PathValue("job")
	if !validJob(id) {
		return store.Job{}, nil, unknown
	}
	job, err := c.Store.KeptJob(c.ctx, c.who.Tenant, id)
	if err != nil && fault.Of(err) == fault.NotFound {
		err = unknown
	}
	is := &common{}
	if err == nil {
		err = fault.Wrap(fault.Internal, json.Unmarshal(job.Data, is), "reading a bulk job")
	}
	switch {
	case err != nil:
		return job, nil, err
	case is.Who.Name != c.who.Name || is.Who.Person != c.who.Person || job.Done && !job.Expires.After(c.Now()):
		return job, nil, unknown
	}
	return job, is, nil
}

// polling is how often a job is asked for: a bucket of polls that fills again.
type polling struct {
	left float64
	last time.Time
}

// So many polls may come at once, and so many in a second.
const (
	pollsAtOnce  = 10
	pollsASecond = 1
)

// tooOften counts a poll of a job.
func (r *Room) tooOften(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.Now()
	p, ok := r.polls[id]
	if !ok {
		p = &polling{left: pollsAtOnce, last: now}
		r.polls[id] = p
	}
	p.left = min(pollsAtOnce, p.left+now.Sub(p.last).Seconds()*pollsASecond)
	p.last = now
	if p.left < 1 {
		return true
	}
	p.left--
	return false
}

func (r *Room) forgetPolls(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.polls, id)
}

// retryAfter is after how many seconds to ask again for a job that began so long ago.
func retryAfter(since time.Duration) int {
	switch {
	case since < 10*time.Second:
		return 1
	case since < 5*time.Minute:
		return 5
	default:
		return 15
	}
}

// status tells how far a job is, or what came of it.
func (c *call) status() error {
	job, is, err := c.own()
	if err != nil {
		return err
	}
	if !job.Done {
		after := retryAfter(c.Now().Sub(job.Created))
		if c.tooOften(job.ID) {
			return &busy{after, fault.Newf(fault.Unavailable, "throttled", "asked too often: ask again after %d s", after)}
		}
		c.w.Header().Set("X-Progress", progressOf(&job))
		c.w.Header().Set("Retry-After", strconv.Itoa(after))
		c.reply(http.StatusAccepted, fhirJSON, stillAtIt)
		return nil
	}
	c.forgetPolls(job.ID)
	if is.Failed != "" {
		return fault.New(fault.Internal)
	}
	body, err := manifestOf(&job, c.secretBase(&job, is), c.Guarded)
	if err != nil {
		return err
	}
	c.w.Header().Set("Expires", job.Expires.UTC().Format(http.TimeFormat))
	c.reply(http.StatusOK, "application/json", body)
	return nil
}

var stillAtIt = []byte(`{"resourceType":"OperationOutcome","issue":[{"severity":"information","code":"informational",` +
	`"details":{"text":"under way: X-Progress tells how far it is"}}]}`)

// progressOf is how far a job is, in fewer than 100 characters.
func progressOf(job *store.Job) string {
	if job.Kind == kindImport {
		x := &imported{}
		if json.Unmarshal(job.Data, x) != nil {
			return "under way"
		}
		return x.progress()
	}
	x := &exported{}
	if json.Unmarshal(job.Data, x) != nil || x.Take >= len(x.Takes) {
		return "nearly done"
	}
	return fmt.Sprintf("%d resources written; type %d of %d: %s", x.Lines, x.Take+1, len(x.Takes), x.Takes[x.Take].Type)
}

// listed is a file in a manifest.
type listed struct {
	Type  string `json:"type"`
	Input string `json:"inputUrl,omitempty"`
	URL   string `json:"url,omitempty"`
	Count int64  `json:"count"`
}

// manifest is what a client is told of a job that is done. Its arrays are always there.
type manifest struct {
	TransactionTime     string         `json:"transactionTime"`
	Request             string         `json:"request"`
	RequiresAccessToken bool           `json:"requiresAccessToken"`
	Output              []listed       `json:"output"`
	Deleted             []listed       `json:"deleted"`
	Error               []listed       `json:"error"`
	Extension           map[string]any `json:"extension,omitempty"`
}

// instantForm is a FHIR instant to the millisecond.
const instantForm = "2006-01-02T15:04:05.000Z07:00"

func manifestOf(job *store.Job, base string, guarded bool) ([]byte, error) {
	x := &imported{} // of an export only what is common is there
	if err := json.Unmarshal(job.Data, x); err != nil {
		return nil, fault.Wrap(fault.Internal, err, "reading a bulk job")
	}
	m := manifest{
		TransactionTime: x.At.UTC().Format(instantForm), Request: x.Request, RequiresAccessToken: guarded && x.Secret == "",
		Output: []listed{}, Deleted: []listed{}, Error: []listed{},
	}
	for _, f := range x.Files {
		one := listed{Type: f.Type, URL: base + "/" + f.Name, Count: f.Count}
		switch f.Role {
		case roleOutput:
			m.Output = append(m.Output, one)
		case roleDeleted:
			m.Deleted = append(m.Deleted, one)
		default:
			m.Error = append(m.Error, one)
		}
	}
	if job.Kind == kindImport {
		x.report(&m)
	}
	return json.Marshal(m)
}

// secretBase is below which URL the files of a job lie.
func (c *call) secretBase(job *store.Job, is *common) string {
	if is.Secret == "" {
		return is.Base + "/bulk/" + job.ID
	}
	return is.Base + "/bulk-file/" + string(job.Tenant) + "/" + job.ID + "/" + is.Secret
}

// remove ends a job, if it is under way, and forgets it.
func (c *call) remove() error {
	job, _, err := c.own()
	if err != nil {
		return err
	}
	if err := c.Store.DropJob(c.ctx, job.Tenant, job.ID); err != nil {
		return err
	}
	c.mu.Lock()
	cancel := c.cancels[job.ID]
	delete(c.polls, job.ID)
	c.mu.Unlock()
	if cancel != nil {
		cancel() // who works on it removes its files
	} else {
		c.discard(job.ID)
	}
	c.reply(http.StatusAccepted, fhirJSON, []byte(`{"resourceType":"OperationOutcome","issue":[{"severity":"information",`+
		`"code":"informational","details":{"text":"deleted"}}]}`))
	return nil
}

// file gives a file to whoever asked for it.
func (c *call) file() error {
	job, is, err := c.own()
	if err != nil {
		return err
	}
	return c.give(&job, is)
}

// secretFile gives a file to whoever knows its URL.
func (c *call) secretFile() error {
	unknown := fault.Newf(fault.NotFound, "not-found", "there is no such file, or no more")
	tenant, id := ref.Tenant(c.r.PathValue("tenant")), c.r.PathValue("job")
	if !validJob(id) || !ref.ValidID(string(tenant)) {
		return unknown
	}
	job, err := c.Store.KeptJob(c.ctx, tenant, id)
	is := &common{}
	if err == nil {
		err = json.Unmarshal(job.Data, is)
	}
	switch {
	case fault.Of(err) == fault.Unavailable && err != nil:
		return err
	case err != nil || is.Secret == "" || subtle.ConstantTimeCompare([]byte(is.Secret), []byte(c.r.PathValue("secret"))) != 1,
		!job.Expires.After(c.Now()), c.Revoked != nil && c.Revoked(is.Who):
		return unknown
	}
	return c.give(&job, is)
}

// give sends a file of a job that is done, packed where the client takes that.
func (c *call) give(job *store.Job, is *common) error {
	at := slices.IndexFunc(is.Files, func(f file) bool { return f.Name == c.r.PathValue("file") })
	if at < 0 || !job.Done {
		return fault.Newf(fault.NotFound, "not-found", "there is no such file, or not yet")
	}
	chest, err := chestOf(c.folder(job.ID), is.Key, is.Files[at].Name)
	if err != nil {
		return err
	}
	f, err := chest.open()
	if err != nil {
		return err
	}
	defer f.Close()
	h := c.w.Header()
	h.Set("Content-Type", ndjson)
	h.Set("Cache-Control", "private, no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Add("Vary", "Accept-Encoding")
	h.Set("Expires", job.Expires.UTC().Format(http.TimeFormat))
	patient := &patientWriter{c.w, http.NewResponseController(c.w)}
	content := io.NewSectionReader(f, 0, is.Files[at].Bytes)
	if c.r.Header.Get("Range") != "" || !takesGzip(c.r.Header) {
		http.ServeContent(patient, c.r, "", time.Time{}, content)
		return nil
	}
	h.Set("Content-Encoding", "gzip")
	c.w.WriteHeader(http.StatusOK)
	if c.r.Method == http.MethodHead {
		return nil
	}
	packed, err := gzip.NewWriterLevel(patient, gzip.BestSpeed)
	if err == nil {
		_, err = io.Copy(packed, content)
	}
	if err == nil {
		err = packed.Close()
	}
	if err != nil {
		panic(http.ErrAbortHandler) // half a file must not look like a whole one
	}
	return nil
}

// takesGzip says whether a client takes what is packed.
func takesGzip(h http.Header) bool {
	for one := range strings.SplitSeq(strings.Join(h.Values("Accept-Encoding"), ","), ",") {
		name, weight, _ := strings.Cut(strings.ReplaceAll(one, " ", ""), ";")
		if strings.EqualFold(name, "gzip") || name == "*" {
			return strings.TrimRight(weight, "0") != "q=" && strings.TrimRight(weight, "0") != "q=0."
		}
	}
	return false
}

// stall is how long a client may take for the next piece of a file.
const stall = time.Minute

// patientWriter gives a client that goes on reading as long as it needs.
type patientWriter struct {
	http.ResponseWriter
	control *http.ResponseController
}

// Write writes the next piece.
func (w *patientWriter) Write(b []byte) (int, error) {
	_ = w.control.SetWriteDeadline(time.Now().Add(stall)) // Where there is no deadline, none has to be moved.
	return w.ResponseWriter.Write(b)
}
