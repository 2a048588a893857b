package server_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rapport-health/rapport/services/testbed"
)

// sentTypes are the types that clients may send.
var sentTypes = []string{
	"Appointment", "CareTeam", "Encounter", "EpisodeOfCare", "Goal", "Observation", "Patient", "Practitioner", "PractitionerRole", "Questionnaire",
	"QuestionnaireResponse", "RelatedPerson", "ServiceRequest",
}

// supported are the official examples of the types that clients may send.
func supported(t *testing.T) []*example {
	t.Helper()
	_, single := examples(t, filepath.Join(testbed.Examples(t, "hl7.fhir.r4.examples"), "*.json"))
	single = slices.DeleteFunc(single, func(e *example) bool { return !slices.Contains(sentTypes, e.typ) })
	if len(single) < 155 {
		t.Fatalf("%d examples", len(single))
	}
	return single
}

// refusedExamples are refused: one names no patient, one has the identifier of another example, and one has items without
// the linkId that R4 demands.
var refusedExamples = map[string]int{"Observation-decimal.json": 422, "Patient-mom.json": 422, "Questionnaire-qs1.json": 400}

func TestTheOfficialExamplesSurviveARoundTripOverRESTWithoutLoss(t *testing.T) {
	c := start(t, nil)
	taken := 0
	for _, e := range supported(t) {
		var head struct{ ID string }
		if err := json.Unmarshal(e.body, &head); err != nil || head.ID == "" {
			t.Fatalf("%s: %v", e.file, err)
		}
		path := "/" + e.typ + "/" + head.ID
		got := c.ask("PUT", path, string(e.body))
		if got.status != 201 && got.status != 200 {
			if got.status != refusedExamples[e.file] || !bytes.Contains(got.body, []byte(`"expression"`)) {
				t.Errorf("%s: %d %s", e.file, got.status, got.body)
			}
			continue
		}
		taken++
		for _, from := range []string{path, got.header.Get("Location")} {
			read := c.must(200, "GET", from, "")
			if sent, served := unstamped(t, e.body), unstamped(t, read.body); !reflect.DeepEqual(sent, served) {
				t.Errorf("%s reads back with differences (-sent +served):\n%s", e.file, cmp.Diff(sent, served))
			}
		}
		// A patch that changes nothing goes through the same pipeline and loses nothing either.
		again := c.must(200, "PATCH", path, `[{"op":"test","path":"/resourceType","value":"`+e.typ+`"}]`, "Content-Type", "application/json-patch+json")
		if sent, served := unstamped(t, e.body), unstamped(t, again.body); !reflect.DeepEqual(sent, served) {
			t.Errorf("%s, patched:\n%s", e.file, cmp.Diff(sent, served))
		}
	}
	if taken < 150 {
		t.Errorf("only %d were taken", taken)
	}
}

func TestBrokenExamplesAreRefusedWithTheirPlacesAndNeverFailTheServer(t *testing.T) {
	c := start(t, nil)
	dice := rand.New(rand.NewPCG(7, 11))
	all := supported(t)
	tried, refused, located := 0, 0, 0
	for tried < 600 {
		e := all[dice.IntN(len(all))]
		if len(e.body) > 60_000 {
			continue
		}
		how, broken := breakIt(t, dice, e.body)
		if broken == nil {
			continue
		}
		tried++
		method, path := "POST", "/"+e.typ
		switch dice.IntN(3) {
		case 0:
			path += "/$validate"
		case 1:
			method, path = "PUT", path+"/"+idIn(broken)
		}
		got := c.ask(method, path, string(broken))
		if got.status >= 500 || got.status >= 400 && !bytes.Contains(got.body, []byte("OperationOutcome")) {
			t.Fatalf("%s, %s: %d %s", e.file, how, got.status, got.body)
		}
		if got.status < 400 && !strings.HasSuffix(path, "validate") {
			continue
		}
		var outcome struct {
			Issue []struct {
				Severity   string
				Expression []string
				Details    struct{ Text string }
			}
		}
		if err := json.Unmarshal(got.body, &outcome); err != nil || len(outcome.Issue) == 0 {
			t.Fatalf("%s, %s: %s", e.file, how, got.body)
		}
		if outcome.Issue[0].Severity == "error" {
			refused++
			if len(outcome.Issue[0].Expression) > 0 {
				located++
			} else {
				t.Logf("%s, %s: %s", e.file, how, outcome.Issue[0].Details.Text)
			}
		}
	}
	t.Logf("of %d broken examples %d were refused, %d with a place", tried, refused, located)
	if refused < 300 || located*100 < refused*95 {
		t.Errorf("of %d broken examples %d were refused, %d with a place", tried, refused, located)
	}
}

func idIn(body []byte) string {
	var head struct{ ID string }
	if json.Unmarshal(body, &head) != nil || head.ID == "" || len(head.ID) > 64 || strings.ContainsAny(head.ID, "/?#% ") {
		return "broken"
	}
	return head.ID
}

// breakIt makes one change that R4 forbids somewhere in a resource, and says which; nil when there is no such place.
func breakIt(t *testing.T, dice *rand.Rand, body []byte) (string, []byte) {
	t.Helper()
	var resource map[string]any
	if err := json.Unmarshal(body, &resource); err != nil {
		t.Fatal(err)
	}
	at, key := somewhere(dice, resource)
	how := [...]string{"an unknown member", "a number for it", "an empty string", "an empty object", "an empty array", "null", "an object for it", "without a required member", "another resourceType", "a boolean for it"}[dice.IntN(10)]
	switch how {
	case "an unknown member":
		at["colourOfIt"] = "red"
	case "a number for it":
		at[key] = 12345
	case "an empty string":
		at[key] = ""
	case "an empty object":
		at[key] = map[string]any{}
	case "an empty array":
		at[key] = []any{}
	case "null":
		at[key] = nil
	case "an object for it":
		at[key] = map[string]any{"neither": "here"}
	case "without a required member":
		for _, required := range []string{"status", "code", "subject", "intent", "class", "linkId", "participant", "lifecycleStatus", "patient"} {
			delete(resource, required)
		}
	case "another resourceType":
		resource["resourceType"] = "Medication"
	case "a boolean for it":
		at[key] = true
	}
	out, err := json.Marshal(resource)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%s at %s", how, key), out
}

// somewhere is an object in a resource and one of its members.
func somewhere(dice *rand.Rand, of map[string]any) (map[string]any, string) {
	keys := make([]string, 0, len(of))
	for k := range of {
		if k != "resourceType" && k != "div" {
			keys = append(keys, k)
		}
	}
	if len(keys) == 0 {
		return of, "extension"
	}
	slices.Sort(keys)
	key := keys[dice.IntN(len(keys))]
	inner := of[key]
	if list, ok := inner.([]any); ok && len(list) > 0 {
		inner = list[dice.IntN(len(list))]
	}
	if object, ok := inner.(map[string]any); ok && len(object) > 0 && dice.IntN(3) > 0 {
		return somewhere(dice, object)
	}
	return of, key
}
