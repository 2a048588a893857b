package tree_test

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/fhir/tree"
)

func parse(t *testing.T, text string) *tree.Doc {
	t.Helper()
	doc, err := tree.Parse([]byte(text), tree.Limits{})
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return doc
}

func TestEveryFaultOfTheTextIsRefusedWithItsPlace(t *testing.T) {
	for _, c := range []struct{ name, body, path, text string }{
		{"empty body", " \n", "", "the body is empty (line 2, column 1)"},
		{"cut off", `{"resourceType":"Patient","id":"1"`, "Patient", "the JSON is cut off (line 1, column 35)"},
		{"cut off in a string", `{"resourceType":"Patient","id":"1`, "Patient.id", "the JSON is cut off (line 1, column 34)"},
		{"cut off behind a name", `{"resourceType":"Patient","name":[{"family"`, "Patient.name[0].family", "the JSON is cut off (line 1, column 44)"},
		{"byte order mark", "\xef\xbb\xbf{}", "", "the body begins with a byte order mark: send UTF-8 without one (line 1, column 1)"},
		{"missing comma", "{\"resourceType\":\"Patient\"\n  \"id\":\"1\"}", "Patient", "malformed JSON: invalid character '\"' after object value (expecting ',' or '}') (line 2, column 3)"},
		{"trailing comma", `{"resourceType":"Patient",}`, "Patient", "malformed JSON: invalid character ',' at start of value (line 1, column 26)"},
		{"number with leading zero", `{"a":01}`, "", "malformed JSON: invalid character '1' after object value (expecting ',' or '}') (line 1, column 7)"},
		{"raw control character", "{\"a\":\"x\x01y\"}", "a", "malformed JSON: invalid character '\\x01' in string (expecting non-control character) (line 1, column 8)"},
		{"invalid UTF-8", "{\"a\":\"x\xffy\"}", "a", "malformed JSON: invalid UTF-8 (line 1, column 8)"},
		{"lone surrogate", `{"a":"\ud800"}`, "a", "malformed JSON: invalid surrogate pair in string (line 1, column 7)"},
		{"trailing data", `{"resourceType":"Patient"} {"a":1}`, "Patient", "there is more data after the end of the JSON object (line 1, column 28)"},
		{"trailing brace", `{"resourceType":"Patient"}}`, "Patient", "there is more data after the end of the JSON object (line 1, column 27)"},
		{"array on top", `[{"a":1}]`, "", "the top level must be a JSON object, not an array (line 1, column 1)"},
		{"string on top", `"a"`, "", "the top level must be a JSON object, not a string (line 1, column 1)"},
		{"null on top", `null`, "", "the top level must be a JSON object, not null (line 1, column 1)"},
		{"duplicate name", `{"resourceType":"Patient","id":"1","id":"2"}`, "Patient.id", "the member is given twice (line 1, column 36)"},
		{"duplicate name behind an escape", `{"resourceType":"Patient","id":"1","\u0069d":"2"}`, "Patient.id", "the member is given twice (line 1, column 36)"},
		{"escaped NUL", `{"a":{"b":["x","y\u0000"]}}`, "a.b[1]", "a string must not hold the control character U+0000 (line 1, column 16)"},
		{"escaped form feed", `{"a":"\f"}`, "a", "a string must not hold the control character U+000C (line 1, column 6)"},
		{"null member", `{"resourceType":"Patient","birthDate":null}`, "Patient.birthDate", "null is not a value in FHIR: leave the element out instead (line 1, column 39)"},
		{"null without twin", `{"given":["A",null]}`, "given", "null may stand only in an array of primitives beside an array of the same length called `_given` (line 1, column 10)"},
		{"null with a short twin", `{"given":["A",null],"_given":[{"id":"x"}]}`, "given", "null may stand only in an array of primitives beside an array of the same length called `_given` (line 1, column 10)"},
		{"null in both twins", `{"given":["A",null],"_given":[{"id":"x"},null]}`, "given[1]", "null stands here in the array and in its twin (line 1, column 15)"},
		{"null among objects", `{"name":[{"id":"a"},null],"_name":[{"id":"x"},{"id":"y"}]}`, "name[0]", "null may stand only in an array of primitives (line 1, column 10)"},
		{"empty object", `{"a":{}}`, "a", "an object must not be empty: leave it out instead (line 1, column 6)"},
		{"empty document", `{}`, "", "an object must not be empty: leave it out instead (line 1, column 1)"},
		{"empty array", `{"a":[]}`, "a", "an array must not be empty: leave it out instead (line 1, column 6)"},
		{"empty string", `{"a":""}`, "a", "a string must not be empty: leave it out instead (line 1, column 6)"},
		{"empty name", `{"":1}`, "", "a member name must not be empty (line 1, column 2)"},
		{"array in array", `{"a":[[1]]}`, "a[0]", "FHIR has no arrays of arrays (line 1, column 7)"},
		{"strange name", `{"John Synthetic":""}`, "`?`", "a string must not be empty: leave it out instead (line 1, column 19)"},
		{"column counts characters", "{\"a\":\"äöü\",\"b\":\"\"}", "b", "a string must not be empty: leave it out instead (line 1, column 16)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := tree.Parse([]byte(c.body), tree.Limits{})
			if fault.Of(err) != fault.Invalid {
				t.Fatalf("got %v, want an invalid fault", err)
			}
			got := fault.IssuesOf(err)[0]
			if got.Path != c.path || got.Text != c.text || got.Severity != fault.Error {
				t.Errorf("got  %s | %s\nwant %s | %s", got.Path, got.Text, c.path, c.text)
			}
		})
	}
}

func TestAllFaultsAreReportedAtOnceInTheOrderOfTheText(t *testing.T) {
	_, err := tree.Parse([]byte("{\"resourceType\":\"Patient\",\n\"name\":[{\"given\":[]}],\n\"id\":\"\",\"id\":\"x\",\"gender\":null}"), tree.Limits{})
	var got []string
	for _, issue := range fault.IssuesOf(err) {
		got = append(got, issue.Path)
	}
	want := []string{"Patient.name[0].given", "Patient.id", "Patient.id", "Patient.gender"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestAFloodOfFaultsEndsTheReading(t *testing.T) {
	_, err := tree.Parse([]byte(`{"a":[`+strings.Repeat(`"",`, 100_000)+`1]}`), tree.Limits{})
	if n := len(fault.IssuesOf(err)); n != 50 {
		t.Errorf("%d issues, want 50", n)
	}
}

func TestAPathNeedsAResourceTypeReadBeforeTheFaultOrAfterIt(t *testing.T) {
	_, err := tree.Parse([]byte(`{"id":"","resourceType":"Patient"}`), tree.Limits{})
	if got := fault.IssuesOf(err)[0].Path; got != "Patient.id" {
		t.Errorf("got %q", got)
	}
}

func TestDeepNestingIsRefusedWithoutReadingOn(t *testing.T) {
	for _, depth := range []int{65, 1_000, 100_000} {
		for _, unit := range []string{`{"a":`, `{"a":[`} {
			_, err := tree.Parse([]byte(strings.Repeat(unit, depth)), tree.Limits{})
			issues := fault.IssuesOf(err)
			if len(issues) != 1 || !strings.HasPrefix(issues[0].Text, "nested deeper than 64 levels") {
				t.Errorf("%d × %s: %v", depth, unit, err)
			}
		}
	}
	deepest := strings.Repeat(`{"a":`, 63) + `{"a":1}` + strings.Repeat(`}`, 63)
	if _, err := tree.Parse([]byte(deepest), tree.Limits{}); err != nil {
		t.Errorf("64 levels must do: %v", err)
	}
	if _, err := tree.Parse([]byte(deepest), tree.Limits{Depth: 63}); fault.Of(err) != fault.Invalid {
		t.Errorf("the limit is not configurable: %v", err)
	}
	if n := testing.AllocsPerRun(1, func() { _, _ = tree.Parse([]byte(strings.Repeat(`{"a":`, 100_000)), tree.Limits{}) }); n > 500 {
		t.Errorf("refusing 100,000 levels takes %v allocations", n)
	}
}

func TestSizeAndNumberOfValuesAreLimited(t *testing.T) {
	body := []byte(`{"a":[1,2,3]}`)
	if _, err := tree.Parse(body, tree.Limits{Bytes: len(body) - 1}); fault.Of(err) != fault.TooLarge {
		t.Errorf("over the size: %v", err)
	}
	if _, err := tree.Parse(body, tree.Limits{Bytes: len(body), Values: 5}); err != nil {
		t.Errorf("at the limits: %v", err)
	}
	_, err := tree.Parse(body, tree.Limits{Values: 4})
	if issues := fault.IssuesOf(err); len(issues) != 1 || issues[0].Code != "too-costly" {
		t.Errorf("over the number of values: %v", err)
	}
}

func TestManyMembersAndManyNullsStayCheap(t *testing.T) {
	var body bytes.Buffer
	body.WriteString(`{"a0":1`)
	for i := range 200_000 {
		fmt.Fprintf(&body, `,"b%d":1`, i)
	}
	body.WriteString(`,"a0":2,"c":[` + strings.Repeat("null,", 200_000) + `1],"_c":[` + strings.Repeat(`{"id":"x"},`, 200_000) + `null]}`)
	began := time.Now()
	_, err := tree.Parse(body.Bytes(), tree.Limits{})
	if issues := fault.IssuesOf(err); len(issues) != 1 || issues[0].Text[:10] != "the member" {
		t.Errorf("%v", err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("took %v: the work must not grow with the square", took)
	}
}

func TestTextAndNumbersAreKeptAsWritten(t *testing.T) {
	doc := parse(t, ` {"a":1.00,"b":[1e-245,-0.0],"c":"Grüß \u00e4\ud83d\ude00\n","d":true,"given":["A",null],"_given":[null,{"id":"x"}],"k\u0065y":"v"} `)
	root := doc.Root()
	if got := root.Child("a").Number(); got != "1.00" {
		t.Errorf("number %q", got)
	}
	if got := root.Child("b").At(0).Number() + " " + root.Child("b").At(1).Number(); got != "1e-245 -0.0" {
		t.Errorf("numbers %q", got)
	}
	if got := root.Child("c"); got.Text() != "Grüß ä😀\n" || !got.Is("Grüß ä😀\n") {
		t.Errorf("text %q", got.Text())
	}
	if v, ok := root.Child("d").Bool(); !v || !ok {
		t.Error("boolean")
	}
	if k := root.Child("given").At(1).Kind(); k != tree.Null {
		t.Errorf("null is %v", k)
	}
	if v := root.Child("key"); v.Text() != "v" || v.Key() != "key" || !bytes.HasPrefix(doc.Raw(), []byte(`{"a"`)) {
		t.Errorf("escaped name %q", v.Key())
	}
}

func TestAnAbsentValueAnswersWithNothing(t *testing.T) {
	absent := parse(t, `{"a":1}`).Root().Child("x").At(3).Child("y").Parent()
	_, isBool := absent.Bool()
	if absent.Exists() || absent.Kind() != tree.Absent || absent.Len() != 0 || absent.Text() != "" || absent.Number() != "" ||
		absent.Path() != "" || absent.Key() != "" || absent.Raw() != nil || isBool || absent.Is("") {
		t.Error("an absent value answered")
	}
	for range absent.Children() {
		t.Error("an absent value has children")
	}
}

func TestEveryValueKnowsItsPath(t *testing.T) {
	doc := parse(t, `{"resourceType":"QuestionnaireResponse","item":[{"linkId":"a"},{"answer":[{"valueInteger":3}],"_linkId":{"id":"x"}}]}`)
	answer := doc.Root().Child("item").At(1).Child("answer").At(0)
	if got := answer.Child("valueInteger").Path(); got != "QuestionnaireResponse.item[1].answer[0].valueInteger" {
		t.Error(got)
	}
	if got := answer.Parent().Parent().Child("_linkId").Child("id").Path(); got != "QuestionnaireResponse.item[1]._linkId.id" {
		t.Error(got)
	}
	if got := doc.Root().Path(); got != "QuestionnaireResponse" {
		t.Error(got)
	}
}

func TestAPartIsADocumentOfItsOwn(t *testing.T) {
	bundle := parse(t, `{"resourceType":"Bundle","entry":[{"fullUrl":"urn:uuid:1"},{"resource": {"resourceType":"Patient","name":[{"family":"Test"}]} }]}`)
	sub := bundle.Sub(bundle.Root().Child("entry").At(1).Child("resource"))
	if string(sub.Raw()) != `{"resourceType":"Patient","name":[{"family":"Test"}]}` {
		t.Errorf("raw %s", sub.Raw())
	}
	family := sub.Root().Child("name").At(0).Child("family")
	if got := family.Path(); got != "Bundle.entry[1].resource.name[0].family" {
		t.Errorf("path %s", got)
	}
	if sub.Root().Parent().Exists() {
		t.Error("the root of a part has a parent")
	}
	deeper := sub.Sub(sub.Root().Child("name").At(0))
	if got := deeper.Root().Child("family").Path(); got != "Bundle.entry[1].resource.name[0].family" {
		t.Errorf("path of a part of a part %s", got)
	}
	if sub.Hash() != parse(t, string(sub.Raw())).Hash() {
		t.Error("a part hashes differently from the same document by itself")
	}
	if bundle.Sub(tree.Node{}) != nil || bundle.Sub(sub.Root()) != nil || bundle.Sub(bundle.Root().Child("resourceType")) != nil {
		t.Error("what is no object of the document is no part of it")
	}
}

func TestTheHashIgnoresOnlyInsignificantWhiteSpace(t *testing.T) {
	base := parse(t, `{"a":"x y\" z","b":[1.0,2]}`).Hash()
	if spaced := parse(t, "\n{ \"a\" : \"x y\\\" z\" ,\r\n\t\"b\":[ 1.0, 2 ] }\n"); spaced.Hash() != base {
		t.Error("white space counts")
	}
	for _, other := range []string{`{"a":"x  y\" z","b":[1.0,2]}`, `{"a":"x y\" z","b":[1.00,2]}`, `{"b":[1.0,2],"a":"x y\" z"}`, `{"a":"x y\u0022 z","b":[1.0,2]}`} {
		if parse(t, other).Hash() == base {
			t.Errorf("%s hashes alike", other)
		}
	}
}

func TestTheContentIgnoresTheStampsOfTheSendersStore(t *testing.T) {
	base := parse(t, `{"resourceType":"Patient","id":"1","active":true}`).Hash()
	for _, same := range []string{
		`{"resourceType":"Patient","id":"1","active":true}`,
		`{"resourceType":"Patient","id":"1","meta":{"versionId":"1"},"active":true}`,
		`{"meta":{"versionId":"1","lastUpdated":"2026-01-01T00:00:00Z"},"resourceType":"Patient","id":"1","active":true}`,
		`{"resourceType":"Patient","id":"1","active":true,"meta":{"lastUpdated":"2026-01-01T00:00:00Z"}}`,
		"{\n \"resourceType\": \"Patient\",\n \"id\": \"1\",\n \"active\": true,\n \"meta\": { \"versionId\": \"1\" } }",
	} {
		if parse(t, same).Content() != base {
			t.Errorf("%s says something else", same)
		}
	}
	withProfile := parse(t, `{"resourceType":"Patient","meta":{"profile":["p"],"source":"s"}}`).Hash()
	for _, same := range []string{
		`{"resourceType":"Patient","meta":{"versionId":"1","lastUpdated":"x","profile":["p"],"source":"s"}}`,
		`{"resourceType":"Patient","meta":{"profile":["p"],"versionId":"1","lastUpdated":"x","source":"s"}}`,
		`{"resourceType":"Patient","meta":{"profile":["p"],"source":"s","lastUpdated":"x","versionId":"1"}}`,
		`{"resourceType":"Patient","meta":{"versionId":"1", "profile":["p"] , "lastUpdated" : "x", "source":"s"}}`,
		`{"resourceType":"Patient","meta":{"versionId":"1","profile":["p"],"source":"s" , "lastUpdated":"x"}}`,
	} {
		if parse(t, same).Content() != withProfile {
			t.Errorf("%s says something else", same)
		}
	}
	for _, other := range []string{
		`{"resourceType":"Patient","id":"2","active":true}`, `{"resourceType":"Patient","id":"1","active":false,"meta":{"versionId":"1"}}`,
		`{"resourceType":"Patient","id":"1","meta":{"source":"s","versionId":"1"},"active":true}`,
	} {
		if parse(t, other).Content() == base {
			t.Errorf("%s says the same", other)
		}
	}
	bundle := parse(t, `{"entry":[{"resource": {"resourceType":"Patient","id":"1","meta":{"versionId":"9"},"active":true}}]}`)
	if bundle.Sub(bundle.Root().Child("entry").At(0).Child("resource")).Content() != base {
		t.Error("a part of a Bundle says something else")
	}
}

func FuzzParse(f *testing.F) {
	phq9, err := os.ReadFile("testdata/phq9.json")
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{string(phq9), `{"a":[null],"_a":[{"id":"x"}]}`, `{"\u0061":1,"a":2}`, `{"a":"\ud800"}`, `{`, `{"":[{}]}`, `{"a":[[1]]}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		before := bytes.Clone(raw)
		doc, err := tree.Parse(raw, tree.Limits{Values: 10_000})
		if !bytes.Equal(before, raw) {
			t.Fatal("the bytes were changed")
		}
		if err != nil {
			if len(fault.IssuesOf(err)) == 0 {
				t.Fatalf("refused without a reason: %v", err)
			}
			return
		}
		if !bytes.Equal(doc.Raw(), bytes.Trim(raw, " \t\r\n")) {
			t.Fatalf("the bytes did not survive: %q", doc.Raw())
		}
		walk(t, doc.Root())
		stamped, err := tree.Parse(tree.Splice(raw, doc.Root().Child("id").Text(), "9", time.Unix(1_700_000_000, 0)), tree.Limits{})
		meta := doc.Root().Child("meta").Kind()
		if err == nil && doc.Root().Child("id").Kind() == tree.String && (meta == tree.Object || meta == tree.Absent) && stamped.Content() != doc.Content() {
			t.Fatal("stamps change the content")
		}
		if again, err := tree.Parse(bytes.Clone(doc.Raw()), tree.Limits{}); err != nil || again.Hash() != doc.Hash() {
			t.Fatalf("read again it differs: %v", err)
		}
		spliced, err := tree.Parse(tree.Splice(raw, "x", "2", time.Unix(1_700_000_000, 0)), tree.Limits{})
		if err != nil {
			t.Fatalf("spliced it cannot be read: %v", err)
		}
		if got := spliced.Root().Child("id").Text(); got != "x" {
			t.Fatalf("spliced id %q", got)
		}
	})
}

// walk visits every value by every accessor and checks that they agree.
func walk(t *testing.T, n tree.Node) {
	count := 0
	for child := range n.Children() {
		if n.Kind() == tree.Array && n.At(count) != child || n.Kind() == tree.Object && n.Child(child.Key()) != child {
			t.Fatalf("%s is not found again", child.Path())
		}
		if child.Parent() != n {
			t.Fatalf("%s has lost its parent", child.Path())
		}
		if child.Kind() == tree.String && !child.Is(child.Text()) {
			t.Fatalf("%s is not its own text", child.Path())
		}
		if string(child.KeyBytes()) != child.Key() || string(child.TextBytes()) != child.Text() {
			t.Fatalf("%s has other bytes than text", child.Path())
		}
		count++
		walk(t, child)
	}
	for child := n.First(); child.Exists(); child = child.Next() {
		count--
	}
	if count != 0 {
		t.Fatalf("%s: walking from child to child misses %d", n.Path(), count)
	}
	count = 0
	for range n.Children() {
		count++
	}
	if n.Len() != count {
		t.Fatalf("%s has %d children, not %d", n.Path(), count, n.Len())
	}
}

func BenchmarkParse(b *testing.B) {
	raw, err := os.ReadFile("testdata/phq9.json")
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := tree.Parse(raw, tree.Limits{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkContent(b *testing.B) {
	raw, err := os.ReadFile("testdata/phq9.json")
	if err != nil {
		b.Fatal(err)
	}
	doc, err := tree.Parse(raw, tree.Limits{})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		doc.Content()
	}
}

func BenchmarkHash(b *testing.B) {
	raw, err := os.ReadFile("testdata/phq9.json")
	if err != nil {
		b.Fatal(err)
	}
	doc, err := tree.Parse(raw, tree.Limits{})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		doc.Hash()
	}
}
