package rest

import (
	"context"
	"slices"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/store"
)

// The bounds of one page, so that no search holds a server up or fills its memory.
const (
	maxPatients = 20
	pageBytes   = 16 << 20
	maxExamined = 20_000
	firstChunk  = 32
	maxChunk    = 500
	maxCounted  = 100_000
)

// found is one page of results.
type found struct {
	hits []hit
	// more says that there may be matches beyond reached.
	more    bool
	reached place
	// total is nil when it is not known.
	total *int
}

// run answers the search from one state of the store.
func (s *search) run(ctx context.Context, v *sight) (found, error) {
	patients, all, err := s.resolve(v)
	if err != nil {
		return found{}, err
	}
	var lookups []lookup
	if all {
		patients = []ref.Patient{""}
	}
	for _, p := range patients {
		for _, find := range s.kind.find {
			if look := find(v, s.kind.name, &s.criteria, p); look != nil {
				lookups = append(lookups, look)
			}
		}
	}
	var f found
	if s.count > 0 {
		if f, err = s.page(ctx, lookups); err != nil {
			return found{}, err
		}
		for i := range f.hits {
			if f.hits[i].served, err = f.hits[i].body(); err != nil {
				return found{}, err
			}
		}
	}
	if s.count > 0 && !s.counted {
		if !f.more {
			f.total = new(s.cursor.seen + len(f.hits))
		}
		return f, nil
	}
	n, err := s.countAll(ctx, lookups)
	f.total = &n
	return f, err
}

// resolve gives the patients that meet all groups; all when no patient is asked for. What something is derived from is
// its patient's.
func (s *search) resolve(v *sight) (patients []ref.Patient, all bool, err error) {
	if len(s.criteria.patients) == 0 && len(s.criteria.ids) == 0 && len(s.criteria.sources) > 0 {
		patients, err = v.patientsOf(s.criteria.sources[0])
		return patients, false, err
	}
	for i, group := range s.criteria.patients {
		ids, err := resolveGroup(v, group)
		if err != nil {
			return nil, false, err
		}
		if i == 0 {
			patients = ids
			continue
		}
		patients = slices.DeleteFunc(patients, func(p ref.Patient) bool { return !slices.Contains(ids, p) })
	}
	if len(patients) > maxPatients {
		return nil, false, fault.Newf(fault.Invalid, "too-costly", "a search may name %d patients at most", maxPatients)
	}
	return patients, len(s.criteria.patients) == 0, nil
}

func resolveGroup(r store.Reader, group []subject) ([]ref.Patient, error) {
	var ids []ref.Patient
	var aliases []string
	for _, one := range group {
		if one.alias != "" {
			aliases = append(aliases, one.alias)
		} else {
			ids = append(ids, one.id)
			aliases = append(aliases, one.id.Reference())
		}
	}
	if aliases != nil {
		found, err := r.Patients(aliases)
		if err != nil {
			return nil, err
		}
		for _, a := range found {
			ids = append(ids, a.Patient)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}

// page merges what the lookups give. A lookup that stopped early bounds the page: what lies beyond may be preceded by
// something that it has not reached yet.
func (s *search) page(ctx context.Context, lookups []lookup) (found, error) {
	var f found
	for _, find := range lookups {
		part, err := s.collect(ctx, find, s.cursor.after, s.count+1)
		if err != nil {
			return f, err
		}
		if part.more && (!f.more || part.reached.compare(f.reached) < 0) {
			f.more, f.reached = true, part.reached
		}
		f.hits = append(f.hits, part.hits...)
	}
	slices.SortFunc(f.hits, func(a, b hit) int { return a.compare(b.place) })
	if f.more {
		f.hits = slices.DeleteFunc(f.hits, func(h hit) bool { return h.compare(f.reached) > 0 })
	}
	if len(f.hits) > s.count {
		f.hits = f.hits[:s.count]
		f.more, f.reached = true, f.hits[s.count-1].place
	}
	return f, nil
}

// collect reads on until it has want matches, or too many bytes, or has looked at too much.
func (s *search) collect(ctx context.Context, find lookup, after place, want int) (found, error) {
	f := found{reached: after}
	bytes, examined, chunk := 0, 0, min(firstChunk, want)
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
			if s.criteria.met(h) {
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

// countAll counts every match, from the beginning.
func (s *search) countAll(ctx context.Context, lookups []lookup) (int, error) {
	n, examined := 0, 0
	for _, find := range lookups {
		var after place
		for chunk := firstChunk; ; {
			if err := ctx.Err(); err != nil {
				return 0, err
			}
			hits, err := find(after, chunk)
			if err != nil {
				return 0, err
			}
			bytes := 0
			for _, h := range hits {
				bytes += h.size
				if s.criteria.met(h) {
					n++
				}
			}
			if examined += len(hits); examined > maxCounted {
				return 0, fault.Newf(fault.Invalid, "too-costly", "there is too much to count; name a patient, or leave _total and _count=0 out")
			}
			if len(hits) < chunk {
				break
			}
			after, chunk = hits[len(hits)-1].place, nextChunk(bytes, len(hits))
		}
	}
	return n, nil
}
