package path

import "github.com/rapport-health/rapport/services/fhir/tree"

// overlay writes a response anew with what formulas compute in place of what was sent, and with the items in it that
// have formulas, so that they can be %context.
type overlay struct {
	form *Questionnaire
	// answers are the elements of `answer` by linkId, as JSON; an empty one removes what was sent.
	answers map[string][]byte
	out     []byte
}

// response is the response as it stands with the overlay.
func (o *overlay) response(root tree.Node) (Resource, error) {
	o.out = o.out[:0]
	o.object(root, nil)
	doc, err := tree.Parse(append([]byte(nil), o.out...), tree.Limits{})
	if err != nil {
		return Resource{}, err
	}
	return From(doc)
}

// object writes the response, an item or an answer; it is the questionnaire's item, nil for the response and for items
// that the questionnaire does not have.
func (o *overlay) object(n tree.Node, it *item) {
	linkID := n.Child("linkId").Text()
	answer, replaced := o.answers[linkID]
	replaced = replaced && it != nil
	o.out = append(o.out, '{')
	first := true
	for m := range n.Children() {
		switch key := m.Key(); {
		case key == "answer" && replaced:
			continue
		case key == "item":
			o.member(&first, key)
			o.items(m, it, linkID == "" || it != nil && it.kind == "group")
			continue
		case key == "answer" && it != nil:
			o.member(&first, key)
			o.answered(m, it)
			continue
		default:
			o.member(&first, key)
			o.out = append(o.out, m.Raw()...)
		}
	}
	if replaced && len(answer) > 0 {
		o.member(&first, "answer")
		o.out = append(append(append(o.out, '['), answer...), ']')
	}
	if open := linkID == "" || it != nil && it.kind == "group"; open && !n.Child("item").Exists() && o.wanted(it, nil) {
		o.member(&first, "item")
		o.items(tree.Node{}, it, true)
	}
	o.out = append(o.out, '}')
}

func (o *overlay) member(first *bool, key string) {
	if !*first {
		o.out = append(o.out, ',')
	}
	*first = false
	o.out = append(append(o.out, quoted(key)...), ':')
}

// answered writes the answers of a question, which may hold items.
func (o *overlay) answered(answers tree.Node, it *item) {
	o.out = append(o.out, '[')
	for i := 0; i < answers.Len(); i++ {
		if i > 0 {
			o.out = append(o.out, ',')
		}
		answer := answers.At(i)
		o.out = append(o.out, '{')
		first := true
		for m := range answer.Children() {
			o.member(&first, m.Key())
			if m.Key() == "item" {
				o.items(m, it, false)
				continue
			}
			o.out = append(o.out, m.Raw()...)
		}
		o.out = append(o.out, '}')
	}
	o.out = append(o.out, ']')
}

// items writes the items that were sent, then those that a formula needs and that are missing.
func (o *overlay) items(sent tree.Node, parent *item, open bool) {
	o.out = append(o.out, '[')
	here := map[string]bool{}
	first := true
	for n := range sent.Children() {
		if !first {
			o.out = append(o.out, ',')
		}
		first = false
		linkID := n.Child("linkId").Text()
		here[linkID] = true
		o.object(n, o.form.byID[linkID])
	}
	if open {
		for _, it := range o.form.below(parent) {
			if here[it.linkID] || !o.needed(it) {
				continue
			}
			if !first {
				o.out = append(o.out, ',')
			}
			first = false
			o.stub(it)
		}
	}
	o.out = append(o.out, ']')
}

// stub writes an item that was not sent.
func (o *overlay) stub(it *item) {
	o.out = append(append(o.out, `{"linkId":`...), quoted(it.linkID)...)
	if answer := o.answers[it.linkID]; len(answer) > 0 {
		o.out = append(append(append(o.out, `,"answer":[`...), answer...), ']')
	}
	if it.kind == "group" && o.wanted(it, nil) {
		o.out = append(o.out, `,"item":`...)
		o.items(tree.Node{}, it, true)
	}
	o.out = append(o.out, '}')
}

// needed says whether a formula's item stands here or in a group below.
func (o *overlay) needed(it *item) bool {
	if _, ok := o.answers[it.linkID]; ok {
		return true
	}
	return it.kind == "group" && o.wanted(it, nil)
}

// wanted says whether an item below the parent is needed and not here.
func (o *overlay) wanted(parent *item, here map[string]bool) bool {
	for _, it := range o.form.below(parent) {
		if !here[it.linkID] && o.needed(it) {
			return true
		}
	}
	return false
}

// below are the items of a group, or of the form.
func (q *Questionnaire) below(parent *item) []*item {
	if parent != nil {
		return parent.children
	}
	return q.top
}
