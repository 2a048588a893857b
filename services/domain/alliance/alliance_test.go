package alliance

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rapport-health/rapport/services/domain/fact"
)

var intake = time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)

func visit(n int) time.Time { return intake.AddDate(0, 0, 7*n) }

// key of the fact of a visit.
func key(n int) fact.Key { return fact.Key{At: visit(n), ID: fmt.Sprintf("fact-%03d", n)} }

func sheet(instrument, version string, scores map[string]float64, codes ...string) *fact.Scores {
	s := &fact.Scores{Instrument: instrument, Version: version, Construct: "alliance", Respondent: "patient"}
	for _, code := range codes {
		score := fact.Score{Code: code, HigherBetter: true, Max: 60}
		if v, ok := scores[code]; ok {
			score.Value = &v
		} else {
			score.NotScorable = "missing-items"
		}
		s.Scores = append(s.Scores, score)
	}
	return s
}

func rated(mean float64) *fact.Scores {
	return sheet("wai-sr", "1", map[string]float64{"total": mean * 12, "total-mean": mean}, "total", "total-mean")
}

func empty() *fact.Scores { return sheet("wai-sr", "1", nil, "total", "total-mean") }

func TestTheReferenceDetectorAgreesWithEveryVector(t *testing.T) {
	raw, err := os.ReadFile("testdata/rupture.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Vectors []struct {
			Name, Instrument, Score string
			Series                  []*float64
			Expect                  []struct {
				At    int
				Event Event
			}
		}
	}
	if err := json.Unmarshal(raw, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Vectors) < 12 {
		t.Fatalf("only %d vectors", len(file.Vectors))
	}
	for _, v := range file.Vectors {
		t.Run(v.Name, func(t *testing.T) {
			d := &Dyad{Rater: "patient", Instrument: v.Instrument}
			at := 0
			for n, value := range v.Series {
				if value == nil {
					if d = d.Rate(key(n), empty()); d.Event != None {
						t.Errorf("a visit without a rating is a %s", d.Event)
					}
					continue
				}
				at++
				d = d.Rate(key(n), rated(*value))
				if want := v.Expect[at-1]; want.At != n+1 || want.Event != d.Event {
					t.Errorf("rating %d (%v) is a %s, want %s", at, *value, d.Event, want.Event)
				}
			}
			if at != len(v.Expect) {
				t.Errorf("%d ratings, %d expected", at, len(v.Expect))
			}
		})
	}
}

func tell(means ...float64) *Dyad {
	d := &Dyad{Rater: "patient", Instrument: "wai-sr"}
	for n, mean := range means {
		d = d.Rate(key(n), rated(mean))
	}
	return d
}

func TestARuptureHasALife(t *testing.T) {
	steady := []float64{4.2, 4.3, 4.2, 4.3, 4.2}
	onset := tell(append(steady, 3.4)...)
	if r := onset.Chart.Rupture; r == nil || r.Status != Open || r.Kind != Ruptured || !r.Onset.Equal(visit(5)) || r.Value != 3.4 {
		t.Fatalf("onset: %+v", r)
	}
	if change, ok := onset.Change(); !ok || change > -0.83 || change < -0.85 {
		t.Errorf("change from the usual level: %v, %v", change, ok)
	}
	mended := onset.Rate(key(6), rated(4.1))
	if r := mended.Past[0]; mended.Chart.Rupture != nil || r.Status != Mended || !r.Ended.Equal(visit(6)) || mended.Event != Repaired {
		t.Errorf("repair: %s, %+v", mended.Event, r)
	}
	given := onset.Rate(key(6), rated(3.5)).Rate(key(7), rated(3.4)).Rate(key(8), rated(3.5))
	if r := given.Past[0]; r.Status != Unrepaired || r.Because != TimeUp || given.Event != None {
		t.Errorf("after three ratings below: %s, %+v", given.Event, r)
	}
	if diff := cmp.Diff([]float64{3.4, 3.5, 3.4, 3.5}, given.Chart.Base); diff != "" {
		t.Errorf("the new usual level (-want +got):\n%s", diff)
	}
}

func TestANewVersionOfTheInstrumentStartsTheBaselineAnew(t *testing.T) {
	d := tell(4.2, 4.3, 4.2, 4.3, 4.2)
	other := rated(3.0)
	other.Version = "2"
	if d = d.Rate(key(5), other); d.Event != None || len(d.Chart.Base) != 1 {
		t.Errorf("%s with base %v", d.Event, d.Chart.Base)
	}
	open := tell(4.2, 4.3, 4.2, 3.0)
	if open = open.Rate(key(4), other); open.Past[0].Status != Unrepaired || open.Past[0].Because != NewVersion {
		t.Errorf("an open rupture became %+v", open.Past[0])
	}
}

func TestAFormThatCannotBeScoredIsAnUnratedVisit(t *testing.T) {
	d := tell(4.2, 4.3, 4.2, 4.3, 3.9)
	if d.Event != Strain {
		t.Fatalf("a fall of three tenths is a %s", d.Event)
	}
	after := d.Rate(key(9), empty())
	if after.Event != None || after.Sessions != d.Sessions || !after.Rated.Equal(d.Rated) || len(after.Chart.Base) != len(d.Chart.Base) {
		t.Errorf("an empty form changed %+v to %+v", d, after)
	}
}

func TestTheParts(t *testing.T) {
	codes := []string{"total", "task", "bond", "goal", "total-mean", "task-mean"}
	d := (&Dyad{Rater: "patient", Instrument: "wai-sr"}).
		Rate(key(0), sheet("wai-sr", "1", map[string]float64{"total": 48, "task": 17, "bond": 19, "goal": 12, "total-mean": 4, "task-mean": 4.25}, codes...)).
		Rate(key(1), sheet("wai-sr", "1", map[string]float64{"bond": 16}, codes...))
	want := map[string]float64{"total": 48, "task": 17, "bond": 16, "goal": 12, "total-mean": 4}
	got := map[string]float64{}
	for _, track := range d.Tracks {
		got[track.Code] = track.Last.Value
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("last values (-want +got):\n%s", diff)
	}
	if d.Sessions != 2 || len(d.Chart.Base) != 1 {
		t.Errorf("sessions %d, base %v", d.Sessions, d.Chart.Base)
	}
}

func TestASmallFallOfASessionFormIsANoteAndASharpOneARupture(t *testing.T) {
	d := &Dyad{Rater: "patient", Instrument: "srs"}
	events := []Event{}
	for n, total := range []float64{38, 37.5, 36.5, 39, 38.2, 38, 29, 37} {
		d = d.Rate(key(n), sheet("srs", "1", map[string]float64{"total": total}, "total"))
		events = append(events, d.Event)
	}
	if diff := cmp.Diff([]Event{None, None, Fell, None, None, None, Ruptured, Repaired}, events); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func TestWhatARatingMeantIsUnconfirmedOnlyOnceItWasCompared(t *testing.T) {
	compared := func(instrument, code string, values ...float64) (said []bool) {
		d := &Dyad{Rater: "patient", Instrument: instrument}
		for n, value := range values {
			d = d.Rate(key(n), &fact.Scores{Instrument: instrument, Version: "1", Scores: []fact.Score{
				{Code: code, Value: &value, HigherBetter: true, ReliableUnconfirmed: true},
			}})
			said = append(said, d.Unconfirmed())
		}
		return said
	}
	for name, c := range map[string]struct{ got, want []bool }{
		"an error band":            {compared("wai-sr", "total-mean", 4, 4, 4, 4), []bool{false, false, false, true}},
		"a step of a session form": {compared("srs", "total", 38, 37.5, 36), []bool{false, false, true}},
		"what nobody watches":      {compared("wai-srt", "total", 40, 40, 40, 10), []bool{false, false, false, false}},
	} {
		if !slices.Equal(c.got, c.want) {
			t.Errorf("%s: %v, want %v", name, c.got, c.want)
		}
	}
}

func TestRatingNeverChangesTheDyadAndStaysSmall(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := &Dyad{Rater: "patient", Instrument: "wai-sr"}
		for n := range rapid.IntRange(1, 60).Draw(t, "visits") {
			before, _ := json.Marshal(d)
			next := d.Rate(key(n), rated(float64(rapid.IntRange(10, 50).Draw(t, "mean"))/10))
			if after, _ := json.Marshal(d); string(after) != string(before) {
				t.Fatalf("changed\n%s to\n%s", before, after)
			}
			switch r := next.Chart.Rupture; {
			case len(next.Chart.Base) > 5, r != nil && len(r.Since) > 3:
				t.Fatalf("it grows: %+v", next.Chart)
			case next.Event == Repaired && (len(next.Past) == 0 || next.Past[len(next.Past)-1].Status != Mended),
				r != nil && r.Status != Open, len(next.Past) > maxPast, len(next.Strains) > maxStrains, len(next.Facts) > maxFacts,
				(next.Event == Ruptured || next.Event == Decline) && !next.Chart.Open(),
				d.Chart.Open() && (next.Event == Strain || next.Event == Ruptured || next.Event == Decline):
				t.Fatalf("%s with %+v", next.Event, r)
			}
			d = next
		}
	})
}
