// Package rules turns YAML files with conditions in CEL into rules for the judge; a default set comes with it.
package rules

import (
	"embed"
	"io/fs"
	"slices"
	"sync"

	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/judge"
	"github.com/rapport-health/rapport/services/domain/ref"
)

//go:embed defaults/*.yaml
var defaults embed.FS

// Set is all rules in force together, with what a clinic says of how it wants to be told. It is never changed.
type Set struct {
	// Rules in the order in which they are judged.
	Rules []judge.Rule
	// Policy of the clinic.
	Policy alert.Policy
	// Version is a digest of the rules, the words and the policy: sets with the same version find and say the same.
	Version string
	// Files that were read beside what comes with the service, with what they held.
	Files []File
	// Warnings tell what can be used but should be looked at, by place.
	Warnings []fault.Issue

	leaves   []*Leaf
	glossary glossary
	policies []string
}

// File is a file that a set was read from.
type File struct {
	// Path as it was opened, and the Hash of what it held.
	Path, Hash string
}

// Leaf is a rule with its words; false when there is none of this id.
func (s *Set) Leaf(id string) (Leaf, bool) {
	i := slices.IndexFunc(s.leaves, func(l *Leaf) bool { return l.Rule.ID == id })
	if i < 0 {
		return Leaf{}, false
	}
	return *s.leaves[i], true
}

// Leaves are all rules with their words, in the order in which they are judged.
func (s *Set) Leaves() []Leaf {
	leaves := make([]Leaf, len(s.leaves))
	for i, l := range s.leaves {
		leaves[i] = *l
	}
	return leaves
}

// Languages that any rule of the set is written in beside English, in order.
func (s *Set) Languages() (tags []string) {
	for _, l := range s.leaves {
		tags = append(tags, l.Languages...)
	}
	slices.Sort(tags)
	return slices.Compact(tags)
}

// standardSet is compiled once: it takes a while, and never changes.
var standardSet = sync.OnceValues(func() (*Set, error) {
	compiler, err := newCompiler()
	if err != nil {
		return nil, err
	}
	paths, err := fs.Glob(defaults, "defaults/*.yaml")
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "list the default rules")
	}
	set := &Set{}
	for _, path := range paths {
		raw, err := defaults.ReadFile(path)
		if err != nil {
			return nil, fault.Wrap(fault.Internal, err, "read the default rules")
		}
		found, err := parse(path, raw, compiler)
		if err != nil {
			return nil, err
		}
		if set, err = set.under(path, found); err != nil {
			return nil, err
		}
	}
	return set, nil
})

// Standard is the set that comes with the service. A failure is a defect of the build.
func Standard() (*Set, error) { return standardSet() }

// Default are the rules that come with the service. A failure is a defect of the build.
func Default() ([]judge.Rule, error) {
	set, err := Standard()
	if err != nil {
		return nil, err
	}
	return slices.Clone(set.Rules), nil
}

// Load reads the rules of one file alone, whatever it extends. The name stands in errors, which are of kind fault.Invalid
// and hold every issue found, each with `name:line:column` as its path.
func Load(name string, raw []byte) ([]judge.Rule, error) {
	compiler, err := newCompiler()
	if err != nil {
		return nil, err
	}
	return compiler.load(name, raw)
}

func (c *compiler) load(name string, raw []byte) ([]judge.Rule, error) {
	found, err := parse(name, raw, c)
	if err != nil {
		return nil, err
	}
	base, err := Standard()
	if err != nil {
		return nil, err
	}
	set, err := (&Set{glossary: base.glossary}).under(name, &sheaf{leaves: found.leaves, glossary: found.glossary})
	if err != nil {
		return nil, err
	}
	return set.Rules, nil
}

// seal works out what follows from the leaves.
func (s *Set) seal() *Set {
	parts := []string{policyVersion(s.policies)}
	for _, l := range s.leaves {
		l.glossary = s.glossary
		l.speak()
		s.Rules = append(s.Rules, addressed(l.Rule, s.Policy.Lead))
		parts = append(parts, l.Rule.ID, l.Rule.Version)
	}
	s.Version = ref.Digest(parts...)
	return s
}
