package bench

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Verdict is the count. A run is good when all three lists are empty.
type Verdict struct {
	// Lost is what was acknowledged and is not there, or has no effect.
	Lost []string `json:"lost"`
	// Doubled is what had its effect more than once.
	Doubled []string `json:"doubled"`
	// Gaps is what a feed or one of its readers lacks.
	Gaps []string `json:"gaps"`
}

// Good says whether nothing was lost, doubled or left out.
func (v Verdict) Good() bool { return len(v.Lost)+len(v.Doubled)+len(v.Gaps) == 0 }

// Count holds what was promised against what was found.
func Count(e Evidence) Verdict {
	c := counting{Evidence: e, events: map[string]int{}}
	c.stored()
	c.facts()
	c.feeds()
	c.told()
	c.alerts()
	c.readings()
	return c.verdict
}

type counting struct {
	Evidence
	verdict Verdict
	// versions by reference.
	versions map[string]Version
	// events counts, over the tenant's own feed, what each event tells: its type and what it is about.
	events map[string]int
	// own is the tenant's own feed by number.
	own map[int64]Entry
}

func (c *counting) lost(format string, args ...any) {
	c.verdict.Lost = append(c.verdict.Lost, fmt.Sprintf(format, args...))
}

func (c *counting) doubled(format string, args ...any) {
	c.verdict.Doubled = append(c.verdict.Doubled, fmt.Sprintf(format, args...))
}

func (c *counting) gap(format string, args ...any) {
	c.verdict.Gaps = append(c.verdict.Gaps, fmt.Sprintf(format, args...))
}

func (v Version) reference() string { return fmt.Sprintf("%s/_history/%d", v.Resource, v.Number) }

// stored looks for every promised version, and for versions that a replay made.
func (c *counting) stored() {
	c.versions = make(map[string]Version, len(c.Stored))
	bodies := make(map[[2]string]int64, len(c.Stored))
	for _, v := range c.Stored {
		c.versions[v.reference()] = v
		same := [2]string{v.Resource, v.Body}
		if other, twice := bodies[same]; twice {
			c.doubled("%s was stored twice, as versions %d and %d", v.Resource, other, v.Number)
		}
		bodies[same] = v.Number
	}
	promised := make(map[string]bool, len(c.Promised))
	for _, p := range c.Promised {
		promised[p.Reference] = true
		v, ok := c.versions[p.Reference]
		switch {
		case !ok:
			c.lost("%s was acknowledged and is not stored", p.Reference)
		case v.Body != p.Body:
			c.lost("%s was acknowledged, and another body is stored", p.Reference)
		}
	}
	for _, v := range c.Stored {
		if !promised[v.reference()] {
			c.doubled("%s is stored, and no client was told of that version", v.reference())
		}
	}
}

// facts wants one for each version, and of those one that counts: the newest version's.
func (c *counting) facts() {
	from := make(map[string]int, len(c.Facts))
	live := map[[2]string]string{}
	for _, f := range c.Facts {
		version := Version{Resource: f.Resource, Number: f.Number}.reference()
		from[version]++
		if from[version] == 2 {
			c.doubled("more than one fact was taken from %s", version)
		}
		if f.Superseded {
			continue
		}
		id := [2]string{f.Episode, f.ID}
		if other, twice := live[id]; twice {
			c.doubled("the facts of %s and %s count both, and are the same", other, version)
		}
		live[id] = version
		if v, ok := c.versions[version]; ok && !v.Current {
			c.doubled("the fact of %s still counts beside that of a newer version", version)
		}
	}
	for _, p := range c.Promised {
		if v, ok := c.versions[p.Reference]; ok && from[v.reference()] == 0 {
			c.lost("%s is stored without its fact", p.Reference)
		}
	}
}

// feeds wants every feed numbered without a hole, and every event of a feed also in the tenant's own.
func (c *counting) feeds() {
	c.own = map[int64]Entry{}
	for _, f := range c.Feeds {
		if f.Name != all {
			continue
		}
		for _, e := range f.Entries {
			c.own[e.Seq] = e
		}
	}
	for _, f := range c.Feeds {
		ids := make(map[string]int64, len(f.Entries))
		last := int64(0)
		for _, e := range f.Entries {
			if e.Seq != last+1 {
				c.gap("feed %s: after %d comes %d", f.Name, last, e.Seq)
			}
			last = e.Seq
			if other, twice := ids[e.ID]; twice {
				c.doubled("feed %s: event %s has the numbers %d and %d", f.Name, e.ID, other, e.Seq)
			}
			ids[e.ID] = e.Seq
			if c.own[e.TenantSeq].ID != e.ID {
				c.gap("feed %s: event %d is not number %d of the tenant", f.Name, e.Seq, e.TenantSeq)
			}
		}
		if last != f.Last {
			c.gap("feed %s: the counter says %d, the last event is %d", f.Name, f.Last, last)
		}
	}
}

// told wants every stored version told of once, and every alert opened once. One that gave way to a graver one, which is
// told as well, opens again when that is taken back.
func (c *counting) told() {
	open, again := map[string]bool{}, map[string]int{}
	for _, n := range slices.Sorted(maps.Keys(c.own)) {
		e := c.own[n]
		switch e.Type {
		case "alert.suppressed":
			delete(open, e.About)
			continue
		case "alert.opened":
			if !open[e.About] {
				again[e.About]++
			}
			open[e.About] = true
		case "submission.recorded":
		default:
			continue
		}
		c.events[e.Type+" "+e.About]++
	}
	for _, what := range slices.Sorted(maps.Keys(c.events)) {
		alert, _ := strings.CutPrefix(what, "alert.opened ")
		if n := c.events[what]; n > max(1, again[alert]) {
			c.doubled("%d events: %s", n, what)
		}
	}
	for _, p := range c.Promised {
		if c.events["submission.recorded "+p.Reference] == 0 {
			c.lost("%s was acknowledged, and no event tells of it", p.Reference)
		}
	}
}

// alerts wants one for each safety item that stands, one for each finding, and every command in a history once.
func (c *counting) alerts() {
	findings, keys, safety := map[string]string{}, map[Acknowledgement]int{}, map[string]bool{}
	for _, a := range c.Alerts {
		for _, key := range a.Keys {
			keys[Acknowledgement{a.ID, key}]++
			if keys[Acknowledgement{a.ID, key}] == 2 {
				c.doubled("alert %s took the command %s twice", a.ID, key)
			}
		}
		if a.Retracted {
			continue
		}
		if other, twice := findings[a.Finding]; twice {
			c.doubled("the finding %s has the alerts %s and %s", a.Finding, other, a.ID)
		}
		findings[a.Finding] = a.ID
		for _, source := range a.Sources {
			safety[source] = safety[source] || a.Safety && c.events["alert.opened "+a.ID] > 0
		}
	}
	for _, command := range c.Commands {
		if keys[command] == 0 {
			c.lost("the command %s to alert %s was answered and is not in its history", command.Key, command.Alert)
		}
	}
	for _, p := range c.Promised {
		v, ok := c.versions[p.Reference]
		if ok && p.Safety && v.Current && !safety[v.Resource] {
			c.lost("%s answers the safety item, and no alert that was told of stands on it", p.Reference)
		}
	}
}

// readings wants every reader to have got what the database holds.
func (c *counting) readings() {
	feeds := make(map[string]Feed, len(c.Feeds))
	for _, f := range c.Feeds {
		feeds[f.Name] = f
	}
	for _, r := range c.Readings {
		c.reading(r, feeds[r.Feed].Entries)
	}
}

func (c *counting) reading(r Reading, want []Entry) {
	got, last := make(map[int64]string, len(r.Entries)), int64(0)
	for _, e := range r.Entries {
		if id, again := got[e.Seq]; again && id != e.ID {
			c.doubled("%s: number %d of %s was %s and then %s", r.Reader, e.Seq, r.Feed, id, e.ID)
		} else if again && !r.Repeats {
			c.doubled("%s: number %d of %s came again", r.Reader, e.Seq, r.Feed)
		}
		got[e.Seq] = e.ID
		if !r.Repeats && e.Seq != last+1 {
			c.gap("%s: after %d of %s came %d", r.Reader, last, r.Feed, e.Seq)
		}
		last = e.Seq
	}
	for _, e := range want {
		switch id, ok := got[e.Seq]; {
		case !ok:
			c.gap("%s: number %d of %s did not come", r.Reader, e.Seq, r.Feed)
		case id != e.ID:
			c.doubled("%s: number %d of %s is %s, and was %s to the reader", r.Reader, e.Seq, r.Feed, e.ID, id)
		}
		delete(got, e.Seq)
	}
	for _, seq := range slices.Sorted(maps.Keys(got)) {
		c.doubled("%s: number %d of %s came and is not in the database", r.Reader, seq, r.Feed)
	}
}

// resourceOf is a reference without its version.
func resourceOf(reference string) string {
	resource, _, _ := strings.Cut(reference, "/_history/")
	return resource
}
