package adherence

import (
	"math/bits"
	"slices"
	"time"
)

// PeriodDays is the length of a period of remote therapeutic monitoring.
const PeriodDays = 30

// The bounds of what is remembered of remote therapeutic monitoring: half a year of periods, a year of months.
const (
	maxPeriods = 6
	maxMonths  = 12
)

// Monitoring is the evidence for remote therapeutic monitoring: days with data in periods of PeriodDays from the start
// of the course, and what was done to manage it in each calendar month. Like Programme it is never changed in place.
type Monitoring struct {
	// Since is the first day of the first period.
	Since Date `json:"since,omitzero"`
	// First day with data; zero while there is none.
	First Date `json:"first,omitzero"`
	// Periods with at least one day of data, oldest first; the last may still be running.
	Periods []Period `json:"periods,omitempty"`
	// Months with management, oldest first.
	Months []Month `json:"months,omitempty"`
}

// Period is one of PeriodDays days.
type Period struct {
	// From is its first day.
	From Date `json:"from"`
	// Set has a bit for each day with data, the first day lowest.
	Set int64 `json:"set"`
}

// Days with data.
func (p Period) Days() int { return bits.OnesCount64(uint64(p.Set)) }

// Month is a calendar month of management.
type Month struct {
	// First day of the month.
	First Date `json:"first"`
	// Minutes of management, and real-time Interactions with the patient.
	Minutes      float64 `json:"minutes,omitempty"`
	Interactions int     `json:"interactions,omitempty"`
}

// Data takes a day on which something was transmitted. It counts once.
func (m Monitoring) Data(d Date) Monitoring {
	if m.Since == 0 || d < m.Since {
		return m
	}
	from := m.Since + (d-m.Since)/PeriodDays*PeriodDays
	bit := int64(1) << (d - from)
	i, found := slices.BinarySearchFunc(m.Periods, from, func(p Period, want Date) int { return int(p.From) - int(want) })
	if m.First == 0 || d < m.First {
		m.First = d
	}
	if found && m.Periods[i].Set&bit != 0 {
		return m
	}
	m.Periods = slices.Clone(m.Periods)
	if !found {
		m.Periods = slices.Insert(m.Periods, i, Period{From: from})
	}
	m.Periods[i].Set |= bit
	m.Periods = m.Periods[max(0, len(m.Periods)-maxPeriods):]
	return m
}

// Manage takes minutes and interactions of one day of the patient's own calendar; negative ones take back what was said
// before.
func (m Monitoring) Manage(on Date, minutes float64, interactions int) Monitoring {
	at := on.Start()
	first := DateOf(time.Date(at.Year(), at.Month(), 1, 0, 0, 0, 0, time.UTC))
	i, found := slices.BinarySearchFunc(m.Months, first, func(have Month, want Date) int { return int(have.First) - int(want) })
	m.Months = slices.Clone(m.Months)
	if !found {
		m.Months = slices.Insert(m.Months, i, Month{First: first})
	}
	m.Months[i].Minutes = tidy(m.Months[i].Minutes + minutes)
	m.Months[i].Interactions += interactions
	m.Months = m.Months[max(0, len(m.Months)-maxMonths):]
	return m
}

// Closes is when the running period is over; zero when it has no data. A patient to the east may already be in the next one.
func (m Monitoring) Closes(now time.Time) time.Time {
	today := DateOf(now)
	for _, p := range m.Periods {
		if end := p.From + PeriodDays; end > today {
			return end.Start()
		}
	}
	return time.Time{}
}

// Evidence is what speaks for one billing code in one period or month. It is evidence of eligibility, not a claim.
type Evidence struct {
	// Code of the table, and what it stands for.
	Code, Title string
	// From and To bound the period or month, To exclusive.
	From, To Date
	// Value is days with data or minutes; Interactions are those of the month.
	Value        float64
	Interactions int
	// Units is how often the code is supported.
	Units int
	// Provisional says that the period or month is not over.
	Provisional bool
}

// The kinds of code.
type measured uint8

const (
	dataDays measured = iota
	minutes
)

// code is one row of the table of codes.
type code struct {
	code, title string
	counts      measured
	// from and to bound what is counted, both included; each further step beyond from is one more unit.
	from, to, step float64
	// valid is the first day on which it may be used, until the first on which it may not; zero is open.
	valid, until Date
}

var (
	since2022 = DateOf(time.Date(2022, 1, 1, 0, 0, 0, 0, time.UTC))
	since2026 = DateOf(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
)

// codes are those of musculoskeletal monitoring, after CPT as of 2026. A row counts by the last day of its period or
// month. The two supply codes exclude each other by their bounds.
var codes = []code{
	{code: "98977", title: "musculoskeletal supply, 16 to 30 data days", counts: dataDays, from: 16, to: 30, valid: since2022},
	{code: "98985", title: "musculoskeletal supply, 2 to 15 data days", counts: dataDays, from: 2, to: 15, valid: since2026},
	{code: "98979", title: "management, 10 to 19 minutes", counts: minutes, from: 10, to: 19.999, valid: since2026},
	{code: "98980", title: "management, first 20 minutes", counts: minutes, from: 20, valid: since2022},
	{code: "98981", title: "management, each further 20 minutes", counts: minutes, from: 40, step: 20, valid: since2022},
}

// setUpCode is supported once per course, from its first day with data; that education was given is for the clinic to show.
var setUpCode = code{code: "98975", title: "set-up and education, once per course", from: 1, valid: since2022}

// Evidence for each code that the days and minutes support at a moment, by period and then by month.
func (m Monitoring) Evidence(now time.Time) (found []Evidence) {
	today := DateOf(now)
	if m.First != 0 && setUpCode.units(1, m.First) > 0 {
		found = append(found, Evidence{Code: setUpCode.code, Title: setUpCode.title, From: m.First, To: m.First + 1, Value: 1, Units: 1})
	}
	for _, p := range m.Periods {
		end := p.From + PeriodDays
		for _, c := range codes {
			days := float64(p.Days())
			if units := c.units(days, end-1); c.counts == dataDays && units > 0 {
				found = append(found, Evidence{c.code, c.title, p.From, end, days, 0, units, end > today})
			}
		}
	}
	for _, month := range m.Months {
		end := DateOf(month.First.Start().AddDate(0, 1, 0))
		for _, c := range codes {
			if c.counts != minutes || month.Interactions < 1 {
				continue
			}
			if units := c.units(month.Minutes, end-1); units > 0 {
				found = append(found, Evidence{c.code, c.title, month.First, end, month.Minutes, month.Interactions, units, end > today})
			}
		}
	}
	return found
}

// units is how often a count supports the code on its last day.
func (c code) units(count float64, last Date) int {
	if last < c.valid || c.until != 0 && last >= c.until || count < c.from || c.to != 0 && count > c.to {
		return 0
	}
	if c.step == 0 {
		return 1
	}
	return 1 + int((count-c.from)/c.step)
}
