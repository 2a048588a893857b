package bench

import (
	"os"
	"testing"
	"time"
)

func TestAProcessIsSeenToUseTimeAndMemory(t *testing.T) {
	before := processorTime(os.Getpid())
	sum := 0
	for begun := time.Now(); time.Since(begun) < 60*time.Millisecond; sum++ {
	}
	if used := processorTime(os.Getpid()) - before; used < 20*time.Millisecond {
		t.Errorf("60 ms of counting to %d used %v of the processor", sum, used)
	}
	if peak := peakMemory(os.Getpid()); peak < 1 || peak > 10_000 {
		t.Errorf("this test uses %v MiB at its peak", peak)
	}
}

func TestAProcessThatIsNotThereUsesNothing(t *testing.T) {
	if used, peak := processorTime(0), peakMemory(0); used != 0 || peak != 0 {
		t.Errorf("no process used %v and %v MiB", used, peak)
	}
}
