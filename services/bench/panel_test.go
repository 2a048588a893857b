package bench

import (
	"encoding/json"
	"slices"
	"testing"
	"time"
)

var monday = time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)

// form is what a test reads of a response.
type form struct {
	ID       string
	Status   string
	Authored time.Time
	Meta     struct{ VersionID string }
	Subject  struct{ Reference string }
}

func read(t *testing.T, body []byte) form {
	t.Helper()
	var f form
	if err := json.Unmarshal(body, &f); err != nil {
		t.Fatalf("not JSON: %v", err)
	}
	return f
}

func TestAPatientsAnswersAreDatedOneAfterTheOther(t *testing.T) {
	p := newPanel(3, monday)
	last := time.Time{}
	for n := range 200 {
		a := p.next(1)
		if n%50 == 7 {
			a = p.nextSafety(1)
			if !a.safety {
				t.Errorf("%s was to answer the safety item", a.resource)
			}
		}
		f := read(t, a.body)
		if !f.Authored.After(last) || !f.Authored.Before(monday) {
			t.Fatalf("answer %d is dated %v after %v", n, f.Authored, last)
		}
		last = f.Authored
		if "QuestionnaireResponse/"+f.ID != a.resource || f.Subject.Reference != "Patient/"+p.patients[1].name {
			t.Errorf("%s is said to be %s", f.ID, a.resource)
		}
	}
}

func TestSomeAnswersAreSafetyItems(t *testing.T) {
	p, n := newPanel(1, monday), 0
	for range 2000 {
		if p.next(0).safety {
			n++
		}
	}
	if n < 20 || n > 80 {
		t.Errorf("%d of 2000 answer the safety item; one in fifty is meant", n)
	}
}

func TestAnAmendmentIsAnotherVersionOfTheSameResponse(t *testing.T) {
	p := newPanel(1, monday)
	first := p.next(0)
	second := p.amended(first)
	third := p.amended(second)
	if third.reference() != first.resource+"/_history/3" {
		t.Errorf("the third version is called %s", third.reference())
	}
	was, is := read(t, first.body), read(t, third.body)
	if is.ID != was.ID || is.Meta.VersionID != "3" || is.Status != "amended" {
		t.Errorf("%+v was amended as %+v", was, is)
	}
	if digest(first.body) == digest(second.body) || digest(second.body) == digest(third.body) {
		t.Error("an amendment has the body of the version before")
	}
}

func TestEveryPatientFallsToOneSender(t *testing.T) {
	p := newPanel(10, monday)
	var shared []int
	for sender := range 3 {
		shared = append(shared, p.share(sender, 3)...)
	}
	slices.Sort(shared)
	for i, n := range shared {
		if i != n {
			t.Fatalf("the patients %v were shared out", shared)
		}
	}
	if len(shared) != 10 {
		t.Errorf("%d of 10 patients were shared out", len(shared))
	}
}

func TestACareTeamIsJSON(t *testing.T) {
	if f := read(t, newPanel(1, monday).teamOf(0)); f.ID != "bench-00000-team" {
		t.Errorf("the care team is %+v", f)
	}
}
