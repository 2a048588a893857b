package bench

import (
	"fmt"
	"io"
	"strings"
)

// mostNamed is how many failures of a kind are named; the rest is counted.
const mostNamed = 10

// ChaosText writes what the ordeals came to, for an 80-column terminal.
func ChaosText(w io.Writer, ordeals []Ordeal) error {
	var b strings.Builder
	for i := range ordeals {
		ordeals[i].text(&b)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (o *Ordeal) text(b *strings.Builder) {
	fmt.Fprintf(b, "%s (seed %d)\n", titles[o.Store], o.Seed)
	fmt.Fprintf(b, "  killed %s (%d while starting) in %.0f s of load\n", plural(o.Kills, "time"), o.InStart, o.Seconds)
	if o.Servers > 1 {
		fmt.Fprintf(b, "  %d servers on one database, killed at random\n", o.Servers)
	}
	for _, deed := range tally(o.Deeds) {
		fmt.Fprintf(b, "  %s\n", deed)
	}
	fmt.Fprintf(b, "  %s submissions acknowledged, %s of them after they were sent again\n", grouped(float64(o.Acknowledged)), grouped(float64(o.Resent)))
	fmt.Fprintf(b, "  %s versions, %s alerts, %s commands, %s events, %s feeds\n", grouped(float64(o.Versions)),
		grouped(float64(o.Alerts)), grouped(float64(o.Commands)), grouped(float64(o.Events)), grouped(float64(o.Feeds)))
	for _, line := range []struct {
		words string
		found []string
	}{
		{"acknowledged but lost", o.Lost}, {"effects doubled", o.Doubled}, {"feed gaps", o.Gaps}, {"wrong answers", o.Wrong},
	} {
		fmt.Fprintf(b, "  %-24s%6d\n", line.words, len(line.found))
		for _, text := range line.found[:min(mostNamed, len(line.found))] {
			fmt.Fprintf(b, "    %s\n", text)
		}
	}
	if !o.Sound {
		fmt.Fprintf(b, "  rapport verify failed:\n    %s\n", strings.ReplaceAll(o.Verified, "\n", "\n    "))
	} else if o.Verified != "" {
		fmt.Fprintf(b, "  verify: %s\n", o.Verified[strings.LastIndexByte(o.Verified, '\n')+1:])
	}
}

// tally counts equal lines and keeps their first order.
func tally(lines []string) []string {
	var kinds []string
	often := map[string]int{}
	for _, line := range lines {
		if often[line] == 0 {
			kinds = append(kinds, line)
		}
		often[line]++
	}
	for i, kind := range kinds {
		if often[kind] > 1 {
			kinds[i] = fmt.Sprintf("%s %s", kind, plural(often[kind], "time"))
		}
	}
	return kinds
}
