package search

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rapport-health/rapport/services/testbed"
)

var update = flag.Bool("update", false, "write the table of parameters anew from the official SearchParameters")

// searched are the types whose parameters are in the table.
var searched = []string{
	"Appointment", "AuditEvent", "CareTeam", "ClinicalImpression", "CodeSystem", "Communication", "Consent", "DetectedIssue", "Encounter",
	"EpisodeOfCare", "Flag", "Goal", "Group", "MeasureReport", "Observation", "Patient", "Practitioner", "PractitionerRole", "Provenance",
	"Questionnaire", "QuestionnaireResponse", "RelatedPerson", "RiskAssessment", "SearchParameter", "ServiceRequest", "StructureDefinition",
	"Subscription", "Task",
}

// left out: parameters over extensions, and two that R4 leaves open.
var left = regexp.MustCompile(`extension|phonetic|resolve\(\)\.|^SearchParameter\.component`)

// parameter is an official SearchParameter.
type parameter struct {
	URL, Code, Type, Expression string
	Base, Target                []string
	Component                   []struct{ Definition, Expression string }
}

func TestTheTableSaysWhatTheOfficialSearchParametersSay(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(testbed.Examples(t, "hl7.fhir.r4.examples"), "SearchParameter-*.json"))
	if err != nil || len(files) < 1000 {
		t.Fatalf("%d official SearchParameters: %v", len(files), err)
	}
	byURL := map[string]parameter{}
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var p parameter
		if err := json.Unmarshal(body, &p); err != nil {
			t.Fatal(err)
		}
		byURL[p.URL] = p
	}
	var lines []string
	for _, p := range byURL {
		for _, typ := range p.Base {
			if slices.Contains(searched, typ) {
				if line := lineOf(typ, p, byURL); line != "" {
					lines = append(lines, line)
				}
			}
		}
	}
	slices.Sort(lines)
	want := strings.Join(lines, "\n") + "\n"
	if *update {
		if err := os.WriteFile("params.txt", []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(want, paramLines); diff != "" && !*update {
		t.Errorf("(-official +ours):\n%s", diff)
	}
}

// lineOf is a parameter as it stands in the table; empty for one that is left out.
func lineOf(typ string, p parameter, all map[string]parameter) string {
	if left.MatchString(p.Expression) || p.Expression == "" || left.MatchString(p.URL) {
		return ""
	}
	paths := pathText(typ, p.Expression)
	if paths == "" && p.Type != "composite" {
		return ""
	}
	targets := strings.Join(p.Target, " ")
	if len(p.Target) > 20 {
		targets = ""
	}
	if p.Code == "patient" {
		targets = "Patient"
	}
	line := strings.Join([]string{typ, p.Code, p.Type, strings.TrimPrefix(p.URL, official), paths, targets}, "|")
	for _, c := range p.Component {
		part := all[c.Definition]
		line += "|" + part.Type + " " + pathText("", c.Expression)
	}
	return line
}

var (
	as      = regexp.MustCompile(`^\(?(.+?)(?: as |\.as\()(\w+)\)$`)
	of      = regexp.MustCompile(`\.where\(resolve\(\) is (\w+)\)$`)
	where   = regexp.MustCompile(`\.where\((\w+)='(\w+)'\)$`)
	choices = map[string]bool{
		"Observation.effective": true, "ServiceRequest.occurrence": true, "DetectedIssue.identified": true, "RiskAssessment.occurrence": true,
		"ClinicalImpression.effective": true,
	}
)

// pathText turns the alternatives of an expression that begin at a type (or at an element, for a part of a composite) into
// paths.
func pathText(typ, expression string) string {
	if expression == typ+".deceased.exists() and "+typ+".deceased != false" {
		return "deceased*!"
	}
	var out []string
	for one := range strings.SplitSeq(expression, "|") {
		one = strings.TrimSpace(one)
		suffix := ""
		if m := as.FindStringSubmatch(one); m != nil {
			one, suffix = m[1], strings.ToUpper(m[2][:1])+m[2][1:]
		}
		if suffix == "SampledData" {
			continue
		}
		text := strings.HasSuffix(one, ").text")
		if text {
			one = strings.TrimSuffix(strings.TrimPrefix(one, "("), ".text")
			m := as.FindStringSubmatch("(" + one)
			one, suffix = m[1], m[2]+".text"
		}
		if typ != "" && one != typ && !strings.HasPrefix(one, typ+".") {
			continue
		}
		if choices[one] {
			suffix = "*"
		}
		one = of.ReplaceAllString(one, "[$1]")
		one = where.ReplaceAllString(one, "[$1=$2]")
		one = strings.TrimPrefix(strings.TrimPrefix(one, typ), ".") + suffix
		if strings.ContainsAny(one, "()' ") {
			panic(fmt.Sprintf("%q cannot be turned into a path", expression))
		}
		if one == "" {
			one = "." // the element itself
		}
		out = append(out, one)
	}
	return strings.Join(out, " ")
}
