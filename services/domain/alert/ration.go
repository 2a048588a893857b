package alert

import (
	"time"

	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/ref"
)

// Day is a day of a calendar, counted from 1970-01-01.
type Day int64

// DayOf is the day on which a moment falls in a zone; nil is UTC.
func DayOf(at time.Time, zone *time.Location) Day {
	y, m, d := at.In(inZone(zone)).Date()
	return Day(time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix() / (24 * 60 * 60))
}

func inZone(zone *time.Location) *time.Location {
	if zone == nil {
		return time.UTC
	}
	return zone
}

// Ration names what a role of a care team is told on a day.
type Ration struct {
	// Team is the feed of it.
	Team feed.Name
	// Role in the words of rules.
	Role string
	// Day of its clinic.
	Day Day
}

// Told is how many alerts a role of a care team was told on a day.
type Told struct {
	Ration
	// Count of them, critical ones excepted.
	Count int64
}

// Due is an alert that time alone changes.
type Due struct {
	// Alert and the Episode it is about.
	Alert   string
	Episode ref.Episode
	// At is the moment.
	At time.Time
}
