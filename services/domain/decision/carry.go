package decision

import (
	"reflect"
	"slices"
	"strconv"
	"time"

	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/ref"
)

// maxCarried bounds the earlier forms of one prescription or team that are carried on; the oldest go first.
const maxCarried = 128

// lasting says whether a fact holds from when it happened until another one takes its place. A new version of what it was
// taken from is a change then, and not a correction: what was asked for before the change was asked for all the same.
func lasting(f fact.Fact) bool { return f.Prescription != nil || f.Team != nil }

// carry gives the facts of a new version: the lasting ones of the version before up to the change, and from then on those
// that were taken from the new one. What was wrong from the beginning is taken back by entered-in-error.
func (d *Desk) carry(in *Input, r *record.Record) []fact.Fact {
	if in.Again || !slices.ContainsFunc(in.Facts, lasting) {
		return in.Facts
	}
	known, _ := d.episode(ref.EpisodeOf(r.Patient))
	facts := slices.SortedFunc(slices.Values(in.Facts), func(a, b fact.Fact) int { return a.Key().Compare(b.Key()) })
	changed := in.Changed
	if changed.IsZero() || changed.After(r.Received) {
		changed = r.Received
	}
	changed = changed.UTC().Truncate(time.Microsecond)
	base, rest := facts[0], facts[1:]
	end := changed
	if len(rest) > 0 && rest[0].At.Before(end) {
		end = rest[0].At
	}
	var before []fact.Fact
	for _, f := range known.Facts {
		if lasting(f) && f.Source.Unversioned() == r.Unversioned() && f.At.Before(end) {
			before = append(before, f)
		}
	}
	if len(before) == 0 {
		return in.Facts
	}
	before = before[max(0, len(before)-maxCarried):]
	switch last := before[len(before)-1]; {
	case ends(base), base.At.After(changed): // it says itself when
	case len(rest) > 0 && !rest[0].At.After(changed), alike(last, base):
		return renamed(before, rest, r)
	default:
		base.At = changed
	}
	return renamed(before, append([]fact.Fact{base}, rest...), r)
}

// ends says whether a fact is the end of a team's care, which is dated by itself.
func ends(f fact.Fact) bool { return f.Team != nil && !f.Team.Active }

// alike says whether two facts say the same.
func alike(a, b fact.Fact) bool {
	return reflect.DeepEqual(a.Prescription, b.Prescription) && reflect.DeepEqual(a.Team, b.Team)
}

// renamed are the facts carried on, under their ids, with the news under ids of their version.
func renamed(before, news []fact.Fact, r *record.Record) []fact.Fact {
	all := slices.Clip(before)
	for _, f := range news {
		f.ID = ref.Digest("changed", f.ID, strconv.FormatInt(r.Version, 10))
		all = append(all, f)
	}
	return all
}
