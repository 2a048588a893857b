package path

import (
	"context"
	"errors"
	"slices"

	"github.com/gofhir/fhirpath"
	"github.com/gofhir/fhirpath/types"

	"github.com/rapport-health/rapport/services/domain/fault"
)

// Scope says what an expression may rely on: it is checked against these types when it is compiled.
type Scope struct {
	// Resource is the type of %resource, such as QuestionnaireResponse; empty when it can be any.
	Resource string
	// Context is the type of %context, such as QuestionnaireResponse.item; empty means that of Resource.
	Context string
	// Variables are the names of further variables.
	Variables []string
}

// fixedVariables are those that every expression has.
var fixedVariables = map[string]bool{
	"resource": true, "rootResource": true, "context": true, "questionnaire": true, "qitem": true,
	"loinc": true, "sct": true, "ucum": true,
}

// codeSystems are the variables that stand for a system.
var codeSystems = map[string]string{
	"loinc": "http://loinc.org", "sct": "http://snomed.info/sct", "ucum": "http://unitsofmeasure.org",
}

// Expression is a compiled expression. It is immutable and may be used by any number of goroutines at once.
type Expression struct {
	source    string
	compiled  *fhirpath.Expression
	constants map[string]types.Collection
	used      map[string]bool
	kinds     kinds
	warnings  []fault.Issue
	root      *node
}

// Compile checks and compiles an expression over a QuestionnaireResponse. See Scope.Compile.
func Compile(text string) (*Expression, error) {
	return Scope{Resource: "QuestionnaireResponse"}.Compile(text)
}

// Compile checks and compiles an expression. It fails with fault.Invalid, with the reason and the column, for broken
// syntax, for elements that R4 does not have, for variables that are not there, and for everything that the engine
// would get silently wrong or that depends on the clock.
func (s Scope) Compile(text string) (*Expression, error) {
	known := map[string]kinds{}
	for _, name := range s.Variables {
		known[name] = anything
	}
	return s.compile(text, known)
}

func (s Scope) compile(text string, variables map[string]kinds) (*Expression, error) {
	e, err := s.translated(text, variables)
	if err != nil {
		var r *refusal
		if errors.As(err, &r) {
			return nil, r.invalid()
		}
		return nil, err
	}
	return e, nil
}

func (s Scope) translated(text string, variables map[string]kinds) (*Expression, error) {
	root, err := parse(text)
	if err != nil {
		return nil, err
	}
	t := translator{variables: s.known(variables), constants: map[string]types.Collection{}, used: map[string]bool{}}
	p, err := t.translate(root, place{root: true, focus: t.variables["context"]})
	if err != nil {
		return nil, err
	}
	register()
	compiled, err := fhirpath.Compile(p.text)
	if err != nil {
		return nil, refuse("not-supported", 0, "the engine does not take the expression")
	}
	e := &Expression{source: text, compiled: compiled, constants: t.constants, used: t.used, kinds: p.kinds, root: root}
	for _, w := range t.warnings {
		issue := fault.IssuesOf(w.invalid())[0]
		issue.Severity = fault.Warning
		e.warnings = append(e.warnings, issue)
	}
	return e, nil
}

// known are the types of all variables.
func (s Scope) known(variables map[string]kinds) map[string]kinds {
	typed := func(name string) kinds {
		if name == "" {
			return anything
		}
		return of(name)
	}
	known := map[string]kinds{
		"resource": typed(s.Resource), "rootResource": typed(s.Resource), "context": typed(s.Context),
		"questionnaire": of("Questionnaire"), "qitem": of("Questionnaire.item"),
		"loinc": of("string"), "sct": of("string"), "ucum": of("string"),
	}
	if s.Context == "" {
		known["context"] = known["resource"]
	}
	for name, k := range variables {
		known[name] = k
	}
	return known
}

// String is the expression as it was written.
func (e *Expression) String() string { return e.source }

// Warnings are doubts about the expression that do not keep it from being used.
func (e *Expression) Warnings() []fault.Issue { return slices.Clone(e.warnings) }

// Input is what an expression is evaluated on.
type Input struct {
	// Resource is %resource, %rootResource and, unless told otherwise, %context.
	Resource Resource
	// Questionnaire is %questionnaire and where weight() looks; nil leaves both empty.
	Questionnaire *Questionnaire
	// Variables are the values of the scope's further variables; one that is missing is empty.
	Variables map[string][]Value
	// Limits bound the evaluation.
	Limits Limits
}

// Evaluate gives the values of the expression on a resource, none when there is nothing. It fails with
// fault.Unprocessable where the expression has no result on this resource, such as several values where one is needed,
// and past a limit; with fault.Unavailable when ctx ends. No error holds a value of the resource. An answer whose weight is
// not known weighs nothing here; Formulas.Evaluate tells such answers apart.
func (e *Expression) Evaluate(ctx context.Context, in Input) ([]Value, error) {
	variables := map[string]types.Collection{}
	for name, values := range in.Variables {
		variables[name] = collectionOf(values)
	}
	r := &run{resource: &in.Resource, limits: in.Limits.filled()}
	if in.Questionnaire != nil {
		variables["questionnaire"] = in.Questionnaire.resource.collection()
		r.weights = in.Questionnaire.weights
	}
	out, err := e.evaluate(ctx, r, variables)
	if err != nil {
		return nil, err
	}
	return valuesOf(out), nil
}

// Holds evaluates a condition: nothing is false. It fails as Evaluate does, and where the result is not one truth value.
func (e *Expression) Holds(ctx context.Context, in Input) (bool, error) {
	values, err := e.Evaluate(ctx, in)
	if err != nil || len(values) == 0 {
		return false, err
	}
	if len(values) > 1 || values[0].Kind != Truth {
		return false, fault.Newf(fault.Unprocessable, "value", "the condition gives no single true or false")
	}
	return values[0].Truth, nil
}

// evaluate runs the engine under its limits and turns all that can go wrong into a fault.
func (e *Expression) evaluate(ctx context.Context, r *run, variables map[string]types.Collection) (out types.Collection, err error) {
	defer func() {
		switch problem := recover().(type) {
		case nil:
		case *failure:
			out, err = nil, explained(problem)
		default:
			out, err = nil, fault.Newf(fault.Unprocessable, "processing", "the expression cannot be evaluated on this resource")
		}
	}()
	limits := r.limits.filled()
	options := []fhirpath.EvalOption{
		fhirpath.WithContext(ctx), fhirpath.WithTimeout(limits.Time), fhirpath.WithMaxCollectionSize(limits.Elements),
		fhirpath.WithModel(loadModel()), fhirpath.WithVariable(runVariable, types.Collection{r}),
	}
	for name := range e.used {
		value, ok := variables[name]
		if system, named := codeSystems[name]; named {
			value, ok = types.Collection{types.NewString(system)}, true
		}
		if !ok {
			if name == "resource" || name == "rootResource" || name == "context" {
				continue
			}
			value = types.Collection{}
		}
		options = append(options, fhirpath.WithVariable(name, value))
	}
	if context, ok := variables["context"]; ok {
		options = append(options, fhirpath.WithVariable("context", context))
	}
	for name, value := range e.constants {
		options = append(options, fhirpath.WithVariable(name, value))
	}
	out, err = e.compiled.EvaluateWithOptions(r.resource.raw, options...)
	if err != nil {
		return nil, explained(err)
	}
	if len(out) > limits.Elements {
		return nil, explained(&failure{"too-costly", "the result has more elements than the limit", 0})
	}
	return out, nil
}
