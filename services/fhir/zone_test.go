package fhir_test

import (
	"testing"
	"time"

	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/fhir"
	"github.com/rapport-health/rapport/services/fhir/tree"
)

func TestADayIsThatOfThePatientsOwnCalendar(t *testing.T) {
	zones := fhir.Zones{
		{Zone: time.FixedZone("five west", -5*60*60)},
		{From: time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC), Zone: time.FixedZone("nine east", 9*60*60)},
	}
	log := func(at string) string {
		return `{"resourceType":"Observation","id":"o","status":"final","subject":{"reference":"Patient/1"},"effectiveDateTime":"` + at +
			`","code":{"coding":[{"system":"` + ours + `","code":"hep-session-completed"}]},"valueInteger":1}`
	}
	call := func(at string) string {
		return `{"resourceType":"Encounter","id":"e","status":"finished","class":{"code":"VR"},"subject":{"reference":"Patient/1"},"period":{"start":"` + at + `"}}`
	}
	for name, tt := range map[string]struct{ body, at, day string }{
		"written where the patient lives":      {log("2026-02-01T23:30:00-05:00"), "2026-02-02T04:30:00Z", "2026-02-01"},
		"written in UTC, in the clinic's zone": {log("2026-02-02T04:30:00Z"), "2026-02-02T04:30:00Z", "2026-02-01"},
		"the same day in both":                 {log("2026-02-02T12:00:00Z"), "2026-02-02T12:00:00Z", ""},
		"a day without a time":                 {log("2026-02-02"), "2026-02-02T05:00:00Z", ""},
		"after the clinic has moved":           {log("2026-07-31T20:00:00Z"), "2026-07-31T20:00:00Z", "2026-08-01"},
		"a day after the clinic has moved":     {log("2026-07-31"), "2026-07-30T15:00:00Z", "2026-07-31"},
		"a call of the last of the month":      {call("2026-03-01T02:00:00Z"), "2026-03-01T02:00:00Z", "2026-02-28"},
	} {
		doc, err := tree.Parse([]byte(tt.body), tree.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		got, err := (&fhir.Reader{Namer: ref.Namer{Home: "ehr"}, Zones: zones}).Read(doc, "ehr")
		if err != nil || len(got.Facts) != 1 {
			t.Fatalf("%s: %v %v", name, err, got.Issues)
		}
		f, day := got.Facts[0], ""
		if f.Exercise != nil {
			day = f.Exercise.Day
		} else {
			day = f.Visit.Day
		}
		if at := f.At.Format(time.RFC3339); at != tt.at || day != tt.day {
			t.Errorf("%s: at %s on %q, want %s on %q", name, at, day, tt.at, tt.day)
		}
	}
}
