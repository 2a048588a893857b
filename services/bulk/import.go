package bulk

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/store"
)

// imported is an import: what is to come in, and how far it is. The JSON names are a stored form.
type imported struct {
	common
	// Source that sent it.
	Source ref.Source `json:"source,omitempty"`
	Inputs []input    `json:"inputs,omitempty"`
	// Input is the one that is under way.
	Input int `json:"input,omitempty"`
}

// input is one file of lines.
type input struct {
	// URL to fetch it from; empty for one that came with the kick-off.
	URL string `json:"url,omitempty"`
	// Type that all of it is of; empty when not said.
	Type string `json:"type,omitempty"`
	// Here says that all of it lies in the folder, and Size how large it is.
	Here bool  `json:"here,omitempty"`
	Size int64 `json:"size,omitempty"`
	// Offset is where the next line begins, and Line its number less one.
	Offset int64 `json:"offset,omitempty"`
	Line   int64 `json:"line,omitempty"`
	// How the lines so far ended.
	Scored    int64 `json:"scored,omitempty"`
	Stored    int64 `json:"stored,omitempty"`
	Unchanged int64 `json:"unchanged,omitempty"`
	Rejected  int64 `json:"rejected,omitempty"`
	// Tries to fetch it that failed.
	Tries int `json:"tries,omitempty"`
	// Lost says why it could not be had; empty when it could.
	Lost string `json:"lost,omitempty"`
}

// progress is how far it is, in fewer than 100 characters.
func (x *imported) progress() string {
	if x.Input >= len(x.Inputs) {
		return "nearly done"
	}
	in := &x.Inputs[x.Input]
	if !in.Here {
		return fmt.Sprintf("input %d of %d: fetching", x.Input+1, len(x.Inputs))
	}
	percent := int64(100)
	if in.Size > 0 {
		percent = in.Offset * 100 / in.Size
	}
	return fmt.Sprintf("input %d of %d: %d lines, %d %%", x.Input+1, len(x.Inputs), in.Line, percent)
}

// report adds to a manifest what became of each input.
func (x *imported) report(m *manifest) {
	var scored, stored, unchanged, rejected int64
	for n := range x.Inputs {
		in := &x.Inputs[n]
		// The draft wants the outcomes of each input: there is but their number. What came in the body came with the request.
		one := listed{Type: "OperationOutcome", Input: cmp.Or(in.URL, x.Request), Count: in.Scored + in.Stored + in.Unchanged}
		m.Output = append(m.Output, one)
		scored, stored, unchanged, rejected = scored+in.Scored, stored+in.Stored, unchanged+in.Unchanged, rejected+in.Rejected
	}
	m.Extension = map[string]any{"scored": scored, "stored": stored, "unchanged": unchanged, "rejected": rejected}
}

// maxInputs is how many inputs one import may name.
const maxInputs = 1000

// headerSource names the system that resources come from.
const headerSource = "X-Rapport-Source"

// bring begins an import: of what comes in the body, or of what a Parameters resource names.
func (c *call) bring() error {
	x := &imported{common: c.common(), Source: c.Source}
	x.Secret = ""
	if name := c.r.Header.Get(headerSource); name != "" {
		x.Source = ref.Source(name)
	}
	if !ref.ValidSource(string(x.Source)) {
		return fault.New(fault.Invalid, fault.Errorf("value", "", "%s names the sending system: 1 to 64 letters, digits, dots or hyphens", headerSource))
	}
	if err := c.room(kindImport); err != nil {
		return err
	}
	id := c.ID()
	if err := os.Mkdir(c.folder(id), 0o700); err != nil {
		return fault.Wrap(fault.Internal, err, "making the folder of an import")
	}
	if err := c.inputs(id, x); err != nil {
		c.discard(id)
		return err
	}
	return c.add(id, kindImport, x)
}

// inputs takes in what is sent, or reads where it is.
func (c *call) inputs(id string, x *imported) error {
	name, _, _ := mime.ParseMediaType(c.r.Header.Get("Content-Type")) // what cannot be read is none that is taken
	switch {
	case slices.Contains([]string{ndjson, "application/ndjson", "application/x-ndjson"}, name):
		size, err := c.upload(id, x)
		if err == nil && size == 0 {
			err = fault.New(fault.Invalid, fault.Errorf("required", "", "the body is empty: send one resource a line"))
		}
		x.Inputs = []input{{Here: true, Size: size}}
		return err
	case name == "application/fhir+json" || name == "application/json":
		return c.readInputs(x)
	default:
		return fault.Newf(fault.Invalid, "not-supported", "send %s, or a Parameters resource that names inputs", ndjson)
	}
}

// inputFile is the name of the n-th input.
func inputFile(n int) string { return "input-" + strconv.Itoa(n) + ".ndjson" }

// upload writes the body to a file.
func (c *call) upload(id string, x *imported) (int64, error) {
	body := &patientReader{c.r.Body, http.NewResponseController(c.w)}
	return c.whole(id, x.Key, 0, func(into io.Writer) error { return c.spool(into, body) })
}

// whole writes a file whole or not at all, and returns its size.
func (r *Room) whole(id string, key []byte, n int, fill func(io.Writer) error) (int64, error) {
	c, err := chestOf(r.folder(id), key, inputFile(n))
	if err != nil {
		return 0, err
	}
	f, err := os.OpenFile(c.path+".part", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, fault.Wrap(fault.Internal, err, "writing an input")
	}
	defer f.Close()
	into := &filler{chest: c, into: f}
	if err := fill(into); err != nil {
		if lost, ok := errors.AsType[*errInput](err); ok {
			err = fault.Newf(fault.Invalid, "incomplete", "%s", lost.why)
		}
		return 0, err
	}
	if err = into.flush(); err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = os.Rename(c.path+".part", c.path)
	}
	if err != nil {
		return 0, fault.Wrap(fault.Internal, err, "writing an input")
	}
	return into.plain, nil
}

// patientReader waits for a client that goes on sending.
type patientReader struct {
	io.Reader
	control *http.ResponseController
}

// Read reads the next piece.
func (r *patientReader) Read(b []byte) (int, error) {
	_ = r.control.SetReadDeadline(time.Now().Add(stall))  // Where there is no deadline, none has to be moved.
	_ = r.control.SetWriteDeadline(time.Now().Add(stall)) // The answer comes behind.
	return r.Reader.Read(b)
}

// readInputs reads a Parameters resource: inputFormat, inputSource, storageDetail, and for each input its type and url.
func (c *call) readInputs(x *imported) error {
	body, err := io.ReadAll(http.MaxBytesReader(c.w, c.r.Body, maxParameters))
	if err != nil {
		return fault.Newf(fault.TooLarge, "too-long", "the parameters may have %d bytes at most", maxParameters)
	}
	found, err := parametersIn(body)
	if err != nil {
		return err
	}
	for i := range found {
		if err := c.readInput(x, &found[i]); err != nil {
			return err
		}
	}
	if n := len(x.Inputs); n == 0 || n > maxInputs {
		return fault.New(fault.Invalid, fault.Errorf("required", "Parameters.parameter", "name 1 to %d inputs, each with a url", maxInputs))
	}
	return nil
}

func (c *call) readInput(x *imported, p *parameter) error {
	switch p.Name {
	case "inputFormat":
		if !slices.Contains([]string{ndjson, "application/ndjson", "ndjson"}, p.text()) {
			return fault.New(fault.Invalid, fault.Errorf("not-supported", "Parameters.parameter", "an import is read as %s alone", ndjson))
		}
	case "inputSource", "storageDetail":
	case "source":
		if x.Source = ref.Source(p.text()); !ref.ValidSource(string(x.Source)) {
			return fault.New(fault.Invalid, fault.Errorf("value", "Parameters.parameter", "source names the sending system: 1 to 64 letters, digits, dots or hyphens"))
		}
	case "input":
		var in input
		for i := range p.Part {
			switch p.Part[i].Name {
			case "type", "resourceType":
				in.Type = p.Part[i].text()
			case "url":
				in.URL = p.Part[i].text()
			}
		}
		if err := checkInput(in.URL, c.Private); err != nil {
			return err
		}
		x.Inputs = append(x.Inputs, in)
	default:
		return fault.New(fault.Invalid, fault.Errorf("not-supported", "Parameters.parameter", "the parameter %s is not supported", plain(p.Name)))
	}
	return nil
}

// takeIn goes on with an import to its end.
func (r *Room) takeIn(ctx context.Context, job *store.Job) error {
	x := &imported{}
	if err := json.Unmarshal(job.Data, x); err != nil {
		return fault.Wrap(fault.Internal, err, "reading an import")
	}
	shelf, err := openShelf(r.folder(job.ID), x.Key, x.Files)
	if err != nil {
		return err
	}
	defer shelf.close()
	ctx = r.As(ctx, x.Who)
	for x.Input < len(x.Inputs) {
		if !x.Inputs[x.Input].Here && x.Inputs[x.Input].Lost == "" {
			if err := r.obtain(ctx, job, x); err != nil {
				return err
			}
			continue
		}
		if err := r.takeInput(ctx, job, x, shelf); err != nil {
			return err
		}
	}
	r.Log.Info("an import is done", slog.String("job", job.ID), slog.Int("inputs", len(x.Inputs)))
	for n := range x.Inputs {
		_ = os.Remove(filepath.Join(r.folder(job.ID), inputFile(n))) // It goes with the folder at the latest.
	}
	return r.finish(ctx, job, &x.common, x)
}

// obtain fetches an input.
func (r *Room) obtain(ctx context.Context, job *store.Job, x *imported) error {
	in := &x.Inputs[x.Input]
	var lost *errInput
	size, err := r.whole(job.ID, x.Key, x.Input, func(into io.Writer) error {
		err := r.download(ctx, in.URL, into)
		if errors.As(err, &lost) {
			return lost
		}
		return err
	})
	switch {
	case err == nil:
		in.Here, in.Size = true, size
	case lost != nil:
		in.Lost = lost.why
	case fault.Of(err) == fault.Unavailable && ctx.Err() == nil:
		if in.Tries++; in.Tries >= maxTries {
			in.Lost = "its server does not answer, or not to the end"
		}
		if putErr := r.put(ctx, job, x); putErr != nil || in.Lost == "" {
			return errors.Join(putErr, err)
		}
		return nil
	default:
		return err
	}
	return r.put(ctx, job, x)
}

// lost reports an input that could not be had.
func (x *imported) lost(s *shelf) error {
	in := &x.Inputs[x.Input]
	in.Rejected++
	return s.add(roleError, "OperationOutcome", outcome(
		fault.Errorf("not-found", "", "input %d could not be had: %s", x.Input+1, in.Lost)))
}

// The bounds of what is submitted at once.
const (
	batchLines = 500
	batchBytes = 8 << 20
)

func keyOf(job string, input int, line int64) string {
	return fmt.Sprintf("import:%s:%d:%d", job, input, line)
}

// named is the type and id of a line; empty where it has none.
func named(line []byte) string {
	var head struct {
		ResourceType string `json:"resourceType"`
		ID           string `json:"id"`
	}
	d := json.NewDecoder(bytes.NewReader(line))
	if d.Decode(&head) != nil || head.ID == "" || head.ResourceType == "Bundle" {
		return ""
	}
	return head.ResourceType + "/" + head.ID
}
