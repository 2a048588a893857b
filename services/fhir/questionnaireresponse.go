package fhir

import (
	"strconv"
	"strings"

	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/domain/response"
	"github.com/rapport-health/rapport/services/fhir/tree"
)

// response reads a QuestionnaireResponse.
func (w *work) response() {
	w.subject(w.root.Child("subject"))
	named := w.questionnaireName()
	w.responseCodes(named)
	from, to, _ := Interval(w.root.Child("authored"), w.zone)
	w.effective(from, to)
	w.rated()
	if to := w.reference(w.root.Child("encounter"), "Encounter"); to.typ == "Encounter" {
		w.out.Encounter = to.String()
	}
	w.out.Respondent = w.answeredBy()
	if status := w.root.Child("status"); status.Is("entered-in-error") {
		w.out.Void = true
		w.inform(status, "entered in error: what was taken from it is withdrawn")
	}
	w.out.Draft = &response.Draft{
		Questionnaire: named, Status: w.root.Child("status").Text(), Authored: w.out.From,
		Items: w.items(w.root.Child("item"), w.root.Path(), w.definedCodes(named)),
	}
}

// questionnaireName is what the response names: a questionnaire, or by US Core's extension a form that is no FHIR resource.
func (w *work) questionnaireName() string {
	const formURI = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-extension-questionnaire-uri"
	if named := w.root.Child("questionnaire").Text(); named != "" {
		return named
	}
	return extension(w.root.Child("_questionnaire"), formURI).Child("valueUri").Text()
}

func (w *work) responseCodes(named string) {
	url, version, _ := strings.Cut(named, "|")
	w.canonical(url, version)
}

// answeredBy is who gave the answers: the source, else the author; empty when neither says. A clinician who is only the
// author may have written down what the patient said, so that says nothing.
func (w *work) answeredBy() string {
	source := w.root.Child("source")
	if !source.Exists() {
		const r5 = "http://hl7.org/fhir/5.0/StructureDefinition/extension-QuestionnaireResponse.source"
		source = extension(w.root, r5).Child("valueReference")
	}
	if who := w.respondent(source); who != "" || source.Exists() {
		return who
	}
	if who := w.respondent(w.root.Child("author")); who != clinician {
		return who
	}
	return ""
}

// rated enters the clinician whom the answers are about: by extension, or by an answer that refers to one; for a
// clinician's own rating the clinician who answered.
func (w *work) rated() {
	w.out.Clinician = w.clinician(extension(w.root, ratedClinician).Child("valueReference"), "Practitioner")
	if w.out.Clinician == "" {
		w.out.Clinician = w.answeredClinician(w.root.Child("item"))
	}
	if w.out.Clinician == "" {
		w.out.Clinician = w.clinician(w.root.Child("source"), "")
	}
}

func (w *work) answeredClinician(items tree.Node) ref.Clinician {
	for item := items.First(); item.Exists(); item = item.Next() {
		for answer := item.Child("answer").First(); answer.Exists(); answer = answer.Next() {
			if n := answer.Child("valueReference"); n.Exists() {
				if c := w.clinician(n, ""); c != "" {
					return c
				}
			}
			if c := w.answeredClinician(answer.Child("item")); c != "" {
				return c
			}
		}
		if c := w.answeredClinician(item.Child("item")); c != "" {
			return c
		}
	}
	return ""
}

// definedCodes are the codes that a contained Questionnaire gives its items, by linkId.
func (w *work) definedCodes(named string) map[string][]string {
	id, ok := strings.CutPrefix(named, "#")
	if !ok {
		return nil
	}
	for n := w.root.Child("contained").First(); n.Exists(); n = n.Next() {
		if n.Child("id").Is(id) && n.Child("resourceType").Is("Questionnaire") {
			codes := map[string][]string{}
			define(codes, n.Child("item"))
			return codes
		}
	}
	return nil
}

func define(codes map[string][]string, items tree.Node) {
	for item := items.First(); item.Exists(); item = item.Next() {
		link := item.Child("linkId").Text()
		for c := item.Child("code").First(); c.Exists(); c = c.Next() {
			if t := token(c); t != "" {
				codes[link] = append(codes[link], t)
			}
		}
		define(codes, item.Child("item"))
	}
}

// items reads one level of items below the element at path.
func (w *work) items(n tree.Node, path string, defined map[string][]string) []response.Item {
	if !n.Exists() {
		return nil
	}
	out := make([]response.Item, 0, n.Len())
	for item := n.First(); item.Exists(); item = item.Next() {
		read := response.Item{LinkID: item.Child("linkId").Text(), Path: indexed(path, ".item[", len(out))}
		read.Text = item.Child("text").Text()
		read.Codes = append(itemCodes(item), defined[read.LinkID]...)
		if m := item.Child("modifierExtension"); m.Exists() {
			w.unused(m, "modifierExtension is not understood and may change the meaning: the item counts as unanswered")
		} else {
			read.Answers = w.answers(item.Child("answer"), read.Path, defined)
			read.Items = w.items(item.Child("item"), read.Path, defined)
		}
		out = append(out, read)
	}
	return out
}

// itemCodes are the codes of an item by extension, or by a definition that is a LOINC code.
func itemCodes(item tree.Node) []string {
	var codes []string
	for x := item.Child("extension").First(); x.Exists(); x = x.Next() {
		if !x.Child("url").Is(itemCode) {
			continue
		}
		if t := token(x.Child("valueCoding")); t != "" {
			codes = append(codes, t)
		}
		codes = append(codes, tokens(x.Child("valueCodeableConcept"))...)
	}
	if rest, ok := strings.CutPrefix(item.Child("definition").Text(), loinc+"/"); ok {
		codes = append(codes, loinc+"|"+rest[strings.LastIndexByte(rest, '/')+1:])
	}
	return codes
}

// indexed is the path of the element i of a repeating member. It is tree.Node.Path, built from the parent's.
func indexed(path, member string, i int) string { return path + member + strconv.Itoa(i) + "]" }

// answers reads the answers of the item at path.
func (w *work) answers(n tree.Node, path string, defined map[string][]string) []response.Answer {
	if !n.Exists() {
		return nil
	}
	out := make([]response.Answer, 0, n.Len())
	for answer := n.First(); answer.Exists(); answer = answer.Next() {
		read := response.Answer{Path: indexed(path, ".answer[", len(out))}
		if m := answer.Child("modifierExtension"); m.Exists() {
			w.unused(m, "modifierExtension is not understood and may change the meaning: the answer does not count")
			out = append(out, read)
			continue
		}
		v, kind := value(answer)
		literal(&read, v, kind)
		if read.Weight == "" {
			read.Weight = weight(answer)
		}
		read.Items = w.items(answer.Child("item"), read.Path, defined)
		out = append(out, read)
	}
	return out
}

// literal enters the value of an answer in the shape in which it was sent.
func literal(to *response.Answer, v tree.Node, kind string) {
	to.Kind = kind
	switch kind {
	case "Coding":
		to.System, to.Code, to.Display = v.Child("system").Text(), v.Child("code").Text(), v.Child("display").Text()
		to.Weight = weight(v)
	case "Quantity":
		to.Number = v.Child("value").Number()
		to.System, to.Code, to.Display = v.Child("system").Text(), v.Child("code").Text(), v.Child("unit").Text()
		if to.Text = v.Child("comparator").Text(); to.Text != "" { // `<3` is not 3
			to.Number = ""
		}
	case "Attachment":
		to.Code, to.Number = v.Child("contentType").Text(), v.Child("size").Number()
	case "Integer", "Decimal":
		to.Number = v.Number()
	case "Boolean":
		to.Text = string(v.Raw())
	case "Reference":
		to.Text = v.Child("reference").Text()
	default:
		to.Text = v.Text()
	}
}

// value is the value[x] of an element, and the suffix that names its type; absent when there is none.
func value(n tree.Node) (v tree.Node, kind string) {
	for child := n.First(); child.Exists(); child = child.Next() {
		key := child.KeyBytes()
		if len(key) > 5 && string(key[:5]) == "value" && key[5] >= 'A' && key[5] <= 'Z' {
			return child, string(key[5:])
		}
	}
	return tree.Node{}, ""
}
