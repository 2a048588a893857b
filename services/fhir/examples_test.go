package fhir

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/fhir/tree"
	"github.com/rapport-health/rapport/services/testbed"
)

var update = flag.Bool("update", false, "write r4.txt anew from the StructureDefinitions")

func TestEveryOfficialExampleKeepsItsBytes(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(testbed.Examples(t, "hl7.fhir.r4.examples"), "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	parsed := 0
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		doc, err := tree.Parse(raw, tree.Limits{Bytes: 64 << 20})
		if err != nil {
			t.Logf("%s: %v", filepath.Base(file), fault.IssuesOf(err)[0])
			continue
		}
		parsed++
		if !bytes.Equal(bytes.TrimSpace(raw), doc.Raw()) || !bytes.Equal(doc.Raw(), tree.Rewrite(doc, nil)) {
			t.Errorf("%s: the bytes changed", filepath.Base(file))
		}
		served := tree.Splice(raw, "new", "2", time.Unix(1_800_000_000, 0))
		again, err := tree.Parse(served, tree.Limits{Bytes: 64 << 20})
		if err != nil || again.Root().Child("id").Text() != "new" || again.Root().Child("meta").Child("versionId").Text() != "2" {
			t.Errorf("%s: spliced: %v", filepath.Base(file), err)
			continue
		}
		if before, after := others(doc), others(again); before != after {
			t.Errorf("%s: splicing changed other members", filepath.Base(file))
		}
	}
	t.Logf("%d of %d files are strict JSON", parsed, len(files))
}

// others is the text of all members but those that the server sets.
func others(doc *tree.Doc) string {
	var b strings.Builder
	for n := range doc.Root().Children() {
		if key := n.Key(); key != "id" && key != "meta" {
			b.WriteString(key + ":" + string(n.Raw()) + ",")
			continue
		}
		for m := range n.Children() {
			if key := m.Key(); key != "versionId" && key != "lastUpdated" {
				b.WriteString(key + ":" + string(m.Raw()) + ",")
			}
		}
	}
	return b.String()
}

func TestSchemaMatchesTheStructureDefinitions(t *testing.T) {
	got := generate(t, testbed.Examples(t, "hl7.fhir.r4.examples"))
	if *update {
		if err := os.WriteFile("r4.txt", []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got != r4 {
		t.Error("r4.txt differs from the StructureDefinitions: run with -update and look at the difference")
	}
}

// schemaTypes are the types whose structure is checked.
var schemaTypes = []string{
	"Appointment", "Bundle", "CareTeam", "Consent", "Encounter", "EpisodeOfCare", "Goal", "Observation", "Patient", "Practitioner",
	"PractitionerRole", "Questionnaire", "QuestionnaireResponse", "RelatedPerson", "ServiceRequest",
}

const schemaHead = `# The structure of FHIR R4 (4.0.1): per type its elements; ! required, * repeating, | choice of types,
# code<set> bound to the codes of a set. The last line, after the colon, names all resource types.
# Made from the StructureDefinitions of the npm package hl7.fhir.r4.examples 4.0.1 (CC0) by
# go test -run Schema ./services/fhir -update
`

type elementDefinition struct {
	Path             string
	Min              int
	Max              string
	ContentReference string
	Type             []struct{ Code string }
	Binding          struct{ Strength, ValueSet string }
}

type structureDefinition struct {
	Name, Kind, Derivation, URL string
	Abstract                    bool
	Snapshot                    struct{ Element []elementDefinition }
}

// generator turns StructureDefinitions into the form of r4.txt.
type generator struct {
	t      *testing.T
	folder string
	lines  map[string][]string
	sets   map[string]string
	codes  map[string][]string // code systems by url
	values map[string]valueSet
}

type valueSet struct {
	ID, URL string
	Compose struct {
		Include []struct {
			System  string
			Concept []struct{ Code string }
			Filter  []json.RawMessage
			Value   []string `json:"valueSet"`
		}
		Exclude []json.RawMessage
	}
}

type codeConcept struct {
	Code    string
	Concept []codeConcept
}

func generate(t *testing.T, folder string) string {
	g := &generator{t: t, folder: folder, lines: map[string][]string{}, sets: map[string]string{}, codes: map[string][]string{}, values: map[string]valueSet{}}
	g.terminology()
	done := map[string]bool{}
	for todo := slices.Clone(schemaTypes); len(todo) > 0; {
		typ := todo[0]
		todo = todo[1:]
		if !done[typ] {
			done[typ] = true
			todo = append(todo, g.add(typ)...)
		}
	}
	var b strings.Builder
	b.WriteString(schemaHead)
	for _, name := range sorted(g.lines) {
		b.WriteString(name + "\n" + strings.Join(g.lines[name], ""))
	}
	for _, name := range sorted(g.sets) {
		b.WriteString("<" + name + "> " + g.sets[name] + "\n")
	}
	b.WriteString(": " + strings.Join(g.resources(), " ") + "\n")
	return b.String()
}

func sorted[V any](m map[string]V) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func (g *generator) load(name string, into any) {
	data, err := os.ReadFile(filepath.Join(g.folder, name))
	if err == nil {
		err = json.Unmarshal(data, into)
	}
	if err != nil {
		g.t.Fatal(err)
	}
}

func (g *generator) glob(pattern string) []string {
	files, err := filepath.Glob(filepath.Join(g.folder, pattern))
	if err != nil {
		g.t.Fatal(err)
	}
	for i := range files {
		files[i] = filepath.Base(files[i])
	}
	return files
}

func (g *generator) terminology() {
	for _, file := range g.glob("CodeSystem-*.json") {
		var cs struct {
			URL     string
			Concept []codeConcept
		}
		g.load(file, &cs)
		g.codes[cs.URL] = flatten(cs.Concept)
	}
	for _, file := range g.glob("ValueSet-*.json") {
		var vs valueSet
		g.load(file, &vs)
		g.values[vs.URL] = vs
	}
}

func flatten(concepts []codeConcept) (out []string) {
	for _, c := range concepts {
		out = append(append(out, c.Code), flatten(c.Concept)...)
	}
	return out
}

// expand lists the codes of a small value set; empty when it is open or large.
func (g *generator) expand(canonical string) (name, codes string) {
	url, _, _ := strings.Cut(canonical, "|")
	vs, known := g.values[url]
	if !known || len(vs.Compose.Exclude) > 0 {
		return "", ""
	}
	var out []string
	for _, include := range vs.Compose.Include {
		switch {
		case len(include.Filter) > 0 || len(include.Value) > 0:
			return "", ""
		case len(include.Concept) > 0:
			for _, c := range include.Concept {
				out = append(out, c.Code)
			}
		case len(g.codes[include.System]) > 0:
			out = append(out, g.codes[include.System]...)
		default:
			return "", ""
		}
	}
	if len(out) > 60 {
		return "", ""
	}
	return vs.ID, strings.Join(out, " ")
}

// add writes one type and gives the types it uses.
func (g *generator) add(typ string) (uses []string) {
	var sd structureDefinition
	g.load("StructureDefinition-"+typ+".json", &sd)
	if sd.Kind == "primitive-type" {
		return nil
	}
	elements := sd.Snapshot.Element
	for _, e := range elements[1:] {
		dot := strings.LastIndexByte(e.Path, '.')
		owner, name := e.Path[:dot], e.Path[dot+1:]
		flags := ""
		if e.Min > 0 {
			flags = "!"
		}
		if e.Max != "0" && e.Max != "1" {
			flags += "*"
		}
		types, more := g.types(e, name, owner, elements)
		uses = append(uses, more...)
		g.lines[owner] = append(g.lines[owner], "\t"+name+" "+flags+strings.Join(types, "|")+"\n")
	}
	return uses
}

func (g *generator) types(e elementDefinition, name, owner string, all []elementDefinition) (types, uses []string) {
	if e.ContentReference != "" {
		return []string{e.ContentReference[1:]}, nil
	}
	for _, x := range e.Type {
		nested := slices.ContainsFunc(all, func(o elementDefinition) bool { return strings.HasPrefix(o.Path, e.Path+".") })
		switch code := x.Code; {
		case strings.HasPrefix(code, "http://hl7.org/fhirpath/"):
			types = append(types, map[bool]string{true: "id", false: "string"}[name == "id" && slices.Contains(schemaTypes, owner)])
		case (code == "BackboneElement" || code == "Element") && nested:
			types = append(types, e.Path)
		case code == "Resource":
			types = append(types, code)
		default:
			types, uses = append(types, code), append(uses, code)
		}
	}
	if len(types) == 1 && types[0] == "code" && e.Binding.Strength == "required" {
		if set, codes := g.expand(e.Binding.ValueSet); set != "" {
			g.sets[set] = codes
			types[0] = "code<" + set + ">"
		}
	}
	return types, uses
}

// resources are the names of all concrete resource types.
func (g *generator) resources() (names []string) {
	for _, file := range g.glob("StructureDefinition-*.json") {
		var sd structureDefinition
		g.load(file, &sd)
		if sd.Kind == "resource" && sd.Derivation == "specialization" && !sd.Abstract && strings.HasSuffix(sd.URL, "/"+sd.Name) {
			names = append(names, sd.Name)
		}
	}
	slices.Sort(names)
	return names
}
