package bench

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// borne is a run that met every aim.
func borne() MixedOfStore {
	held := Holding{Resident: 150, Heap: 60, Goroutines: 300, Files: 80}
	s := MixedOfStore{
		Store: SQLite, Redis: "redis-server", Capacity: 1000, Asked: 700, Seconds: 1800, MostWaiting: 40, Acknowledged: 9, Stored: 9,
		Whole: Window{Work: make([]Work, kindsOfWork)}, Thirds: [3]Holding{{Resident: 90}, held, held},
	}
	s.Whole.Work[ingestGRPC].PerSecond, s.Whole.Work[readOne].PerSecond = 400, 299
	s.Whole.Work[exports].PerSecond = 1
	return s
}

func TestALoadIsBorneWhenNothingFailsAndMemoryIsFlat(t *testing.T) {
	tests := map[string]struct {
		change func(*MixedOfStore)
		unmet  string
	}{
		"all is well":                       {func(*MixedOfStore) {}, ""},
		"the first third does not count":    {func(s *MixedOfStore) { s.Thirds[0] = Holding{Resident: 9000} }, ""},
		"a tenth more memory":               {func(s *MixedOfStore) { s.Thirds[2].Resident = 165 }, ""},
		"more than a tenth":                 {func(s *MixedOfStore) { s.Thirds[2].Resident = 165.1 }, "resident memory"},
		"less memory":                       {func(s *MixedOfStore) { s.Thirds[2].Resident = 10 }, ""},
		"memory that was not seen":          {func(s *MixedOfStore) { s.Thirds[1].Resident, s.Thirds[2].Resident = 0, 0 }, "resident memory"},
		"a heap that grows by little":       {func(s *MixedOfStore) { s.Thirds[2].Heap = 68 }, ""},
		"a heap that grows":                 {func(s *MixedOfStore) { s.Thirds[2].Heap = 68.1 }, "heap"},
		"goroutines that stay":              {func(s *MixedOfStore) { s.Thirds[2].Goroutines = 331 }, "goroutines"},
		"files that stay open":              {func(s *MixedOfStore) { s.Thirds[2].Files = 101 }, "open files"},
		"a few more connections":            {func(s *MixedOfStore) { s.Thirds[2].Files = 100 }, ""},
		"one error":                         {func(s *MixedOfStore) { s.Errors = 1 }, "errors"},
		"an event left out":                 {func(s *MixedOfStore) { s.Followed.Gaps = 1 }, "events left out"},
		"an event twice":                    {func(s *MixedOfStore) { s.Followed.Doubled = 1 }, "events left out"},
		"a stream that ended":               {func(s *MixedOfStore) { s.Followed.Broken = 1 }, "events left out"},
		"a response that is not there":      {func(s *MixedOfStore) { s.Stored = 8 }, "responses acknowledged"},
		"a response no export held":         {func(s *MixedOfStore) { s.Exports.Missing = 1 }, "responses missing"},
		"a response two exports held":       {func(s *MixedOfStore) { s.Exports.Twice = 1 }, "responses missing"},
		"just the rate":                     {func(s *MixedOfStore) { s.Whole.Work[readOne].PerSecond = 293 }, ""},
		"too slow":                          {func(s *MixedOfStore) { s.Whole.Work[readOne].PerSecond = 292 }, "requests/s"},
		"as many waiting as there may be":   {func(s *MixedOfStore) { s.MostWaiting = mostUnderWay }, "requests/s"},
		"exports do not count for the rate": {func(s *MixedOfStore) { s.Whole.Work[readOne].PerSecond, s.Whole.Work[exports].PerSecond = 200, 200 }, "requests/s"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := borne()
			test.change(&s)
			var unmet []string
			for _, a := range s.aims() {
				if !a.Met {
					unmet = append(unmet, a.What)
				}
			}
			if found := strings.Join(unmet, "; "); (found == "") != (test.unmet == "") || !strings.HasPrefix(found, test.unmet) || len(unmet) > 1 {
				t.Errorf("not met is %q, want %q", found, test.unmet)
			}
			s.Aims = s.aims()
			if r := (&MixedReport{Stores: []MixedOfStore{s}}); r.Good() != (test.unmet == "") {
				t.Errorf("the report says that it is good: %t", r.Good())
			}
		})
	}
}

func TestAThirdIsTheMedianOfWhatWasWeighedInIt(t *testing.T) {
	var s scale
	for second, resident := range []float64{10, 20, 30, 50, 70, 90} {
		s.all = append(s.all, weighing{time.Duration(second) * time.Second, Holding{Resident: resident, Files: 4}})
	}
	want := [3]Holding{{Resident: 15, Files: 4}, {Resident: 40, Files: 4}, {Resident: 80, Files: 4}}
	if diff := cmp.Diff(want, s.thirds(6*time.Second)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	stalled := scale{all: []weighing{{0, Holding{Goroutines: 200}}, {1, Holding{Goroutines: 900}}, {2, Holding{Goroutines: 204}}}}
	if got := stalled.thirds(9)[0].Goroutines; got != 204 {
		t.Errorf("with one stall it held %v", got)
	}
	if got := s.since(4 * time.Second).Resident; got != 80 {
		t.Errorf("since the fourth second it held %v", got)
	}
	if got := s.mean().Resident; got != 45 {
		t.Errorf("on average it held %v", got)
	}
	if got := (&scale{}).mean(); got != (Holding{}) {
		t.Errorf("of no weighings the average is %v", got)
	}
}

func TestAMetricIsReadFromAScrape(t *testing.T) {
	text := []byte("# HELP go_goroutines Number\n# TYPE go_goroutines gauge\ngo_goroutines 61\ngo_goroutines_more 9\nheap 1.5e+06\nodd x\n")
	for name, want := range map[string]float64{"go_goroutines": 61, "heap": 1.5e6, "odd": 0, "missing": 0} {
		if got := metric(text, name); got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
}

func TestWhatWasCutOffAtTheEndIsNoError(t *testing.T) {
	s := newScore()
	now := time.Now()
	s.note(ingestGRPC, now, nil)
	s.note(searchDate, now, errors.New("refused"))
	s.note(searchDate, now, fmt.Errorf("asking: %w", context.Canceled))
	s.note(exports, now, nil)
	if s.answered() != 1 || s.failures() != 1 {
		t.Errorf("%d were answered and %d failed", s.answered(), s.failures())
	}
	if diff := cmp.Diff([]string{"search patient+category+date: refused"}, s.wrong()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	window := s.window()
	if len(window[ingestGRPC].samples) != 1 || window[searchDate].errors != 1 || len(window[searchDate].samples) != 0 {
		t.Errorf("the window has %+v", window)
	}
	if again := s.window(); len(again[ingestGRPC].samples) != 0 {
		t.Errorf("the next window has %+v", again)
	}
	if whole := s.whole(); len(whole[ingestGRPC].samples) != 1 {
		t.Errorf("the whole run has %+v", whole)
	}
}

func TestASubscriberNoticesWhatIsLeftOutAndWhatComesAgain(t *testing.T) {
	a := &audience{at: []int64{10}}
	for _, seq := range []int64{11, 12, 12, 15, 16} {
		a.heard(0, seq, time.Millisecond)
	}
	if f := a.report(); f.Events != 5 || f.Doubled != 1 || f.Gaps != 2 || f.Lag.Samples != 5 {
		t.Errorf("it is counted as %+v", f)
	}
}

func TestHalfOfTheMixIsIngest(t *testing.T) {
	n := map[kindOfWork]int{}
	for _, kind := range mix {
		n[kind]++
	}
	want := map[kindOfWork]int{ingestGRPC: 7, ingestREST: 3, searchDate: 6, searchPages: 3, readOne: 1}
	if diff := cmp.Diff(want, n); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestTheMixedReportFitsEightyColumns(t *testing.T) {
	s := borne()
	for kind := range s.Whole.Work {
		s.Whole.Work[kind] = Work{workKinds[kind], 1_234_567, 12, 1234.5, Latency{9, 9999.9, 9999.9, 99999}}
	}
	s.Followed = Followed{Subscribers: 100, Lag: Latency{123_456_789, 9999.9, 9999.9, 99999}}
	s.Exports = Exported{Chained: 1234, Charts: 1234, Resources: 1_234_567, Bytes: 123_456_789_000}
	s.Acknowledged, s.Stored = 1_234_567, 1_234_567
	s.Windows = []Window{{Until: 1800, Work: s.Whole.Work, Holding: Holding{1234, 1234, 12345, 1234}, Database: 12345}}
	s.Aims = s.aims()
	var b strings.Builder
	if err := (&MixedReport{Machine: Machine{"linux/amd64", 16}, Stores: []MixedOfStore{s}}).Text(&b); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(b.String()) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 80 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
}
