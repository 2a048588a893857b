package rest

import (
	"context"
	"slices"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/fhir/search"
	"github.com/rapport-health/rapport/services/store"
)

// The bounds of one page, so that no search holds a server up or fills its memory.
const (
	// maxWays is by how many patients or keys a search is narrowed.
	maxWays     = 50
	pageBytes   = 16 << 20
	maxExamined = 20_000
	firstChunk  = 64
	maxChunk    = 500
	maxCounted  = 100_000
	// maxTold is how much is read on beyond a page to tell a total that nobody has asked for.
	maxTold = 200
	// maxSorted is how many matches are put into another order than that in which they come.
	maxSorted = 10_000
	// maxLinked is how many other resources a chain or _has may lead over.
	maxLinked = 2_000
)

// found is one page of results.
type found struct {
	hits []hit
	// included are what the hits lead to, or what leads to them.
	included []hit
	// more says that there may be matches beyond reached.
	more    bool
	reached place
	// total is nil when it is not known.
	total *int
	// upto is the number of the tenant's last event.
	upto int64
}

// run answers the search from one state of the store.
func (q *inquiry) run(ctx context.Context, v *sight) (found, error) {
	f, err := q.runMatches(ctx, v)
	if err != nil {
		return f, err
	}
	var needs []ref.Resource
	for i := range f.hits {
		needs = append(needs, f.hits[i].needs...)
	}
	if err := v.fetch(needs); err != nil {
		return f, err
	}
	for i := range f.hits {
		if f.hits[i].served, err = f.hits[i].body(); err != nil {
			return f, err
		}
	}
	f.included, err = q.include(ctx, v, f.hits)
	return f, err
}

// runMatches is run without the bodies and what is included.
func (q *inquiry) runMatches(ctx context.Context, v *sight) (found, error) {
	f := found{}
	extents, err := v.Extents(feed.All)
	if err != nil {
		return f, err
	}
	if len(extents) > 0 {
		f.upto = extents[0].Last
	}
	if q.later() {
		f.upto = *q.cursor.upto
	}
	lookups, err := q.lookups(ctx, v)
	if err != nil {
		return f, err
	}
	switch {
	case q.count > 0 && q.order != nil:
		return q.inOrder(ctx, lookups, f)
	case q.count > 0:
		page, err := q.page(ctx, lookups)
		if err != nil {
			return f, err
		}
		page.upto = f.upto
		f = page
	}
	return f, q.total(ctx, lookups, &f)
}

// uncountedTotal is the total in a cursor when the first page did not tell one: the others do not look for it again.
const uncountedTotal = -1

// onward is the total in the cursor of the next page.
func (q *inquiry) onward(f *found) *int {
	switch {
	case q.later():
		return q.cursor.total
	case f.total == nil:
		return new(uncountedTotal)
	}
	return f.total
}

// total counts the matches, if it is asked for, or costs little. What was counted once is not counted again: the pages of one
// search are of one state.
func (q *inquiry) total(ctx context.Context, lookups []lookup, f *found) error {
	told := q.cursor.seen + len(f.hits)
	switch {
	case q.uncounted && q.count > 0:
		return nil
	case q.later() && q.cursor.total != nil:
		if *q.cursor.total >= 0 {
			f.total = q.cursor.total
		}
		return nil
	case q.count == 0 || q.counted && f.more:
		n, all, err := q.countFrom(ctx, lookups, place{}, maxCounted)
		if err == nil && !all {
			err = fault.Newf(fault.Invalid, "too-costly", "there is too much to count; name a patient, or leave _total and _count=0 out")
		}
		f.total = &n
		return err
	case f.more:
		n, all, err := q.countFrom(ctx, lookups, f.reached, maxTold)
		if all {
			f.total = new(told + n)
		}
		return err
	}
	f.total = &told
	return nil
}

// lookups resolves what leads over other resources, and asks each finder.
func (q *inquiry) lookups(ctx context.Context, v *sight) ([]lookup, error) {
	if err := q.resolve(ctx, v); err != nil {
		return nil, err
	}
	if q.narrowed && len(q.patients) == 0 {
		return nil, nil
	}
	var out []lookup
	for _, find := range q.kind.find {
		ways, err := find(v, q)
		if err != nil {
			return nil, err
		}
		out = append(out, ways...)
	}
	return out, nil
}

// resolve turns conditions on other resources into ids, and names of patients into those by which they are kept.
func (q *inquiry) resolve(ctx context.Context, v *sight) error {
	for _, l := range q.linked {
		if err := q.follow(ctx, v, l); err != nil {
			return err
		}
	}
	q.linked = nil
	for i := range q.conditions {
		if err := q.narrow(v, &q.conditions[i]); err != nil {
			return err
		}
	}
	return nil
}

// follow answers the inner condition and asks for what it leads to.
func (q *inquiry) follow(ctx context.Context, v *sight, l link) error {
	reached := search.Condition{Param: l.param}
	var ids []string
	for _, typ := range l.types {
		k, _ := kindOf(typ)
		inner := &inquiry{kind: k, count: maxLinked, uncounted: true, used: map[string][]string{}, asked: q.asked, cursor: cursor{now: q.cursor.now}}
		if err := inner.add(l.key, l.value, 0); err != nil {
			return err
		}
		f, err := inner.runMatches(ctx, v)
		if err != nil {
			return err
		}
		if f.more {
			return fault.Newf(fault.Invalid, "too-costly", "the condition on another resource is met by more than %d of them", maxLinked)
		}
		for i := range f.hits {
			h := &f.hits[i]
			switch {
			case l.back:
				for _, to := range h.doc.Values(l.param) {
					if to.Ref.Type == q.kind.name || to.Ref.Type == "" {
						ids = append(ids, to.Ref.ID)
					}
				}
			case l.param.Canonical():
				reached.Any = append(reached.Any, canonicalOf(h)...)
			default:
				reached.Any = append(reached.Any, search.Alternative{Ref: ref.Resource{Type: typ, ID: h.id}})
			}
		}
	}
	if l.back {
		slices.Sort(ids)
		q.ids = append(q.ids, slices.Compact(ids))
		return nil
	}
	q.conditions = append(q.conditions, reached)
	return nil
}

// canonicalOf are the names by which a response can name its questionnaire.
func canonicalOf(h *hit) []search.Alternative {
	out := []search.Alternative{{Text: h.typ + "/" + h.id}}
	if p := search.Find(h.typ, "url"); p != nil {
		for _, url := range h.doc.Values(p) {
			out = append(out, search.Alternative{Text: url.Text})
		}
	}
	return out
}

// narrow finds the patients whom a condition names, under whatever name.
func (q *inquiry) narrow(v *sight, c *search.Condition) error {
	if c.Modifier == "identifier" && (c.Param.Name == "patient" || c.Param.Name == "subject") {
		var named []string
		for _, a := range c.Any {
			named = append(named, a.System+"|"+a.Code)
		}
		known, err := v.Patients(named)
		if err != nil {
			return err
		}
		of := search.Condition{Param: c.Param}
		for _, alias := range known {
			of.Any = append(of.Any, search.Alternative{Ref: ref.Resource{Type: "Patient", ID: string(alias.Patient)}})
		}
		*c = of
	}
	ids, ok := c.OfPatient()
	if !ok {
		return nil
	}
	named := make([]string, len(ids))
	for i, id := range ids {
		named[i] = id.Reference()
	}
	known, err := v.Patients(named)
	if err != nil {
		return err
	}
	for _, alias := range known {
		ids = append(ids, alias.Patient)
		c.Any = append(c.Any, search.Alternative{Ref: ref.Resource{Type: "Patient", ID: string(alias.Patient)}})
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	switch {
	case len(ids) > maxWays: // it still must hold
	case q.narrowed:
		q.patients = slices.DeleteFunc(q.patients, func(p ref.Patient) bool { return !slices.Contains(ids, p) })
	default:
		q.patients, q.narrowed = ids, true
	}
	return nil
}

// page merges what the lookups give. A lookup that stopped early bounds the page: what lies beyond may be preceded by
// something that it has not reached yet.
func (q *inquiry) page(ctx context.Context, lookups []lookup) (found, error) {
	var f found
	for _, find := range lookups {
		part, err := q.collect(ctx, find, q.cursor.after, q.count+1)
		if err != nil {
			return f, err
		}
		if part.more && (!f.more || part.reached.compare(f.reached) < 0) {
			f.more, f.reached = true, part.reached
		}
		f.hits = append(f.hits, part.hits...)
	}
	slices.SortStableFunc(f.hits, func(a, b hit) int { return a.compare(b.place) })
	f.hits = slices.CompactFunc(f.hits, func(a, b hit) bool { return a.place == b.place })
	if f.more {
		f.hits = slices.DeleteFunc(f.hits, func(h hit) bool { return h.compare(f.reached) > 0 })
	}
	if len(f.hits) > q.count {
		f.hits = f.hits[:q.count]
		f.more, f.reached = true, f.hits[q.count-1].place
	}
	return f, nil
}

// inOrder puts all matches into the order asked for. The matches of a search that goes on are those of its first page, so
// their number alone says where it goes on.
func (q *inquiry) inOrder(ctx context.Context, lookups []lookup, f found) (found, error) {
	all := *q
	all.count, all.cursor.after = maxSorted, place{}
	everything, err := all.page(ctx, lookups)
	if err != nil {
		return f, err
	}
	if everything.more {
		return f, fault.Newf(fault.Invalid, "too-costly", "more than %d matches cannot be put into this order: name a patient, or leave _sort out", maxSorted)
	}
	hits := everything.hits
	q.sorted(hits)
	f.total = new(len(hits))
	if q.uncounted {
		f.total = nil
	}
	hits = hits[min(q.cursor.seen, len(hits)):]
	if len(hits) > q.count {
		hits, f.more = hits[:q.count], true
		f.reached = hits[q.count-1].place
	}
	f.hits = hits
	return f, nil
}

// collect reads on until it has want matches, or too many bytes, or has looked at too much.
func (q *inquiry) collect(ctx context.Context, find lookup, after place, want int) (found, error) {
	f := found{reached: after}
	bytes, examined, chunk := 0, 0, min(firstChunk, 2*want)
	for {
		if err := ctx.Err(); err != nil {
			return f, err
		}
		hits, err := find(f.reached, chunk)
		if err != nil {
			return f, err
		}
		for _, h := range hits {
			f.reached = h.place
			examined++
			bytes += h.size
			if q.met(&h) {
				f.hits = append(f.hits, h)
			}
			if len(f.hits) >= want || bytes >= pageBytes {
				f.more = true
				return f, nil
			}
		}
		if len(hits) < chunk {
			return f, nil
		}
		if examined >= maxExamined {
			f.more = true
			return f, nil
		}
		chunk = nextChunk(bytes, examined)
	}
}

// nextChunk is how many candidates to read next, given the bytes that so many had: at most what fills a page.
func nextChunk(bytes, examined int) int {
	return min(max(pageBytes*examined/(bytes+1), 1), maxChunk)
}

// countFrom counts every match after a place, and says whether those are all: it looks at no more than max candidates.
// What more than one lookup gives counts once.
func (q *inquiry) countFrom(ctx context.Context, lookups []lookup, from place, max int) (n int, all bool, err error) {
	examined := 0
	seen := map[string]bool{}
	for _, find := range lookups {
		after := from
		for chunk := firstChunk; ; {
			if err := ctx.Err(); err != nil {
				return 0, false, err
			}
			hits, err := find(after, chunk)
			if err != nil {
				return 0, false, err
			}
			bytes := 0
			for _, h := range hits {
				bytes += h.size
				if q.met(&h) && (len(lookups) == 1 || !seen[h.id]) {
					seen[h.id] = len(lookups) > 1
					n++
				}
			}
			if examined += len(hits); examined > max {
				return 0, false, nil
			}
			if len(hits) < chunk {
				break
			}
			after, chunk = hits[len(hits)-1].place, min(nextChunk(bytes, len(hits)), max-examined+1)
		}
	}
	return n, true, nil
}

// matches are the ids of up to max records that a condition of an interaction is met by. Only what was sent counts: what
// the server derives cannot be changed.
func (c *call) matches(ctx context.Context, r store.Reader, q *inquiry, max int) ([]string, error) {
	own := *q
	k := *q.kind
	k.find = []finder{findRecords}
	own.kind, own.count, own.uncounted = &k, max, true
	own.conditions = slices.Clone(q.conditions)
	f, err := own.runMatches(ctx, &sight{Reader: r, call: c})
	if err != nil {
		return nil, err
	}
	var out []string
	for i := range f.hits {
		out = append(out, f.hits[i].id)
	}
	return out, nil
}
