package episode

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rapport-health/rapport/services/domain/alliance"
	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/ref"
)

const (
	pt = ref.Clinician("Practitioner/pt")
	ot = ref.Clinician("Practitioner/ot")
)

// weekly rates a clinician each week from a week on: parts of 4 times the mean.
func weekly(first int, clinician ref.Clinician, means ...float64) (facts []fact.Fact) {
	for n, mean := range means {
		f := rated(float64(7*(first+n)), clinician, 4*mean, 4*mean, 4*mean)
		f.ID += string(clinician)
		facts = append(facts, f)
	}
	return facts
}

// team is a care team from a day on.
func team(day float64, id string, members ...fact.Member) fact.Fact {
	f := cared(day, id, true)
	f.Team.Members = members
	return f
}

func member(clinician ref.Clinician, role string) fact.Member {
	return fact.Member{Clinician: clinician, Roles: []string{"http://example.org/roles|" + role}}
}

func story(facts ...[]fact.Fact) *State { return Replay("p1", inOrder(slices.Concat(facts...))) }

func (s *State) dyad(t *testing.T, clinician ref.Clinician, rater string) *alliance.Dyad {
	t.Helper()
	for _, d := range s.Dyads {
		if d.Clinician == clinician && d.Rater == rater {
			return d
		}
	}
	t.Fatalf("nobody rated %q as %s", clinician, rater)
	return nil
}

// A dancer grieves for a career that an injury ended. The therapist presses on with exercises for a return to the stage;
// the tasks lose their meaning while the bond holds, and then the whole alliance gives way. The therapist asks, hears of
// the loss, and they agree on other goals: a fortnight later the alliance is what it was.
func TestGriefAfterALostDancingCareer(t *testing.T) {
	s := story(
		weekly(0, pt, 4.25, 4.25, 4.25),
		[]fact.Fact{
			rated(21, pt, 13, 17, 17), rated(28, pt, 13, 17, 17), // the tasks, twice
			rated(35, pt, 10, 15, 11), // then all of it
			mended(36, fact.RepairAcknowledged, pt),
			mended(42, fact.RepairAttempted, pt, "invited-feedback", "validated-experience", "changed-goals"),
			rated(42.5, pt, 14, 16, 15), rated(49, pt, 17, 17, 17),
		},
	)
	d := s.dyad(t, pt, patient)
	if d.Open() != nil || d.Closed != 2 {
		t.Fatalf("open %+v, %d closed", d.Open(), d.Closed)
	}
	tasks, whole := d.Past[0], d.Past[1]
	if tasks.Kind != alliance.Parted || tasks.Score != "task" || tasks.Status != alliance.Deepened || tasks.Because != alliance.WholeFell || !tasks.Onset.Equal(on(28)) {
		t.Errorf("first the tasks: %+v", tasks)
	}
	if whole.Kind != alliance.Ruptured || whole.Status != alliance.Mended || !whole.Onset.Equal(on(35)) || !whole.Ended.Equal(on(49)) {
		t.Errorf("then the whole: %+v", whole)
	}
	times := []alliance.Lapse{
		whole.Until(whole.Acknowledged.At, whole.Acknowledged.Session),
		whole.Until(whole.Attempts[0].At, whole.Attempts[0].Session),
		whole.Until(whole.Ended, whole.EndedSession),
	}
	if diff := cmp.Diff([]alliance.Lapse{{Days: 1}, {Days: 7}, {Days: 14, Sessions: 2}}, times); diff != "" {
		t.Errorf("seen, attempted, repaired (-want +got):\n%s", diff)
	}
	if !slices.Equal(whole.Attempts[0].Enhancers, []string{"invited-feedback", "validated-experience", "changed-goals"}) {
		t.Errorf("%+v", whole.Attempts)
	}
	if d.Event != alliance.Repaired || s.View().Tier != Steady {
		t.Errorf("in the end %s, %+v", d.Event, s.View())
	}
}

// A patient gives the highest marks each time; the partner, who drives to every visit, sees how it really is.
func TestACarePartnerWhoSeesMoreThanThePatientSays(t *testing.T) {
	s := story(
		weekly(0, "", 5, 5, 5, 5),
		[]fact.Fact{by("care-partner", rated(15, "", 14, 15, 13)), by("care-partner", rated(22, "", 13, 15, 12))},
	)
	own := s.dyad(t, "", patient)
	if main := own.Main(); !main.Constant() || !main.Ceiling() {
		t.Errorf("%+v", main)
	}
	gap := s.Gap("", "care-partner")
	if gap == nil || !gap.Wide() || gap.Count != 3 || gap.Last.Value > -1.6 {
		t.Fatalf("the gap: %+v", gap)
	}
	if v := s.View(); v.Tier != Watch || v.Reasons[0].Code != "alliance-gap" {
		t.Errorf("%+v", v)
	}
	if own.Open() != nil {
		t.Error("the partner's view broke the patient's alliance")
	}
}

// The patient says on every form that all is well. The partner, who fills in the same form at home, sees the nights and the
// tears.
func TestACarePartnerWhoSeesDistressRise(t *testing.T) {
	partner := func(day, total float64) fact.Fact {
		f := by("care-partner", phq9(day, total))
		f.Scores.Scores[0].Reliable = nil // nobody knows it of what others answer
		return f
	}
	well := []fact.Fact{phq9(0, 6), partner(1, 6), phq9(14, 7), partner(15, 9)}
	if w, found := telling(well).Worry(); found {
		t.Errorf("a rise within the error of measurement: %+v", w)
	}
	seen := append(slices.Clone(well), phq9(28, 7), partner(29, 15))
	s := telling(seen)
	w, found := s.Worry()
	if !found || w.Partner.First.Value != 6 || w.Partner.Last.Value != 15 || w.Own.Last.Value != 7 {
		t.Fatalf("%+v", w)
	}
	if v := s.View(); v.Tier != Watch || v.Reasons[0].Code != "partner-worry" || v.Reasons[0].Value != 9 || len(v.Reasons[0].Facts) != 2 {
		t.Errorf("%+v", v)
	}
	for name, next := range map[string]fact.Fact{"the patient says so too": phq9(42, 14), "the partner sees it pass": partner(43, 8)} {
		if _, found := telling(append(slices.Clone(seen), next)).Worry(); found {
			t.Error(name)
		}
	}
	if _, found := telling([]fact.Fact{partner(1, 6), partner(15, 15)}).Worry(); found {
		t.Error("without the patient's own answers there is nothing to hold it against")
	}
}

// Six people look after one patient. With five of them the patient gets on, with one not.
func TestATeamOfSixWhereOneLinkIsWeak(t *testing.T) {
	levels := map[ref.Clinician]float64{pt: 4.5, ot: 4.25, "Practitioner/psy": 3.25, "Practitioner/md": 4.25, "Practitioner/rn": 4.75, "Practitioner/chw": 4.5}
	facts := []fact.Fact{team(0, "pain", member(pt, "physical-therapist"), member("Practitioner/psy", "psychologist"))}
	n := 0
	for clinician, level := range levels {
		n++
		for week := range 2 {
			f := rated(float64(14*week), clinician, 4*level, 4*level, 4*level)
			f.ID += string(clinician)
			facts = append(facts, f)
		}
	}
	s := story(facts)
	if links := s.Team(); len(links) != 6 {
		t.Fatalf("%d links", len(links))
	}
	for _, l := range s.Team() {
		if l.Weak != (l.Clinician == "Practitioner/psy") || l.Compared != 5 || l.Level != levels[l.Clinician] {
			t.Errorf("%+v", l)
		}
	}
	weak, found := s.WeakLink()
	if !found || weak.Below != 1.25 || s.Role(weak.Clinician) != "psychologist" {
		t.Errorf("%v, %+v, %q", found, weak, s.Role(weak.Clinician))
	}
	if v := s.View(); v.Tier != Watch || v.Reasons[0].Code != "weak-link" {
		t.Errorf("%+v", v)
	}
}

func TestTheTeamMatrixLeavesOutWhatDoesNotCompare(t *testing.T) {
	for name, c := range map[string]struct {
		facts []fact.Fact
		links int
		weak  bool
	}{
		"a pair":                         {slices.Concat(weekly(0, pt, 4.5, 4.5), weekly(0, ot, 3, 3)), 2, false},
		"three":                          {slices.Concat(weekly(0, pt, 4.5, 4.5), weekly(0, ot, 3, 3), weekly(0, "Practitioner/x", 4.5, 4.5)), 3, true},
		"rated only once":                {slices.Concat(weekly(0, pt, 4.5, 4.5), weekly(0, ot, 3), weekly(0, "Practitioner/x", 4.5, 4.5)), 3, false},
		"rated months ago":               {slices.Concat(weekly(0, ot, 3, 3), weekly(15, pt, 4.5, 4.5), weekly(15, "Practitioner/x", 4.5, 4.5)), 2, false},
		"the team as a whole is no link": {slices.Concat(weekly(0, "", 3, 3), weekly(0, pt, 4.5, 4.5), weekly(0, "Practitioner/x", 4.5, 4.5)), 2, false},
		"somebody who has left": {slices.Concat([]fact.Fact{team(0, "t", member(ot, "ot")), team(40, "t")},
			weekly(0, ot, 3, 3), weekly(1, pt, 4.5, 4.5), weekly(1, "Practitioner/x", 4.5, 4.5)), 2, false},
	} {
		for i := range c.facts {
			c.facts[i].ID += fmt.Sprint(i)
		}
		s := story(c.facts)
		if _, found := s.WeakLink(); len(s.Team()) != c.links || found != c.weak {
			t.Errorf("%s: %d links, weak %v: %+v", name, len(s.Team()), found, s.Team())
		}
	}
}

func TestAChangeOfTherapistClosesWhatIsOpen(t *testing.T) {
	broken := weekly(0, pt, 4.25, 4.25, 4.25, 4.25, 3.25)
	for name, c := range map[string]struct {
		then    []fact.Fact
		because string
	}{
		"nothing happens":                   {nil, ""},
		"the team names another one":        {[]fact.Fact{team(1, "spine", member(pt, "pt")), team(30, "spine", member(ot, "pt"))}, alliance.ClinicianLeft},
		"the team ends":                     {[]fact.Fact{team(1, "spine", member(pt, "pt")), cared(30, "spine", false)}, alliance.ClinicianLeft},
		"another team still has the one":    {[]fact.Fact{team(1, "spine", member(pt, "pt")), team(2, "pain", member(pt, "pt")), cared(30, "spine", false)}, ""},
		"the course of care ends":           {[]fact.Fact{at(30, fact.KindCourse, func(f *fact.Fact) { f.Course = &fact.Course{Status: fact.CourseFinished} })}, alliance.CourseEnded},
		"it is only paused":                 {[]fact.Fact{at(30, fact.KindCourse, func(f *fact.Fact) { f.Course = &fact.Course{Status: fact.CoursePaused} })}, ""},
		"the patient dies":                  {[]fact.Fact{at(30, fact.KindDeath, func(f *fact.Fact) { f.Death = &fact.Death{} })}, alliance.CourseEnded},
		"somebody new is rated three times": {weekly(5, ot, 4, 4, 4), alliance.ClinicianLeft},
		"twice may be a stand-in":           {weekly(5, ot, 4, 4), ""},
		"somebody of another profession":    {slices.Concat([]fact.Fact{team(1, "spine", member(pt, "pt"), member(ot, "ot"))}, weekly(5, ot, 4, 4, 4)), ""},
		"somebody who was there all along":  {slices.Concat(weekly(1, ot, 4), weekly(5, ot, 4, 4, 4)), ""},
	} {
		for i := range c.then {
			c.then[i].ID += fmt.Sprintf("then%d", i)
		}
		d := story(broken, c.then).dyad(t, pt, patient)
		switch {
		case c.because == "" && d.Open() == nil:
			t.Errorf("%s: closed, %+v", name, d.Past)
		case c.because != "" && (d.Open() != nil || d.Past[0].Because != c.because || d.Past[0].Status != alliance.Unrepaired):
			t.Errorf("%s: %+v, %+v", name, d.Open(), d.Past)
		}
	}
}

func TestBehaviourAfterABadSession(t *testing.T) {
	visit := func(day float64, status string, clinician ref.Clinician) fact.Fact {
		return visited(day, fact.Visit{ID: fmt.Sprintf("Appointment/%v", day), Status: status, Clinician: clinician})
	}
	strained := weekly(0, pt, 4.25, 4.25, 4.25, 3.9)
	well := weekly(0, pt, 4.25, 4.25, 4.25, 4.25)
	var diary []fact.Fact // daily exercise until the bad session of day 21, and nothing after it but now and then
	diary = append(diary, prescribed(0, 1, "active"))
	for day := range 35 {
		if day < 21 || day%7 == 0 {
			diary = append(diary, logged(float64(day)+0.7, 1))
		}
	}
	for name, c := range map[string]struct {
		facts [][]fact.Fact
		kind  alliance.Event
		at    float64
	}{
		"two visits missed":                         {[][]fact.Fact{strained, {visit(28, missed, pt), visit(30, cancelledByPatient, pt)}}, alliance.Behavioural, 30},
		"one visit missed":                          {[][]fact.Fact{strained, {visit(28, missed, pt)}}, alliance.None, 0},
		"the clinic cancelled the other":            {[][]fact.Fact{strained, {visit(28, missed, pt), visit(30, cancelledByClinic, pt)}}, alliance.None, 0},
		"missed with somebody else":                 {[][]fact.Fact{strained, {visit(28, missed, ot), visit(30, missed, ot)}}, alliance.None, 0},
		"missed, of whom nobody says":               {[][]fact.Fact{strained, {visit(28, missed, ""), visit(30, missed, "")}}, alliance.Behavioural, 30},
		"missed long after":                         {[][]fact.Fact{strained, {visit(48, missed, pt), visit(50, missed, pt)}}, alliance.None, 0},
		"missed after a good session":               {[][]fact.Fact{well, {visit(28, missed, pt), visit(30, missed, pt)}}, alliance.None, 0},
		"came three times and rated no more":        {[][]fact.Fact{strained, {visit(28, attended, pt), visit(30, attended, pt), visit(33, attended, pt)}}, alliance.NonResponse, 33},
		"came twice":                                {[][]fact.Fact{strained, {visit(28, attended, pt), visit(30, attended, pt)}}, alliance.None, 0},
		"no word for two weeks":                     {[][]fact.Fact{{cared(0.1, "t", true)}, strained, {clock(35)}}, alliance.NonResponse, 35},
		"no word, told late":                        {[][]fact.Fact{{cared(0.1, "t", true)}, strained, {visit(44, missed, pt)}}, alliance.NonResponse, 35},
		"no word, but nobody cares any more":        {[][]fact.Fact{strained, {clock(35)}}, alliance.None, 0},
		"another form is a word":                    {[][]fact.Fact{{cared(0.1, "t", true)}, strained, {phq9(30, 4), clock(35)}}, alliance.None, 0},
		"home exercise lapses":                      {[][]fact.Fact{diary, strained, {clock(35)}}, alliance.Behavioural, 35},
		"home exercise lapses after a good session": {[][]fact.Fact{diary, well, {clock(35)}}, alliance.None, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := story(c.facts...)
			r := s.dyad(t, pt, patient).DrawnBack()
			if c.kind == alliance.None {
				if r != nil {
					t.Fatalf("%+v", r)
				}
				return
			}
			if r == nil || r.Kind != c.kind || !r.Onset.Equal(on(c.at)) || r.Facts[0] != strained[3].ID {
				t.Fatalf("%+v", r)
			}
			if v := s.View(); !slices.ContainsFunc(v.Reasons, func(r Reason) bool { return r.Code == "drawing-back" }) {
				t.Errorf("%+v", v)
			}
		})
	}
}

func TestVisitsSinceTheLastRatingAreCounted(t *testing.T) {
	came := func(day float64, clinician ref.Clinician) fact.Fact {
		return visited(day, fact.Visit{ID: fmt.Sprintf("Encounter/%v", day), Status: attended, Clinician: clinician})
	}
	s := story(weekly(0, pt, 4, 4), weekly(0, "", 4), []fact.Fact{came(7.4, pt), came(9, pt), came(12, ot), came(14, pt)})
	if n := s.SessionsSince(s.dyad(t, pt, patient)); n != 2 {
		t.Errorf("%d visits with the therapist since, the day of the rating left out", n)
	}
	if n := s.SessionsSince(s.dyad(t, "", patient)); n != 4 {
		t.Errorf("%d visits with the team since", n)
	}
}

func TestARepairIsLaidToTheRightRupture(t *testing.T) {
	broken := []float64{4.25, 4.25, 4.25, 4.25, 3.25}
	both := slices.Concat(weekly(0, pt, broken...), weekly(0, ot, broken...), weekly(0, "", broken...))
	for i := range both {
		both[i].ID += fmt.Sprint(i)
	}
	attempts := func(s *State, clinician ref.Clinician) int {
		all := s.dyad(t, clinician, patient).Ruptures()
		return len(all[len(all)-1].Attempts)
	}
	for name, c := range map[string]struct {
		with ref.Clinician
		want [3]int // with the physical therapist, the occupational therapist, the team
	}{
		"by its clinician":                       {pt, [3]int{1, 0, 0}},
		"of nobody in particular: to all":        {"", [3]int{1, 1, 1}},
		"by somebody who is not rated: the team": {"Practitioner/coordinator", [3]int{0, 0, 1}},
	} {
		s := story(both, []fact.Fact{mended(30, fact.RepairAttempted, c.with, "gave-time")})
		if got := [3]int{attempts(s, pt), attempts(s, ot), attempts(s, "")}; got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	given := story(weekly(0, pt, append(broken, 3.25, 3.25, 3.25)...), []fact.Fact{mended(60, fact.RepairAttempted, pt, "gave-time")})
	if r := given.dyad(t, pt, patient).Past[0]; len(r.Attempts) != 1 || r.Status != alliance.Unrepaired {
		t.Errorf("an attempt after it was given up: %+v", r)
	}
	if s := story(weekly(0, pt, 4, 4), []fact.Fact{mended(30, fact.RepairAttempted, pt)}); s.dyad(t, pt, patient).Closed != 0 {
		t.Error("a repair without a rupture made one")
	}
}

func TestACorrectedRatingTakesItsRuptureBack(t *testing.T) {
	slip := rated(28, pt, 5, 5, 5)
	mistaken := story(weekly(0, pt, 4.25, 4.25, 4.25, 4.25), []fact.Fact{slip})
	if mistaken.dyad(t, pt, patient).Open() == nil {
		t.Fatal("no rupture to take back")
	}
	slip.Scores = rated(28, pt, 17, 17, 17).Scores
	if mended := story(weekly(0, pt, 4.25, 4.25, 4.25, 4.25), []fact.Fact{slip}); mended.dyad(t, pt, patient).Open() != nil {
		t.Error("the rupture stands though its rating was corrected")
	}
}
