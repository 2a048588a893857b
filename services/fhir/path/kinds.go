package path

import (
	"slices"
	"strings"
)

// kinds are the types that the values of a part of an expression may have, as far as can be known before evaluation.
type kinds struct {
	// any: they cannot be known; loose: they may be primitives as well.
	any, loose bool
	names      []string
}

var anything = kinds{any: true}

func of(names ...string) kinds { return kinds{names: names} }

// with joins two sets.
func (k kinds) with(other kinds) kinds {
	if k.any || other.any {
		return kinds{any: true, loose: k.loose || other.loose}
	}
	names := slices.Clone(k.names)
	for _, name := range other.names {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return kinds{names: names}
}

// only says whether all that is known is in the list; false when nothing is known.
func (k kinds) only(names ...string) bool {
	if k.any || len(k.names) == 0 {
		return false
	}
	for _, name := range k.names {
		if !slices.Contains(names, name) {
			return false
		}
	}
	return true
}

// quantities are R4's measured types, which the engine compares by their display unit.
var quantities = []string{"Quantity", "Age", "Count", "Distance", "Duration", "SimpleQuantity", "Money"}

// numbers are R4's numeric primitives.
var numbers = []string{"integer", "decimal", "positiveInt", "unsignedInt"}

// words are R4's string-like primitives.
var words = []string{"string", "code", "id", "uri", "url", "canonical", "oid", "uuid", "markdown", "base64Binary", "xhtml"}

// member steps from values of these types to one of their members.
func (k kinds) member(name string, column int) (kinds, error) {
	if k.loose && name == "extension" {
		return k, refuse("not-supported", column, "extensions of primitive values are not seen here: name the element")
	}
	if k.any {
		return k, nil
	}
	m := loadModel()
	var out kinds
	found := false
	for _, typ := range k.names {
		if typ == "Resource" || typ == "DomainResource" {
			return anything, nil
		}
		e := m.element(typ, name)
		if e == nil || m.primitive(typ) {
			continue
		}
		found = true
		out = out.with(kinds{names: e.types})
	}
	if found || len(k.names) == 0 {
		return out, nil
	}
	if (name == "extension" || name == "id") && slices.ContainsFunc(k.names, m.primitive) {
		return out, refuse("not-supported", column, "extensions of primitive values are not seen here: "+strings.Join(k.names, ", ")+" has no members")
	}
	return out, refuse("value", column, "R4 has no `"+name+"` in "+strings.Join(k.names, ", "))
}

// choice says whether a member of these types is a choice, so that its JSON name carries the type; and the types.
func (k kinds) choice(name string) ([]string, bool) {
	if k.any || len(k.names) == 0 {
		return nil, false
	}
	m := loadModel()
	var out kinds
	for _, typ := range k.names {
		e := m.element(typ, name)
		if e == nil {
			continue
		}
		if !e.choice {
			return nil, false
		}
		out = out.with(kinds{names: e.types})
	}
	return out.names, len(out.names) > 0
}
