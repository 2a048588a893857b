package episode

import (
	"slices"

	"github.com/rapport-health/rapport/services/domain/adherence"
	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/function"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/domain/trend"
)

// AppendJSON appends the stored form, which is what encoding/json makes of the struct tags, and several times faster
// than by json.Marshal. Numbers that are not finite and years beyond 9999 have none: the error is fault.Internal.
func (s *State) AppendJSON(to []byte) ([]byte, error) {
	c := coder{buf: slices.Grow(to, usualBytes), writing: true}
	object(&c, s, stateMembers)
	return c.buf, fault.Wrap(fault.Internal, c.err, "write an episode state")
}

// usualBytes is room for a young state; an old one needs it two times over.
const usualBytes = 4 << 10

// MarshalJSON is AppendJSON for encoding/json.
func (s *State) MarshalJSON() ([]byte, error) { return s.AppendJSON(nil) }

// Read reads the stored form. Members it does not know are passed over; see Form for which layout it is.
func Read(raw []byte) (*State, error) {
	s := &State{}
	if err := s.UnmarshalJSON(raw); err != nil {
		return nil, err
	}
	return s, nil
}

// UnmarshalJSON is Read for encoding/json.
func (s *State) UnmarshalJSON(raw []byte) error {
	c := coder{buf: raw}
	object(&c, s, stateMembers)
	if c.err == nil && c.peek() != 0 {
		c.fail()
	}
	return fault.Wrap(fault.Internal, c.err, "read an episode state")
}

// omit leaves a zero value out, keep writes it.
const omit, keep = true, false

// The members of each type, in the order of its fields.

func stateMembers(c *coder, s *State) {
	whole(c, "form", &s.Form, keep)
	text(c, "episode", &s.Episode, keep)
	text(c, "patient", &s.Patient, keep)
	whole(c, "facts", &s.Facts, keep)
	inner(c, "last", &s.Last, objects(keyMembers))
	c.moment("deadline", &s.Deadline, omit)
	c.moment("begun", &s.Begun, omit)
	c.moment("now", &s.Now, omit)
	c.moment("heard", &s.Heard, omit)
	text(c, "heardFact", &s.HeardFact, omit)
	list(c, "rhythm", (*[]adherence.Date)(&s.Rhythm), day)
	c.moment("careSince", &s.CareSince, omit)
	c.moment("silentSince", &s.SilentSince, omit)
	whole(c, "gapDays", &s.GapDays, omit)
	c.moment("died", &s.Died, omit)
	if !c.writing || s.Course.Number != 0 || s.Course.Fact != "" || len(s.Course.Sources) > 0 {
		inner(c, "course", &s.Course, objects(courseMembers))
	}
	list(c, "past", &s.Past, objects(pastMembers))
	list(c, "ahead", &s.Ahead, objects(aheadMembers))
	c.moment("screened", &s.Screened, omit)
	text(c, "screenedFact", &s.ScreenedFact, omit)
	whole(c, "halves", &s.Halves, omit)
	list(c, "instruments", &s.Instruments, refs(instrumentMembers))
	list(c, "dyads", &s.Dyads, refs(dyadMembers))
	list(c, "gaps", &s.Gaps, objects(gapMembers))
	list(c, "critical", &s.Critical, objects(criticalMembers))
	if !c.writing || !idle(&s.Programme) {
		inner(c, "programme", &s.Programme, objects(programmeMembers))
	}
	list(c, "teams", &s.Teams, objects(teamMembers))
	list(c, "members", &s.Members, objects(memberMembers))
	list(c, "partners", &s.Partners, objects(partnerMembers))
	if v := &s.Visits; !c.writing || len(v.Recent) > 0 || v.CancelledLate != 0 || v.Attended != 0 || v.Missed != 0 || v.CancelledByPatient != 0 || v.CancelledByClinic != 0 || !v.Planned.IsZero() {
		inner(c, "visits", &s.Visits, objects(visitsMembers))
	}
	list(c, "goals", &s.Goals, objects(goalMembers))
	list(c, "measures", &s.Measures, objects(measureMembers))
	list(c, "lines", &s.Lines, objects(lineMembers))
	if m := &s.Monitoring; !c.writing || m.Since != 0 || m.First != 0 || len(m.Periods) > 0 || len(m.Months) > 0 {
		inner(c, "monitoring", m, objects(monitoringMembers))
	}
}

func courseMembers(c *coder, x *Course) {
	whole(c, "number", &x.Number, keep)
	list(c, "sources", &x.Sources, word)
	list(c, "types", &x.Types, word)
	c.moment("begun", &x.Begun, omit)
	c.moment("care", &x.Care, omit)
	c.moment("end", &x.End, omit)
	c.moment("ended", &x.Ended, omit)
	text(c, "why", &x.Why, omit)
	c.moment("paused", &x.Paused, omit)
	c.moment("until", &x.Until, omit)
	text(c, "reason", &x.Reason, omit)
	whole(c, "rested", &x.Rested, omit)
	c.moment("resumed", &x.Resumed, omit)
	text(c, "fact", &x.Fact, omit)
}

func aheadMembers(c *coder, x *Announced) {
	text(c, "id", &x.ID, keep)
	list(c, "types", &x.Types, word)
	c.moment("start", &x.Start, keep)
	c.moment("end", &x.End, omit)
	text(c, "fact", &x.Fact, omit)
}

func pastMembers(c *coder, x *PastCourse) {
	whole(c, "number", &x.Number, keep)
	text(c, "source", &x.Source, omit)
	c.moment("begun", &x.Begun, keep)
	c.moment("ended", &x.Ended, keep)
	text(c, "why", &x.Why, omit)
	whole(c, "attended", &x.Attended, omit)
	whole(c, "missed", &x.Missed, omit)
	list(c, "scores", &x.Scores, objects(pastScoreMembers))
}

func pastScoreMembers(c *coder, x *PastScore) {
	text(c, "instrument", &x.Instrument, keep)
	text(c, "code", &x.Code, keep)
	c.float("first", &x.First, keep)
	c.float("last", &x.Last, keep)
	text(c, "direction", &x.Direction, omit)
}

func lineMembers(c *coder, l *function.Line) {
	text(c, "instrument", &l.Instrument, keep)
	inner(c, "since", &l.Since, objects(trackMembers))
	whole(c, "visits", &l.Visits, omit)
	c.flag("full", &l.Full)
}

func monitoringMembers(c *coder, m *adherence.Monitoring) {
	c.date("since", &m.Since, omit)
	c.date("first", &m.First, omit)
	list(c, "periods", &m.Periods, objects(periodMembers))
	list(c, "months", &m.Months, objects(monthMembers))
}

func periodMembers(c *coder, p *adherence.Period) {
	c.date("from", &p.From, keep)
	whole(c, "set", &p.Set, keep)
}

func monthMembers(c *coder, m *adherence.Month) {
	c.date("first", &m.First, keep)
	c.float("minutes", &m.Minutes, omit)
	whole(c, "interactions", &m.Interactions, omit)
}

func keyMembers(c *coder, k *fact.Key) {
	c.moment("at", &k.At, keep)
	text(c, "id", &k.ID, keep)
}

func instrumentMembers(c *coder, i *Instrument) {
	text(c, "id", &i.ID, keep)
	text(c, "construct", &i.Construct, keep)
	text(c, "respondent", &i.Respondent, keep)
	whole(c, "sheets", &i.Sheets, keep)
	c.moment("at", &i.At, keep)
	text(c, "fact", &i.Fact, omit)
	list(c, "safetyUnknown", &i.SafetyUnknown, number)
	list(c, "tracks", &i.Tracks, objects(trackMembers))
}

func trackMembers(c *coder, t *trend.Track) {
	text(c, "code", &t.Code, keep)
	whole(c, "count", &t.Count, keep)
	c.flag("higherBetter", &t.HigherBetter)
	c.flag("noDirection", &t.NoDirection)
	c.optional("reliable", &t.Reliable)
	c.optional("important", &t.Important)
	c.flag("bySe", &t.BySE)
	c.optional("cutoff", &t.Cutoff)
	c.flag("reliableUnconfirmed", &t.ReliableUnconfirmed)
	c.flag("importantUnconfirmed", &t.ImportantUnconfirmed)
	c.flag("cutoffUnconfirmed", &t.CutoffUnconfirmed)
	text(c, "part", &t.Part, omit)
	text(c, "level", &t.Level, omit)
	inner(c, "first", &t.First, objects(readingMembers))
	if !c.writing || t.Previous != (trend.Reading{}) {
		inner(c, "previous", &t.Previous, objects(readingMembers))
	}
	inner(c, "last", &t.Last, objects(readingMembers))
}

func readingMembers(c *coder, r *trend.Reading) {
	c.moment("at", &r.At, keep)
	c.float("value", &r.Value, keep)
	c.optional("se", &r.SE)
	text(c, "band", &r.Band, omit)
	whole(c, "bandPlace", &r.Place, omit)
	c.flag("unconfirmed", &r.Unconfirmed)
}

func criticalMembers(c *coder, x *Critical) {
	text(c, "instrument", &x.Instrument, keep)
	whole(c, "item", &x.Item, keep)
	text(c, "respondent", &x.Respondent, keep)
	c.float("value", &x.Value, keep)
	text(c, "severity", &x.Severity, keep)
	c.moment("at", &x.At, keep)
	text(c, "fact", &x.Fact, omit)
}

func idle(p *adherence.Programme) bool {
	return p.Since == 0 && len(p.Prescriptions) == 0 && len(p.Days) == 0 && p.Closed == adherence.Window{} && p.LastLog.IsZero() &&
		p.Week == adherence.Window{} && p.Month == adherence.Window{} && p.Streak == adherence.Streak{} &&
		p.Reported == adherence.Rate{} && !p.Paused && p.LogFact == ""
}

func programmeMembers(c *coder, p *adherence.Programme) {
	c.date("since", &p.Since, omit)
	list(c, "prescriptions", &p.Prescriptions, objects(prescriptionMembers))
	list(c, "days", &p.Days, objects(dayMembers))
	window(c, "closed", &p.Closed)
	window(c, "week", &p.Week)
	window(c, "month", &p.Month)
	if !c.writing || p.Streak != (adherence.Streak{}) {
		inner(c, "streak", &p.Streak, objects(streakMembers))
	}
	if !c.writing || p.Reported != (adherence.Rate{}) {
		inner(c, "reported", &p.Reported, objects(rateMembers))
	}
	c.flag("paused", &p.Paused)
	c.moment("lastLog", &p.LastLog, omit)
	text(c, "logFact", &p.LogFact, omit)
}

func window(c *coder, name string, w *adherence.Window) {
	if !c.writing || *w != (adherence.Window{}) {
		inner(c, name, w, objects(windowMembers))
	}
}

func streakMembers(c *coder, s *adherence.Streak) {
	whole(c, "days", &s.Days, omit)
	whole(c, "longest", &s.Longest, omit)
	c.date("last", &s.Last, omit)
	c.float("owed", &s.Owed, omit)
	c.date("missing", &s.Missing, omit)
	if !c.writing || s.Lapse != (adherence.Lapse{}) {
		inner(c, "lapse", &s.Lapse, objects(lapseMembers))
	}
}

func lapseMembers(c *coder, l *adherence.Lapse) {
	c.date("from", &l.From, keep)
	c.date("reached", &l.Reached, keep)
	c.date("ended", &l.Ended, omit)
	c.flag("returned", &l.Returned)
}

func rateMembers(c *coder, r *adherence.Rate) {
	c.float("percent", &r.Percent, keep)
	c.date("from", &r.From, omit)
	c.date("to", &r.To, omit)
	c.moment("at", &r.At, keep)
}

func prescriptionMembers(c *coder, p *adherence.Prescription) {
	text(c, "id", &p.ID, keep)
	c.float("perDay", &p.PerDay, keep)
	whole(c, "weekdays", &p.Weekdays, omit)
	c.date("from", &p.From, keep)
	c.date("until", &p.Until, omit)
	list(c, "dates", &p.Dates, objects(datedMembers))
	list(c, "rests", &p.Rests, objects(restMembers))
	list(c, "dose", &p.Dose, objects(doseMembers))
	text(c, "fact", &p.Fact, omit)
}

func datedMembers(c *coder, d *adherence.Dated) {
	c.date("date", &d.Date, keep)
	c.float("sessions", &d.Sessions, keep)
}

func restMembers(c *coder, r *adherence.Rest) {
	c.date("from", &r.From, keep)
	c.date("until", &r.Until, keep)
}

func doseMembers(c *coder, d *adherence.Dose) {
	text(c, "name", &d.Name, omit)
	c.float("amount", &d.Amount, keep)
}

func dayMembers(c *coder, d *adherence.Day) {
	c.date("date", &d.Date, keep)
	c.float("due", &d.Due, omit)
	c.float("done", &d.Done, omit)
	c.flag("logged", &d.Logged)
	c.flag("parts", &d.Parts)
	c.float("dosed", &d.Dosed, omit)
	c.float("dose", &d.Dose, omit)
}

func windowMembers(c *coder, w *adherence.Window) {
	c.date("from", &w.From, keep)
	c.date("to", &w.To, keep)
	c.float("done", &w.Done, omit)
	c.float("due", &w.Due, omit)
	whole(c, "logged", &w.Logged, omit)
	whole(c, "unlogged", &w.Unlogged, omit)
	c.float("dosed", &w.Dosed, omit)
	c.float("dose", &w.Dose, omit)
	c.flag("provisional", &w.Provisional)
}

func teamMembers(c *coder, t *Team) {
	text(c, "id", &t.ID, keep)
	list(c, "within", &t.Within, word[ref.CareTeam])
	c.moment("at", &t.At, keep)
	c.moment("until", &t.Until, omit)
}

func visitsMembers(c *coder, v *Visits) {
	whole(c, "attended", &v.Attended, omit)
	whole(c, "missed", &v.Missed, omit)
	whole(c, "cancelledByPatient", &v.CancelledByPatient, omit)
	whole(c, "cancelledLate", &v.CancelledLate, omit)
	whole(c, "cancelledByClinic", &v.CancelledByClinic, omit)
	c.moment("planned", &v.Planned, omit)
	list(c, "recent", &v.Recent, objects(visitMembers))
}

func visitMembers(c *coder, v *Visit) {
	text(c, "id", &v.ID, keep)
	text(c, "appointment", &v.Appointment, omit)
	text(c, "status", &v.Status, keep)
	text(c, "clinician", &v.Clinician, omit)
	list(c, "clinicians", &v.Clinicians, word)
	c.moment("at", &v.At, keep)
	c.date("day", &v.Day, omit)
	c.flag("late", &v.Late)
	c.flag("excused", &v.Excused)
	c.flag("virtual", &v.Virtual)
	c.float("minutes", &v.Minutes, omit)
	text(c, "fact", &v.Fact, omit)
}

func goalMembers(c *coder, g *Goal) {
	text(c, "id", &g.ID, keep)
	text(c, "lifecycle", &g.Lifecycle, keep)
	text(c, "achievement", &g.Achievement, omit)
	c.moment("due", &g.Due, omit)
	c.moment("reached", &g.Reached, omit)
	c.moment("at", &g.At, keep)
	text(c, "fact", &g.Fact, omit)
}

func measureMembers(c *coder, m *Measure) {
	text(c, "code", &m.Code, keep)
	text(c, "unit", &m.Unit, omit)
	text(c, "site", &m.Site, omit)
	text(c, "side", &m.Side, omit)
	inner(c, "first", &m.First, objects(readingMembers))
	inner(c, "last", &m.Last, objects(readingMembers))
}

// number, value, day and word are list entries.

func number(c *coder, x *int) {
	if c.writing {
		c.appendFloat(float64(*x))
		return
	}
	*x = int(c.readInt())
}

func value(c *coder, x *float64) {
	if c.writing {
		c.appendFloat(*x)
		return
	}
	*x = c.readFloat()
}

func day(c *coder, d *adherence.Date) {
	if c.writing {
		c.buf = append(d.Start().AppendFormat(append(c.buf, '"'), "2006-01-02"), '"')
		return
	}
	raw, _ := c.quoted()
	if c.err == nil && d.UnmarshalText(raw[1:len(raw)-1]) != nil {
		c.fail()
	}
}

func word[T ~string](c *coder, x *T) {
	if c.writing {
		c.appendString(string(*x))
		return
	}
	*x = T(c.readString())
}

func (c *coder) date(name string, d *adherence.Date, omit bool) {
	if c.writing && omit && *d == 0 || !c.member(name) {
		return
	}
	day(c, d)
	if !c.writing {
		c.next()
	}
}

// words are those that most states hold; reading them makes no copies.
var words = func() map[string]string {
	table := map[string]string{}
	for _, w := range []string{
		"patient", "clinician", "care-partner", "alliance", "distress", "beliefs", "adherence", "function", "pain", "sleep",
		"phq-9", "phq-2", "gad-7", "wai-sr", "srs", "pcs", "tsk-11", "pseq", "ears",
		"total", "task", "bond", "goal", "total-mean", "rumination", "magnification", "helplessness", "somatic-focus", "activity-avoidance",
		"depression", "anxiety", "catastrophizing", "fear-of-movement", "low-self-efficacy", "general",
		"none", "mild", "moderate", "severe", "minimal", "moderately-severe", "low", "high", "positive", "negative",
		"strain", "rupture", "gradual-decline", "repair", "fall", "open", "repaired", "unrepaired",
		"deepened", "part-divergence", "behavioural", "non-response", "not-repaired-in-time", "clinician-left",
		"attended", "missed", "cancelled-patient", "cancelled-clinic", "active", "in-progress", "safety", "discuss",
	} {
		table[w] = w
	}
	return table
}()
