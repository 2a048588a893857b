package ingest

import (
	"bytes"
	"context"
	"encoding/json"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/rapport-health/rapport/services/catalogue"
	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/fhir/tree"
	"github.com/rapport-health/rapport/services/store"
)

// reread reads a stored version as if it came now: the input judges it again. Heard is when its content first came, which
// stands in for a date that it lacks. It never panics.
func (i *Ingest) reread(
	ctx context.Context, shelf *catalogue.Shelf, r record.Record, heard time.Time,
) (in decision.Input, by entered, err error) {
	defer func() {
		if v := recover(); v != nil {
			i.Log.Error("a stored resource could not be read", "resource", r.Type, "stack", string(debug.Stack()))
			err = fault.New(fault.Internal, fault.Errorf("exception", r.Type, "this resource could not be read: please report it"))
		}
	}()
	doc, err := tree.Parse(r.Raw, tree.Limits{Bytes: MaxBundle})
	if err != nil {
		return in, by, err
	}
	reading, err := i.reads(decision.Submission{Source: r.Source}, doc)
	if err != nil {
		return in, by, err
	}
	// The hash stays that of what was sent: in a Bundle references may have been written anew since.
	in = i.input(decision.Submission{Source: r.Source}, doc, reading)
	in.Again = true
	in.Record.Resource, in.Record.SourceID, in.Record.SourceVersion = r.Resource, r.SourceID, r.SourceVersion
	in.Record.Hash, in.Record.Raw, in.Record.Patient = r.Hash, r.Raw, r.Patient
	in.Record.Received = heard
	by, err = i.enter(ctx, shelf, &in, doc, &reading)
	in.Record.Received = i.Now()
	return in, by, err
}

// heard is when the content of a stored version first came: a version made by rescoring came later than its content. Of
// dated content it does not matter, for what was not dated too far ahead at first never is so later.
func heard(from store.Reader, r record.Record) (time.Time, error) {
	at := r.Received
	for before := r; before.From.IsZero() && before.Version > 1; {
		earlier, err := from.Record(ref.Resource{Type: r.Type, ID: r.ID, Version: before.Version - 1})
		if err != nil {
			return at, err
		}
		if earlier.Hash != r.Hash {
			break
		}
		at, before = earlier.Received, earlier
	}
	return at, nil
}

// alike says whether facts say the same, whenever they were heard of and whatever version they were taken from.
func alike(stored, taken []fact.Fact) bool {
	if len(stored) != len(taken) {
		return false
	}
	byID := func(a, b fact.Fact) int { return strings.Compare(a.ID, b.ID) }
	stored, taken = slices.SortedFunc(slices.Values(stored), byID), slices.SortedFunc(slices.Values(taken), byID)
	for n := range stored {
		if !bytes.Equal(said(stored[n]), said(taken[n])) {
			return false
		}
	}
	return true
}

func said(f fact.Fact) []byte {
	f.Recorded, f.Source = time.Time{}, ref.Resource{}
	text, _ := json.Marshal(f) // as it is stored: numbers, times and strings that both engines have taken, or will
	return text
}

// sheetOf is the scores among the facts of one resource, those of the form itself where it asks critical items of
// another; nil when there are none.
func sheetOf(facts []fact.Fact) (found *fact.Scores) {
	for n := range facts {
		if is := facts[n].Scores; is != nil && (found == nil || found.CriticalOnly()) {
			found = is
		}
	}
	return found
}
