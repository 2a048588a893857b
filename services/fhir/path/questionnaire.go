package path

import (
	"fmt"

	"github.com/gofhir/fhirpath/types"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/fhir/tree"
)

// Questionnaire is a form that is ready to be %questionnaire: its items and the weights of their options. It is
// read-only and may be shared between goroutines.
type Questionnaire struct {
	resource Resource
	doc      *tree.Doc
	items    []*item
	top      []*item
	byID     map[string]*item
	weights  *weights
}

// item is one item of a questionnaire.
type item struct {
	node     tree.Node
	linkID   string
	kind     string
	parent   *item // nil at the top
	children []*item
	place    int // among all items, in document order
	choices  []tree.Node
}

// ReadQuestionnaire checks the JSON of a Questionnaire. Known are ValueSets and CodeSystems beside the contained ones.
// It fails as Read does, with fault.Invalid for what is no Questionnaire and for a linkId that is missing or given twice.
func ReadQuestionnaire(raw []byte, known ...[]byte) (*Questionnaire, error) {
	doc, err := tree.Parse(raw, tree.Limits{})
	if err != nil {
		return nil, err
	}
	resource, err := From(doc)
	if err != nil {
		return nil, err
	}
	if resource.Type() != "Questionnaire" {
		return nil, fault.New(fault.Invalid, fault.Errorf("structure", "", "a Questionnaire is needed here"))
	}
	q := &Questionnaire{resource: resource, doc: doc, byID: map[string]*item{}}
	var issues []fault.Issue
	q.read(doc.Root(), nil, &issues)
	if len(issues) > 0 {
		return nil, fault.New(fault.Invalid, issues...)
	}
	sources, err := q.sources(known)
	if err != nil {
		return nil, err
	}
	if !q.weigh(sources) {
		return nil, fault.New(fault.Invalid, fault.Errorf("too-costly", "Questionnaire",
			"its questions offer more than %d answers in all", mostOffered))
	}
	return q, nil
}

// read goes through the items of a group.
func (q *Questionnaire) read(holder tree.Node, parent *item, issues *[]fault.Issue) {
	for n := range holder.Child("item").Children() {
		it := &item{node: n, linkID: n.Child("linkId").Text(), kind: n.Child("type").Text(), parent: parent, place: len(q.items)}
		switch {
		case it.linkID == "":
			*issues = append(*issues, fault.Errorf("required", n.Path(), "the item has no linkId"))
			continue
		case q.byID[it.linkID] != nil:
			*issues = append(*issues, fault.Errorf("duplicate", n.Child("linkId").Path(), "the linkId is given twice"))
			continue
		}
		q.items = append(q.items, it)
		q.byID[it.linkID] = it
		if parent != nil {
			parent.children = append(parent.children, it)
		} else {
			q.top = append(q.top, it)
		}
		q.read(n, it, issues)
	}
}

// object is the item as %qitem.
func (q *Questionnaire) object(it *item) types.Collection {
	w := writer{}
	w.object(it.node, position{})
	return types.Collection{types.NewObjectValueWithType(w.out, "Questionnaire.item")}
}

// sources are the value sets and code systems at hand: contained ones under their `#id`, known ones under their
// canonical with and without version.
type sources struct {
	sets, systems map[string]tree.Node
}

func (q *Questionnaire) sources(known [][]byte) (sources, error) {
	s := sources{sets: map[string]tree.Node{}, systems: map[string]tree.Node{}}
	for i, raw := range known {
		doc, err := tree.Parse(raw, tree.Limits{})
		if err != nil {
			return s, fmt.Errorf("reading known resource %d: %w", i, err)
		}
		s.add(doc.Root(), false)
	}
	for n := range q.doc.Root().Child("contained").Children() {
		s.add(n, true)
	}
	return s, nil
}

// add enters a value set or code system; contained ones come last and win.
func (s sources) add(n tree.Node, contained bool) {
	into := s.sets
	switch n.Child("resourceType").Text() {
	case "ValueSet":
	case "CodeSystem":
		into = s.systems
	default:
		return
	}
	if url := n.Child("url").Text(); url != "" {
		into[url] = n
		if version := n.Child("version").Text(); version != "" {
			into[url+"|"+version] = n
		}
	}
	if id := n.Child("id").Text(); contained && id != "" {
		into["#"+id] = n
	}
}

// weigh gathers the weights: of each item's options, then of each code system. It is false when there are too many: a
// short body can name a long value set in every item.
func (q *Questionnaire) weigh(s sources) bool {
	room := mostOffered
	q.weights = &weights{items: map[string]*options{}, systems: map[string]string{}}
	for _, n := range s.systems {
		q.weights.addSystem(n)
	}
	for _, it := range q.items {
		o := &options{byKey: map[string]string{}, byCode: map[string]string{}, open: it.kind == "open-choice"}
		for option := range it.node.Child("answerOption").Children() {
			if room--; room < 0 {
				return false
			}
			it.choices = append(it.choices, option)
			key, code := keyOf(option)
			weight := q.weights.or(carried(option), key)
			o.add(key, code, weight)
			q.weights.plain = q.weights.plain || weight != "" && !option.Child("valueCoding").Exists()
		}
		if set, found := s.sets[it.node.Child("answerValueSet").Text()]; found {
			it.choices = append(it.choices, q.weights.addSet(o, set, s, room+1)...)
			if room -= len(it.choices); room < 0 {
				return false
			}
		}
		q.weights.items[it.linkID] = o
	}
	return true
}

// or is an option's own weight, or that of its code system.
func (w *weights) or(weight, key string) string {
	if weight == "" {
		return w.systems[key]
	}
	return weight
}

// addSystem enters the concepts of a code system.
func (w *weights) addSystem(n tree.Node) {
	system := n.Child("url").Text()
	if system == "" {
		return
	}
	property := propertyCodes(n)
	var enter func(tree.Node)
	enter = func(holder tree.Node) {
		for c := range holder.Child("concept").Children() {
			w.systems[system+"|"+c.Child("code").Text()] = conceptWeight(c, property)
			enter(c)
		}
	}
	enter(n)
}

// propertyCodes are the codes under which a code system or an expansion keeps weights.
func propertyCodes(n tree.Node) map[string]bool {
	codes := map[string]bool{}
	for p := range n.Child("property").Children() {
		if code := p.Child("code").Text(); p.Child("uri").Is(weightProperty) || code == "itemWeight" && !p.Child("uri").Exists() {
			codes[code] = true
		}
	}
	return codes
}

// conceptWeight is the weight of a concept, from its extension or its property.
func conceptWeight(c tree.Node, codes map[string]bool) string {
	if w := weightOf(c); w != "" {
		return w
	}
	for p := range c.Child("property").Children() {
		if !codes[p.Child("code").Text()] {
			continue
		}
		if w := p.Child("valueDecimal").Number() + p.Child("valueInteger").Number(); w != "" {
			return w
		}
	}
	return ""
}

// addSet enters the codes of a value set as options: its expansion, else the concepts that it lists, else all of a
// code system that it takes whole, up to most of them. It gives them as answer options.
func (w *weights) addSet(o *options, set tree.Node, s sources, most int) (choices []tree.Node) {
	enter := func(system string, c tree.Node, codes map[string]bool) {
		if len(choices) >= most {
			return
		}
		code := c.Child("code").Text()
		key := system + "|" + code
		o.add(key, code, w.or(conceptWeight(c, codes), key))
		choices = append(choices, codingOption(system, c))
	}
	if expansion := set.Child("expansion"); expansion.Child("contains").Exists() {
		codes := propertyCodes(expansion)
		var all func(tree.Node)
		all = func(holder tree.Node) {
			for c := range holder.Child("contains").Children() {
				if abstract, _ := c.Child("abstract").Bool(); !abstract {
					enter(c.Child("system").Text(), c, codes)
				}
				all(c)
			}
		}
		all(expansion)
		return choices
	}
	for include := range set.Child("compose").Child("include").Children() {
		system := include.Child("system").Text()
		listed := include.Child("concept")
		if !listed.Exists() && !include.Child("filter").Exists() {
			listed = s.systems[system].Child("concept")
		}
		for c := range listed.Children() {
			enter(system, c, nil)
		}
	}
	return choices
}

// codingOption is a concept in the form of an answerOption.
func codingOption(system string, concept tree.Node) tree.Node {
	text := []byte(`{"valueCoding":`)
	text = append(text, codingJSON(Coding{System: system, Code: concept.Child("code").Text(), Display: concept.Child("display").Text()})...)
	doc, err := tree.Parse(append(text, '}'), tree.Limits{})
	if err != nil {
		return tree.Node{}
	}
	return doc.Root()
}

// asked says whether the item takes an answer.
func (it *item) asked() bool { return it.kind != "group" && it.kind != "display" && it.kind != "" }
