// Package ingest takes raw FHIR JSON to a durable, explained outcome. Every door calls its Accept.
package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/rapport-health/rapport/services/catalogue"
	"github.com/rapport-health/rapport/services/commit"
	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/fhir"
	"github.com/rapport-health/rapport/services/store"
)

// The limits of what is taken in.
const (
	// MaxBody is the largest single resource, in bytes.
	MaxBody = 16 << 20
	// MaxBundle is the largest Bundle, in bytes.
	MaxBundle = 64 << 20
	// MaxEntries is the most entries of one Bundle.
	MaxEntries = fhir.MaxEntries
	// MaxItems is the most items of one batch.
	MaxItems = 1_000
	// MaxKey is the longest idempotency key, in bytes.
	MaxKey = 128
	// MaxAhead is how far in the future something may have happened: clocks differ, and so do time zones written wrongly.
	MaxAhead = 26 * time.Hour
)

// Config of the room.
type Config struct {
	// Group commits.
	Group *commit.Group
	// Store is what Rescore reads; nil refuses it.
	Store store.Store
	// Reader reads FHIR.
	Reader *fhir.Reader
	// Library scores.
	Library *catalogue.Library
	// Bases are the absolute URLs of the FHIR servers of each source; of a source without any, every base is its own, unless the
	// submission says otherwise.
	Bases map[ref.Source][]string
	// Namer gives ids.
	Namer ref.Namer
	// Now is the clock.
	Now func() time.Time
	// Log takes defects, without patient data.
	Log *slog.Logger
}

// Ingest takes submissions in.
type Ingest struct {
	Config
	// reading is shared by the large bodies being read.
	reading *space
}

// New is the room, ready.
func New(c Config) (*Ingest, error) {
	if c.Group == nil || c.Reader == nil || c.Library == nil || c.Now == nil || c.Log == nil {
		return nil, errors.New("ingest: Group, Reader, Library, Now and Log are required")
	}
	return &Ingest{Config: c, reading: newSpace(readingAtOnce)}, nil
}

// Accept takes one submission to a durable, explained outcome. A refusal is a receipt, not an error.
// Errors: Unavailable when the store is away; then the same submission may be sent again without harm.
func (i *Ingest) Accept(ctx context.Context, s decision.Submission) (decision.Receipt, error) {
	batch, err := i.Begin(ctx, s.Tenant, []decision.Submission{s})
	if err != nil {
		return decision.Receipt{}, err
	}
	receipts, err := batch.Wait()
	if err != nil {
		return decision.Receipt{}, err
	}
	return receipts[0], nil
}

// AcceptIf is Accept on the condition that holds returns nil for the very state that the submission is committed to;
// otherwise nothing is stored, and its fault is the receipt. Of a Bundle it stands or falls together. It may be called
// more than once, and reads only.
func (i *Ingest) AcceptIf(ctx context.Context, s decision.Submission, holds func(store.Reader) error) (decision.Receipt, error) {
	b := &Batch{shelf: i.Library.Open(s.Tenant)}
	p, err := i.inTurn(ctx, b.shelf, s)
	if err != nil {
		b.finish()
		return decision.Receipt{}, err
	}
	b.parts = []*part{p}
	if len(p.inputs) > 0 {
		run, err := i.Group.SubmitIf(ctx, s.Tenant, p.inputs, holds)
		if err != nil {
			b.finish()
			return decision.Receipt{}, err
		}
		b.runs = append(b.runs, run)
	}
	receipts, err := b.Wait()
	if err != nil {
		return decision.Receipt{}, err
	}
	return receipts[0], nil
}

// Batch is a run of submissions on their way to a commit.
type Batch struct {
	parts []*part
	runs  []*commit.Pending
	shelf *catalogue.Shelf
}

// Begin reads submissions of one tenant and queues them, in order, without waiting for their commit.
func (i *Ingest) Begin(ctx context.Context, t ref.Tenant, submissions []decision.Submission) (*Batch, error) {
	b := &Batch{parts: make([]*part, len(submissions)), shelf: i.Library.Open(t)}
	var together []decision.Input
	flush := func(inputs []decision.Input, atomic bool) error {
		run, err := i.Group.Submit(ctx, t, inputs, atomic)
		if err == nil {
			b.runs = append(b.runs, run)
		}
		return err
	}
	for n, s := range submissions {
		p, err := i.inTurn(ctx, b.shelf, s)
		if err != nil {
			b.finish()
			return nil, err
		}
		b.parts[n] = p
		if !p.atomic {
			together = append(together, p.inputs...)
			continue
		}
		err = flush(together, false)
		if err == nil {
			err = flush(p.inputs, true)
		}
		if err != nil {
			b.finish()
			return nil, err
		}
		together = nil
	}
	if err := flush(together, false); err != nil {
		b.finish()
		return nil, err
	}
	return b, nil
}

// inTurn reads a submission; a large one when there is memory for it. Errors: Unavailable when ctx ended before, and as
// prepare.
func (i *Ingest) inTurn(ctx context.Context, shelf *catalogue.Shelf, s decision.Submission) (*part, error) {
	if len(s.Body) < largeBody {
		return i.prepare(ctx, shelf, s)
	}
	n, err := i.reading.take(ctx, len(s.Body))
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "waiting for memory to read a large body")
	}
	defer i.reading.give(n)
	return i.prepare(ctx, shelf, s)
}

// finish waits for what was queued already when the rest cannot be, so that nothing of it is still under way.
func (b *Batch) finish() {
	defer b.shelf.Close()
	for _, run := range b.runs {
		_, _ = run.Wait() // Its callers are told that the batch failed, and may send all of it again.
	}
}

// Wait returns one receipt per submission, in order. Errors: as commit.Pending.Wait.
func (b *Batch) Wait() ([]decision.Receipt, error) {
	defer b.shelf.Close()
	var committed []decision.Receipt
	var failed error
	for _, run := range b.runs {
		receipts, err := run.Wait()
		if err != nil && failed == nil {
			failed = err
		}
		committed = append(committed, receipts...)
	}
	if failed != nil {
		return nil, failed
	}
	out := make([]decision.Receipt, len(b.parts))
	for n, p := range b.parts {
		out[n] = p.receipt(committed[:len(p.inputs)])
		committed = committed[len(p.inputs):]
	}
	return out, nil
}

// part is one submission as prepared: the inputs to commit, and what is already known of its entries.
type part struct {
	inputs []decision.Input
	atomic bool
	// bundle says that the submission was a Bundle with the entries below.
	bundle bool
	// entries hold, per entry of a Bundle (or for the one resource), the receipt of a refusal, or nil for the next input.
	entries []*decision.Receipt
	// note is what to say of the Bundle itself.
	note []fault.Issue
}

func refused(err error) *part {
	r := decision.Receipt{Outcome: record.Rejected, Issues: fault.IssuesOf(err), Kind: fault.Of(err)}
	return &part{entries: []*decision.Receipt{&r}}
}

// receipt joins what was refused while reading with what was committed.
func (p *part) receipt(committed []decision.Receipt) decision.Receipt {
	entries := make([]decision.Receipt, 0, len(p.entries))
	for n, known := range p.entries {
		if known != nil {
			entries = append(entries, *known)
			continue
		}
		entries = append(entries, explained(committed[0], p.bundle, n))
		committed = committed[1:]
	}
	if !p.bundle {
		return entries[0]
	}
	return summary(entries, p.atomic, p.note)
}

// explained says of what is only kept for reference, as who somebody is, that nothing more was expected of it. That is
// told to the sender and not written down: the record is not among those that could not be used.
func explained(r decision.Receipt, bundle bool, n int) decision.Receipt {
	if r.Outcome != record.Stored || len(r.Issues) > 0 {
		return r
	}
	at := r.Resource.Type
	if bundle {
		at = fmt.Sprintf("Bundle.entry[%d].resource", n)
	}
	r.Issues = []fault.Issue{fault.Infof("success", at, "kept for reference: nothing is scored from a %s", r.Resource.Type)}
	return r
}

// badness orders outcomes: a Bundle ends as its worst entry did.
var badness = map[record.Outcome]int{record.Unchanged: 1, record.Scored: 2, record.Gone: 2, record.Stored: 3, record.Rejected: 4}

func summary(entries []decision.Receipt, atomic bool, note []fault.Issue) decision.Receipt {
	r := decision.Receipt{Outcome: record.Unchanged, Entries: entries, Issues: note}
	for _, e := range entries {
		if badness[e.Outcome] > badness[r.Outcome] {
			r.Outcome, r.Kind = e.Outcome, e.Kind
		}
		r.TenantSeq = max(r.TenantSeq, e.TenantSeq)
	}
	if !atomic || r.Outcome != record.Rejected {
		return r
	}
	for n := range entries {
		if entries[n].Outcome != record.Rejected {
			entries[n] = decision.Receipt{Outcome: record.Rejected, Kind: r.Kind, Issues: []fault.Issue{
				fault.Infof("suppressed", fmt.Sprintf("Bundle.entry[%d]", n), "nothing was stored: another entry of this transaction was refused"),
			}}
		} else {
			r.Issues = append(r.Issues, entries[n].Issues...)
		}
	}
	return r
}
