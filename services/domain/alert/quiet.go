package alert

import (
	"slices"
	"time"
)

// maxHops bounds how many closed times in a row are looked past.
const maxHops = 32

// Opens is the first moment, from one on, at which any of the roles may be told of an alert that can wait, and why it is not
// that one; the reason is empty when it is. Spent says whether a budget is used up on a day; nil when none ever is.
func (p Policy) Opens(roles []string, from time.Time, spent func(Budget, Day) bool) (time.Time, Because) {
	if len(roles) == 0 {
		return p.opens("", from, spent)
	}
	var first time.Time
	var because Because
	for i, role := range roles {
		at, why := p.opens(role, from, spent)
		if i == 0 || at.Before(first) {
			first, because = at, why
		}
	}
	return first, because
}

// opens is Opens for one role. The reason is what stands in the way first.
func (p Policy) opens(role string, from time.Time, spent func(Budget, Day) bool) (time.Time, Because) {
	at, because := from, Because("")
	for range maxHops {
		next, why := p.closed(role, at, spent)
		if why == "" {
			break
		}
		if because == "" {
			because = why
		}
		at = next
	}
	return at, because
}

// closed is until when a role is not told at a moment, and why; the reason is empty when it is told.
func (p Policy) closed(role string, at time.Time, spent func(Budget, Day) bool) (time.Time, Because) {
	for _, q := range p.Quiet {
		if len(q.Roles) > 0 && !slices.Contains(q.Roles, role) {
			continue
		}
		if end, quiet := q.until(at); quiet {
			return end, QuietHours
		}
	}
	for _, b := range p.Budgets {
		if b.Role == role && spent != nil && spent(b, DayOf(at, b.Zone)) {
			y, m, d := at.In(inZone(b.Zone)).Date()
			return time.Date(y, m, d+1, 0, 0, 0, 0, inZone(b.Zone)).UTC(), OverBudget
		}
	}
	return at, ""
}

// until is the end of the quiet time that a moment falls in; false when it falls in none.
func (q Quiet) until(at time.Time) (time.Time, bool) {
	y, m, d := at.In(inZone(q.Zone)).Date()
	for _, day := range []int{d - 1, d} {
		begin := time.Date(y, m, day, 0, q.From, 0, 0, inZone(q.Zone))
		last := day
		if q.To < q.From {
			last++
		}
		end := time.Date(y, m, last, 0, q.To, 0, 0, inZone(q.Zone))
		if len(q.Days) > 0 && !slices.Contains(q.Days, begin.Weekday()) {
			continue
		}
		if !at.Before(begin) && at.Before(end) {
			return end.UTC(), true
		}
	}
	return at, false
}
