package subscriptions

import (
	"testing"
	"time"
)

func TestPausesDoubleUpToALimitAndAreSpread(t *testing.T) {
	const least, most = time.Second, time.Minute
	for failures, want := range map[int]time.Duration{1: time.Second, 2: 2 * time.Second, 6: 32 * time.Second, 7: most, 40: most} {
		for _, random := range []float64{0, 0.5, 0.999} {
			got := backOff(failures, least, most, random)
			if exact := want/2 + time.Duration(random*float64(want/2)); got != exact {
				t.Errorf("after %d failures, random %g: %s, want %s", failures, random, got, exact)
			}
		}
	}
}

func TestADefaultIsCompleteButForWhatTheServerGives(t *testing.T) {
	if err := Default().Validate(); err == nil {
		t.Error("a room without a store is taken")
	}
	if _, err := New(Config{}); err == nil {
		t.Error("an empty config is taken")
	}
}
