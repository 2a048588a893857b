package simulate_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rapport-health/rapport/services/simulate"
)

// clinic is large enough for every archetype to occur several times.
func clinic(seed uint64) simulate.Clinic {
	c := simulate.Default()
	c.Seed, c.Patients = seed, 120
	return c
}

// phqs are the first versions of a patient's PHQ-9 responses, the wrong chart's left out.
func phqs(all []sent) []resource {
	var found []resource
	for _, s := range all {
		if strings.HasPrefix(s.Note, "phq-9 intake") || strings.HasPrefix(s.Note, "phq-9 course") {
			found = append(found, s.resources...)
		}
	}
	slices.SortStableFunc(found, func(a, b resource) int { return when(a).Compare(when(b)) })
	return found
}

func when(r resource) time.Time {
	if r.Authored.IsZero() {
		return r.EffectiveDateTime
	}
	return r.Authored
}

func TestItemNineIsAnsweredWhereTheTruthSaysAndNowhereElse(t *testing.T) {
	c := clinic(3)
	c.Cast = simulate.Archetypes()
	all := readAll(t, c)
	positive := 0
	for _, truth := range c.Truth() {
		for _, s := range of(all, truth.Patient) {
			r := s.resources[0]
			if r.ResourceType != "QuestionnaireResponse" || !strings.HasPrefix(s.Note, "phq-9") {
				continue
			}
			nine := r.ordinals("phq-9")
			if len(nine) < 9 { // a flowsheet leaves unanswered items out, but never item 9
				nine = append(nine[:0], r.ordinals("phq-9")...)
			}
			value := nine[len(nine)-1]
			told := truth.ItemNine != nil && truth.ItemNine.Response == r.ID
			if told != (value > 0) || told && (int(value) != truth.ItemNine.Value || !truth.ItemNine.At.Equal(r.Authored)) {
				t.Errorf("%s %s: item 9 is %v, truth %+v", truth.Archetype, r.ID, value, truth.ItemNine)
			}
			if told {
				positive++
			}
		}
		if (truth.ItemNine != nil) != (truth.Archetype == simulate.ItemNine) {
			t.Errorf("%s: item 9 %+v", truth.Archetype, truth.ItemNine)
		}
	}
	if positive < 4 {
		t.Errorf("only %d answers above zero", positive)
	}
}

func TestWorseningAndSevereScreeningShowInTheTotals(t *testing.T) {
	c := clinic(4)
	all := readAll(t, c)
	for _, truth := range c.Truth() {
		forms := slices.DeleteFunc(phqs(of(all, truth.Patient)), func(r resource) bool { return r.DataAbsentReason != nil })
		if len(forms) == 0 {
			if !truth.AnswersNothing {
				t.Errorf("%s fills in no PHQ-9", truth.Archetype)
			}
			continue
		}
		totals := make([]float64, len(forms))
		for i, r := range forms {
			if totals[i] = sum(r.ordinals("phq-9")); r.ValueQuantity != nil {
				totals[i] = r.ValueQuantity.Value
			}
		}
		if severe := totals[0] >= 20; severe != truth.SevereAtIntake || severe != (truth.Archetype == simulate.SevereAtIntake) {
			t.Errorf("%s begins at %v, severe: %v", truth.Archetype, totals[0], truth.SevereAtIntake)
		}
		rise := slices.Max(totals) - totals[0]
		if (rise >= 6) != (truth.Worsening != nil) || (truth.Worsening != nil) != (truth.Archetype == simulate.WorseningDepression) {
			t.Errorf("%s rises by %v: %v, %+v", truth.Archetype, rise, totals, truth.Worsening)
		}
		if w := truth.Worsening; w != nil {
			i := slices.IndexFunc(forms, func(r resource) bool { return when(r).Equal(w.At) })
			if i < 0 || totals[i] != float64(w.To) || totals[0] != float64(w.From) {
				t.Errorf("worsening %+v is not among %v", w, totals)
			}
		}
	}
}

func TestSilencePeopleSendNothingAnyMore(t *testing.T) {
	c := clinic(5)
	all := readAll(t, c)
	silent := 0
	for _, truth := range c.Truth() {
		if (truth.Archetype == simulate.FadesOut) == truth.SilentFrom.IsZero() {
			t.Fatalf("%s is silent from %s", truth.Archetype, truth.SilentFrom)
		}
		if truth.SilentFrom.IsZero() {
			continue
		}
		silent++
		last := time.Time{}
		for _, s := range of(all, truth.Patient) {
			r := s.resources[0]
			fromPatient := r.ResourceType == "QuestionnaireResponse" || r.ResourceType == "Observation" ||
				r.ResourceType == "Encounter"
			if !fromPatient {
				continue
			}
			last = s.At
			if !s.At.Before(truth.SilentFrom.AddDate(0, 0, 1)) || !when(r).Before(truth.SilentFrom) {
				t.Errorf("%s on %s, silent from %s", s.Note, s.At, truth.SilentFrom)
			}
		}
		if truth.SilentFrom.Sub(last) > 24*time.Hour {
			t.Errorf("last heard of on %s, silent from %s", last, truth.SilentFrom)
		}
	}
	if silent < 8 {
		t.Errorf("only %d fall silent", silent)
	}
}

func TestWhoeverNeverLogsOrAnswersSendsNoLogOrForm(t *testing.T) {
	c := clinic(6)
	all := readAll(t, c)
	for _, truth := range c.Truth() {
		logs, forms := 0, 0
		for _, s := range of(all, truth.Patient) {
			for _, r := range s.resources {
				switch {
				case strings.HasPrefix(s.Note, "home exercise"):
					logs++
				case r.ResourceType == "QuestionnaireResponse":
					forms++
				}
			}
		}
		if (logs == 0) != truth.NeverLogs || (forms == 0) != truth.AnswersNothing {
			t.Errorf("%s sends %d logs and %d forms", truth.Archetype, logs, forms)
		}
	}
}

// rating is one alliance form on the 1 to 5 scale, or the SRS total divided so that 8 points are one.
type rating struct {
	at   time.Time
	with string
	mean float64
}

// ratings by dyad, complete ones only.
func ratings(all []sent, form string) map[string][]rating {
	with := map[string]string{}
	for _, s := range all {
		for _, r := range s.resources {
			if r.ResourceType == "Encounter" {
				with[r.ID] = clinicianOf(s, r)
			}
		}
	}
	dyads := map[string][]rating{}
	for _, s := range all {
		if strings.Contains(s.Note, "by clinician") {
			continue
		}
		for _, r := range s.resources {
			if r.ResourceType != "QuestionnaireResponse" || !strings.HasSuffix(r.Questionnaire, "/"+form) {
				continue
			}
			values := r.ordinals(form)
			if slices.Contains(values, -1) || form == "wai-sr" && len(values) < 12 || form == "srs" && len(values) < 4 {
				continue
			}
			mean := sum(values) / 12
			if form == "srs" {
				mean = sum(values) / 8
			}
			who := with[r.Encounter.Reference[strings.LastIndexAny(r.Encounter.Reference, "/:")+1:]]
			for _, e := range r.Extension {
				who = e.ValueReference.Reference
			}
			dyads[who] = append(dyads[who], rating{r.Authored, who, mean})
		}
	}
	for _, d := range dyads {
		slices.SortFunc(d, func(a, b rating) int { return a.at.Compare(b.at) })
	}
	return dyads
}

// clinicianOf an Encounter, from its raw body, whose participants are unlike those of a CareTeam.
func clinicianOf(s sent, _ resource) string {
	const mark = `"individual":{"reference":"`
	body := string(s.Body)
	at := strings.Index(body, mark) + len(mark)
	return body[at : at+strings.IndexByte(body[at:], '"')]
}

// fallen says by how much each rating lies below the mean of up to five before it.
func fallen(dyad []rating, i int) float64 {
	before := dyad[max(0, i-5):i]
	if len(before) < 3 {
		return 0
	}
	mean := 0.0
	for _, r := range before {
		mean += r.mean / float64(len(before))
	}
	return mean - dyad[i].mean
}

func TestRupturesShowInTheRatingsAndQuietPeopleStayLevel(t *testing.T) {
	repaired, unrepaired, declines := 0, 0, 0
	for seed := range uint64(4) {
		c := clinic(seed)
		all := readAll(t, c)
		for _, truth := range c.Truth() {
			dyads := ratings(of(all, truth.Patient), truth.AllianceForm)
			if r := truth.Rupture; r != nil {
				checkRupture(t, truth, dyads[string(r.Clinician)])
				if r.Repaired {
					repaired++
				} else {
					unrepaired++
				}
				continue
			}
			if truth.Decline != nil {
				declines++
				dyad := dyads[string(truth.Decline.Clinician)]
				if total := dyad[0].mean - dyad[len(dyad)-1].mean; total < 0.55 {
					t.Errorf("decline of only %.2f", total)
				}
				continue
			}
			if truth.PartSlip != nil {
				continue // a third of the fall of the tasks is one of the whole
			}
			for who, dyad := range dyads {
				for i := range dyad {
					if f := fallen(dyad, i); f >= 0.4 {
						t.Errorf("seed %d: %s %s falls by %.2f with %s and has no rupture", seed, truth.Archetype, truth.Patient, f, who)
					}
				}
			}
		}
	}
	if repaired < 30 || unrepaired < 30 || declines < 10 {
		t.Errorf("%d repaired, %d unrepaired, %d declines", repaired, unrepaired, declines)
	}
}

func checkRupture(t *testing.T, truth simulate.PatientTruth, dyad []rating) {
	t.Helper()
	r := truth.Rupture
	i := slices.IndexFunc(dyad, func(x rating) bool { return x.at.Equal(r.At) })
	if i < 0 {
		t.Errorf("%s: no complete rating at the rupture of %s", truth.Patient, r.At)
		return
	}
	if f := fallen(dyad, i); f < 0.6 {
		t.Errorf("%s: rupture falls by only %.2f", truth.Patient, f)
	}
	usual := dyad[i].mean + fallen(dyad, i)
	for j, x := range dyad[i:] {
		near := 0.2
		if r.Repaired && x.at.After(r.RepairedAt) {
			near = 0.4 // people wobble
		}
		back := x.mean >= usual-near
		if want := r.Repaired && !x.at.Before(r.RepairedAt); back != want {
			t.Errorf("%s %s: rating %d after the rupture is %.2f, usual %.2f, repaired %v", truth.Archetype, truth.Patient, j, x.mean, usual, r.Repaired)
		}
	}
}

func TestSteadyPeopleAtTheCeilingGiveFullMarks(t *testing.T) {
	c := clinic(7)
	all := readAll(t, c)
	for _, truth := range c.Truth() {
		if truth.Archetype != simulate.SteadyAtCeiling {
			continue
		}
		for _, dyad := range ratings(of(all, truth.Patient), truth.AllianceForm) {
			for _, r := range dyad {
				if r.mean < 4.5 {
					t.Errorf("%s rates %.2f", truth.Patient, r.mean)
				}
			}
		}
	}
}

func TestHomeExerciseLapsesAfterAnUnrepairedRupture(t *testing.T) {
	c := clinic(8)
	all := readAll(t, c)
	before, after := 0, 0
	for _, truth := range c.Truth() {
		if truth.Archetype != simulate.RuptureUnrepaired || truth.Rupture == nil {
			continue
		}
		for _, s := range of(all, truth.Patient) {
			if !strings.HasPrefix(s.Note, "home exercise done") {
				continue
			}
			switch d := s.resources[0].EffectiveDateTime.Sub(truth.Rupture.At).Hours() / 24; {
			case d < 0 && d > -21:
				before++
			case d > 14 && d < 35:
				after++
			}
		}
	}
	if before < 50 || after*3 > before {
		t.Errorf("%d sessions done in the weeks before and %d after", before, after)
	}
}

func TestAFormOfTheWrongChartIsWithdrawn(t *testing.T) {
	c := simulate.Default()
	all := readAll(t, c)
	seen := 0
	for _, truth := range c.Truth() {
		if truth.WrongChart == "" {
			continue
		}
		var statuses []string
		for _, s := range of(all, truth.Patient) {
			if r := s.resources[0]; r.ID == truth.WrongChart {
				statuses = append(statuses, r.Status)
			}
		}
		seen++
		if got := fmt.Sprint(statuses); got != "[completed entered-in-error]" {
			t.Errorf("statuses %s", got)
		}
	}
	if seen != 1 {
		t.Errorf("%d wrong charts in the demo, want 1", seen)
	}
}

func TestATruthKnowsItsPatientInRapport(t *testing.T) {
	for _, truth := range simulate.Default().Truth() {
		want := truth.Patient
		if truth.Source == simulate.Annex {
			want = "annex." + want
		}
		if string(truth.Ref()) != want {
			t.Errorf("%s of %s is %s", truth.Patient, truth.Source, truth.Ref())
		}
	}
}
