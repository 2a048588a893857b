package alliance

import (
	"slices"
	"time"

	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/domain/trend"
)

// Link is one row of the team matrix: the patient's alliance with one clinician.
type Link struct {
	// Clinician it is with.
	Clinician ref.Clinician
	// Dyad behind it.
	Dyad *Dyad
	// Level is the mean of the last three ratings per item (of srs: in points), Least and Most the ends of its scale.
	Level, Least, Most float64
	// Trend from the first rating to that level.
	Trend trend.Direction
	// Compared is how many other links it is compared with, and Below how far it lies below their median, negative when
	// above it; Below is 0 while too few are rated.
	Compared int
	Below    float64
	// Weak says that it lies so far below that it is the weak link.
	Weak bool
}

// Team is the matrix of the links that the patient has rated lately, in order of the clinicians' names. Dyads with those
// who have left, and ratings of the team as a whole, are no links.
func Team(dyads []*Dyad, now time.Time) []Link {
	var team []Link
	for i := range links {
		for _, d := range dyads {
			if d.links(&links[i], now) && !slices.ContainsFunc(team, func(l Link) bool { return l.Clinician == d.Clinician }) {
				team = append(team, newLink(d, &links[i]))
			}
		}
	}
	for i := range team {
		team[i].compare(team)
	}
	slices.SortFunc(team, func(a, b Link) int {
		if a.Clinician < b.Clinician {
			return -1
		}
		return 1
	})
	return team
}

func (d *Dyad) links(by *Links, now time.Time) bool {
	return d.Rater == Patient && d.Clinician != "" && d.Left.IsZero() && d.Instrument == by.Instrument && d.Level(by.Code) != nil &&
		!d.Rated.AddDate(0, 0, by.Days).Before(now)
}

func newLink(d *Dyad, by *Links) Link {
	l := d.Level(by.Code)
	recent, _ := l.Recent()
	link := Link{Clinician: d.Clinician, Dyad: d, Level: recent / l.items(), Least: l.Min / l.items(), Most: l.Max / l.items(), Trend: trend.Unchanged}
	if t, ok := d.Track(by.Code); ok && t.Count > 1 {
		link.Trend = t.Compare(t.First, trend.Reading{At: t.Last.At, Value: recent}).Direction
	}
	return link
}

// compare finds how far the link lies below the median of the others that are rated on the same instrument.
func (l *Link) compare(team []Link) {
	by := linksOf(l.Dyad.Instrument)
	var others []float64
	for i := range team {
		if o := &team[i]; o.Clinician != l.Clinician && o.Dyad.Instrument == by.Instrument && o.Dyad.Sessions >= by.Ratings {
			others = append(others, o.Level)
		}
	}
	if len(others)+1 < by.Least {
		return
	}
	l.Compared, l.Below = len(others), median(others)-l.Level
	l.Weak = l.Dyad.Sessions >= by.Ratings && l.Below >= by.Below-tolerance
}

func linksOf(instrument string) *Links {
	return &links[slices.IndexFunc(links, func(l Links) bool { return l.Instrument == instrument })]
}

func median(of []float64) float64 {
	slices.Sort(of)
	n := len(of)
	return (of[(n-1)/2] + of[n/2]) / 2
}
