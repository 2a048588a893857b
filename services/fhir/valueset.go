package fhir

import (
	"slices"
	"strings"

	"github.com/rapport-health/rapport/services/domain/form"
	"github.com/rapport-health/rapport/services/domain/instrument"
	"github.com/rapport-health/rapport/services/fhir/tree"
)

// ValueSets list the codes of a value set, named by its canonical with or without `|version`; ok is false when they are
// not known. Weights that are known stand at the options.
type ValueSets func(canonical string) (options []form.Option, ok bool)

// mostCodes of one value set are listed; a larger one is not a list to choose from.
const mostCodes = 5000

// AnswerLists are the value sets that instruments know: the LOINC answer lists of their scales, with the ordinals.
func AnswerLists(definitions []*instrument.Definition) ValueSets {
	lists := map[string][]form.Option{}
	for _, d := range definitions {
		for _, scale := range d.Scales {
			code, isLOINC := strings.CutPrefix(scale.Code, loinc+"|")
			if options := scaleOptions(scale); isLOINC && len(options) > 0 {
				lists[loinc+"/vs/"+code] = options
			}
		}
	}
	return func(canonical string) ([]form.Option, bool) {
		url, _, _ := strings.Cut(canonical, "|")
		options, ok := lists[url]
		return options, ok
	}
}

func scaleOptions(scale *instrument.Scale) (out []form.Option) {
	for i := range scale.Options {
		o := &scale.Options[i]
		for _, code := range o.Codes {
			v := form.Value{Kind: "Coding", Display: o.Display}
			v.System, v.Code, _ = strings.Cut(code, "|")
			out = append(out, form.Option{Value: v, Weight: &o.Ordinal})
		}
	}
	return out
}

// Terminology is what is known of code systems and value sets from resources at hand.
type Terminology struct {
	sets, systems map[string]tree.Node
	// weights of the codes of the systems that were asked for.
	weights map[string]map[string]*float64
	// lists are the value sets that were asked for, each made once: a few that name one another many times would be made
	// without end.
	lists map[string]valueList
	next  ValueSets
}

// valueList is what a value set comes to. While it is being made it is not known, so a set within itself is not either.
type valueList struct {
	options []form.Option
	known   bool
}

// NewTerminology knows the ValueSets and CodeSystems among the resources, by their canonical, with and without the
// version, and else what next knows, which may be nil. What it is given must not be changed afterwards. It is for one goroutine.
func NewTerminology(next ValueSets, resources ...tree.Node) *Terminology {
	t := &Terminology{
		sets: map[string]tree.Node{}, systems: map[string]tree.Node{}, weights: map[string]map[string]*float64{},
		lists: map[string]valueList{}, next: next,
	}
	for _, n := range resources {
		t.add(n)
	}
	return t
}

func (t *Terminology) add(n tree.Node) {
	to := t.sets
	switch n.Child("resourceType").Text() {
	case "ValueSet":
	case "CodeSystem":
		to = t.systems
	default:
		return
	}
	url, version := n.Child("url").Text(), n.Child("version").Text()
	if url != "" {
		to[url] = n
		to[url+"|"+version] = n
	}
}

// contain adds the resources that stand in another, which are named by `#id` too.
func (t *Terminology) contain(contained tree.Node) {
	for n := contained.First(); n.Exists(); n = n.Next() {
		t.add(n)
		if id := n.Child("id").Text(); n.Child("resourceType").Is("ValueSet") && id != "" {
			t.sets["#"+id] = n
		}
	}
}

// ValueSet lists the codes of a value set: of its expansion, else of what it composes. A set that is only described
// (by a filter, or as all of a code system that is not at hand) is not known. It is a ValueSets.
func (t *Terminology) ValueSet(canonical string) ([]form.Option, bool) {
	list, made := t.lists[canonical]
	if !made {
		t.lists[canonical] = valueList{}
		list.options, list.known = t.list(canonical)
		t.lists[canonical] = list
	}
	return list.options, list.known
}

func (t *Terminology) list(canonical string) ([]form.Option, bool) {
	set, known := t.sets[canonical]
	if url, version, versioned := strings.Cut(canonical, "|"); !known && versioned {
		if set, known = t.sets[url]; known && set.Child("version").Text() != "" && !set.Child("version").Is(version) {
			known = false // another version is another set
		}
	}
	switch {
	case known:
		options, ok := t.codes(set)
		return options, ok && len(options) <= mostCodes
	case t.next != nil:
		return t.next(canonical)
	default:
		return nil, false
	}
}

func (t *Terminology) codes(set tree.Node) (out []form.Option, ok bool) {
	if expansion := set.Child("expansion"); whole(expansion) {
		return t.contains(out, expansion.Child("contains"), properties(expansion)), true
	}
	compose := set.Child("compose")
	if !compose.Child("include").Exists() {
		return nil, false
	}
	out, included := t.parts(compose.Child("include"))
	not, excluded := t.parts(compose.Child("exclude"))
	if !included || !excluded {
		return nil, false
	}
	gone := map[[2]string]bool{}
	for i := range not {
		gone[[2]string{not[i].System, not[i].Code}] = true
	}
	out = slices.DeleteFunc(out, func(o form.Option) bool { return gone[[2]string{o.System, o.Code}] })
	return out, len(out) > 0
}

// parts lists what the parts of a value set add up to; false when one is not known or they are no list to choose from.
func (t *Terminology) parts(n tree.Node) (out []form.Option, ok bool) {
	for part := n.First(); part.Exists(); part = part.Next() {
		options, ok := t.include(part)
		if !ok || len(out)+len(options) > mostCodes {
			return nil, false
		}
		out = append(out, options...)
	}
	return out, true
}

// whole says whether an expansion lists all codes: a page of it does not.
func whole(expansion tree.Node) bool {
	contains := expansion.Child("contains")
	total, paged := number(expansion.Child("total").Number())
	return contains.Exists() && (!paged || expansion.Child("total").Number() == "" || listed(contains) >= int(total))
}

func listed(contains tree.Node) (codes int) {
	for n := contains.First(); n.Exists(); n = n.Next() {
		codes += 1 + listed(n.Child("contains"))
	}
	return codes
}

// contains lists one level of an expansion, and those below it.
func (t *Terminology) contains(to []form.Option, n tree.Node, weighing map[string]bool) []form.Option {
	for c := n.First(); c.Exists() && len(to) <= mostCodes; c = c.Next() {
		abstract, _ := c.Child("abstract").Bool()
		if code := c.Child("code").Text(); code != "" && !abstract {
			to = append(to, t.option(c.Child("system").Text(), c, weighing))
		}
		to = t.contains(to, c.Child("contains"), weighing)
	}
	return to
}

// include lists one part of what a value set is composed of.
func (t *Terminology) include(n tree.Node) (out []form.Option, ok bool) {
	system, concepts := n.Child("system").Text(), n.Child("concept")
	switch {
	case n.Child("filter").Exists() || n.Child("valueSet").Len() > 1 || n.Child("valueSet").Exists() && system != "":
		return nil, false
	case n.Child("valueSet").Exists():
		return t.ValueSet(n.Child("valueSet").First().Text())
	case concepts.Exists():
		for c := concepts.First(); c.Exists() && len(out) <= mostCodes; c = c.Next() {
			out = append(out, t.option(system, c, nil))
		}
		return out, true
	}
	all, known := t.systems[system]
	if !known || content(all) != "complete" {
		return nil, false
	}
	return t.concepts(nil, system, all.Child("concept"), properties(all)), true
}

// content of a CodeSystem; one that does not say counts as complete.
func content(system tree.Node) string {
	if c := system.Child("content"); c.Exists() {
		return c.Text()
	}
	return "complete"
}

func (t *Terminology) concepts(to []form.Option, system string, n tree.Node, weighing map[string]bool) []form.Option {
	for c := n.First(); c.Exists() && len(to) <= mostCodes; c = c.Next() {
		to = append(to, t.option(system, c, weighing))
		to = t.concepts(to, system, c.Child("concept"), weighing)
	}
	return to
}

// option of a concept: its weight stands at the concept, or else in its code system.
func (t *Terminology) option(system string, concept tree.Node, weighing map[string]bool) form.Option {
	v := form.Value{Kind: "Coding", System: system, Code: concept.Child("code").Text(), Display: concept.Child("display").Text()}
	w := weightAt(concept, weighing)
	if w == nil {
		w = t.weight(v.System, v.Code)
	}
	return form.Option{Value: v, Weight: w}
}

// weight of a code in its code system; nil when that does not say.
func (t *Terminology) weight(system, code string) *float64 {
	all, known := t.systems[system]
	if !known {
		return nil
	}
	codes, listed := t.weights[system]
	if !listed {
		codes = map[string]*float64{}
		listWeights(codes, all.Child("concept"), properties(all))
		t.weights[system] = codes
	}
	return codes[code]
}

func listWeights(to map[string]*float64, n tree.Node, weighing map[string]bool) {
	for c := n.First(); c.Exists(); c = c.Next() {
		if w := weightAt(c, weighing); w != nil {
			to[c.Child("code").Text()] = w
		}
		listWeights(to, c.Child("concept"), weighing)
	}
}

// r5 are the extensions under which R4 carries what only R5 has.
const r5 = "http://hl7.org/fhir/5.0/StructureDefinition/extension-ValueSet.expansion."

// properties of a CodeSystem or an expansion that hold weights, by their code.
func properties(n tree.Node) map[string]bool {
	const concept = "http://hl7.org/fhir/concept-properties#"
	out := map[string]bool{}
	note := func(code, uri string) {
		if uri == concept+"itemWeight" || uri == concept+"ordinalValue" {
			out[code] = true
		}
	}
	for p := n.Child("property").First(); p.Exists(); p = p.Next() {
		note(p.Child("code").Text(), p.Child("uri").Text())
	}
	for x := n.Child("extension").First(); x.Exists(); x = x.Next() {
		if x.Child("url").Is(r5 + "property") {
			note(extension(x, "code").Child("valueCode").Text(), extension(x, "uri").Child("valueUri").Text())
		}
	}
	return out
}

// weightAt is the weight that stands at an element, as an extension or as one of the properties; nil when none does.
func weightAt(n tree.Node, weighing map[string]bool) *float64 {
	text := weight(n)
	for p := n.Child("property").First(); p.Exists() && text == ""; p = p.Next() {
		if weighing[p.Child("code").Text()] {
			text = weightValue(p)
		}
	}
	for x := n.Child("extension").First(); x.Exists() && text == ""; x = x.Next() {
		if x.Child("url").Is(r5+"contains.property") && weighing[extension(x, "code").Child("valueCode").Text()] {
			if text = weightValue(extension(x, "value[x]")); text == "" {
				text = weightValue(extension(x, "value"))
			}
		}
	}
	if x, ok := number(text); ok {
		return &x
	}
	return nil
}

// weightValue is the number of a property or an extension, as written.
func weightValue(n tree.Node) string {
	if v := n.Child("valueDecimal").Number(); v != "" {
		return v
	}
	return n.Child("valueInteger").Number()
}
