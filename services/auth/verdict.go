package auth

import (
	"bytes"
	"slices"

	"github.com/rapport-health/rapport/services/domain/access"
	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/ref"
)

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

func patientsOf(found []record.Record) []ref.Patient {
	out := make([]ref.Patient, len(found))
	for i := range found {
		out[i] = found[i].Patient
	}
	return out
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
