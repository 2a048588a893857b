package adherence

import (
	"math"
	"math/bits"
	"slices"
	"time"

	"github.com/rapport-health/rapport/services/domain/fact"
)

// The bounds of what is remembered of one prescription; what lies furthest ahead is left out.
const (
	maxDates = 64
	maxRests = 16
	maxDose  = 16
)

// Dated is one day of a prescription that names its days.
type Dated struct {
	// Date, and how many Sessions are asked for on it.
	Date     Date    `json:"date"`
	Sessions float64 `json:"sessions"`
}

// Rest is a planned stretch without exercise: From is its first day, Until the day after its last.
type Rest struct {
	From  Date `json:"from"`
	Until Date `json:"until"`
}

// Dose is what one session asks for of one exercise.
type Dose struct {
	// Name of the exercise; empty when the dose is that of the whole session.
	Name string `json:"name,omitempty"`
	// Amount is sets × repetitions, or minutes when those are not said.
	Amount float64 `json:"amount"`
}

// bind reads a prescription from today on; false when it asks for nothing.
func bind(today Date, rx fact.Prescription) (Prescription, bool) {
	perDay := rx.Sessions / rx.PeriodDays
	if rx.Status != "active" || rx.PeriodDays <= 0 || !(perDay > 0) {
		return Prescription{}, false
	}
	next := Prescription{ID: rx.ID, PerDay: min(perDay, maxPerDay), From: max(today, DateOf(rx.From))}
	if !rx.Until.IsZero() {
		next.Until = min(DateOf(rx.Until), lastDate)
	}
	if days := rx.Count / perDay; days > 0 && days < float64(lastDate) {
		enough := min(DateOf(rx.From)+Date(math.Ceil(days-1e-9)), lastDate)
		if next.Until == 0 || enough < next.Until {
			next.Until = enough
		}
	}
	if next.Until != 0 && next.Until <= next.From {
		return Prescription{}, false
	}
	for _, day := range rx.Weekdays {
		if day >= 0 && day < 7 {
			next.Weekdays |= 1 << day
		}
	}
	if next.Weekdays != 0 {
		next.PerDay *= 7 / float64(bits.OnesCount8(next.Weekdays))
	}
	next.Dates, next.Rests, next.Dose = dates(next.From, rx.Dates), rests(today, rx.Rests), doses(rx.Dose)
	return next, true
}

// dates are those from a day on, each day once.
func dates(from Date, moments []time.Time) (out []Dated) {
	for _, t := range moments {
		d := DateOf(t)
		switch n := len(out); {
		case d < from:
		case n > 0 && out[n-1].Date == d:
			out[n-1].Sessions++
		case n < maxDates:
			out = append(out, Dated{d, 1})
		}
	}
	return out
}

func rests(today Date, spans []fact.Span) (out []Rest) {
	for _, s := range spans {
		r := Rest{DateOf(s.From), min(DateOf(s.Until), lastDate)}
		if r.Until > today && r.From < r.Until && len(out) < maxRests {
			out = append(out, r)
		}
	}
	return out
}

func doses(parts []fact.Part) (out []Dose) {
	for _, part := range parts {
		if amount := amount(part); amount > 0 && len(out) < maxDose {
			out = append(out, Dose{part.Name, amount})
		}
	}
	return out
}

// amount of one exercise: sets × repetitions, or minutes when no repetitions are said.
func amount(p fact.Part) float64 {
	x := p.Minutes
	switch {
	case p.Reps > 0:
		x = max(p.Sets, 1) * p.Reps
	case x <= 0:
		x = p.Sets
	}
	if !(x > 0) || x > maxAmount {
		return 0
	}
	return x
}

// maxAmount bounds the dose of one exercise: beyond it is a slip of the pen.
const maxAmount = 1e6

// replaced ends what a new prescription takes the place of.
func replaced(have []Prescription, from Date, ids []string) []Prescription {
	out := have[:0]
	for _, rx := range have {
		if slices.Contains(ids, rx.ID) && (rx.Until == 0 || rx.Until > from) {
			rx.Until = from
		}
		if rx.Until == 0 || rx.Until > rx.From {
			out = append(out, rx)
		}
	}
	return out
}

// due is how many sessions it asks for on a day.
func (rx *Prescription) due(d Date) float64 {
	if d < rx.From || rx.Until != 0 && d >= rx.Until || rx.Weekdays != 0 && rx.Weekdays&(1<<d.Weekday()) == 0 || rx.rests(d) {
		return 0
	}
	if n := len(rx.Dates); n == 0 || n == maxDates && d > rx.Dates[n-1].Date {
		return rx.PerDay // beyond the dates that are remembered they are spread evenly
	}
	i, found := slices.BinarySearchFunc(rx.Dates, d, func(have Dated, want Date) int { return int(have.Date) - int(want) })
	if !found {
		return 0
	}
	return rx.Dates[i].Sessions
}

func (rx *Prescription) rests(d Date) bool {
	return slices.ContainsFunc(rx.Rests, func(r Rest) bool { return d >= r.From && d < r.Until })
}

// next is the first day from a day on with something due; never when there is none. A plan may rest for long: where it
// does, the days after the rest are looked at.
func (rx *Prescription) next(from Date) Date {
	d := max(from, rx.From)
	for range 7 + maxDates + maxRests {
		switch {
		case rx.Until != 0 && d >= rx.Until:
			return never
		case rx.due(d) > 0:
			return d
		}
		d = rx.after(d)
	}
	return never
}

// after is the next day worth looking at: the one after a rest, the next of the dates, or tomorrow.
func (rx *Prescription) after(d Date) Date {
	for _, r := range rx.Rests {
		if d >= r.From && d < r.Until {
			return r.Until
		}
	}
	for _, at := range rx.Dates {
		if at.Date > d {
			return at.Date
		}
	}
	return d + 1
}
