package rules

import (
	"math"
	"strings"
	"time"

	"cel.dev/cel-go/cel"

	"github.com/rapport-health/rapport/services/domain/adherence"
	"github.com/rapport-health/rapport/services/domain/alliance"
	"github.com/rapport-health/rapport/services/domain/distress"
	"github.com/rapport-health/rapport/services/domain/engagement"
	"github.com/rapport-health/rapport/services/domain/episode"
	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/judge"
	"github.com/rapport-health/rapport/services/domain/trend"
)

// source is what an Episode was made from; conditions reach it through functions only.
type source struct{ state *episode.State }

// The variables of conditions.
const (
	varBefore = "before"
	varAfter  = "after"
	varFact   = "fact"
)

// scene resolves the variables of one condition. What it makes of a state is kept for the next rule.
type scene struct {
	view judge.View
	cast *cast
}

// cast holds what was made of the states and the fact of one judgement.
type cast struct {
	states   [2]*episode.State
	episodes [2]*Episode
	fact     *Fact
}

var _ cel.Activation = scene{}

func newScene(v judge.View) scene {
	if v.Memo == nil {
		return scene{v, &cast{}}
	}
	c, ok := v.Memo.Value.(*cast)
	if !ok {
		c = &cast{}
		v.Memo.Value = c
	}
	return scene{v, c}
}

// ResolveName gives a variable its value, made when it is first asked for.
func (s scene) ResolveName(name string) (any, bool) {
	switch name {
	case varAfter:
		return s.episode(s.view.After), true
	case varBefore:
		return s.episode(s.view.Before), true
	case varFact:
		if s.cast.fact == nil {
			s.cast.fact = viewFact(s.view)
		}
		return s.cast.fact, true
	}
	return nil, false
}

// Parent is none.
func (s scene) Parent() cel.Activation { return nil }

func (s scene) episode(state *episode.State) *Episode {
	for i := range s.cast.states {
		switch s.cast.states[i] {
		case state:
			return s.cast.episodes[i]
		case nil:
			s.cast.states[i], s.cast.episodes[i] = state, viewEpisode(state, s.view.Fact)
			return s.cast.episodes[i]
		}
	}
	return viewEpisode(state, s.view.Fact)
}

func viewEpisode(s *episode.State, f *fact.Fact) *Episode {
	all := &struct {
		Episode
		hep     HEP
		silence Silence
		visits  Visits
		course  Course
	}{hep: viewHEP(s), silence: viewSilence(s)}
	v := s.Visits
	all.visits = Visits{v.Attended, v.Missed, v.CancelledByPatient, v.CancelledByClinic, v.CancelledLate, s.MissedInRow()}
	all.course = viewCourse(s)
	all.Episode = Episode{
		Now: s.Now, Begun: s.Begun, Teams: len(s.Teams),
		HEP: &all.hep, Silence: &all.silence, Visits: &all.visits, Course: &all.course, source: source{s},
	}
	for _, d := range s.Dyads {
		if d.Chart.Open() {
			all.OpenRuptures++
			if d.Rater == alliance.Patient {
				all.Ruptured = string(d.Clinician)
			}
		}
	}
	all.Withdrawal = viewWithdrawal(s)
	if f.Scores != nil {
		all.Sheet, all.Dyad = viewSheet(s, f.Scores), viewDyad(s, s.Dyad(f.Scores))
	}
	return &all.Episode
}

func viewSheet(s *episode.State, sheet *fact.Scores) *Sheet {
	v := &Sheet{}
	if d := s.Dyad(sheet); d != nil {
		*v = Sheet{
			Known: true, Instrument: d.Instrument, Construct: sheet.Construct, Respondent: d.Rater, Count: d.Sessions,
			Scores: viewTracks(d.Instrument, d.Tracks),
		}
	} else if i := s.Instrument(sheet.Instrument, sheet.Respondent); i != nil {
		*v = Sheet{
			Known: true, Instrument: i.ID, Construct: i.Construct, Respondent: i.Respondent, Count: i.Sheets,
			Scores: viewTracks(i.ID, i.Tracks),
		}
	}
	v.single()
	return v
}

func viewDyad(s *episode.State, d *alliance.Dyad) *Dyad {
	if d == nil {
		return &Dyad{}
	}
	v := &Dyad{
		Known: true, Clinician: string(d.Clinician), Rater: d.Rater, Instrument: d.Instrument, Sessions: d.Sessions,
		Event: string(d.Event), RuptureOpen: d.Chart.Open(), Scores: viewTracks(d.Instrument, d.Tracks),
	}
	if v.RuptureOpen {
		v.RuptureKind = string(d.Chart.Rupture.Kind)
	}
	if change, ok := d.Change(); ok {
		v.Watched, v.Usual, v.Change, v.Value = true, *d.Chart.Usual, change, *d.Chart.Usual+change
		v.Unconfirmed = d.Unconfirmed()
	}
	v.enrich(s, d)
	return v
}

func viewTracks(instrument string, tracks []trend.Track) []Score {
	scores := make([]Score, len(tracks))
	for i := range tracks {
		viewTrack(&scores[i], instrument, &tracks[i])
	}
	return scores
}

func viewTrack(v *Score, instrument string, t *trend.Track) {
	*v = Score{
		Known: t.Count > 0, Code: t.Code, Instrument: instrument, Value: t.Last.Value, Band: t.Last.Band, At: t.Last.At,
		Count: t.Count, First: t.First.Value, FirstBand: t.First.Band, Previous: t.Previous.Value,
		PreviousBand: t.Previous.Band, HigherBetter: t.HigherBetter, Part: t.Part, Level: t.Level,
		Unconfirmed: t.Last.Unconfirmed, Screen: screen(instrument, t.Last.Band),
	}
	if t.Count < 2 {
		return
	}
	first, _ := t.SinceFirst()
	previous, _ := t.SincePrevious()
	v.SinceFirst, v.SincePrevious = viewChange(first), viewChange(previous)
	v.ScreenBefore = screen(instrument, t.Previous.Band)
}

func viewChange(v trend.Verdict) *Change {
	return &Change{
		Known: true, Points: v.Points, Direction: string(v.Direction), Worse: v.Worse(),
		Reliable: v.Reliable != nil && *v.Reliable, Important: v.Important != nil && *v.Important,
		Band: string(v.Band), Class: string(v.Class), Unconfirmed: v.Unconfirmed.Any(),
	}
}

func viewHEP(s *episode.State) HEP {
	v := HEP{WindowDays: adherence.WindowDays}
	if w, ok := s.Completed(); ok {
		v.Completion, v.Closed = w.Completion()
		v.Done, v.Due, v.DaysLogged = w.Done, w.Due, w.Logged
		v.week(s, w)
	}
	running := s.Programme.Running(s.Now)
	v.Running, _ = running.Completion()
	v.RunningDue = running.Due
	streak := &s.Programme.Streak
	v.Streak, v.Longest, v.Owed = streak.Days, streak.Longest, streak.Owed
	v.Lapsed, v.Returned = s.Programme.Lapsed(), streak.Lapse.Returned
	return v
}

// week compares the last closed week with the one before, of which both windows together tell.
func (v *HEP) week(s *episode.State, both adherence.Window) {
	last, ok := s.Programme.Last(adherence.WeekDays, s.Now)
	if !ok || last.To != both.To || last.From <= both.From {
		return
	}
	before := adherence.Window{Done: both.Done - last.Done, Due: both.Due - last.Due}
	now, asked := last.Completion()
	earlier, was := before.Completion()
	if asked && was {
		v.WeekClosed, v.WeekDone, v.WeekDue, v.WeekCompletion, v.WeekBefore = true, last.Done, last.Due, now, earlier
	}
}

func viewCourse(s *episode.State) Course {
	c := &s.Course
	v := Course{Number: c.Number, Paused: s.Paused(), Reason: c.Reason, Over: s.Over()}
	if c.Number > 0 {
		v.Day = days(s.Now.Sub(c.Begun))
	}
	return v
}

func days(d time.Duration) int { return int(math.Floor(d.Hours() / 24)) }

func viewSilence(s *episode.State) Silence {
	v := Silence{Silent: s.Silent(), Heard: s.Heard}
	if from := s.SilentFrom(); !from.IsZero() {
		v.Days = int(math.Floor(float64(s.Now.Sub(from)) / float64(24*time.Hour)))
	}
	return v
}

func viewFact(v judge.View) *Fact {
	f := v.Fact
	out := &Fact{ID: f.ID, Kind: string(f.Kind), At: f.At}
	switch {
	case f.Scores != nil:
		s := f.Scores
		out.Instrument, out.Version, out.Construct, out.Respondent = s.Instrument, s.Version, s.Construct, s.Respondent
		out.Clinician, out.SafetyUnknown = string(v.After.Clinician(s)), s.SafetyUnknown
		for _, c := range s.Critical {
			out.Critical = append(out.Critical, Critical{c.Item, c.Value, c.Severity})
		}
		out.Discrepancy = viewDiscrepancy(s)
	case f.Exercise != nil:
		out.Done = f.Exercise.Done
	case f.Goal != nil:
		out.Goal = f.Goal.ID
	case f.Course != nil:
		out.Status = f.Course.Status
	case f.Prescription != nil:
		out.Status = f.Prescription.Status
	case f.Visit != nil:
		out.Status, out.Clinician = f.Visit.Status, string(f.Visit.Clinician)
	case f.Repair != nil:
		out.Status, out.Clinician = f.Repair.Step, string(f.Repair.Clinician)
	case f.Measure != nil:
		out.Code, out.Value = f.Measure.Code, f.Measure.Value
	}
	return out
}

// score of any instrument by its code, as the patient answered it.
func (e *Episode) score(instrument, code string) *Score {
	v := &Score{Code: code, Instrument: instrument}
	if e.state == nil {
		return v
	}
	if i := e.state.Instrument(instrument, "patient"); i != nil {
		if t, ok := i.Track(code); ok {
			viewTrack(v, instrument, &t)
		}
	}
	return v
}

// tier of the fused view.
func (e *Episode) tier() string {
	if e.state == nil {
		return string(episode.Steady)
	}
	return string(e.state.View().Tier)
}

// part of the distress profile.
func (e *Episode) part(name string) *Part {
	v := &Part{Name: name, Level: distress.LevelMissing, Score: &Score{}}
	if e.state == nil {
		return v
	}
	profile := e.state.Distress()
	if p, ok := profile.Part(name); ok && !p.Missing() {
		v.Level, v.Outcome, v.Unresponsive, v.Age = p.Level, string(p.Outcome()), p.Unresponsive(), p.Age(e.state.Now)
		viewTrack(v.Score, p.Instrument, &p.Track)
	}
	return v
}

// dropout is what speaks for a drop-out.
func (e *Episode) dropout() *Dropout {
	v := &Dropout{Level: engagement.Level(0)}
	if e.state == nil {
		return v
	}
	signals, points := e.state.Dropout()
	v.Points, v.Level = points, engagement.Level(points)
	words := make([]string, len(signals))
	for i, s := range signals {
		v.Signals = append(v.Signals, Signal{s.Code, s.Points, s.Text, s.Source, s.Value})
		words[i] = s.Text
	}
	v.Words = strings.Join(words, "; ")
	return v
}

// checkIn is the check-in that is overdue.
func (e *Episode) checkIn() *CheckIn {
	if e.state == nil {
		return &CheckIn{}
	}
	check, since, overdue := e.state.Overdue()
	if !overdue {
		return &CheckIn{}
	}
	return &CheckIn{true, check.Code, days(e.state.Now.Sub(since))}
}

// stalled is the first line that has not changed for long.
func (e *Episode) stalled() *Line {
	if e.state == nil || e.state.Paused() || e.state.Over() {
		return &Line{}
	}
	visits := e.state.Visits.Attended
	for i := range e.state.Lines {
		if l := &e.state.Lines[i]; l.Stalled(visits) {
			first, last := l.Since.First, l.Since.Last
			return &Line{true, l.Instrument, l.Since.Code, last.Value, first.Value, days(last.At.Sub(first.At)), visits - l.Visits}
		}
	}
	return &Line{}
}

// milestone is how a goal stands.
func (e *Episode) milestone(id string) string {
	if e.state == nil {
		return ""
	}
	for _, g := range e.state.Goals {
		if g.ID == id {
			return string(e.state.Milestone(g))
		}
	}
	return ""
}

func find(scores []Score, code string) *Score {
	for i := range scores {
		if scores[i].Code == code {
			return &scores[i]
		}
	}
	return &Score{Code: code}
}
