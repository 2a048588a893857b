package engagement

import (
	"math"
	"strings"
)

// Signs are what is known of a person's engagement. What is not known is zero.
type Signs struct {
	// MissedInRow is how many visits in a row were missed, or cancelled late by the patient, up to the last one.
	MissedInRow int
	// Booked says that a visit lies ahead, and Books that this clinic tells of visits ahead at all.
	Booked, Books bool
	// Gaps between the last attended visits, in days, oldest first.
	Gaps []float64
	// SilentDays since the last word, once that is a silence; QuietDays, once it is quieter than usual. Else 0.
	SilentDays, QuietDays float64
	// Overdue is the code of a check-in that is overdue; empty when none is.
	Overdue string
	// Halves is how many of the last HalfForms forms were not filled in enough to be scored.
	Halves int
	// Lapsed says that home exercise has lapsed; Completion is that of the last closed window, nil when not known.
	Lapsed     bool
	Completion *float64
	// Ruptures open in the alliance.
	Ruptures int
	// LowSelfEfficacy says that the person's own trust to manage is rated low.
	LowSelfEfficacy bool
}

// Signal is one row of the table that holds.
type Signal struct {
	// Code of the row, its Points, and the Source of both.
	Code   string
	Points int
	Source string
	// Text says it in words, and Value is the number behind it.
	Text  string
	Value float64
}

const (
	// HalfForms is how many forms are looked back on.
	HalfForms = 4
	// RaisedPoints is the lowest sum of points that is raised.
	RaisedPoints = 3
	// HighPoints is the lowest sum that is high.
	HighPoints = 5
)

// row of the table: sign gives its number, which must be at least from.
type row struct {
	code   string
	points int
	from   float64
	text   string
	source string
	sign   func(*Signs) float64
}

const design = "service design"

// rows are the table. The points, and where they divide low from raised from high, are service design throughout; a row
// names its source where a study speaks for the sign itself. Of rows that share a beginning up to a slash the first that
// holds counts: a silence, a lapse and a quiet spell are mostly the same missing logs.
var rows = []row{
	{
		"missed/missed-two", 3, 2, "two visits in a row were missed",
		"missed visits foretell missed visits (Bhavsar 2021, n = 444,995); points are service design",
		func(s *Signs) float64 { return float64(s.MissedInRow) },
	},
	{
		"missed/missed-one", 1, 1, "the last visit was missed",
		"missed visits foretell missed visits (Bhavsar 2021, n = 444,995); points are service design",
		func(s *Signs) float64 { return float64(s.MissedInRow) },
	},
	{"not-booked", 2, 1, "no visit is booked after one that was missed", design, notBooked},
	{"gaps-growing", 2, 1.5, "the gaps between visits are growing", design, growth},
	{"silence/silent", 3, 1, "nothing has been heard for long", design, func(s *Signs) float64 { return s.SilentDays }},
	{"silence/exercise-lapsed", 2, 1, "home exercise has lapsed", design, func(s *Signs) float64 { return truth(s.Lapsed) }},
	{"silence/quiet", 2, 1, "quieter than this person's own rhythm", design, func(s *Signs) float64 { return s.QuietDays }},
	{"check-in-overdue", 1, 1, "a check-in is overdue", design, func(s *Signs) float64 { return truth(s.Overdue != "") }},
	{"half-filled", 1, 2, "forms are left half filled in", design, func(s *Signs) float64 { return float64(s.Halves) }},
	{
		"exercise-low", 1, 50, "half or more of the home exercise is left undone",
		"30 to 70 % do not adhere to prescribed exercise (EHPS); points are service design", undone,
	},
	{
		"rupture", 2, 1, "an alliance rupture is open",
		"alliance and compliance share 24 % of variance (Babatunde 2017, n = 59); points are service design",
		func(s *Signs) float64 { return float64(s.Ruptures) },
	},
	{
		"low-self-efficacy", 1, 1, "trust in managing despite pain is low",
		"self-efficacy predicts home exercise (Ricke 2023); points are service design",
		func(s *Signs) float64 { return truth(s.LowSelfEfficacy) },
	},
}

// Weigh gives the signals that hold, in the order of the table, and the sum of their points.
func Weigh(s Signs) (signals []Signal, points int) {
	taken := ""
	for i := range rows {
		r := &rows[i]
		f := family(r.code)
		if f != "" && f == taken {
			continue
		}
		value := r.sign(&s)
		if !(value >= r.from) {
			continue
		}
		taken = f
		points += r.points
		signals = append(signals, Signal{plain(r.code), r.points, r.source, r.text, value})
	}
	return signals, points
}

// Level of a sum of points: `low`, `raised` or `high`.
func Level(points int) string {
	switch {
	case points >= HighPoints:
		return "high"
	case points >= RaisedPoints:
		return "raised"
	}
	return "low"
}

// family of a row: its code up to a slash; empty when it stands alone.
func family(code string) string {
	before, _, is := strings.Cut(code, "/")
	if !is {
		return ""
	}
	return before
}

// plain is the code without its family.
func plain(code string) string { return code[strings.IndexByte(code, '/')+1:] }

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func notBooked(s *Signs) float64 { return truth(s.Books && !s.Booked && s.MissedInRow > 0) }

// undone is the percentage of home exercise that was not logged as done.
func undone(s *Signs) float64 {
	if s.Completion == nil {
		return math.NaN()
	}
	return 100 - *s.Completion
}

// growth is the last gap between visits as a multiple of the usual one before, when the last two have grown.
func growth(s *Signs) float64 {
	n := len(s.Gaps)
	if n < 4 || !(s.Gaps[n-1] > s.Gaps[n-2] && s.Gaps[n-2] > s.Gaps[n-3]) {
		return 0
	}
	earlier := median(append([]float64(nil), s.Gaps[:n-1]...))
	if earlier <= 0 {
		return 0
	}
	return s.Gaps[n-1] / earlier
}
