package simulate_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rapport-health/rapport/services/simulate"
)

// only is a clinic in which everybody takes the same course.
func only(a simulate.Archetype, lifelike bool) simulate.Clinic {
	c := simulate.Default()
	c.Seed, c.Patients, c.Weeks, c.Lifelike = 11, 20, 14, lifelike
	c.Cast = []simulate.Archetype{a}
	return c
}

// each hands over every patient of a clinic with what is sent.
func each(t *testing.T, c simulate.Clinic, look func(simulate.PatientTruth, []sent)) {
	t.Helper()
	all := readAll(t, c)
	for _, truth := range c.Truth() {
		look(truth, of(all, truth.Patient))
	}
}

func TestTheBaseRatesOfRuptureAreThoseOfTheLiterature(t *testing.T) {
	c := simulate.Default()
	c.Patients, c.Weeks = 24+4*150, 20
	repaired, unrepaired := 0, 0
	for _, truth := range c.Truth()[24:] {
		switch r := truth.Rupture; {
		case r == nil:
		case r.Repaired:
			repaired++
		default:
			unrepaired++
		}
	}
	if math.Abs(float64(repaired)/600-0.147) > 0.005 || math.Abs(float64(unrepaired)/600-0.107) > 0.005 {
		t.Errorf("of 600, %d ruptures are repaired and %d not", repaired, unrepaired)
	}
	cast := map[simulate.Archetype]int{}
	for _, truth := range c.Truth() {
		cast[truth.Archetype]++
	}
	if len(cast) != len(simulate.Archetypes()) {
		t.Errorf("cast: %v", cast)
	}
}

func TestALapseShowsInTheLogsAndNowhereElse(t *testing.T) {
	before, after := 0, 0
	each(t, only(simulate.HEPLapse, true), func(truth simulate.PatientTruth, all []sent) {
		if truth.Lapse == nil || !truth.SilentFrom.IsZero() || truth.Sessions < 12 {
			t.Fatalf("%+v", truth)
		}
		for _, s := range all {
			if !strings.HasPrefix(s.Note, "home exercise done") {
				continue
			}
			if s.resources[0].EffectiveDateTime.Before(truth.Lapse.From) {
				before++
			} else {
				after++
			}
		}
	})
	if before < 100 || after*4 > before {
		t.Errorf("%d sessions done before and %d after", before, after)
	}
}

func TestInAPauseNothingComesAndTheEpisodeSaysSo(t *testing.T) {
	each(t, only(simulate.PausesByChoice, true), func(truth simulate.PatientTruth, all []sent) {
		var told []string
		for _, s := range all {
			r := s.resources[0]
			at := when(r)
			if !at.IsZero() && truth.Pause.From.Before(at) && at.Before(truth.Pause.Until) {
				t.Errorf("%s: %s on %s, in the pause", truth.Patient, s.Note, at)
			}
			if r.ResourceType == "EpisodeOfCare" {
				told = append(told, r.Status+" "+r.Meta.LastUpdated.Format(time.DateOnly))
			}
		}
		want := []string{"onhold " + truth.Pause.From.Format(time.DateOnly), "active " + truth.Pause.Until.Format(time.DateOnly)}
		if len(told) != 3 || !slices.Equal(told[1:], want) {
			t.Errorf("%s: %v, want %v", truth.Patient, told, want)
		}
		if !truth.LastVisit.After(truth.Pause.Until) {
			t.Errorf("%s does not come back", truth.Patient)
		}
	})
}

func TestAfterAHandoverTheNextTherapistIsSeen(t *testing.T) {
	each(t, only(simulate.ChangesClinician, true), func(truth simulate.PatientTruth, all []sent) {
		h := truth.Handover
		if h == nil || h.From == h.To {
			t.Fatalf("%+v", h)
		}
		seen := map[bool]int{}
		for _, s := range all {
			if s.resources[0].ResourceType != "Encounter" {
				continue
			}
			after := strings.Contains(string(s.Body), `"individual":{"reference":"`+string(h.To)+`"`)
			if begun := !s.At.Before(h.At); begun != after {
				t.Errorf("%s: a visit on %s, handed over on %s, with the next one: %v", truth.Patient, s.At, h.At, after)
			}
			seen[after]++
		}
		if seen[false] < 3 || seen[true] < 3 {
			t.Errorf("%s: visits %v", truth.Patient, seen)
		}
	})
}

func TestTheCarePartnerSaysWhatThePatientDoesNot(t *testing.T) {
	each(t, only(simulate.PartnerSeesMore, true), func(truth simulate.PatientTruth, all []sent) {
		if truth.PartnerWorry == nil || truth.Worsening != nil {
			t.Fatalf("%+v", truth)
		}
		var partner []float64
		for _, s := range all {
			if strings.HasPrefix(s.Note, "phq-9 by care partner") {
				if !strings.Contains(string(s.Body), `"source":{"reference":"RelatedPerson/`) {
					t.Errorf("%s: not the partner's: %s", s.Note, s.Body)
				}
				partner = append(partner, sum(s.resources[0].ordinals("phq-9")))
			}
		}
		slices.Sort(partner)
		if len(partner) < 4 || partner[len(partner)-1] < float64(truth.PartnerWorry.To) {
			t.Errorf("%s: %v, worry %+v", truth.Patient, partner, truth.PartnerWorry)
		}
	})
}

func TestOneLinkOfTheTeamIsWeakFromTheFirstDay(t *testing.T) {
	each(t, only(simulate.WeakLink, true), func(truth simulate.PatientTruth, all []sent) {
		link := truth.WeakLink
		if link == nil || truth.Rupture != nil || link.Others-link.Level < 0.8 {
			t.Fatalf("%+v", link)
		}
		dyads := ratings(all, "wai-sr")
		if len(dyads) < 3 {
			t.Errorf("%s is rated with %d clinicians", truth.Patient, len(dyads))
		}
		level := 0.0
		for _, r := range dyads[string(link.Clinician)] {
			level += r.mean / float64(len(dyads[string(link.Clinician)]))
		}
		if math.Abs(level-link.Level) > 0.15 {
			t.Errorf("%s rates the weak link %.2f, truth %.2f", truth.Patient, level, link.Level)
		}
	})
}

func TestFlappersLieOnBothSidesOfTheirCuts(t *testing.T) {
	each(t, only(simulate.Flaps, true), func(truth simulate.PatientTruth, all []sent) {
		if len(truth.Flaps) != 2 {
			t.Fatalf("%+v", truth.Flaps)
		}
		sides := map[bool]int{}
		for _, r := range phqs(all) {
			if q := r.ValueQuantity; q != nil {
				sides[q.Value >= truth.Flaps[0].Cut]++
			} else if values := r.ordinals("phq-9"); !slices.Contains(values, -1) {
				sides[sum(values) >= truth.Flaps[0].Cut]++
			}
		}
		if sides[true] == 0 || sides[false] == 0 {
			t.Errorf("%s: %v", truth.Patient, sides)
		}
	})
}

func TestDropOutsAreSeenForTheLastTimeBeforeTheyFallSilent(t *testing.T) {
	each(t, only(simulate.FadesOut, true), func(truth simulate.PatientTruth, all []sent) {
		if truth.SilentFrom.IsZero() || truth.LastVisit.After(truth.SilentFrom) || truth.FadingFrom.After(truth.SilentFrom) {
			t.Errorf("%+v", truth)
		}
		attended := 0
		for _, s := range all {
			if s.resources[0].ResourceType == "Encounter" {
				attended++
			}
		}
		if attended != truth.Sessions {
			t.Errorf("%s: %d visits sent, %d in the truth", truth.Patient, attended, truth.Sessions)
		}
	})
}

func TestCliniciansRateToo(t *testing.T) {
	rated := 0
	for _, s := range readAll(t, clinic(2)) {
		if strings.HasPrefix(s.Note, "wai-sr by clinician") {
			if !strings.Contains(string(s.Body), `"source":{"reference":"Practitioner/`) {
				t.Errorf("not a clinician's: %s", s.Body)
			}
			rated++
		}
	}
	if rated < 20 {
		t.Errorf("%d ratings by clinicians", rated)
	}
}

// bodies counts the events of a stream by what they are.
func bodies(events func(func(simulate.Event) bool)) map[[32]byte]int {
	found := map[[32]byte]int{}
	for e := range events {
		found[sha256.Sum256(append([]byte(e.At.Format(time.RFC3339Nano)+string(e.Source)+e.Patient+e.Note), e.Body...))]++
	}
	return found
}

func TestPanelsAndStoriesTellWhatEventsTell(t *testing.T) {
	c := simulate.Default()
	c.Patients, c.Lifelike = 40, true
	want := bodies(c.Events())
	if diff := cmp.Diff(want, bodies(c.Panels())); diff != "" {
		t.Error("panels send something else")
	}
	stories, patients := bodies(func(yield func(simulate.Event) bool) {
		for story := range c.Stories(0, c.Patients) {
			for _, e := range story.Events {
				if !yield(e) {
					return
				}
			}
		}
	}), 0
	for what, n := range stories {
		if want[what] != n {
			t.Fatal("a story tells something else")
		}
		patients += n
	}
	all := 0
	for _, n := range want {
		all += n
	}
	if wide := all - patients; wide < 10 || wide > 40 { // what belongs to the whole clinic
		t.Errorf("stories tell %d of %d events", patients, all)
	}
}

func TestAStoryHoldsOnePatientInOrderWithTheTruth(t *testing.T) {
	c := simulate.Default()
	truths := c.Truth()
	n := 5
	for story := range c.Stories(5, 12) {
		if diff := cmp.Diff(truths[n], story.PatientTruth); diff != "" {
			t.Errorf("story %d: %s", n, diff)
		}
		if len(story.Attended) != story.Sessions || !slices.IsSortedFunc(story.Attended, time.Time.Compare) {
			t.Errorf("%d visits, %d in the truth", len(story.Attended), story.Sessions)
		}
		last := time.Time{}
		for _, e := range story.Events {
			if e.Patient != story.Patient || e.At.Before(last) {
				t.Fatalf("%s about %s at %s", e.Note, e.Patient, e.At)
			}
			last = e.At
		}
		n++
	}
	if n != 12 {
		t.Errorf("stories up to %d", n)
	}
}

func TestALineOfTruthSaysOnlyWhatHappens(t *testing.T) {
	c := only(simulate.RuptureRepaired, true)
	line, err := json.Marshal(c.Truth()[0])
	if err != nil {
		t.Fatal(err)
	}
	var told map[string]any
	if err := json.Unmarshal(line, &told); err != nil {
		t.Fatal(err)
	}
	if told["archetype"] != "rupture-repaired" || told["rupture"].(map[string]any)["session"].(float64) < 2 {
		t.Errorf("%s", line)
	}
	for _, absent := range []string{"silentFrom", "itemNine", "pause", "decline", "flaps"} {
		if bytes.Contains(line, []byte(absent)) {
			t.Errorf("%s is told: %s", absent, line)
		}
	}
}

// TestPanelsKeepMemoryBounded looks at the heap of a clinic and of one three times as large.
func TestPanelsKeepMemoryBounded(t *testing.T) {
	peakOf := func(patients int) uint64 {
		c := simulate.Default()
		c.Patients, c.Lifelike = patients, true
		var mem runtime.MemStats
		var peak uint64
		n := 0
		for range c.Panels() {
			if n++; n%50_000 == 0 {
				runtime.GC()
				runtime.ReadMemStats(&mem)
				peak = max(peak, mem.HeapAlloc)
			}
		}
		return peak
	}
	few, many := peakOf(3_000), peakOf(9_000)
	t.Logf("peak heap %d MB of 3,000 patients, %d MB of 9,000", few>>20, many>>20)
	if many > few+8<<20 || many > 64<<20 {
		t.Errorf("three times the patients take %d MB instead of %d", many>>20, few>>20)
	}
}

func TestOfAPartThatSlipsTheOthersHold(t *testing.T) {
	c := only(simulate.PartSlips, false)
	d := newDoor(t)
	onset := map[string]time.Time{}
	for _, truth := range c.Truth() {
		if truth.PartSlip == nil || truth.Rupture != nil || truth.AllianceForm != "wai-sr" {
			t.Fatalf("%+v", truth)
		}
		onset[truth.Patient] = truth.PartSlip.At
	}
	type parts struct{ task, bond, goal, count float64 }
	before, after := map[string]parts{}, map[string]parts{}
	for e := range c.Events() {
		if e.Note != "wai-sr rating" {
			continue
		}
		sum := before
		if e.At.After(onset[e.Patient]) {
			sum = after
		}
		for _, sheet := range d.sheets(t, e) {
			p := sum[e.Patient]
			p.count++
			for _, s := range sheet.Scores {
				switch {
				case s.NotScorable != "":
				case s.Key.Code == "task":
					p.task += s.Value
				case s.Key.Code == "bond":
					p.bond += s.Value
				case s.Key.Code == "goal":
					p.goal += s.Value
				}
			}
			sum[e.Patient] = p
		}
	}
	slipped := 0
	for who := range onset {
		b, a := before[who], after[who]
		if b.bond/b.count-a.bond/a.count < 1 && b.goal/b.count-a.goal/a.count < 1 && b.task/b.count-a.task/a.count > 2 {
			slipped++
		}
	}
	if slipped < len(onset)*3/4 {
		t.Errorf("of %d the tasks alone fell in %d", len(onset), slipped)
	}
}

func TestPainOfThoseWhoStallStaysAndOfThoseWhoRecoverGoes(t *testing.T) {
	pains := func(a simulate.Archetype) (found map[string][]float64) {
		found = map[string][]float64{}
		c, d := only(a, true), newDoor(t)
		for e := range c.Events() {
			if e.Note != "pain" {
				continue
			}
			for _, r := range d.read(t, e) {
				found[e.Patient] = append(found[e.Patient], *r.Facts[0].Scores.Scores[0].Value)
			}
		}
		return found
	}
	for who, levels := range pains(simulate.Stalls) {
		if len(levels) < 5 || slices.Max(levels)-slices.Min(levels) > 1 || slices.Min(levels) < 4 {
			t.Errorf("%s stalls at %v", who, levels)
		}
	}
	for who, levels := range pains(simulate.RecoversWell) {
		if levels[0] < 4 || levels[len(levels)-1] > 1 {
			t.Errorf("%s recovers from %v", who, levels)
		}
	}
	for _, truth := range only(simulate.Stalls, true).Truth() {
		if truth.Stall == nil {
			t.Errorf("%s does not stall", truth.Patient)
		}
	}
}
