package rows

import (
	"cmp"
	"encoding/json"
	"slices"

	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/ref"
)

// Parse reads a column of JSON; an empty one is nothing. Errors: Internal, without the text.
func Parse(column []byte, into any) error {
	if len(column) == 0 {
		return nil
	}
	read := func() error { return json.Unmarshal(column, into) }
	if own, ok := into.(json.Unmarshaler); ok {
		read = func() error { return own.UnmarshalJSON(column) } // without a second pass over the column
	}
	if err := read(); err != nil {
		return fault.Newf(fault.Internal, "exception", "a stored row cannot be read back")
	}
	return nil
}

// restore is the record as it was given to the store, from its columns, of which none is sealed any more.
func (r Resource) restore() (record.Record, error) {
	out := r.Record
	out.From, out.To = Time(r.From), Time(r.To)
	if err := Parse(r.Codes, &out.Codes); err != nil {
		return out, err
	}
	return out, Parse(r.Issues, &out.Issues)
}

// Found says what is wrong with the answer to a question for one record: that there is none, or that the current version
// says that there is none any more. Errors: NotFound, with the code deleted in the second case.
func Found(of ref.Resource, found []record.Record) error {
	switch {
	case len(found) == 0:
		return fault.Newf(fault.NotFound, "not-found", "there is no such resource, or no such version of it")
	case of.Version == 0 && found[0].Gone():
		return fault.Newf(fault.NotFound, "deleted", "the resource was deleted")
	}
	return nil
}

// SortFacts puts facts into the order of fact.Key, which is finer than the columns.
func SortFacts(facts []fact.Fact) {
	slices.SortFunc(facts, func(a, b fact.Fact) int { return a.Key().Compare(b.Key()) })
}

// SortPage puts the facts of a page into the order that was asked for.
func SortPage(facts []fact.Fact, p fact.Page) {
	SortFacts(facts)
	if p.Newest {
		slices.Reverse(facts)
	}
}

// SortTaken puts facts into the order of their sources and versions, and of their ids.
func SortTaken(facts []fact.Taken) {
	slices.SortFunc(facts, func(a, b fact.Taken) int {
		return cmp.Or(cmp.Compare(a.Source.Type, b.Source.Type), cmp.Compare(a.Source.ID, b.Source.ID),
			cmp.Compare(a.Source.Version, b.Source.Version), cmp.Compare(a.ID, b.ID))
	})
}

// SortOpened puts alerts into the order in which they were opened, then by id.
func SortOpened(alerts []alert.Alert) { slices.SortFunc(alerts, byOpened) }

// InsertOpened puts one more alert in its place among alerts in the order they were opened.
func InsertOpened(alerts []alert.Alert, a alert.Alert) []alert.Alert {
	at, _ := slices.BinarySearchFunc(alerts, a, byOpened)
	return slices.Insert(alerts, at, a)
}

func byOpened(a, b alert.Alert) int {
	return fact.Key{At: a.Opened, ID: a.ID}.Compare(fact.Key{At: b.Opened, ID: b.ID})
}

// Window says whether events may be read after a cursor, given the extent of its feed; the zero Extent when there is
// no such feed. Errors: TooOld, naming the earliest cursor that works; Invalid beyond the last event or below 0.
func Window(after feed.Cursor, kept feed.Extent) error {
	switch {
	case after.After < 0 || after.After > kept.Last:
		return fault.Newf(fault.Invalid, "value", "the cursor is not a number from 0 to %d, the feed's last event", kept.Last)
	case after.After+1 < kept.First:
		f := fault.Newf(fault.TooOld, "too-old", "events before %d are no longer kept; the earliest cursor is %d",
			kept.First, kept.First-1)
		f.Earliest, f.Feed = kept.First-1, string(after.Feed)
		return f
	}
	return nil
}
