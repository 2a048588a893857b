package path

import (
	"strings"

	"github.com/gofhir/fhirpath/types"

	"github.com/rapport-health/rapport/services/fhir/tree"
)

// weightURLs are the extensions that carry a weight, the current one and its older spellings.
var weightURLs = []string{
	"http://hl7.org/fhir/StructureDefinition/itemWeight",
	"http://hl7.org/fhir/StructureDefinition/ordinalValue",
	"http://hl7.org/fhir/StructureDefinition/questionnaire-ordinalValue",
	"http://hl7.org/fhir/StructureDefinition/codesystem-ordinalValue",
	"http://hl7.org/fhir/StructureDefinition/valueset-ordinalValue",
	"http://hl7.org/fhir/StructureDefinition/iso21090-CO-value",
}

// weightProperty is the concept property that carries a weight.
const weightProperty = "http://hl7.org/fhir/concept-properties#itemWeight"

// weightOf is the weight that an element carries itself, as it is written; empty when it has none.
func weightOf(n tree.Node) string {
	for _, url := range weightURLs {
		for extension := range n.Child("extension").Children() {
			if !extension.Child("url").Is(url) {
				continue
			}
			if v := extension.Child("valueDecimal").Number(); v != "" {
				return v
			}
			if v := extension.Child("valueInteger").Number(); v != "" {
				return v
			}
		}
	}
	return ""
}

// carried is the weight on an answer, an option, or its value: it wins over every table.
func carried(holder tree.Node) string {
	if w := weightOf(holder); w != "" {
		return w
	}
	for m := range holder.Children() {
		key := m.Key()
		if strings.HasPrefix(key, "value") || strings.HasPrefix(key, "_value") {
			if w := weightOf(m); w != "" {
				return w
			}
		}
	}
	return ""
}

// weights are the weights of one questionnaire's options, and of the code systems that are known.
type weights struct {
	items   map[string]*options
	systems map[string]string // system|code to the weight, "" for a concept without one
	// plain: some weighted option is no coding. Such a value does not know its item, only its answer does.
	plain bool
}

// options are what one item may be answered with.
type options struct {
	byKey  map[string]string // key of the value to its weight, "" for an option without one
	byCode map[string]string // code alone, where one option has it
	open   bool              // other answers are allowed
}

// keyOf tells values apart: a coding by system and code, anything else by its type and text.
func keyOf(holder tree.Node) (key, code string) {
	for m := range holder.Children() {
		name := m.Key()
		switch {
		case name == "valueCoding":
			code := m.Child("code").Text()
			return m.Child("system").Text() + "|" + code, code
		case strings.HasPrefix(name, "value") && m.Kind() != tree.Object:
			return name + "=" + strings.Trim(string(m.Raw()), `"`), ""
		}
	}
	return "", ""
}

func (o *options) add(key, code, weight string) {
	if key == "" || key == "|" {
		return
	}
	if old, twice := o.byKey[key]; !twice || old == "" {
		o.byKey[key] = weight
	}
	if code == "" {
		return
	}
	if old, twice := o.byCode[code]; twice && old != weight {
		weight = ambiguous
	}
	o.byCode[code] = weight
}

// ambiguous marks a code that stands for several weights, so that it alone says nothing.
const ambiguous = "?"

// of finds the weight of an answer to an item. Known says whether the answer is among what may be answered, with or
// without a weight.
func (w *weights) of(linkID string, answer tree.Node) (weight string, known bool) {
	if weight := carried(answer); weight != "" {
		return weight, true
	}
	key, code := keyOf(answer)
	if key == "" {
		return "", true // nothing that could have a weight
	}
	if w == nil || w.items[linkID] == nil {
		return "", false
	}
	o := w.items[linkID]
	if weight, known = o.byKey[key]; known {
		return weight, true
	}
	if !answer.Child("valueCoding").Exists() {
		return "", true
	}
	if weight, known = o.byCode[code]; known && strings.HasPrefix(key, "|") {
		return strings.TrimSuffix(weight, ambiguous), weight != ambiguous
	}
	if len(o.byKey) > 0 && !o.open {
		return "", false
	}
	weight, known = w.systems[key]
	return weight, known
}

// weigh is weight() and ordinal(): of answers and of their values.
func weigh(r *run, in types.Collection, _ []types.Collection, column int) (types.Collection, error) {
	out := types.Collection{}
	for _, v := range in {
		object, ok := v.(*types.ObjectValue)
		if !ok || len(object.Data()) == 0 {
			if r.weights != nil && r.weights.plain {
				r.unmatched++
			}
			continue
		}
		weight, known := r.weightOf(object)
		if !known {
			r.unmatched++
		}
		if weight == "" {
			continue
		}
		d, err := types.NewDecimal(weight)
		if err != nil {
			return nil, &failure{"value", "the weight of an option is no number", column}
		}
		if d, err = sound(d, column); err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	return out, nil
}

// weightOf finds the answer that a value stands in by where its bytes begin, or reads the value by itself.
func (r *run) weightOf(object *types.ObjectValue) (weight string, known bool) {
	if place, ok := r.resource.places[&object.Data()[0]]; ok {
		return r.weights.of(place.linkID, place.answer)
	}
	doc, err := tree.Parse(object.Data(), tree.Limits{})
	if err != nil {
		return "", false
	}
	root := doc.Root()
	if weight := carried(root); weight != "" {
		return weight, true
	}
	if r.weights == nil || object.Type() != "Coding" {
		return "", object.Type() != "Coding"
	}
	weight, known = r.weights.systems[root.Child("system").Text()+"|"+root.Child("code").Text()]
	return weight, known
}
