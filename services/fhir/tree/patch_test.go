package tree

import (
	"bytes"
	"strings"
	"testing"

	"github.com/rapport-health/rapport/services/domain/fault"
)

func TestAPatchDoesWhatRFC6902Says(t *testing.T) {
	for _, test := range []struct{ before, patch, after string }{
		{`{"a":"b"}`, `[{"op":"add","path":"/c","value":1.00}]`, `{"a":"b","c":1.00}`},
		{`{"a":["b","d"]}`, `[{"op":"add","path":"/a/1","value":"c"}]`, `{"a":["b","c","d"]}`},
		{`{"a":["b"]}`, `[{"op":"add","path":"/a/-","value":{"c":"<&>"}}]`, `{"a":["b",{"c":"<&>"}]}`},
		{`{"a":"b", "c" : 1.10}`, `[{"op":"remove","path":"/a"}]`, `{"c":1.10}`},
		{`{"a":["b","c"]}`, `[{"op":"remove","path":"/a/0"}]`, `{"a":["c"]}`},
		{`{"a":["b"],"c":1}`, `[{"op":"remove","path":"/a/0"}]`, `{"c":1}`},
		{`{"a":{"b":{"c":1}},"d":1}`, `[{"op":"remove","path":"/a/b/c"}]`, `{"d":1}`},
		{`{"a":1e-245}`, `[{"op":"replace","path":"/a","value":2}]`, `{"a":2}`},
		{`{"a":{"b":1},"c":{"d":2}}`, `[{"op":"move","from":"/a/b","path":"/c/e"}]`, `{"c":{"d":2,"e":1}}`},
		{`{"a":["b","c","d"]}`, `[{"op":"move","from":"/a/0","path":"/a/2"}]`, `{"a":["c","d","b"]}`},
		{`{"a":{"b":1}}`, `[{"op":"copy","from":"/a","path":"/c"},{"op":"replace","path":"/c/b","value":2}]`, `{"a":{"b":1},"c":{"b":2}}`},
		{`{"a/b":1,"m~n":2}`, `[{"op":"test","path":"/a~1b","value":1.0},{"op":"remove","path":"/m~0n"}]`, `{"a/b":1}`},
		{`{"a":{"b":1,"c":[1,"é"]}}`, `[{"op":"test","path":"/a","value":{"c":[1.00,"\u00e9"],"b":1}}]`, `{"a":{"b":1,"c":[1,"é"]}}`},
		{`{"a":1}`, `[]`, `{"a":1}`},
		{`{"a":1}`, `[{"op":"add","path":"/note","value":[]},{"op":"add","path":"/note/-","value":{"text":"hi"}}]`, `{"a":1,"note":[{"text":"hi"}]}`},
		{`{"a":1}`, `[{"op":"add","path":"/b","value":{}},{"op":"add","path":"/b/c","value":""}]`, `{"a":1,"b":{"c":""}}`},
		{`{"a":1}`, `[{"op":"replace","path":"/a","value":null}]`, `{"a":null}`},
		{`{"a":1}`, `[{"op":"add","path":"/a","value":[[null,[]],{"":1}]}]`, `{"a":[[null,[]],{"":1}]}`},
		{`{"a":1}`, `[{"op":"test","path":"","value":{"a":1.0}},{"op":"replace","path":"","value":{"b":[2]}},{"op":"add","path":"/b/0","value":1}]`, `{"b":[1,2]}`},
		{`{"a":1}`, `[{"op":"copy","from":"","path":"/b"}]`, `{"a":1,"b":{"a":1}}`},
		{`{"a":null}`, `[{"op":"test","path":"/a","value":null},{"op":"replace","path":"/a","value":1}]`, `{"a":1}`},
	} {
		d, err := parse([]byte(test.before), Limits{}, true)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Patch(d, []byte(test.patch))
		if err != nil || string(got) != test.after {
			t.Errorf("%s of %s: %s %v, want %s", test.patch, test.before, got, err, test.after)
		}
	}
}

func TestAPatchThatDoesNotFitIsRefused(t *testing.T) {
	for patch, kind := range map[string]fault.Kind{
		`[{"op":"test","path":"/a/b","value":2}]`:          fault.Unprocessable,
		`[{"op":"test","path":"/none","value":2}]`:         fault.Unprocessable,
		`[{"op":"remove","path":"/none"}]`:                 fault.Unprocessable,
		`[{"op":"replace","path":"/a/none","value":2}]`:    fault.Unprocessable,
		`[{"op":"add","path":"/a/none/c","value":2}]`:      fault.Unprocessable,
		`[{"op":"add","path":"/l/5","value":2}]`:           fault.Unprocessable,
		`[{"op":"add","path":"/l/01","value":2}]`:          fault.Unprocessable,
		`[{"op":"move","from":"/a","path":"/a/b"}]`:        fault.Unprocessable,
		`[{"op":"copy","from":"/none","path":"/c"}]`:       fault.Unprocessable,
		`[{"op":"remove","path":""}]`:                      fault.Unprocessable,
		`[{"op":"move","from":"","path":"/c"}]`:            fault.Unprocessable,
		`[{"op":"test","path":"","value":null}]`:           fault.Unprocessable,
		`[{"op":"add","path":"/c","value":{"d":1,"d":2}}]`: fault.Invalid,
		`{"op":"remove","path":"/a"}`:                      fault.Invalid,
		`[{"op":"destroy","path":"/a"}]`:                   fault.Invalid,
		`[{"op":"remove"}]`:                                fault.Invalid,
		`[{"op":"remove","path":"a"}]`:                     fault.Invalid,
		`[{"op":"remove","path":"/a~2"}]`:                  fault.Invalid,
		`[{"op":"remove","path":"/a~"}]`:                   fault.Invalid,
		`[{"op":"add","path":"/a"}]`:                       fault.Invalid,
		`[{"op":"move","path":"/a"}]`:                      fault.Invalid,
		`[1]`:                                              fault.Invalid,
		`[],"x":[]`:                                        fault.Invalid,
		``:                                                 fault.Invalid,
		`[` + strings.Repeat(`{"op":"remove","path":"/a"},`, 1001) + `{"op":"remove","path":"/a"}]`: fault.TooLarge,
	} {
		d, err := Parse([]byte(`{"a":{"b":1},"l":[1]}`), Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := Patch(d, []byte(patch)); err == nil || fault.Of(err) != kind {
			t.Errorf("%.80s: %s %v, want %s", patch, got, err, kind)
		}
	}
}

func TestAPatchThatDoublesAndDoublesIsCutOff(t *testing.T) {
	d, err := Parse([]byte(`{"a":{"b":"`+strings.Repeat("x", 1000)+`"}}`), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	var patch bytes.Buffer
	patch.WriteString(`[{"op":"copy","from":"/a","path":"/c"}`)
	for range 40 {
		patch.WriteString(`,{"op":"copy","from":"/a","path":"/a/d"},{"op":"copy","from":"/a","path":"/a/e"}`)
	}
	patch.WriteString(`]`)
	if _, err := Patch(d, patch.Bytes()); fault.Of(err) != fault.TooLarge {
		t.Errorf("%v", err)
	}
}

func FuzzPatch(f *testing.F) {
	f.Add(`{"a":{"b":[1,2]}}`, `[{"op":"move","from":"/a/b/0","path":"/a/c"},{"op":"test","path":"/a/c","value":1}]`)
	f.Add(`{"a":[{"b":1}],"c":"d"}`, `[{"op":"copy","from":"/a/0","path":"/a/-"},{"op":"remove","path":"/a/0/b"}]`)
	f.Fuzz(func(t *testing.T, before, patch string) {
		d, err := Parse([]byte(before), Limits{})
		if err != nil {
			return
		}
		after, err := Patch(d, []byte(patch))
		if err != nil {
			if k := fault.Of(err); k != fault.Invalid && k != fault.Unprocessable && k != fault.TooLarge {
				t.Fatalf("%v", err)
			}
			return
		}
		if again, err := Patch(d, []byte(patch)); err != nil || !bytes.Equal(after, again) {
			t.Fatalf("%s then %s, %v", after, again, err)
		}
	})
}
