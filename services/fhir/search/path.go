package search

import (
	"strings"

	"github.com/rapport-health/rapport/services/fhir/tree"
)

// path leads from a resource to values: member names, each with what is asked of it.
type path []step

// step is one member. A name that ends in an asterisk stands for every type of a choice; `name[key=value]` keeps the
// elements whose member is so; `name[Type]` keeps references to a type; `name!` stands for whether there is anything that
// is not false.
type step struct {
	name       string
	choice     bool
	is         bool
	key, value string
	target     string
}

func parsePath(text string) path {
	if text == "." {
		return nil // the element itself
	}
	var out path
	for part := range strings.SplitSeq(text, ".") {
		s := step{name: part}
		if name, filter, ok := strings.Cut(part, "["); ok {
			s.name, filter = name, strings.TrimSuffix(filter, "]")
			if s.key, s.value, ok = strings.Cut(filter, "="); !ok {
				s.key, s.target = "", filter
			}
		}
		s.name, s.is = strings.CutSuffix(s.name, "!")
		s.name, s.choice = strings.CutSuffix(s.name, "*")
		out = append(out, s)
	}
	return out
}

// each calls with the values at the end of the path, elements of arrays one by one.
func (p path) each(from tree.Node, call func(n tree.Node, last step)) {
	if len(p) == 0 {
		call(from, step{})
		return
	}
	p.walk(from, call)
}

func (p path) walk(from tree.Node, call func(tree.Node, step)) {
	s := p[0]
	if !s.choice {
		p.enter(from.Child(s.name), call)
		return
	}
	for n := from.First(); n.Exists(); n = n.Next() {
		if rest, ok := strings.CutPrefix(n.Key(), s.name); ok && rest != "" && rest[0] >= 'A' && rest[0] <= 'Z' {
			p.enter(n, call)
		}
	}
}

func (p path) enter(n tree.Node, call func(tree.Node, step)) {
	if n.Kind() == tree.Array {
		for element := n.First(); element.Exists(); element = element.Next() {
			p.enter(element, call)
		}
		return
	}
	s := p[0]
	if !n.Exists() || s.key != "" && !n.Child(s.key).Is(s.value) {
		return
	}
	if len(p) == 1 {
		call(n, s)
		return
	}
	p[1:].walk(n, call)
}
