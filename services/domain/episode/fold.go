package episode

import (
	"math"
	"slices"
	"time"

	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/ref"
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
	s := New(p)
	for i := range facts {
		if i > 0 && facts[i].Key() == facts[i-1].Key() {
			continue
		}
		s.fold(facts[i])
	}
	return s
}

// fold replaces what it changes, and never writes through a pointer or into a slice that was there before.
func (s *State) fold(f fact.Fact) {
	at := f.At.UTC()
	if !undated(f) {
		s.pass(at)
		s.take(fact.Key{At: at, ID: f.ID}, f)
	}
	s.reckon()
	s.Facts++
	s.Last = fact.Key{At: at, ID: f.ID}
}

// undated says that a fact only announces something without saying when that was done: a planned visit
// dated by its own time, which lies ahead. Time has not passed up to there, and nothing is known before.
func undated(f fact.Fact) bool {
	return f.Visit != nil && f.Visit.Status == planned && !f.Visit.Due.After(f.At)
}

// pass lets time go by up to a fact.
func (s *State) pass(to time.Time) {
	if s.Begun.IsZero() {
		s.Begun, s.Now = to, to
		return
	}
	if to.After(s.Now) {
		s.heedTime(to)
		s.Programme = s.Programme.Pass(s.Now, to)
		s.Now = to
	}
	if !s.cared() {
		s.CareSince = time.Time{}
	}
}

func (s *State) take(key fact.Key, f fact.Fact) {
	at := key.At
	switch {
	case f.Scores != nil:
		s.takeScores(key, f.Scores)
	case f.Repair != nil:
		s.takeRepair(key, f.Repair)
	case f.Course != nil:
		s.takeCourse(at, f.Course)
	case f.Death != nil:
		s.endAlliance(at)
	case f.Exercise != nil && !f.Exercise.Sessions():
		// single exercises and rates worked out elsewhere count no session
	case f.Exercise != nil:
		s.Programme = s.Programme.Log(at, *f.Exercise)
		s.Heard = at
	case f.Prescription != nil:
		s.Programme = s.Programme.Prescribe(at, *f.Prescription)
	case f.Visit != nil:
		s.takeVisit(at, *f.Visit)
		s.heedVisit(key, f.Visit)
	case f.Team != nil:
		s.takeTeam(at, *f.Team)
		s.takeMembers(at, f.Team)
	case f.Goal != nil:
		s.takeGoal(at, *f.Goal)
	case f.Measure != nil:
		s.takeMeasure(at, *f.Measure)
	}
}

func (s *State) takeScores(key fact.Key, sheet *fact.Scores) {
	at := key.At
	if sheet.Respondent == patient {
		s.Heard = at
	}
	s.takeCritical(at, sheet)
	if sheet.Construct == allianceScores {
		s.takeAlliance(key, sheet)
		return
	}
	var now Instrument
	if was := s.Instrument(sheet.Instrument, sheet.Respondent); was != nil {
		now = *was
	} else {
		now = Instrument{ID: sheet.Instrument, Respondent: sheet.Respondent}
	}
	now.Construct, now.At, now.SafetyUnknown = sheet.Construct, at, sheet.SafetyUnknown
	now.Sheets++
	now.Tracks = follow(now.Tracks, at, sheet.Scores)
	s.Instruments = put(s.Instruments, &now, maxInstruments,
		func(i *Instrument) bool { return i.ID == now.ID && i.Respondent == now.Respondent },
		func(i *Instrument) time.Time { return i.At })
}

func follow(tracks []trend.Track, at time.Time, scores []fact.Score) []trend.Track {
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

// takeCritical replaces what is known of the items of one form: an item answered safely no longer stands,
// one left unanswered is unknown and stands as it was.
func (s *State) takeCritical(at time.Time, sheet *fact.Scores) {
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
		stands = append(stands, Critical{sheet.Instrument, c.Item, sheet.Respondent, c.Value, c.Severity, at})
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
	team := Team{ID: t.ID, At: at, Within: slices.Clone(t.Within[:min(len(t.Within), maxWithin)])}
	s.Teams = put(s.Teams, team, maxTeams,
		func(have Team) bool { return have.ID == t.ID },
		func(have Team) time.Time { return have.At })
}

func (s *State) takeGoal(at time.Time, g fact.Goal) {
	s.Goals = put(s.Goals, Goal{g.ID, g.Lifecycle, g.Achievement, dated(g.Due), at}, maxGoals,
		func(have Goal) bool { return have.ID == g.ID },
		func(have Goal) time.Time { return have.At })
}

func (s *State) takeMeasure(at time.Time, m fact.Measure) {
	if math.IsNaN(m.Value) || math.IsInf(m.Value, 0) {
		return
	}
	now := trend.Reading{At: at, Value: m.Value}
	measure := Measure{Code: m.Code, Unit: m.Unit, First: now, Last: now}
	same := func(have Measure) bool { return have.Code == m.Code && have.Unit == m.Unit }
	if i := slices.IndexFunc(s.Measures, same); i >= 0 {
		measure.First = s.Measures[i].First
	}
	s.Measures = put(s.Measures, measure, maxMeasures, same, func(have Measure) time.Time { return have.Last.At })
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
