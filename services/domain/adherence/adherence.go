// Package adherence counts home exercise done against the prescription in force on each day.
package adherence

import (
	"math"
	"slices"
	"time"

	"github.com/rapport-health/rapport/services/domain/fact"
)

// The windows, in days. A window is closed first a whole window after the programme starts, then every Step.
const (
	// WindowDays is the length of a window.
	WindowDays = 14
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

// Programme is what is prescribed and what was done, as far back as the open window needs. Its methods
// take facts in order of time and return a new value; they never change the one they are called on.
type Programme struct {
	// Since is the day the programme started: windows close on whole steps from it.
	Since Date `json:"since,omitzero"`
	// Prescriptions that are active, at most 16.
	Prescriptions []Prescription `json:"prescriptions,omitempty"`
	// Days that have something due or logged, oldest first: at most the last 14, today among them.
	Days []Day `json:"days,omitempty"`
	// Closed is the last window that closed; zero when none has.
	Closed Window `json:"closed,omitzero"`
	// LastLog is when the last session was logged, done or not.
	LastLog time.Time `json:"lastLog,omitzero"`
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
}

// Day is one day of the open window.
type Day struct {
	// Date of the day.
	Date Date `json:"date"`
	// Due is how many sessions were prescribed. It is settled when the day is over.
	Due float64 `json:"due,omitempty"`
	// Done is how many were logged as done.
	Done float64 `json:"done,omitempty"`
	// Logged says that something was logged, be it "not done".
	Logged bool `json:"logged,omitempty"`
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

// Prescribe takes a prescription, or a change of one, from the moment it counts. Only an active one stays:
// on hold, completed and revoked ones ask for nothing until they are active again.
func (p Programme) Prescribe(at time.Time, rx fact.Prescription) Programme {
	today := DateOf(at)
	p.Prescriptions = slices.DeleteFunc(slices.Clone(p.Prescriptions), func(have Prescription) bool { return have.ID == rx.ID })
	next, active := bind(today, rx)
	if active {
		p.Prescriptions = append(p.Prescriptions, next)
	}
	if len(p.Prescriptions) > maxPrescriptions {
		p.Prescriptions = slices.Delete(p.Prescriptions, 0, 1)
	}
	if active && !p.underWay(today) {
		p.Since = p.start()
	}
	return p
}

// Log takes one log of exercise.
func (p Programme) Log(at time.Time, log fact.Exercise) Programme {
	date := DateOf(at)
	days := slices.Clone(p.Days)
	i, found := slices.BinarySearchFunc(days, date, func(d Day, want Date) int { return int(d.Date) - int(want) })
	if !found {
		days = slices.Insert(days, i, Day{Date: date})
	}
	p.Days = days
	day := &p.Days[i]
	day.Logged = true
	if log.Done > 0 {
		day.Done += min(log.Done, maxPerDay)
	}
	p.LastLog = at
	return p
}

// Pass lets time go by: the days that are over are settled against the prescriptions in force at their end,
// and windows that close are closed.
func (p Programme) Pass(from, to time.Time) Programme {
	first, today := DateOf(from), DateOf(to)
	if first >= today || p.idle() {
		return p
	}
	days := make([]Day, len(p.Days), len(p.Days)+WindowDays+1)
	copy(days, p.Days)
	p.Days = days
	for d := max(first, today-maxGap); d < today; d++ {
		p.settle(d)
		if p.closes(d + 1) {
			p.Closed = p.window(d+1-WindowDays, d+1)
		}
		p.forget(d + 2 - WindowDays)
	}
	p.Prescriptions = slices.DeleteFunc(slices.Clone(p.Prescriptions), func(rx Prescription) bool { return rx.Until != 0 && rx.Until <= today })
	return p
}

// Running is the window that ends today. It is provisional: days without a log may still be logged, and today
// is due only once it has a log.
func (p Programme) Running(now time.Time) Window {
	today := DateOf(now)
	w := p.window(today+1-WindowDays, today+1)
	w.Provisional = true
	if n := len(p.Days); n > 0 && p.Days[n-1].Date == today && p.Days[n-1].Logged {
		w.Due = tidy(w.Due + p.due(today))
	}
	return w
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

func bind(today Date, rx fact.Prescription) (Prescription, bool) {
	perDay := rx.Sessions / rx.PeriodDays
	if rx.Status != "active" || rx.PeriodDays <= 0 || !(perDay > 0) {
		return Prescription{}, false
	}
	next := Prescription{ID: rx.ID, PerDay: min(perDay, maxPerDay), From: max(today, DateOf(rx.From))}
	if !rx.Until.IsZero() {
		next.Until = min(DateOf(rx.Until), lastDate)
		if next.Until <= next.From {
			return Prescription{}, false
		}
	}
	for _, day := range rx.Weekdays {
		if day >= 0 && day < 7 {
			next.Weekdays |= 1 << day
		}
	}
	if next.Weekdays != 0 {
		next.PerDay *= 7 / float64(bits(next.Weekdays))
	}
	return next, true
}

func bits(set uint8) (n int) {
	for ; set != 0; set &= set - 1 {
		n++
	}
	return n
}

func (rx Prescription) on(d Date) bool {
	return d >= rx.From && (rx.Until == 0 || d < rx.Until) && (rx.Weekdays == 0 || rx.Weekdays&(1<<d.Weekday()) != 0)
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

func (p *Programme) due(d Date) (due float64) {
	for _, rx := range p.Prescriptions {
		if rx.on(d) {
			due += rx.PerDay
		}
	}
	return due
}

// settle writes what was due on a day that is over.
func (p *Programme) settle(d Date) {
	due := p.due(d)
	if n := len(p.Days); n > 0 && p.Days[n-1].Date == d {
		p.Days[n-1].Due = due
	} else if due > 0 {
		p.Days = append(p.Days, Day{Date: d, Due: due})
	}
}

func (p *Programme) forget(before Date) {
	for len(p.Days) > 0 && p.Days[0].Date < before {
		p.Days = p.Days[1:]
	}
}

func (p *Programme) closes(c Date) bool {
	run := int(c - p.Since)
	return p.Since != 0 && run >= WindowDays && run%StepDays == 0 && p.dueBetween(c-StepDays, c)
}

func (p *Programme) dueBetween(from, to Date) bool {
	return slices.ContainsFunc(p.Days, func(d Day) bool { return d.Date >= from && d.Date < to && d.Due > 0 })
}

// gridAfter is the first closing day after d; 0 when no programme has started.
func (p *Programme) gridAfter(d Date) Date {
	if p.Since == 0 {
		return 0
	}
	first := p.Since + WindowDays
	if d < first {
		return first
	}
	return d + StepDays - (d-first)%StepDays
}

const never = Date(math.MaxInt32)

// nextDue is the first day from d on with something due; never when there is none.
func (p *Programme) nextDue(from Date) Date {
	next := never
	for _, rx := range p.Prescriptions {
		for d, i := max(from, rx.From), 0; i < 7; d, i = d+1, i+1 {
			if rx.on(d) {
				next = min(next, d)
				break
			}
		}
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
		w.Done += d.Done
		if d.Logged {
			w.Logged++
		}
	}
	w.Due, w.Done = tidy(w.Due), tidy(w.Done)
	return w
}

// tidy takes the dust of binary fractions off a count: nine decimals are kept.
func tidy(x float64) float64 { return math.Round(x*1e9) / 1e9 }
