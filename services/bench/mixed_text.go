package bench

import (
	"fmt"
	"io"
	"strings"
)

// Text writes the report for an 80-column terminal.
func (r *MixedReport) Text(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%d processors (%s), shared by load generator, server and databases\n", r.Machine.Processors, r.Machine.System)
	for i := range r.Stores {
		r.Stores[i].text(&b)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// line is a window on one line, for who waits.
func (w *Window) line() string {
	var work []string
	for kind, of := range w.Work {
		work = append(work, fmt.Sprintf("%s %d %.1f/%.1f ms", shortKinds[kind], of.Answered, of.Latency.P50, of.Latency.P99))
	}
	return fmt.Sprintf("%s: %.0f/s (%s), %s; resident %.0f, heap %.0f MiB, %.0f goroutines, %.0f files, database %s MiB",
		clock(w.Until), w.perSecond(), strings.Join(work, ", "), plural(w.errors(), "error"), w.Holding.Resident, w.Holding.Heap,
		w.Holding.Goroutines, w.Holding.Files, grouped(w.Database))
}

// shortKinds are the kinds in a word.
var shortKinds = [kindsOfWork]string{
	ingestGRPC: "gRPC", ingestREST: "REST", searchDate: "search", searchPages: "pages", readOne: "read", exports: "export",
}

// clock is a time in minutes and seconds.
func clock(seconds float64) string {
	s := int(seconds + 0.5)
	return fmt.Sprintf("%d:%02d", s/60, s%60)
}

func (s *MixedOfStore) text(b *strings.Builder) {
	relay := s.Redis
	if relay == "embedded" {
		relay = "the embedded Redis"
	}
	fmt.Fprintf(b, "\n%s; relay to %s\n", titles[s.Store], relay)
	fmt.Fprintf(b, "  capacity of the mix %s/s; %s/s asked for %s, %s/s answered\n",
		grouped(s.Capacity), grouped(s.Asked), clock(s.Seconds), grouped(s.Whole.perSecond()))
	fmt.Fprintf(b, "  %-31s%9s%7s%8s%8s%8s%7s\n", "", "n", "/s", "p50 ms", "p99 ms", "max ms", "errors")
	for _, work := range s.Whole.Work {
		l := work.Latency
		fmt.Fprintf(b, "  %-31s%9s%7.1f%8.1f%8.1f%8.0f%7d\n", work.Kind, grouped(float64(work.Answered)), work.PerSecond, l.P50, l.P99, l.Max, work.Errors)
	}
	l := s.Followed.Lag
	fmt.Fprintf(b, "  %-31s%9s%7s%8.1f%8.1f%8.0f\n", "event to a subscriber", grouped(float64(l.Samples)), "", l.P50, l.P99, l.Max)
	fmt.Fprintf(b, "  %s; %s one from another, %d of charts:\n", plural(s.Followed.Subscribers, "subscriber"), plural(s.Exports.Chained, "export"), s.Exports.Charts)
	fmt.Fprintf(b, "    %s resources, %s MB\n", grouped(float64(s.Exports.Resources)), grouped(float64(s.Exports.Bytes)/1e6))
	s.windows(b)
	if s.Others > muchOthers {
		fmt.Fprintf(b, "  other programs took %.0f %% of the processors meanwhile\n", 100*s.Others)
	}
	for _, a := range s.Aims {
		met := "met"
		if !a.Met {
			met = "NOT MET"
		}
		fmt.Fprintf(b, "  %-46s%10s%15s  %s\n", a.What, a.Want, a.Got, met)
	}
	for _, wrong := range s.Wrong {
		fmt.Fprintf(b, "  %s\n", wrong)
	}
}

// windows is a line for each.
func (s *MixedOfStore) windows(b *strings.Builder) {
	fmt.Fprintf(b, "  %5s%6s%8s%9s%7s%7s%8s%6s%7s%6s%8s\n", "", "/s", "in p99", "srch p99", "export", "errors", "RSS MiB", "heap", "gorout", "files", "DB MiB")
	for i := range s.Windows {
		w := &s.Windows[i]
		fmt.Fprintf(b, "  %5s%6.0f%8.1f%9.1f%7d%7d%8.0f%6.0f%7.0f%6.0f%8.0f\n", clock(w.Until), w.perSecond(), w.Work[ingestGRPC].Latency.P99,
			w.Work[searchDate].Latency.P99, w.Work[exports].Answered, w.errors(), w.Holding.Resident, w.Holding.Heap, w.Holding.Goroutines,
			w.Holding.Files, w.Database)
	}
}
