package ref

import "testing"

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
