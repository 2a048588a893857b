package server

import (
	"strings"
	"testing"
	"time"
)

func TestZonesAreReadAndCountFromTheirDayOn(t *testing.T) {
	zones, err := zonesOf([]string{"America/New_York", "2026-07-01=America/Chicago"})
	if err != nil {
		t.Fatal(err)
	}
	for at, want := range map[string]string{
		"2020-01-01T00:00:00Z": "America/New_York", "2026-07-01T04:59:59Z": "America/New_York", "2026-07-01T05:00:00Z": "America/Chicago",
	} {
		moment, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		if got := zones.At(moment).String(); got != want {
			t.Errorf("%s: %s, want %s", at, got, want)
		}
	}
	if none, err := zonesOf(nil); err != nil || none.At(time.Now()) != time.UTC {
		t.Errorf("without a zone: %v %v", none, err)
	}
	for _, bad := range []string{"", "Mars/Olympus", "Local", "2026-13-01=UTC", "soon=UTC", "=UTC"} {
		if _, err := zonesOf([]string{bad}); err == nil || !strings.Contains(err.Error(), "--zone") {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if _, err := zonesOf([]string{"UTC", "Europe/Berlin"}); err == nil {
		t.Error("two zones may not count at once")
	}
}
