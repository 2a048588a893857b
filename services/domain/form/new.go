package form

import (
	"regexp"
	"slices"
	"strconv"

	"github.com/rapport-health/rapport/services/domain/fault"
)

// New makes a form that can be checked against. The issues are the form's own faults at the FHIRPath of the
// Questionnaire: with one of severity error (a linkId given twice, a condition that cannot be judged, both options and
// a value set) nobody can say what the form asks, and it is nil; warnings tell what is left out of account. The form
// keeps the slices that it is given.
func New(f Form) (*Form, []fault.Issue) {
	b := builder{Form: &f}
	f.nodes, f.links = nil, map[string]int32{}
	b.add(f.Items, -1, "Questionnaire")
	for i := range f.nodes {
		b.item(&f.nodes[i])
	}
	for i := range f.nodes {
		b.conditions(int32(i))
	}
	b.circles()
	if fault.Any(b.issues) {
		return nil, b.issues
	}
	return &f, b.issues
}

// builder collects what is wrong with one form.
type builder struct {
	*Form
	issues []fault.Issue
	count  int32
}

func (b *builder) fail(code, path, format string, args ...any) {
	b.issues = append(b.issues, fault.Errorf(code, path, format, args...))
}

func (b *builder) warn(code, path, format string, args ...any) {
	b.issues = append(b.issues, fault.Warnf(code, path, format, args...))
}

// add enters one level of items.
func (b *builder) add(items []Item, parent int32, path string) {
	for i := range items {
		item := &items[i]
		if item.Path == "" {
			item.Path = path + ".item[" + strconv.Itoa(i) + "]"
		}
		at := int32(len(b.nodes))
		b.nodes = append(b.nodes, node{item: item, parent: parent, order: int32(i)})
		switch _, taken := b.links[item.LinkID]; {
		case item.LinkID == "":
			b.fail("required", item.Path+".linkId", "the item has no linkId")
		case taken:
			b.fail("duplicate", item.Path+".linkId", "two items have this linkId (que-2)")
		default:
			b.links[item.LinkID] = at
		}
		b.add(item.Items, at, item.Path)
		b.nodes[at].end = int32(len(b.nodes))
	}
}

// item judges one item by itself, and leaves out of account what R4 does not allow it to say.
func (b *builder) item(n *node) {
	item := n.item
	switch _, simple := wants[item.Type]; {
	case item.Type == Group && len(item.Items) == 0:
		b.warn("invariant", item.Path, "a group without items asks nothing (que-1)")
	case item.Type == Display:
		b.display(item)
	case !simple && item.Type != Group && !item.Type.Choosing():
		b.fail("code-invalid", item.Path+".type", "is no type of item in R4")
	}
	b.options(n)
	b.occurs(item)
	if item.Regex != "" {
		b.pattern(n)
	}
}

func (b *builder) display(item *Item) {
	if len(item.Items) > 0 {
		b.fail("invariant", item.Path, "a display has no items below it (que-1)")
	}
	if item.Required || item.Repeats {
		b.warn("invariant", item.Path, "a display is neither required nor repeated (que-6)")
		item.Required, item.Repeats = false, false
	}
	if len(item.Codes) > 0 {
		b.warn("invariant", item.Path, "a display has no code (que-3)")
	}
}

func (b *builder) options(n *node) {
	item := n.item
	listed := len(item.Options) > 0 || item.ValueSet != ""
	switch {
	case !listed && item.Type == Choice:
		b.warn("invariant", item.Path, "a choice without options: any code may be right, and none has a weight")
	case !listed:
		return
	case !item.Type.Question() || item.Type == Boolean || item.Type == Attachment:
		b.warn("invariant", item.Path, "items of this type have no options (que-5): they are left out of account")
		item.Options, item.ValueSet, item.Unresolved = nil, "", false
		return
	case item.Unresolved:
		b.warn("not-found", item.Path+".answerValueSet",
			"the codes of the value set are not known: any code may be right, and none has a weight")
	}
	n.bound = len(item.Options) > 0 && !item.Unresolved
}

func (b *builder) occurs(item *Item) {
	if item.MaxOccurs > 0 && item.MinOccurs > item.MaxOccurs {
		b.fail("value", item.Path, "minOccurs is above maxOccurs")
	}
	if item.Min == nil || item.Max == nil {
		return
	}
	if order, ok := compare(item.Min, item.Max); ok && order > 0 {
		b.fail("value", item.Path, "minValue is above maxValue")
	}
}

// pattern compiles the regular expression, which must hold for the whole text.
func (b *builder) pattern(n *node) {
	const most = 1000
	if len(n.item.Regex) <= most {
		if p, err := regexp.Compile(`^(?:` + n.item.Regex + `)$`); err == nil {
			n.pattern = p
			return
		}
	}
	b.warn("not-supported", n.item.Path, "the regular expression is outside of what can be checked safely (RE2): it is left out of account")
}

// conditions finds the questions that an item depends on.
func (b *builder) conditions(at int32) {
	n := &b.nodes[at]
	item := n.item
	b.conditional = b.conditional || len(item.EnableWhen) > 0 || item.EnableExpression
	switch {
	case !slices.Contains([]string{"", "all", "any"}, item.EnableBehavior):
		b.fail("code-invalid", item.Path+".enableBehavior", "must be all or any")
	case len(item.EnableWhen) > 1 && item.EnableBehavior == "":
		b.warn("invariant", item.Path, "several conditions without enableBehavior (que-12): the item counts as enabled")
	}
	for i := range item.EnableWhen {
		if c, ok := b.condition(at, i); ok {
			n.conditions = append(n.conditions, c)
		}
	}
}

func (b *builder) condition(at int32, i int) (condition, bool) {
	when := &b.nodes[at].item.EnableWhen[i]
	path := b.nodes[at].item.Path + ".enableWhen[" + strconv.Itoa(i) + "]"
	target, known := b.links[when.Question]
	if !known {
		b.fail("not-found", path+".question", "there is no item of this linkId")
		return condition{}, false
	}
	if why := unfit(b.nodes[target].item, when); why != "" {
		b.fail("invariant", path, "%s", why)
		return condition{}, false
	}
	b.count++
	return condition{when, b.count - 1, target, b.common(at, target)}, true
}

// unfit says why a condition cannot be judged; empty when it can.
func unfit(target *Item, when *Condition) string {
	kind := when.Answer.Kind
	switch {
	case !target.Type.Question():
		return "an item that takes no answer cannot enable another"
	case !slices.Contains([]string{"exists", "=", "!=", ">", "<", ">=", "<="}, when.Operator):
		return "is no operator of R4"
	case when.Operator == "exists" && kind != "Boolean":
		return "exists needs answerBoolean (que-7)"
	case when.Operator == "exists":
		return ""
	case !answerable(target, kind):
		return "the answer is of another type than the question"
	case when.Operator != "=" && when.Operator != "!=" && !ordered(kind):
		return "values of this type come neither before nor after one another"
	}
	if _, ok := when.Answer.number(); !ok && (family(kind) == "number" || kind == "Quantity") {
		return "the answer is no number"
	}
	return ""
}

// answerable says whether a question can have an answer of a kind.
func answerable(item *Item, kind string) bool {
	if !item.Type.Choosing() {
		return alike(wants[item.Type], kind)
	}
	if kind == "Coding" || kind == "String" && item.Type == OpenChoice {
		return true
	}
	return slices.ContainsFunc(item.Options, func(o Option) bool { return alike(o.Kind, kind) })
}

// common is the nearest item around both; -1 when there is none but the form.
func (b *builder) common(a, target int32) int32 {
	for a = b.nodes[a].parent; a >= 0; a = b.nodes[a].parent {
		if target > a && target < b.nodes[a].end {
			return a
		}
	}
	return -1
}

// circles refuses items that, in the end, depend on their own answer. An item depends on the questions of its
// conditions and on whether the item around it is asked.
func (b *builder) circles() {
	const open, done = 1, 2
	state := make([]uint8, len(b.nodes))
	var visit func(at int32) bool
	visit = func(at int32) bool {
		if at < 0 || state[at] == done {
			return true
		}
		if state[at] == open {
			return false
		}
		state[at] = open
		sound := visit(b.nodes[at].parent)
		for _, c := range b.nodes[at].conditions {
			sound = visit(c.target) && sound
		}
		state[at] = done
		return sound
	}
	for i := range b.nodes {
		if !visit(int32(i)) {
			b.fail("invariant", b.nodes[i].item.Path+".enableWhen", "the item depends on its own answer")
		}
	}
}
