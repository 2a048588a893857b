package rules

import (
	"fmt"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/checker"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
	"cel.dev/cel-go/ext"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/judge"
)

const (
	// maxCost bounds one evaluation, in units of CEL's own cost model. The default rules need less than a tenth.
	maxCost = 50_000
	// maxSize is the longest list or word of the vocabulary that the estimate reckons with.
	maxSize = 64
)

// viewTypes are the types that conditions may name.
var viewTypes = []reflect.Type{
	reflect.TypeFor[Episode](), reflect.TypeFor[Sheet](), reflect.TypeFor[Score](), reflect.TypeFor[Change](),
	reflect.TypeFor[Dyad](), reflect.TypeFor[HEP](), reflect.TypeFor[Silence](), reflect.TypeFor[Visits](),
	reflect.TypeFor[Apart](), reflect.TypeFor[Repair](), reflect.TypeFor[Gap](), reflect.TypeFor[Link](), reflect.TypeFor[Withdrawal](),
	reflect.TypeFor[Course](), reflect.TypeFor[Dropout](), reflect.TypeFor[Signal](), reflect.TypeFor[CheckIn](), reflect.TypeFor[Line](),
	reflect.TypeFor[Part](), reflect.TypeFor[Fact](), reflect.TypeFor[Critical](), reflect.TypeFor[Discrepancy](),
}

// compiler checks and compiles expressions over the vocabulary.
type compiler struct {
	env *cel.Env
	// names are those of all variables, fields and functions.
	names []string
}

func newCompiler() (*compiler, error) {
	args := []any{ext.ParseStructTags(true)}
	names := []string{varBefore, varAfter, varFact, "score", "part", "tier", "dropout", "check_in", "stalled", "milestone", "show", "has", "all", "exists", "exists_one", "filter", "map", "size"}
	for _, t := range viewTypes {
		args = append(args, t)
		for _, field := range reflect.VisibleFields(t) {
			if name := field.Tag.Get("cel"); name != "" {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	env, err := cel.NewEnv(
		ext.NativeTypes(args...),
		cel.Variable(varBefore, object[Episode]()), cel.Variable(varAfter, object[Episode]()), cel.Variable(varFact, object[Fact]()),
	)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "declare the vocabulary of rules")
	}
	env, err = env.Extend(functions(env.CELTypeAdapter())...)
	return &compiler{env, slices.Compact(names)}, fault.Wrap(fault.Internal, err, "declare the functions of rules")
}

func object[T any]() *cel.Type { return cel.ObjectType("rules." + reflect.TypeFor[T]().Name()) }

// functions of the vocabulary. None of them fails: what is not known comes back as such.
func functions(adapt types.Adapter) []cel.EnvOption {
	ofEpisode := func(args ...ref.Val) ref.Val {
		return adapt.NativeToValue(as[Episode](args[0]).score(word(args[1]), word(args[2])))
	}
	ofSheet := func(sheet, code ref.Val) ref.Val {
		return adapt.NativeToValue(find(as[Sheet](sheet).Scores, word(code)))
	}
	ofDyad := func(dyad, code ref.Val) ref.Val {
		return adapt.NativeToValue(find(as[Dyad](dyad).Scores, word(code)))
	}
	part := func(e, name ref.Val) ref.Val { return adapt.NativeToValue(as[Episode](e).part(word(name))) }
	tier := func(e ref.Val) ref.Val { return types.String(as[Episode](e).tier()) }
	dropout := func(e ref.Val) ref.Val { return adapt.NativeToValue(as[Episode](e).dropout()) }
	checkIn := func(e ref.Val) ref.Val { return adapt.NativeToValue(as[Episode](e).checkIn()) }
	stalled := func(e ref.Val) ref.Val { return adapt.NativeToValue(as[Episode](e).stalled()) }
	milestone := func(e, id ref.Val) ref.Val { return types.String(as[Episode](e).milestone(word(id))) }
	return []cel.EnvOption{
		ofState("dropout", object[Dropout](), dropout),
		ofState("check_in", object[CheckIn](), checkIn),
		ofState("stalled", object[Line](), stalled),
		cel.Function("milestone",
			cel.MemberOverload("episode_milestone", []*cel.Type{object[Episode](), cel.StringType}, cel.StringType, cel.BinaryBinding(milestone))),
		cel.Function("score",
			cel.MemberOverload("episode_score", []*cel.Type{object[Episode](), cel.StringType, cel.StringType}, object[Score](), cel.FunctionBinding(ofEpisode)),
			cel.MemberOverload("sheet_score", []*cel.Type{object[Sheet](), cel.StringType}, object[Score](), cel.BinaryBinding(ofSheet)),
			cel.MemberOverload("dyad_score", []*cel.Type{object[Dyad](), cel.StringType}, object[Score](), cel.BinaryBinding(ofDyad))),
		cel.Function("part",
			cel.MemberOverload("episode_part", []*cel.Type{object[Episode](), cel.StringType}, object[Part](), cel.BinaryBinding(part))),
		cel.Function("tier",
			cel.MemberOverload("episode_tier", []*cel.Type{object[Episode]()}, cel.StringType, cel.UnaryBinding(tier))),
		cel.Function("show",
			cel.Overload("show_double", []*cel.Type{cel.DoubleType}, cel.StringType, cel.UnaryBinding(showValue)),
			cel.Overload("show_int", []*cel.Type{cel.IntType}, cel.StringType, cel.UnaryBinding(showValue))),
	}
}

// ofState is a function of an episode alone.
func ofState(name string, gives *cel.Type, bind func(ref.Val) ref.Val) cel.EnvOption {
	return cel.Function(name, cel.MemberOverload("episode_"+name, []*cel.Type{object[Episode]()}, gives, cel.UnaryBinding(bind)))
}

func as[T any](v ref.Val) *T {
	switch x := v.Value().(type) {
	case *T:
		return x
	case T:
		return &x
	}
	return new(T)
}

func word(v ref.Val) string {
	s, _ := v.Value().(string)
	return s
}

func showValue(v ref.Val) ref.Val {
	x, err := number(v)
	if err != nil {
		return types.NewErr("not a number")
	}
	return types.String(show(x))
}

// show writes a number for reading: at most two decimals.
func show(x float64) string {
	return strconv.FormatFloat(math.Round(x*100)/100, 'f', -1, 64)
}

func number(v ref.Val) (float64, error) {
	switch x := v.Value().(type) {
	case float64:
		return x, nil
	case int64:
		return float64(x), nil
	}
	return 0, fmt.Errorf("not a number")
}

// expression is a compiled one with the place it was written at.
type expression struct {
	program cel.Program
	place   string
	// after says that it looks at the episode after the fact, counted that what it costs is counted while it runs.
	after, counted bool
	// doubts are words in it that nothing is called.
	doubts []problem
}

// problem is what is wrong with an expression, at a position within it.
type problem struct {
	line, column int
	text         string
}

// compile checks an expression whose result must be of one of the wanted types.
func (c *compiler) compile(text, place string, want ...*cel.Type) (*expression, []problem) {
	ast, issues := c.env.Compile(text)
	if issues.Err() != nil {
		var problems []problem
		for _, e := range issues.Errors() {
			problems = append(problems, problem{max(e.Location.Line(), 1), max(e.Location.Column(), 0), c.explain(e.Message)})
		}
		return nil, problems
	}
	if !slices.ContainsFunc(want, ast.OutputType().IsExactType) {
		return nil, []problem{{1, 0, fmt.Sprintf("the expression gives %s, want %s", ast.OutputType(), want[0])}}
	}
	limits := c.limits(ast)
	program, err := c.env.Program(ast, limits...)
	if err != nil {
		return nil, []problem{{1, 0, err.Error()}}
	}
	e := &expression{program: program, place: place, counted: len(limits) > 1, doubts: doubts(ast)}
	for _, r := range ast.NativeRep().ReferenceMap() {
		e.after = e.after || r.Name == varAfter
	}
	return e, nil
}

// limits bound what evaluation may cost. Counting slows it by half, so a condition whose cost is bounded by its own
// form is spared the counting.
func (c *compiler) limits(ast *cel.Ast) []cel.ProgramOption {
	options := []cel.ProgramOption{cel.EvalOptions(cel.OptOptimize)}
	if cost, err := c.env.EstimateCost(ast, sizes{}); err != nil || cost.Max > maxCost {
		options = append(options, cel.CostLimit(maxCost))
	}
	return options
}

// sizes estimates what conditions look at.
type sizes struct{}

// EstimateSize is the same for everything: the state is bounded.
func (sizes) EstimateSize(checker.AstNode) *checker.SizeEstimate {
	return &checker.SizeEstimate{Max: maxSize}
}

// EstimateCallCost leaves CEL's own functions to CEL; ours search a short list.
func (sizes) EstimateCallCost(function, _ string, _ *checker.AstNode, _ []checker.AstNode) *checker.CallEstimate {
	switch function {
	case "score", "part", "tier", "dropout", "check_in", "stalled", "milestone":
		return &checker.CallEstimate{CostEstimate: checker.CostEstimate{Min: 1, Max: maxSize}}
	}
	return nil
}

var misspelt = regexp.MustCompile(`(?:undefined field|undeclared reference to|unexpected failed resolution of) '([^']*)'`)

// explain puts the checker's words plainly, with the known name nearest to one that is not known.
func (c *compiler) explain(message string) string {
	message = strings.TrimSuffix(message, " (in container '')")
	if m := misspelt.FindStringSubmatch(message); m != nil {
		return message + meant(m[1], c.names)
	}
	return message
}

// failures are the reasons that may be told: those of the checker's runtime, which hold no data.
var failures = []string{
	"no such key", "index out of bounds", "division by zero", "modulus by zero", "integer overflow", "cost limit exceeded",
	"no such overload", "invalid timestamp", "duration", "range",
}

// eval evaluates. Its error says where and which sort of failure, never a value.
func (e *expression) eval(v judge.View) (ref.Val, error) {
	out, _, err := e.program.Eval(newScene(v))
	if err == nil {
		return out, nil
	}
	reason := "evaluation failed"
	for _, known := range failures {
		if strings.Contains(err.Error(), known) {
			reason = known
			break
		}
	}
	return nil, fault.New(fault.Internal, fault.Errorf("exception", e.place, "the expression could not be evaluated: %s", reason))
}

func (e *expression) holds(v judge.View) (bool, error) {
	out, err := e.eval(v)
	if err != nil {
		return false, err
	}
	return out == types.True, nil
}

func (e *expression) text(v judge.View) (string, error) {
	out, err := e.eval(v)
	if err != nil {
		return "", err
	}
	return word(out), nil
}

// words are those of a text or of a list of texts.
func (e *expression) words(v judge.View) ([]string, error) {
	out, err := e.eval(v)
	if err != nil {
		return nil, err
	}
	if list, ok := out.(traits.Lister); ok {
		var said []string
		for at := list.Iterator(); at.HasNext() == types.True; {
			said = append(said, word(at.Next()))
		}
		return said, nil
	}
	return []string{word(out)}, nil
}

func (e *expression) number(v judge.View) (float64, error) {
	out, err := e.eval(v)
	if err != nil {
		return 0, err
	}
	x, err := number(out)
	if err != nil || math.IsNaN(x) || math.IsInf(x, 0) {
		return 0, fault.New(fault.Internal, fault.Errorf("exception", e.place, "the expression gives no finite number"))
	}
	return x, nil
}
