// Package search is FHIR search as data and tests: what a resource can be found by, and whether it meets what is asked for.
//
// The table of parameters follows the official SearchParameters of R4; a test holds the two together. A resource is never
// indexed whole: a few marks lead to candidates, and whether a candidate is a match is decided on its JSON, so that what
// was sent and what is derived are found alike.
package search

import (
	"cmp"
	_ "embed"
	"slices"
	"strings"
	"sync"
)

// Type of a parameter, in FHIR's words.
type Type string

// The types.
const (
	Token     Type = "token"
	Date      Type = "date"
	Reference Type = "reference"
	String    Type = "string"
	Quantity  Type = "quantity"
	Number    Type = "number"
	URI       Type = "uri"
	Composite Type = "composite"
)

// Param is one search parameter of one resource type.
type Param struct {
	// Name as it stands in a URL.
	Name string
	// Of is the resource type.
	Of string
	// Type of its values.
	Type Type
	// Definition is the canonical URL of its SearchParameter.
	Definition string
	// Targets are the types that a reference may lead to; none for any.
	Targets []string
	// paths of its values; of a composite, of the elements whose parts must match together.
	paths []path
	// parts of a composite.
	parts []Param
}

// Canonical says that a reference is a canonical URL, not a Reference.
func (p *Param) Canonical() bool {
	return p.Type == Reference && slices.Contains(canonicals, p.Of+"."+p.Name)
}

// canonicals are the reference parameters over elements of type canonical.
var canonicals = []string{
	"QuestionnaireResponse.questionnaire", "ServiceRequest.instantiates-canonical", "Task.instantiates-canonical",
	"Communication.instantiates-canonical", "CodeSystem.supplements", "StructureDefinition.base", "StructureDefinition.valueset",
	"MeasureReport.measure", "Questionnaire.derived-from",
}

// LeadsTo says whether a reference may lead to a type.
func (p *Param) LeadsTo(typ string) bool {
	return p.Type == Reference && (len(p.Targets) == 0 || slices.Contains(p.Targets, typ))
}

// definitions: official ones begin with official, ours with own.
const (
	official = "http://hl7.org/fhir/SearchParameter/"
	own      = "https://github.com/rapport-health/rapport/fhir/SearchParameter/"
)

// paramLines has one parameter a line: type, name, kind, definition, paths, targets, and of a composite its parts.
//
//go:embed params.txt
var paramLines string

// ownLines has those that R4 lacks.
const ownLines = `
CareTeam|role|token|own:careteam-role|participant.role|
DetectedIssue|severity|token|own:detectedissue-severity|severity|
DetectedIssue|status|token|own:detectedissue-status|status|
Flag|category|token|own:flag-category|category|
Flag|status|token|own:flag-status|status|
|_profile|uri|Resource-profile|meta.profile|
|_security|token|Resource-security|meta.security|
|_source|uri|Resource-source|meta.source|
|_tag|token|Resource-tag|meta.tag|
`

// tables are read once, when they are first asked for.
var tables = sync.OnceValue(func() map[string][]Param {
	out := map[string][]Param{}
	for line := range strings.Lines(paramLines + ownLines) {
		fields := strings.Split(strings.TrimSuffix(line, "\n"), "|")
		if len(fields) < 6 {
			continue
		}
		p := Param{Of: fields[0], Name: fields[1], Type: Type(fields[2]), Definition: official + fields[3]}
		if mine, ok := strings.CutPrefix(fields[3], "own:"); ok {
			p.Definition = own + mine
		}
		p.paths = pathsOf(&p, fields[4])
		p.Targets = strings.Fields(fields[5])
		for _, part := range fields[6:] {
			kind, texts, _ := strings.Cut(part, " ")
			one := Param{Of: p.Of, Name: p.Name, Type: Type(kind)}
			one.paths = pathsOf(&one, texts)
			p.parts = append(p.parts, one)
		}
		out[p.Of] = append(out[p.Of], p)
	}
	for _, list := range out {
		slices.SortFunc(list, func(a, b Param) int { return cmp.Compare(a.Name, b.Name) })
	}
	return out
})

// pathsOf reads the paths of a parameter. R4 has no parameter over whole numbers, though scores are such: what finds the
// Quantities of an Observation finds them too.
func pathsOf(p *Param, texts string) (out []path) {
	for text := range strings.FieldsSeq(texts) {
		out = append(out, parsePath(text))
		if whole, ok := strings.CutSuffix(text, "valueQuantity"); ok && p.Of == "Observation" {
			out = append(out, parsePath(whole+"valueInteger"))
		}
	}
	return out
}

// Params of a resource type, by name; those that every type has when the type is empty. They must not be changed.
func Params(typ string) []Param { return tables()[typ] }

// Find a parameter of a type; nil when the type has none of that name.
func Find(typ, name string) *Param {
	if strings.HasPrefix(name, "_") {
		typ = ""
	}
	list := tables()[typ]
	at, ok := slices.BinarySearchFunc(list, name, func(p Param, name string) int { return cmp.Compare(p.Name, name) })
	if !ok {
		return nil
	}
	return &list[at]
}
