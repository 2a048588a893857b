package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/simulate"
)

// truthFile holds what really happens, a line per patient.
const truthFile = "truth.ndjson"

// clinicFiles are the files of one clinic, each made when its first line comes.
type clinicFiles struct {
	folder string
	open   map[string]*clinicFile
}

type clinicFile struct {
	*bufio.Writer
	file  *os.File
	lines int
	bytes int64
}

// line appends one line to a file of the folder.
func (f *clinicFiles) line(name string, text []byte) error {
	to := f.open[name]
	if to == nil {
		made, err := os.Create(filepath.Join(f.folder, name))
		if err != nil {
			return plainPath(err)
		}
		to = &clinicFile{Writer: bufio.NewWriterSize(made, 1<<18), file: made}
		f.open[name] = to
	}
	to.lines, to.bytes = to.lines+1, to.bytes+int64(len(text))+1
	if _, err := to.Write(text); err != nil {
		return err
	}
	return to.WriteByte('\n')
}

func (f *clinicFiles) close() error {
	var failed error
	for _, of := range f.open {
		failed = errors.Join(failed, of.Flush(), of.file.Close())
	}
	return failed
}

// fileLine is one line of JSON output: a file that was written.
type fileLine struct {
	File  string `json:"file"`
	Lines int    `json:"lines"`
	Bytes int64  `json:"bytes"`
}

// write makes the files of --out.
func (c simulateCmd) write(ctx context.Context, s streams, clinic simulate.Clinic) error {
	if err := os.MkdirAll(c.Out, 0o755); err != nil {
		return plainPath(err)
	}
	files := &clinicFiles{folder: c.Out, open: map[string]*clinicFile{}}
	if err := errors.Join(c.fill(ctx, s, files, clinic), files.close()); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(files.open)) {
		of := files.open[name]
		if c.json() {
			if err := json.NewEncoder(s.out).Encode(fileLine{filepath.Join(c.Out, name), of.lines, of.bytes}); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintf(s.out, "%10d  %s\n", of.lines, filepath.Join(c.Out, name))
	}
	return nil
}

func (c simulateCmd) fill(ctx context.Context, s streams, files *clinicFiles, clinic simulate.Clinic) error {
	n, drawn := 0, time.Now()
	for e := range clinic.Panels() {
		if err := files.line(string(e.Source)+".ndjson", e.Body); err != nil {
			return err
		}
		if n++; n%1024 != 0 {
			continue
		}
		if ctx.Err() != nil {
			return errors.New("stopped before the end: the files are not whole")
		}
		if s.terminal && time.Since(drawn) >= drawEvery {
			drawn = time.Now()
			fmt.Fprintf(s.err, "\r%d submissions\x1b[K", n)
		}
	}
	if s.terminal {
		fmt.Fprint(s.err, "\r\x1b[K")
	}
	for truth := range clinic.Truths() {
		line, err := json.Marshal(truth)
		if err != nil {
			return err
		}
		if err := files.line(truthFile, line); err != nil {
			return err
		}
	}
	return nil
}

// send sends the clinic of --target. A stream belongs to one sending system, so each system sends all it has, one after
// the other: what arrives in another order ends up the same.
func (c simulateCmd) send(ctx context.Context, s streams, clinic simulate.Clinic) error {
	c.Addr = c.Target
	conn, err := c.dial()
	if err != nil {
		return err
	}
	defer conn.Close()
	report := &ingestReport{streams: s, json: c.json(), in: &inputs{}, outcomes: map[rapportv1.Outcome]int{}}
	for _, source := range []ref.Source{simulate.EHR, simulate.PRO, simulate.Annex} {
		sender := &sender{
			client: rapportv1.NewIngestServiceClient(conn), source: string(source), unread: report.unread, retrying: report.retrying,
			done: func(i item, r *rapportv1.Result) error {
				report.add(i, r)
				return nil
			},
		}
		err := sender.send(ctx, eventItems(clinic, source))
		if ctx.Err() != nil {
			err = errors.New("stopped before the end; the same command again does no harm")
		}
		if err != nil {
			report.finish(true)
			return err
		}
	}
	report.finish(false)
	if report.outcomes[rapportv1.Outcome_OUTCOME_REJECTED] > 0 {
		return errSaid
	}
	return nil
}

// eventItems are what one system sends, numbered as the lines of its file.
func eventItems(clinic simulate.Clinic, source ref.Source) iter.Seq2[item, error] {
	return func(yield func(item, error) bool) {
		n := 0
		for e := range clinic.Panels() {
			if e.Source != source {
				continue
			}
			n++
			if !yield(item{file: string(source), number: n, body: e.Body}, nil) {
				return
			}
		}
	}
}
