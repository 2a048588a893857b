package path

import (
	"encoding/json"
	"strconv"

	"github.com/gofhir/fhirpath/types"

	"github.com/rapport-health/rapport/services/fhir/tree"
)

// Kind is what a value is.
type Kind uint8

// The kinds.
const (
	// Number has its decimal text in Text.
	Number Kind = iota + 1
	// Text is a string, a code, a date or a time, in Text.
	Text
	// Truth is a boolean, in Truth.
	Truth
	// Code is a Coding, in Coding.
	Code
	// Complex is any other element, as JSON in Text.
	Complex
)

var kindNames = [...]string{"nothing", "number", "text", "truth", "code", "complex"}

// String is the kind in a word.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "unknown"
}

// Coding is a code with its system.
type Coding struct{ System, Code, Display string }

// Value is one result.
type Value struct {
	// Kind says which of the other fields hold it.
	Kind Kind
	// Text is the text of a string, the decimal form of a number, the JSON of a complex element.
	Text string
	// Truth is a boolean.
	Truth bool
	// Coding is a code.
	Coding Coding
}

// Float is a number as a float, and whether it is one.
func (v Value) Float() (float64, bool) {
	if v.Kind != Number {
		return 0, false
	}
	f, err := strconv.ParseFloat(v.Text, 64)
	return f, err == nil
}

// NumberOf is a value with a number.
func NumberOf(f float64) Value {
	return Value{Kind: Number, Text: strconv.FormatFloat(f, 'f', -1, 64)}
}

func valuesOf(c types.Collection) []Value {
	var out []Value
	for _, v := range c {
		out = append(out, valueOf(v))
	}
	return out
}

func valueOf(v types.Value) Value {
	switch v := v.(type) {
	case types.Boolean:
		return Value{Kind: Truth, Truth: v.Bool()}
	case types.Integer:
		return Value{Kind: Number, Text: v.String()}
	case types.Decimal:
		return Value{Kind: Number, Text: v.Value().String()}
	case *types.ObjectValue:
		if v.Type() != "Coding" {
			return Value{Kind: Complex, Text: v.String()}
		}
		doc, err := tree.Parse(v.Data(), tree.Limits{})
		if err != nil {
			return Value{Kind: Complex, Text: v.String()}
		}
		root := doc.Root()
		return Value{Kind: Code, Coding: Coding{root.Child("system").Text(), root.Child("code").Text(), root.Child("display").Text()}}
	}
	return Value{Kind: Text, Text: v.String()}
}

// collectionOf is the way back into the engine.
func collectionOf(values []Value) types.Collection {
	out := types.Collection{}
	for _, v := range values {
		switch v.Kind {
		case Truth:
			out = append(out, types.NewBoolean(v.Truth))
		case Number:
			if d, err := types.NewDecimal(v.Text); err == nil {
				out = append(out, d)
			}
		case Code:
			out = append(out, types.NewObjectValueWithType(codingJSON(v.Coding), "Coding"))
		case Complex:
			if json.Valid([]byte(v.Text)) {
				out = append(out, types.NewObjectValue([]byte(v.Text)))
			}
		default:
			out = append(out, types.NewString(v.Text))
		}
	}
	return out
}

func codingJSON(c Coding) []byte {
	out := []byte(`{"code":`)
	out = append(out, quoted(c.Code)...)
	if c.Display != "" {
		out = append(append(out, `,"display":`...), quoted(c.Display)...)
	}
	if c.System != "" {
		out = append(append(out, `,"system":`...), quoted(c.System)...)
	}
	return append(out, '}')
}
