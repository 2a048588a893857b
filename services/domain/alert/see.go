package alert

import (
	"slices"
	"strings"
	"time"

	"github.com/rapport-health/rapport/services/domain/access"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/judge"
)

// Sight is an alert as one reader may read it.
type Sight struct {
	Alert
	// Withheld says that what the patient said of a clinician is left out.
	Withheld bool
}

// As is the alert as a principal may read it; false where it is not for them at all. The clinician whom the patient rated
// reads it without the rating. A care partner reads what was written for care partners, of the alerts that they are told;
// a patient reads none. A system, which acts for no person, reads everything.
func (a Alert) As(p access.Principal) (Sight, bool) {
	kind, _, _ := strings.Cut(p.Person, "/")
	switch {
	case kind == "Patient" || kind == "RelatedPerson" && !a.tells(p.Person):
		return Sight{}, false
	case kind == "RelatedPerson":
		return a.ForPartners(), true
	case a.RatedBy(p):
		return a.withhold(p.Person), true
	}
	return Sight{Alert: a}, true
}

// RatedBy says whether a principal is the clinician whose rating by the patient lies behind the alert.
func (a Alert) RatedBy(p access.Principal) bool { return a.Rated != "" && a.Rated == p.Person }

// tells says whether a person is told of the alert.
func (a Alert) tells(person string) bool {
	return slices.ContainsFunc(a.Recipients, func(r Recipient) bool { return r.Person == person })
}

// ForFeed is the alert as it stands in feeds, which do not know who reads them: without texts of comments, and without
// the rating where one lies behind it.
func (a Alert) ForFeed() Sight {
	if a.Rated != "" {
		return a.withhold("")
	}
	s := Sight{Alert: a}
	s.mute("")
	return s
}

// withhold leaves out all that tells what the patient said, and what only makes sense beside it. The title is everybody's.
func (a Alert) withhold(reader string) Sight {
	s := Sight{Alert: a}
	s.Withheld = true
	s.hide()
	s.Seen = a.Withheld
	s.Translations = map[string]judge.Wording{}
	for tag, w := range a.Translations {
		s.Translations[tag] = judge.Wording{Title: w.Title, Seen: w.Withheld}
	}
	s.mute(reader)
	return s
}

// hide leaves out the wording and everything that it rests on.
func (s *Sight) hide() {
	s.Seen, s.Question, s.Phrase, s.Evidence, s.Alert.Withheld, s.Partner, s.Group, s.Rated = "", "", "", "", "", "", "", ""
	s.Numbers, s.Facts, s.Sources, s.Proposal = nil, nil, nil, nil
}

// mute leaves out the texts of comments, those of one author excepted.
func (s *Sight) mute(except string) {
	s.History = slices.Clone(s.History)
	for i := range s.History {
		if s.History[i].Actor != except {
			s.History[i].Text = ""
		}
	}
}

// ForPartners is what was written for care partners, and where the alert stands. Who on the team did what is theirs.
func (a Alert) ForPartners() Sight {
	s := Sight{Alert: a}
	s.hide()
	s.Title, s.Seen, s.Finding, s.Rule, s.RuleVersion, s.Cause, s.Roles = "", a.Partner, "", "", "", "", nil
	s.Assignee, s.Follows, s.SuppressedBy, s.SuppressedBecause, s.WaitingBecause, s.Routed = "", "", "", "", "", ""
	s.EachRole, s.AckedBy, s.Ladder, s.Rung, s.Due, s.History = nil, nil, nil, 0, time.Time{}, nil
	s.Feeds = slices.DeleteFunc(slices.Clone(a.Feeds), func(n feed.Name) bool { return !n.ForPartner() })
	s.Recipients = slices.DeleteFunc(slices.Clone(a.Recipients), func(r Recipient) bool { return r.Role != CarePartner })
	s.Translations = map[string]judge.Wording{}
	for tag, w := range a.Translations {
		s.Translations[tag] = judge.Wording{Seen: w.Partner}
	}
	return s
}

// In is the sight in a language, by BCP 47 tag; `de-AT` is served by `de`. Where the wording is not written in it, it comes
// in that of the rules, and Language is empty.
func (s Sight) In(language string) Sight {
	w, tag := s.Words(language)
	for _, one := range []struct {
		into *string
		text string
	}{{&s.Title, w.Title}, {&s.Seen, w.Seen}, {&s.Question, w.Question}, {&s.Phrase, w.Phrase}} {
		if one.text != "" && *one.into != "" { // what is not translated stays, and what is left out stays out
			*one.into = one.text
		}
	}
	if s.Proposal != nil && w.Proposal != "" {
		translated := *s.Proposal
		translated.Text = w.Proposal
		s.Proposal = &translated
	}
	s.Language = tag
	return s
}
