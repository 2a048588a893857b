package fhir

import (
	"time"

	"github.com/rapport-health/rapport/services/fhir/tree"
)

// temporal is a FHIR date, dateTime or instant as written.
type temporal struct {
	year, month, day     int // month and day 0 when not written
	hour, minute, second int
	nanos                int
	digits               int // of the fraction
	timed                bool
	offset               int // seconds east of Greenwich
}

const notATime = "is no date or time of the form that FHIR R4 gives it"

// temporalFault says what is wrong with the text of a date, dateTime, instant or time; empty when nothing is.
func temporalFault(text []byte, p primitive) string {
	if p == timeType {
		if _, rest, ok := clock(text, &temporal{}); !ok || len(rest) > 0 {
			return notATime
		}
		return ""
	}
	t, why := parseTemporal(text)
	switch {
	case why != "":
		return why
	case p == dateType && t.timed:
		return "a date has no time of day"
	case p == instantType && !t.timed:
		return "an instant has a date, a time and a zone"
	}
	return ""
}

// parseTemporal reads YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm:ss[.fff] with Z or ±hh:mm. The second result
// says why not.
func parseTemporal(text []byte) (temporal, string) {
	var t temporal
	year, rest, ok := digits(text, 4)
	if t.year = year; !ok || year == 0 {
		return t, notATime
	}
	for _, part := range [2]*int{&t.month, &t.day} {
		if len(rest) == 0 {
			return t, t.impossible()
		}
		if rest[0] != '-' {
			return t, notATime
		}
		if *part, rest, ok = digits(rest[1:], 2); !ok {
			return t, notATime
		}
		if *part == 0 {
			return t, "there is no such day in the calendar"
		}
	}
	if len(rest) == 0 {
		return t, t.impossible()
	}
	if rest[0] != 'T' {
		return t, notATime
	}
	t.timed = true
	if _, rest, ok = clock(rest[1:], &t); !ok {
		return t, notATime
	}
	if len(rest) == 0 {
		return t, "a time of day needs a zone: add Z or an offset such as +01:00"
	}
	if !t.zone(rest) {
		return t, notATime
	}
	return t, t.impossible()
}

// clock reads hh:mm:ss[.fff].
func clock(text []byte, t *temporal) (*temporal, []byte, bool) {
	var ok bool
	rest := text
	if t.hour, rest, ok = digits(rest, 2); !ok || t.hour > 23 {
		return t, rest, false
	}
	for _, part := range [2]*int{&t.minute, &t.second} {
		if len(rest) == 0 || rest[0] != ':' {
			return t, rest, false
		}
		if *part, rest, ok = digits(rest[1:], 2); !ok {
			return t, rest, false
		}
	}
	if t.minute > 59 || t.second > 60 {
		return t, rest, false
	}
	if len(rest) == 0 || rest[0] != '.' {
		return t, rest, true
	}
	rest = rest[1:]
	unit := 100_000_000
	for len(rest) > 0 && rest[0] >= '0' && rest[0] <= '9' {
		t.nanos += int(rest[0]-'0') * unit
		unit /= 10
		t.digits++
		rest = rest[1:]
	}
	return t, rest, t.digits > 0
}

// zone reads Z or ±hh:mm, at most 14 hours.
func (t *temporal) zone(text []byte) bool {
	if len(text) == 1 && text[0] == 'Z' {
		return true
	}
	if len(text) != 6 || text[0] != '+' && text[0] != '-' || text[3] != ':' {
		return false
	}
	hours, _, ok := digits(text[1:], 2)
	minutes, _, ok2 := digits(text[4:], 2)
	if !ok || !ok2 || minutes > 59 || hours*60+minutes > 14*60 {
		return false
	}
	t.offset = hours*3600 + minutes*60
	if text[0] == '-' {
		t.offset = -t.offset
	}
	return true
}

// impossible says why the calendar has no such day; empty when it has.
func (t *temporal) impossible() string {
	if t.month > 12 || t.day > daysIn(t.year, t.month) {
		return "there is no such day in the calendar"
	}
	return ""
}

func daysIn(year, month int) int {
	switch month {
	case 0:
		return 0
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	case 4, 6, 9, 11:
		return 30
	default:
		return 31
	}
}

// digits reads a number of exactly n digits.
func digits(text []byte, n int) (int, []byte, bool) {
	if len(text) < n {
		return 0, text, false
	}
	v := 0
	for _, c := range text[:n] {
		if c < '0' || c > '9' {
			return 0, text, false
		}
		v = v*10 + int(c-'0')
	}
	return v, text[n:], true
}

// latest is the last moment that has a text: 9999-12-31 is written for "without end", and its zone or its exclusive
// end would lead out of the calendar.
var latest = time.Date(9999, 12, 31, 23, 59, 59, 999_999_000, time.UTC)

func bounded(t time.Time) time.Time {
	if t.After(latest) {
		return latest
	}
	return t.UTC()
}

// span is the interval that the written precision leaves open, its end exclusive. Dates without a time are days of
// zone. Neither end lies beyond latest.
func (t *temporal) span(zone *time.Location) (from, to time.Time) {
	switch {
	case t.month == 0:
		from = time.Date(t.year, 1, 1, 0, 0, 0, 0, zone)
		to = from.AddDate(1, 0, 0)
	case t.day == 0:
		from = time.Date(t.year, time.Month(t.month), 1, 0, 0, 0, 0, zone)
		to = from.AddDate(0, 1, 0)
	case !t.timed:
		from = time.Date(t.year, time.Month(t.month), t.day, 0, 0, 0, 0, zone)
		to = from.AddDate(0, 0, 1)
	default:
		from = time.Date(t.year, time.Month(t.month), t.day, t.hour, t.minute, t.second, t.nanos, time.UTC).
			Add(-time.Duration(t.offset) * time.Second)
		step := time.Second
		for range min(t.digits, 9) {
			step /= 10
		}
		to = from.Add(step)
	}
	return bounded(from), bounded(to)
}

// Interval is the time that n says, at its written precision: a date is its whole day in zone, a second its whole
// second. The end is exclusive. ok is false when n is no date, dateTime or instant.
func Interval(n tree.Node, zone *time.Location) (from, to time.Time, ok bool) {
	if n.Kind() != tree.String {
		return time.Time{}, time.Time{}, false
	}
	t, why := parseTemporal(n.TextBytes())
	if why != "" {
		return time.Time{}, time.Time{}, false
	}
	from, to = t.span(zone)
	return from, to, true
}

// period is the interval of a FHIR Period; an open end is the zero time.
func period(n tree.Node, zone *time.Location) (from, to time.Time) {
	from, _, _ = Interval(n.Child("start"), zone)
	_, to, _ = Interval(n.Child("end"), zone)
	return from, to
}
