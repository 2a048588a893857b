package wire

import (
	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
	"github.com/rapport-health/rapport/services/domain/adherence"
	"github.com/rapport-health/rapport/services/domain/engagement"
	"github.com/rapport-health/rapport/services/domain/episode"
)

// courseOf enters what is known of the course of care: its stretch, visits, milestones, function, engagement, monitoring.
func courseOf(out *rapportv1.Episode, s *episode.State) {
	out.Now = stamp(s.Now)
	if c := &s.Course; c.Number > 0 {
		out.Course = &rapportv1.Course{
			Number: int32(c.Number), Begun: stamp(c.Begun), Ended: stamp(c.Ended), Why: c.Why, Paused: stamp(c.Paused),
			PausedUntil: stamp(c.Until), PauseReason: c.Reason, Sources: c.Sources, PausedDays: float64(c.Rested) / (24 * 60 * 60),
		}
	}
	for i := range s.Past {
		out.PastCourses = append(out.PastCourses, pastCourse(&s.Past[i]))
	}
	out.Attendance = attendance(s)
	for _, g := range s.Goals {
		out.Milestones = append(out.Milestones, &rapportv1.Milestone{
			Goal: g.ID, Standing: string(s.Milestone(g)), Due: stamp(g.Due), Reached: stamp(g.Reached),
		})
	}
	for i := range s.Lines {
		l := &s.Lines[i]
		out.Function = append(out.Function, &rapportv1.FunctionLine{
			Instrument: l.Instrument, Code: l.Since.Code, Since: reading(l.Since.First), Last: reading(l.Since.Last),
			Visits: int32(s.Visits.Attended - l.Visits), Stalled: l.Stalled(s.Visits.Attended),
		})
	}
	out.Engagement = engagementOf(s)
	for _, e := range s.Monitoring.Evidence(s.Now) {
		out.Monitoring = append(out.Monitoring, &rapportv1.MonitoringEvidence{
			Code: e.Code, Title: e.Title, From: e.From.String(), To: e.To.String(), Value: e.Value,
			Interactions: int32(e.Interactions), Units: int32(e.Units), Provisional: e.Provisional,
		})
	}
}

func pastCourse(c *episode.PastCourse) *rapportv1.PastCourse {
	out := &rapportv1.PastCourse{
		Number: int32(c.Number), Begun: stamp(c.Begun), Ended: stamp(c.Ended), Why: c.Why,
		Attended: int32(c.Attended), Missed: int32(c.Missed),
	}
	for _, s := range c.Scores {
		out.Scores = append(out.Scores, &rapportv1.PastScore{
			Instrument: s.Instrument, Code: s.Code, First: s.First, Last: s.Last, Direction: string(s.Direction),
		})
	}
	return out
}

// attendance is nil before the first visit.
func attendance(s *episode.State) *rapportv1.Attendance {
	v := &s.Visits
	if v.Attended+v.Missed+v.CancelledByPatient+v.CancelledByClinic == 0 {
		return nil
	}
	out := &rapportv1.Attendance{
		Attended: int32(v.Attended), Missed: int32(v.Missed), CancelledLate: int32(v.CancelledLate),
		CancelledByPatient: int32(v.CancelledByPatient), CancelledByClinic: int32(v.CancelledByClinic),
		MissedInRow: int32(s.MissedInRow()),
	}
	if percent, ok := s.Attendance().Percent(); ok {
		out.Percent = &percent
	}
	return out
}

// engagementOf is nil where the patient was never heard of and nothing speaks for a drop-out.
func engagementOf(s *episode.State) *rapportv1.Engagement {
	signals, points := s.Dropout()
	if s.Heard.IsZero() && points == 0 {
		return nil
	}
	out := &rapportv1.Engagement{Points: int32(points), Level: engagement.Level(points), Heard: stamp(s.Heard)}
	for _, signal := range signals {
		out.Signals = append(out.Signals, &rapportv1.Signal{
			Code: signal.Code, Points: int32(signal.Points), Text: signal.Text, Source: signal.Source, Value: signal.Value,
			Facts: s.SignalFacts(signal.Code),
		})
	}
	if usual, ok := s.Rhythm.Usual(); ok {
		out.UsualGapDays = &usual
	}
	if check, _, overdue := s.Overdue(); overdue {
		out.OverdueCheckIn = check.Code
	}
	return out
}

// adherenceOf is the last closed window of home exercise, else the one under way; nil when nothing was ever asked for.
func adherenceOf(s *episode.State) *rapportv1.Adherence {
	p := &s.Programme
	w, closed := s.Completed()
	if !closed {
		w = p.Running(s.Now)
	}
	elsewhere, told := p.Elsewhere(s.Now)
	if w.Due == 0 && w.Done == 0 && !told {
		return nil
	}
	out := &rapportv1.Adherence{
		WindowDays: int32(w.To - w.From), Done: w.Done, Prescribed: w.Due, Provisional: w.Provisional, LastLog: stamp(p.LastLog),
		StreakDays: int32(p.Streak.Days), LongestStreakDays: int32(p.Streak.Longest),
	}
	if percent, ok := w.Completion(); ok {
		out.Completion = &percent
	}
	for _, days := range [...]int{adherence.WeekDays, adherence.WindowDays, adherence.MonthDays} {
		last, ok := p.Last(days, s.Now)
		if !ok {
			last = p.RunningOf(days, s.Now)
		}
		out.Windows = append(out.Windows, window(days, last))
	}
	if p.Lapsed() {
		out.LapsedSince = p.Streak.Lapse.From.String()
	}
	if told {
		out.Elsewhere = &elsewhere
	}
	return out
}

func window(days int, w adherence.Window) *rapportv1.AdherenceWindow {
	out := &rapportv1.AdherenceWindow{
		Days: int32(days), From: w.From.String(), To: w.To.String(), Done: w.Done, Prescribed: w.Due,
		LoggedDays: int32(w.Logged), UnloggedDays: int32(w.Unlogged), Provisional: w.Provisional,
	}
	if percent, ok := w.Completion(); ok {
		out.Completion = &percent
	}
	if percent, ok := w.DoseCompletion(); ok {
		out.DoseCompletion = &percent
	}
	return out
}
