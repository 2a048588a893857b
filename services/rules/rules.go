// Package rules turns YAML files with conditions in CEL into rules for the judge; a default set comes with it.
package rules

import (
	_ "embed"
	"slices"

	"github.com/rapport-health/rapport/services/domain/judge"
)

//go:embed default.yaml
var defaults []byte

// Default is the set that comes with the service. A failure is a defect of the build.
func Default() ([]judge.Rule, error) { return Load("default.yaml", defaults) }

// Extend lays own rules over a base: one with the id of a base rule takes its place, the others follow.
func Extend(base, own []judge.Rule) []judge.Rule {
	rules := slices.Clone(base)
	for _, r := range own {
		if i := slices.IndexFunc(rules, func(have judge.Rule) bool { return have.ID == r.ID }); i >= 0 {
			rules[i] = r
		} else {
			rules = append(rules, r)
		}
	}
	return rules
}
