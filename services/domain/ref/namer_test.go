package ref

import (
	"strings"
	"testing"
)

func TestNamesThatRunTogetherDoNotMeet(t *testing.T) {
	n := Namer{Home: "ehr"}
	if a, b := n.ID("a.b", "c"), n.ID("a", "b.c"); a == b {
		t.Errorf("both are %s", a)
	}
	for _, named := range []struct {
		source  Source
		logical string
		want    string
	}{{"ehr", "1", "1"}, {"pro", "1", "pro.1"}, {"pro", "b.c", "pro.b.c"}} {
		if got := n.ID(named.source, named.logical); got != named.want {
			t.Errorf("%s of %s is %s", named.logical, named.source, got)
		}
	}
}

func TestAnIdHasLettersDigitsDotsAndHyphensAndAtMost64(t *testing.T) {
	for id, want := range map[string]bool{
		"": false, "a": true, "A-b.9": true, "a_b": false, "a/b": false, "a b": false, "ä": false, "a\n": false,
		strings.Repeat("x", 64): true, strings.Repeat("x", 65): false,
	} {
		if ValidID(id) != want {
			t.Errorf("%q: %t", id, !want)
		}
	}
}
