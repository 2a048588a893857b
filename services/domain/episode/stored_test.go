package episode

import (
	"encoding/json"
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/rapport-health/rapport/services/domain/trend"
)

// tagged is the state without its own way to JSON: what the struct tags alone make of it.
type tagged State

// fill gives every field a value that differs from zero.
func fill(v reflect.Value, n *int) {
	*n++
	switch {
	case v.Type() == reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(time.Unix(int64(1_700_000_000+*n), int64(*n%3)*1000).UTC()))
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), n)
		}
	case v.Kind() == reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 3, 3))
		for i := range v.Len() {
			fill(v.Index(i), n)
		}
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), n)
	case v.Kind() == reflect.String:
		v.SetString([]string{"plain", `"quoted" \ and`, "ünïcode <&>\u2028", "line\nbreak\x01"}[*n%4])
	case v.CanInt():
		v.SetInt(int64(*n))
	case v.CanUint():
		v.SetUint(uint64(*n % 128))
	case v.CanFloat():
		v.SetFloat([]float64{float64(*n), -0.125, 1e300, 1.0 / 3, 5e-324, 21}[*n%6])
	case v.Kind() == reflect.Bool:
		v.SetBool(true)
	default:
		panic("a kind of field that the stored form does not know: " + v.Type().String())
	}
}

func TestTheStoredFormIsWhatTheTagsSay(t *testing.T) {
	full, n := &State{}, 0
	fill(reflect.ValueOf(full).Elem(), &n)
	for name, s := range map[string]*State{"full": full, "empty": {}, "new": New("p1"), "usual": Replay("p1", course(200))} {
		t.Run(name, func(t *testing.T) {
			byTags, err := json.Marshal((*tagged)(s))
			if err != nil {
				t.Fatal(err)
			}
			ours, err := s.AppendJSON(nil)
			if err != nil {
				t.Fatal(err)
			}
			var a, b any
			if json.Unmarshal(byTags, &a) != nil || json.Unmarshal(ours, &b) != nil {
				t.Fatalf("not JSON: %s", ours)
			}
			if diff := cmp.Diff(a, b); diff != "" {
				t.Errorf("(-tags +ours):\n%s", diff)
			}
			for which, raw := range map[string][]byte{"by tags": byTags, "ours": ours} {
				back, err := Read(raw)
				if err != nil {
					t.Fatal(which, err)
				}
				if diff := cmp.Diff(s, back); diff != "" {
					t.Errorf("%s read back (-kept +read):\n%s", which, diff)
				}
			}
		})
	}
}

func TestMembersInAnotherOrderAndUnknownOnesAreNoHindrance(t *testing.T) {
	full, n := &State{}, 0
	fill(reflect.ValueOf(full).Elem(), &n)
	raw, err := full.AppendJSON(nil)
	if err != nil {
		t.Fatal(err)
	}
	var loose map[string]any
	if err := json.Unmarshal(raw, &loose); err != nil {
		t.Fatal(err)
	}
	loose["aNewMember"] = map[string]any{"of": []any{1, "two", map[string]any{"three": nil}}, "last": true}
	sorted, err := json.MarshalIndent(loose, "", "  ") // in the order of names, with blanks
	if err != nil {
		t.Fatal(err)
	}
	back, err := Read(sorted)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(full, back, cmpopts.EquateApprox(1e-12, 0)); diff != "" {
		t.Errorf("(-kept +read):\n%s", diff)
	}
}

func TestWhatHasNoStoredFormIsAnError(t *testing.T) {
	for name, s := range map[string]*State{
		"a date that has no text": {Deadline: time.Date(20000, 1, 1, 0, 0, 0, 0, time.UTC)},
		"not a number":            {Critical: []Critical{{Value: math.NaN()}}},
		"no end":                  {Measures: []Measure{{Last: trend.Reading{Value: math.Inf(-1)}}}},
	} {
		if raw, err := s.AppendJSON(nil); err == nil {
			t.Errorf("%s was written as %s", name, raw)
		}
	}
}

func TestWhatIsNoStoredStateIsAnError(t *testing.T) {
	raw := string(must(Replay("p1", course(60)).AppendJSON(nil)))
	for _, bad := range []string{
		"", "{", "[]", "null", "1", `"x"`, "{}x", `{"form"}`, `{"form":}`, `{"form":1.5}`, `{"form":"1"}`, `{"patient":3}`, `{"last":[]}`,
		`{"now":"yesterday"}`, `{"now":3}`, `{"dyads":{}}`, `{"dyads":[1]}`, `{"instruments":[{}`, `{"x":[}`, `{"x"`, `{"critical":[{"value":1e999}]}`, `{"programme":{"since":"1"}}`, `{"form":1,}`,
	} {
		if s, err := Read([]byte(bad)); err == nil {
			t.Errorf("%s was read as %+v", bad, s)
		}
	}
	for cut := range raw {
		if _, err := Read([]byte(raw[:cut])); err == nil {
			t.Fatalf("cut after %d bytes it was read", cut)
		}
	}
}

func must(raw []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return raw
}

func TestNoBytesMakeTheReaderPanic(t *testing.T) {
	raw := must(Replay("p1", course(40)).AppendJSON(nil))
	rapid.Check(t, func(t *rapid.T) {
		bent := append([]byte(nil), raw...)
		for range rapid.IntRange(1, 5).Draw(t, "changes") {
			bent[rapid.IntRange(0, len(bent)-1).Draw(t, "at")] = rapid.SampledFrom([]byte(`{}[]",:\x01e-`)).Draw(t, "byte")
		}
		if s, err := Read(bent); err == nil {
			if _, err := s.AppendJSON(nil); err != nil {
				t.Fatal(err)
			}
		}
	})
}
