package episode

import (
	"math"
	"slices"
	"time"

	"github.com/rapport-health/rapport/services/domain/adherence"
	"github.com/rapport-health/rapport/services/domain/engagement"
	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/function"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/domain/score"
	"github.com/rapport-health/rapport/services/domain/trend"
)

const (
	patient        = "patient"
	allianceScores = "alliance"
)

// Fold is the state after one more fact. The fact's key is above s.Last; for a late one, or a correction, the
// caller replays. Neither s nor anything it points to is changed, so both states may be kept and compared.
func Fold(s *State, f fact.Fact) *State {
	next := *s
	next.fold(f)
	return &next
}

// Replay is the state after all facts of a patient, given in the order of fact.Key. Given twice, a fact counts once.
func Replay(p ref.Patient, facts []fact.Fact) *State {
	return New(p).Replay(facts)
}

// Replay is the state after more facts, given in the order of fact.Key, all above s.Last.
func (s *State) Replay(facts []fact.Fact) *State {
	next := *s
	for i := range facts {
		if i > 0 && facts[i].Key() == facts[i-1].Key() {
			continue
		}
		next.follow(facts[i])
	}
	next.reckon()
	return &next
}

// fold replaces what it changes, and never writes through a pointer or into a slice that was there before.
func (s *State) fold(f fact.Fact) {
	s.follow(f)
	s.reckon()
}

// follow is fold without what only depends on the state it leads to.
func (s *State) follow(f fact.Fact) {
	at := f.At.UTC()
	if !undated(f) {
		s.pass(at)
		s.attend(at, f)
		s.take(fact.Key{At: at, ID: f.ID}, f)
		s.turnUpTo(at)
		s.takeCare()
	}
	s.Facts++
	s.Last = fact.Key{At: at, ID: f.ID}
}

// undated says that a fact only announces something without saying when that was done: a planned visit
// dated by its own time, which lies ahead. Time has not passed up to there, and nothing is known before.
func undated(f fact.Fact) bool {
	return f.Visit != nil && f.Visit.Status == planned && !f.Visit.Due.After(f.At)
}

// pass lets time go by up to a fact, with every turn of the course on the way.
func (s *State) pass(to time.Time) {
	if s.Begun.IsZero() {
		s.Begun, s.Now = to, to
		return
	}
	s.turnUpTo(to)
	s.elapse(to)
	s.loseCare()
}

func (s *State) elapse(to time.Time) {
	if to.After(s.Now) {
		s.heedTime(to)
		s.Programme = s.Programme.Pass(s.Now, to)
		s.Now = to
	}
}

func (s *State) take(key fact.Key, f fact.Fact) {
	at := key.At
	switch {
	case !s.Died.IsZero():
		// nothing is asked for, awaited or told any more
	case f.Scores != nil:
		s.takeScores(at, f.ID, f.Scores)
	case f.Repair != nil:
		s.takeRepair(key, f.Repair)
	case f.Exercise != nil:
		s.takeExercise(at, f.ID, f.Exercise)
	case f.Prescription != nil:
		s.Programme = s.Programme.Prescribe(at, *f.Prescription).Cite(f.Prescription.ID, f.ID)
	case f.Visit != nil:
		s.takeVisit(at, f.ID, f.Visit)
		s.heedVisit(key, f.Visit)
	case f.Team != nil:
		s.takeTeam(at, *f.Team)
		s.takeMembers(at, f.Team)
	case f.Goal != nil:
		s.takeGoal(at, f.ID, f.Goal)
	case f.Measure != nil:
		s.takeMeasure(at, f.Measure)
	case f.Course != nil:
		s.takeCourse(at, f.ID, f.Course)
	case f.Death != nil:
		s.end(at, whyDied)
		s.Died, s.Programme, s.Ahead = at, adherence.Programme{}, nil
	}
}

// hear takes a word of the patient.
func (s *State) hear(at time.Time, id string) {
	s.Heard, s.HeardFact, s.Rhythm = at, id, s.Rhythm.Hear(adherence.DateOf(at))
}

func (s *State) takeExercise(at time.Time, id string, log *fact.Exercise) {
	s.Programme = s.Programme.Log(at, *log)
	if log.Percent != nil {
		return // worked out by a machine, from logs that may be days old
	}
	s.Programme.LogFact = id
	s.hear(at, id)
	s.Monitoring = s.Monitoring.Data(adherence.LocalDate(at, log.Day))
}

func (s *State) takeScores(at time.Time, id string, sheet *fact.Scores) {
	if sheet.Respondent == patient {
		s.hear(at, id)
		s.takeForm(at, id, sheet)
	}
	if sheet.Version == fact.VersionExternal {
		s.Monitoring = s.Monitoring.Data(adherence.LocalDate(at, sheet.Day))
	}
	s.takeCritical(at, id, sheet)
	if sheet.Construct == allianceScores {
		s.takeAlliance(fact.Key{At: at, ID: id}, sheet)
		return
	}
	var now Instrument
	if was := s.Instrument(sheet.Instrument, sheet.Respondent); was != nil {
		now = *was
	} else {
		now = Instrument{ID: sheet.Instrument, Respondent: sheet.Respondent}
	}
	now.Construct, now.At, now.Fact, now.SafetyUnknown = sheet.Construct, at, id, sheet.SafetyUnknown
	now.Sheets++
	now.Tracks = track(now.Tracks, at, sheet.Scores)
	s.Instruments = put(s.Instruments, &now, maxInstruments,
		func(i *Instrument) bool { return i.ID == now.ID && i.Respondent == now.Respondent },
		func(i *Instrument) time.Time { return i.At })
}

func track(tracks []trend.Track, at time.Time, scores []fact.Score) []trend.Track {
	next := make([]trend.Track, len(tracks), max(len(tracks), min(len(scores), maxTracks)))
	copy(next, tracks)
	for _, score := range scores {
		i := slices.IndexFunc(next, func(t trend.Track) bool { return t.Code == score.Code })
		switch {
		case !trend.Scorable(score), i < 0 && len(next) == maxTracks:
			continue
		case i < 0:
			i = len(next)
			next = append(next, trend.Track{})
		}
		next[i] = next[i].Follow(at, score)
	}
	return next
}

// takeForm takes what an answered form says besides its scores: a check-in, half filled or not, and the lines of function.
func (s *State) takeForm(at time.Time, id string, sheet *fact.Scores) {
	half := uint8(0)
	for i := range sheet.Scores {
		if sheet.Scores[i].NotScorable == score.MissingItems {
			half = 1
		}
	}
	s.Halves = s.Halves<<1 | half
	if engagement.Counts(sheet.Construct) && sheet.Any() {
		s.Screened, s.ScreenedFact = at, id
	}
	for i := range sheet.Scores {
		if function.Follows(sheet.Construct, sheet.Scores[i]) {
			s.takeLine(at, sheet.Instrument, sheet.Scores[i])
		}
	}
}

func (s *State) takeLine(at time.Time, instrument string, score fact.Score) {
	line := function.Line{Instrument: instrument}
	same := func(l function.Line) bool { return l.Instrument == instrument && l.Since.Code == score.Code }
	if i := slices.IndexFunc(s.Lines, same); i >= 0 {
		line = s.Lines[i]
	}
	s.Lines = put(s.Lines, line.Follow(at, score, s.Visits.Attended), maxLines, same,
		func(l function.Line) time.Time { return l.Since.Last.At })
}

// takeCritical replaces what is known of the items of one form: an item answered safely no longer stands,
// one left unanswered is unknown and stands as it was.
func (s *State) takeCritical(at time.Time, id string, sheet *fact.Scores) {
	superseded := func(c Critical) bool {
		return c.Instrument == sheet.Instrument && c.Respondent == sheet.Respondent && !slices.Contains(sheet.SafetyUnknown, c.Item)
	}
	if len(sheet.Critical) == 0 && !slices.ContainsFunc(s.Critical, superseded) {
		return
	}
	stands := make([]Critical, 0, len(s.Critical)+len(sheet.Critical))
	for _, c := range s.Critical {
		if !superseded(c) {
			stands = append(stands, c)
		}
	}
	for _, c := range sheet.Critical {
		stands = append(stands, Critical{sheet.Instrument, c.Item, sheet.Respondent, c.Value, c.Severity, at, id})
	}
	if extra := len(stands) - maxCritical; extra > 0 {
		stands = stands[extra:]
	}
	s.Critical = stands
}

func (s *State) takeTeam(at time.Time, t fact.Team) {
	if !t.Active {
		s.Teams = slices.DeleteFunc(slices.Clone(s.Teams), func(have Team) bool { return have.ID == t.ID })
		return
	}
	team := Team{ID: t.ID, At: at, Until: dated(t.Until), Within: slices.Clone(t.Within[:min(len(t.Within), maxWithin)])}
	s.Teams = put(s.Teams, team, maxTeams,
		func(have Team) bool { return have.ID == t.ID },
		func(have Team) time.Time { return have.At })
}

func (s *State) takeGoal(at time.Time, id string, g *fact.Goal) {
	now := Goal{ID: g.ID, Lifecycle: g.Lifecycle, Achievement: g.Achievement, Due: dated(g.Due), At: at, Fact: id}
	same := func(have Goal) bool { return have.ID == g.ID }
	if now.milestone(at) == adherence.OnTime {
		now.Reached = dated(g.Achieved)
		if i := slices.IndexFunc(s.Goals, same); now.Reached.IsZero() && i >= 0 {
			now.Reached = s.Goals[i].Reached
		}
		if now.Reached.IsZero() {
			now.Reached = at
		}
	}
	s.Goals = put(s.Goals, now, maxGoals, same, func(have Goal) time.Time { return have.At })
}

func (s *State) takeMeasure(at time.Time, m *fact.Measure) {
	s.Monitoring = s.Monitoring.Data(adherence.LocalDate(at, m.Day))
	if math.IsNaN(m.Value) || math.IsInf(m.Value, 0) {
		return
	}
	now := trend.Reading{At: at, Value: m.Value}
	measure := Measure{Code: m.Code, Unit: m.Unit, Site: m.Site, Side: m.Side, First: now, Last: now}
	same := func(have Measure) bool {
		return have.Code == m.Code && have.Unit == m.Unit && have.Site == m.Site && have.Side == m.Side
	}
	if i := slices.IndexFunc(s.Measures, same); i >= 0 {
		measure.First = s.Measures[i].First
	}
	s.Measures = put(s.Measures, measure, maxMeasures, same, func(have Measure) time.Time { return have.Last.At })
	if reading, ok := function.Measured(*m); ok {
		s.takeLine(at, place(m), reading)
	}
}

// place names a measure with its place on the body.
func place(m *fact.Measure) string {
	name := m.Code
	for _, part := range [...]string{m.Site, m.Side} {
		if part != "" {
			name += " " + part
		}
	}
	return name
}

// put returns the entries with one replaced or added. Over the bound the one touched longest ago goes.
func put[E any](have []E, next E, bound int, same func(E) bool, touched func(E) time.Time) []E {
	if i := slices.IndexFunc(have, same); i >= 0 {
		out := slices.Clone(have)
		out[i] = next
		return out
	}
	out := append(slices.Clip(have), next)
	if len(out) <= bound {
		return out
	}
	oldest := 0
	for i := range out[:len(out)-1] {
		if touched(out[i]).Before(touched(out[oldest])) {
			oldest = i
		}
	}
	return slices.Delete(out, oldest, oldest+1)
}
