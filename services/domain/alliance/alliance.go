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

// The raters.
const (
	Patient     = "patient"
	Clinician   = "clinician"
	CarePartner = "care-partner"
)

// Dyad is the relationship of the patient with one clinician as one rater sees it through one instrument.
type Dyad struct {
	// Clinician it is about; empty for the team as a whole: the rating named none.
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
	// Left is when the clinician left the patient's care; zero while caring.
	Left time.Time `json:"left,omitzero"`
	// Event is what the last rating meant.
	Event Event `json:"event"`
	// Facts are the ids of the last ratings, oldest first, at most four.
	Facts []string `json:"facts,omitempty"`
	// Tracks of its scores in the instrument's order: totals and parts, and the mean that a detector watches.
	Tracks []trend.Track `json:"tracks,omitempty"`
	// Levels are the control charts of the same scores, in the same order.
	Levels []Level `json:"levels,omitempty"`
	// Chart of the detector; its rupture is the open one.
	Chart Chart `json:"chart,omitzero"`
	// Other is an open rupture that the detector does not tell: of one part, or by behaviour. There is one at a time, and
	// none while the detector's is open.
	Other *Rupture `json:"other,omitempty"`
	// Bad is the last rating when it was of a bad session; nil when it was not, or what followed is told by Other.
	Bad *Bad `json:"bad,omitempty"`
	// StrainCount counts the strains, Strains are the last of them: they are recorded, and are no ruptures.
	StrainCount int        `json:"strainCount,omitempty"`
	Strains     []Strained `json:"strains,omitempty"`
	// Past are the ruptures closed last, oldest first, at most four; Closed counts all.
	Past   []Rupture `json:"past,omitempty"`
	Closed int       `json:"closed,omitempty"`
}

// Strained is a rating somewhat below the usual level.
type Strained struct {
	// At is when it was rated, by which Fact.
	At   time.Time `json:"at"`
	Fact string    `json:"fact"`
	// Value rated and the Usual level, in points.
	Value float64 `json:"value"`
	Usual float64 `json:"usual"`
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

// Level of a score; nil when it was never scorable.
func (d *Dyad) Level(code string) *Level {
	for i := range d.Levels {
		if d.Levels[i].Code == code {
			return &d.Levels[i]
		}
	}
	return nil
}

// Main is the level that stands for the whole: that of the total, else of its mean, else the first; nil before a rating.
func (d *Dyad) Main() *Level {
	for _, code := range [...]string{total, totalMean} {
		if l := d.Level(code); l != nil {
			return l
		}
	}
	if len(d.Levels) > 0 {
		return &d.Levels[0]
	}
	return nil
}

// The codes of the whole, by the house's own convention.
const (
	total     = "total"
	totalMean = "total-mean"
)

// Open is the rupture that is open, whatever its kind; nil when there is none.
func (d *Dyad) Open() *Rupture {
	if d.Chart.Open() {
		return d.Chart.Rupture
	}
	return d.Other
}

// Ruptures are all that are remembered, oldest first, the open one last.
func (d *Dyad) Ruptures() []*Rupture {
	var all []*Rupture
	for i := range d.Past {
		all = append(all, &d.Past[i])
	}
	if r := d.Open(); r != nil {
		all = append(all, r)
	}
	return all
}

// Change is the last rating minus the usual level it was compared with; false before there is a baseline.
func (d *Dyad) Change() (float64, bool) {
	t, ok := d.watched()
	if d.Chart.Usual == nil || !ok {
		return 0, false
	}
	return t.Last.Value - *d.Chart.Usual, true
}

// Unconfirmed says that what the last rating meant rests on something that no source that was read confirms: the rating
// itself, the error band of the detector, or the step of a session form. It is false while nothing was compared.
func (d *Dyad) Unconfirmed() bool {
	if d.Event == Fell {
		return true // of no step is there a source
	}
	t, _ := d.watched()
	return d.Chart.Usual != nil && (t.Last.Unconfirmed || t.ReliableUnconfirmed)
}

// watched is the track of the score that a detector watches; false when none does.
func (d *Dyad) watched() (trend.Track, bool) {
	if det := d.detector(); det != nil {
		return d.Track(det.Code)
	}
	return trend.Track{}, false
}

func (d *Dyad) detector() *Detector {
	for i := range detectors {
		if detectors[i].Instrument == d.Instrument {
			return &detectors[i]
		}
	}
	return nil
}

// Rate takes the next rating and returns the dyad after it. The dyad it is called on stays as it is.
// A form on which nothing could be scored is an unrated visit: it counts for nothing.
func (d *Dyad) Rate(key fact.Key, s *fact.Scores) *Dyad {
	next := *d
	next.Event = None
	if d.Version != "" && d.Version != s.Version {
		next.restart(key.At, NewVersion)
	}
	next.Version = s.Version
	if !slices.ContainsFunc(s.Scores, trend.Scorable) {
		return &next
	}
	next.Sessions, next.Rated, next.Left = d.Sessions+1, key.At, time.Time{}
	next.Facts = tail(append(slices.Clip(d.Facts), key.ID), maxFacts)
	next.Tracks, next.Levels = slices.Clone(d.Tracks), slices.Clone(d.Levels)
	was := next.Open() != nil
	for _, score := range s.Scores {
		if trend.Scorable(score) && followed(s.Instrument, score.Code) {
			next.rate(key.At, score)
		}
	}
	next.opened(key)
	next.follow(key.At)
	next.part(key)
	next.keep(key.At, was)
	next.weigh(key)
	next.archive()
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
		d.Levels = append(d.Levels, Level{})
	}
	was := d.Tracks[i]
	d.Tracks[i] = was.Follow(at, score)
	d.Levels[i].look(score)
	if det := d.detector(); det != nil && det.Code == score.Code {
		d.Chart, d.Event = det.Rate(d.Chart, at, *score.Value)
	}
	if step := d.step(score.Code); step != nil && d.Event == None && d.Open() == nil && was.Count > 0 && was.Last.Value-*score.Value >= step.Points-tolerance {
		d.Event = Fell
	}
}

func (d *Dyad) step(code string) *Step {
	for i := range steps {
		if steps[i].Instrument == d.Instrument && steps[i].Code == code {
			return &steps[i]
		}
	}
	return nil
}

// opened completes a rupture or records a strain that the detector has just told.
func (d *Dyad) opened(key fact.Key) {
	switch d.Event {
	case Ruptured, Decline:
		r := *d.Chart.Rupture
		r.Score, r.Session, r.Facts = d.detector().Code, d.Sessions, []string{key.ID}
		if d.Event == Decline {
			r.Facts = slices.Clone(d.Facts)
		}
		d.Chart.Rupture = &r
	case Strain:
		change, _ := d.Change()
		usual := *d.Chart.Usual
		d.StrainCount++
		d.Strains = tail(append(slices.Clip(d.Strains), Strained{key.At, key.ID, usual + change, usual}), maxStrains)
	}
}

// follow looks whether the other rupture has ended with this rating.
func (d *Dyad) follow(at time.Time) {
	if d.Other == nil {
		return
	}
	if d.Chart.Open() {
		d.Other = d.Other.end(at, Deepened, WholeFell)
		return
	}
	t, ok := d.Track(d.Other.Score)
	if !ok || !t.Last.At.Equal(at) {
		return
	}
	near, patience := d.margin(d.Other.Score)
	if t.Last.Value >= d.Other.Usual-near-tolerance {
		d.Other = d.Other.end(at, Mended, "")
		if d.Event != Strain {
			d.Event = Repaired
		}
		return
	}
	r := *d.Other
	r.Since = append(slices.Clip(r.Since), t.Last.Value)
	d.Other = &r
	if len(r.Since) >= patience {
		d.Other = r.end(at, r.outcome(2*near), TimeUp)
	}
}

// margin is how near the usual level a rating of a score is a return, in points, and after how many ratings it is too late.
func (d *Dyad) margin(code string) (near float64, patience int) {
	if det := d.detector(); det != nil && det.Code == code {
		return det.SEM, det.Patience
	}
	if p := d.parting(); p != nil {
		if l := d.Level(code); l != nil {
			return p.SEM * l.items(), p.Patience
		}
	}
	return 0, drawnBack
}

// keep enters the rating into the control charts, or keeps it out as long as a rupture is open or suspected.
func (d *Dyad) keep(at time.Time, was bool) {
	how := flows
	closed := d.Chart.Rupture
	if closed == nil || closed.Status == Open {
		closed = d.Other
	}
	switch {
	case d.Chart.Open() || d.Other != nil && d.Other.Status == Open:
		how = holds
	case was && closed != nil && closed.Status == Mended:
		how = returns
	case was:
		how = restarts
	}
	for i := range d.Levels {
		l := &d.Levels[i]
		if !d.Tracks[i].Last.At.Equal(at) {
			continue
		}
		if how == flows && l.Low > 0 {
			l.keep(d.Tracks[i].Last.Value, holds)
			continue
		}
		if how != flows {
			l.Low = 0
		}
		l.keep(d.Tracks[i].Last.Value, how)
	}
}

// archive puts what has closed among the past.
func (d *Dyad) archive() {
	if r := d.Chart.Rupture; r != nil && r.Status != Open {
		d.close(r)
		d.Chart.Rupture = nil
	}
	if r := d.Other; r != nil && r.Status != Open {
		d.close(r)
		d.Other = nil
	}
}

func (d *Dyad) close(r *Rupture) {
	ended := *r
	ended.EndedSession = d.Sessions
	d.Past = tail(append(slices.Clip(d.Past), ended), maxPast)
	d.Closed++
}

// restart forgets what is usual, and closes what is open without repair.
func (d *Dyad) restart(at time.Time, because string) {
	d.Chart = d.Chart.restart(at, because)
	if d.Other != nil {
		d.Other = d.Other.end(at, Unrepaired, because)
	}
	d.Bad = nil
	d.Levels = slices.Clone(d.Levels)
	for i := range d.Levels {
		d.Levels[i].restart()
	}
	d.archive()
}

// Leave is the dyad after the clinician has left, or the course has ended: what is open is closed without repair, and
// whoever comes back begins anew.
func (d *Dyad) Leave(at time.Time, because string) *Dyad {
	next := *d
	next.restart(at, because)
	next.Event, next.Left = None, at
	return &next
}

// Since is when the dyad was first rated; zero before.
func (d *Dyad) Since() time.Time {
	if len(d.Tracks) == 0 {
		return time.Time{}
	}
	return d.Tracks[0].First.At
}

// HandedOver says whether this many ratings of a clinician who came after it broke stand for a change of therapist from
// the other dyad, which is not rated any more.
func (d *Dyad) HandedOver(from *Dyad) bool {
	r := from.Open()
	return r != nil && d.Sessions == HandoverRatings && d.Clinician != "" && from.Clinician != "" && d.Clinician != from.Clinician &&
		d.Rater == from.Rater && d.Instrument == from.Instrument && d.Since().After(r.Onset) && d.Since().After(from.Rated)
}

// Record is the dyad after a clinician recorded something about its rupture: the open one, or the last one if that was
// not repaired. False says that there is none.
func (d *Dyad) Record(key fact.Key, told *fact.Repair) (*Dyad, bool) {
	next := *d
	switch last := len(d.Past) - 1; {
	case d.Chart.Open():
		next.Chart.Rupture = d.Chart.Rupture.record(key, d.Sessions, told)
	case d.Other != nil:
		next.Other = d.Other.record(key, d.Sessions, told)
	case last >= 0 && d.Past[last].Status != Mended:
		next.Past = slices.Clone(d.Past)
		next.Past[last] = *d.Past[last].record(key, d.Sessions, told)
	default:
		return d, false
	}
	return &next, true
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
