package path

import "sync"

// outcome says of what type a function's result is.
type outcome uint8

const (
	sameOutcome    outcome = iota // as its input
	truthOutcome                  // one boolean
	numberOutcome                 // at most one number
	integerOutcome                // at most one integer
	wordOutcome                   // at most one string
	numbersOutcome                // numbers
	wordsOutcome                  // strings
)

// function is how a call is checked and written.
type function struct {
	min, max int
	input    guard
	args     guard
	result   outcome
	// ours: it is one of functions.go and takes the column last.
	ours bool
	// single: at most one value comes out, of the type that goes in.
	single bool
	// custom functions have a translation of their own; see translator.custom.
	custom bool
}

// refusedFunctions say why.
var refusedFunctions = map[string]string{
	"now": "it reads the clock, and the same answers must always give the same result", "today": "it reads the clock, and the same answers must always give the same result",
	"timeOfDay": "it reads the clock, and the same answers must always give the same result",
	"resolve":   "other resources are not at hand", "memberOf": "there is no terminology server",
	"conformsTo": "there is no profile validator", "toQuantity": "quantities are not computed here",
	"lowBoundary": "its result is not reliable", "highBoundary": "its result is not reliable",
}

// functions are those that an expression may call. What is not here is refused.
var functions = sync.OnceValue(func() map[string]function {
	truth := function{result: truthOutcome}
	ourTruth := function{result: truthOutcome, ours: true}
	aggregate := function{custom: true}
	math := function{input: numberGuard, result: numberOutcome, ours: true}
	text := function{input: wordGuard, result: wordOutcome, ours: true}
	with := func(f function, least, most int, args guard) function {
		f.min, f.max, f.args = least, most, args
		return f
	}
	results := func(f function, r outcome) function {
		f.result = r
		return f
	}
	own := func(least, most int) function { return function{min: least, max: most, custom: true} }
	same := function{result: sameOutcome}
	set := function{result: sameOutcome, input: manyGuard}
	setTruth := function{result: truthOutcome, input: manyGuard}
	one := function{result: sameOutcome, single: true}
	convert := function{input: oneGuard, ours: true}
	return map[string]function{
		"where": own(1, 1), "select": own(1, 1), "all": own(1, 1),
		"exists": own(0, 1), "aggregate": own(1, 2), "iif": own(2, 3),
		"repeat": own(1, 1), "union": own(1, 1), "trace": own(1, 2),
		"ofType": own(1, 1), "as": own(1, 1), "is": own(1, 1),
		"extension": own(1, 1), "matches": own(1, 1),
		"single": own(0, 0), "not": own(0, 0),
		"weight": own(0, 0), "ordinal": own(0, 0),
		"children": own(0, 0), "descendants": own(0, 0),

		"first": one, "last": one, "tail": same, "skip": with(same, 1, 1, wholeGuard), "take": with(same, 1, 1, wholeGuard),
		"distinct": set, "combine": with(set, 1, 1, manyGuard), "intersect": with(set, 1, 1, manyGuard), "exclude": with(set, 1, 1, manyGuard),
		"empty": truth, "isDistinct": setTruth, "subsetOf": with(setTruth, 1, 1, manyGuard), "supersetOf": with(setTruth, 1, 1, manyGuard),
		"allTrue": ourTruth, "anyTrue": ourTruth, "allFalse": ourTruth, "anyFalse": ourTruth, "hasValue": ourTruth,
		"count": {result: integerOutcome},

		"sum": aggregate, "avg": aggregate, "min": aggregate, "max": aggregate,
		"abs": math, "ceiling": results(math, integerOutcome), "floor": results(math, integerOutcome), "truncate": results(math, integerOutcome),
		"round": with(math, 0, 1, wholeGuard), "sqrt": math, "exp": math, "ln": math, "log": with(math, 1, 1, numberGuard), "power": with(math, 1, 1, numberGuard),

		"toInteger": results(convert, integerOutcome), "toDecimal": results(convert, numberOutcome), "toString": results(convert, wordOutcome),
		"toBoolean": results(convert, truthOutcome), "convertsToInteger": results(convert, truthOutcome), "convertsToDecimal": results(convert, truthOutcome),

		"startsWith": results(with(text, 1, 1, wordGuard), truthOutcome), "endsWith": results(with(text, 1, 1, wordGuard), truthOutcome),
		"contains": results(with(text, 1, 1, wordGuard), truthOutcome), "indexOf": results(with(text, 1, 1, wordGuard), integerOutcome),
		"substring": with(text, 1, 2, wholeGuard), "length": results(text, integerOutcome), "upper": text, "lower": text, "trim": text,
		"replace": with(text, 2, 2, wordGuard), "split": results(with(text, 1, 1, wordGuard), wordsOutcome), "toChars": results(text, wordsOutcome),
		"join": {max: 1, args: wordGuard, result: wordOutcome, ours: true},
	}
})
