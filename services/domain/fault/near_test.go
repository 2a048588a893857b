package fault_test

import (
	"testing"

	"github.com/rapport-health/rapport/services/domain/fault"
)

func TestAMisspeltNameIsRecognised(t *testing.T) {
	known := []string{"strict", "scores", "alerts"}
	for name, want := range map[string]string{
		"strikt": "strict", "STRICT": "strict", "scroes": "scores", "score": "scores", "alert": "alerts", "bands": "", "": "",
	} {
		if got := fault.Nearest(name, known); got != want {
			t.Errorf("%q was taken for %q, want %q", name, got, want)
		}
	}
	for pair, want := range map[[2]string]int{{"", ""}: 0, {"abc", "abc"}: 0, {"", "ab"}: 2, {"abc", "acb"}: 1, {"abc", "axc"}: 1, {"ab", "abcd"}: 2} {
		if got := fault.Distance(pair[0], pair[1]); got != want {
			t.Errorf("%v: %d, want %d", pair, got, want)
		}
	}
}
