package path

import (
	"strings"

	"github.com/gofhir/fhirpath/types"
)

// guards let through what an operator can take and fail aloud on what the engine would get silently wrong.
var guards = map[string]ours{
	string(oneGuard):     guardOne,
	string(truthGuard):   guardTruth,
	string(numberGuard):  guardNumber,
	string(byGuard):      guardDivisor,
	string(wholeGuard):   guardWhole,
	string(wholeByGuard): guardWholeDivisor,
	string(wordGuard):    guardWord,
	string(addGuard):     guardAddend,
	string(equalGuard):   guardEqual,
	string(alikeGuard):   guardAlike,
	string(orderGuard):   guardOrder,
	string(manyGuard):    guardMany,
	string(membersGuard): guardMembers,
	dateGuard:            guardDate,
}

func guardOne(_ *run, in types.Collection, _ []types.Collection, column int) (types.Collection, error) {
	return in, one(in, column)
}

func guardTruth(_ *run, in types.Collection, _ []types.Collection, column int) (types.Collection, error) {
	if err := one(in, column); err != nil || len(in) == 0 {
		return in, err
	}
	if _, ok := in[0].(types.Boolean); !ok {
		return nil, &failure{"value", "a condition must be true or false: write .exists() or a comparison", column}
	}
	return in, nil
}

func guardNumber(_ *run, in types.Collection, _ []types.Collection, column int) (types.Collection, error) {
	if err := one(in, column); err != nil || len(in) == 0 {
		return in, err
	}
	d, err := numberOf(in[0], column)
	if err != nil {
		return nil, err
	}
	return types.Collection{d}, nil
}

// numberOf is a value as a decimal of sound size, so that arithmetic neither wraps as integers do nor grows without end.
func numberOf(v types.Value, column int) (types.Decimal, error) {
	switch v := v.(type) {
	case types.Integer:
		return sound(v.ToDecimal(), column)
	case types.Decimal:
		return sound(v, column)
	case *types.ObjectValue:
		return types.Decimal{}, &failure{"value", "a number is needed here: of a quantity that is its .value", column}
	}
	return types.Decimal{}, &failure{"value", "a number is needed here", column}
}

func sound(d types.Decimal, column int) (types.Decimal, error) {
	v := d.Value()
	exponent := int(v.Exponent())
	if exponent < -mostExponent || exponent+v.NumDigits() > mostPower+1 {
		return d, &failure{"value", "the number is too large to compute with", column}
	}
	if exponent < -mostDigits {
		rounded, err := types.NewDecimal(v.Round(mostDigits).String())
		if err != nil {
			return d, &failure{"value", "the number cannot be computed with", column}
		}
		return rounded, nil
	}
	return d, nil
}

// guardDivisor makes a division by zero empty, as the specification has it.
func guardDivisor(r *run, in types.Collection, args []types.Collection, column int) (types.Collection, error) {
	out, err := guardNumber(r, in, args, column)
	if err != nil || len(out) == 0 {
		return out, err
	}
	if d := out[0].(types.Decimal); d.Value().IsZero() {
		return types.Collection{}, nil
	}
	return out, nil
}

func guardWhole(r *run, in types.Collection, args []types.Collection, column int) (types.Collection, error) {
	out, err := guardNumber(r, in, args, column)
	if err != nil || len(out) == 0 {
		return out, err
	}
	whole, ok := out[0].(types.Decimal).ToInteger()
	if !ok {
		return nil, &failure{"value", "a whole number is needed here", column}
	}
	return types.Collection{whole}, nil
}

// guardWholeDivisor is both: `div` and `mod` by zero are empty.
func guardWholeDivisor(r *run, in types.Collection, args []types.Collection, column int) (types.Collection, error) {
	out, err := guardWhole(r, in, args, column)
	if err != nil || len(out) == 0 || out[0].(types.Integer).Value() != 0 {
		return out, err
	}
	return types.Collection{}, nil
}

func guardWord(_ *run, in types.Collection, _ []types.Collection, column int) (types.Collection, error) {
	if err := one(in, column); err != nil || len(in) == 0 {
		return in, err
	}
	s, ok := in[0].(types.String)
	if !ok {
		return nil, &failure{"value", "a string is needed here: write .toString()", column}
	}
	if len(s.Value()) > mostString {
		return nil, &failure{"too-costly", "the string grows too long here", column}
	}
	return in, nil
}

func guardAddend(r *run, in types.Collection, args []types.Collection, column int) (types.Collection, error) {
	if len(in) == 1 {
		if _, ok := in[0].(types.String); ok {
			return guardWord(r, in, args, column)
		}
	}
	return guardNumber(r, in, args, column)
}

// guardEqual is for `=`: the engine compares quantities by their display unit and dates of differing precision as
// simply different.
func guardEqual(_ *run, in types.Collection, _ []types.Collection, column int) (types.Collection, error) {
	if err := one(in, column); err != nil || len(in) == 0 {
		return in, err
	}
	v, err := comparableOf(in[0], column)
	if err != nil {
		return nil, err
	}
	return types.Collection{v}, nil
}

func comparableOf(v types.Value, column int) (types.Value, error) {
	switch v := v.(type) {
	case types.Integer, types.Decimal:
		return numberOf(v, column)
	case types.Date, types.DateTime, types.Time:
		return moment{v, column}, nil
	case *types.ObjectValue:
		return v, notQuantity(v, column)
	}
	return v, nil
}

func notQuantity(v *types.ObjectValue, column int) error {
	if loadModel().IsSubtype(v.Type(), "Quantity") || v.Type() == "Money" {
		return &failure{"not-supported", "quantities are not compared here: compare their .value, and test their .code", column}
	}
	return nil
}

// guardAlike is for `~`, which the engine does rightly for strings and truth values alone.
func guardAlike(_ *run, in types.Collection, _ []types.Collection, column int) (types.Collection, error) {
	if err := one(in, column); err != nil || len(in) == 0 {
		return in, err
	}
	switch in[0].(type) {
	case types.String, types.Boolean:
		return in, nil
	}
	return nil, &failure{"not-supported", "`~` compares strings and truth values here: write `=`", column}
}

// guardOrder is for `<` and its like.
func guardOrder(_ *run, in types.Collection, _ []types.Collection, column int) (types.Collection, error) {
	if err := one(in, column); err != nil || len(in) == 0 {
		return in, err
	}
	switch v := in[0].(type) {
	case types.Integer, types.Decimal, *types.ObjectValue:
		d, err := numberOf(v, column)
		return types.Collection{d}, err
	case types.String, types.Date, types.Time:
		return in, nil
	case types.DateTime:
		return in, zoned(v, column)
	}
	return nil, &failure{"value", "this has no order", column}
}

// zoned refuses a time of day without zone, which the engine would take for UTC.
func zoned(v types.DateTime, column int) error {
	text := v.String()
	clock := strings.IndexByte(text, 'T')
	if clock >= 0 && !strings.ContainsAny(text[clock:], "Z+-") {
		return &failure{"value", "a time without its zone cannot be compared", column}
	}
	return nil
}

func guardMany(r *run, in types.Collection, _ []types.Collection, column int) (types.Collection, error) {
	if len(in) > r.limits.Elements {
		return nil, &failure{"too-costly", "there are more elements than the limit", column}
	}
	return in, nil
}

func guardMembers(r *run, in types.Collection, args []types.Collection, column int) (types.Collection, error) {
	if _, err := guardMany(r, in, args, column); err != nil {
		return nil, err
	}
	out := make(types.Collection, len(in))
	for i, v := range in {
		var err error
		if out[i], err = comparableOf(v, column); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// dateGuard is for what days are added to.
const dateGuard = "rapportDate"

func guardDate(_ *run, in types.Collection, _ []types.Collection, column int) (types.Collection, error) {
	if err := one(in, column); err != nil || len(in) == 0 {
		return in, err
	}
	switch v := in[0].(type) {
	case types.Date:
		if v.Precision() == types.DayPrecision {
			return in, nil
		}
	case types.DateTime:
		if len(v.String()) >= len("2006-01-02") {
			return in, nil
		}
	}
	return nil, &failure{"value", "days can only be added to a date that has a day", column}
}

// moment is a date or time that is compared with its like alone.
type moment struct {
	value  types.Value
	column int
}

// Type is the type of the date or time.
func (m moment) Type() string { return m.value.Type() }

// Equal compares two of one type and precision. Anything else has no answer, which is told by a panic that Evaluate
// turns into an error: the interface leaves no other way.
func (m moment) Equal(other types.Value) bool {
	o, ok := other.(moment)
	if !ok || o.Type() != m.Type() || len(o.String()) != len(m.String()) && m.Type() == "Date" {
		panic(&failure{"value", "dates and times are compared with their like alone", m.column})
	}
	return m.value.Equal(o.value)
}

// Equivalent is Equal.
func (m moment) Equivalent(other types.Value) bool { return m.Equal(other) }

// String is the date or time as text.
func (m moment) String() string { return m.value.String() }

// IsEmpty is false.
func (m moment) IsEmpty() bool { return false }
