package auth

import (
	"bytes"
	"context"
	"slices"
	"time"

	"github.com/rapport-health/rapport/services/domain/access"
	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/episode"
	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/feed"
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

// verdict is what a patient's consents say to the caller.
type verdict struct {
	consents []access.Consent
	// shared says that the patient's data may be seen at all, but for what a consent says of single types and labels.
	shared bool
	// open says that there is no consent, so that nothing more is to be decided.
	open bool
}

// maxConsents bounds the consents that are read of one patient.
const maxConsents = 50

// verdictOf reads the patient's consents once per view.
func (s *sight) verdictOf(p ref.Patient) (verdict, error) {
	if p == "" {
		return verdict{shared: true, open: true}, nil
	}
	if v, ok := s.patients[p]; ok {
		return v, nil
	}
	found, err := s.Reader.Search(record.Query{Type: "Consent", Patient: p, Max: maxConsents})
	if err != nil {
		return verdict{}, err
	}
	v := s.verdictBy(found)
	s.patients[p] = v
	return v, nil
}

// verdictBy the consents of a patient.
func (s *sight) verdictBy(found []record.Record) verdict {
	v := verdict{open: len(found) == 0}
	for _, r := range found {
		if c, ok := readConsent(r.Raw); ok {
			v.consents = append(v.consents, c)
		}
	}
	v.shared = s.permits(v, "", nil)
	if !v.shared && s.who.Broken != "" {
		v.shared, v.open = true, true
	}
	return v
}

// ahead finds out of several patients at once who has no consents: of most of them nothing more has to be read.
func (s *sight) ahead(of []ref.Patient) error {
	of = slices.DeleteFunc(of, func(p ref.Patient) bool { _, known := s.patients[p]; return known || p == "" })
	if slices.Sort(of); len(of) < 2 {
		return nil
	}
	of = slices.Compact(of)
	having, err := s.Reader.Having("Consent", of...)
	if err != nil {
		return err
	}
	for _, p := range of {
		if !slices.Contains(having, p) {
			s.patients[p] = s.verdictBy(nil)
		}
	}
	return nil
}

// permits decides by consent and policy. A patient sees their own data.
func (s *sight) permits(v verdict, typ string, labels []string) bool {
	if s.who.Patient != "" && s.who.Person == "Patient/"+string(s.who.Patient) {
		return true
	}
	actors := []string{s.who.Person, s.who.Role, s.who.Name}
	return s.guard.policy.Permits(v.consents, access.Sharing{
		Purpose: s.who.For(), Actors: actors, Type: typ, Labels: labels, At: s.guard.now(),
	})
}

// reaches says whether the caller's scopes reach a patient's data at all.
func (s *sight) reaches(typ string, p ref.Patient) bool {
	thing := access.Thing{Type: typ, Patient: p}
	return s.who.Sees(thing, access.Read) || s.who.Sees(thing, access.Search) ||
		s.verbs&access.Update != 0 && s.who.Sees(thing, access.Update)
}

// sees decides one record.
func (s *sight) sees(r record.Record) (bool, error) {
	thing := access.Thing{Type: r.Type, ID: r.ID, Patient: r.Patient, Raw: r.Raw}
	reached := false
	for _, verb := range []access.Verbs{access.Read, access.Search, access.Update, access.Create, access.Delete} {
		reached = reached || s.verbs&verb != 0 && s.who.Sees(thing, verb)
	}
	if !reached {
		return false, nil
	}
	if rates, err := s.ratesIn(r); err != nil || rates {
		return false, err
	}
	v, err := s.verdictOf(r.Patient)
	if err != nil {
		return false, err
	}
	var labels []string
	if bytes.Contains(r.Raw, []byte(`"security"`)) {
		labels = labelsOf(r.Raw)
	}
	broken := s.who.Broken != ""
	if !broken && s.guard.policy.Sensitive(s.who, labels) {
		return false, nil
	}
	// A consent is not hidden by what it says itself: who keeps it must be able to change it.
	if r.Type != "Consent" && (!v.open && !broken && !s.permits(v, r.Type, labels) || !v.shared) {
		return false, nil
	}
	s.note(r.Patient, r.Unversioned().String())
	return true, nil
}

func (s *sight) note(p ref.Patient, thing string) {
	if s.trail != nil {
		s.trail.touch(p, thing)
	}
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

func patientsOf(found []record.Record) []ref.Patient {
	out := make([]ref.Patient, len(found))
	for i := range found {
		out[i] = found[i].Patient
	}
	return out
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

// patientData says whether what is made of a patient's data may be seen: scores, states and alerts, which cannot be taken
// apart by the labels of what they were made from. So one sensitive source that the caller is not cleared for hides them.
func (s *sight) patientData(p ref.Patient) (bool, error) {
	v, err := s.verdictOf(p)
	if err != nil || !v.shared {
		return false, err
	}
	if s.who.Cleared(access.Any) || s.who.Broken != "" {
		return true, nil
	}
	for _, typ := range []string{"QuestionnaireResponse", "Observation"} {
		q := record.Query{Type: typ, Patient: p, Max: 200}
		for {
			found, err := s.Reader.Search(q)
			if err != nil {
				return false, err
			}
			for _, r := range found {
				if bytes.Contains(r.Raw, []byte(`"security"`)) && s.guard.policy.Sensitive(s.who, labelsOf(r.Raw)) {
					return false, nil
				}
			}
			if len(found) < q.Max {
				break
			}
			last := found[len(found)-1]
			q.After = record.Place{From: last.From, Resource: last.Resource}
		}
	}
	return true, nil
}

// derived decides what is made of one patient's data.
func (s *sight) derived(p ref.Patient, types ...string) (bool, error) {
	if !slices.ContainsFunc(types, func(typ string) bool { return s.reaches(typ, p) }) {
		return false, nil
	}
	return s.patientData(p)
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

// seesAlert decides one alert: by its patient, and by the feeds to which it went.
func (s *sight) seesAlert(a alert.Alert) (bool, error) {
	if !s.who.Feeds.All() && len(a.Feeds) > 0 {
		follows := false
		for _, name := range a.Feeds {
			members, err := s.membersOf(name)
			if err != nil {
				return false, err
			}
			follows = follows || s.who.Follows(name, members)
		}
		if !follows {
			return false, nil
		}
	}
	if !s.who.Feeds.All() && len(a.Feeds) == 0 {
		return false, nil
	}
	ok, err := s.derived(a.Patient, "DetectedIssue", "Task")
	if ok {
		s.note(a.Patient, "DetectedIssue/"+a.ID)
	}
	return ok, err
}

func (s *sight) membersOf(name feed.Name) ([]access.Member, error) {
	team, ok := cutTeam(name)
	if !ok || !s.who.Feeds.ByRole() {
		return nil, nil
	}
	if known, ok := s.teams[team]; ok {
		return known, nil
	}
	members, err := TeamMembers(s.Reader, team)
	s.teams[team] = members
	return members, err
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

func (s *sight) seesVersion(of ref.Resource) (bool, error) {
	r, err := s.Reader.Record(of)
	if fault.Of(err) == fault.NotFound {
		return s.who.AllowFreely(of.Type, access.Read) && !s.who.Scopes.ByPatient(), nil
	}
	if err != nil {
		return false, err
	}
	return s.sees(r)
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
