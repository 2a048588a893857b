package form

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/rapport-health/rapport/services/domain/response"
)

// wants is the kind of value that a type of item is answered with; those answered from a list are not in it.
var wants = map[Type]string{
	Boolean: "Boolean", Decimal: "Decimal", Integer: "Integer", Date: "Date", DateTime: "DateTime", Time: "Time",
	String: "String", Text: "String", URL: "Uri", Attachment: "Attachment", Reference: "Reference", Quantity: "Quantity",
}

// value of an answer.
func value(a *response.Answer) Value {
	return Value{a.Kind, a.System, a.Code, a.Display, a.Text, a.Number}
}

// number is the finite number of an integer, decimal or quantity.
func (v *Value) number() (float64, bool) {
	switch v.Kind {
	case "Integer", "Decimal", "Quantity":
		return parseNumber(v.Number)
	default:
		return 0, false
	}
}

// parseNumber reads a decimal as FHIR writes it: no hexadecimal, no infinity, no separators.
func parseNumber(literal string) (float64, bool) {
	if literal == "" || strings.Trim(literal, "+-.0123456789eE") != "" {
		return 0, false
	}
	x, err := strconv.ParseFloat(literal, 64)
	return x, err == nil
}

// whole says whether a number has no fraction.
func whole(x float64) bool { return x == math.Trunc(x) && math.Abs(x) < 1<<53 }

// decimals is how many decimal places a literal has that are not zeros at its end.
func decimals(literal string) int {
	if strings.ContainsAny(literal, "eE") {
		x, _ := parseNumber(literal)
		literal = strconv.FormatFloat(x, 'f', -1, 64)
	}
	_, fraction, _ := strings.Cut(literal, ".")
	return len(strings.TrimRight(fraction, "0"))
}

// ordered says whether values of a kind come before and after one another.
func ordered(kind string) bool {
	switch kind {
	case "Integer", "Decimal", "Quantity", "Date", "DateTime", "Time", "String":
		return true
	default:
		return false
	}
}

// alike says whether two kinds can be compared.
func alike(a, b string) bool { return family(a) == family(b) }

func family(kind string) string {
	switch kind {
	case "Integer", "Decimal":
		return "number"
	case "Date", "DateTime":
		return "day"
	case "Uri":
		return "String"
	default:
		return kind
	}
}

// same says whether two values are equal: codings by system and code, quantities by value, dates by the span they name.
func same(a, b *Value) bool {
	if !alike(a.Kind, b.Kind) {
		return false
	}
	switch family(a.Kind) {
	case "Coding":
		return a.Code == b.Code && a.System == b.System
	case "number", "Quantity", "day":
		order, ok := compare(a, b)
		return ok && order == 0
	default:
		return a.Text == b.Text
	}
}

// compare orders two values; ok is false where that cannot be said, as of a year and a day in it.
func compare(a, b *Value) (order int, ok bool) {
	if !alike(a.Kind, b.Kind) {
		return 0, false
	}
	switch family(a.Kind) {
	case "number", "Quantity":
		x, known := a.number()
		y, knownToo := b.number()
		return compareOrdered(x, y), known && knownToo
	case "day":
		return compareSpans(a.Text, b.Text)
	case "Time", "String":
		return strings.Compare(a.Text, b.Text), true
	default:
		return 0, false
	}
}

func compareOrdered(x, y float64) int {
	switch {
	case x < y:
		return -1
	case x > y:
		return 1
	default:
		return 0
	}
}

// compareSpans orders two dates of any precision as the spans of time that they are.
func compareSpans(a, b string) (order int, ok bool) {
	fromA, toA, okA := span(a)
	fromB, toB, okB := span(b)
	switch {
	case !okA || !okB:
		return 0, false
	case fromA.Equal(fromB) && toA.Equal(toB):
		return 0, true
	case !toA.After(fromB):
		return -1, true
	case !toB.After(fromA):
		return 1, true
	default:
		return 0, false
	}
}

// span is the time that a date names, its end excluded. Dates without a zone are taken as of Greenwich.
func span(text string) (from, to time.Time, ok bool) {
	var err error
	switch len(text) {
	case len("2006"):
		from, err = time.Parse("2006", text)
		to = from.AddDate(1, 0, 0)
	case len("2006-01"):
		from, err = time.Parse("2006-01", text)
		to = from.AddDate(0, 1, 0)
	case len("2006-01-02"):
		from, err = time.Parse("2006-01-02", text)
		to = from.AddDate(0, 0, 1)
	default:
		from, err = time.Parse(time.RFC3339Nano, text)
		to = from.Add(time.Nanosecond)
	}
	return from, to, err == nil
}

// resourceType that a reference names; empty where it does not say.
func resourceType(reference string) string {
	reference, _, _ = strings.Cut(reference, "/_history/")
	parts := strings.Split(reference, "/")
	if len(parts) < 2 || strings.ContainsAny(reference, "#?") {
		return ""
	}
	return parts[len(parts)-2]
}
