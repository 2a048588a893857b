package search_test

import (
	"testing"
	"time"

	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/fhir/search"
	"github.com/rapport-health/rapport/services/fhir/tree"
)

func TestASieveLetsEveryMatchThroughAndLeavesOutWhatIsOfAnotherCategory(t *testing.T) {
	const system = "http://terminology.hl7.org/CodeSystem/observation-category"
	bodies := map[string]string{
		"survey": `[{"coding":[{"system":"` + system + `","code":"survey"}]}]`,
		"vital":  `[{"coding":[{"system":"` + system + `","code":"vital-signs"}]}]`,
		"two":    `[{"coding":[{"system":"` + system + `","code":"vital-signs"},{"code":"survey"}]}]`,
		"bare":   `[{"coding":[{"code":"survey"}]}]`,
		"none":   `[]`,
	}
	matches := map[string]map[string]bool{
		"survey":              {"survey": true, "two": true, "bare": true},
		system + "|survey":    {"survey": true},
		"|survey":             {"two": true, "bare": true},
		"survey,vital-signs":  {"survey": true, "vital": true, "two": true, "bare": true},
		system + "|":          {"survey": true, "vital": true, "two": true},
		"laboratory,activity": {},
	}
	p := search.Find("Observation", "category")
	for value, want := range matches {
		c, err := search.Parse(p, "", value, search.Asked{Now: time.Unix(0, 0)})
		if err != nil {
			t.Fatal(err)
		}
		bits, ok := c.Sieve()
		if bySystem := value == system+"|"; ok == bySystem {
			t.Errorf("%s: it can be sieved: %t", value, ok)
		}
		for name, category := range bodies {
			doc, err := tree.Parse([]byte(`{"resourceType":"Observation","category":`+category+`}`), tree.Limits{})
			if name == "none" {
				doc, err = tree.Parse([]byte(`{"resourceType":"Observation"}`), tree.Limits{})
			}
			if err != nil {
				t.Fatal(err)
			}
			d := &search.Document{Type: "Observation", Root: doc.Root, Source: "ehr", Namer: ref.Namer{Home: "ehr"}}
			if met := c.Met(d); met != want[name] {
				t.Errorf("%s: %s is a match: %t", value, name, met)
			}
			through := search.Sieve(d)&bits != 0
			if ok && want[name] && !through {
				t.Errorf("%s: the match %s does not pass", value, name)
			}
			if other := name == "vital" && value != "survey,vital-signs" || name == "none" || len(want) == 0; ok && other && through {
				t.Errorf("%s: %s passes, and has none of the codes", value, name) // no two of these share a bit
			}
			if search.Sieve(d) <= 0 {
				t.Errorf("%s: its sieve is %d, which stands for one that was not looked at, or for all", name, search.Sieve(d))
			}
		}
	}
	if _, ok := (&search.Condition{Param: p, Modifier: "not", Any: []search.Alternative{{Code: "survey"}}}).Sieve(); ok {
		t.Error("what is not of a category is sieved by it")
	}
}
