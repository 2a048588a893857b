package adherence

import "time"

// The terms of streaks and lapses are service design: no study sets them.
const (
	// Forgiven is how many sessions in a row may be left out before a streak ends.
	Forgiven = 1
	// LapseSessions is how many sessions in a row, one after the other, make a lapse.
	LapseSessions = 3
	// LapseDays is how many days without exercise a lapse takes at least.
	LapseDays = 3
	// maxLapse is how many days ahead a lapse is looked for.
	maxLapse = 60
	// dust is what binary fractions leave behind.
	dust = 1e-9
)

// Streak counts days on which exercise was done. Days on which nothing was due, planned rests and pauses neither lengthen
// nor break it, and one session left out is forgiven.
type Streak struct {
	// Days done since it began; 0 when it is broken. Longest is the most so far.
	Days    int `json:"days,omitempty"`
	Longest int `json:"longest,omitempty"`
	// Last is the last day on which exercise was done.
	Last Date `json:"last,omitzero"`
	// Owed is how many sessions were due since then on days that are over, the first of them on Missing.
	Owed    float64 `json:"owed,omitempty"`
	Missing Date    `json:"missing,omitzero"`
	// Lapse is the last one; zero when there was none.
	Lapse Lapse `json:"lapse,omitzero"`
}

// Lapse is a time in which LapseSessions or more in a row were not logged as done.
type Lapse struct {
	// From is the first day left out, Reached the day on whose beginning it had become a lapse.
	From    Date `json:"from"`
	Reached Date `json:"reached"`
	// Ended is the day of the return, or that from which nothing was asked for; zero while it lasts.
	Ended Date `json:"ended,omitzero"`
	// Returned says that exercise was done again.
	Returned bool `json:"returned,omitempty"`
}

func (l Lapse) open() bool { return l.Reached != 0 && l.Ended == 0 }

// settle takes a day that is over.
func (s Streak) settle(d Date, due float64, done bool) Streak {
	if done || due <= 0 || d <= s.Last {
		return s
	}
	if s.Owed == 0 {
		s.Missing = d
	}
	s.Owed = tidy(min(s.Owed+due, maxOwed))
	if s.Owed > Forgiven+dust {
		s.Days = 0
	}
	if !s.Lapse.open() && s.lapses(d+1, s.Owed) {
		s.Lapse = Lapse{From: s.Missing, Reached: d + 1}
	}
	return s
}

// maxOwed keeps the count of what was left out countable.
const maxOwed = 1e6

// lapses says whether so much owed on the beginning of a day is a lapse.
func (s Streak) lapses(on Date, owed float64) bool {
	return owed >= LapseSessions-dust && on-s.Missing >= LapseDays
}

// done takes a day on which exercise was done; owed is what was due on later days that are over already.
func (s Streak) done(d Date, owed float64) Streak {
	if d <= s.Last {
		return s
	}
	s.Days++
	s.Last, s.Longest = d, max(s.Longest, s.Days)
	s.Owed, s.Missing = owed, 0
	if owed > 0 {
		s.Missing = d + 1
	}
	if s.Lapse.open() {
		s.Lapse.Ended, s.Lapse.Returned = d, true
	}
	return s
}

// rest forgets what was left out: from this day on nothing is asked for.
func (s Streak) rest(d Date) Streak {
	s.Owed, s.Missing = 0, 0
	if s.Lapse.open() {
		s.Lapse.Ended = d
	}
	return s
}

// Lapsed says whether a lapse lasts while exercise is asked for.
func (p Programme) Lapsed() bool {
	return p.Streak.Lapse.open() && !p.Paused && len(p.Prescriptions) > 0
}

// NextLapse is when, without a further log, a lapse is reached; zero when none will be, or one lasts already.
func (p Programme) NextLapse(now time.Time) time.Time {
	if p.Paused || len(p.Prescriptions) == 0 || p.Streak.Lapse.open() {
		return time.Time{}
	}
	s := p.Streak
	first := max(DateOf(now), s.Last+1)
	for d := first; d < first+maxLapse; d++ {
		due := p.due(d)
		if due <= 0 {
			continue
		}
		if s.Owed == 0 {
			s.Missing = d
		}
		if s.Owed = tidy(s.Owed + due); s.lapses(d+1, s.Owed) {
			return (d + 1).Start()
		}
	}
	return time.Time{}
}
