package rules

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/ref"
)

// What a file may lie over, beside another file.
const (
	// standard is what comes with the service.
	standard = "default"
	// alone is nothing, but for what the service itself says when an alert reaches nobody.
	alone = "none"
)

// maxLayers bounds how many files lie over each other.
const maxLayers = 8

// Read reads a clinic's own file and what it extends: the default set unless it says `extends: none`, or another file whose
// path is relative to its own. An empty path is the default set. Errors are faults of kind Invalid or TooLarge that hold
// every issue of the file, each with `file:line:column` as its path; NotFound for a file that is not there.
func Read(path string) (*Set, error) {
	return ReadWith(path, os.ReadFile)
}

// ReadWith reads as Read does, through a function that reads files.
func ReadWith(path string, read func(string) ([]byte, error)) (*Set, error) {
	if path == "" {
		return Standard()
	}
	compiler, err := newCompiler()
	if err != nil {
		return nil, err
	}
	return (&reader{read, compiler, nil}).layer(path, "")
}

// reader of files that lie over each other.
type reader struct {
	read     func(string) ([]byte, error)
	compiler *compiler
	// open are the files that are being read.
	open []string
}

// layer reads a file over what it extends; from is the place that names it.
func (r *reader) layer(path, from string) (*Set, error) {
	if slices.Contains(r.open, path) || len(r.open) == maxLayers {
		return nil, fault.New(fault.Invalid, fault.Errorf("invalid", from, "files that extend each other in a circle, or more than %d of them", maxLayers))
	}
	raw, err := r.read(path)
	if err != nil {
		return nil, missing(path, from, err)
	}
	found, broken := parse(path, raw, r.compiler)
	if found == nil {
		return nil, broken
	}
	r.open = append(r.open, path)
	base, err := r.base(path, found)
	if broken != nil {
		return nil, also(broken, base, path, found)
	}
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(raw)
	set, err := base.under(path, found)
	if err != nil {
		return nil, err
	}
	set.Files = append(slices.Clone(base.Files), File{path, hex.EncodeToString(sum[:])})
	return set, nil
}

// also adds to what is wrong with a file what it says of rules that are not below it.
func also(broken error, base *Set, path string, found *sheaf) error {
	issues := slices.Clone(fault.IssuesOf(broken))
	if base != nil {
		_, err := base.under(path, &sheaf{disable: found.disable, changes: found.changes})
		issues = append(issues, fault.IssuesOf(err)...)
	}
	return fault.New(fault.Invalid, issues...)
}

func missing(path, from string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fault.New(fault.NotFound, fault.Errorf("not-found", from, "%s: no such file", path))
	}
	return fault.New(fault.NotFound, fault.Errorf("not-found", from, "%s: cannot be read", path))
}

func (r *reader) base(path string, found *sheaf) (*Set, error) {
	switch found.extends {
	case standard, "":
		return Standard()
	case alone:
		base, err := Standard()
		if err != nil {
			return nil, err
		}
		return &Set{glossary: base.glossary, leaves: base.leaves[base.index(decision.NobodyAssigned):][:1]}, nil
	}
	below := found.extends
	if !filepath.IsAbs(below) {
		below = filepath.Join(filepath.Dir(path), below)
	}
	return r.layer(below, found.place)
}

// under lays what a file holds over a set: rules with the id of one of the set take its place, the others follow.
func (s *Set) under(path string, found *sheaf) (*Set, error) {
	over := &Set{
		Policy: found.policy.over(s.Policy), glossary: found.glossary.over(s.glossary), policies: slices.Clone(s.policies),
		leaves: make([]*Leaf, 0, len(s.leaves)+len(found.leaves)),
	}
	if found.policy != nil {
		over.policies = append(over.policies, found.policy.version)
	}
	for _, leaf := range s.leaves {
		copied := *leaf
		over.leaves = append(over.leaves, &copied)
	}
	l := &loader{page: page{name: path}}
	over.disable(l, found)
	over.alter(l, found)
	for _, leaf := range found.leaves {
		if i := over.index(leaf.Rule.ID); i >= 0 {
			if slices.ContainsFunc(s.leaves, func(b *Leaf) bool { return b.Rule.ID == leaf.Rule.ID && b.Rule.Safety }) && !leaf.Rule.Safety {
				over.warn(leaf.Place, "the rule %s takes the place of a safety rule and is none: what it finds may be held back", leaf.Rule.ID)
			}
			over.leaves[i] = leaf
		} else {
			over.leaves = append(over.leaves, leaf)
		}
	}
	if len(l.issues) > 0 {
		return nil, fault.New(fault.Invalid, l.issues...)
	}
	over.seal()
	over.Warnings = slices.Concat(s.Warnings, over.Warnings, found.doubts)
	return over, nil
}

func (s *Set) warn(place, format string, args ...any) {
	s.Warnings = append(s.Warnings, fault.Warnf("business-rule", place, format, args...))
}

func (s *Set) index(id string) int {
	return slices.IndexFunc(s.leaves, func(l *Leaf) bool { return l.Rule.ID == id })
}

func (s *Set) ids() []string {
	ids := make([]string, len(s.leaves))
	for i, l := range s.leaves {
		ids[i] = l.Rule.ID
	}
	return ids
}

// find is the index of a rule that a file names; -1 with an issue when there is none.
func (s *Set) find(l *loader, p placed) int {
	i := s.index(p.word)
	if i < 0 && p.word != "" {
		l.fail(p.place, "there is no rule '%s' below%s", p.word, meant(p.word, s.ids()))
	}
	return i
}

func (s *Set) disable(l *loader, found *sheaf) {
	for _, p := range found.disable {
		i := s.find(l, p)
		if i < 0 {
			continue
		}
		if s.leaves[i].Rule.Safety {
			s.warn(p.place, "the safety rule %s is turned off: nobody is told what it watches for", p.word)
		}
		s.leaves = slices.Delete(s.leaves, i, i+1)
	}
}

// change is what a file says of a rule that stands elsewhere.
type change struct {
	placed
	node *yaml.Node
	page page
	// compiler of the file.
	compiler *compiler
	own      []string
}

// changes reads them without their rules, which are known once the base is.
func (l *loader) changes(n *yaml.Node) (found []change) {
	l.entries(n, func(key, value *yaml.Node) {
		found = append(found, change{placed{key.Value, l.at(key)}, value, l.page, l.compiler, l.own})
	})
	return found
}

// alter applies what a file changes of rules below it: how a finding is handled, and its words in a language.
func (s *Set) alter(l *loader, found *sheaf) {
	for _, c := range found.changes {
		i := s.find(l, c.placed)
		if i < 0 {
			continue
		}
		leaf := s.leaves[i]
		at := &loader{page: c.page, compiler: c.compiler, own: c.own}
		leaf.words = maps.Clone(leaf.words)
		wasSafety, severity := leaf.Rule.Safety, leaf.Rule.Severity
		readers := at.handling(leaf)
		readers["languages"] = func(n *yaml.Node) { at.spoken(leaf, nil, n) }
		readers["wording"] = func(n *yaml.Node) { at.spoken(leaf, n, nil) }
		at.fields(c.node, readers)
		at.handled(c.node, leaf)
		if wasSafety && leaf.Rule.Severity < severity {
			s.warn(c.place, "the safety rule %s is made less severe", c.word)
		}
		leaf.speak()
		leaf.Rule.Version = ref.Digest("change", leaf.Rule.Version, version(c.node))
		l.issues = append(l.issues, at.issues...)
	}
}
