package bulk

import (
	"bufio"
	"context"
	"errors"
	"io"

	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/fhir"
	"github.com/rapport-health/rapport/services/store"
)

func outcome(issues ...fault.Issue) []byte { return fhir.Outcome(issues...) }

// batch is what is submitted at once: lines that do not name one resource twice, so that all of it may be submitted again
// after a crash without an older version taking the place of a newer one.
type batch struct {
	submissions []decision.Submission
	// numbers of the lines of the submissions, and of those that were too long.
	numbers []int64
	long    []int64
	names   map[string]bool
	bytes   int
	// offset and line behind the last one.
	offset, line int64
	wait         func() ([]decision.Receipt, error)
}

// reader leaves a line that begins the next batch where it is.
type reader struct {
	lines
	held []byte
	// at is where the held line begins.
	heldOffset, heldNumber int64
}

// takeInput takes an input in, batch by batch: while one is committed the next one is read.
func (r *Room) takeInput(ctx context.Context, job *store.Job, x *imported, s *shelf) error {
	in := &x.Inputs[x.Input]
	if in.Lost != "" {
		if err := x.lost(s); err != nil {
			return err
		}
		return r.nextInput(ctx, job, x, s)
	}
	c, err := chestOf(r.folder(job.ID), x.Key, inputFile(x.Input))
	if err != nil {
		return err
	}
	f, err := c.open()
	if err != nil {
		return fault.Wrap(fault.Internal, err, "reading an input")
	}
	defer f.Close()
	text := io.NewSectionReader(f, in.Offset, f.size-in.Offset)
	from := &reader{lines: lines{r: bufio.NewReaderSize(text, frameBytes), offset: in.Offset, number: in.Line}}
	var under *batch
	for {
		var next *batch
		var end bool
		err := r.gently(ctx, job.Tenant, func() (err error) {
			next, end, err = r.gather(job, x, from)
			if err == nil && next != nil && (under == nil || !under.shares(next)) {
				next.wait, err = r.Begin(ctx, job.Tenant, next.submissions)
			}
			return err
		})
		if err == nil && under != nil && (next == nil || under.shares(next)) {
			err = r.settle(ctx, job, x, s, under)
			under = nil
		}
		if err == nil && next != nil && next.wait == nil {
			next.wait, err = r.Begin(ctx, job.Tenant, next.submissions)
		}
		if under != nil {
			if settled := r.settle(ctx, job, x, s, under); settled != nil {
				finishWaiting(next)
				return settled
			}
		}
		if err != nil {
			finishWaiting(next)
			return err
		}
		under = next
		if end {
			if under != nil {
				if err := r.settle(ctx, job, x, s, under); err != nil {
					return err
				}
			}
			return r.nextInput(ctx, job, x, s)
		}
	}
}

// finishWaiting lets a batch end of which nobody will hear.
func finishWaiting(b *batch) {
	if b != nil && b.wait != nil {
		_, _ = b.wait() // It will be submitted again, and be unchanged.
	}
}

// shares says whether two batches name the same resource.
func (b *batch) shares(with *batch) bool {
	for name := range with.names {
		if b.names[name] {
			return true
		}
	}
	return false
}

func (r *Room) nextInput(ctx context.Context, job *store.Job, x *imported, s *shelf) error {
	x.Input++
	return r.note(ctx, job, x, s)
}

// note notes how far an import is.
func (r *Room) note(ctx context.Context, job *store.Job, x *imported, s *shelf) error {
	var err error
	if x.Files, err = s.settle(); err != nil {
		return err
	}
	x.Tries = 0
	return r.put(ctx, job, x)
}

// gather reads a batch; nil when nothing is left. end says that it is the last one.
func (r *Room) gather(job *store.Job, x *imported, from *reader) (b *batch, end bool, err error) {
	in := &x.Inputs[x.Input]
	b = &batch{names: map[string]bool{}}
	for len(b.submissions)+len(b.long) < batchLines && b.bytes < batchBytes {
		line, number, offset, err := from.take()
		if errors.Is(err, io.EOF) {
			if len(b.submissions)+len(b.long) == 0 {
				return nil, true, nil
			}
			return b, true, nil
		}
		if err != nil {
			return nil, false, fault.Wrap(fault.Internal, err, "reading an input")
		}
		if line == nil {
			b.long = append(b.long, number)
			b.offset, b.line = offset, number
			continue
		}
		name := named(line)
		if name != "" && b.names[name] {
			from.hold(line, number, offset)
			return b, false, nil
		}
		sub := decision.Submission{Tenant: job.Tenant, Source: x.Source, Type: in.Type, Body: line, BackFill: true}
		if name != "" {
			b.names[name] = true
			sub.Key = keyOf(job.ID, x.Input, number)
		}
		b.submissions, b.numbers = append(b.submissions, sub), append(b.numbers, number)
		b.bytes += len(line)
		b.offset, b.line = offset, number
	}
	return b, false, nil
}

// take gives the held line, or the next one, with its number and where the one behind it begins.
func (r *reader) take() (line []byte, number, offset int64, err error) {
	if r.held != nil {
		line, number, offset = r.held, r.heldNumber, r.heldOffset
		r.held = nil
		return line, number, offset, nil
	}
	line, err = r.next()
	return line, r.number, r.offset, err
}

func (r *reader) hold(line []byte, number, offset int64) {
	r.held, r.heldNumber, r.heldOffset = line, number, offset
}

// settle waits for a batch, and notes what became of it.
func (r *Room) settle(ctx context.Context, job *store.Job, x *imported, s *shelf, b *batch) error {
	receipts, err := b.wait()
	if err != nil {
		return err
	}
	in := &x.Inputs[x.Input]
	for _, number := range b.long {
		in.Rejected++
		err := s.add(roleError, "OperationOutcome", outcome(fault.Errorf("too-long", "", "input %d, line %d is longer than %d MiB", x.Input+1, number, maxLine>>20)))
		if err != nil {
			return err
		}
	}
	for n := range receipts {
		if err := x.count(s, b.numbers[n], &receipts[n]); err != nil {
			return err
		}
	}
	in.Offset, in.Line = b.offset, b.line
	return r.note(ctx, job, x, s)
}

// maxEntries is how many refused entries of one Bundle are told of.
const maxEntries = 100

// count counts a receipt, and tells why a line was rejected.
func (x *imported) count(s *shelf, line int64, r *decision.Receipt) error {
	in := &x.Inputs[x.Input]
	switch r.Outcome {
	case record.Scored:
		in.Scored++
	case record.Stored:
		in.Stored++
	case record.Unchanged:
		in.Unchanged++
	default:
		in.Rejected++
		issues := append([]fault.Issue{fault.Infof("informational", "", "input %d, line %d was rejected", x.Input+1, line)}, r.Issues...)
		for n := range r.Entries {
			if r.Entries[n].Outcome == record.Rejected && n < maxEntries {
				issues = append(issues, r.Entries[n].Issues...)
			}
		}
		return s.add(roleError, "OperationOutcome", outcome(issues...))
	}
	return nil
}
