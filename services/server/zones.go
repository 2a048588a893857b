package server

import (
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // a container without zone files knows the zones too

	"github.com/rapport-health/rapport/services/fhir"
)

// zonesOf reads `Europe/Berlin`, or several as `Europe/Berlin` and `2026-07-01=America/Chicago`: a zone counts from the
// beginning of its day there.
func zonesOf(texts []string) (zones fhir.Zones, err error) {
	for _, text := range texts {
		day, name, dated := strings.Cut(text, "=")
		if !dated {
			day, name = "", text
		}
		location, err := time.LoadLocation(name)
		if err != nil || name == "" || name == "Local" {
			return nil, fmt.Errorf("--zone %q: there is no such time zone: want a name such as Europe/Berlin", text)
		}
		one := fhir.ZoneFrom{Zone: location}
		if dated {
			if one.From, err = time.ParseInLocation(time.DateOnly, day, location); err != nil {
				return nil, fmt.Errorf("--zone %q: want YYYY-MM-DD=NAME for a zone that counts from a day on", text)
			}
		}
		for _, other := range zones {
			if other.From.Equal(one.From) {
				return nil, fmt.Errorf("--zone %q: two zones count from one day on", text)
			}
		}
		zones = append(zones, one)
	}
	return zones, nil
}
