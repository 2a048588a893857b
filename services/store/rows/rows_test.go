package rows_test

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/store/rows"
)

func TestASlotNeverComesAfterItsDeadlineAndKeepsTheOrder(t *testing.T) {
	const width = int64(15 * time.Minute / time.Microsecond)
	rapid.Check(t, func(t *rapid.T) {
		a := rapid.Int64Range(math.MinInt64/2, math.MaxInt64/2).Draw(t, "a")
		b := rapid.Int64Range(a, math.MaxInt64/2).Draw(t, "b")
		if slot := rows.Slot(a); slot*width > a || slot*width <= a-width {
			t.Fatalf("the slot %d does not hold %d", slot, a)
		}
		if rows.Slot(a) > rows.Slot(b) {
			t.Fatalf("the slots of %d and %d are the wrong way round", a, b)
		}
	})
}

func TestNumbersAreDenseInEveryFeedWhateverTheEventsAndTheirFeeds(t *testing.T) {
	names := []feed.Name{feed.All, feed.Unassigned, feed.Team("a"), feed.Team("b")}
	rapid.Check(t, func(t *rapid.T) {
		last := map[feed.Name]int64{}
		for _, n := range names {
			last[n] = rapid.Int64Range(0, 1000).Draw(t, "last")
		}
		var ds []*decision.Decision
		want := map[feed.Name]int64{}
		for range rapid.IntRange(1, 20).Draw(t, "events") {
			feeds := rapid.SliceOfN(rapid.SampledFrom(names), 0, 5).Draw(t, "feeds")
			ds = append(ds, &decision.Decision{Events: []feed.Draft{{Feeds: feeds}}})
			in := map[feed.Name]bool{feed.All: true}
			for _, n := range feeds {
				in[n] = true
			}
			for n := range in {
				want[n]++
			}
		}
		batch, err := rows.Gather("t", ds)
		if err != nil {
			t.Fatal(err)
		}
		next := map[feed.Name]int64{}
		for n, l := range last {
			next[n], want[n] = l, want[n]+l
		}
		events, moved := batch.Number("t", last)
		for _, e := range events {
			if next[e.Feed]++; e.Seq != next[e.Feed] {
				t.Fatalf("%s has %d where %d should be", e.Feed, e.Seq, next[e.Feed])
			}
			if e.TenantSeq != next[feed.All] {
				t.Fatalf("an event of %s has the tenant's number %d instead of %d", e.Feed, e.TenantSeq, next[feed.All])
			}
		}
		if diff := cmp.Diff(want, next); diff != "" {
			t.Fatal(diff)
		}
		for i, c := range moved {
			if c.After != next[c.Feed] || (i == 0) != (c.Feed == feed.All) || (i > 1 && moved[i-1].Feed >= c.Feed) {
				t.Fatalf("moved %+v", moved)
			}
		}
	})
}

func TestACodeIsPartedAtItsFirstBar(t *testing.T) {
	for token, want := range map[string][2]string{
		"http://loinc.org|44249-1": {"http://loinc.org", "44249-1"}, "|c": {"", "c"}, "c": {"", "c"}, "a|b|c": {"a", "b|c"}, "": {"", ""}, "s|": {"s", ""},
	} {
		if system, code := rows.SplitCode(token); system != want[0] || code != want[1] {
			t.Errorf("%q is parted into %q and %q", token, system, code)
		}
	}
}
