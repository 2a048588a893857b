package path

import (
	"math"
	"strconv"

	"github.com/gofhir/fhirpath/types"
)

// arithmetic holds the functions on numbers. sum() of nothing is nothing: the engine's own is 0, which would read as
// "no distress".
var arithmetic = map[string]ours{
	"sum": total,
	"min": func(_ *run, in types.Collection, _ []types.Collection, column int) (types.Collection, error) {
		return folded(in, column, func(a, b types.Decimal) types.Decimal { return pick(a, b, -1) })
	},
	"max": func(_ *run, in types.Collection, _ []types.Collection, column int) (types.Collection, error) {
		return folded(in, column, func(a, b types.Decimal) types.Decimal { return pick(a, b, 1) })
	},
	"avg":      average,
	"round":    round,
	"abs":      exactly(func(d types.Decimal) types.Value { return d.Abs() }),
	"ceiling":  exactly(func(d types.Decimal) types.Value { return d.Ceiling() }),
	"floor":    exactly(func(d types.Decimal) types.Value { return d.Floor() }),
	"truncate": exactly(func(d types.Decimal) types.Value { return d.Truncate() }),
	"sqrt":     roughly(func(x, _ float64) float64 { return math.Sqrt(x) }),
	"exp":      roughly(func(x, _ float64) float64 { return math.Exp(x) }),
	"ln":       roughly(func(x, _ float64) float64 { return math.Log(x) }),
	"log":      roughly(func(x, base float64) float64 { return math.Log(x) / math.Log(base) }),
	"power":    roughly(math.Pow),

	"toInteger":         converted(toInteger),
	"toDecimal":         converted(toDecimal),
	"convertsToInteger": converts(toInteger),
	"convertsToDecimal": converts(toDecimal),
	"toBoolean":         converted(toBoolean),
	"toString":          converted(toText),
}

// folded goes through numbers; nothing gives nothing, and what is no number fails aloud.
func folded(in types.Collection, column int, step func(a, b types.Decimal) types.Decimal) (types.Collection, error) {
	var total types.Decimal
	for i, v := range in {
		d, err := numberOf(v, column)
		if err != nil {
			return nil, err
		}
		if i == 0 {
			total = d
			continue
		}
		total = step(total, d)
	}
	if len(in) == 0 {
		return types.Collection{}, nil
	}
	return types.Collection{total}, nil
}

func pick(a, b types.Decimal, sign int) types.Decimal {
	if b.Value().Cmp(a.Value()) == sign {
		return b
	}
	return a
}

func average(r *run, in types.Collection, args []types.Collection, column int) (types.Collection, error) {
	sum, err := total(r, in, args, column)
	if err != nil || len(sum) == 0 {
		return sum, err
	}
	mean, err := sum[0].(types.Decimal).Divide(types.NewDecimalFromInt(int64(len(in))))
	return types.Collection{mean}, err
}

func total(_ *run, in types.Collection, _ []types.Collection, column int) (types.Collection, error) {
	return folded(in, column, func(a, b types.Decimal) types.Decimal { return a.Add(b) })
}

// round is half up, towards the greater: 2.5 is 3 and -2.5 is -2. The engine's own rounds -2.5 to -3.
func round(_ *run, in types.Collection, args []types.Collection, column int) (types.Collection, error) {
	if len(in) == 0 {
		return in, nil
	}
	d, err := numberOf(in[0], column)
	if err != nil {
		return nil, err
	}
	places := int64(0)
	if len(args) == 1 {
		var ok bool
		if places, ok = wholeOf(args[0]); !ok || places < 0 || places > mostDigits {
			return nil, &failure{"value", "the number of places must be between 0 and " + strconv.Itoa(mostDigits), column}
		}
	}
	half := types.MustDecimal("5e-" + strconv.FormatInt(places+1, 10))
	rounded, err := types.NewDecimal(d.Add(half).Value().RoundFloor(int32(places)).String())
	return types.Collection{rounded}, err
}

// wholeOf is the one integer of a collection.
func wholeOf(c types.Collection) (int64, bool) {
	if len(c) != 1 {
		return 0, false
	}
	i, ok := c[0].(types.Integer)
	return i.Value(), ok
}

// exactly is a function of one number that is computed in decimals.
func exactly(f func(types.Decimal) types.Value) ours {
	return func(_ *run, in types.Collection, _ []types.Collection, column int) (types.Collection, error) {
		if len(in) == 0 {
			return in, nil
		}
		d, err := numberOf(in[0], column)
		if err != nil {
			return nil, err
		}
		return types.Collection{f(d)}, nil
	}
}

// roughly is a function that is computed in floating point; where it has no real value the result is empty.
func roughly(f func(x, y float64) float64) ours {
	return func(_ *run, in types.Collection, args []types.Collection, column int) (types.Collection, error) {
		if len(in) == 0 || len(args) == 1 && len(args[0]) == 0 {
			return types.Collection{}, nil
		}
		x, err := numberOf(in[0], column)
		if err != nil {
			return nil, err
		}
		var y types.Decimal
		if len(args) == 1 {
			if y, err = numberOf(args[0][0], column); err != nil {
				return nil, err
			}
		}
		result := f(x.Value().InexactFloat64(), y.Value().InexactFloat64())
		if math.IsNaN(result) || math.IsInf(result, 0) {
			return types.Collection{}, nil
		}
		d, err := sound(types.NewDecimalFromFloat(result), column)
		return types.Collection{d}, err
	}
}

// converted is a conversion of one value; what cannot be converted gives nothing.
func converted(f func(types.Value) (types.Value, bool)) ours {
	return func(_ *run, in types.Collection, _ []types.Collection, column int) (types.Collection, error) {
		if len(in) == 0 {
			return in, nil
		}
		v, err := comparableOf(in[0], column)
		if err != nil {
			return nil, err
		}
		if out, ok := f(v); ok {
			return types.Collection{out}, nil
		}
		return types.Collection{}, nil
	}
}

func converts(f func(types.Value) (types.Value, bool)) ours {
	convert := converted(f)
	return func(r *run, in types.Collection, args []types.Collection, column int) (types.Collection, error) {
		out, err := convert(r, in, args, column)
		if err != nil || len(in) == 0 {
			return types.Collection{}, err
		}
		return types.Collection{types.NewBoolean(len(out) == 1)}, nil
	}
}

func toInteger(v types.Value) (types.Value, bool) {
	switch v := v.(type) {
	case types.Decimal:
		return v.ToInteger()
	case types.Boolean:
		return types.NewInteger(oneIf(v.Bool())), true
	case types.String:
		i, err := strconv.ParseInt(v.Value(), 10, 32)
		return types.NewInteger(i), err == nil
	}
	return nil, false
}

func toDecimal(v types.Value) (types.Value, bool) {
	switch v := v.(type) {
	case types.Decimal:
		return v, true
	case types.Boolean:
		return types.NewDecimalFromInt(oneIf(v.Bool())), true
	case types.String:
		if !decimalForm.MatchString(v.Value()) || len(v.Value()) > mostPower {
			return nil, false
		}
		d, err := types.NewDecimal(v.Value())
		return d, err == nil
	}
	return nil, false
}

func oneIf(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

func toBoolean(v types.Value) (types.Value, bool) {
	switch v := v.(type) {
	case types.Boolean:
		return v, true
	case types.Decimal:
		return truthOf(v.String())
	case types.String:
		return truthOf(v.Value())
	}
	return nil, false
}

func toText(v types.Value) (types.Value, bool) {
	switch v := v.(type) {
	case types.String:
		return v, true
	case types.Boolean, moment:
		return types.NewString(v.String()), true
	case types.Decimal:
		return types.NewString(v.Value().String()), true
	}
	return nil, false
}
