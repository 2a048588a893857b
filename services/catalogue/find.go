package catalogue

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/instrument"
	"github.com/rapport-health/rapport/services/domain/ref"
)

// wanted is what a response names as its questionnaire.
type wanted struct {
	source ref.Source
	// name as sent, its url and version.
	name, url, version string
	// code under which it is stored; empty for a relative reference.
	code string
	// id in the source, of a reference; empty for none.
	id string
	// authored is when it was answered, zero when not said.
	authored time.Time
}

func wantedOf(source ref.Source, named string, authored time.Time) wanted {
	w := wanted{source: source, name: named, authored: authored}
	w.url, w.version, _ = strings.Cut(named, "|")
	if id, ok := strings.CutPrefix(relative("/"+w.url), "Questionnaire/"); ok && ref.ValidID(id) {
		w.id = id
	}
	if w.url != "Questionnaire/"+w.id {
		w.code = named
	}
	return w
}

// answers says whether a Questionnaire is what is wanted.
func (w wanted) answers(one *copied, namer ref.Namer) bool {
	q := one.q
	if w.code != "" && q.url == w.url && (w.version == "" || q.version == w.version) {
		return true
	}
	if w.id == "" || one.source != w.source || one.resource.ID != namer.ID(w.source, w.id) {
		return false
	}
	// An address of the source's server means the resource there, unless the Questionnaire goes by another canonical.
	return w.code == "" && (w.version == "" || q.version == w.version) || w.code != "" && q.url == "" && w.version == ""
}

// candidates are the Questionnaires that a source may mean, on their way to the store or in it. Errors: Unavailable when
// the store is away.
func (s *Shelf) candidates(ctx context.Context, want wanted) ([]*copied, error) {
	if want.code == "" && want.id == "" {
		return nil, nil
	}
	s.mu.Lock()
	all := slices.Clone(s.handed[sender{s.tenant, want.source}])
	s.mu.Unlock()
	slices.Reverse(all) // of one resource the last that came counts, before what is stored
	kept, err := s.copies(ctx, want)
	if err != nil {
		return nil, err
	}
	var found []*copied
	for _, one := range append(all, kept...) {
		if !slices.ContainsFunc(found, func(other *copied) bool { return other.resource == one.resource }) {
			found = append(found, one)
		}
	}
	found = slices.DeleteFunc(found, func(one *copied) bool { return !want.answers(one, s.namer) })
	if slices.ContainsFunc(found, func(one *copied) bool { return one.source == want.source }) {
		found = slices.DeleteFunc(found, func(one *copied) bool { return one.source != want.source })
	}
	return found, nil
}

// pick the one that is meant. With a version there must be one; without, the one in force: active before draft, in its
// period before outside of it, then the highest version and the latest date.
// Errors: Conflict when several claim the name with different content.
func (w wanted) pick(found []*copied) (*questionnaire, error) {
	if len(found) == 0 {
		return nil, nil
	}
	rank := func(one *copied) int {
		rank := map[string]int{"active": 0, "draft": 2, "unknown": 2, "retired": 4}[one.q.status]
		if f := one.q.form; f == nil || !w.authored.IsZero() && (!f.From.IsZero() && w.authored.Before(f.From) || !f.To.IsZero() && !w.authored.Before(f.To)) {
			rank++
		}
		return rank
	}
	order := func(a, b *copied) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), -instrument.CompareVersions(a.q.version, b.q.version), -cmp.Compare(a.q.date, b.q.date))
	}
	found = slices.SortedStableFunc(slices.Values(found), order)
	first := found[0]
	for _, other := range found[1:] {
		if order(first, other) == 0 && other.q.said != first.q.said {
			return nil, fault.Newf(fault.Conflict, "multiple-matches",
				"several stored questionnaires with different content claim this canonical and version: not scored, which one is meant cannot be told")
		}
	}
	return first.q, nil
}
