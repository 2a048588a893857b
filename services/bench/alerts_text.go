package bench

import (
	"fmt"
	"io"
	"strings"
)

// Text writes the report for an 80-column terminal.
func (r *AlertsReport) Text(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%d processors (%s), shared by watchers, senders, server and databases\n", r.Machine.Processors, r.Machine.System)
	for i := range r.Stores {
		r.Stores[i].text(&b)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (s *AlertsOfStore) text(b *strings.Builder) {
	fmt.Fprintf(b, "\n%s\n", titles[s.Store])
	fmt.Fprintf(b, "  %-44s%8s%8s%8s\n", "from commit to watcher, gRPC", "p50 ms", "p99 ms", "max ms")
	for _, f := range s.Fans {
		fmt.Fprintf(b, "    %-42s%8.1f%8.1f%8.1f\n",
			fmt.Sprintf("%s watchers of %s", grouped(float64(f.Watchers)), plural(f.Feeds, "feed")), f.Commit.P50, f.Commit.P99, f.Commit.Max)
		fmt.Fprintf(b, "      %s alerts/s, %s messages/s; servers %.0f %% busy, clients %.0f %%\n",
			grouped(f.Rate), grouped(f.Messages), 100*f.Busy, 100*f.Clients)
	}
	for _, p := range s.Replays {
		fmt.Fprintf(b, "  replay of %s events, %s: %.1f s (%s/s, %.0f bytes each)\n",
			grouped(float64(p.Events)), p.Words, p.Seconds, grouped(float64(p.Events)/p.Seconds), p.Bytes)
	}
}
