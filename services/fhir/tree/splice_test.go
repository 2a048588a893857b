package tree_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rapport-health/rapport/services/fhir/tree"
)

func TestSpliceSetsThreeMembersAndLeavesAllOtherBytesAlone(t *testing.T) {
	at := time.Date(2026, 3, 1, 10, 30, 0, 5_000_000, time.FixedZone("", 3600))
	const meta = `{"versionId":"7","lastUpdated":"2026-03-01T09:30:00.005Z"}`
	for _, c := range []struct{ name, body, want string }{
		{
			"both there", `{"resourceType":"Patient", "id" : "old","meta":{"versionId":"1" ,"lastUpdated":"2020-01-01T00:00:00Z","profile":["p"]},"x":1.00}`,
			`{"resourceType":"Patient", "id" : "new","meta":{"versionId":"7" ,"lastUpdated":"2026-03-01T09:30:00.005Z","profile":["p"]},"x":1.00}`,
		},
		{"neither there", `{"resourceType":"Patient","x":1.00}`, `{"resourceType":"Patient","id":"new","meta":` + meta + `,"x":1.00}`},
		{"nothing but a type", `{"resourceType":"Patient"}`, `{"resourceType":"Patient","id":"new","meta":` + meta + `}`},
		{
			"no id", `{"resourceType":"Patient","meta":{"profile":["p"]}}`,
			`{"resourceType":"Patient","id":"new","meta":{"versionId":"7","lastUpdated":"2026-03-01T09:30:00.005Z","profile":["p"]}}`,
		},
		{"no meta, id last", `{"x":[{"id":"inner"}],"id":"old"}`, `{"x":[{"id":"inner"}],"id":"new","meta":` + meta + `}`},
		{
			"meta before id", `{"meta":{"lastUpdated":"2020-01-01T00:00:00Z"},"id":"old","resourceType":"Patient"}`,
			`{"meta":{"versionId":"7","lastUpdated":"2026-03-01T09:30:00.005Z"},"id":"new","resourceType":"Patient"}`,
		},
		{"no type", `{"x":1}`, `{"id":"new","meta":` + meta + `,"x":1}`},
		{"escaped name", `{"resourceType":"Patient","\u0069d":"old"}`, `{"resourceType":"Patient","\u0069d":"new","meta":` + meta + `}`},
		{
			"nested look-alikes", `{"resourceType":"Patient","contained":[{"id":"a","meta":{"versionId":"1"}}],"text":{"div":"<div>\"id\":\"z\"</div>"},"id":"old"}`,
			`{"resourceType":"Patient","contained":[{"id":"a","meta":{"versionId":"1"}}],"text":{"div":"<div>\"id\":\"z\"</div>"},"id":"new","meta":` + meta + `}`,
		},
		{"empty meta", `{"resourceType":"Patient","id":"old","meta":{}}`, `{"resourceType":"Patient","id":"new","meta":` + meta + `}`},
		{"not JSON", `{"resourceType":`, `{"resourceType":`},
		{"empty", `{}`, `{}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			body := []byte(c.body)
			if got := string(tree.Splice(body, "new", "7", at)); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			if string(body) != c.body {
				t.Error("the body was changed")
			}
			doc, err := tree.Parse(body, tree.Limits{})
			if err != nil {
				return // what cannot be parsed has no document
			}
			if got := string(doc.Splice("new", "7", at)); got != c.want {
				t.Errorf("parsed before\ngot  %s\nwant %s", got, c.want)
			}
			outer := parse(t, `{"resourceType":"Bundle","entry":[{"resource":`+c.body+`}]}`)
			if got := string(outer.Sub(outer.Root().Child("entry").At(0).Child("resource")).Splice("new", "7", at)); got != c.want {
				t.Errorf("parsed within another\ngot  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestRewriteReplacesExactlyTheReferencesNamed(t *testing.T) {
	bundle := parse(t, `{"entry":[{"fullUrl":"urn:uuid:1","resource": {"resourceType":"Observation","subject":{"reference" : "urn:uuid:1","display":"urn:uuid:1"},"performer":[{"reference":"urn:uuid:2"},{"reference":"http:\/\/x\/Patient\/1"}],"value":1.00,"valueReference":{"reference":"urn:uuid:11"}} }]}`)
	sub := bundle.Sub(bundle.Root().Child("entry").At(0).Child("resource"))
	got := string(tree.Rewrite(sub, map[string]string{"urn:uuid:1": "Patient/a", "http://x/Patient/1": "Patient/b"}))
	want := `{"resourceType":"Observation","subject":{"reference" : "Patient/a","display":"urn:uuid:1"},"performer":[{"reference":"urn:uuid:2"},{"reference":"Patient/b"}],"value":1.00,"valueReference":{"reference":"urn:uuid:11"}}`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func BenchmarkSplice(b *testing.B) {
	raw := []byte(`{"resourceType":"QuestionnaireResponse","id":"a","meta":{"versionId":"1","lastUpdated":"2026-02-11T09:32:10Z"},"status":"completed","item":[{"linkId":"1","answer":[{"valueInteger":1}]}]}`)
	at := time.Unix(1_700_000_000, 0)
	for b.Loop() {
		tree.Splice(raw, "b", "2", at)
	}
}

func TestWithoutLeavesOutElementsAndKeepsAllOtherBytes(t *testing.T) {
	for _, c := range []struct{ text, drop, want string }{
		{`{"resourceType":"X","a":[ 1, 2 ,3 ]}`, "X.a[0]", `{"resourceType":"X","a":[ 2 ,3 ]}`},
		{`{"resourceType":"X","a":[ 1, 2 ,3 ]}`, "X.a[1]", `{"resourceType":"X","a":[ 1, 3 ]}`},
		{`{"resourceType":"X","a":[ 1, 2 ,3 ]}`, "X.a[2]", `{"resourceType":"X","a":[ 1, 2 ]}`},
		{`{"resourceType":"X","a":[1,2,3]}`, "X.a[0] X.a[1] X.a[2]", `{"resourceType":"X"}`},
		{`{"resourceType":"X","a":[1],"b":{"c":[2],"d":3}}`, "X.a[0] X.b.c[0]", `{"resourceType":"X","b":{"d":3}}`},
		{`{"resourceType":"X","a":[{"b":[1,2]},{"b":[3]}]}`, "X.a[0].b[1] X.a[1]", `{"resourceType":"X","a":[{"b":[1]}]}`},
		{`{"resourceType":"X","a":[{"b":[1,2]},4]}`, "X.a[0] X.a[0].b[1]", `{"resourceType":"X","a":[4]}`},
		{`{"resourceType":"X","a":[1]}`, "X.b", `{"resourceType":"X","a":[1]}`},
	} {
		doc := parse(t, c.text)
		drop := strings.Fields(c.drop)
		got := tree.Without(doc, func(n tree.Node) bool { return slices.Contains(drop, n.Path()) })
		if string(got) != c.want {
			t.Errorf("%s without %s:\n got %s\nwant %s", c.text, c.drop, got, c.want)
		}
	}
}

func TestAValueKnowsItsLine(t *testing.T) {
	doc := parse(t, "{\"resourceType\":\"X\",\n\"a\":\n[1,\n2]}")
	if a := doc.Root().Child("a"); a.Line() != 3 || a.At(1).Line() != 4 || doc.Root().Line() != 1 || a.At(7).Line() != 0 {
		t.Errorf("lines %d %d %d", a.Line(), a.At(1).Line(), doc.Root().Line())
	}
}
