package simulate_test

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rapport-health/rapport/services/simulate"
)

// resource is as much of a FHIR resource as the tests look at.
type resource struct {
	ResourceType string `json:"resourceType"`
	ID           string `json:"id"`
	Type         string `json:"type"`
	Status       string `json:"status"`
	Meta         struct {
		VersionID   string    `json:"versionId"`
		LastUpdated time.Time `json:"lastUpdated"`
	} `json:"meta"`
	Questionnaire     string      `json:"questionnaire"`
	Subject           reference   `json:"subject"`
	Encounter         reference   `json:"encounter"`
	Extension         []extension `json:"extension"`
	Authored          time.Time   `json:"authored"`
	EffectiveDateTime time.Time   `json:"effectiveDateTime"`
	Code              concept     `json:"code"`
	ValueQuantity     *quantity   `json:"valueQuantity"`
	ValueInteger      *float64    `json:"valueInteger"`
	DataAbsentReason  *concept    `json:"dataAbsentReason"`
	BasedOn           []reference `json:"basedOn"`
	Item              []item      `json:"item"`
	Entry             []struct {
		FullURL  string          `json:"fullUrl"`
		Resource json.RawMessage `json:"resource"`
		Request  struct {
			Method string `json:"method"`
			URL    string `json:"url"`
		} `json:"request"`
	} `json:"entry"`
	Participant []struct {
		Member reference `json:"member"`
	} `json:"participant"`
}

type reference struct {
	Reference  string `json:"reference"`
	Identifier struct {
		System, Value string
	} `json:"identifier"`
}

type extension struct {
	URL            string    `json:"url"`
	ValueReference reference `json:"valueReference"`
}

type concept struct {
	Coding []struct{ System, Code string } `json:"coding"`
}

// UnmarshalJSON leaves lists of concepts alone: only a PractitionerRole has one under a name that others use.
func (c *concept) UnmarshalJSON(b []byte) error {
	if b[0] == '[' {
		return nil
	}
	type plain concept
	return json.Unmarshal(b, (*plain)(c))
}

type quantity struct {
	Value float64 `json:"value"`
	Code  string  `json:"code"`
}

type item struct {
	LinkID string `json:"linkId"`
	Answer []struct {
		ValueCoding  *struct{ System, Code string } `json:"valueCoding"`
		ValueInteger *float64                       `json:"valueInteger"`
		ValueDecimal *float64                       `json:"valueDecimal"`
		ValueString  string                         `json:"valueString"`
	} `json:"answer"`
}

// sent is an event with what it holds: one resource, or those of its Bundle.
type sent struct {
	simulate.Event
	resources []resource
}

func read(t *testing.T, e simulate.Event) sent {
	t.Helper()
	var r resource
	if err := json.Unmarshal(e.Body, &r); err != nil {
		t.Fatalf("%s: %v", e.Note, err)
	}
	s := sent{Event: e, resources: []resource{r}}
	if r.ResourceType != "Bundle" {
		return s
	}
	s.resources = nil
	for _, entry := range r.Entry {
		var inner resource
		if err := json.Unmarshal(entry.Resource, &inner); err != nil {
			t.Fatalf("%s: %v", e.Note, err)
		}
		s.resources = append(s.resources, inner)
	}
	return s
}

func readAll(t *testing.T, c simulate.Clinic) []sent {
	t.Helper()
	var all []sent
	for e := range c.Events() {
		all = append(all, read(t, e))
	}
	return all
}

// of one patient, without repetitions.
func of(all []sent, patient string) []sent {
	return slices.DeleteFunc(slices.Clone(all), func(s sent) bool {
		return s.Patient != patient || strings.HasSuffix(s.Note, ", again")
	})
}

var frequency = map[string]float64{"LA6568-5": 0, "LA6569-3": 1, "LA6570-1": 2, "LA6571-9": 3}

// ordinals of a form's scored items, whatever its dialect; missing items are -1.
func (r resource) ordinals(instrument string) []float64 {
	var values []float64
	for _, it := range r.Item {
		if !scored(instrument, it.LinkID) {
			continue
		}
		v := -1.0
		if len(it.Answer) == 1 {
			switch a := it.Answer[0]; {
			case a.ValueCoding != nil:
				v = frequency[a.ValueCoding.Code]
			case a.ValueInteger != nil:
				v = *a.ValueInteger
			case a.ValueDecimal != nil:
				v = *a.ValueDecimal
			}
		}
		values = append(values, v)
	}
	return values
}

// scored says whether a link id is that of a scored item, from the published lists.
func scored(instrument, link string) bool {
	switch instrument {
	case "phq-9":
		n, err := strconv.Atoi(link)
		return err == nil && n >= 14363 && n <= 14371 || strings.HasPrefix(link, "phq-phq9-q0") ||
			slices.Contains([]string{
				"/44250-9", "/44255-8", "/44259-0", "/44254-1", "/44251-7", "/44258-2", "/44252-5", "/44253-3", "/44260-8",
			}, link)
	default:
		return strings.HasPrefix(link, instrument+"-")
	}
}

func sum(values []float64) float64 {
	total := 0.0
	for _, v := range values {
		total += max(0, v)
	}
	return total
}
