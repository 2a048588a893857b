package rest

import (
	"context"
	"slices"
	"time"

	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/instrument"
	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/fhir"
	"github.com/rapport-health/rapport/services/store"
)

// sight is one state of a tenant's store, and what was read from it already.
type sight struct {
	store.Reader
	*call
	records map[ref.Resource]record.Record
	born    map[ref.Patient][2]time.Time
	// wanted are definitions that are not at hand.
	wanted []defined
	// upto is the event up to which forms are told of; nil for all.
	upto *int64
	// ahead holds, by source key, what readAhead read last.
	ahead map[int64][]fact.Taken
	// changed holds, by type, what changedSince found.
	changed map[string]map[string]int64
}

// look reads one state of the store. Definitions that are not at hand are fetched in between, and it looks again.
func (c *call) look(read func(v *sight) error) error { return c.lookIn(c.r.Context(), read) }

// lookIn is look within a context of the request's.
func (c *call) lookIn(ctx context.Context, read func(v *sight) error) error {
	for {
		v := &sight{call: c, records: map[ref.Resource]record.Record{}, born: map[ref.Patient][2]time.Time{}}
		err := c.config.Store.View(ctx, c.tenant, func(r store.Reader) error {
			v.Reader = r
			return read(v)
		})
		if err != nil || len(v.wanted) == 0 {
			return err
		}
		for _, w := range v.wanted {
			if c.fetched[w], err = c.config.Definitions.FetchDefinition(ctx, c.tenant, w.id, w.version); err != nil {
				return err
			}
		}
	}
}

// defined names a definition.
type defined struct{ id, version string }

// definition by which something was scored; nil when it is not known, or wanted first.
func (v *sight) definition(of defined) *instrument.Definition {
	if d := v.config.Definitions.Definition(v.tenant, of.id, of.version); d != nil {
		return d
	}
	d, fetched := v.fetched[of]
	if !fetched && !slices.Contains(v.wanted, of) {
		v.wanted = append(v.wanted, of)
	}
	return d
}

// once reads a record unless it was read before.
func (v *sight) once(of ref.Resource) (record.Record, error) {
	if rec, ok := v.records[of]; ok {
		return rec, nil
	}
	rec, err := v.Record(of)
	if err == nil {
		v.records[of] = rec
	}
	return rec, err
}

// fetch reads records that were not read before, in one go.
func (v *sight) fetch(of []ref.Resource) error {
	var names []ref.Resource
	asked := map[ref.Resource]bool{}
	for _, name := range of {
		if _, known := v.records[name]; !known && !asked[name] {
			asked[name] = true
			names = append(names, name)
		}
	}
	if len(names) < 2 {
		return nil // once reads it
	}
	found, err := v.Records(names...)
	for _, rec := range found {
		v.records[rec.Resource] = rec
	}
	return err
}

// births reads when patients were born, in one go.
func (v *sight) births(of map[ref.Patient]bool) error {
	var names []ref.Resource
	for p := range of {
		if _, known := v.born[p]; !known {
			names = append(names, ref.Resource{Type: "Patient", ID: string(p)})
		}
	}
	if len(names) < 2 {
		return nil // birth reads it
	}
	found, err := v.Records(names...)
	if err != nil {
		return err
	}
	for _, name := range names {
		v.born[ref.Patient(name.ID)] = [2]time.Time{}
	}
	for _, rec := range found {
		from, to := fhir.Born(rec)
		v.born[ref.Patient(rec.ID)] = [2]time.Time{from, to}
	}
	return nil
}

// formsOf are the histories of the forms of a patient. A form may have moved from or to another patient: then its history
// lies in both episodes.
func (v *sight) formsOf(patient ref.Patient) ([]fhir.History, error) {
	taken, err := v.TakenIn(ref.EpisodeOf(patient), fact.KindScores)
	if err != nil {
		return nil, err
	}
	var out []fhir.History
	for _, of := range bySource(taken) {
		if last := of[len(of)-1]; last.Superseded || of[0].Source.Version > 1 {
			if of, err = v.takenFrom(last.Source); err != nil {
				return nil, err
			}
		}
		history, err := v.history(of)
		if err != nil {
			return nil, err
		}
		out = append(out, history)
	}
	return out, nil
}

// bySource parts facts that lie in the order of their sources.
func bySource(taken []fact.Taken) [][]fact.Taken {
	var out [][]fact.Taken
	for len(taken) > 0 {
		end := slices.IndexFunc(taken, func(f fact.Taken) bool { return f.Source.Unversioned() != taken[0].Source.Unversioned() })
		if end < 0 {
			end = len(taken)
		}
		out, taken = append(out, taken[:end]), taken[end:]
	}
	return out
}

// readAhead reads what was taken from several forms in one go.
func (v *sight) readAhead(marks []record.Marked) error {
	var keys []int64
	v.ahead = make(map[int64][]fact.Taken, len(marks))
	for _, m := range marks {
		key := ref.SourceKey(v.tenant, "QuestionnaireResponse/"+m.ID)
		if _, twice := v.ahead[key]; !twice {
			keys = append(keys, key)
		}
		v.ahead[key] = nil
	}
	taken, err := v.TakenFrom(keys...)
	if err != nil {
		return err
	}
	patients := map[ref.Patient]bool{}
	for _, f := range taken {
		key := ref.SourceKey(v.tenant, f.Source.Unversioned().String())
		v.ahead[key] = append(v.ahead[key], f)
		patients[ref.Patient(f.Episode)] = true
	}
	return v.births(patients)
}

// takenFrom are the scores ever taken from one resource.
func (v *sight) takenFrom(source ref.Resource) ([]fact.Taken, error) {
	name := source.Unversioned()
	key := ref.SourceKey(v.tenant, name.String())
	taken, known := v.ahead[key]
	var err error
	if !known {
		taken, err = v.TakenFrom(key)
	}
	taken = slices.Clone(taken)
	return slices.DeleteFunc(taken, func(f fact.Taken) bool { return f.Source.Unversioned() != name || f.Scores == nil }), err
}

// derived is the derived Observation of an id, in one version or the newest. ok is false when there is none.
func (v *sight) derived(of ref.Resource) (o fhir.Observed, ok bool, err error) {
	key, stem, part, ok := ref.SplitDerived(of.ID)
	if !ok {
		return o, false, nil
	}
	taken, err := v.TakenFrom(key)
	if err != nil {
		return o, false, err
	}
	taken = slices.DeleteFunc(taken, notOf(v.tenant, stem))
	history, err := v.history(taken)
	if err != nil {
		return o, false, err
	}
	o, ok = history.Find(part, of.Version)
	return o, ok, nil
}

// notOf says whether a fact is none of the scores from which the ids with a stem are derived.
func notOf(t ref.Tenant, stem string) func(fact.Taken) bool {
	return func(f fact.Taken) bool { return f.Scores == nil || ref.Derived(t, f.Source) != stem }
}

// history puts the scores ever taken from one form together.
func (v *sight) history(taken []fact.Taken) (fhir.History, error) {
	var sheets []fhir.Past
	taken, err := v.stood(taken)
	if err != nil {
		return fhir.History{}, err
	}
	for _, f := range taken {
		if f.Scores.CriticalOnly() && slices.ContainsFunc(taken, func(of fact.Taken) bool { return of.Source == f.Source && !of.Scores.CriticalOnly() }) {
			continue // the form has a sheet of its own, and these would stand under the same ids
		}
		s := &fhir.Sheet{
			Fact: f.Fact, Definition: v.definition(defined{f.Scores.Instrument, f.Scores.Version}),
			Patient: ref.Patient(f.Episode), Engine: v.config.Version, Stem: ref.Derived(v.tenant, f.Source),
		}
		var err error
		if s.BornFrom, s.BornTo, err = v.birth(s.Patient); err != nil {
			return fhir.History{}, err
		}
		sheets = append(sheets, fhir.Past{Sheet: s, Superseded: f.Superseded})
	}
	return fhir.NewHistory(sheets), nil
}

// stood are the facts as they stood at the event up to which is told.
func (v *sight) stood(taken []fact.Taken) ([]fact.Taken, error) {
	if v.upto == nil || len(taken) == 0 {
		return taken, nil
	}
	changed, err := v.changedSince("QuestionnaireResponse", *v.upto)
	if err != nil {
		return nil, err
	}
	var out []fact.Taken
	for _, f := range taken {
		if then, ok := changed[f.Source.ID]; ok {
			if f.Source.Version > then {
				continue
			}
			f.Superseded = then > f.Source.Version
		}
		out = append(out, f)
	}
	return out, nil
}

// birth of a patient, as far as it is known.
func (v *sight) birth(p ref.Patient) (from, to time.Time, err error) {
	if known, ok := v.born[p]; ok {
		return known[0], known[1], nil
	}
	rec, err := v.Record(ref.Resource{Type: "Patient", ID: string(p)})
	switch {
	case err == nil:
		from, to = fhir.Born(rec)
	case fault.Of(err) != fault.NotFound:
		return from, to, err
	}
	v.born[p] = [2]time.Time{from, to}
	return from, to, nil
}

// answered fills in what the form itself says.
func (v *sight) answered(s *fhir.Sheet) error {
	if s.Answered.Status != "" {
		return nil
	}
	rec, err := v.once(s.Fact.Source)
	if err != nil {
		return fault.Wrap(fault.Internal, err, "read the form behind a score")
	}
	reader := fhir.Reader{Namer: v.config.Namer, Zone: v.config.Zone}
	s.Answered, err = reader.Answered(rec)
	return err
}

// systemObservationStatus is FHIR's own.
const systemObservationStatus = "http://hl7.org/fhir/observation-status"

// observedPage renders a derived Observation.
func (v *sight) observedPage(o fhir.Observed) (page, error) {
	if err := v.answered(o.Sheet); err != nil {
		return page{}, err
	}
	source := o.Sheet.Fact.Source
	source.Version = o.Version
	rec, err := v.once(source)
	if err != nil {
		return page{}, fault.Wrap(fault.Internal, err, "read the form behind a score")
	}
	body := o.Sheet.Observation(o.Part, fhir.Version{Number: o.Version, Standing: o.Standing, Updated: rec.Received})
	return page{version: o.Version, updated: rec.Received, body: body}, nil
}

// derivedPage reads a derived Observation; false when the id is of none. The versions of one that is are numbered as
// those of its form, and not each has one.
func (v *sight) derivedPage(of ref.Resource) (page, bool, error) {
	o, ok, err := v.derived(of.Unversioned())
	if err != nil || !ok {
		return page{}, false, err
	}
	if of.Version != 0 {
		if o, ok, err = v.derived(of); err == nil && !ok {
			err = unknownVersion()
		}
		if err != nil {
			return page{}, true, err
		}
	}
	p, err := v.observedPage(o)
	return p, true, err
}
