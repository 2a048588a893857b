package fhir

import (
	"bytes"
	"strconv"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/fhir/tree"
)

// mostErrors and mostWarnings bound what is said about one resource.
const (
	mostErrors   = 50
	mostWarnings = 25
)

// checker holds a resource against the structure of R4 and collects what is wrong with it.
type checker struct {
	*structure
	// shallow leaves the resources in a Bundle alone.
	shallow          bool
	issues           []fault.Issue
	errors, warnings int
}

func (c *checker) fail(code string, at tree.Node, format string, args ...any) {
	if c.errors++; c.errors <= mostErrors {
		c.issues = append(c.issues, fault.Errorf(code, at.Path(), format, args...))
	}
}

func (c *checker) warn(code string, at tree.Node, format string, args ...any) {
	if c.warnings++; c.warnings <= mostWarnings {
		c.issues = append(c.issues, fault.Warnf(code, at.Path(), format, args...))
	}
}

func (c *checker) full() bool { return c.errors >= mostErrors }

// resource checks a resource of a known type, or a contained one. A contained resource whose type no reader knows
// is left alone.
func (c *checker) resource(n tree.Node) {
	typ := n.Child("resourceType")
	switch name := typ.Text(); {
	case n.Kind() != tree.Object:
		c.fail("structure", n, "must be a resource, not %s", a(n.Kind()))
	case !typ.Exists():
		c.fail("required", n, "resourceType is missing")
	case typ.Kind() != tree.String || !c.types[name]:
		c.fail("structure", typ, "resourceType must name a FHIR R4 resource type")
	case c.shapes[name] != nil:
		c.object(n, c.shapes[name])
	}
}

// object checks the members of one complex value.
func (c *checker) object(n tree.Node, sh *shape) {
	var seen uint64
	var chosen [2]*element // the variants of up to two choices met so far
	for child := n.First(); child.Exists() && !c.full(); child = child.Next() {
		key := child.KeyBytes()
		e := sh.members[string(key)]
		if e == nil {
			if string(key) != "resourceType" {
				c.warn("structure", child, "R4 has no such element in %s: it is kept and not read", sh.name)
			}
			continue
		}
		seen |= 1 << e.bit
		if e.choice {
			c.choose(child, e, &chosen)
		}
		if e.tolerated {
			c.warn("structure", child, "R4 has no such type of %s: it is read all the same", e.name)
		}
		c.member(child, e)
	}
	for _, e := range sh.required {
		if seen&(1<<e.bit) == 0 && !c.full() {
			c.fail("required", n, "%s is missing", e.name)
		}
	}
}

// choose refuses a second type of the same choice.
func (c *checker) choose(at tree.Node, e *element, chosen *[2]*element) {
	for i, before := range chosen {
		switch {
		case before == nil:
			chosen[i] = e.of
			return
		case before.name == e.name:
			if before != e.of {
				c.fail("structure", at, "%s is given in two types: only one may stand", e.name)
			}
			return
		}
	}
}

// member checks whether a member repeats as it should, and each of its values.
func (c *checker) member(n tree.Node, e *element) {
	if !e.array {
		if n.Kind() == tree.Array {
			c.fail("structure", n, "must be a single value, not an array")
			return
		}
		c.value(n, e)
		return
	}
	if n.Kind() != tree.Array {
		c.fail("structure", n, "must be an array, not %s", a(n.Kind()))
		return
	}
	for child := n.First(); child.Exists() && !c.full(); child = child.Next() {
		if child.Kind() != tree.Null {
			c.value(child, e)
		}
	}
}

func (c *checker) value(n tree.Node, e *element) {
	switch {
	case e.primitive != complexType:
		c.primitive(n, e)
	case e.opaque:
	case n.Kind() != tree.Object:
		c.fail("structure", n, "must be an object, not %s", a(n.Kind()))
	case e.resource && c.shallow:
	case e.resource:
		c.resource(n)
	default:
		c.object(n, e.shape)
	}
}

// primitive checks the JSON type and the form of one primitive.
func (c *checker) primitive(n tree.Node, e *element) {
	want := tree.String
	switch e.primitive {
	case booleanType:
		want = tree.Bool
	case integerType, positiveType, unsignedType, decimalType:
		want = tree.Number
	}
	if n.Kind() != want {
		hint := ""
		if want == tree.String && n.Kind() == tree.Number {
			hint = ": write it in quotes"
		}
		c.fail("value", n, "must be %s, not %s%s", a(want), a(n.Kind()), hint)
		return
	}
	switch e.primitive {
	case integerType, positiveType, unsignedType:
		c.integer(n, e.primitive)
	case dateType, dateTimeType, instantType, timeType:
		if why := temporalFault(n.TextBytes(), e.primitive); why != "" {
			c.fail("value", n, "%s", why)
		}
	case idType:
		if !validID(n.TextBytes()) {
			c.fail("value", n, "an id has 1 to 64 letters, digits, '-' and '.'")
		}
	case codeType:
		c.code(n, e)
	case uriType:
		if bytes.ContainsAny(n.TextBytes(), " \t\r\n") {
			c.warn("value", n, "a URI must not hold white space")
		}
	}
}

// validID is ref.ValidID without the copy and the regular expression.
func validID(text []byte) bool {
	for _, c := range text {
		if c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '.' {
			continue
		}
		return false
	}
	return len(text) > 0 && len(text) <= 64
}

// code checks the form of a code and whether its set has it.
func (c *checker) code(n tree.Node, e *element) {
	text := n.TextBytes()
	switch {
	case e.codes != nil && !e.codes[string(text)] && e.strict:
		c.fail("code-invalid", n, "is no code of %s in R4", e.name)
	case e.codes != nil && !e.codes[string(text)]:
		c.warn("code-invalid", n, "is no code of %s in R4", e.name)
	case len(bytes.TrimSpace(text)) != len(text):
		c.warn("value", n, "a code must not begin or end with white space")
	}
}

// integer checks that a number is a whole one in range. A whole number written as a decimal is let pass.
func (c *checker) integer(n tree.Node, p primitive) {
	text := n.Number()
	v, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		f, ferr := strconv.ParseFloat(text, 64)
		if ferr != nil || f != float64(int32(f)) {
			c.fail("value", n, "must be a whole number of at most 32 bits")
			return
		}
		c.warn("value", n, "a whole number must be written without fraction or exponent")
		v = int64(f)
	}
	if p == positiveType && v < 1 || p == unsignedType && v < 0 {
		c.fail("value", n, "must not be below %d", map[primitive]int{positiveType: 1, unsignedType: 0}[p])
	}
}

// a is the kind of a value with its article.
func a(k tree.Kind) string {
	switch k {
	case tree.Array, tree.Object:
		return "an " + k.String()
	case tree.Null, tree.Absent:
		return k.String()
	default:
		return "a " + k.String()
	}
}
