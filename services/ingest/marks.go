package ingest

import (
	"context"

	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/fhir/tree"
	"github.com/rapport-health/rapport/services/store"
)

// markedAtOnce is how many records are read and marked in one step.
const markedAtOnce = 200

// FillIndex enters into the index of searches what was stored before there was one, in small steps, and returns how many
// records it has looked at. It goes on where it was interrupted; when all is done it returns at once.
// Errors: those of the store.
func (i *Ingest) FillIndex(ctx context.Context, from store.Store, into store.Marking, t ref.Tenant) (int, error) {
	done := 0
	for {
		records, err := into.Unmarked(ctx, t, markedAtOnce)
		if err != nil || len(records) == 0 {
			return done, err
		}
		err = from.View(ctx, t, func(r store.Reader) error {
			for n := range records {
				if err := i.remark(r, t, &records[n]); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return done, err
		}
		if err := into.Mark(ctx, t, records); err != nil {
			return done, err
		}
		done += len(records)
	}
}

// remark gives a stored record the marks that it would get now. All that was ever taken from a form is marked, for what
// is withdrawn can be found too.
func (i *Ingest) remark(from store.Reader, t ref.Tenant, r *record.Record) error {
	doc, err := tree.Parse(r.Raw, tree.Limits{Bytes: MaxBundle})
	if err != nil {
		return nil // nothing can be found in what cannot be read; it is still found by its patient, codes and time
	}
	in := decision.Input{Record: *r}
	if r.Type == "QuestionnaireResponse" {
		taken, err := from.TakenFrom(ref.SourceKey(t, r.Unversioned().String()))
		if err != nil {
			return err
		}
		for _, f := range taken {
			if f.Source.Unversioned() == r.Unversioned() {
				in.Facts = append(in.Facts, f.Fact)
			}
		}
	}
	i.mark(&in, doc)
	r.Marks = in.Record.Marks
	return nil
}
