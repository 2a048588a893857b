package main

import (
	"os"
	"strings"
	"testing"
)

func TestSuppressedAlertsAreListedWithTheirReasonAndCountedByIt(t *testing.T) {
	startClinic(t, nil)
	text, err := os.ReadFile("testdata/fhir/first.json")
	if err != nil {
		t.Fatal(err)
	}
	rapport(t, "ingest", "testdata/fhir/bundle.json", "testdata/fhir/mixed.ndjson")
	old := strings.NewReplacer("2026-02-20", "2024-01-10", `"r1"`, `"old"`, "LA6568-5", "LA6571-9", "LA6569-3", "LA6571-9").Replace(string(text))
	rapport(t, "ingest", file(t, "old.json", old)).want(t, exitDone)
	r := rapport(t, "alerts", "--suppressed").want(t, exitDone, "suppressed", "because back-fill", "Suppressed: back-fill ")
	for line := range strings.Lines(r.out) {
		if n := length(strings.TrimRight(line, "\n")); n > width {
			t.Errorf("a line of %d: %s", n, line)
		}
	}
	if other := rapport(t, "alerts", "list", "--because", "cool-down").want(t, exitDone); strings.Contains(other.out, "back-fill") {
		t.Error(other.out)
	}
	rapport(t, "alerts", "count").want(t, exitDone, "suppressed: back-fill ")
	rapport(t, "alerts", "list", "--all", "--suppressed").want(t, exitUsage)
}
