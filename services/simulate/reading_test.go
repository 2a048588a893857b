package simulate_test

import (
	"math"
	"strings"
	"testing"

	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/instrument"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/domain/response"
	"github.com/rapport-health/rapport/services/domain/score"
	"github.com/rapport-health/rapport/services/fhir"
	"github.com/rapport-health/rapport/services/fhir/tree"
	"github.com/rapport-health/rapport/services/simulate"
)

// door reads and scores as ingest does.
type door struct {
	reader   fhir.Reader
	registry *instrument.Registry
}

func newDoor(t *testing.T) door {
	t.Helper()
	registry, err := instrument.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	return door{fhir.Reader{Instruments: registry, Namer: ref.Namer{Home: simulate.EHR}}, registry}
}

// read reads the resource of an event, or those of its Bundle, and fails at any error.
func (d door) read(t *testing.T, e simulate.Event) []fhir.Reading {
	t.Helper()
	doc, err := tree.Parse(e.Body, tree.Default())
	if err != nil {
		t.Fatalf("%s: %v\n%s", e.Note, err, e.Body)
	}
	if !doc.Root().Child("resourceType").Is("Bundle") {
		return []fhir.Reading{d.one(t, e, doc)}
	}
	bundle, err := fhir.ReadBundle(doc)
	if err != nil || len(bundle.Issues) > 0 {
		t.Fatalf("%s: %v %v\n%s", e.Note, err, bundle.Issues, e.Body)
	}
	var all []fhir.Reading
	taken := bundle.Take(e.Source, false, nil)
	for n, entry := range bundle.Entries {
		if len(entry.Issues) > 0 {
			t.Fatalf("%s: %v\n%s", e.Note, entry.Issues, e.Body)
		}
		settled, err := entry.Settled(taken[n], bundle.Targets(taken))
		if err != nil {
			t.Fatalf("%s: %v\n%s", e.Note, err, e.Body)
		}
		all = append(all, d.one(t, e, settled))
	}
	return all
}

func (d door) one(t *testing.T, e simulate.Event, doc *tree.Doc) fhir.Reading {
	t.Helper()
	r, err := d.reader.Read(doc, e.Source)
	if err != nil {
		t.Fatalf("%s: %v\n%s", e.Note, err, e.Body)
	}
	return r
}

// sheets are the scored forms among the readings; forms that no catalogue knows are left out.
func (d door) sheets(t *testing.T, e simulate.Event) []score.Sheet {
	t.Helper()
	var all []score.Sheet
	for _, r := range d.read(t, e) {
		if r.Draft == nil {
			continue
		}
		def, err := d.registry.Lookup(r.Draft.Questionnaire)
		if err != nil {
			if !strings.HasPrefix(e.Note, "feedback") {
				t.Errorf("%s: no instrument %s", e.Note, r.Draft.Questionnaire)
			}
			continue
		}
		bound, issues := response.Bind(def, *r.Draft)
		for _, issue := range issues {
			if issue.Code != "required" && issue.Severity != fault.Information { // left out, or a code without system
				t.Errorf("%s %s: %s\n%s", e.Note, issue.Path, issue.Text, e.Body)
			}
		}
		all = append(all, score.Score(def, bound))
	}
	return all
}

func TestEveryEventIsReadAndUsedWithoutComplaint(t *testing.T) {
	d := newDoor(t)
	c := simulate.Default()
	c.Patients, c.Lifelike = 24+150, true
	kinds, excused := map[fact.Kind]int{}, 0
	for e := range c.Events() {
		for _, r := range d.read(t, e) {
			for _, f := range r.Facts {
				kinds[f.Kind]++
			}
			if e.Patient != "" && !r.Subject.Known() {
				t.Errorf("%s is about nobody: %s", e.Note, e.Body)
			}
			for _, issue := range r.Issues {
				if !excusable(e) {
					t.Errorf("%s %s: %s\n%s", e.Note, issue.Path, issue.Text, e.Body)
				}
				excused++
			}
		}
	}
	if excused == 0 {
		t.Error("nothing is said about a form that was entered in error")
	}
	for _, k := range []fact.Kind{
		fact.KindScores, fact.KindExercise, fact.KindPrescription, fact.KindVisit, fact.KindTeam, fact.KindGoal,
	} {
		if kinds[k] == 0 {
			t.Errorf("no facts of kind %s; all: %v", k, kinds)
		}
	}
}

// excusable events are stored and not used: a withdrawn form, a clinic's own team, a total that could not be worked out.
func excusable(e simulate.Event) bool {
	// The annex sends no meta, so nobody can tell when a visit there was cancelled.
	undated := strings.Contains(e.Note, "cancelled by patient") && !strings.Contains(string(e.Body), "lastUpdated")
	return undated || strings.Contains(e.Note, "entered in error") || e.Note == "clinic team" ||
		strings.Contains(string(e.Body), `"dataAbsentReason":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/data-absent-reason","code":"unknown"`)
}

func TestEveryFormScoresAsItsAnswersAddUp(t *testing.T) {
	d := newDoor(t)
	c := simulate.Default()
	c.Patients = 72
	scored, unscorable := map[string]int{}, 0
	for e := range c.Events() {
		for _, sheet := range d.sheets(t, e) {
			id := sheet.Definition.ID
			if !strings.Contains(e.Note, id) || len(sheet.Submitted) != 0 {
				t.Errorf("%s scored as %s, submitted %v", e.Note, id, sheet.Submitted)
			}
			if !sheet.Result("total").Scorable() {
				unscorable++
				continue
			}
			scored[id]++
			checkSheet(t, e, sheet)
		}
	}
	if len(scored) != 8 || unscorable == 0 {
		t.Errorf("scored %v, %d with too much left out", scored, unscorable)
	}
}

// checkSheet compares with the plain sum where nothing is missing.
func checkSheet(t *testing.T, e simulate.Event, s score.Sheet) {
	t.Helper()
	total, plain := s.Result("total"), 0.0
	for _, item := range s.Items {
		if item.Scored && item.Answered {
			plain += item.Used
		}
	}
	if !total.Prorated && math.Abs(total.Value-plain) > instrument.Tolerance {
		t.Errorf("%s: total %v of answers that add up to %v", e.Note, total.Value, plain)
	}
}

func TestSafetyItemsFireForWhomTheTruthNames(t *testing.T) {
	d := newDoor(t)
	c := simulate.Default()
	c.Patients, c.Cast = 72, simulate.Archetypes()
	fired := map[string]bool{}
	for e := range c.Events() {
		for _, sheet := range d.sheets(t, e) {
			for _, critical := range sheet.Critical {
				fired[e.Patient] = fired[e.Patient] || critical.Severity == "safety"
			}
			if len(sheet.SafetyUnknown) > 0 {
				t.Errorf("%s leaves a safety item unanswered", e.Note)
			}
		}
	}
	named := 0
	for _, truth := range c.Truth() {
		if (truth.ItemNine != nil) != fired[truth.Patient] {
			t.Errorf("%s: fired %v, truth %+v", truth.Archetype, fired[truth.Patient], truth.ItemNine)
		}
		if truth.ItemNine != nil {
			named++
		}
	}
	if named != 4 {
		t.Errorf("%d patients with item 9 among 72, want 4", named)
	}
}

func TestTheRatedClinicianIsReadOrLeftToTheEncounter(t *testing.T) {
	d := newDoor(t)
	for e := range simulate.Default().Events() {
		for _, r := range d.read(t, e) {
			if r.Draft == nil || !strings.Contains(e.Note, "rating") {
				continue
			}
			if r.Clinician == "" && r.Encounter == "" || r.Respondent != "patient" {
				t.Errorf("%s: clinician %q, encounter %q, respondent %q", e.Note, r.Clinician, r.Encounter, r.Respondent)
			}
		}
	}
}

func TestALoadResponseScores(t *testing.T) {
	d := newDoor(t)
	e := simulate.Event{Source: simulate.EHR, Note: "phq-9 load", Body: simulate.PHQ9("p0001", simulate.Default().Start, 3)}
	r := d.read(t, e)[0]
	sheet := d.sheets(t, e)[0]
	if !sheet.Result("total").Scorable() || len(sheet.Submitted) != 0 || len(r.Issues) != 0 || r.Subject.Logical != "p0001" {
		t.Errorf("submitted %v, issues %v, subject %+v", sheet.Submitted, r.Issues, r.Subject)
	}
}
