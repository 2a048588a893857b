package auth

import (
	"bytes"
	"slices"
	"strings"

	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/episode"
	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/ref"
)

// What a patient, or somebody close to them, said of a clinician is not there for that clinician, at any door and by any name:
// neither the form, nor the scores, nor a state that was folded from them. A broken glass does not show it either, since
// nobody's care depends on it. What clinicians said themselves is theirs to read.

const (
	allianceConstruct = "alliance"
	ownRater          = "clinician"
	practitioner      = "Practitioner/"
	practitionerRole  = "PractitionerRole/"
	// ratedExtension is how a form names whom it rates.
	ratedExtension = "rated-clinician"
)

// clinical says whether the caller acts for somebody who may be rated.
func (s *sight) clinical() bool {
	return strings.HasPrefix(s.who.Person, practitioner) || strings.HasPrefix(s.who.Person, practitionerRole)
}

// mayBe says whether a clinician may be the one whom the caller acts for. Behind a role anybody may be.
func (s *sight) mayBe(c ref.Clinician) bool {
	person := s.who.Person
	return string(c) == person || c != "" && strings.HasPrefix(person, practitionerRole) != strings.HasPrefix(string(c), practitionerRole)
}

// rates says whether scores are somebody else's rating of the caller.
func (s *sight) rates(sc *fact.Scores, of ref.Episode) (bool, error) {
	if sc == nil || !s.clinical() || sc.Construct != allianceConstruct || sc.Respondent == ownRater {
		return false, nil
	}
	if sc.Clinician != "" || sc.Encounter == "" {
		return s.mayBe(sc.Clinician), nil
	}
	visits, err := s.visitsOf(of)
	return slices.ContainsFunc(visits, func(v *fact.Visit) bool {
		return (v.ID == sc.Encounter || v.Appointment == sc.Encounter) && (s.mayBe(v.Clinician) || slices.ContainsFunc(v.Clinicians, s.mayBe))
	}), err
}

// visitsOf reads the visits of an episode once per view: a rating may name its visit alone.
func (s *sight) visitsOf(of ref.Episode) ([]*fact.Visit, error) {
	if known, ok := s.visits[of]; ok {
		return known, nil
	}
	found, err := s.Reader.Facts([]ref.Episode{of})
	if err != nil {
		return nil, err
	}
	visits := []*fact.Visit{}
	for _, f := range found[of] {
		if f.Visit != nil {
			visits = append(visits, f.Visit)
		}
	}
	s.visits[of] = visits
	return visits, nil
}

// withoutRatings leaves out the ratings of the caller.
func (s *sight) withoutRatings(facts []fact.Fact, of ref.Episode) ([]fact.Fact, error) {
	if !s.clinical() {
		return facts, nil
	}
	kept := make([]fact.Fact, 0, len(facts))
	for _, f := range facts {
		rates, err := s.rates(f.Scores, of)
		if err != nil {
			return nil, err
		}
		if !rates {
			kept = append(kept, f)
		}
	}
	return kept, nil
}

// allWithoutRatings is withoutRatings of several episodes.
func (s *sight) allWithoutRatings(found map[ref.Episode][]fact.Fact, err error) (map[ref.Episode][]fact.Fact, error) {
	for e := range found {
		if err == nil {
			found[e], err = s.withoutRatings(found[e], e)
		}
	}
	return found, err
}

// takenWithoutRatings is withoutRatings of facts ever taken.
func (s *sight) takenWithoutRatings(found []fact.Taken) ([]fact.Taken, error) {
	if !s.clinical() {
		return found, nil
	}
	kept := make([]fact.Taken, 0, len(found))
	for _, f := range found {
		rates, err := s.rates(f.Scores, f.Episode)
		if err != nil {
			return nil, err
		}
		if !rates {
			kept = append(kept, f)
		}
	}
	return kept, nil
}

// unrated is a state as it is without the ratings of the caller; false when nothing is left of it.
func (s *sight) unrated(state *episode.State) (*episode.State, bool, error) {
	if !s.clinical() {
		return state, true, nil
	}
	found, err := s.Reader.Facts([]ref.Episode{state.Episode})
	if err != nil {
		return nil, false, err
	}
	facts := found[state.Episode]
	kept, err := s.withoutRatings(facts, state.Episode)
	if err != nil || len(kept) == len(facts) {
		return state, true, err
	}
	return state.Terms().New(state.Patient).Replay(kept), len(kept) > 0, nil
}

// ratesIn says whether a record is a rating of the caller: facts were taken from it that are, or it says so itself.
func (s *sight) ratesIn(r record.Record) (bool, error) {
	if !s.clinical() || r.Type != "QuestionnaireResponse" && r.Type != "Observation" {
		return false, nil
	}
	if ratings, err := s.ratingsFrom(r.Unversioned()); err != nil || len(ratings) > 0 {
		return len(ratings) > 0, err
	}
	// What could not be scored holds answers all the same.
	return bytes.Contains(r.Raw, []byte(ratedExtension)) && s.named(r.Raw) && !s.answeredBy(r), nil
}

// ratingsFrom are the facts from a resource that are ratings of the caller.
func (s *sight) ratingsFrom(name ref.Resource) (ids []string, err error) {
	taken, err := s.Reader.TakenFrom(ref.SourceKey(s.who.Tenant, name.String()))
	for _, f := range taken {
		if err != nil {
			return nil, err
		}
		if f.Source.Unversioned() != name {
			continue
		}
		var rates bool
		if rates, err = s.rates(f.Scores, f.Episode); rates {
			ids = append(ids, f.ID)
		}
	}
	return ids, err
}

// unratedAlert is an alert for the caller. One about their rating says so, so that it is read without it; another that rests
// on the rating, as that nobody was there to be told of it, does not lead to it.
func (s *sight) unratedAlert(a alert.Alert) (alert.Alert, error) {
	switch {
	case !s.clinical():
		return a, nil
	case a.Rated != "":
		if s.mayBe(ref.Clinician(a.Rated)) {
			a.Rated = s.who.Person
		}
		return a, nil
	}
	var sources []ref.Resource
	for _, source := range a.Sources {
		ratings, err := s.ratingsFrom(source.Unversioned())
		if err != nil {
			return a, err
		}
		if len(ratings) == 0 {
			sources = append(sources, source)
			continue
		}
		a.Numbers = nil
		a.Facts = slices.DeleteFunc(slices.Clone(a.Facts), func(id string) bool { return slices.Contains(ratings, id) })
	}
	a.Sources = sources
	return a, nil
}

// named says whether a body may name the caller.
func (s *sight) named(body []byte) bool {
	return strings.HasPrefix(s.who.Person, practitionerRole) || bytes.Contains(body, []byte(`"`+practitionerRole)) || bytes.Contains(body, []byte(`"`+s.who.Person+`"`))
}

// answeredBy says whether the caller filled a form in.
func (s *sight) answeredBy(r record.Record) bool {
	for _, f := range []string{`"source"`, `"author"`, `"performer"`} {
		at := bytes.Index(r.Raw, []byte(f))
		if at < 0 {
			continue
		}
		end := bytes.IndexByte(r.Raw[at:], '}')
		if end > 0 && bytes.Contains(r.Raw[at:at+end], []byte(`"`+s.who.Person+`"`)) {
			return true
		}
	}
	return false
}
