package rest

import (
	"slices"
	"strconv"
	"strings"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/store"
)

// tags are the versions that If-Match or If-None-Match name.
type tags struct {
	given, any bool
	versions   []int64
}

func readTags(lines []string) (tags, error) {
	t := tags{given: len(lines) > 0}
	for one := range strings.SplitSeq(strings.Join(lines, ","), ",") {
		if one = strings.TrimSpace(one); one == "*" {
			t.any = true
			continue
		}
		text, ok := strings.CutPrefix(strings.TrimPrefix(one, "W/"), `"`)
		text, closed := strings.CutSuffix(text, `"`)
		n, err := strconv.ParseInt(text, 10, 64)
		if t.given && (!ok || !closed || err != nil) {
			return t, fault.Newf(fault.Invalid, "value", `an entity tag is written W/"3", with the number of a version`)
		}
		t.versions = append(t.versions, n)
	}
	return t, nil
}

// fits says whether the current version, 0 for none, is one that is named.
func (t tags) fits(version int64) bool {
	return !t.given || version > 0 && (t.any || slices.Contains(t.versions, version))
}

// guard is what must be true of one resource for it to be changed.
type guard struct {
	match, none tags
}

func (c *call) guard() (guard, error) {
	match, err := readTags(c.r.Header.Values("If-Match"))
	if err != nil {
		return guard{}, err
	}
	none, err := readTags(c.r.Header.Values("If-None-Match"))
	return guard{match, none}, err
}

func (g guard) given() bool { return g.match.given || g.none.given }

// holds checks a resource as it stands. Errors: Precondition.
func (g guard) holds(head record.Head, there bool) error {
	version := head.Version
	if !there || head.Gone() {
		version = 0
	}
	if !g.match.fits(version) {
		if version == 0 {
			return fault.Newf(fault.Precondition, "conflict", "If-Match names a version, and there is no such resource")
		}
		return fault.Newf(fault.Precondition, "conflict", "the current version is %d, which If-Match does not name: read it again and decide again", version)
	}
	if g.none.given && version > 0 && g.none.fits(version) {
		return fault.Newf(fault.Precondition, "conflict", "the resource exists already, as version %d", version)
	}
	return nil
}

// headOf reads what is known of one resource.
func headOf(r store.Reader, of ref.Resource) (record.Head, bool, error) {
	heads, err := r.Heads([]ref.Resource{of.Unversioned()})
	head, ok := heads[of.Unversioned()]
	return head, ok, err
}

// guarded is the condition of a guard within the commit.
func (g guard) guarded(of ref.Resource) func(store.Reader) error {
	return func(r store.Reader) error {
		head, ok, err := headOf(r, of)
		if err != nil {
			return err
		}
		return g.holds(head, ok)
	}
}

// every joins conditions.
func every(conditions []func(store.Reader) error) func(store.Reader) error {
	return func(r store.Reader) error {
		for _, holds := range conditions {
			if err := holds(r); err != nil {
				return err
			}
		}
		return nil
	}
}
