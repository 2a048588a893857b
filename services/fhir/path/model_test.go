package path

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rapport-health/rapport/services/testbed"
)

var update = flag.Bool("update", false, "write r4.txt anew from the StructureDefinitions")

const modelHead = `# The types of FHIR R4 (4.0.1) for FHIRPath: per type its parent, then its elements; * repeating, | choice of types,
# @ an element whose definition stands elsewhere. Backbone elements are types named by their own path.
# Made from the StructureDefinitions of the npm package hl7.fhir.r4.examples 4.0.1 (CC0) by
# go test -run Model ./services/fhir/path -update
`

func TestTheModelMatchesTheStructureDefinitions(t *testing.T) {
	got := generateModel(t, testbed.Examples(t, "hl7.fhir.r4.examples"))
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

type structureDefinition struct {
	Name, Kind, Derivation, URL, BaseDefinition string
	Snapshot                                    struct {
		Element []struct {
			Path             string
			Max              string
			ContentReference string
			Type             []struct{ Code string }
		}
	}
}

func generateModel(t *testing.T, folder string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "StructureDefinition-*.json"))
	if err != nil {
		t.Fatal(err)
	}
	lines := map[string][]string{}
	heads := map[string]string{}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var sd structureDefinition
		if err := json.Unmarshal(raw, &sd); err != nil {
			t.Fatal(err)
		}
		if sd.Derivation == "constraint" || sd.Kind == "logical" || !strings.HasSuffix(sd.URL, "/"+sd.Name) {
			continue
		}
		modelType(sd, heads, lines)
	}
	var b strings.Builder
	b.WriteString(modelHead)
	var names []string
	for name := range heads {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		b.WriteString(heads[name] + "\n" + strings.Join(lines[name], ""))
	}
	return b.String()
}

// inherited says whether an element comes from the parent that a type's head names.
func inherited(head, name string) bool {
	switch {
	case strings.HasSuffix(head, " DomainResource"):
		return slices.Contains(strings.Fields("id meta implicitRules language text contained extension modifierExtension"), name)
	case strings.HasSuffix(head, " Resource"):
		return slices.Contains(strings.Fields("id meta implicitRules language"), name)
	case strings.HasSuffix(head, " BackboneElement"):
		return slices.Contains(strings.Fields("id extension modifierExtension"), name)
	case strings.HasSuffix(head, " Element"):
		return name == "id" || name == "extension"
	case strings.HasSuffix(head, " Quantity"):
		return true
	}
	return false
}

// modelType writes one StructureDefinition and its backbone elements.
func modelType(sd structureDefinition, heads map[string]string, lines map[string][]string) {
	parent := sd.BaseDefinition[strings.LastIndexByte(sd.BaseDefinition, '/')+1:]
	heads[sd.Name] = strings.TrimSpace(sd.Name + " " + parent)
	elements := sd.Snapshot.Element
	if sd.Kind == "primitive-type" {
		return // its value and extensions are not reached by a path
	}
	for _, e := range elements[1:] {
		dot := strings.LastIndexByte(e.Path, '.')
		owner, name := e.Path[:dot], e.Path[dot+1:]
		if inherited(heads[owner], name) {
			continue
		}
		flags := ""
		if e.Max != "0" && e.Max != "1" {
			flags = "*"
		}
		var typ []string
		if e.ContentReference != "" {
			typ = []string{"@" + e.ContentReference[1:]}
		}
		for _, x := range e.Type {
			code := x.Code
			nested := false
			for _, o := range elements {
				nested = nested || strings.HasPrefix(o.Path, e.Path+".")
			}
			switch {
			case strings.HasPrefix(code, "http://hl7.org/fhirpath/"):
				code = "string"
				if name == "id" {
					code = "id"
				}
			case nested:
				heads[e.Path] = e.Path + " " + code
				code = e.Path
			}
			typ = append(typ, code)
		}
		lines[owner] = append(lines[owner], "\t"+name+" "+flags+strings.Join(typ, "|")+"\n")
	}
}
