package path

import (
	_ "embed"
	"strings"
	"sync"
)

//go:embed r4.txt
var r4 string

// typeInfo is one R4 type: a resource, a data type, a primitive or a backbone element under its own path.
type typeInfo struct {
	parent   string
	elements map[string]*elementInfo
	order    []string // names of the elements as R4 declares them
}

// elementInfo is one member of a type.
type elementInfo struct {
	types     []string
	choice    bool   // its JSON name carries the type
	variant   bool   // it is one JSON name of a choice, such as valueCoding
	elsewhere string // path of the definition it borrows
}

// model is R4's structure in the form that the engine asks for. Backbone elements report their own path as their type:
// otherwise the engine takes strings that look like dates for dates below them.
type model struct{ types map[string]*typeInfo }

var loadModel = sync.OnceValue(func() *model { return readModel(r4) })

// readModel reads the form of r4.txt.
func readModel(text string) *model {
	m := &model{types: make(map[string]*typeInfo, 700)}
	var current *typeInfo
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if line == "" || line[0] == '#' {
			continue
		}
		if line[0] != '\t' {
			name, parent, _ := strings.Cut(line, " ")
			current = &typeInfo{parent: parent, elements: map[string]*elementInfo{}}
			m.types[name] = current
			continue
		}
		name, rest, _ := strings.Cut(line[1:], " ")
		current.add(name, strings.TrimPrefix(rest, "*"))
	}
	return m
}

func (t *typeInfo) add(name, rest string) {
	e := &elementInfo{}
	if elsewhere, ok := strings.CutPrefix(rest, "@"); ok {
		e.elsewhere, rest = elsewhere, elsewhere
	}
	e.types = strings.Split(rest, "|")
	name, e.choice = strings.CutSuffix(name, "[x]")
	t.elements[name] = e
	t.order = append(t.order, name)
	if !e.choice {
		return
	}
	for _, typ := range e.types {
		t.elements[name+titled(typ)] = &elementInfo{types: []string{typ}, variant: true}
	}
}

// titled is a type as it ends the JSON name of a choice.
func titled(typ string) string { return strings.ToUpper(typ[:1]) + typ[1:] }

// element finds a member of a type or of its parents; nil when there is none.
func (m *model) element(typ, name string) *elementInfo {
	for t := m.types[typ]; t != nil; t = m.types[t.parent] {
		if e := t.elements[name]; e != nil {
			return e
		}
	}
	return nil
}

// at finds the member that a path such as `Patient.name` ends in.
func (m *model) at(path string) *elementInfo {
	dot := strings.LastIndexByte(path, '.')
	if dot < 0 {
		return nil
	}
	return m.element(path[:dot], path[dot+1:])
}

// ChoiceTypes are the types of a choice element, nil for any other.
func (m *model) ChoiceTypes(path string) []string {
	if e := m.at(path); e != nil && e.choice {
		return e.types
	}
	return nil
}

// TypeOf is the type of an element: empty when unknown or when only the value itself can tell (choices, contained
// resources).
func (m *model) TypeOf(path string) string {
	e := m.at(path)
	if e == nil || len(e.types) != 1 || e.types[0] == "Resource" {
		return ""
	}
	return e.types[0]
}

// ReferenceTargets is not needed by what Compile admits.
func (m *model) ReferenceTargets(string) []string { return nil }

// ParentType is the type that a type specialises; empty at the top.
func (m *model) ParentType(name string) string {
	if t := m.types[name]; t != nil {
		return t.parent
	}
	return ""
}

// IsSubtype says whether child is parent or specialises it.
func (m *model) IsSubtype(child, parent string) bool {
	for child != "" {
		if child == parent {
			return true
		}
		child = m.ParentType(child)
	}
	return false
}

// ResolvePath follows an element to where its definition stands.
func (m *model) ResolvePath(path string) string {
	if e := m.at(path); e != nil && e.elsewhere != "" {
		return e.elsewhere
	}
	return path
}

// IsResource says whether a type is a resource.
func (m *model) IsResource(name string) bool { return m.IsSubtype(name, "Resource") }

// primitive says whether a type's values have no members that the engine sees.
func (m *model) primitive(name string) bool {
	return name != "" && name[0] >= 'a' && name[0] <= 'z' && m.types[name] != nil
}
