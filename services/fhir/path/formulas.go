package path

import (
	"context"
	"maps"
	"slices"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/fhir/tree"
)

// Formulas are the expressions of one questionnaire, compiled: what it computes and when its items are asked. They are
// read-only and may be used by any number of goroutines at once.
type Formulas struct {
	form     *Questionnaire
	computed []*formula // in the order in which they can be computed
	// rest are, for each formula, the others that it reads, and those that these read.
	rest     map[*formula]map[*formula]bool
	enabled  []*formula
	issues   []fault.Issue
	limits   Limits
	compiled int // how many expressions have been compiled
}

// variable is a named expression, visible on its item and below.
type variable struct {
	name  string
	on    *item // nil at the root
	of    *Expression
	kinds kinds
	uses  []*variable
	path  string
}

// formula is an expression of an item.
type formula struct {
	on   *item
	of   *Expression // nil when it is in a language that is not supported
	uses []*variable
	path string
	// unsupported is why there is no expression.
	unsupported string
}

// Options for Load. The zero value is good.
type Options struct {
	// Known are ValueSets and CodeSystems beside the contained ones, as JSON.
	Known [][]byte
	// Fixtures are responses, as JSON, on which the formulas are tried beside those made from the questionnaire.
	Fixtures [][]byte
	// Limits bound each evaluation.
	Limits Limits
}

// Load compiles the formulas of a questionnaire and tries each: on a fully answered response it must give a result. It
// fails as ReadQuestionnaire does, and with fault.Invalid and every issue, located, when an expression is not supported
// or broken, misspells a path or a linkId, has no result, or when formulas wait for each other. Expressions in a
// language other than FHIRPath do not fail it: they are warnings, see Issues.
func Load(ctx context.Context, questionnaire []byte, o Options) (*Formulas, error) {
	form, err := ReadQuestionnaire(questionnaire, o.Known...)
	if err != nil {
		return nil, err
	}
	f := &Formulas{form: form, limits: o.Limits.filled()}
	if err := f.declare(ctx, nil, form.doc.Root(), nil); err != nil {
		return nil, err
	}
	if fault.Any(f.issues) {
		return nil, fault.New(fault.Invalid, f.issues...)
	}
	if len(f.computed)+len(f.enabled) == 0 {
		return f, nil
	}
	if err := f.order(ctx); err != nil {
		return nil, err
	}
	if err := f.prove(ctx, o.Fixtures); err != nil {
		return nil, err
	}
	return f, nil
}

// Issues are warnings about the questionnaire's expressions, located in it.
func (f *Formulas) Issues() []fault.Issue { return slices.Clone(f.issues) }

// Questionnaire is the form, for expressions evaluated apart from its own.
func (f *Formulas) Questionnaire() *Questionnaire { return f.form }

// LinkIDs are the items with a formula that computes their answer, in the order of the questionnaire.
func (f *Formulas) LinkIDs() []string { return linkIDs(f.computed) }

// Conditions are the items with an expression that says whether they are asked, in the order of the questionnaire.
func (f *Formulas) Conditions() []string { return linkIDs(f.enabled) }

func linkIDs(formulas []*formula) []string {
	sorted := slices.Clone(formulas)
	slices.SortFunc(sorted, func(a, b *formula) int { return a.on.place - b.on.place })
	var out []string
	for _, c := range sorted {
		out = append(out, c.on.linkID)
	}
	return out
}

// declare goes down the questionnaire: variables first, so that they are visible to the expressions beside and below.
func (f *Formulas) declare(ctx context.Context, it *item, n tree.Node, visible []*variable) error {
	if err := ctx.Err(); err != nil {
		return explained(err)
	}
	visible = slices.Clip(visible)
	for e := range n.Child("extension").Children() {
		if e.Child("url").Is(variableURL) {
			if v := f.variable(it, e.Child("valueExpression"), visible); v != nil {
				visible = append(visible, v)
			}
		}
	}
	for e := range n.Child("extension").Children() {
		if it == nil {
			break
		}
		if url := e.Child("url"); url.Is(calculatedURL) {
			f.computed = f.expression(f.computed, it, e.Child("valueExpression"), visible, "calculatedExpression")
		} else if url.Is(enableWhenURL) {
			f.enabled = f.expression(f.enabled, it, e.Child("valueExpression"), visible, "enableWhenExpression")
		}
	}
	if f.compiled > mostFormulas {
		return fault.Newf(fault.TooLarge, "too-costly", "the questionnaire has more than %d expressions", mostFormulas)
	}
	for _, child := range f.form.below(it) {
		if err := f.declare(ctx, child, child.node, visible); err != nil {
			return err
		}
	}
	return nil
}

func (f *Formulas) refuse(code, path, format string, args ...any) {
	f.issues = append(f.issues, fault.Errorf(code, path, format, args...))
}

// variable compiles a named expression.
func (f *Formulas) variable(it *item, n tree.Node, visible []*variable) *variable {
	name := n.Child("name").Text()
	if !plainName(name) || fixedVariables[name] {
		f.refuse("value", pathOf(n, "name"), "a variable needs a name of letters, digits and `_` that is none of FHIRPath's own")
		return nil
	}
	if slices.ContainsFunc(visible, func(v *variable) bool { return v.name == name }) {
		f.refuse("duplicate", pathOf(n, "name"), "the variable %%%s stands here already", spoken(name))
		return nil
	}
	v := &variable{name: name, on: it, path: pathOf(n, "expression"), kinds: anything}
	if !spokenFHIRPath(n) {
		f.issues = append(f.issues, fault.Warnf("not-supported", pathOf(n, "language"), "only text/fhirpath is supported: %%%s stays empty", spoken(name)))
		return v
	}
	if v.of = f.compile(it, n, visible); v.of != nil {
		v.uses, v.kinds = used(v.of, visible), v.of.kinds
	}
	return v
}

// expression compiles what an item carries.
func (f *Formulas) expression(to []*formula, it *item, n tree.Node, visible []*variable, what string) []*formula {
	if slices.ContainsFunc(to, func(o *formula) bool { return o.on == it }) {
		f.refuse("duplicate", n.Path(), "the item has a second %s", what)
		return to
	}
	c := &formula{on: it, path: pathOf(n, "expression")}
	if !spokenFHIRPath(n) {
		c.unsupported = "its " + what + " is not in text/fhirpath"
		f.issues = append(f.issues, fault.Warnf("not-supported", pathOf(n, "language"), "only text/fhirpath is supported: the item's %s is not used", what))
		return append(to, c)
	}
	if c.of = f.compile(it, n, visible); c.of == nil {
		return to
	}
	c.uses = used(c.of, visible)
	for _, v := range c.uses {
		if v.lacks() {
			c.unsupported = "it rests on a variable that is not in text/fhirpath"
		}
	}
	return append(to, c)
}

// lacks says whether a variable, or one that it rests on, has no expression.
func (v *variable) lacks() bool {
	return v.of == nil || slices.ContainsFunc(v.uses, (*variable).lacks)
}

func spokenFHIRPath(n tree.Node) bool { return n.Child("language").Is("text/fhirpath") }

// pathOf is the place of a member, or of what lacks it.
func pathOf(n tree.Node, member string) string {
	if m := n.Child(member); m.Exists() {
		return m.Path()
	}
	return n.Path()
}

// compile compiles an expression for where it stands and enters what is wrong with it.
func (f *Formulas) compile(it *item, n tree.Node, visible []*variable) *Expression {
	if f.compiled++; f.compiled > mostFormulas {
		return nil
	}
	path := pathOf(n, "expression")
	text := n.Child("expression").Text()
	if text == "" {
		f.refuse("required", path, "there is no expression")
		return nil
	}
	scope := Scope{Resource: "QuestionnaireResponse", Context: "QuestionnaireResponse"}
	if it != nil {
		scope.Context = "QuestionnaireResponse.item"
	}
	known := map[string]kinds{}
	for _, v := range visible {
		known[v.name] = v.kinds
	}
	e, err := scope.compile(text, known)
	if err != nil {
		for _, issue := range fault.IssuesOf(err) {
			issue.Path = path
			f.issues = append(f.issues, issue)
		}
		return nil
	}
	for _, w := range e.warnings {
		w.Path = path
		f.issues = append(f.issues, w)
	}
	f.spelt(e.root, path)
	return e
}

// used are the variables that an expression reads.
func used(e *Expression, visible []*variable) (out []*variable) {
	for _, v := range visible {
		if e.used[v.name] {
			out = append(out, v)
		}
	}
	return out
}

// spelt finds linkIds that the questionnaire does not have. One that is looked for is an error; one that is left out
// may be meant for a longer form, and is a warning.
func (f *Formulas) spelt(n *node, path string) {
	if n == nil {
		return
	}
	if n.kind == binaryNode {
		for i, side := range n.args {
			if side.kind == memberNode && side.text == "linkId" {
				f.known(n.text, n.args[1-i], path)
			}
		}
	}
	f.spelt(n.input, path)
	for _, arg := range n.args {
		f.spelt(arg, path)
	}
}

func (f *Formulas) known(op string, n *node, path string) {
	switch {
	case n.kind == binaryNode && n.text == "|":
		f.known(op, n.args[0], path)
		f.known(op, n.args[1], path)
	case n.kind != stringNode || f.form.byID[n.text] != nil:
	case op == "=" || op == "in" || op == "contains":
		f.refuse("not-found", path, "the questionnaire has no item with the linkId that stands in column %d", n.column)
	case op == "!=":
		f.issues = append(f.issues, fault.Warnf("not-found", path, "the questionnaire has no item with the linkId that stands in column %d, which is to be left out", n.column))
	}
}

// order sorts the computed items so that each comes after those whose answers it reads.
func (f *Formulas) order(ctx context.Context) error {
	if len(f.computed) < 2 {
		return nil
	}
	reads, err := f.reads(ctx)
	if err != nil {
		return err
	}
	var sorted []*formula
	done, open := map[*formula]bool{}, map[*formula]bool{}
	var visit func(*formula) bool
	visit = func(c *formula) bool {
		if done[c] {
			return true
		}
		if open[c] {
			return false
		}
		open[c] = true
		for _, other := range reads[c] {
			if other != c && !visit(other) {
				return false
			}
		}
		done[c] = true
		sorted = append(sorted, c)
		return true
	}
	for _, c := range f.computed {
		if !visit(c) {
			return fault.New(fault.Invalid, fault.Errorf("business-rule", c.path, "formulas wait for each other: this one reads an answer that is computed from its own"))
		}
	}
	f.computed = sorted
	f.rest = map[*formula]map[*formula]bool{}
	for _, c := range sorted {
		f.rest[c] = map[*formula]bool{}
		for _, other := range reads[c] {
			f.rest[c][other] = true
			maps.Copy(f.rest[c], f.rest[other])
		}
	}
	return nil
}
