package simulate_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/simulate"
)

func digest(c simulate.Clinic) (sum [32]byte, n int) {
	h := sha256.New()
	for e := range c.Events() {
		h.Write([]byte(e.At.Format(time.RFC3339Nano) + string(e.Source) + e.Patient + e.Note))
		h.Write(e.Body)
		n++
	}
	return [32]byte(h.Sum(nil)), n
}

func TestTheSameSeedSendsTheSameBytesAndAnotherSeedOthers(t *testing.T) {
	c := simulate.Default()
	first, n := digest(c)
	second, _ := digest(c)
	if n == 0 || first != second {
		t.Fatalf("two runs of %d events differ", n)
	}
	c.Seed++
	if other, _ := digest(c); other == first {
		t.Fatal("another seed sends the same bytes")
	}
}

func TestTheDemoStaysWithinItsBudget(t *testing.T) {
	for seed := range uint64(20) {
		c := simulate.Default()
		c.Seed = seed
		if _, n := digest(c); n < 2500 || n > 5000 {
			t.Errorf("seed %d sends %d events, want 2,500 to 5,000", seed, n)
		}
	}
}

func TestTheDemoShowsEveryKindOfTrouble(t *testing.T) {
	notes := map[string]int{}
	sources := map[ref.Source]int{}
	for e := range simulate.Default().Events() {
		sources[e.Source]++
		for _, part := range []string{
			", again", ", late", "amended", "entered in error", "feedback", "care partner", "prescription raised",
			"prescription closed", "appointment missed", "cancelled by patient", "cancelled by clinic", "goal achieved",
			"phq-9 intake", "pcs milestone", "ears course", "wai-sr rating", "srs rating", "home exercise not done",
		} {
			if strings.Contains(e.Note, part) {
				notes[part]++
			}
		}
	}
	if len(notes) != 18 || len(sources) != 3 {
		t.Errorf("kinds sent: %v\nby %v", notes, sources)
	}
	if notes["entered in error"] != 1 {
		t.Errorf("%d forms entered in error, want one", notes["entered in error"])
	}
	cast := map[simulate.Archetype]int{}
	for _, p := range simulate.Default().Truth() {
		cast[p.Archetype]++
	}
	if len(cast) != 13 {
		t.Errorf("cast: %v", cast)
	}
}

func TestEventsComeInOrderOfSendingWithinTheWeeks(t *testing.T) {
	c := simulate.Default()
	c.Patients = 60
	last := c.Start
	end := c.Start.AddDate(0, 0, 7*c.Weeks)
	for e := range c.Events() {
		if e.At.Before(last) || !e.At.Before(end) {
			t.Fatalf("%s at %s, after %s", e.Note, e.At, last)
		}
		last = e.At
	}
}

func TestNothingIsWrittenBeforeItHappened(t *testing.T) {
	for _, s := range readAll(t, simulate.Default()) {
		for _, r := range s.resources {
			for _, at := range []time.Time{r.Authored, r.EffectiveDateTime, r.Meta.LastUpdated} {
				if at.After(s.At) {
					t.Errorf("%s sent at %s speaks of %s", s.Note, s.At, at)
				}
			}
		}
	}
}

func TestEveryBodyIsStrictJSONOfOneResource(t *testing.T) {
	known := map[string]bool{}
	for _, s := range readAll(t, simulate.Default()) {
		strict(t, s.Body)
		for _, r := range s.resources {
			if r.ResourceType == "" || r.ResourceType == "Bundle" || !ref.ValidID(r.ID) {
				t.Fatalf("%s holds a %q with id %q", s.Note, r.ResourceType, r.ID)
			}
			known[r.ResourceType] = true
		}
	}
	for _, typ := range []string{
		"Patient", "CareTeam", "Practitioner", "PractitionerRole", "RelatedPerson", "Appointment", "Encounter", "Goal",
		"ServiceRequest", "Observation", "QuestionnaireResponse",
	} {
		if !known[typ] {
			t.Errorf("no %s is sent", typ)
		}
	}
}

// strict refuses duplicate keys, nulls and empty values, as the store does.
func strict(t *testing.T, body []byte) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(body))
	if err := strictValue(d); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	if d.More() {
		t.Fatalf("more than one value in %s", body)
	}
}

func strictValue(d *json.Decoder) error {
	token, err := d.Token()
	if err != nil {
		return err
	}
	switch v := token.(type) {
	case nil:
		return errors.New("null")
	case string:
		if v == "" {
			return errors.New("empty string")
		}
	case json.Delim:
		seen, n := map[string]bool{}, 0
		for ; d.More(); n++ {
			if v == '{' {
				key, err := d.Token()
				if err != nil {
					return err
				}
				if seen[key.(string)] {
					return errors.New("duplicate key " + key.(string))
				}
				seen[key.(string)] = true
			}
			if err := strictValue(d); err != nil {
				return err
			}
		}
		if n == 0 {
			return errors.New("empty array or object")
		}
		_, err := d.Token()
		return err
	}
	return nil
}

func TestAnIdAndVersionNameOneContentOnly(t *testing.T) {
	type key struct {
		source       ref.Source
		typ, id, ver string
	}
	contents := map[key]string{}
	changed := 0
	for _, s := range readAll(t, simulate.Default()) {
		if len(s.resources) != 1 {
			continue
		}
		r := s.resources[0]
		k := key{s.Source, r.ResourceType, r.ID, r.Meta.VersionID}
		if was, ok := contents[k]; ok && was != string(s.Body) {
			if k.ver != "" {
				t.Errorf("%s: %v has two contents", s.Note, k)
			}
			changed++
		}
		contents[k] = string(s.Body)
	}
	if changed == 0 {
		t.Error("no source without versions ever changes a resource")
	}
}

func TestMorePatientsDoNotRenameTheOthers(t *testing.T) {
	short, long := simulate.Default(), simulate.Default()
	short.Patients, long.Patients = 24, 48
	ids := func(c simulate.Clinic) map[string]bool {
		found := map[string]bool{}
		for _, p := range c.Truth() {
			found[p.Patient] = true
		}
		return found
	}
	more := ids(long)
	for id := range ids(short) {
		if !more[id] {
			t.Errorf("%s is nobody in the larger clinic", id)
		}
	}
}

func TestAnInvalidClinicSaysWhyAndSendsNothing(t *testing.T) {
	for name, c := range map[string]simulate.Clinic{
		"no start":       {Patients: 1, Weeks: 1},
		"negative":       {Patients: -1, Weeks: 1, Start: simulate.Default().Start},
		"too long":       {Patients: 1, Weeks: 10_000, Start: simulate.Default().Start},
		"strange course": {Patients: 1, Weeks: 1, Start: simulate.Default().Start, Cast: []simulate.Archetype{"saint"}},
	} {
		var f *fault.Fault
		if err := c.Validate(); !errors.As(err, &f) || f.Kind != fault.Invalid || len(f.Issues) == 0 {
			t.Errorf("%s: %v", name, err)
		}
		if _, n := digest(c); n != 0 || len(c.Truth()) != 0 {
			t.Errorf("%s sends %d events", name, n)
		}
	}
}

func TestClinicsOfAnySizeAndLengthAreSimulated(t *testing.T) {
	for _, weeks := range []int{0, 1, 2, 3, 7, 30} {
		for _, patients := range []int{0, 1, 5, 25} {
			c := simulate.Default()
			c.Patients, c.Weeks = patients, weeks
			_, n := digest(c)
			if (patients == 0 || weeks == 0) != (n == 0) {
				t.Errorf("%d patients over %d weeks send %d events", patients, weeks, n)
			}
			if truths := len(c.Truth()); weeks > 0 && truths != patients {
				t.Errorf("%d truths of %d patients", truths, patients)
			}
		}
	}
}

func TestTheReceiverMayStopAtAnyEvent(t *testing.T) {
	for _, stop := range []int{1, 20, 100} {
		n := 0
		for range simulate.Default().Events() {
			if n++; n == stop {
				break
			}
		}
		if n != stop {
			t.Errorf("stopped after %d, want %d", n, stop)
		}
	}
}

func TestACastDecidesWhoTakesWhichCourse(t *testing.T) {
	c := simulate.Default()
	c.Patients, c.Cast = 30, []simulate.Archetype{simulate.ItemNine, simulate.Steady}
	for i, p := range c.Truth() {
		if p.Archetype != c.Cast[i%2] {
			t.Errorf("patient %d is %s", i, p.Archetype)
		}
		if p.Archetype == simulate.ItemNine && p.ItemNine == nil {
			t.Errorf("patient %d never answers item 9", i)
		}
	}
}

// TestMemoryStaysBoundedForTenThousandPatients streams over a million events and looks at the heap on the way.
func TestMemoryStaysBoundedForTenThousandPatients(t *testing.T) {
	c := simulate.Default()
	c.Patients = 10_000
	var mem runtime.MemStats
	var peak uint64
	n, last := 0, c.Start
	for e := range c.Events() {
		if e.At.Before(last) {
			t.Fatalf("event %d at %s, after %s", n, e.At, last)
		}
		last = e.At
		if n++; n%100_000 == 1 {
			runtime.GC()
			runtime.ReadMemStats(&mem)
			peak = max(peak, mem.HeapAlloc)
		}
	}
	t.Logf("%d events, peak heap %d MB", n, peak>>20)
	if n < 1_000_000 || peak > 100<<20 {
		t.Errorf("%d events with a peak heap of %d MB, want over a million in 100 MB", n, peak>>20)
	}
}

// BenchmarkCourses is what a window costs for each patient in it.
func BenchmarkCourses(b *testing.B) {
	b.ReportAllocs()
	c := simulate.Default()
	c.Patients = 1000
	n := 0
	for b.Loop() {
		for range c.Truths() {
			n++
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/course")
}

func BenchmarkEvents(b *testing.B) {
	b.ReportAllocs()
	c := simulate.Default()
	n := 0
	for b.Loop() {
		for range c.Events() {
			n++
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/event")
}
