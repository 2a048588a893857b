package main

import (
	"strings"
	"testing"
	"time"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func TestWhatIsToldOfACourseFitsTheScreen(t *testing.T) {
	startClinic(t, nil)
	rapport(t, "ingest", "testdata/fhir/bundle.json", "testdata/fhir/first.json").want(t, exitDone)
	rapport(t, "ingest", "testdata/fhir/mixed.ndjson").want(t, exitFailed)
	for _, command := range []string{"timeline p1 --superseded", "explain p1 --why"} {
		for line := range strings.Lines(rapport(t, strings.Fields(command)...).want(t, exitDone).out) {
			if n := length(strings.TrimRight(line, "\n")); n > width {
				t.Errorf("%s has a line of %d: %s", command, n, line)
			}
		}
	}
}

func TestAnEntryWithALongReferenceFitsTheScreenToo(t *testing.T) {
	var out strings.Builder
	writeEntry(&out, "  ", &rapportv1.TimelineEntry{
		At: timestamppb.New(time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)), Kind: "visit", Superseded: true,
		Text: "visit missed, Practitioner/" + strings.Repeat("long", 16), SupersededBy: "Appointment/" + strings.Repeat("x", 64) + "/_history/2",
	})
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	for _, line := range lines {
		if length(line) > width {
			t.Errorf("a line of %d: %s", length(line), line)
		}
	}
	if joined := strings.Join(strings.Fields(out.String()), ""); !strings.Contains(joined, strings.Repeat("long", 16)) || len(lines) < 4 {
		t.Errorf("something is left out:\n%s", out.String())
	}
}
