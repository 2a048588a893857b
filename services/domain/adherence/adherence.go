// Package adherence counts home exercise done against the prescription in force on each day.
package adherence

import (
	"math"
	"slices"
	"time"

	"github.com/rapport-health/rapport/services/domain/fact"
)

// The windows, in days. Each is closed first a whole window after the programme starts, then every StepDays.
const (
	// WeekDays, WindowDays and MonthDays are the lengths; WindowDays is the one that rules and the fused view look at.
	WeekDays   = 7
	WindowDays = 14
	MonthDays  = 28
	// StepDays lies between two closings.
	StepDays = 7
	// maxPrescriptions bounds what is remembered; the one that started first is forgotten first.
	maxPrescriptions = 16
	// maxPerDay bounds what one prescription asks for and what one log reports: beyond it is a slip of the pen.
	maxPerDay = 100
	// maxGap is how many silent days are settled one by one; before that a gap is taken as empty.
	maxGap = 3660
	// lastDate is 31 December 9999, the last that has a text.
	lastDate Date = 2932896
)

// Programme is what is prescribed and what was done, as far back as the longest window needs. Its methods
// take facts in order of time and return a new value; they never change the one they are called on.
type Programme struct {
	// Since is the day the programme started: windows close on whole steps from it.
	Since Date `json:"since,omitzero"`
	// Prescriptions that are active, at most 16.
	Prescriptions []Prescription `json:"prescriptions,omitempty"`
	// Days that have something due or logged, oldest first: at most the last 28 and those after them that are under way.
	Days []Day `json:"days,omitempty"`
	// Closed is the last window of WindowDays that closed, Week and Month those of the other lengths; zero when none has.
	Closed Window `json:"closed,omitzero"`
	Week   Window `json:"week,omitzero"`
	Month  Window `json:"month,omitzero"`
	// Streak of days on which the exercise was done, and the last lapse.
	Streak Streak `json:"streak,omitzero"`
	// Reported is the last rate that was worked out elsewhere; zero when there was none.
	Reported Rate `json:"reported,omitzero"`
	// Paused says that nothing is asked for, because the course of care is paused.
	Paused bool `json:"paused,omitempty"`
	// LastLog is when the last session was logged, done or not, and LogFact the fact that said so.
	LastLog time.Time `json:"lastLog,omitzero"`
	LogFact string    `json:"logFact,omitempty"`
}

// Prescription is the version of a prescription that is in force.
type Prescription struct {
	// ID as its source names it.
	ID string `json:"id"`
	// PerDay is how many sessions are due on each of its days.
	PerDay float64 `json:"perDay"`
	// Weekdays is a set of time.Weekday bits; 0 is every day.
	Weekdays uint8 `json:"weekdays,omitempty"`
	// From is its first day, Until the first day no longer in it; zero is open.
	From  Date `json:"from"`
	Until Date `json:"until,omitzero"`
	// Dates are the days ahead on which alone it is done, with how often; empty when every day of its Weekdays counts.
	Dates []Dated `json:"dates,omitempty"`
	// Rests are planned stretches without exercise.
	Rests []Rest `json:"rests,omitempty"`
	// Dose of one session.
	Dose []Dose `json:"dose,omitempty"`
	// Fact that said so last.
	Fact string `json:"fact,omitempty"`
}

// Day is one day of the windows.
type Day struct {
	// Date of the day.
	Date Date `json:"date"`
	// Due is how many sessions were prescribed. It is settled when the day is over.
	Due float64 `json:"due,omitempty"`
	// Done is how many were logged as done.
	Done float64 `json:"done,omitempty"`
	// Logged says that something was logged, be it "not done".
	Logged bool `json:"logged,omitempty"`
	// Parts says that single exercises were logged as done; together they are one session.
	Parts bool `json:"parts,omitempty"`
	// Dosed is how many sessions told their dose, and Dose how many whole doses that was.
	Dosed float64 `json:"dosed,omitempty"`
	Dose  float64 `json:"dose,omitempty"`
}

// sessions done; single exercises of a day make up one.
func (d Day) sessions() float64 {
	if d.Parts && d.Done < 1 {
		return 1
	}
	return d.Done
}

// Window is a stretch of days counted together.
type Window struct {
	// From is its first day, To the day after its last.
	From Date `json:"from"`
	To   Date `json:"to"`
	// Done and Due are sessions.
	Done float64 `json:"done,omitempty"`
	Due  float64 `json:"due,omitempty"`
	// Logged is the number of days with a log.
	Logged int `json:"logged,omitempty"`
	// Unlogged is the number of days on which a session was due and nothing was logged: unknown while Provisional, missed
	// afterwards. A plan that leaves the days open has none.
	Unlogged int `json:"unlogged,omitempty"`
	// Dosed is how many sessions told their dose, and Dose how many whole doses that was.
	Dosed float64 `json:"dosed,omitempty"`
	Dose  float64 `json:"dose,omitempty"`
	// Provisional is true while days without a log are unknown rather than missed.
	Provisional bool `json:"provisional,omitempty"`
}

// Completion is 100 × done ÷ due, uncapped; false when nothing was due.
func (w Window) Completion() (float64, bool) {
	if w.Due <= 0 {
		return 0, false
	}
	return tidy(100 * w.Done / w.Due), true
}

// DoseCompletion is 100 × the doses done ÷ the sessions whose dose was logged, uncapped; false when none was.
func (w Window) DoseCompletion() (float64, bool) {
	if w.Dosed <= 0 {
		return 0, false
	}
	return tidy(100 * w.Dose / w.Dosed), true
}

// Prescribe takes a prescription, or a change of one, from the moment it counts. Only an active one stays:
// on hold, completed and revoked ones ask for nothing until they are active again.
func (p Programme) Prescribe(at time.Time, rx fact.Prescription) Programme {
	today := DateOf(at)
	p.Prescriptions = slices.DeleteFunc(slices.Clone(p.Prescriptions), func(have Prescription) bool { return have.ID == rx.ID })
	next, active := bind(today, rx)
	if active {
		p.Prescriptions = append(replaced(p.Prescriptions, next.From, rx.Replaces), next)
	}
	if len(p.Prescriptions) > maxPrescriptions {
		p.Prescriptions = slices.Delete(p.Prescriptions, 0, 1)
	}
	if active && !p.underWay(today) {
		p.Since = p.start()
	}
	return p
}

// Cite notes which fact said last what a prescription asks for.
func (p Programme) Cite(prescription, fact string) Programme {
	p.Prescriptions = slices.Clone(p.Prescriptions)
	for i := range p.Prescriptions {
		if p.Prescriptions[i].ID == prescription {
			p.Prescriptions[i].Fact = fact
		}
	}
	return p
}

// Pass lets time go by: the days that are over are settled against the prescriptions in force at their end,
// and windows that close are closed.
func (p Programme) Pass(from, to time.Time) Programme {
	first, today := DateOf(from), DateOf(to)
	if first >= today || p.idle() {
		return p
	}
	days := make([]Day, len(p.Days), len(p.Days)+min(int(today-first), MonthDays)+1)
	copy(days, p.Days)
	p.Days = days
	for d := max(first, today-maxGap); d < today; d++ {
		p.settle(d)
		p.close(d + 1)
		p.forget(d + 2 - MonthDays)
	}
	ended := func(rx Prescription) bool { return rx.Until != 0 && rx.Until <= today }
	if slices.ContainsFunc(p.Prescriptions, ended) {
		p.Prescriptions = slices.DeleteFunc(slices.Clone(p.Prescriptions), ended)
	}
	return p
}

// Pause stops all asking from the day of a moment on, Resume takes it up again on the day of a moment.
func (p Programme) Pause(at time.Time) Programme {
	p.Paused = true
	p.Streak = p.Streak.rest(DateOf(at))
	return p
}

// Resume is the end of a Pause.
func (p Programme) Resume() Programme {
	p.Paused = false
	return p
}

// Anew is the programme of a new course of care: what is prescribed stays, what was counted is forgotten.
func (p Programme) Anew(at time.Time) Programme {
	today := DateOf(at)
	next := Programme{Prescriptions: slices.Clone(p.Prescriptions)}
	for i := range next.Prescriptions {
		next.Prescriptions[i].From = max(next.Prescriptions[i].From, today)
	}
	if len(next.Prescriptions) > 0 {
		next.Since = next.start()
	}
	return next
}

// Running is the window of WindowDays that ends today; see RunningOf.
func (p Programme) Running(now time.Time) Window { return p.RunningOf(WindowDays, now) }

// RunningOf is the window of some days, at most MonthDays, that ends today. It is provisional: days without a log may
// still be logged, and today is due only once it has a log.
func (p Programme) RunningOf(days int, now time.Time) Window {
	today := DateOf(now)
	w := p.window(today+1-Date(days), today+1)
	w.Provisional = true
	if i, found := p.day(today); found && p.Days[i].Logged {
		w.Due = tidy(w.Due + p.due(today))
	}
	return w
}

// Last closed window of WeekDays, WindowDays or MonthDays; false when none has closed within WindowDays.
func (p Programme) Last(days int, now time.Time) (Window, bool) {
	w := p.Closed
	switch days {
	case WeekDays:
		w = p.Week
	case MonthDays:
		w = p.Month
	}
	return w, w.To != 0 && DateOf(now)-w.To < WindowDays
}

// Expires is when the next of the last closed windows, or of the rates worked out elsewhere, is no longer the Last one;
// zero when there is none.
func (p Programme) Expires(now time.Time) (next time.Time) {
	consider := func(t time.Time) {
		if t.After(now) && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	for _, w := range [...]Window{p.Week, p.Closed, p.Month} {
		if w.To != 0 {
			consider((w.To + WindowDays).Start())
		}
	}
	if !p.Reported.At.IsZero() {
		consider(p.Reported.At.AddDate(0, 0, WindowDays))
	}
	return next
}

// Asks says whether something is or will be prescribed after the moment.
func (p Programme) Asks(now time.Time) bool {
	return slices.ContainsFunc(p.Prescriptions, func(rx Prescription) bool { return rx.Until == 0 || rx.Until > DateOf(now) })
}

// AsksUntil is when the last prescription ends: zero when there is none, and open when that is not known.
func (p Programme) AsksUntil() (until time.Time, open bool) {
	for _, rx := range p.Prescriptions {
		if rx.Until == 0 {
			return time.Time{}, true
		}
		if end := rx.Until.Start(); end.After(until) {
			until = end
		}
	}
	return until, false
}

// NextClose is when the next window closes by time alone; zero when none will.
func (p Programme) NextClose(now time.Time) time.Time {
	today := DateOf(now)
	next := p.gridAfter(today)
	if next == 0 {
		return time.Time{}
	}
	if p.dueBetween(next-StepDays, today) || p.nextDue(max(today, next-StepDays)) < next {
		return next.Start()
	}
	if d := p.nextDue(next); d < never {
		return p.gridAfter(d).Start()
	}
	return time.Time{}
}

// idle says that time changes nothing.
func (p *Programme) idle() bool { return len(p.Prescriptions) == 0 && len(p.Days) == 0 }

// underWay says whether something was or is due already, so that a new prescription joins the programme.
func (p *Programme) underWay(today Date) bool {
	return p.Since != 0 && (p.dueBetween(today+1-WindowDays, today) || p.due(today) > 0 && p.Since <= today && len(p.Prescriptions) > 1)
}

func (p *Programme) start() Date {
	start := p.Prescriptions[0].From
	for _, rx := range p.Prescriptions {
		start = min(start, rx.From)
	}
	return start
}

// due is how many sessions are asked for on a day; none during a pause.
func (p *Programme) due(d Date) (due float64) {
	if p.Paused {
		return 0
	}
	for i := range p.Prescriptions {
		due += p.Prescriptions[i].due(d)
	}
	return due
}

// day is where a date stands among the days, or would stand.
func (p *Programme) day(d Date) (int, bool) {
	if n := len(p.Days); n > 0 && p.Days[n-1].Date < d { // most days come last
		return n, false
	}
	return slices.BinarySearchFunc(p.Days, d, func(have Day, want Date) int { return int(have.Date) - int(want) })
}

// settle writes what was due on a day that is over. The days are the programme's own already.
func (p *Programme) settle(d Date) {
	due := p.due(d)
	i, found := p.day(d)
	switch {
	case found:
		p.Days[i].Due = due
	case due > 0:
		p.Days = slices.Insert(p.Days, i, Day{Date: d, Due: due})
	default:
		return
	}
	p.Streak = p.Streak.settle(d, due, p.Days[i].sessions() > 0)
}

func (p *Programme) forget(before Date) {
	for len(p.Days) > 0 && p.Days[0].Date < before {
		p.Days = p.Days[1:]
	}
}

// close closes the windows that end where a day begins.
func (p *Programme) close(c Date) {
	run := int(c - p.Since)
	if p.Since == 0 || run < WeekDays || run%StepDays != 0 || !p.dueBetween(c-StepDays, c) {
		return
	}
	p.Week = p.window(c-WeekDays, c)
	if run >= WindowDays {
		p.Closed = p.window(c-WindowDays, c)
	}
	if run >= MonthDays {
		p.Month = p.window(c-MonthDays, c)
	}
}

func (p *Programme) dueBetween(from, to Date) bool {
	return slices.ContainsFunc(p.Days, func(d Day) bool { return d.Date >= from && d.Date < to && d.Due > 0 })
}

// gridAfter is the first closing day after d; 0 when no programme has started.
func (p *Programme) gridAfter(d Date) Date {
	if p.Since == 0 {
		return 0
	}
	first := p.Since + WeekDays
	if d < first {
		return first
	}
	return d + StepDays - (d-first)%StepDays
}

const never = Date(math.MaxInt32)

// nextDue is the first day from d on with something due; never when there is none.
func (p *Programme) nextDue(from Date) Date {
	next := never
	if p.Paused {
		return next
	}
	for i := range p.Prescriptions {
		next = min(next, p.Prescriptions[i].next(from))
	}
	return next
}

func (p *Programme) window(from, to Date) Window {
	w := Window{From: from, To: to}
	for _, d := range p.Days {
		if d.Date < from || d.Date >= to {
			continue
		}
		w.Due += d.Due
		w.Done += d.sessions()
		w.Dosed += d.Dosed
		w.Dose += d.Dose
		switch {
		case d.Logged:
			w.Logged++
		case d.Due >= 1-dust:
			w.Unlogged++
		}
	}
	w.Due, w.Done, w.Dosed, w.Dose = tidy(w.Due), tidy(w.Done), tidy(w.Dosed), tidy(w.Dose)
	return w
}

// tidy takes the dust of binary fractions off a count: nine decimals are kept.
func tidy(x float64) float64 { return math.Round(x*1e9) / 1e9 }
