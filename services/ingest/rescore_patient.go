package ingest

import (
	"context"
	"slices"
	"time"

	"github.com/rapport-health/rapport/services/catalogue"
	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/instrument"
	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/store"
)

// patient goes through one patient's resources.
func (r *rescoring) patient(p ref.Patient) error {
	for at := (spot{}); at.typ < len(r.Types); {
		var found findings
		err := r.Store.View(r.ctx, r.tenant, func(from store.Reader) (err error) {
			at, err = r.look(from, p, at, &found)
			return err
		})
		if err != nil {
			return err
		}
		if err := r.send(found); err != nil {
			return err
		}
	}
	return nil
}

// spot is a place among a patient's resources.
type spot struct {
	// typ is the index of the type, after the last record of it that was looked at.
	typ   int
	after record.Place
}

// findings are what was found out about some resources of one patient.
type findings struct {
	load
	unchanged int64
	failures  []Failure
	inputs    []decision.Input
	// by are the definitions that scored them.
	by      []*instrument.Definition
	changes []Change
}

// look reads a patient's resources from a spot on, all from one state of the store, until there are no more or enough of
// them have changed.
func (r *rescoring) look(from store.Reader, p ref.Patient, at spot, found *findings) (spot, error) {
	var stored map[ref.Resource][]fact.Fact
	shelf := r.Library.OpenIn(r.tenant, from)
	defer shelf.Close()
	for ; at.typ < len(r.Types); at = (spot{typ: at.typ + 1}) {
		for {
			page, err := from.Search(record.Query{
				Type: r.Types[at.typ], Patient: p, Unused: r.OnlyUnscored, After: at.after, Max: recordsAtOnce, MaxBytes: readBytes,
			})
			if err != nil {
				return at, err
			}
			if len(page) == 0 {
				break
			}
			if stored == nil {
				if stored, err = r.facts(from, p); err != nil {
					return at, err
				}
			}
			for _, x := range page {
				if err := r.weigh(from, shelf, x, stored[x.Unversioned()], found); err != nil {
					return at, err
				}
				at.after = record.Place{From: x.From, Resource: x.Unversioned()}
			}
			if found.full() {
				return at, nil
			}
		}
	}
	return at, nil
}

// facts are those that count of a patient, by the resource they were taken from.
func (r *rescoring) facts(from store.Reader, p ref.Patient) (map[ref.Resource][]fact.Fact, error) {
	e := ref.EpisodeOf(p)
	all, err := from.Facts([]ref.Episode{e})
	if err != nil {
		return nil, err
	}
	of := map[ref.Resource][]fact.Fact{}
	for _, f := range all[e] {
		if slices.Contains(r.Types, f.Source.Type) {
			of[f.Source.Unversioned()] = append(of[f.Source.Unversioned()], f)
		}
	}
	return of, nil
}

// weigh finds out whether a stored version says something else now.
func (r *rescoring) weigh(
	from store.Reader, shelf *catalogue.Shelf, x record.Record, stored []fact.Fact, found *findings,
) error {
	came, err := heard(from, x)
	if err != nil {
		return err
	}
	in, by, err := r.inTurnAgain(r.ctx, shelf, x, came)
	if err != nil && fault.Of(err) == fault.Unavailable {
		return err
	}
	was, is := sheetOf(stored), sheetOf(in.Facts)
	switch {
	case !r.wanted(was, is):
	case err != nil:
		issues := fault.IssuesOf(err)
		if was != nil {
			issues = slices.Insert(issues, 0, fault.Warnf("business-rule", x.Type, "by the instruments of today it would be refused: its scores were kept"))
		}
		found.failures = append(found.failures, Failure{x.Resource, issues})
	case alike(stored, in.Facts):
		found.unchanged++
	case was != nil && is == nil && (by.unknown || !r.knows(was)):
		found.failures = append(found.failures, Failure{x.Resource, []fault.Issue{fault.Warnf("not-found", x.Type,
			"the instrument %s in the version that scored it is not loaded: its scores were kept", was.Instrument)}})
	default:
		found.inputs = append(found.inputs, in)
		if by.definition != nil {
			found.by = append(found.by, by.definition)
		}
		found.changes = append(found.changes, Change{Before: x.Resource, Was: was, Is: is})
		found.load.inputs, found.bytes = found.load.inputs+1, found.bytes+len(x.Raw)
	}
	return nil
}

// inTurnAgain reads a stored version; a large one when there is memory for it. Errors: as reread; Unavailable when ctx
// ended before.
func (i *Ingest) inTurnAgain(
	ctx context.Context, shelf *catalogue.Shelf, x record.Record, came time.Time,
) (decision.Input, entered, error) {
	if len(x.Raw) < largeBody {
		return i.reread(ctx, shelf, x, came)
	}
	n, err := i.reading.take(ctx, len(x.Raw))
	if err != nil {
		return decision.Input{}, entered{}, fault.Wrap(fault.Unavailable, err, "waiting for memory to read a large body")
	}
	defer i.reading.give(n)
	return i.reread(ctx, shelf, x, came)
}

// wanted says whether scores before or now are of an instrument that was asked for.
func (r *rescoring) wanted(was, is *fact.Scores) bool {
	if len(r.Instruments) == 0 {
		return true
	}
	of := func(s *fact.Scores) bool { return s != nil && slices.Contains(r.Instruments, s.Instrument) }
	return of(was) || of(is)
}

// knows says whether the instrument of scores is known still, in whatever version.
func (r *rescoring) knows(s *fact.Scores) bool {
	_, err := r.Library.Lookup(s.Instrument)
	return err == nil || catalogue.IsForm(s.Instrument)
}
