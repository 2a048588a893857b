package rows

import (
	"slices"

	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/ref"
)

// Feeds are the feeds that the batch moves: All first, the rest in name order; none when it has no events.
func (b *Batch) Feeds() []feed.Name {
	if len(b.Drafts) == 0 {
		return nil
	}
	var further []feed.Name
	for _, d := range b.Drafts {
		for _, name := range d.Feeds {
			if name != feed.All {
				further = append(further, name)
			}
		}
	}
	slices.Sort(further)
	return append([]feed.Name{feed.All}, slices.Compact(further)...)
}

// Number gives every draft its numbers, going on from the last number of each feed, and returns the events as they
// stand in each feed and where the feeds stand now, in the order of Feeds. Resources get the number of their event.
func (b *Batch) Number(t ref.Tenant, last map[feed.Name]int64) ([]feed.Event, []feed.Cursor) {
	events := make([]feed.Event, 0, len(b.Drafts))
	for i := range b.Resources {
		r := &b.Resources[i]
		r.Seq = last[feed.All] + int64(min(r.draft+1, len(b.Drafts)))
	}
	for _, d := range b.Drafts {
		last[feed.All]++
		e := feed.Event{
			Feed: feed.All, Seq: last[feed.All], TenantSeq: last[feed.All],
			ID: d.ID, Type: d.Type, Time: d.Time, Subject: d.Subject, Data: d.Data,
		}
		events = append(events, e)
		for i, name := range d.Feeds {
			if name == feed.All || slices.Contains(d.Feeds[:i], name) {
				continue
			}
			last[name]++
			e.Feed, e.Seq, e.Data = name, last[name], d.DataFor(name)
			events = append(events, e)
		}
	}
	names := b.Feeds()
	moved := make([]feed.Cursor, len(names))
	for i, name := range names {
		moved[i] = feed.Cursor{Tenant: t, Feed: name, After: last[name]}
	}
	return events, moved
}
