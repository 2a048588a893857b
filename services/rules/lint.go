package rules

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/judge"
)

// Lint gives, by place, what of a set can be used but should be looked at. What cannot be used is an error of Read.
func (s *Set) Lint() []fault.Issue {
	issues := slices.Clone(s.Warnings)
	note := func(place, format string, args ...any) {
		issues = append(issues, fault.Warnf("business-rule", place, format, args...))
	}
	languages := s.Languages()
	if tag := s.Policy.Language; tag != "" && !slices.Contains(languages, tag) {
		languages = append(languages, tag)
	}
	for _, leaf := range s.leaves {
		leaf.lintWords(languages, note)
		leaf.lintHandling(note)
		leaf.lintTests(note)
	}
	return issues
}

// lintWords compares the rule's languages with English, part by part.
func (leaf *Leaf) lintWords(languages []string, note func(place, format string, args ...any)) {
	own := leaf.words[""]
	if own == nil {
		return
	}
	for _, tag := range languages {
		w := leaf.words[tag]
		if w == nil {
			note(leaf.Place, "the rule %s is not written in the language %s", leaf.Rule.ID, tag)
			continue
		}
		var lacking []string
		for i, part := range parts {
			if w.parts[i] == nil && (own.parts[i] != nil || i == partTitle) {
				lacking = append(lacking, part)
			}
		}
		if w.proposal == "" && leaf.Rule.Proposal != nil {
			lacking = append(lacking, "proposal")
		}
		if len(lacking) > 0 {
			note(w.place, "the rule %s in the language %s lacks %s", leaf.Rule.ID, tag, strings.Join(lacking, ", "))
		}
	}
	for _, part := range []int{partQuestion, partPhrase} {
		if own.parts[part] == nil {
			note(own.place, "the wording of the rule %s has no %s", leaf.Rule.ID, parts[part])
		}
	}
	if leaf.Rule.Rated != nil && own.parts[partWithheld] == nil {
		note(own.place, "the rule %s withholds what was seen from the rated clinician and has no wording `withheld`: only its title is told", leaf.Rule.ID)
	}
	if told := slices.Contains(leaf.Rule.Roles, "care-partner"); told != (own.parts[partPartner] != nil) {
		note(own.place, "the rule %s has the role care-partner or the wording `partner`, and not both: care partners are told nothing", leaf.Rule.ID)
	}
}

// lintHandling looks at whether somebody will be told in time.
func (leaf *Leaf) lintHandling(note func(place, format string, args ...any)) {
	r := &leaf.Rule
	if r.Severity >= judge.High && len(r.Ladder) == 0 {
		note(leaf.Place, "the rule %s is of severity %s and has no ladder: nobody else is told when nobody acknowledges", r.ID, r.Severity)
	}
	if r.Severity >= judge.High && r.AckTimeout == 0 {
		note(leaf.Place, "the rule %s is of severity %s and has no ack-timeout: an acknowledgement stands for ever", r.ID, r.Severity)
	}
	if leaf.counted {
		note(leaf.Place, "the form of the rule %s does not bound what its condition costs: it is stopped at %d units", r.ID, maxCost)
	}
}

// lintTests wants a story in which the rule speaks, and one in which it is silent.
func (leaf *Leaf) lintTests(note func(place, format string, args ...any)) {
	if leaf.Rule.ID == decision.NobodyAssigned {
		return // it finds nothing by itself
	}
	speaks, silent := false, false
	for _, test := range leaf.Rule.Tests {
		speaks = speaks || len(test.Findings) > 0
		silent = silent || len(test.Findings) < len(test.Facts)
	}
	switch {
	case len(leaf.Rule.Tests) == 0:
		note(leaf.Place, "the rule %s has no tests", leaf.Rule.ID)
	case !speaks:
		note(leaf.Place, "the rule %s has no test in which it finds something", leaf.Rule.ID)
	case !silent:
		note(leaf.Place, "the rule %s has no test in which it finds nothing", leaf.Rule.ID)
	}
}

// String is a failure in a line.
func (f Failure) String() string { return fmt.Sprintf("%s: %s: %s", f.Rule, f.Test, f.Text) }
