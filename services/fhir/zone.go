package fhir

import (
	"time"

	"github.com/rapport-health/rapport/services/fhir/tree"
)

// Zones say in which time zone a clinic's days begin and end. A clinic that moves, or that is told late where it is, has
// several: each counts from a moment on.
type Zones []ZoneFrom

// ZoneFrom is a zone that counts from a moment on; a zero From is ever since.
type ZoneFrom struct {
	From time.Time
	Zone *time.Location
}

// At is the zone that counts at a moment: the one with the latest From up to then, else UTC.
func (z Zones) At(t time.Time) *time.Location {
	zone, since := time.UTC, time.Time{}
	for _, one := range z {
		if !one.From.After(t) && !one.From.Before(since) {
			zone, since = one.Zone, one.From
		}
	}
	return zone
}

// dating are the members by which it is told to what time a resource belongs, in this order.
var dating = [][]string{
	{"effectiveDateTime"},
	{"effectiveInstant"},
	{"effectivePeriod", "start"},
	{"effectivePeriod", "end"},
	{"authored"},
	{"start"},
	{"period", "start"},
	{"authoredOn"},
	{"statusDate"},
	{"startDate"},
	{"issued"},
	{"meta", "lastUpdated"},
}

// zoneOf is the zone of what has none of its own in a resource; where that has no time, the one that counts last.
func (r *Reader) zoneOf(root tree.Node) *time.Location {
	if len(r.Zones) == 0 {
		return time.UTC
	}
	for _, path := range dating {
		n := root
		for _, name := range path {
			n = n.Child(name)
		}
		if at, _, ok := Interval(n, time.UTC); ok {
			return r.Zones.At(at)
		}
	}
	return r.Zones.At(latest)
}
