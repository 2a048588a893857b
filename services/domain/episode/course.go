package episode

import (
	"slices"
	"time"

	"github.com/rapport-health/rapport/services/domain/adherence"
	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/domain/trend"
)

// The terms of courses of care, where no EpisodeOfCare draws the line. They are service design.
const (
	// GapDays is how many days without care end a course, unless Terms say otherwise.
	GapDays = 180
	// GraceDays is how many days after its end what is told still belongs to a course that was ended by its source: forms
	// at discharge are often answered a little later.
	GraceDays = 14
	// AdoptDays is how long after its first fact a course may still be given its EpisodeOfCare.
	AdoptDays = 30
)

const (
	maxCourses    = 8
	maxSources    = 8
	maxPastScores = 8
	maxAhead      = 8
)

// Why a course ended.
const (
	whyFinished  = "finished"
	whyCancelled = "cancelled"
	whyGap       = "gap"
	whyNext      = "next-course"
	whyDied      = "died"
)

// Terms are what a service sets for all its episodes.
type Terms struct {
	// GapDays is how many days without care end a course, 30 to 3650; 0 is GapDays.
	GapDays int
}

// New is the state of an episode of which nothing is known yet, under these terms.
func (t Terms) New(p ref.Patient) *State {
	s := New(p)
	s.GapDays = t.kept()
	return s
}

// kept is what a state keeps of the terms: nothing where they are the usual ones.
func (t Terms) kept() int {
	if t.GapDays == GapDays {
		return 0
	}
	return t.GapDays
}

// Current says whether the state is laid out as this version does it, and was folded under these terms. One that is not
// is folded again from its facts.
func (s *State) Current(t Terms) bool { return s.Form == Form && s.GapDays == t.kept() }

// Terms under which the state was folded.
func (s *State) Terms() Terms { return Terms{GapDays: s.GapDays} }

// Course is one course of care: from its first care to its end. Baselines, windows and ruptures are those of a course.
type Course struct {
	// Number counts the courses of the patient, from 1; 0 before there was any care.
	Number int `json:"number"`
	// Sources are the EpisodesOfCare that are open, as their source names them; none when the course was inferred.
	Sources []string `json:"sources,omitempty"`
	// Types of them as `system|code`.
	Types []string `json:"types,omitempty"`
	// Begun is when it began, and Care when care was last given or taken up.
	Begun time.Time `json:"begun,omitzero"`
	Care  time.Time `json:"care,omitzero"`
	// End is when it is to end by itself; zero is open.
	End time.Time `json:"end,omitzero"`
	// Ended is when it ended, and Why: `finished`, `cancelled`, `gap`, `next-course` or `died`; zero while it goes on.
	Ended time.Time `json:"ended,omitzero"`
	Why   string    `json:"why,omitempty"`
	// Paused is since when it is paused, until Until when that is known, for some Reason; zero while it is not.
	Paused time.Time `json:"paused,omitzero"`
	Until  time.Time `json:"until,omitzero"`
	Reason string    `json:"reason,omitempty"`
	// Rested is how many seconds it was paused before, and Resumed when that ended last.
	Rested  int64     `json:"rested,omitempty"`
	Resumed time.Time `json:"resumed,omitzero"`
	// Fact that last said how it stands; empty when it was inferred.
	Fact string `json:"fact,omitempty"`
}

// Announced is a course that is to begin at a moment ahead, as an EpisodeOfCare says.
type Announced struct {
	// ID is the EpisodeOfCare as its source names it, and Types what kind of course it is to be, as `system|code`.
	ID    string   `json:"id"`
	Types []string `json:"types,omitempty"`
	// Start is when it begins, and End when it is to end by itself; zero is open.
	Start time.Time `json:"start"`
	End   time.Time `json:"end,omitzero"`
	// Fact that said so.
	Fact string `json:"fact,omitempty"`
}

// PastCourse is what is remembered of a course that is over.
type PastCourse struct {
	// Number of it, its first EpisodeOfCare, from when to when it went, and why it ended.
	Number int       `json:"number"`
	Source string    `json:"source,omitempty"`
	Begun  time.Time `json:"begun"`
	Ended  time.Time `json:"ended"`
	Why    string    `json:"why,omitempty"`
	// Attended and Missed visits.
	Attended int `json:"attended,omitempty"`
	Missed   int `json:"missed,omitempty"`
	// Scores at its beginning and end, the first score of each instrument that the patient answered.
	Scores []PastScore `json:"scores,omitempty"`
}

// PastScore is one score at the beginning and the end of a course.
type PastScore struct {
	Instrument string  `json:"instrument"`
	Code       string  `json:"code"`
	First      float64 `json:"first"`
	Last       float64 `json:"last"`
	// Direction of the change as a verdict says it; empty when there was one reading only.
	Direction trend.Direction `json:"direction,omitempty"`
}

// Paused says whether the course is paused: then silence, misses and overdue check-ins do not count.
func (s *State) Paused() bool { return !s.Course.Paused.IsZero() }

// Over says whether the course has ended.
func (s *State) Over() bool { return !s.Course.Ended.IsZero() }

func (s *State) gap() time.Duration {
	if s.GapDays > 0 {
		return time.Duration(s.GapDays) * 24 * time.Hour
	}
	return GapDays * 24 * time.Hour
}

// turn is the next moment at which the course, or a team, changes by time alone, and how; zero when there is none.
func (s *State) turn() (next time.Time, change func(*State, time.Time)) {
	consider := func(t time.Time, how func(*State, time.Time)) {
		if !t.IsZero() && !t.After(latest) && (change == nil || t.Before(next)) {
			next, change = t, how
		}
	}
	if !s.Died.IsZero() {
		return next, change
	}
	for i := range s.Teams {
		consider(s.Teams[i].Until, (*State).leave)
	}
	c := &s.Course
	open := c.Number > 0 && !s.Over()
	if open { // of one moment, one course ends before another begins
		consider(c.End, func(s *State, at time.Time) { s.end(at, whyFinished) })
	}
	for i := range s.Ahead {
		consider(s.Ahead[i].Start, (*State).commence)
	}
	if !open {
		return next, change
	}
	if s.Paused() {
		consider(c.Until, (*State).resume)
		return next, change
	}
	care := c.Care
	if s.Visits.Planned.After(care) {
		care = s.Visits.Planned
	}
	consider(care.Add(s.gap()), func(s *State, at time.Time) { s.end(at, whyGap) })
	return next, change
}

func (s *State) turnUpTo(to time.Time) {
	for at, change := s.turn(); change != nil && !at.After(to); at, change = s.turn() {
		s.elapse(at)
		s.loseCare()
		change(s, at)
		s.takeCare()
	}
}

// loseCare and takeCare follow since when care goes on, before and after what may change it.
func (s *State) loseCare() {
	if !s.cared() {
		s.CareSince = time.Time{}
	}
}

func (s *State) takeCare() {
	if s.CareSince.IsZero() && s.cared() {
		s.CareSince = s.Now
	}
}

// leave drops the teams that have ended by themselves.
func (s *State) leave(at time.Time) {
	ended := func(t Team) bool { return !t.Until.IsZero() && !t.Until.After(at) }
	for _, t := range s.Teams {
		if ended(t) {
			s.takeMembers(at, &fact.Team{ID: t.ID})
		}
	}
	s.Teams = slices.DeleteFunc(slices.Clone(s.Teams), ended)
}

// attend notes that a fact is care, which begins a course where there is none.
func (s *State) attend(at time.Time, f fact.Fact) {
	if !care(f) || !s.Died.IsZero() {
		return
	}
	if s.Course.Number == 0 || s.Over() && s.renews(at, f) {
		s.begin(at)
	}
	if !s.Over() && at.After(s.Course.Care) {
		s.Course.Care = at
	}
}

// care says whether a fact is one of care: something was given, done or answered.
func care(f fact.Fact) bool {
	return f.Scores != nil || f.Exercise != nil || f.Measure != nil ||
		f.Visit != nil && f.Visit.Status != planned || f.Prescription != nil && f.Prescription.Status == "active"
}

// renews says whether care after the end of a course begins another. After an end by its source logs and measures do
// not: many go on with their exercises.
func (s *State) renews(at time.Time, f fact.Fact) bool {
	if s.Course.Why == whyGap {
		return true
	}
	late := at.Sub(s.Course.Ended) >= GraceDays*24*time.Hour
	return late && f.Exercise == nil && f.Measure == nil
}

// begin starts a course. What belongs to the one before is summed up; critical items, teams, prescriptions, open goals
// and the clinicians' dyads stay.
func (s *State) begin(at time.Time) {
	if s.Course.Number > 0 {
		s.Past = append(slices.Clip(s.Past), s.summary())
		s.Past = s.Past[max(0, len(s.Past)-maxCourses):]
		s.Instruments, s.Lines, s.Measures, s.Rhythm = nil, nil, nil, nil
		s.Screened, s.ScreenedFact, s.Halves = time.Time{}, "", 0
		s.Visits = Visits{Planned: s.Visits.Planned}
		s.Goals = slices.DeleteFunc(slices.Clone(s.Goals), func(g Goal) bool {
			m := g.milestone(at)
			return m != adherence.Ahead && m != adherence.Overdue
		})
		s.Programme = s.Programme.Anew(at)
	}
	s.Course = Course{Number: s.Course.Number + 1, Begun: at, Care: at}
	s.Monitoring = adherence.Monitoring{Since: adherence.DateOf(at)}
}

func (s *State) summary() PastCourse {
	c := s.Course
	past := PastCourse{
		Number: c.Number, Begun: c.Begun, Ended: c.Ended, Why: c.Why, Attended: s.Visits.Attended, Missed: s.Visits.Missed,
	}
	if len(c.Sources) > 0 {
		past.Source = c.Sources[0]
	}
	for _, i := range s.Instruments {
		if i.Respondent != patient || len(i.Tracks) == 0 || len(past.Scores) == maxPastScores {
			continue
		}
		t := &i.Tracks[0]
		score := PastScore{Instrument: i.ID, Code: t.Code, First: t.First.Value, Last: t.Last.Value}
		if v, ok := t.SinceFirst(); ok {
			score.Direction = v.Direction
		}
		past.Scores = append(past.Scores, score)
	}
	return past
}

// end closes the course: nothing is asked for any more, and what was open in the alliance can no longer be repaired.
func (s *State) end(at time.Time, why string) {
	if s.Course.Number == 0 || s.Over() {
		return
	}
	if s.Paused() {
		s.resume(at)
	}
	s.Course.Ended, s.Course.Why, s.Course.End = at, why, time.Time{}
	s.Programme = s.Programme.Pause(at)
	s.endAlliance(at)
}

func (s *State) pause(at time.Time, c *fact.Course) {
	if !s.Paused() {
		s.Course.Paused = at
		s.Programme = s.Programme.Pause(at)
	}
	s.Course.Until, s.Course.Reason = dated(c.Until), c.Reason
}

func (s *State) resume(at time.Time) {
	c := &s.Course
	c.Rested += int64(at.Sub(c.Paused) / time.Second)
	c.Paused, c.Until, c.Reason, c.Resumed = time.Time{}, time.Time{}, "", at
	if at.After(c.Care) {
		c.Care = at
	}
	s.Rhythm = nil
	s.Programme = s.Programme.Resume()
}

// takeCourse takes what an EpisodeOfCare says of its course.
func (s *State) takeCourse(at time.Time, id string, c *fact.Course) {
	if s.announce(at, id, c) {
		return
	}
	switch c.Status {
	case fact.CourseActive:
		s.join(at, c)
		if s.Paused() {
			s.resume(at)
		}
	case fact.CoursePaused:
		s.join(at, c)
		s.pause(at, c)
	case fact.CourseFinished, fact.CourseCancelled:
		s.finish(at, c)
	default:
		return
	}
	s.Course.Fact = id
}

// announce notes a course that begins later, and forgets what was announced of it before. One that is planned begins on
// its day unless its source says otherwise by then, one that waits for a place does not. False says that it has begun.
func (s *State) announce(at time.Time, id string, c *fact.Course) bool {
	same := func(a Announced) bool { return a.ID == c.ID }
	if slices.ContainsFunc(s.Ahead, same) {
		s.Ahead = slices.DeleteFunc(slices.Clone(s.Ahead), same)
	}
	if !c.Start.After(at) {
		return false
	}
	if (c.Status == fact.CourseActive || c.Status == fact.CoursePlanned) && len(s.Ahead) < maxAhead {
		s.Ahead = append(slices.Clip(s.Ahead), Announced{
			ID: c.ID, Types: slices.Clone(c.Types[:min(len(c.Types), maxSources)]), Start: dated(c.Start), End: dated(c.End), Fact: id,
		})
	}
	return true
}

// commence begins the courses that were announced for a moment.
func (s *State) commence(at time.Time) {
	due := func(a Announced) bool { return !a.Start.After(at) }
	ahead := s.Ahead
	s.Ahead = slices.DeleteFunc(slices.Clone(ahead), due)
	for _, a := range ahead {
		if due(a) {
			s.join(at, &fact.Course{ID: a.ID, Types: a.Types, End: a.End})
			s.Course.Fact = a.Fact
		}
	}
}

// join makes the course one of an EpisodeOfCare: it adopts a young one that was inferred, and begins one where there is
// none or an old one goes on without. A second EpisodeOfCare beside an open one is part of the same course.
func (s *State) join(at time.Time, c *fact.Course) {
	known := slices.Contains(s.Course.Sources, c.ID)
	switch now := &s.Course; {
	case now.Number == 0 || s.Over():
		s.begin(at)
	case len(now.Sources) == 0 && at.Sub(now.Begun) > AdoptDays*24*time.Hour:
		s.end(at, whyNext)
		s.begin(at)
	}
	now := &s.Course
	known = known && slices.Contains(now.Sources, c.ID)
	if !known && len(now.Sources) < maxSources {
		now.Sources = append(slices.Clip(now.Sources), c.ID)
	}
	for _, t := range c.Types {
		if !slices.Contains(now.Types, t) && len(now.Types) < maxSources {
			now.Types = append(slices.Clip(now.Types), t)
		}
	}
	if end := dated(c.End); len(now.Sources) == 1 || end.IsZero() || !now.End.IsZero() && end.After(now.End) {
		now.End = end
	}
	if at.After(now.Care) {
		now.Care = at
	}
}

// finish takes an EpisodeOfCare out of the course, which ends with its last one, or with any when it was inferred.
func (s *State) finish(at time.Time, c *fact.Course) {
	now := &s.Course
	if len(now.Sources) > 0 && !slices.Contains(now.Sources, c.ID) {
		return
	}
	left := slices.DeleteFunc(slices.Clone(now.Sources), func(id string) bool { return id == c.ID })
	if len(left) > 0 {
		now.Sources = left
		return
	}
	s.end(at, c.Status)
}
