package judge

import (
	"slices"
	"time"

	"github.com/rapport-health/rapport/services/domain/episode"
	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/ref"
)

// brokenCoolDown keeps a rule that fails at every fact from burying what the others find.
const brokenCoolDown = 24 * time.Hour

// Judge gives the findings of the rules, in their order, on what a fact made of an episode.
//
// A rule is asked only about facts of its kinds and constructs. A rule with Each finds something at every fact
// after which its condition holds. Any other rule finds something when its condition begins to hold: it holds of
// the episode as it is now, and it did not hold, for the same group and seen with the same fact, of the episode
// as it was before. The second question is put to View{Before: before, After: before, Fact: f}; so a condition
// speaks of the present as After, and one that compares Before with After begins to hold whenever it holds.
//
// A rule that cannot be evaluated is a finding of its own, with Err.
func Judge(rules []Rule, before, after *episode.State, f fact.Fact) []Finding {
	if before == nil {
		before = episode.New(after.Patient)
	}
	memo := &Memo{}
	now, was := View{before, after, &f, memo}, View{before, before, &f, memo}
	var findings []Finding
	for i := range rules {
		if r := &rules[i]; r.concerns(&f) {
			if finding, found := r.judge(now, was); found {
				findings = append(findings, finding)
			}
		}
	}
	return findings
}

func (r *Rule) concerns(f *fact.Fact) bool {
	if len(r.On) > 0 && !slices.Contains(r.On, f.Kind) {
		return false
	}
	return f.Scores == nil || len(r.Constructs) == 0 || slices.Contains(r.Constructs, f.Scores.Construct)
}

func (r *Rule) judge(now, was View) (Finding, bool) {
	holds, err := r.When(now)
	if err != nil {
		return r.broken(now, err), true
	}
	if !holds {
		return Finding{}, false
	}
	group, err := r.group(now)
	if err != nil {
		return r.broken(now, err), true
	}
	begins, err := r.begins(was, group)
	if err != nil {
		return r.broken(now, err), true
	}
	if !begins {
		return Finding{}, false
	}
	finding := r.finding(now, group)
	if r.Describe != nil {
		if finding.Wording, finding.Numbers, err = r.Describe(now); err != nil {
			return r.broken(now, err), true
		}
	}
	if r.Translate != nil {
		if finding.Translations, err = r.Translate(now); err != nil {
			return r.broken(now, err), true
		}
	}
	if r.Rated != nil {
		if finding.Rated, err = r.Rated(now); err != nil {
			return r.broken(now, err), true
		}
	}
	return finding, true
}

func (r *Rule) group(v View) (string, error) {
	if r.Group == nil {
		return "", nil
	}
	return r.Group(v)
}

// begins says whether the condition did not hold for the group before. Group is only asked where the condition holds.
func (r *Rule) begins(was View, group string) (bool, error) {
	if r.Each {
		return true, nil
	}
	held, err := r.When(was)
	if err != nil || !held {
		return true, err
	}
	earlier, err := r.group(was)
	return earlier != group, err
}

func (r *Rule) finding(v View, group string) Finding {
	// The episode belongs to it: a resource that is moved to another patient takes its facts along under their ids.
	return Finding{
		ID: FindingID(r.ID, group, v.Fact.ID, v.After.Episode), Rule: r, Group: group,
		Fact: v.Fact.ID, Source: v.Fact.Source, At: v.Fact.At,
	}
}

// FindingID is the id of what a rule finds at a fact of an episode, in one of the rule's groups.
func FindingID(rule, group, fact string, e ref.Episode) string {
	return ref.Digest("finding", rule, group, fact, string(e))
}

// NotEvaluated is the group of the finding that a rule could not be evaluated.
const NotEvaluated = "not-evaluated"

// broken is the finding that a rule could not be evaluated. A safety rule that is broken stays a safety finding.
func (r *Rule) broken(v View, err error) Finding {
	failed := Rule{
		ID: r.ID, Version: r.Version, Title: "Rule " + r.ID + " could not be evaluated", Severity: max(r.Severity, High),
		Roles: r.Roles, Safety: r.Safety, Each: true, CoolDown: brokenCoolDown, Evidence: "service design",
	}
	finding := failed.finding(v, NotEvaluated)
	finding.Err = err
	finding.Wording = Wording{
		Seen:     "The rule " + r.ID + " could not be evaluated for this record. Nothing is said about the patient: what the rule watches for is unknown.",
		Question: "Would you look at the record yourself, and have the rule mended?",
	}
	return finding
}
