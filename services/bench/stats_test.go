package bench

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestAPercentileIsTheSmallestSampleThatSoManyDoNotExceed(t *testing.T) {
	var hundred []time.Duration
	for n := 100; n >= 1; n-- {
		hundred = append(hundred, time.Duration(n)*time.Millisecond)
	}
	tests := map[string]struct {
		samples []time.Duration
		want    Latency
	}{
		"none":    {nil, Latency{}},
		"one":     {[]time.Duration{3 * time.Millisecond}, Latency{1, 3, 3, 3}},
		"two":     {[]time.Duration{4 * time.Millisecond, 2 * time.Millisecond}, Latency{2, 2, 4, 4}},
		"hundred": {hundred, Latency{100, 50, 99, 100}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, latencyOf(test.samples)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestARateOfNoTimeIsNone(t *testing.T) {
	if got := perSecond(10, 0); got != 0 {
		t.Errorf("ten in no time is %v per second", got)
	}
	if got := perSecond(10, 4*time.Second); got != 2.5 {
		t.Errorf("ten in four seconds is %v per second", got)
	}
}
