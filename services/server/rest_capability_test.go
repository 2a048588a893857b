package server_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rapport-health/rapport/services/server"
)

// offered is a CapabilityStatement as far as tests look at it.
type offered struct {
	Rest []struct {
		Security struct {
			Description string
			Extension   []struct{ URL string }
		}
		Resource []struct {
			Type             string
			Interaction      []struct{ Code string }
			SearchParam      []struct{ Name, Type string }
			SearchInclude    []string
			SearchRevInclude []string
		}
	}
}

func (c *clinic) offers() offered {
	c.t.Helper()
	var o offered
	if err := json.Unmarshal(c.must(200, "GET", "/metadata", "").body, &o); err != nil || len(o.Rest) != 1 {
		c.t.Fatalf("no CapabilityStatement: %v", err)
	}
	return o
}

// furnished has official examples of every type, and a form that raised an alert.
func furnished(t *testing.T) *clinic {
	t.Helper()
	c := start(t, nil)
	c.must(201, "PUT", "/Patient/p1", patientP1)
	c.must(201, "PUT", "/QuestionnaireResponse/r1", phq9("r1", "p1", monday, 2, 2, 2, 1, 0, 1, 0, 0, 1))
	taken := map[string]int{}
	for _, e := range supported(t) {
		if taken[e.typ] < 6 && len(e.body) < 20_000 {
			if got := c.ask("POST", "/"+e.typ, string(e.body)); got.status == 201 {
				taken[e.typ]++
			}
		}
	}
	if len(taken) < len(sentTypes)-1 {
		t.Fatalf("examples that were taken: %v", taken)
	}
	return c
}

// about is what a search of a type must name.
func about(typ string) string {
	switch typ {
	case "Provenance":
		return "patient=p1&"
	case "AuditEvent":
		return "date=lt2026-03-02T09:00:30Z&" // each request adds one
	default:
		return ""
	}
}

func TestEveryAdvertisedParameterIsThereOrMissingInEachResource(t *testing.T) {
	c := furnished(t)
	c.later(time.Minute)
	count := func(query string) int {
		l := c.list(c.must(200, "GET", "/"+query+"_count=0", "", "Prefer", "handling=strict").body)
		if l.Total == nil {
			t.Fatalf("%s: no total", query)
		}
		return *l.Total
	}
	asked := 0
	for _, r := range c.offers().Rest[0].Resource {
		all := count(r.Type + "?" + about(r.Type))
		for _, p := range r.SearchParam {
			query := r.Type + "?" + about(r.Type) + url.QueryEscape(p.Name+":missing")
			with, without := count(query+"=false&"), count(query+"=true&")
			if with+without != all {
				t.Errorf("%s.%s: %d with and %d without, of %d", r.Type, p.Name, with, without, all)
			}
			asked++
		}
		if all == 0 && !slices.Contains([]string{"Subscription", "Group", "Consent"}, r.Type) {
			t.Errorf("there is no %s", r.Type)
		}
	}
	if asked < 250 {
		t.Errorf("only %d parameters", asked)
	}
}

func TestWhatIsAdvertisedToBeIncludedIs(t *testing.T) {
	c := furnished(t)
	for _, r := range c.offers().Rest[0].Resource {
		for _, of := range r.SearchInclude {
			c.must(200, "GET", "/"+r.Type+"?"+about(r.Type)+"_count=3&_include="+of, "", "Prefer", "handling=strict")
		}
		for _, of := range r.SearchRevInclude {
			c.must(200, "GET", "/"+r.Type+"?"+about(r.Type)+"_count=3&_revinclude="+of, "", "Prefer", "handling=strict")
		}
		if slices.ContainsFunc(r.Interaction, func(i struct{ Code string }) bool { return i.Code == "vread" }) {
			for _, e := range c.list(c.must(200, "GET", "/"+r.Type+"?"+about(r.Type)+"_count=2", "").body).Entry {
				if v := e.Resource.Meta.VersionID; v != "" {
					c.must(200, "GET", "/"+r.Type+"/"+e.Resource.ID+"/_history/"+v, "")
				}
			}
		}
	}
	c.must(400, "GET", "/Practitioner?_revinclude=Provenance:agent", "")
}

func TestTheStatementSaysWhoIsServed(t *testing.T) {
	open := start(t, nil).offers().Rest[0].Security
	guarded := startGated(t, func(c *server.Config) {}).offers().Rest[0].Security
	if !strings.Contains(open.Description, "same machine") || strings.Contains(guarded.Description, "same machine") || len(guarded.Extension) != 1 {
		t.Errorf("%+v, %+v", open, guarded)
	}
}

// Whoever leafs through a search sees what stood when it began, each once and in order, whatever is written meanwhile.
func TestPagesInAnyOrderHoldWhatStoodThenWhateverIsWrittenMeanwhile(t *testing.T) {
	c := start(t, nil)
	c.must(201, "PUT", "/Patient/p1", patientP1)
	write := func(id string, n int) {
		c.ask("PUT", "/Observation/"+id, strings.NewReplacer(`"hr"`, `"`+id+`"`, "72.0", fmt.Sprint(50+n), "2026-02-01", fmt.Sprintf("2026-01-%02d", 1+n%28),
			`"final"`, []string{`"final"`, `"amended"`, `"preliminary"`}[n%3]).Replace(heartRate))
		c.later(time.Second)
	}
	for n := range 11 {
		write(fmt.Sprint("o", n), n*7%11)
	}
	round := 0
	for _, r := range c.offers().Rest[0].Resource {
		if r.Type != "Observation" {
			continue
		}
		for _, p := range r.SearchParam {
			if p.Type == "composite" {
				continue
			}
			for _, sign := range []string{"", "-"} {
				round++
				path := "/Observation?code=8867-4&_sort=" + sign + p.Name
				want := c.leaf(path)
				var got []string
				for next := path + "&_count=4"; next != ""; {
					l := c.list(c.must(200, "GET", next, "", "Prefer", "handling=strict").body)
					got = append(got, l.names("match")...)
					next = l.next()
					write(fmt.Sprint("o", round%11), round*5+len(got))
					if len(got) == 4 && round%4 == 0 {
						write(fmt.Sprint("n", round), round)
					}
				}
				if !slices.Equal(got, want) {
					t.Errorf("%s:\n%v\n%v", path, got, want)
				}
			}
		}
	}
	if round < 30 {
		t.Errorf("only %d orders", round)
	}
}
