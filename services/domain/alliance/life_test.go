package alliance

import (
	"encoding/json"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rapport-health/rapport/services/domain/fact"
)

// form is a rating with its parts, in points of the form.
func form(task, bond, goal float64) *fact.Scores {
	whole := task + bond + goal
	s := sheet("wai-sr", "1", map[string]float64{"task": task, "bond": bond, "goal": goal, "total": whole, "total-mean": whole / 12}, "task", "bond", "goal", "total", "total-mean")
	for i := range s.Scores {
		switch s.Scores[i].Code {
		case "total":
			s.Scores[i].Min, s.Scores[i].Max = 12, 60
		case "total-mean":
			s.Scores[i].Min, s.Scores[i].Max = 1, 5
		default:
			s.Scores[i].Min, s.Scores[i].Max = 4, 20
		}
	}
	return s
}

// rate tells visits one after the other, from visit number first on.
func rate(d *Dyad, first int, forms ...*fact.Scores) *Dyad {
	for n, f := range forms {
		d = d.Rate(key(first+n), f)
	}
	return d
}

func patientOf(instrument string) *Dyad { return &Dyad{Rater: Patient, Instrument: instrument} }

func bonds(forms ...[3]float64) *Dyad {
	d := patientOf("wai-sr")
	for n, f := range forms {
		d = d.Rate(key(n), form(f[0], f[1], f[2]))
	}
	return d
}

func TestWhichRatingsArePartsThatComeApart(t *testing.T) {
	usual := [3]float64{17, 18, 17}
	for name, c := range map[string]struct {
		then [][3]float64
		part string
	}{
		"bond fine and tasks down, twice":                    {[][3]float64{{13, 18, 17}, {13, 18, 17}}, "task"},
		"goals down while the bond rises":                    {[][3]float64{{17, 18, 13}, {17, 20, 13}}, "goal"},
		"the bond falls and the work goes on":                {[][3]float64{{17, 14, 17}, {17, 14, 17}}, "bond"},
		"once is one odd form":                               {[][3]float64{{12, 18, 17}}, ""},
		"once, and once more after a good one":               {[][3]float64{{12, 18, 17}, {17, 18, 17}, {12, 18, 17}}, ""},
		"two points are a wobble":                            {[][3]float64{{15, 18, 17}, {15, 18, 17}, {15, 18, 17}}, ""},
		"everything falls: that is a rupture":                {[][3]float64{{12, 12, 12}, {12, 12, 12}}, ""},
		"everything falls a little: nothing holds":           {[][3]float64{{14, 15, 14}, {14, 15, 14}}, ""},
		"a form with the part left out shows nothing":        {[][3]float64{{13, 18, 17}, {math.NaN(), 18, 17}}, ""},
		"and the rating before it still counts as the first": {[][3]float64{{13, 18, 17}, {math.NaN(), 18, 17}, {13, 18, 17}}, "task"},
	} {
		t.Run(name, func(t *testing.T) {
			d := bonds(usual, usual, usual)
			for n, f := range c.then {
				s := form(f[0], f[1], f[2])
				if math.IsNaN(f[0]) {
					s = form(17, f[1], f[2])
					s.Scores = slices.DeleteFunc(s.Scores, func(x fact.Score) bool { return x.Code != "bond" && x.Code != "goal" })
				}
				d = d.Rate(key(3+n), s)
			}
			if d.Apart() != c.part {
				t.Errorf("%q came apart: %+v", d.Apart(), d.Other)
			}
		})
	}
}

func TestAPartThatCameApartHasALifeToo(t *testing.T) {
	apart := bonds([3]float64{17, 18, 17}, [3]float64{17, 18, 17}, [3]float64{17, 18, 17}, [3]float64{13, 18, 17}, [3]float64{13, 18, 17})
	want := &Rupture{Kind: Parted, Status: Open, Score: "task", Onset: visit(4), Value: 13, Usual: 17, Facts: []string{"fact-003", "fact-004"}, Session: 5}
	if diff := cmp.Diff(want, apart.Open()); diff != "" || apart.Event != Parted {
		t.Fatalf("%s (-want +got):\n%s", apart.Event, diff)
	}
	back := rate(apart, 5, form(16, 18, 17))
	if r := back.Past[0]; r.Status != Mended || back.Event != Repaired || back.Open() != nil || r.EndedSession != 6 {
		t.Errorf("back: %s, %+v", back.Event, r)
	}
	if usual := back.Level("task").Base; !slices.Equal(usual, []float64{17, 17, 17, 16}) {
		t.Errorf("what was kept out entered the usual level: %v", usual)
	}
	stayed := rate(apart, 5, form(13, 18, 17), form(14, 18, 17), form(13, 18, 17))
	if r := stayed.Past[0]; r.Status != Unrepaired || r.Because != TimeUp || stayed.Open() != nil {
		t.Errorf("stayed: %+v", r)
	}
	if usual := stayed.Level("task").Base; !slices.Equal(usual, []float64{13, 13, 13, 14, 13}) {
		t.Errorf("the new usual level: %v", usual)
	}
	whole := rate(apart, 5, form(12, 12, 12))
	if r := whole.Past[0]; r.Status != Deepened || r.Because != WholeFell || whole.Open().Kind != Ruptured {
		t.Errorf("it took the whole along: %+v, %+v", r, whole.Open())
	}
}

func TestARepairIsMeasuredFromDetectionToReturn(t *testing.T) {
	d := tell(4.2, 4.3, 4.2, 4.3, 4.2, 3.4)
	at := func(days float64, id string) fact.Key {
		return fact.Key{At: visit(5).Add(time.Duration(days * 24 * float64(time.Hour))), ID: id}
	}
	stages := []string{d.Open().Stage()}
	for n, told := range []*fact.Repair{
		{Step: fact.RepairAcknowledged},
		{Step: fact.RepairAttempted, Enhancers: []string{"invited-feedback", "made-up", "changed-tasks", "invited-feedback"}, Eroders: []string{"pain-flare"}},
	} {
		var ok bool
		if d, ok = d.Record(at(float64(2+3*n), "told"), told); !ok {
			t.Fatal("there is nothing to record it for")
		}
		stages = append(stages, d.Open().Stage())
	}
	d = rate(d, 6, rated(3.7), rated(4.2))
	r := d.Past[0]
	if diff := cmp.Diff([]string{"detected", "acknowledged", "attempted", "repaired"}, append(stages, r.Stage())); diff != "" {
		t.Errorf("stages (-want +got):\n%s", diff)
	}
	got := []Lapse{r.Until(r.Acknowledged.At, r.Acknowledged.Session), r.Until(r.Attempts[0].At, r.Attempts[0].Session), r.Until(r.Ended, r.EndedSession)}
	if diff := cmp.Diff([]Lapse{{Days: 2}, {Days: 5}, {Days: 14, Sessions: 2}}, got); diff != "" {
		t.Errorf("times between (-want +got):\n%s", diff)
	}
	if a := r.Attempts[0]; !slices.Equal(a.Enhancers, []string{"invited-feedback", "changed-tasks"}) || !slices.Equal(a.Eroders, []string{"pain-flare"}) {
		t.Errorf("codes: %+v", a)
	}
	if _, ok := d.Record(at(30, "late"), &fact.Repair{Step: fact.RepairAttempted}); ok {
		t.Error("an attempt after the repair was laid to it")
	}
}

func TestARuptureThatIsNotRepairedMayHaveDeepened(t *testing.T) {
	onset := tell(4.2, 4.3, 4.2, 4.3, 4.2, 3.4)
	for name, c := range map[string]struct {
		since []float64
		want  Status
	}{
		"as low as it was":          {[]float64{3.5, 3.4, 3.5}, Unrepaired},
		"lower within error":        {[]float64{3.5, 3.4, 3.1}, Unrepaired},
		"clearly lower at the end":  {[]float64{3.4, 3.2, 3.0}, Deepened},
		"low in between, then back": {[]float64{2.5, 2.6, 3.4}, Unrepaired},
	} {
		d := onset
		for n, mean := range c.since {
			d = d.Rate(key(6+n), rated(mean))
		}
		if r := d.Past[0]; r.Status != c.want || r.Because != TimeUp || !r.Ended.Equal(visit(8)) {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

func TestADeclineIsOpenedByAllFourRatings(t *testing.T) {
	d := tell(4.5, 4.4, 4.0, 3.7)
	if r := d.Open(); r.Kind != Decline || !slices.Equal(r.Facts, []string{"fact-000", "fact-001", "fact-002", "fact-003"}) {
		t.Errorf("%+v", r)
	}
}

func TestStrainsAreRecordedAndAreNoRuptures(t *testing.T) {
	d := tell(4.2, 4.3, 4.2, 4.3, 4.2, 3.9)
	if d.Open() != nil || len(d.Past) != 0 || d.StrainCount != 1 || d.Bad == nil {
		t.Fatalf("%+v", d)
	}
	if s := d.Strains[0]; s.Fact != "fact-005" || s.Value != 3.9 || math.Abs(s.Usual-4.24) > 1e-9 {
		t.Errorf("%+v", s)
	}
	if d = d.Rate(key(6), rated(4.2)); d.Bad != nil || d.StrainCount != 1 {
		t.Error("a good session does not end the bad one")
	}
}

func TestWhoLeavesLeavesNothingOpen(t *testing.T) {
	d := tell(4.2, 4.3, 4.2, 4.3, 4.2, 3.4).Leave(visit(6), ClinicianLeft)
	if r := d.Past[0]; r.Status != Unrepaired || r.Because != ClinicianLeft || !r.Ended.Equal(visit(6)) || !d.Left.Equal(visit(6)) {
		t.Errorf("%+v", r)
	}
	back := d.Rate(key(20), rated(3.0))
	if back.Event != None || len(back.Chart.Base) != 1 || !back.Left.IsZero() {
		t.Errorf("who comes back begins anew: %s, %v", back.Event, back.Chart.Base)
	}
}

func TestTheCeilingIsSeen(t *testing.T) {
	top, near, mixed := [3]float64{20, 20, 20}, [3]float64{19, 20, 20}, [3]float64{17, 20, 18}
	for name, c := range map[string]struct {
		forms             [][3]float64
		ceiling, constant bool
	}{
		"always the highest":           {[][3]float64{top, top, top}, true, true},
		"twice says nothing yet":       {[][3]float64{top, top}, false, false},
		"near the highest":             {[][3]float64{near, top, near}, true, false},
		"high, but with room":          {[][3]float64{mixed, mixed, mixed}, false, false},
		"no longer always the highest": {[][3]float64{top, top, top, near}, true, false},
	} {
		d := bonds(c.forms...)
		if main := d.Main(); main.Ceiling() != c.ceiling || main.Constant() != c.constant || main.Code != "total" {
			t.Errorf("%s: ceiling %v, constant %v", name, main.Ceiling(), main.Constant())
		}
	}
}

func TestEveryScoreHasItsOwnUsualLevel(t *testing.T) {
	d := bonds([3]float64{16, 18, 17}, [3]float64{17, 18, 16}, [3]float64{15, 18, 17}, [3]float64{16, 17, 12})
	want := map[string]float64{"task": 16, "bond": 18, "goal": 50.0 / 3, "total": 152.0 / 3}
	for code, usual := range want {
		if l := d.Level(code); l.Usual == nil || math.Abs(*l.Usual-usual) > 1e-9 || l.Lower == nil || *l.Lower > usual {
			t.Errorf("%s: %+v, want %v", code, l, usual)
		}
	}
}

func TestDrawingBack(t *testing.T) {
	strained := tell(4.2, 4.3, 4.2, 4.3, 4.2, 3.9)
	d := strained.Note("missed-1").Note("missed-2").DrawBack(visit(7), Behavioural)
	if r := d.DrawnBack(); r == nil || !slices.Equal(r.Facts, []string{"fact-005", "missed-1", "missed-2"}) || r.Value != 3.9 || d.Bad != nil {
		t.Fatalf("%+v", d.Other)
	}
	if back := d.Rate(key(8), rated(4.1)); back.Past[0].Status != Mended || back.Event != Repaired {
		t.Errorf("a good session ends it: %+v", back.Past)
	}
	if deeper := d.Rate(key(8), rated(3.0)); deeper.Past[0].Status != Deepened || deeper.Open().Kind != Ruptured {
		t.Errorf("a rupture takes its place: %+v", deeper.Past)
	}
	if calm := tell(4.2, 4.3, 4.2, 4.3); calm.DrawBack(visit(7), Behavioural) != calm {
		t.Error("without a bad session nobody draws back")
	}
}

func TestWhichSessionsWereBad(t *testing.T) {
	srs := func(total float64) *fact.Scores {
		s := sheet("srs", "1", map[string]float64{"total": total}, "total")
		s.Scores[0].Max, s.Scores[0].Band = 40, "ok"
		if total <= 36 {
			s.Scores[0].Band = "discuss"
		}
		return s
	}
	for name, c := range map[string]struct {
		totals []float64
		bad    bool
	}{
		"a fall by half of the reliable change":  {[]float64{40, 40, 36.2}, true},
		"a small fall below the prompt":          {[]float64{38, 37, 35.5}, true},
		"a small fall above it":                  {[]float64{39, 39, 37.5}, false},
		"always below it":                        {[]float64{34, 34, 34}, false},
		"the first one has nothing to fall from": {[]float64{30}, false},
	} {
		d := patientOf("srs")
		for n, total := range c.totals {
			d = d.Rate(key(n), srs(total))
		}
		if (d.Bad != nil) != c.bad {
			t.Errorf("%s: %+v", name, d.Bad)
		}
	}
	clinicians := &Dyad{Rater: Clinician, Instrument: "srs"}
	if clinicians = rate(clinicians, 0, srs(40), srs(30)); clinicians.Bad != nil {
		t.Error("a clinician's rating says nothing of how the patient behaves")
	}
}

func TestTheViewsOfTwoRaters(t *testing.T) {
	clinicians := func(total float64) *fact.Scores {
		s := sheet("wai-srt", "1", map[string]float64{"task": 12, "total": total}, "task", "total")
		s.Respondent = Clinician
		s.Scores[0].Min, s.Scores[0].Max, s.Scores[1].Min, s.Scores[1].Max = 3, 15, 10, 50
		return s
	}
	own := bonds([3]float64{14, 15, 13})
	theirs := (&Dyad{Rater: Clinician, Instrument: "wai-srt"}).Rate(key(1), clinicians(46))
	if gap, ok := Between(own, theirs, Total); !ok || math.Abs(gap-1.1) > 1e-9 {
		t.Errorf("4.6 against 3.5: %v, %v", gap, ok)
	}
	if gap, ok := Between(own, theirs, "task"); !ok || math.Abs(gap-0.5) > 1e-9 {
		t.Errorf("tasks, 4 against 3.5: %v, %v", gap, ok)
	}
	if _, ok := Between(own, theirs, "bond"); ok {
		t.Error("a bond that only one rated was compared")
	}
	late := theirs.Rate(key(9), clinicians(46))
	if _, ok := Between(own, late, Total); ok {
		t.Error("ratings of nine weeks apart were compared")
	}
	other := &Dyad{Rater: Patient, Instrument: "wai-s", Tracks: own.Tracks, Levels: own.Levels}
	if _, ok := Between(other, theirs, Total); ok {
		t.Error("1 to 7 was compared with 1 to 5")
	}
}

func TestAGapIsWideOnlyTheSecondTime(t *testing.T) {
	for name, c := range map[string]struct {
		rater    string
		readings []float64
		wide     bool
	}{
		"a clinician a point above, twice":   {Clinician, []float64{1.0, 1.2}, true},
		"once":                               {Clinician, []float64{0.4, 1.2}, false},
		"twice, with one between":            {Clinician, []float64{1.2, 0.4, 1.2}, false},
		"a clinician below, as is usual":     {Clinician, []float64{-1.5, -1.5}, false},
		"a care partner a point below":       {CarePartner, []float64{-1.1, -1.3}, true},
		"a care partner above":               {CarePartner, []float64{1.1, 1.3}, false},
		"somebody whom nobody compares with": {"nurse", []float64{3, 3}, false},
	} {
		g := Gap{Rater: c.rater}
		for n, value := range c.readings {
			g = g.Follow(visit(n), value)
		}
		if g.Wide() != c.wide || g.Count != len(c.readings) {
			t.Errorf("%s: %+v", name, g)
		}
	}
	g := Gap{Rater: CarePartner}.Follow(visit(0), -1.1).Follow(visit(1), -1.4)
	if moved, ok := g.Moved(); !ok || math.Abs(moved-0.3) > 1e-9 {
		t.Errorf("it moved by %v", moved)
	}
}

// steady rates around a level with small wobbles, at the ceiling or not.
func steady(t *rapid.T) *Dyad {
	level := rapid.SampledFrom([]int{14, 16, 18, 20}).Draw(t, "level")
	part := func(name string) float64 {
		return float64(min(20, level+rapid.IntRange(-1, 1).Draw(t, name)))
	}
	d := patientOf("wai-sr")
	for n := range rapid.IntRange(4, 30).Draw(t, "visits") {
		d = d.Rate(key(n), form(part("task"), part("bond"), part("goal")))
		if r := d.Open(); r != nil {
			t.Fatalf("a steady person broke at visit %d: %+v, %+v", n, r, d.Levels)
		}
	}
	return d
}

func TestTinyWobblesOfSteadyPeopleAreNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		if d := steady(t); d.Closed != 0 {
			t.Fatalf("%d ruptures", d.Closed)
		}
	})
}

func TestWhateverHappensTheLifeOfARuptureKeepsToItsOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := patientOf("wai-sr")
		closed := 0
		for n := range rapid.IntRange(1, 60).Draw(t, "steps") {
			before, _ := json.Marshal(d)
			was := d
			switch rapid.IntRange(0, 9).Draw(t, "what") {
			default:
				part := func(name string) float64 { return float64(rapid.IntRange(8, 20).Draw(t, name)) }
				d = d.Rate(key(n), form(part("task"), part("bond"), part("goal")))
			case 7:
				d, _ = d.Record(key(n), &fact.Repair{Step: fact.RepairAttempted, Enhancers: []string{"gave-time"}})
			case 8:
				d = d.Note("x").DrawBack(visit(n), NonResponse)
			case 9:
				d = d.Leave(visit(n), CourseEnded)
			}
			if after, _ := json.Marshal(was); string(after) != string(before) {
				t.Fatalf("changed\n%s to\n%s", before, after)
			}
			checkLife(t, d)
			if d.Closed < closed {
				t.Fatal("a closed rupture came undone")
			}
			closed = d.Closed
		}
	})
}

func checkLife(t *rapid.T, d *Dyad) {
	if d.Chart.Open() && d.Other != nil || d.Open() != nil && d.Bad != nil {
		t.Fatalf("two at a time: %+v", d)
	}
	if len(d.Past) > maxPast || len(d.Strains) > maxStrains || len(d.Facts) > maxFacts || len(d.Tracks) != len(d.Levels) {
		t.Fatalf("it grows: %+v", d)
	}
	for _, r := range d.Ruptures() {
		if len(r.Facts) == 0 || len(r.Facts) > maxFacts || len(r.Attempts) > maxAttempts || len(r.Since) > 3 {
			t.Fatalf("%+v", r)
		}
		if (r.Status == Open) != r.Ended.IsZero() || (r.Because == "") != (r.Status == Open || r.Status == Mended) || r.Ended.Before(r.Onset) && r.Status != Open {
			t.Fatalf("%+v", r)
		}
	}
	for _, l := range d.Levels {
		if len(l.Base) > memory || len(l.Held) > memory {
			t.Fatalf("%+v", l)
		}
	}
}
