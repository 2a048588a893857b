package fhir

import (
	_ "embed"
	"fmt"
	"strings"
	"sync"
)

//go:embed r4.txt
var r4 string

// elementShape is what may stand beside a primitive.
const elementShape = "Element\n\tid string\n\textension *Extension\n"

// primitive is how the text of a FHIR primitive must look; complex for all that is no primitive.
type primitive uint8

const (
	complexType primitive = iota
	booleanType
	integerType
	positiveType
	unsignedType
	decimalType
	dateType
	dateTimeType
	instantType
	timeType
	idType
	codeType
	uriType
	stringType
)

var primitives = map[string]primitive{
	"boolean": booleanType, "integer": integerType, "positiveInt": positiveType, "unsignedInt": unsignedType,
	"decimal": decimalType, "date": dateType, "dateTime": dateTimeType, "instant": instantType, "time": timeType,
	"id": idType, "code": codeType, "uri": uriType, "url": uriType, "canonical": uriType, "oid": uriType, "uuid": uriType,
	"string": stringType, "markdown": stringType, "base64Binary": stringType, "xhtml": stringType,
}

// decisive are the code sets that readers branch on: a code outside them is an error. Codes outside other required
// sets are kept with a warning, since nothing depends on them.
var decisive = map[string]bool{
	"appointmentstatus": true, "bundle-type": true, "care-team-status": true, "days-of-week": true,
	"encounter-status": true, "episode-of-care-status": true, "goal-status": true, "http-verb": true, "observation-status": true,
	"participationstatus": true, "publication-status": true, "quantity-comparator": true,
	"questionnaire-answers-status": true, "request-intent": true, "request-status": true, "units-of-time": true,
}

// tolerated are elements that R4 does not have but EHRs send; they are read, with a warning.
var tolerated = []struct{ shape, stem, typ string }{
	{"Observation", "value", "decimal"},
	{"Observation", "value", "Coding"},
	{"Observation.component", "value", "decimal"},
	{"Observation.component", "value", "Coding"},
}

// element is one member that a shape may have.
type element struct {
	name      string
	primitive primitive
	shape     *shape // of complex types
	array     bool
	required  bool
	resource  bool // contained resources and Bundle entries
	tolerated bool
	opaque    bool  // its values are checked elsewhere
	bit       uint8 // of the element, the same for all types of a choice
	choice    bool
	codes     map[string]bool
	strict    bool // a code outside codes is an error
	twin      bool // the `_` companion of a primitive
	of        *element
}

// shape is a type: a resource, a data type or a backbone element.
type shape struct {
	name     string
	members  map[string]*element
	required []*element
}

// structure is the compiled table of r4.txt.
type structure struct {
	shapes map[string]*shape
	types  map[string]bool // all resource types of R4
}

var loadStructure = sync.OnceValue(func() *structure {
	s, err := compileStructure(elementShape + r4)
	if err != nil {
		panic(err) // r4.txt is part of the program
	}
	return s
})

// compileStructure reads the form of r4.txt.
func compileStructure(text string) (*structure, error) {
	s := &structure{shapes: map[string]*shape{}, types: map[string]bool{}}
	sets := map[string]map[string]bool{}
	type pending struct {
		of         *shape
		name, rest string
	}
	var elements []pending
	var current *shape
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		switch {
		case line == "" || line[0] == '#':
		case line[0] == ':':
			for _, t := range strings.Fields(line[1:]) {
				s.types[t] = true
			}
		case line[0] == '<':
			name, codes, _ := strings.Cut(line[1:], "> ")
			sets[name] = map[string]bool{}
			for _, c := range strings.Fields(codes) {
				sets[name][c] = true
			}
		case line[0] == '\t':
			name, rest, _ := strings.Cut(line[1:], " ")
			elements = append(elements, pending{current, name, rest})
		default:
			current = &shape{name: line, members: map[string]*element{}}
			s.shapes[line] = current
		}
	}
	bits := map[*shape]int{}
	for _, p := range elements {
		if bits[p.of] == 64 {
			return nil, fmt.Errorf("r4.txt: %s has more than 64 elements", p.of.name)
		}
		if err := s.add(p.of, uint8(bits[p.of]), p.name, p.rest, sets); err != nil {
			return nil, err
		}
		bits[p.of]++
	}
	s.shapes["Bundle"].members["entry"].opaque = true // ReadBundle checks entry by entry
	for _, t := range tolerated {
		of := s.shapes[t.shape]
		e := *of.members[t.stem+"String"]
		e.primitive, e.shape, e.tolerated = primitives[t.typ], s.shapes[t.typ], true
		s.put(of, t.stem+strings.ToUpper(t.typ[:1])+t.typ[1:], &e)
	}
	return s, nil
}

// add compiles one line: flags, then types.
func (s *structure) add(to *shape, bit uint8, name, rest string, sets map[string]map[string]bool) error {
	base := element{name: name, bit: bit}
	rest, base.required = strings.CutPrefix(rest, "!")
	rest, base.array = strings.CutPrefix(rest, "*")
	stem, choice := strings.CutSuffix(name, "[x]")
	base.choice = choice
	for _, typ := range strings.Split(rest, "|") {
		e := base
		if bound, ok := strings.CutPrefix(typ, "code<"); ok {
			set := strings.TrimSuffix(bound, ">")
			e.codes, e.strict, typ = sets[set], decisive[set], "code"
			if e.codes == nil {
				return fmt.Errorf("r4.txt: no code set %s", set)
			}
		}
		e.primitive = primitives[typ]
		if e.primitive == complexType {
			e.resource = typ == "Resource"
			if e.shape = s.shapes[typ]; e.shape == nil && !e.resource {
				return fmt.Errorf("r4.txt: no type %s", typ)
			}
		}
		key := name
		if choice {
			key = stem + strings.ToUpper(typ[:1]) + typ[1:]
		}
		s.put(to, key, &e)
	}
	if base.required {
		e := base
		to.required = append(to.required, &e)
	}
	return nil
}

// put enters an element, and the twin of a primitive one.
func (s *structure) put(to *shape, key string, e *element) {
	e.of = e
	to.members[key] = e
	if e.primitive != complexType {
		to.members["_"+key] = &element{
			name: e.name, shape: s.shapes["Element"], array: e.array, bit: e.bit, choice: e.choice, twin: true, of: e,
		}
	}
}
