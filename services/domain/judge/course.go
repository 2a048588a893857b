package judge

import (
	"github.com/rapport-health/rapport/services/domain/episode"
	"github.com/rapport-health/rapport/services/domain/fact"
)

// Holds says whether the condition holds, for a group, of an episode as it is, seen with the fact at which it was found:
// View{Before: s, After: s, Fact: f}. That is the view in which Judge asks whether it held before.
func (r *Rule) Holds(s *episode.State, f *fact.Fact, group string) (bool, error) {
	v := View{Before: s, After: s, Fact: f, Memo: &Memo{}}
	holds, err := r.When(v)
	if err != nil || !holds {
		return false, err
	}
	now, err := r.group(v)
	return now == group, err
}

// Cleared says whether Clears holds of an episode as it is, seen with the fact of the earlier finding in the same view as
// Holds, so that it speaks of the group of that finding.
func (r *Rule) Cleared(s *episode.State, f *fact.Fact) (bool, error) {
	return r.Clears(View{Before: s, After: s, Fact: f, Memo: &Memo{}})
}
