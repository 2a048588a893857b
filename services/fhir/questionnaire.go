package fhir

import (
	"strconv"
	"strings"
	"time"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/form"
	"github.com/rapport-health/rapport/services/domain/response"
	"github.com/rapport-health/rapport/services/fhir/tree"
)

// ReadForm reads a Questionnaire, in the spellings of R4 and of Structured Data Capture. Value sets are looked for in
// what it contains, or what the resource that contains it contains, and else in sets, which may be nil. The issues say,
// at the FHIRPath of the Questionnaire, what is wrong with it, what of it is not supported, and what is left out of
// account; where one is an error nobody can say what the form asks, and it is nil.
func ReadForm(n tree.Node, sets ValueSets) (*form.Form, []fault.Issue) {
	c := checker{structure: loadStructure()}
	c.resource(n)
	if c.errors == 0 && !n.Child("resourceType").Is("Questionnaire") {
		c.fail("structure", n.Child("resourceType"), "only a Questionnaire can be read as a form")
	}
	if c.errors > 0 {
		return nil, c.issues
	}
	r := formReader{checker: &c, terms: NewTerminology(sets)}
	r.terms.contain(n.Parent())
	r.terms.contain(n.Child("contained"))
	f := r.form(n)
	if r.offered > mostOffered {
		r.fail("too-costly", n, "its questions offer more than %d answers in all: it is kept, and cannot be used", mostOffered)
		return nil, c.issues
	}
	made, issues := form.New(f)
	issues = append(c.issues, issues...)
	if fault.Any(issues) {
		return nil, issues
	}
	return made, issues
}

// formReader reads one Questionnaire.
type formReader struct {
	*checker
	terms *Terminology
	// offered is how many answers its questions offer in all.
	offered int
}

// mostOffered bounds the answers that the questions of one form offer in all, since a short body can name a long value
// set in every item.
const mostOffered = 50_000

func (r *formReader) form(n tree.Node) form.Form {
	f := form.Form{
		URL: n.Child("url").Text(), Version: n.Child("version").Text(), Title: n.Child("title").Text(),
		Status: n.Child("status").Text(), Codes: codesOf(n),
	}
	period := n.Child("effectivePeriod")
	f.From, _, _ = Interval(period.Child("start"), time.UTC)
	_, f.To, _ = Interval(period.Child("end"), time.UTC)
	r.modifiers(n)
	r.foreign(n)
	f.Items = r.items(n.Child("item"))
	return f
}

// codesOf are the codes of a form or an item, as `system|code`.
func codesOf(n tree.Node) (out []string) {
	for c := n.Child("code").First(); c.Exists(); c = c.Next() {
		if t := token(c); t != "" {
			out = append(out, t)
		}
	}
	return out
}

func (r *formReader) items(n tree.Node) []form.Item {
	if !n.Exists() {
		return nil
	}
	out := make([]form.Item, 0, n.Len())
	for item := n.First(); item.Exists(); item = item.Next() {
		out = append(out, r.item(item))
	}
	return out
}

func (r *formReader) item(n tree.Node) form.Item {
	item := form.Item{
		LinkID: n.Child("linkId").Text(), Path: n.Path(), Type: form.Type(n.Child("type").Text()),
		Text: n.Child("text").Text(), Prefix: n.Child("prefix").Text(), Codes: codesOf(n),
		EnableBehavior: n.Child("enableBehavior").Text(), ValueSet: n.Child("answerValueSet").Text(),
	}
	item.Required, _ = n.Child("required").Bool()
	item.Repeats, _ = n.Child("repeats").Bool()
	item.ReadOnly, _ = n.Child("readOnly").Bool()
	item.MaxLength = count32(n.Child("maxLength"))
	r.modifiers(n)
	for x := n.Child("extension").First(); x.Exists(); x = x.Next() {
		r.extension(&item, x)
	}
	r.foreign(n)
	r.options(&item, n)
	for w := n.Child("enableWhen").First(); w.Exists(); w = w.Next() {
		item.EnableWhen = append(item.EnableWhen, form.Condition{
			Question: w.Child("question").Text(), Operator: w.Child("operator").Text(), Answer: valueOf(w, "answer"),
		})
	}
	item.Items = r.items(n.Child("item"))
	return item
}

// count32 is a number of things; 0 when it is not said.
func count32(n tree.Node) int {
	v, err := strconv.ParseFloat(n.Number(), 64)
	if err != nil || v < 0 || v > 1<<31 {
		return 0
	}
	return int(v)
}

// valueOf is the value[x] or answer[x] of an element.
func valueOf(n tree.Node, stem string) form.Value {
	for child := n.First(); child.Exists(); child = child.Next() {
		kind, ok := strings.CutPrefix(string(child.KeyBytes()), stem)
		if !ok || kind == "" || kind[0] < 'A' || kind[0] > 'Z' {
			continue
		}
		var a response.Answer
		literal(&a, child, kind)
		return form.Value{Kind: a.Kind, System: a.System, Code: a.Code, Display: a.Display, Text: a.Text, Number: a.Number}
	}
	return form.Value{}
}

// options reads the list of answers, and the weight of each: at the option, at its coding, or in its code system.
func (r *formReader) options(item *form.Item, n tree.Node) {
	if n.Child("answerOption").Exists() && item.ValueSet != "" {
		r.fail("invariant", n, "options stand either in answerOption or in answerValueSet (que-4)")
		return
	}
	if item.ValueSet != "" {
		options, known := r.terms.ValueSet(item.ValueSet)
		if r.offered += len(options); r.offered > mostOffered {
			return
		}
		item.Options, item.Unresolved = options, !known
		return
	}
	if r.offered += n.Child("answerOption").Len(); r.offered > mostOffered {
		return
	}
	for o := n.Child("answerOption").First(); o.Exists(); o = o.Next() {
		r.modifiers(o)
		option := form.Option{Value: valueOf(o, "value"), Weight: weightAt(o, nil)}
		if option.Kind == "" {
			continue
		}
		if coding := o.Child("valueCoding"); option.Weight == nil && coding.Exists() {
			if option.Weight = weightAt(coding, nil); option.Weight == nil {
				option.Weight = r.terms.weight(option.System, option.Code)
			}
		}
		for x := o.Child("extension").First(); x.Exists(); x = x.Next() {
			if extensionName(x) == "optionExclusive" {
				option.Exclusive, _ = x.Child("valueBoolean").Bool()
			}
		}
		item.Options = append(item.Options, option)
	}
}

const sdc = "http://hl7.org/fhir/uv/sdc/StructureDefinition/"

// extensionName is what an extension of R4 or of Structured Data Capture is about: `minOccurs` for both
// questionnaire-minOccurs and sdc-questionnaire-minOccurs. It is empty for an extension of anybody else.
func extensionName(x tree.Node) string {
	url := x.Child("url").Text()
	name, ours := strings.CutPrefix(url, sd)
	if !ours {
		if name, ours = strings.CutPrefix(url, sdc); !ours {
			return ""
		}
	}
	return strings.TrimPrefix(strings.TrimPrefix(name, "sdc-"), "questionnaire-")
}

// extension reads what an extension says of an item.
func (r *formReader) extension(item *form.Item, x tree.Node) {
	switch extensionName(x) {
	case "hidden":
		item.Hidden, _ = x.Child("valueBoolean").Bool()
	case "minOccurs":
		item.MinOccurs = count32(x.Child("valueInteger"))
	case "maxOccurs":
		item.MaxOccurs = count32(x.Child("valueInteger"))
	case "minLength":
		item.MinLength = count32(x.Child("valueInteger"))
	case "maxDecimalPlaces":
		places := count32(x.Child("valueInteger"))
		item.Decimals = &places
	case "minValue", "minQuantity":
		item.Min = r.bound(x)
	case "maxValue", "maxQuantity":
		item.Max = r.bound(x)
	case "regex":
		item.Regex = x.Child("valueString").Text()
	case "unit", "unitOption":
		item.Units = append(item.Units, valueOf(x, "value"))
	case "unitValueSet":
		r.units(item, x)
	case "unitOpen":
		item.UnitsOpen = true
	case "referenceResource", "allowedResource":
		item.References = append(item.References, x.Child("valueCode").Text())
	case "mimeType":
		item.Mimes = append(item.Mimes, x.Child("valueCode").Text())
	case "maxSize":
		item.MaxSize, _ = number(x.Child("valueDecimal").Number())
	case "enableWhenExpression":
		item.EnableExpression = true
	}
}

// bound is a smallest or largest value. One that is computed is not known.
func (r *formReader) bound(x tree.Node) *form.Value {
	v := valueOf(x, "value")
	if v.Number == "" && v.Text == "" {
		r.warn("not-supported", x, "a bound that is computed is left out of account")
		return nil
	}
	return &v
}

func (r *formReader) units(item *form.Item, x tree.Node) {
	options, known := r.terms.ValueSet(valueOf(x, "value").Text)
	if r.offered += len(options); r.offered > mostOffered {
		return
	}
	if !known {
		r.warn("not-found", x, "the value set of the units is not known: any unit is taken")
		item.UnitsOpen = true
	}
	for _, o := range options {
		item.Units = append(item.Units, o.Value)
	}
}

// unsupported are the extensions that change what is asked or what may be answered in a way that is not evaluated.
var unsupported = map[string]string{
	"answerExpression":              "answers offered by an expression are not known: any answer is taken",
	"answerOptionsToggleExpression": "all options count as offered",
	"questionnaireAdaptive":         "an adaptive form chooses its questions while it is filled in: responses are held against the items listed here",
	"subQuestionnaire":              "a modular form must be assembled first: the items of its parts are not known",
	"lookupQuestionnaire":           "the form that answers this item is not known",
	"constraint":                    "the constraint is not evaluated",
	"targetConstraint":              "the constraint is not evaluated",
}

// foreign says which extensions of a form or an item are not supported.
func (r *formReader) foreign(n tree.Node) {
	for x := n.Child("extension").First(); x.Exists(); x = x.Next() {
		if why, ok := unsupported[extensionName(x)]; ok {
			r.warn("not-supported", x, "%s", why)
		}
	}
	if computed := n.Child("_required").Child("extension"); computed.Exists() {
		r.warn("not-supported", n.Child("_required"), "whether the item is required is computed, and not evaluated")
	}
}

// modifiers refuses extensions that may change the meaning, save those about how a form looks.
func (r *formReader) modifiers(n tree.Node) {
	for x := n.Child("modifierExtension").First(); x.Exists(); x = x.Next() {
		if !x.Child("url").Is(sdc + "sdc-rendering-criticalExtension") {
			r.fail("not-supported", x, "a modifierExtension that is not understood may change the meaning of the form")
		}
	}
}
