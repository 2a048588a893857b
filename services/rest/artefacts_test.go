package rest

import (
	"encoding/json"
	"path"
	"slices"
	"strings"
	"testing"

	conformance "github.com/rapport-health/rapport/api/fhir"
	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/judge"
	"github.com/rapport-health/rapport/services/fhir"
	"github.com/rapport-health/rapport/services/fhir/tree"
)

// artefact is a conformance resource, as far as tests look at one.
type artefact struct {
	ResourceType, ID, URL, Status, Content, Code, Type string
	Count                                              int
	Base                                               []string
	Concept                                            []struct{ Code, Display, Definition string }
}

func artefacts(t *testing.T) map[string]artefact {
	t.Helper()
	bodies, err := readArtefacts(conformance.Files)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]artefact{}
	for name, body := range bodies {
		if _, err := tree.Parse(body, tree.Default()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		var a artefact
		if err := json.Unmarshal(body, &a); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		out[a.URL] = a
	}
	return out
}

func TestEveryArtefactHasItsNameAndItsCodesOnce(t *testing.T) {
	all := artefacts(t)
	if len(all) < 8 {
		t.Errorf("only %d", len(all))
	}
	for url, a := range all {
		if a.Status != "active" || a.ID != "rapport-"+path.Base(url) || url != fhir.Canonical+"/"+a.ResourceType+"/"+path.Base(url) {
			t.Errorf("%+v", a)
		}
		seen := map[string]bool{}
		for _, c := range a.Concept {
			if seen[c.Code] || c.Display == "" || c.Definition == "" {
				t.Errorf("%s: %+v", url, c)
			}
			seen[c.Code] = true
		}
		if a.Content == "complete" && a.Count != len(a.Concept) {
			t.Errorf("%s: counts %d of %d", url, a.Count, len(a.Concept))
		}
	}
}

func TestEveryCodeOfAnAlertIsDefined(t *testing.T) {
	all := artefacts(t)
	defined := func(system, code string) {
		t.Helper()
		if !slices.ContainsFunc(all[system].Concept, func(c struct{ Code, Display, Definition string }) bool { return c.Code == code }) {
			t.Errorf("%s has no %s", system, code)
		}
	}
	for _, s := range []alert.Status{alert.Open, alert.Acknowledged, alert.Resolved, alert.Retracted, alert.Suppressed} {
		defined(fhir.SystemAlertStatus, string(s))
	}
	for s := judge.Info; s <= judge.Critical; s++ {
		defined(fhir.SystemSeverity, s.String())
	}
	defined(fhir.SystemAction, string(alert.Acknowledged))
	defined(fhir.SystemAction, string(alert.Resolved))
	if all[fhir.SystemRule].Content != "not-present" {
		t.Errorf("%+v", all[fhir.SystemRule])
	}
}

func TestEveryOwnSearchParameterIsDefined(t *testing.T) {
	all := artefacts(t)
	for _, k := range kinds {
		for i, p := range k.params() {
			if i > 0 && k.params()[i-1].Name >= p.Name {
				t.Errorf("%s: %s is out of order", k.name, p.Name)
			}
			if !strings.HasPrefix(p.Definition, fhir.Canonical) {
				continue
			}
			if a := all[p.Definition]; a.Code != p.Name || a.Type != string(p.Type) || !slices.Equal(a.Base, []string{k.name}) {
				t.Errorf("%s %s: %+v", k.name, p.Name, a)
			}
		}
	}
}
