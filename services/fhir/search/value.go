package search

import (
	"strconv"
	"strings"
	"time"

	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/fhir"
	"github.com/rapport-health/rapport/services/fhir/tree"
)

// Value is one value that a resource can be found by. Which fields count depends on the type of the parameter.
type Value struct {
	// System and Code of a token; of a quantity its unit, whose name is Text.
	System, Code string
	// Text of a string, of a canonical or other URI, and beside a code.
	Text string
	// From and To bound a date, To exclusive; zero where open.
	From, To time.Time
	// Ref is where a reference leads, as Rapport names it; the Type is empty where the reference does not say it.
	Ref ref.Resource
	// Low and High bound a number.
	Low, High float64
	// Bare says that a number has no unit.
	Bare bool
}

// Document is a resource to be looked at.
type Document struct {
	// Type of the resource.
	Type string
	// Root gives its JSON. It is called at most once, and not at all when Known answers for every parameter.
	Root func() tree.Node
	// Known answers for a parameter without the JSON; nil, or false, where it cannot.
	Known func(*Param) ([]Value, bool)
	// Source whose ids its references bear, and the Namer that makes them ours; no Source where they are ours.
	Source ref.Source
	Namer  ref.Namer
	// Patient it is about, as Rapport knows them; empty for none.
	Patient ref.Patient
	// Zone is where a date without a time is a day; nil means UTC.
	Zone *time.Location

	root   tree.Node
	looked bool
}

func (d *Document) node() tree.Node {
	if !d.looked {
		d.root, d.looked = d.Root(), true
	}
	return d.root
}

// Values of the document under a parameter that is no composite.
func (d *Document) Values(p *Param) []Value {
	if d.Known != nil {
		if known, ok := d.Known(p); ok {
			return known
		}
	}
	out := d.valuesAt(p, d.node())
	if d.Patient != "" && (p.Name == "patient" || p.Name == "subject") {
		out = append(out, Value{Ref: ref.Resource{Type: "Patient", ID: string(d.Patient)}})
	}
	return out
}

func (d *Document) valuesAt(p *Param, from tree.Node) []Value {
	var out []Value
	for _, one := range p.paths {
		one.each(from, func(n tree.Node, last step) { out = d.add(out, p, n, last) })
		if len(one) > 0 && one[len(one)-1].is && len(out) == 0 {
			out = append(out, Value{Code: "false"})
		}
	}
	return out
}

func (d *Document) add(out []Value, p *Param, n tree.Node, last step) []Value {
	switch p.Type {
	case Token:
		if last.is {
			is, boolean := n.Bool()
			return append(out, Value{Code: strconv.FormatBool(is || !boolean)})
		}
		return addTokens(out, n, systems[p.Of+"."+p.Name])
	case Date:
		return d.addDate(out, n)
	case Reference:
		if p.Canonical() {
			return append(out, Value{Text: n.Text()})
		}
		v := d.reference(n)
		if last.target != "" && v.Ref.Type != "" && v.Ref.Type != last.target {
			return out
		}
		return append(out, v)
	case String:
		return addStrings(out, n)
	case Quantity, Number:
		return addNumber(out, n)
	case URI:
		return append(out, Value{Text: n.Text()})
	default:
		return out
	}
}

// systems of codes that bear none on the wire.
var systems = map[string]string{
	"Observation.status": "http://hl7.org/fhir/observation-status", "DetectedIssue.status": "http://hl7.org/fhir/observation-status",
	"DetectedIssue.severity":       "http://hl7.org/fhir/detectedissue-severity",
	"QuestionnaireResponse.status": "http://hl7.org/fhir/questionnaire-answers-status",
	"Appointment.status":           "http://hl7.org/fhir/appointmentstatus", "Appointment.part-status": "http://hl7.org/fhir/participationstatus",
	"Encounter.status": "http://hl7.org/fhir/encounter-status", "EpisodeOfCare.status": "http://hl7.org/fhir/episode-of-care-status",
	"ServiceRequest.status": "http://hl7.org/fhir/request-status", "ServiceRequest.intent": "http://hl7.org/fhir/request-intent",
	"ServiceRequest.priority": "http://hl7.org/fhir/request-priority", "CareTeam.status": "http://hl7.org/fhir/care-team-status",
	"Goal.lifecycle-status": "http://hl7.org/fhir/goal-status", "Questionnaire.status": "http://hl7.org/fhir/publication-status",
	"CodeSystem.status": "http://hl7.org/fhir/publication-status", "SearchParameter.status": "http://hl7.org/fhir/publication-status",
	"StructureDefinition.status": "http://hl7.org/fhir/publication-status", "Task.status": "http://hl7.org/fhir/task-status",
	"Patient.gender": genderSystem, "Practitioner.gender": genderSystem, "RelatedPerson.gender": genderSystem,
}

const genderSystem = "http://hl7.org/fhir/administrative-gender"

// addTokens reads a code, boolean, Coding, CodeableConcept, Identifier or ContactPoint.
func addTokens(out []Value, n tree.Node, system string) []Value {
	switch n.Kind() {
	case tree.String:
		return append(out, Value{System: system, Code: n.Text()})
	case tree.Bool:
		is, _ := n.Bool()
		return append(out, Value{Code: strconv.FormatBool(is)})
	}
	text := n.Child("text").Text()
	if codings := n.Child("coding"); codings.Exists() {
		for c := codings.First(); c.Exists(); c = c.Next() {
			out = append(out, Value{System: c.Child("system").Text(), Code: c.Child("code").Text(), Text: either(text, c.Child("display").Text())})
		}
		return out
	}
	if value := n.Child("value"); value.Exists() { // an Identifier, or a ContactPoint, whose system is a code
		v := Value{System: n.Child("system").Text(), Code: value.Text(), Text: n.Child("type").Child("text").Text()}
		if n.Child("use").Exists() && !strings.Contains(v.System, ":") {
			v.Text = v.System
		}
		return append(out, v)
	}
	if n.Child("code").Exists() || n.Child("system").Exists() {
		return append(out, Value{System: n.Child("system").Text(), Code: n.Child("code").Text(), Text: n.Child("display").Text()})
	}
	if text != "" {
		return append(out, Value{Text: text})
	}
	return out
}

func either(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// addDate reads a date, dateTime, instant, Period or Timing.
func (d *Document) addDate(out []Value, n tree.Node) []Value {
	zone := d.Zone
	if zone == nil {
		zone = time.UTC
	}
	if n.Kind() == tree.String {
		from, to, ok := fhir.Interval(n, zone)
		if !ok {
			return out
		}
		return append(out, Value{From: from, To: to})
	}
	if events := n.Child("event"); events.Exists() {
		for e := events.First(); e.Exists(); e = e.Next() {
			out = d.addDate(out, e)
		}
		return out
	}
	if bounds := n.Child("repeat").Child("boundsPeriod"); bounds.Exists() {
		n = bounds
	}
	var v Value
	if from, _, ok := fhir.Interval(n.Child("start"), zone); ok {
		v.From = from
	}
	if _, to, ok := fhir.Interval(n.Child("end"), zone); ok {
		v.To = to
	}
	if v.From.IsZero() && v.To.IsZero() {
		return out
	}
	return append(out, v)
}

// reference reads where a Reference leads: `Type/id`, with or without a base before it and a version behind it, or
// urn:uuid; and its identifier.
func (d *Document) reference(n tree.Node) Value {
	v := Value{System: n.Child("identifier").Child("system").Text(), Code: n.Child("identifier").Child("value").Text()}
	text, _, conditional := strings.Cut(n.Child("reference").Text(), "?")
	if conditional {
		return v
	}
	text, _, _ = strings.Cut(text, "/_history/")
	typ, id := n.Child("type").Text(), ""
	if of, ok := strings.CutPrefix(text, "urn:uuid:"); ok {
		id = of
	} else if slash := strings.LastIndexByte(text, '/'); slash > 0 {
		id = text[slash+1:]
		typ = text[strings.LastIndexByte(text[:slash], '/')+1 : slash]
	}
	if !ref.ValidID(id) || typ == "Patient" && d.astray(text) {
		return v
	}
	if d.Source != "" {
		id = d.Namer.ID(d.Source, id)
	}
	v.Ref = ref.Resource{Type: typ, ID: id}
	return v
}

// astray says whether an absolute reference leads to a patient of another server: then the resource is about none of ours.
func (d *Document) astray(text string) bool {
	return d.Source != "" && d.Patient == "" && d.Type != "Group" && strings.Contains(text, "://")
}

// addStrings reads a string, or the parts of a HumanName or Address.
func addStrings(out []Value, n tree.Node) []Value {
	switch n.Kind() {
	case tree.String:
		return append(out, Value{Text: n.Text()})
	case tree.Array:
		for e := n.First(); e.Exists(); e = e.Next() {
			out = addStrings(out, e)
		}
	case tree.Object:
		for m := n.First(); m.Exists(); m = m.Next() {
			switch m.Key() {
			case "text", "family", "given", "prefix", "suffix", "line", "city", "district", "state", "postalCode", "country":
				out = addStrings(out, m)
			}
		}
	}
	return out
}

// addNumber reads a number, a Quantity, or a Range.
func addNumber(out []Value, n tree.Node) []Value {
	if n.Kind() == tree.Number {
		if x, err := strconv.ParseFloat(n.Number(), 64); err == nil {
			out = append(out, Value{Low: x, High: x, Bare: true})
		}
		return out
	}
	low, high := n.Child("value"), n.Child("value")
	unit := n
	if n.Child("low").Exists() || n.Child("high").Exists() {
		low, high, unit = n.Child("low").Child("value"), n.Child("high").Child("value"), n.Child("low")
	}
	v := Value{System: unit.Child("system").Text(), Code: unit.Child("code").Text(), Text: unit.Child("unit").Text()}
	var err, err2 error
	v.Low, err = strconv.ParseFloat(low.Number(), 64)
	v.High, err2 = strconv.ParseFloat(high.Number(), 64)
	if err != nil || err2 != nil {
		return out
	}
	v.Bare = v.System == "" && v.Code == "" && v.Text == ""
	return append(out, v)
}
