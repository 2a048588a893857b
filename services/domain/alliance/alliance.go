// Package alliance follows the working relationship of each dyad: its scores, its ruptures and their repair.
package alliance

import (
	"slices"
	"strings"
	"time"

	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/domain/trend"
)

// maxTracks bounds the scores followed per dyad; the built-in instruments have at most five.
const maxTracks = 12

// Dyad is the relationship of the patient with one clinician as one rater sees it through one instrument.
type Dyad struct {
	// Clinician it is about; empty when the rating named none.
	Clinician ref.Clinician `json:"clinician,omitempty"`
	// Rater is `patient`, `clinician` or `care-partner`.
	Rater string `json:"rater"`
	// Instrument id, and the Version that scored the last rating.
	Instrument string `json:"instrument"`
	Version    string `json:"version,omitempty"`
	// Sessions is the number of ratings with at least one score.
	Sessions int `json:"sessions"`
	// Rated is when the last rating was given.
	Rated time.Time `json:"rated"`
	// Fact of the last rating.
	Fact string `json:"fact,omitempty"`
	// Event is what the last rating meant.
	Event Event `json:"event"`
	// Tracks of its scores in the instrument's order: totals and parts, and the mean that a detector watches.
	Tracks []trend.Track `json:"tracks,omitempty"`
	// Chart of the detector.
	Chart Chart `json:"chart,omitzero"`
}

// Same says whether a rating belongs to the dyad.
func (d *Dyad) Same(clinician ref.Clinician, s *fact.Scores) bool {
	return d.Clinician == clinician && d.Rater == s.Respondent && d.Instrument == s.Instrument
}

// Track of a score; false when it was never scorable.
func (d *Dyad) Track(code string) (trend.Track, bool) {
	for i := range d.Tracks {
		if d.Tracks[i].Code == code {
			return d.Tracks[i], true
		}
	}
	return trend.Track{}, false
}

// Change is the last rating minus the usual level it was compared with; false before there is a baseline.
func (d *Dyad) Change() (float64, bool) {
	t, ok := d.watched()
	if d.Chart.Usual == nil || !ok {
		return 0, false
	}
	return t.Last.Value - *d.Chart.Usual, true
}

// Unconfirmed says that the rating which a detector watches, or its error band, is confirmed by no source that was read.
func (d *Dyad) Unconfirmed() bool {
	t, _ := d.watched()
	return t.Last.Unconfirmed || t.ReliableUnconfirmed
}

// watched is the track of the score that a detector watches; false when none does.
func (d *Dyad) watched() (trend.Track, bool) {
	for _, det := range detectors {
		if t, ok := d.Track(det.Code); ok && det.Instrument == d.Instrument {
			return t, true
		}
	}
	return trend.Track{}, false
}

// Rate takes the next rating and returns the dyad after it. The dyad it is called on stays as it is.
// A form on which nothing could be scored is an unrated visit: it counts for nothing.
func (d *Dyad) Rate(at time.Time, s *fact.Scores) *Dyad {
	next := *d
	next.Event = None
	if d.Version != "" && d.Version != s.Version {
		next.Chart = next.Chart.Restart(at)
	}
	next.Version = s.Version
	if !slices.ContainsFunc(s.Scores, trend.Scorable) {
		return &next
	}
	next.Sessions, next.Rated = d.Sessions+1, at
	next.Tracks = slices.Clone(d.Tracks)
	for _, score := range s.Scores {
		if trend.Scorable(score) && followed(s.Instrument, score.Code) {
			next.rate(at, score)
		}
	}
	return &next
}

func (d *Dyad) rate(at time.Time, score fact.Score) {
	i := slices.IndexFunc(d.Tracks, func(t trend.Track) bool { return t.Code == score.Code })
	if i < 0 {
		if len(d.Tracks) == maxTracks {
			return
		}
		i = len(d.Tracks)
		d.Tracks = append(d.Tracks, trend.Track{})
	}
	was := d.Tracks[i]
	d.Tracks[i] = was.Follow(at, score)
	for _, det := range detectors {
		if det.Instrument == d.Instrument && det.Code == score.Code {
			d.Chart, d.Event = det.Rate(d.Chart, at, *score.Value)
		}
	}
	for _, step := range steps {
		if step.Instrument == d.Instrument && step.Code == score.Code && was.Count > 0 && was.Last.Value-*score.Value >= step.Points-tolerance {
			d.Event = Fell
		}
	}
}

// followed leaves out means that only repeat a sum on another scale, except the one a detector watches.
func followed(instrument, code string) bool {
	return !strings.HasSuffix(code, "-mean") ||
		slices.ContainsFunc(detectors, func(d Detector) bool { return d.Instrument == instrument && d.Code == code })
}

// Watches says whether a detector, or a step of a session form, looks at a score, so that its ratings have events.
func Watches(instrument, code string) bool {
	return slices.ContainsFunc(detectors, func(d Detector) bool { return d.Instrument == instrument && d.Code == code }) ||
		slices.ContainsFunc(steps, func(s Step) bool { return s.Instrument == instrument && s.Code == code })
}
