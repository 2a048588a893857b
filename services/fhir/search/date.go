package search

import (
	"slices"
	"strings"
	"time"

	"github.com/rapport-health/rapport/services/domain/record"
)

// Bound is one date condition.
type Bound = record.DateBound

// Prefixes of a date or number.
var Prefixes = []string{"eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"}

// dateForms are the precisions of a FHIR date, with the end of the interval that each stands for.
var dateForms = []struct {
	form string
	end  func(time.Time) time.Time
}{
	{"2006", func(t time.Time) time.Time { return t.AddDate(1, 0, 0) }},
	{"2006-01", func(t time.Time) time.Time { return t.AddDate(0, 1, 0) }},
	{"2006-01-02", func(t time.Time) time.Time { return t.AddDate(0, 0, 1) }},
	{"2006-01-02T15:04", func(t time.Time) time.Time { return t.Add(time.Minute) }},
	{"2006-01-02T15:04Z07:00", func(t time.Time) time.Time { return t.Add(time.Minute) }},
	{"2006-01-02T15:04:05", func(t time.Time) time.Time { return t.Add(time.Second) }},
	{"2006-01-02T15:04:05Z07:00", func(t time.Time) time.Time { return t.Add(time.Second) }},
}

// DateBounds reads one date with its prefix as conditions that must all hold. What has no zone is meant in that of now.
func DateBounds(s string, now time.Time) ([]Bound, bool) {
	op := "eq"
	if len(s) > 2 && slices.Contains(Prefixes, s[:2]) {
		op, s = s[:2], s[2:]
	}
	from, to, ok := DateInterval(s, now.Location())
	if !ok {
		return nil, false
	}
	if op != "ap" {
		return []Bound{{Op: op, From: from, To: to}}, true
	}
	// Approximately: overlaps with the interval widened by a tenth of its distance from now, as FHIR recommends.
	slack := now.Sub(from).Abs() / 10
	from, to = from.Add(-slack), to.Add(slack)
	return []Bound{{Op: "gt", From: from, To: from}, {Op: "lt", From: to, To: to}}, true
}

// DateInterval is the interval that a date of any precision stands for, its end exclusive.
func DateInterval(s string, zone *time.Location) (from, to time.Time, ok bool) {
	if len(s) > len("2006-01-02") && s[len(s)-len("+00:00"):][0] == ' ' {
		// An unescaped + in a URL arrives as a blank.
		i := len(s) - len("+00:00")
		s = s[:i] + "+" + s[i+1:]
	}
	for _, f := range dateForms {
		t, err := time.ParseInLocation(f.form, s, zone)
		if err != nil {
			continue
		}
		end := f.end(t)
		if digits := fraction(s); digits > 0 {
			end = t.Add(precision(digits))
		}
		return t.UTC(), end.UTC(), t.Year() >= 1
	}
	return time.Time{}, time.Time{}, false
}

// fraction counts the digits of the second's fraction.
func fraction(s string) int {
	_, rest, found := strings.Cut(s, ".")
	if !found {
		return 0
	}
	end := strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' })
	if end < 0 {
		end = len(rest)
	}
	return min(end, 9)
}

// precision is the length of the interval that a fraction with so many digits stands for.
func precision(digits int) time.Duration {
	d := time.Second
	for range digits {
		d /= 10
	}
	return d
}

// Holds says whether a bound holds for the interval [from, to), where zero is an open end. The rules are those of the
// stores: an interval without any end never matches.
func Holds(b Bound, from, to time.Time) bool {
	if from.IsZero() && to.IsZero() {
		return false
	}
	within := !from.IsZero() && !to.IsZero() && !from.Before(b.From) && !to.After(b.To)
	after := to.IsZero() || to.After(b.To)
	before := from.IsZero() || from.Before(b.From)
	switch b.Op {
	case "eq":
		return within
	case "ne":
		return !within
	case "gt":
		return after
	case "lt":
		return before
	case "ge":
		return after || within
	case "le":
		return before || within
	case "sa":
		return !from.IsZero() && !from.Before(b.To)
	case "eb":
		return !to.IsZero() && !to.After(b.From)
	default:
		return false
	}
}
