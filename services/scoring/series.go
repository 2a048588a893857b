package scoring

import (
	"fmt"
	"time"

	"github.com/rapport-health/rapport/services/domain/alliance"
	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/instrument"
)

// Rated is what one rating of a series meant for the dyad.
type Rated struct {
	// At is its place in the series, from 1.
	At int
	// Value that was rated, and the Usual level it was compared with; nil before there is one.
	Value float64
	Usual *float64
	// Event as the detector names it.
	Event alliance.Event
	// Unconfirmed says that the event rests on something that no source that was read confirms.
	Unconfirmed bool
}

// Series shows what the alliance detector makes of the ratings of one dyad, session by session; nil is a session that
// was not rated and is passed over. The rupture is the open one, or the last one closed; nil when there was none.
// Errors: NotFound for an unknown instrument or score, NotSupported for a score that no detector watches, Invalid for
// ratings that the score cannot have.
func (s *Server) Series(id, code string, ratings []*float64) ([]Rated, *alliance.Rupture, error) {
	def, err := s.lookup(id)
	if err != nil {
		return nil, nil, err
	}
	key, err := scoreOf(def, code)
	if err != nil {
		return nil, nil, err
	}
	if !alliance.Watches(def.ID, code) {
		return nil, nil, fault.New(fault.NotSupported, fault.Errorf("not-supported", "score",
			"no detector watches %s %s: it watches wai-sr total-mean and srs total", def.ID, code))
	}
	if issues := offRange(def, key, ratings); len(issues) > 0 {
		return nil, nil, fault.New(fault.Invalid, issues...)
	}
	dyad := &alliance.Dyad{Rater: def.Respondent, Instrument: def.ID}
	var rated []Rated
	for n, rating := range ratings {
		if rating == nil {
			continue
		}
		sheet, _ := fact.External(def, code, *rating, "")
		dyad = dyad.Rate(fact.Key{At: session(n)}, sheet)
		rated = append(rated, Rated{n + 1, *rating, dyad.Chart.Usual, dyad.Event, dyad.Unconfirmed()})
	}
	var last *alliance.Rupture
	if all := dyad.Ruptures(); len(all) > 0 {
		last = all[len(all)-1]
	}
	return rated, last, nil
}

// session is a moment for the n-th rating: the detector asks only for their order.
func session(n int) time.Time { return time.Unix(0, 0).UTC().AddDate(0, 0, n) }

func offRange(def *instrument.Definition, key *instrument.Score, ratings []*float64) []fault.Issue {
	var issues []fault.Issue
	for n, rating := range ratings {
		if rating == nil {
			continue
		}
		if _, ok := fact.External(def, key.Code, *rating, ""); !ok {
			issues = append(issues, beyond(def, key, fmt.Sprintf("series[%d]", n)))
		}
	}
	return issues
}
