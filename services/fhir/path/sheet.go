package path

import (
	"context"
	"strconv"
	"strings"

	"github.com/gofhir/fhirpath/types"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/fhir/tree"
)

// Result is what a formula gives on one response: a value, or why there is none.
type Result struct {
	// LinkID is the item that the formula stands on.
	LinkID string
	// Value is nil when there is none.
	Value *Value
	// Reason says why there is no value; empty when there is one. It holds no patient data.
	Reason string
	// Submitted is what the response itself holds as the answer; nil when nothing, or several answers.
	Submitted *Value
}

// state is one response in work.
type state struct {
	f        *Formulas
	root     tree.Node
	overlay  overlay
	response Resource
	contexts map[*item]types.Collection
	values   map[*variable]cached
	stale    bool // the overlay has changed since the response was written
}

// cached is the value of a variable, evaluated once.
type cached struct {
	value     types.Collection
	unmatched int
	err       error
}

// Evaluate computes every formula on the JSON of a QuestionnaireResponse, in the order of the questionnaire. What is
// computed stands for what was submitted while other formulas read it. A formula that fails has a reason instead of a
// value. It fails as Read does, when raw is no QuestionnaireResponse, and with fault.Unavailable when ctx ends.
func (f *Formulas) Evaluate(ctx context.Context, raw []byte) ([]Result, error) {
	doc, err := tree.Parse(raw, tree.Limits{})
	if err != nil {
		return nil, err
	}
	return f.EvaluateDoc(ctx, doc)
}

// EvaluateDoc is Evaluate for what has been parsed already.
func (f *Formulas) EvaluateDoc(ctx context.Context, doc *tree.Doc) ([]Result, error) {
	if len(f.computed) == 0 {
		return nil, nil
	}
	s, err := f.start(doc)
	if err != nil {
		return nil, err
	}
	results := make(map[string]Result, len(f.computed))
	for _, c := range f.computed {
		r := s.compute(ctx, c)
		if err := ctx.Err(); err != nil {
			return nil, explained(err)
		}
		results[c.on.linkID] = r
		s.answer(c, r)
	}
	out := make([]Result, 0, len(results))
	for _, linkID := range f.LinkIDs() {
		out = append(out, results[linkID])
	}
	return out, nil
}

// start prepares a response: what was submitted for computed items is left out.
func (f *Formulas) start(doc *tree.Doc) (*state, error) {
	if doc == nil {
		return nil, fault.New(fault.Unprocessable, fault.Errorf("too-costly", "", "the questionnaire nests too deep for a response to it"))
	}
	if doc.Root().Child("resourceType").Text() != "QuestionnaireResponse" {
		return nil, fault.New(fault.Invalid, fault.Errorf("structure", "", "a QuestionnaireResponse is needed here"))
	}
	s := &state{f: f, root: doc.Root(), overlay: overlay{form: f.form, answers: map[string][]byte{}}}
	for _, c := range f.computed {
		if c.unsupported == "" {
			s.overlay.answers[c.on.linkID] = nil
		}
	}
	s.stale = true
	return s, s.renew()
}

// renew writes the response with what has been computed so far.
func (s *state) renew() (err error) {
	if !s.stale {
		return nil
	}
	s.stale = false
	s.contexts, s.values = map[*item]types.Collection{}, map[*variable]cached{}
	s.response, err = s.overlay.response(s.root)
	return err
}

// compute evaluates one formula.
func (s *state) compute(ctx context.Context, c *formula) Result {
	r := Result{LinkID: c.on.linkID, Submitted: s.submitted(c.on)}
	if err := s.renew(); err != nil {
		r.Reason = reason(err)
		return r
	}
	if c.unsupported != "" {
		r.Reason = c.unsupported
		return r
	}
	if len(s.context(c.on)) > 1 {
		r.Reason = "its group occurs several times in the response"
		return r
	}
	out, unmatched, err := s.evaluate(ctx, c.on, c.of, c.uses)
	switch {
	case err != nil:
		r.Reason = reason(err)
	case unmatched > 0:
		r.Reason = "an answer that it weighs is none of the known options"
	case len(out) == 0:
		r.Reason = "the formula gives nothing on these answers"
	case len(out) > 1:
		r.Reason = "the formula gives several values"
	default:
		v := valueOf(out[0])
		r.Value = &v
	}
	return r
}

// reason is an error as it may be told with a result.
func reason(err error) string {
	var texts []string
	for _, issue := range fault.IssuesOf(err) {
		texts = append(texts, issue.Text)
	}
	if len(texts) == 0 {
		return "the formula cannot be evaluated"
	}
	return strings.Join(texts, "; ")
}

// evaluate runs an expression where it stands, and says how many answers it weighed that are no known options.
func (s *state) evaluate(ctx context.Context, on *item, e *Expression, uses []*variable) (types.Collection, int, error) {
	r := &run{resource: &s.response, weights: s.f.form.weights, limits: s.f.limits}
	variables := map[string]types.Collection{"questionnaire": s.f.form.resource.collection(), "context": s.context(on)}
	if on != nil && e.used["qitem"] {
		variables["qitem"] = s.f.form.object(on)
	}
	unmatched := 0
	for _, v := range uses {
		got := s.variable(ctx, v)
		if got.err != nil {
			return nil, 0, got.err
		}
		unmatched += got.unmatched
		variables[v.name] = got.value
	}
	out, err := e.evaluate(ctx, r, variables)
	return out, unmatched + r.unmatched, err
}

// variable evaluates a variable once for each state of the response.
func (s *state) variable(ctx context.Context, v *variable) cached {
	if got, done := s.values[v]; done {
		return got
	}
	got := cached{value: types.Collection{}}
	if v.of != nil {
		got.value, got.unmatched, got.err = s.evaluate(ctx, v.on, v.of, v.uses)
	}
	s.values[v] = got
	return got
}

// context is %context: the response, or the items of that linkId.
func (s *state) context(on *item) types.Collection {
	if on == nil {
		return s.response.collection()
	}
	if got, done := s.contexts[on]; done {
		return got
	}
	out := types.Collection{}
	var search func(in types.Collection)
	search = func(in types.Collection) {
		for _, v := range stepsOf("item|answer.item")(in) {
			object, ok := v.(*types.ObjectValue)
			if !ok {
				continue
			}
			if wordOf(object.GetCollectionWithType("linkId", "string")) == on.linkID {
				out = append(out, v)
			}
			search(types.Collection{v})
		}
	}
	search(s.response.collection())
	s.contexts[on] = out
	return out
}

// submitted is what the response holds as the one answer of an item.
func (s *state) submitted(on *item) *Value {
	found := answersOf(s.root, on.linkID)
	if len(found) != 1 {
		return nil
	}
	return offered(found[0])
}

// answersOf are the answers of all items of a linkId.
func answersOf(holder tree.Node, linkID string) (out []tree.Node) {
	for n := range holder.Child("item").Children() {
		for answer := range n.Child("answer").Children() {
			if n.Child("linkId").Is(linkID) {
				out = append(out, answer)
			}
			out = append(out, answersOf(answer, linkID)...)
		}
		out = append(out, answersOf(n, linkID)...)
	}
	return out
}

// answer puts a computed value into the response where later formulas read it.
func (s *state) answer(c *formula, r Result) {
	if r.Value == nil {
		return
	}
	if answer := answerJSON(*r.Value, c.on.kind); answer != nil {
		s.overlay.answers[c.on.linkID] = answer
		s.stale = true
	}
}

// answerJSON is a value as an answer of an item of that type; nil when it can be none.
func answerJSON(v Value, kind string) []byte {
	switch v.Kind {
	case Number:
		name := "valueDecimal"
		switch whole := !strings.Contains(v.Text, "."); {
		case kind == "quantity":
			return []byte(`{"valueQuantity":{"value":` + v.Text + `}}`)
		case kind == "string" || kind == "text":
			return []byte(`{"valueString":"` + v.Text + `"}`)
		case kind == "integer" && whole:
			name = "valueInteger"
		}
		return []byte(`{"` + name + `":` + v.Text + `}`)
	case Truth:
		return []byte(`{"valueBoolean":` + strconv.FormatBool(v.Truth) + `}`)
	case Code:
		return append(append([]byte(`{"valueCoding":`), codingJSON(v.Coding)...), '}')
	case Text:
		name := map[string]string{"date": "valueDate", "dateTime": "valueDateTime", "time": "valueTime"}[kind]
		if name == "" {
			name = "valueString"
		}
		if v.Text == "" {
			return nil
		}
		return append(append([]byte(`{"`+name+`":`), quoted(v.Text)...), '}')
	}
	return nil
}

// Condition is whether an item is asked, as its expression says.
type Condition struct {
	// LinkID is the item.
	LinkID string
	// Enabled is the result; nothing counts as false.
	Enabled bool
	// Reason says why the expression has no result, in which case Enabled means nothing; else empty.
	Reason string
}

// Enabled evaluates the enableWhenExpression of every item that has one, in the order of the questionnaire, on the
// JSON of a QuestionnaireResponse with its computed answers. It fails as Evaluate does.
func (f *Formulas) Enabled(ctx context.Context, raw []byte) ([]Condition, error) {
	doc, err := tree.Parse(raw, tree.Limits{})
	if err != nil {
		return nil, err
	}
	return f.EnabledDoc(ctx, doc)
}

// EnabledDoc is Enabled for what has been parsed already.
func (f *Formulas) EnabledDoc(ctx context.Context, doc *tree.Doc) ([]Condition, error) {
	if len(f.enabled) == 0 {
		return nil, nil
	}
	s, err := f.start(doc)
	if err != nil {
		return nil, err
	}
	for _, c := range f.computed {
		s.answer(c, s.compute(ctx, c))
	}
	if err := s.renew(); err != nil {
		return nil, err
	}
	out := make([]Condition, 0, len(f.enabled))
	for _, c := range f.enabled {
		out = append(out, s.condition(ctx, c))
		if err := ctx.Err(); err != nil {
			return nil, explained(err)
		}
	}
	return out, nil
}

func (s *state) condition(ctx context.Context, c *formula) Condition {
	r := Condition{LinkID: c.on.linkID, Reason: c.unsupported}
	if r.Reason != "" {
		return r
	}
	out, unmatched, err := s.evaluate(ctx, c.on, c.of, c.uses)
	switch {
	case err != nil:
		r.Reason = reason(err)
	case unmatched > 0:
		r.Reason = "an answer that it weighs is none of the known options"
	case len(out) == 0:
	case len(out) > 1 || valueOf(out[0]).Kind != Truth:
		r.Reason = "the expression gives no single true or false"
	default:
		r.Enabled = valueOf(out[0]).Truth
	}
	return r
}
