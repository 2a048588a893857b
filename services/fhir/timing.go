package fhir

import (
	"slices"
	"time"

	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/fhir/tree"
)

// schedule is how often something is to be done, or why that cannot be told.
type schedule struct {
	sessions, days float64
	weekdays       []int
	from, until    time.Time
	dates          []time.Time
	count          float64 // of sessions altogether; 0 when not limited
	minutes        float64 // that one takes; 0 when not said
	at             tree.Node
	why            string
}

// occurrence reads occurrence[x].
func (w *work) occurrence(s *schedule) {
	if n := w.root.Child("occurrenceDateTime"); n.Exists() {
		from, until, _ := Interval(n, w.zone)
		*s = schedule{sessions: 1, days: max(1, until.Sub(from).Hours()/24), from: from, until: until, at: n}
		return
	}
	if n := w.root.Child("occurrencePeriod"); n.Exists() {
		s.at = n
		s.from, s.until = period(n, w.zone)
		count := w.root.Child("quantityQuantity")
		if w.amount(nil, count, "Quantity") != nil {
			count = tree.Node{} // it is the dose of one session
		}
		s.total(count.Child("value"))
		return
	}
	n := w.root.Child("occurrenceTiming")
	if !n.Exists() {
		s.at, s.why = w.root, "occurrence is missing: it says how often"
		return
	}
	s.at = n
	w.timing(s, n)
}

// total spreads a number of sessions over the bounds.
func (s *schedule) total(count tree.Node) {
	n, ok := number(count.Number())
	if !ok || n <= 0 || s.from.IsZero() || s.until.IsZero() || !s.until.After(s.from) {
		s.why = "it does not say how often"
		return
	}
	s.sessions, s.days = n, s.until.Sub(s.from).Hours()/24
}

// named are the timing codes of v3-GTSAbbreviation, as sessions per days.
var named = map[string][2]float64{
	"QD": {1, 1}, "BID": {2, 1}, "TID": {3, 1}, "QID": {4, 1}, "QOD": {1, 2}, "AM": {1, 1}, "PM": {1, 1}, "BED": {1, 1},
	"Q4H": {6, 1}, "Q6H": {4, 1}, "Q8H": {3, 1}, "WK": {1, 7}, "MO": {1, 30},
}

// timing reads a Timing.
func (w *work) timing(s *schedule, n tree.Node) {
	repeat := n.Child("repeat")
	w.bounds(s, repeat)
	if v, ok := number(repeat.Child("duration").Number()); ok {
		if m, timed := inMinutes(v, repeat.Child("durationUnit").Text()); timed && m > 0 && m <= mostMinutes {
			s.minutes = m
		}
	}
	switch {
	case slices.ContainsFunc([]string{"frequency", "period", "dayOfWeek", "timeOfDay", "when"}, func(name string) bool { return repeat.Child(name).Exists() }):
		s.repeat(repeat)
		if count, ok := number(repeat.Child("count").Number()); ok && count > 0 && count <= mostReps {
			s.count = count
		}
	case n.Child("event").Exists():
		w.events(s, n.Child("event"))
	case repeat.Child("count").Exists():
		s.total(repeat.Child("count"))
	default:
		for c := n.Child("code").Child("coding").First(); c.Exists(); c = c.Next() {
			if rate, ok := named[c.Child("code").Text()]; ok {
				s.sessions, s.days = rate[0], rate[1]
				return
			}
		}
		s.why = "it does not say how often"
	}
}

// events reads a list of dates.
func (w *work) events(s *schedule, n tree.Node) {
	for e := n.First(); e.Exists() && len(s.dates) < fact.MaxDates; e = e.Next() {
		if at, _, ok := Interval(e, w.zone); ok && !slices.ContainsFunc(s.dates, at.Equal) {
			s.dates = append(s.dates, at)
		}
	}
	if len(s.dates) == 0 {
		s.why = "it does not say how often"
		return
	}
	slices.SortFunc(s.dates, time.Time.Compare)
	const day = 24 * time.Hour
	last := s.dates[len(s.dates)-1]
	if s.from.IsZero() || s.dates[0].Before(s.from) {
		s.from = s.dates[0]
	}
	if s.until.IsZero() || !last.Before(s.until) {
		s.until = bounded(last.Add(day))
	}
	s.sessions, s.days = float64(len(s.dates)), max(1, s.until.Sub(s.from).Hours()/24)
}

// bounds enters boundsPeriod, or boundsDuration from when it was authored.
func (w *work) bounds(s *schedule, repeat tree.Node) {
	if b := repeat.Child("boundsPeriod"); b.Exists() {
		s.from, s.until = period(b, w.zone)
		return
	}
	length := repeat.Child("boundsDuration")
	if r := repeat.Child("boundsRange"); r.Exists() {
		length = r.Child("high")
	}
	days, ok := daysOf(length)
	if !ok {
		return
	}
	if from, _, dated := Interval(w.root.Child("authoredOn"), w.zone); dated {
		s.from, s.until = from, from.Add(duration(days))
	}
}

var weekdays = map[string]int{"sun": 0, "mon": 1, "tue": 2, "wed": 3, "thu": 4, "fri": 5, "sat": 6}

// repeat reads frequency, period, days of the week and times of day. Where a range is given its lower end is what is
// asked for at least.
func (s *schedule) repeat(n tree.Node) {
	frequency, asked := number(n.Child("frequency").Number())
	if !asked {
		frequency = max(1, float64(n.Child("when").Len()), float64(n.Child("timeOfDay").Len()))
	}
	length, given := number(n.Child("period").Number())
	unit := n.Child("periodUnit").Text()
	if !given {
		length = 1
	}
	if unit == "" {
		unit = "d"
	}
	days := length * unitDays[unit]
	for d := n.Child("dayOfWeek").First(); d.Exists(); d = d.Next() {
		if day, ok := weekdays[d.Text()]; ok && !slices.Contains(s.weekdays, day) {
			s.weekdays = append(s.weekdays, day)
		}
	}
	slices.Sort(s.weekdays)
	if on := float64(len(s.weekdays)); on > 0 {
		switch {
		case days <= 1: // so often on each of these days
			frequency, days = frequency*on/max(days, 1.0/24), 7
		case days >= 7: // once on each of these days, or at each time of such a day, unless more is asked for
			frequency = max(frequency, on*max(1, float64(n.Child("timeOfDay").Len())))
		}
	}
	s.sessions, s.days = frequency, days
	if days < 1 && days > 0 {
		s.sessions, s.days = frequency/days, 1
	}
	if s.days <= 0 || s.sessions <= 0 || s.sessions/s.days > mostSessions {
		s.why = "how often cannot be told from frequency, period and periodUnit"
	}
}

// unitDays are the days of a unit of time; a month counts 30, a year 365.
var unitDays = map[string]float64{
	"s": 1.0 / 86400, "min": 1.0 / 1440, "h": 1.0 / 24, "d": 1, "wk": 7, "mo": 30, "a": 365,
}

// daysOf is a Duration in days.
func daysOf(n tree.Node) (float64, bool) {
	v, ok := number(n.Child("value").Number())
	days := v * unitDays[unitOf(n)]
	return days, ok && days > 0 && days < 100*365
}

func duration(days float64) time.Duration { return time.Duration(days * float64(24*time.Hour)) }
