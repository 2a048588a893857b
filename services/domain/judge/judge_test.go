package judge

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rapport-health/rapport/services/domain/episode"
	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/ref"
)

var monday = time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)

func scored(day int, instrument, construct string, total float64) fact.Fact {
	return fact.Fact{
		ID: instrument + monday.AddDate(0, 0, day).Format("0102"), Kind: fact.KindScores, At: monday.AddDate(0, 0, day),
		Source: ref.Resource{Type: "QuestionnaireResponse", ID: "q", Version: 1},
		Scores: &fact.Scores{Instrument: instrument, Construct: construct, Respondent: "patient", Scores: []fact.Score{{Code: "total", Value: &total}}},
	}
}

func phq9(day int, total float64) fact.Fact { return scored(day, "phq-9", "distress", total) }

func last(s *episode.State, instrument string) float64 {
	i := s.Instrument(instrument, "patient")
	if i == nil {
		return 0
	}
	t, _ := i.Track("total")
	return t.Last.Value
}

func high(v View) (bool, error) { return last(v.After, v.Fact.Scores.Instrument) >= 20, nil }

func byInstrument(v View) (string, error) { return v.Fact.Scores.Instrument, nil }

// days of the facts at which a rule finds something.
func found(rule Rule, facts ...fact.Fact) []string {
	s := episode.New("p1")
	var ids []string
	for _, f := range facts {
		next := episode.Fold(s, f)
		for _, finding := range Judge([]Rule{rule}, s, next, f) {
			ids = append(ids, finding.Fact)
		}
		s = next
	}
	return ids
}

func TestWhenARuleFires(t *testing.T) {
	rising := func(v View) (bool, error) {
		return last(v.After, "phq-9") > last(v.Before, "phq-9"), nil
	}
	anyHigh := func(v View) (bool, error) {
		return last(v.After, "phq-9") >= 20 || last(v.After, "gad-7") >= 20, nil
	}
	gad7 := func(day int, total float64) fact.Fact { return scored(day, "gad-7", "distress", total) }
	cases := []struct {
		name  string
		rule  Rule
		facts []fact.Fact
		want  []string
	}{
		{"when it begins to hold, and again after it ceased", Rule{When: high}, []fact.Fact{phq9(0, 9), phq9(1, 21), phq9(2, 22), phq9(3, 8), phq9(4, 20)}, []string{"phq-90106", "phq-90109"}},
		{"at the very first fact", Rule{When: high}, []fact.Fact{phq9(0, 21)}, []string{"phq-90105"}},
		{"at every fact with Each", Rule{When: high, Each: true}, []fact.Fact{phq9(0, 9), phq9(1, 21), phq9(2, 22)}, []string{"phq-90106", "phq-90107"}},
		{"whenever it compares before and after", Rule{When: rising}, []fact.Fact{phq9(0, 9), phq9(1, 10), phq9(2, 11), phq9(3, 11)}, []string{"phq-90105", "phq-90106", "phq-90107"}},
		{"for a second group while it holds for the first", Rule{When: high, Group: byInstrument}, []fact.Fact{phq9(0, 21), gad7(1, 20), gad7(2, 21)}, []string{"phq-90105", "gad-70106"}},
		{"once when there is but one group", Rule{When: anyHigh}, []fact.Fact{phq9(0, 21), gad7(1, 20)}, []string{"phq-90105"}},
		{"not for kinds it does not look at", Rule{When: high, On: []fact.Kind{fact.KindClock}}, []fact.Fact{phq9(0, 21)}, nil},
		{"not for constructs it does not look at", Rule{When: high, Constructs: []string{"alliance"}}, []fact.Fact{phq9(0, 21)}, nil},
		{"for those it does", Rule{When: high, On: []fact.Kind{fact.KindScores}, Constructs: []string{"alliance", "distress"}}, []fact.Fact{phq9(0, 21)}, []string{"phq-90105"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, found(c.rule, c.facts...)); diff != "" {
				t.Errorf("fires at (-want +got):\n%s", diff)
			}
		})
	}
}

func TestConstructsNarrowScoresOnly(t *testing.T) {
	always := func(View) (bool, error) { return true, nil }
	tick := fact.Fact{ID: "c", Kind: fact.KindClock, At: monday, Clock: &fact.Clock{}}
	rule := Rule{When: always, Each: true, Constructs: []string{"alliance"}}
	if got := found(rule, tick); len(got) != 1 {
		t.Errorf("the clock was left out: %v", got)
	}
}

func TestAFindingSaysWhatWasFoundWhereAndWhy(t *testing.T) {
	rule := Rule{
		ID: "severe", When: high, Group: byInstrument,
		Describe: func(v View) (Wording, []Number, error) {
			return Wording{Seen: "seen"}, []Number{{Name: "phq-9 total", Value: last(v.After, "phq-9")}}, nil
		},
	}
	f := phq9(0, 21)
	findings := Judge([]Rule{rule}, nil, episode.Fold(episode.New("p1"), f), f)
	if len(findings) != 1 {
		t.Fatalf("%d findings", len(findings))
	}
	want := Finding{
		ID: ref.Digest("finding", "severe", "phq-9", f.ID, "p1"), Group: "phq-9", Fact: f.ID, Source: f.Source, At: f.At,
		Wording: Wording{Seen: "seen"}, Numbers: []Number{{Name: "phq-9 total", Value: 21}},
	}
	got := findings[0]
	if got.Rule.ID != "severe" {
		t.Errorf("rule %s", got.Rule.ID)
	}
	got.Rule = nil
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestARuleThatCannotBeEvaluatedIsAFindingOfItsOwn(t *testing.T) {
	fails := errors.New("no such key")
	broken := func(View) (bool, error) { return false, fails }
	yes := func(View) (bool, error) { return true, nil }
	onlyBefore := func(v View) (bool, error) {
		if v.After == v.Before {
			return false, fails
		}
		return true, nil
	}
	cases := []struct {
		name     string
		rule     Rule
		severity Severity
	}{
		{"condition", Rule{ID: "r", Severity: Info, When: broken}, High},
		{"condition of the episode before", Rule{ID: "r", Severity: Info, When: onlyBefore}, High},
		{"group", Rule{ID: "r", Severity: Moderate, When: yes, Group: func(View) (string, error) { return "", fails }}, High},
		{"wording", Rule{ID: "r", Severity: Moderate, When: yes, Each: true, Describe: func(View) (Wording, []Number, error) { return Wording{}, nil, fails }}, High},
		{"a critical one stays critical", Rule{ID: "r", Severity: Critical, Safety: true, When: broken}, Critical},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			f := phq9(0, 21)
			other := Rule{ID: "other", When: yes, Each: true}
			findings := Judge([]Rule{c.rule, other}, nil, episode.Fold(episode.New("p1"), f), f)
			if len(findings) != 2 {
				t.Fatalf("%d findings", len(findings))
			}
			got := findings[0]
			if !errors.Is(got.Err, fails) || got.Rule.ID != "r" || got.Rule.Severity != c.severity || got.Rule.Safety != c.rule.Safety || got.Wording.Seen == "" {
				t.Errorf("finding %+v of rule %+v", got, got.Rule)
			}
			if findings[1].Err != nil || findings[1].Rule.ID != "other" {
				t.Error("the other rule was not asked")
			}
		})
	}
}

func TestSeveritiesAreReadAsTheyAreWritten(t *testing.T) {
	for _, s := range []Severity{Info, Moderate, High, Critical} {
		if ParseSeverity(s.String()) != s {
			t.Errorf("%s is read as %s", s, ParseSeverity(s.String()))
		}
	}
	if ParseSeverity("") != 0 || ParseSeverity("urgent") != 0 {
		t.Error("something that is no severity was read as one")
	}
}

func BenchmarkJudge(b *testing.B) {
	f := phq9(0, 21)
	after := episode.Fold(episode.New("p1"), f)
	before := episode.New("p1")
	rules := []Rule{{ID: "severe", When: high, Group: byInstrument}, {ID: "clock", On: []fact.Kind{fact.KindClock}, When: high}}
	b.ReportAllocs()
	for b.Loop() {
		Judge(rules, before, after, f)
	}
}

func TestWhetherAConditionGoesOnIsAskedWithTheFactAtWhichItWasFound(t *testing.T) {
	first, other := phq9(0, 21), scored(1, "gad-7", "distress", 5)
	rule := Rule{When: high, Group: byInstrument, Clears: func(v View) (bool, error) {
		return last(v.After, v.Fact.Scores.Instrument) < 5, nil
	}}
	s := episode.Fold(episode.Fold(episode.New("p1"), first), other)
	for _, c := range []struct {
		what           string
		total          float64
		group          string
		holds, cleared bool
	}{
		{"while it is high", 20, "phq-9", true, false},
		{"of another group", 20, "gad-7", false, false},
		{"once it is not", 19, "phq-9", false, false},
		{"once it is far below", 4, "phq-9", false, true},
	} {
		now := episode.Fold(s, phq9(2, c.total))
		if got, err := rule.Holds(now, &first, c.group); got != c.holds || err != nil {
			t.Errorf("%s: holds %t, %v", c.what, got, err)
		}
		if got, err := rule.Cleared(now, &first); got != c.cleared || err != nil {
			t.Errorf("%s: cleared %t, %v", c.what, got, err)
		}
	}
	rule.When = func(View) (bool, error) { return false, errors.New("no such key") }
	if _, err := rule.Holds(s, &first, "phq-9"); err == nil {
		t.Error("a condition that cannot be asked is answered")
	}
}
