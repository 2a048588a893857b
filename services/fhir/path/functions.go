package path

import (
	"sync"

	"github.com/gofhir/fhirpath/eval"
	"github.com/gofhir/fhirpath/funcs"
	"github.com/gofhir/fhirpath/types"
)

// ours is a function of ours: what it applies to, its arguments without the column, and the column.
type ours func(r *run, in types.Collection, args []types.Collection, column int) (types.Collection, error)

// register puts our functions into the engine's one table, over its own of the same name. trace becomes silent: the
// engine's prints values, which are patient data.
var register = sync.OnceFunc(func() {
	funcs.SetTraceLogger(funcs.NullTraceLogger{})
	funcs.Register(funcs.FuncDef{Name: "trace", MinArgs: 1, MaxArgs: 2, Fn: func(_ *eval.Context, in types.Collection, _ []any) (types.Collection, error) {
		return in, nil
	}})
	for _, table := range []map[string]ours{guards, arithmetic, wordFunctions, trees} {
		for name, f := range table {
			funcs.Register(funcs.FuncDef{Name: name, MinArgs: 1, MaxArgs: 4, Fn: adapted(f)})
		}
	}
})

// adapted checks on each call that there is time left.
func adapted(f ours) eval.FuncImpl {
	return func(ctx *eval.Context, in types.Collection, args []any) (types.Collection, error) {
		if err := ctx.CheckCancellation(); err != nil {
			return nil, err
		}
		held, _ := ctx.GetVariable(runVariable)
		if len(held) != 1 {
			return nil, &failure{"processing", "the function is called outside an evaluation", 0}
		}
		values := make([]types.Collection, len(args))
		for i, arg := range args {
			values[i], _ = arg.(types.Collection)
		}
		last := len(values) - 1
		column, _ := wholeOf(values[last])
		return f(held[0].(*run), in, values[:last], int(column))
	}
}

// run is what one evaluation knows beside its variables. It travels as a variable that no expression can name.
type run struct {
	resource *Resource
	weights  *weights
	limits   Limits
	// unmatched counts the answers that were to be weighed and are among no known options.
	unmatched int
}

// The engine's Value interface; nothing evaluates to a run.

// Type names it for the engine.
func (*run) Type() string { return "run" }

// Equal is identity.
func (r *run) Equal(other types.Value) bool { return types.Value(r) == other }

// Equivalent is identity.
func (r *run) Equivalent(other types.Value) bool { return r.Equal(other) }

// String is empty.
func (*run) String() string { return "" }

// IsEmpty is false.
func (*run) IsEmpty() bool { return false }

// one fails when there are several values.
func one(in types.Collection, column int) error {
	if len(in) > 1 {
		return &failure{"multiple-matches", "one value is needed here and there are several", column}
	}
	return nil
}
