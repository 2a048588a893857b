package auth

import (
	"context"
	"time"

	"github.com/rapport-health/rapport/services/domain/access"
	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/episode"
	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/store"
)

// Guard is a store in which each caller sees what they may: what their scopes reach, what the patient's consent allows
// for the purpose of the call, and what bears no label that they are not cleared for. What they may not see is not there.
// Every room that answers callers reads through it, so every door decides alike; what is read is noted for the audit.
type Guard struct {
	store.Store
	policy access.Policy
	now    func() time.Time
}

// NewGuard is over the store.
func NewGuard(s store.Store, p access.Policy, now func() time.Time) *Guard { return &Guard{s, p, now} }

// View reads one consistent state of the caller's tenant. Errors: Unauthenticated without a caller in ctx; Forbidden for
// another tenant.
func (g *Guard) View(ctx context.Context, t ref.Tenant, read func(store.Reader) error) error {
	p, err := From(ctx)
	if err != nil {
		return err
	}
	if p.Tenant != t {
		return fault.Newf(fault.Forbidden, "forbidden", "the token is for another tenant")
	}
	verbs := access.Read | access.Search
	trail := trailOf(ctx)
	if trail != nil {
		verbs = trail.verbs
	}
	return g.Store.View(ctx, t, func(r store.Reader) error {
		return read(&sight{Reader: r, guard: g, ctx: ctx, who: p, trail: trail, verbs: verbs, patients: map[ref.Patient]verdict{}, teams: map[string][]access.Member{}, visits: map[ref.Episode][]*fact.Visit{}})
	})
}

// sight is a Reader for one caller.
type sight struct {
	store.Reader
	guard *Guard
	ctx   context.Context
	who   access.Principal
	trail *Trail
	verbs access.Verbs
	// patients that were decided already, in this view.
	patients map[ref.Patient]verdict
	teams    map[string][]access.Member
	// visits that were read already, in this view.
	visits map[ref.Episode][]*fact.Visit
}

// Record returns one version the caller may see. Errors: NotFound, also for what they may not.
func (s *sight) Record(of ref.Resource) (record.Record, error) {
	r, err := s.Reader.Record(of)
	if err != nil {
		return r, err
	}
	ok, err := s.sees(r)
	if err == nil && !ok {
		return record.Record{}, fault.Newf(fault.NotFound, "not-found", "there is nothing under that name")
	}
	return r, err
}

// Records returns those of the versions that the caller may see.
func (s *sight) Records(of ...ref.Resource) ([]record.Record, error) {
	found, err := s.Reader.Records(of...)
	if err == nil {
		err = s.ahead(patientsOf(found))
	}
	if err != nil {
		return nil, err
	}
	kept := found[:0]
	for _, r := range found {
		ok, err := s.sees(r)
		if err != nil {
			return nil, err
		}
		if ok {
			kept = append(kept, r)
		}
	}
	return kept, nil
}

// Having tells of those whose data of the type the caller's scopes reach.
func (s *sight) Having(typ string, of ...ref.Patient) ([]ref.Patient, error) {
	found, err := s.Reader.Having(typ, of...)
	if err != nil {
		return nil, err
	}
	kept := found[:0]
	for _, p := range found {
		ok, err := s.derived(p, typ)
		if err != nil {
			return nil, err
		}
		if ok {
			kept = append(kept, p)
		}
	}
	return kept, nil
}

// Search returns a page of records the caller may see: it reads on until the page is full.
func (s *sight) Search(q record.Query) ([]record.Record, error) {
	var kept []record.Record
	wanted, bytes := q.Max, 0
	for {
		found, err := s.Reader.Search(q)
		if err == nil {
			err = s.ahead(patientsOf(found))
		}
		if err != nil {
			return nil, err
		}
		for _, r := range found {
			ok, err := s.sees(r)
			if err != nil {
				return nil, err
			}
			if ok {
				kept = append(kept, r)
				bytes += len(r.Raw)
			}
		}
		cut := q.MaxBytes > 0 && len(found) > 0 && len(found) < q.Max
		if len(kept) >= wanted || len(found) == 0 || len(found) < q.Max && !cut || cut && len(kept) > 0 && bytes >= q.MaxBytes/2 {
			return kept, s.ctx.Err()
		}
		last := found[len(found)-1]
		q.After, q.Max = record.Place{From: last.From, Resource: last.Resource}, wanted-len(kept)
	}
}

// seen notes the patients of the episodes of which something was found.
func seen[T any](s *sight, found map[ref.Episode]T, err error) (map[ref.Episode]T, error) {
	for e := range found {
		s.note(ref.Patient(e), "")
	}
	return found, err
}

// episodeTypes are the types of which an episode's facts and state tell.
var episodeTypes = []string{"EpisodeOfCare", "Observation", "QuestionnaireResponse"}

// visible are the episodes of which the caller may see something.
func (s *sight) visible(of []ref.Episode) ([]ref.Episode, error) {
	var kept []ref.Episode
	for _, e := range of {
		ok, err := s.derived(ref.Patient(e), episodeTypes...)
		if err != nil {
			return nil, err
		}
		if ok {
			kept = append(kept, e)
		}
	}
	return kept, nil
}

// States of the episodes that the caller may see.
func (s *sight) States(of []ref.Episode) (map[ref.Episode]*episode.State, error) {
	kept, err := s.visible(of)
	if err != nil || len(kept) == 0 {
		return map[ref.Episode]*episode.State{}, err
	}
	found, err := s.Reader.States(kept)
	if err != nil {
		return nil, err
	}
	for e, state := range found {
		left, is, err := s.unrated(state)
		if err != nil {
			return nil, err
		}
		if found[e] = left; !is {
			delete(found, e)
		}
	}
	return seen(s, found, nil)
}

// Facts of the episodes that the caller may see.
func (s *sight) Facts(of []ref.Episode) (map[ref.Episode][]fact.Fact, error) {
	kept, err := s.visible(of)
	if err != nil || len(kept) == 0 {
		return map[ref.Episode][]fact.Fact{}, err
	}
	found, err := s.allWithoutRatings(s.Reader.Facts(kept))
	return seen(s, found, err)
}

// FactsBy is a page of the facts of an episode that the caller may see.
func (s *sight) FactsBy(of ref.Episode, q fact.Page) ([]fact.Fact, error) {
	kept, err := s.visible([]ref.Episode{of})
	if err != nil || len(kept) == 0 {
		return nil, err
	}
	found, err := s.factsBy(of, q)
	if err == nil && len(found) > 0 {
		s.note(ref.Patient(of), "")
	}
	return found, err
}

// factsBy reads on until the page is full.
func (s *sight) factsBy(of ref.Episode, q fact.Page) ([]fact.Fact, error) {
	var kept []fact.Fact
	wanted := q.Max
	for {
		found, err := s.Reader.FactsBy(of, q)
		if err != nil || !s.clinical() {
			return found, err
		}
		seen, err := s.withoutRatings(found, of)
		if err != nil {
			return nil, err
		}
		kept = append(kept, seen...)
		if len(kept) >= wanted || len(found) < q.Max {
			return kept, s.ctx.Err()
		}
		key := found[len(found)-1].Key()
		q.After, q.Max = &key, wanted-len(kept)
	}
}

// FactsAt of the episodes that the caller may see.
func (s *sight) FactsAt(of []ref.Episode, at time.Time) (map[ref.Episode][]fact.Fact, error) {
	kept, err := s.visible(of)
	if err != nil || len(kept) == 0 {
		return map[ref.Episode][]fact.Fact{}, err
	}
	found, err := s.allWithoutRatings(s.Reader.FactsAt(kept, at))
	return seen(s, found, err)
}

// TakenIn of an episode that the caller may see.
func (s *sight) TakenIn(of ref.Episode, kind fact.Kind) ([]fact.Taken, error) {
	kept, err := s.visible([]ref.Episode{of})
	if err != nil || len(kept) == 0 {
		return nil, err
	}
	found, err := s.Reader.TakenIn(of, kind)
	if err == nil {
		found, err = s.takenWithoutRatings(found)
	}
	if len(found) > 0 {
		s.note(ref.Patient(of), "")
	}
	return found, err
}

// TakenFrom gives the facts of sources whose patients the caller may see.
func (s *sight) TakenFrom(keys ...int64) ([]fact.Taken, error) {
	found, err := s.Reader.TakenFrom(keys...)
	if err == nil {
		found, err = s.takenWithoutRatings(found)
	}
	if err == nil {
		of := make([]ref.Patient, len(found))
		for i := range found {
			of[i] = ref.Patient(found[i].Episode)
		}
		err = s.ahead(of)
	}
	if err != nil {
		return nil, err
	}
	kept := found[:0]
	for _, f := range found {
		ok, err := s.derived(ref.Patient(f.Episode), episodeTypes...)
		if err != nil {
			return nil, err
		}
		if ok {
			s.note(ref.Patient(f.Episode), "")
			kept = append(kept, f)
		}
	}
	return kept, nil
}

// AlertsOf gives the alerts of each episode that the caller may see.
func (s *sight) AlertsOf(of []ref.Episode) (map[ref.Episode][]alert.Alert, error) {
	found, err := s.Reader.AlertsOf(of)
	if err != nil {
		return nil, err
	}
	for e, alerts := range found {
		if found[e], err = s.alerts(alerts); err != nil {
			return nil, err
		}
	}
	return found, nil
}

func (s *sight) alerts(of []alert.Alert) ([]alert.Alert, error) {
	var kept []alert.Alert
	for _, a := range of {
		ok, err := s.seesAlert(a)
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		if a, err = s.unratedAlert(a); err != nil {
			return nil, err
		}
		kept = append(kept, a)
	}
	return kept, nil
}

// Alert returns one that the caller may see. Errors: NotFound, also for what they may not.
func (s *sight) Alert(id string) (alert.Alert, error) {
	a, err := s.Reader.Alert(id)
	if err != nil {
		return a, err
	}
	ok, err := s.seesAlert(a)
	if err == nil && !ok {
		return alert.Alert{}, fault.Newf(fault.NotFound, "not-found", "there is no such alert")
	}
	if err != nil {
		return a, err
	}
	return s.unratedAlert(a)
}

// ListAlerts returns a page of alerts that the caller may see.
func (s *sight) ListAlerts(q alert.Query) ([]alert.Alert, error) {
	var kept []alert.Alert
	wanted := q.Max
	for {
		found, err := s.Reader.ListAlerts(q)
		if err != nil {
			return nil, err
		}
		seen, err := s.alerts(found)
		if err != nil {
			return nil, err
		}
		kept = append(kept, seen...)
		if len(kept) >= wanted || len(found) < q.Max {
			return kept, s.ctx.Err()
		}
		last := found[len(found)-1]
		q.After = alert.Place{Severity: last.Severity, Effective: last.Effective, ID: last.ID}
		q.Max = wanted - len(kept)
	}
}

// CountAlerts counts alerts. Numbers over all patients tell nothing of one; those of one are for who may see that one.
func (s *sight) CountAlerts(q alert.Query) ([]alert.Tally, error) {
	if q.Patient != "" {
		ok, err := s.derived(q.Patient, "DetectedIssue")
		if err != nil || !ok {
			return nil, err
		}
	}
	return s.Reader.CountAlerts(q)
}

// Versions returns a page of versions that the caller may see. A deletion is told to whoever may see the whole type.
// What is not shown is not looked at: to read each of thousands would make whoever leafs slowly through a search slower still.
func (s *sight) Versions(p record.Past) ([]record.Kept, error) {
	if p.Unshown {
		return s.Reader.Versions(p)
	}
	var kept []record.Kept
	wanted := p.Max
	for {
		found, err := s.Reader.Versions(p)
		if err != nil {
			return nil, err
		}
		for _, one := range found {
			ok, err := s.seesVersion(one.Resource)
			if err != nil {
				return nil, err
			}
			if ok {
				kept = append(kept, one)
			}
		}
		if len(kept) >= wanted || len(found) < p.Max {
			return kept, s.ctx.Err()
		}
		p.After, p.Max = found[len(found)-1], wanted-len(kept)
	}
}

// PatientsAfter gives the patients whom the caller's scopes and their consents reach.
func (s *sight) PatientsAfter(after ref.Patient, types []string, max int) ([]ref.Patient, error) {
	var kept []ref.Patient
	for {
		found, err := s.Reader.PatientsAfter(after, types, max-len(kept))
		if err != nil {
			return nil, err
		}
		for _, p := range found {
			after = p
			v, err := s.verdictOf(p)
			if err != nil {
				return nil, err
			}
			if v.shared && (s.who.Patient == "" || !s.who.Scopes.ByPatient() || s.who.Patient == p) {
				kept = append(kept, p)
			}
		}
		if len(kept) >= max || len(found) == 0 {
			return kept, s.ctx.Err()
		}
	}
}

var (
	_ store.Store  = (*Guard)(nil)
	_ store.Reader = (*sight)(nil)
)
