package adherence

import (
	"slices"
	"time"

	"github.com/rapport-health/rapport/services/domain/fact"
)

// Rate is a completion that was worked out elsewhere.
type Rate struct {
	// Percent of what was prescribed between From and To, the day after the last; both zero when not said.
	Percent float64 `json:"percent"`
	From    Date    `json:"from,omitzero"`
	To      Date    `json:"to,omitzero"`
	// At is when it was reported.
	At time.Time `json:"at"`
}

// Log takes one log of exercise: of sessions, of single exercises, or a rate worked out elsewhere.
func (p Programme) Log(at time.Time, log fact.Exercise) Programme {
	if log.Percent != nil {
		p.Reported = reported(at, log)
		return p
	}
	date, done := LocalDate(at, log.Day), min(max(log.Done, 0), maxPerDay)
	i, found := p.day(date)
	days := make([]Day, len(p.Days), len(p.Days)+1)
	copy(days, p.Days)
	if p.Days = days; !found {
		p.Days = slices.Insert(p.Days, i, Day{Date: date})
	}
	was := p.Days[i]
	day := p.dose(was, log, done)
	day.Logged = true
	if log.Partial {
		day.Parts = day.Parts || performed(log)
	} else if done > 0 {
		day.Done += done
	}
	p.Days[i] = day
	p.amend(date, was, day)
	if day.sessions() > 0 {
		p.Streak = p.Streak.done(date, p.owedAfter(date))
	}
	p.LastLog = at
	return p
}

// Elsewhere is the last rate that was worked out elsewhere, while it is no older than a window; false when there is none.
func (p Programme) Elsewhere(now time.Time) (float64, bool) {
	return p.Reported.Percent, !p.Reported.At.IsZero() && now.Before(p.Reported.At.AddDate(0, 0, WindowDays))
}

// LocalDate is the patient's own calendar day of a moment: the one that is told, when it lies within a day of the UTC
// day, else the UTC day.
func LocalDate(at time.Time, told string) Date {
	utc := DateOf(at)
	var d Date
	if told == "" || d.UnmarshalText([]byte(told)) != nil || d < utc-1 || d > utc+1 {
		return utc
	}
	return d
}

func reported(at time.Time, log fact.Exercise) Rate {
	r := Rate{Percent: *log.Percent, At: at}
	if !log.From.IsZero() && !log.Until.IsZero() {
		r.From, r.To = clamp(log.From), clamp(log.Until)
	}
	return r
}

func clamp(t time.Time) Date { return min(DateOf(t), lastDate) }

func performed(log fact.Exercise) bool {
	return len(log.Parts) == 0 && log.Done > 0 || slices.ContainsFunc(log.Parts, func(p fact.Part) bool { return !p.Missed })
}

// dose enters what a log says of the dose, measured by what the prescription asks for.
func (p *Programme) dose(day Day, log fact.Exercise, done float64) Day {
	rx := p.of(log.Prescription)
	if rx == nil || len(rx.Dose) == 0 || len(log.Parts) == 0 {
		return day
	}
	share, told := 0.0, false
	for _, want := range rx.Dose {
		for _, part := range log.Parts {
			if part.Name == want.Name || len(rx.Dose) == 1 && len(log.Parts) == 1 {
				told = true
				if !part.Missed {
					share += amount(part) / want.Amount / float64(len(rx.Dose))
				}
			}
		}
	}
	switch {
	case !told:
		return day
	case !log.Partial:
		day.Dosed += max(done, 1)
	case !day.Parts && day.Dosed == 0:
		day.Dosed = 1
	}
	day.Dose += min(share, maxPerDay)
	return day
}

// of is the prescription a log names, or the only one there is; nil when neither.
func (p *Programme) of(id string) *Prescription {
	for i := range p.Prescriptions {
		if p.Prescriptions[i].ID == id || id == "" && len(p.Prescriptions) == 1 {
			return &p.Prescriptions[i]
		}
	}
	return nil
}

// amend brings a log of a day that is over, as it is where the patient lives, into the windows that have closed.
func (p *Programme) amend(date Date, was, now Day) {
	for _, w := range [...]*Window{&p.Closed, &p.Week, &p.Month} {
		if date < w.From || date >= w.To {
			continue
		}
		w.Done = tidy(w.Done + now.sessions() - was.sessions())
		w.Dosed, w.Dose = tidy(w.Dosed+now.Dosed-was.Dosed), tidy(w.Dose+now.Dose-was.Dose)
		if !was.Logged {
			w.Logged++
			if was.Due >= 1-dust {
				w.Unlogged--
			}
		}
	}
}

// owedAfter is what was due on the days after one that are settled.
func (p *Programme) owedAfter(date Date) (owed float64) {
	for _, d := range slices.Backward(p.Days) {
		if d.Date <= date {
			break
		}
		owed += d.Due
	}
	return owed
}
