package fhir

import (
	"testing"
	"time"
)

func TestNoMomentLiesBeyondTheLastThatHasAText(t *testing.T) {
	for _, text := range []string{"9999", "9999-12", "9999-12-31", "9999-12-31T23:59:59Z", "9999-12-31T23:59:59-14:00"} {
		written, why := parseTemporal([]byte(text))
		if why != "" {
			t.Fatalf("%s: %s", text, why)
		}
		from, to := written.span(time.UTC)
		for _, end := range []time.Time{from, to} {
			if _, err := end.MarshalText(); err != nil {
				t.Errorf("%s: %v", text, err)
			}
		}
		if to.Before(from) {
			t.Errorf("%s ends before it begins", text)
		}
	}
}
