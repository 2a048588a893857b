package path

import (
	"context"
	"errors"
	"strconv"

	"github.com/gofhir/fhirpath/eval"

	"github.com/rapport-health/rapport/services/domain/fault"
)

// failure is why an expression could not be evaluated on a resource. Its text never holds a value.
type failure struct {
	code   string
	text   string
	column int
}

// Error is the reason with its place in the expression.
func (f *failure) Error() string {
	if f.column > 0 {
		return f.text + " (column " + strconv.Itoa(f.column) + " of the expression)"
	}
	return f.text
}

// engineTexts say what the engine's own errors mean; their texts may quote values.
var engineTexts = map[eval.ErrorType]string{
	eval.ErrType:              "a value is of a type that cannot be used so",
	eval.ErrSingletonExpected: "one value is needed where there are several",
	eval.ErrInvalidArguments:  "an argument is of a type that cannot be used so",
	eval.ErrInvalidOperation:  "the operator does not apply to these types",
	eval.ErrInvalidPath:       "a variable is not set",
	eval.ErrInvalidExpression: "there are more elements than the limit",
}

// explained turns what went wrong in an evaluation into a fault without a value in it.
func explained(err error) error {
	var own *failure
	var engine *eval.EvalError
	switch {
	case errors.As(err, &own):
		return fault.New(fault.Unprocessable, fault.Errorf(own.code, "", "%s", own.Error()))
	case errors.Is(err, context.DeadlineExceeded):
		return fault.Newf(fault.Unprocessable, "too-costly", "the expression took longer than its limit")
	case errors.Is(err, context.Canceled):
		return fault.Newf(fault.Unavailable, "timeout", "the evaluation was cancelled")
	case errors.As(err, &engine):
		if text, known := engineTexts[engine.Type]; known {
			return fault.Newf(fault.Unprocessable, "processing", "%s", text)
		}
	}
	return fault.Newf(fault.Unprocessable, "processing", "the expression cannot be evaluated on this resource")
}
