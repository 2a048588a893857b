package bench

import (
	"fmt"
	"io"
	"strings"
)

// Text writes the report for an 80-column terminal.
func (r *Report) Text(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%d processors (%s), shared by load generator, server and databases\n", r.Machine.Processors, r.Machine.System)
	fmt.Fprintf(&b, "%s, binary %.0f MiB%s; %.1f s a load, %s patients\n", r.Binary.Go, r.Binary.MiB, static(r.Binary.Static),
		r.Slice, grouped(float64(r.Patients)))
	for i := range r.Stores {
		r.Stores[i].text(&b)
	}
	b.WriteString("\nAims\n")
	for _, a := range r.Aims {
		met := "met"
		if !a.Met {
			met = "NOT MET"
		}
		fmt.Fprintf(&b, "  %-46s %9s %10s  %s\n", a.What, a.Want, a.Got, met)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func static(s bool) string {
	if s {
		return ", static"
	}
	return ", with cgo"
}

// titles of the stores, with what makes their commits durable.
var titles = map[string]string{
	Postgres: "PostgreSQL, synchronous_commit=on",
	SQLite:   "SQLite, WAL, synchronous=FULL",
}

func (s *StoreReport) text(b *strings.Builder) {
	fmt.Fprintf(b, "\n%s; relay to %s\n", titles[s.Store], s.relay())
	fmt.Fprintf(b, "  floor: the same rows (%.1f kB a response) in bare inserts of %d\n", s.BytesPerResponse/1000, block)
	for _, indexed := range []bool{false, true} {
		if f := s.floorOf(indexed); f.PerSecond > 0 {
			fmt.Fprintf(b, "    %-32s%8s /s, %s\n", indexing(indexed), grouped(f.PerSecond), plural(f.Connections, "connection"))
		}
	}
	fmt.Fprintf(b, "  %-34s%8s  %7s  %6s  %6s  %6s\n", "scored, durable, acknowledged", "/s", "× floor", "p50 ms", "p99 ms", "CPU ms")
	for _, l := range s.Loads {
		fmt.Fprintf(b, "    %-32s%8s  %7.2f  %6.1f  %6.1f  %6.2f\n",
			l.Words(), grouped(l.PerSecond), s.ratio(l), l.Acknowledged.P50, l.Acknowledged.P99, l.Processor.All())
	}
	fmt.Fprintf(b, "    %-32s%8s  %7s  %6.1f  %6.1f  %6.2f\n", "half of 128 clients' rate",
		grouped(s.Half.PerSecond), "", s.Half.Acknowledged.P50, s.Half.Acknowledged.P99, s.Half.Processor.All())
	for i := range s.Screens {
		s.Screens[i].text(b)
	}
	fmt.Fprintf(b, "  server: peak %.0f MiB; exec to ready %.0f ms", s.PeakMemory, median(s.Restarts))
	if len(s.Starts) > 0 {
		fmt.Fprintf(b, ", %.0f ms on a new database", median(s.Starts))
	}
	b.WriteByte('\n')
	if s.Others > muchOthers {
		fmt.Fprintf(b, "  other programs took %.0f %% of the processors: these figures are too low\n", 100*s.Others)
	}
	fmt.Fprintf(b, "  all %s acknowledged responses are in the database, each once\n", grouped(float64(s.Responses)))
}

// muchOthers is the share of the processors from which on other programs are mentioned.
const muchOthers = 0.05

func (s *StoreReport) relay() string {
	if s.Redis == "embedded" {
		return "the embedded Redis"
	}
	return s.Redis
}

func (s *StoreReport) ratio(l Load) float64 {
	if f := s.floorOf(false).PerSecond; f > 0 {
		return l.PerSecond / f
	}
	return 0
}

func indexing(indexed bool) string {
	if indexed {
		return "with the service's indexes"
	}
	return "with primary keys alone"
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// lines of a screen, those that were measured.
func (s *Screen) lines() []struct {
	Words string
	Latency
} {
	all := []struct {
		Words string
		Latency
	}{
		{"acknowledgement", s.Acknowledged},
		{"event at a gRPC subscriber", s.GRPC},
		{"event at a Redis reader", s.Redis},
		{"alert at the team's gRPC subscriber", s.AlertGRPC},
		{"alert at the team's Redis reader", s.AlertRedis},
		{"from commit to gRPC subscriber", s.CommitGRPC},
		{"from commit to Redis reader", s.CommitRedis},
	}
	measured := all[:0]
	for _, line := range all {
		if line.Samples > 0 {
			measured = append(measured, line)
		}
	}
	return measured
}

func (s *Screen) text(b *strings.Builder) {
	fmt.Fprintf(b, "  %-51s  %6s  %6s  %6s\n", fmt.Sprintf("from submission, at %s/s, to", grouped(s.Rate)), "n", "p50 ms", "p99 ms")
	for _, line := range s.lines() {
		fmt.Fprintf(b, "    %-49s  %6d  %6.1f  %6.1f\n", line.Words, line.Samples, line.P50, line.P99)
	}
}

// Markdown writes the tables for a README.
func (r *Report) Markdown(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "Measured by `rapport bench` on %d processors (%s), shared by load generator, server and databases; %.1f s a load, %s patients.\n",
		r.Machine.Processors, r.Machine.System, r.Slice, grouped(float64(r.Patients)))
	for i := range r.Stores {
		if s := &r.Stores[i]; s.Others > muchOthers {
			fmt.Fprintf(&b, "On %s other programs took %.0f %% of the processors meanwhile.\n", names[s.Store], 100*s.Others)
		}
	}
	r.loads(&b)
	r.ways(&b)
	b.WriteString("\n| aim | wanted | measured | |\n|---|---|---|---|\n")
	for _, a := range r.Aims {
		met := "met"
		if !a.Met {
			met = "**not met**"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", a.What, a.Want, a.Got, met)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// loads is the table of throughput, a column group per store.
func (r *Report) loads(b *strings.Builder) {
	b.WriteString("\n| scored, durable PHQ-9 responses |")
	for i := range r.Stores {
		fmt.Fprintf(b, " %s: /s (× floor) | p50 / p99 ms | CPU ms |", names[r.Stores[i].Store])
	}
	b.WriteString("\n|---|" + strings.Repeat("---|---|---|", len(r.Stores)) + "\n")
	for _, indexed := range []bool{false, true} {
		fmt.Fprintf(b, "| floor: bare inserts, %s |", indexing(indexed))
		for i := range r.Stores {
			s := &r.Stores[i]
			fmt.Fprintf(b, " %s (%.2f) | | |", grouped(s.floorOf(indexed).PerSecond), s.ratio(Load{PerSecond: s.floorOf(indexed).PerSecond}))
		}
		b.WriteByte('\n')
	}
	for l := range loads {
		fmt.Fprintf(b, "| %s |", loads[l])
		for i := range r.Stores {
			r.Stores[i].cells(b, r.Stores[i].Loads[l])
		}
		b.WriteByte('\n')
	}
	b.WriteString("| at half of capacity |")
	for i := range r.Stores {
		r.Stores[i].cells(b, r.Stores[i].Half)
	}
	b.WriteByte('\n')
}

func (s *StoreReport) cells(b *strings.Builder, l Load) {
	fmt.Fprintf(b, " %s (%.2f) | %.1f / %.1f | %.2f |", grouped(l.PerSecond), s.ratio(l), l.Acknowledged.P50, l.Acknowledged.P99, l.Processor.All())
}

// ways is the table of the ways to the subscribers.
func (r *Report) ways(b *strings.Builder) {
	b.WriteString("\n| from submission to | store | rate /s | p50 ms | p99 ms |\n|---|---|---|---|---|\n")
	for i := range r.Stores {
		for k := range r.Stores[i].Screens {
			screen := &r.Stores[i].Screens[k]
			for _, line := range screen.lines() {
				fmt.Fprintf(b, "| %s | %s | %s | %.1f | %.1f |\n", line.Words, names[r.Stores[i].Store], grouped(screen.Rate), line.P50, line.P99)
			}
		}
	}
}
