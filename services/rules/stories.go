package rules

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/rapport-health/rapport/services/domain/episode"
	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/judge"
)

// dayZero is the first day of the stories that rules are tested with: a Monday.
var dayZero = time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC)

// tests reads the stories of a rule. A fact is written as it is stored, with these shorter forms: `day` (from 0,
// with fractions) for `at`; the kind follows from what is told; ids are given; a form is the patient's own.
func (l *loader) tests(n *yaml.Node) (tests []judge.Test) {
	for _, item := range l.list(n) {
		var t judge.Test
		until := 0
		l.fields(item, map[string]func(*yaml.Node){
			"name":     func(n *yaml.Node) { t.Name = l.scalar(n) },
			"facts":    func(n *yaml.Node) { t.Facts = l.facts(n) },
			"until":    func(n *yaml.Node) { until = l.count(n, 1, 36500) },
			"findings": func(n *yaml.Node) { t.Findings = l.expected(n) },
		}, "name", "facts")
		if until > 0 {
			t.Facts = goOn(t.Facts, dayZero.AddDate(0, 0, until))
		}
		tests = append(tests, t)
	}
	return tests
}

func (l *loader) facts(n *yaml.Node) (facts []fact.Fact) {
	for i, item := range l.list(n) {
		f, err := readFact(item)
		if err != nil {
			l.fail(l.at(item), "%s", err.Error())
			continue
		}
		f.ID = factID(i + 1)
		if len(facts) > 0 && f.Key().Compare(facts[len(facts)-1].Key()) < 0 {
			l.fail(l.at(item), "the facts of a story stand in order of time")
		}
		facts = append(facts, f)
	}
	return facts
}

// factID of the n-th fact of a story; in order as text.
func factID(n int) string { return fmt.Sprintf("fact-%03d", n) }

// goOn lets time pass in a story as it does in the service: each deadline of the episode up to the end becomes a fact.
func goOn(facts []fact.Fact, until time.Time) (all []fact.Fact) {
	state := episode.New("synthetic")
	pass := func(to time.Time) {
		for last := ""; !state.Deadline.IsZero() && !state.Deadline.After(to) && len(all) < maxStory; {
			id := dayID(int(state.Deadline.Sub(dayZero).Hours() / 24))
			if last = last + "."; !strings.HasPrefix(lastID(all), id) {
				last = ""
			}
			f := fact.Fact{ID: id + last, Kind: fact.KindClock, At: state.Deadline, Clock: &fact.Clock{}}
			all, state = append(all, f), episode.Fold(state, f)
		}
	}
	for _, f := range facts {
		pass(f.At)
		all, state = append(all, f), episode.Fold(state, f)
	}
	pass(until)
	return all
}

// maxStory bounds how many facts a story goes on for.
const maxStory = 1000

// dayID is the id of what the clock tells on a day.
func dayID(day int) string { return fmt.Sprintf("day-%d", day) }

func lastID(facts []fact.Fact) string {
	if len(facts) == 0 {
		return ""
	}
	return facts[len(facts)-1].ID
}

func readFact(n *yaml.Node) (f fact.Fact, err error) {
	var told map[string]any
	if err := n.Decode(&told); err != nil {
		return f, fmt.Errorf("a fact was expected")
	}
	day, dated := told["day"]
	delete(told, "day")
	raw, err := json.Marshal(told)
	if err != nil {
		return f, fmt.Errorf("a fact was expected")
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&f); err != nil {
		return f, fmt.Errorf("not a fact: %s", unfit(err))
	}
	if dated {
		days, err := strconv.ParseFloat(fmt.Sprint(day), 64)
		if err != nil || days < 0 || days > 36500 {
			return f, fmt.Errorf("a day is a number from 0")
		}
		f.At = dayZero.Add(time.Duration(days * 24 * float64(time.Hour))).Round(time.Second)
	}
	if f.At.IsZero() {
		return f, fmt.Errorf("a fact needs a day")
	}
	return complete(f)
}

var unknownKey = regexp.MustCompile(`^unknown field "(.*)"$`)

// unfit says why something is no fact, with the known name nearest to one that is not known.
func unfit(err error) string {
	text := strings.TrimPrefix(err.Error(), "json: ")
	if m := unknownKey.FindStringSubmatch(text); m != nil {
		return fmt.Sprintf("unknown field '%s'%s", m[1], meant(m[1], factKeys()))
	}
	return text
}

// factKeys are the names of everything that a fact can tell.
var factKeys = sync.OnceValue(func() []string {
	keys := map[string]bool{"day": true}
	var walk func(reflect.Type)
	walk = func(t reflect.Type) {
		for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
			t = t.Elem()
		}
		if t.Kind() != reflect.Struct {
			return
		}
		for _, field := range reflect.VisibleFields(t) {
			if name, _, _ := strings.Cut(field.Tag.Get("json"), ","); name != "" && name != "-" {
				keys[name] = true
				walk(field.Type)
			}
		}
	}
	walk(reflect.TypeFor[fact.Fact]())
	return slices.Sorted(maps.Keys(keys))
})

// complete fills in what follows from what was told.
func complete(f fact.Fact) (fact.Fact, error) {
	told := map[fact.Kind]bool{
		fact.KindScores: f.Scores != nil, fact.KindExercise: f.Exercise != nil, fact.KindPrescription: f.Prescription != nil,
		fact.KindVisit: f.Visit != nil, fact.KindTeam: f.Team != nil, fact.KindGoal: f.Goal != nil,
		fact.KindMeasure: f.Measure != nil, fact.KindRepair: f.Repair != nil, fact.KindCourse: f.Course != nil, fact.KindDeath: f.Death != nil,
		fact.KindClock: f.Clock != nil,
	}
	count := 0
	for kind, is := range told {
		if is {
			f.Kind = kind
			count++
		}
	}
	if count != 1 {
		return f, fmt.Errorf("a fact tells one thing: scores, exercise, prescription, visit, team, goal, measure, repair, course, death or clock")
	}
	if f.Scores != nil && f.Scores.Respondent == "" {
		f.Scores.Respondent = "patient"
	}
	return f, nil
}

func (l *loader) expected(n *yaml.Node) (findings []judge.Expected) {
	for _, item := range l.list(n) {
		var e judge.Expected
		l.fields(item, map[string]func(*yaml.Node){
			"fact": func(n *yaml.Node) {
				number, err := strconv.Atoi(l.scalar(n))
				if err != nil || number < 1 {
					l.fail(l.at(n), "the number of a fact was expected, from 1")
				}
				e.Fact = factID(number)
			},
			"day":   func(n *yaml.Node) { e.Fact = dayID(l.count(n, 0, 36500)) },
			"group": func(n *yaml.Node) { e.Group = l.scalar(n) },
			"seen":  func(n *yaml.Node) { e.Seen = l.scalar(n) },
		})
		if e.Fact == "" && item.Kind == yaml.MappingNode {
			l.fail(l.at(item), "a finding names the `fact` it was found at, or the `day` on which time alone brought it")
		}
		findings = append(findings, e)
	}
	return findings
}

// Failure is a test of a rule, and how it did not come out as written.
type Failure struct {
	// Rule and Test by name.
	Rule, Test string
	// Text says what was expected and what was found; empty when it came out.
	Text string
}

// Stories runs a rule's own tests, and says of each how it came out.
func Stories(rule judge.Rule) []Failure {
	told := make([]Failure, len(rule.Tests))
	for i, t := range rule.Tests {
		told[i] = Failure{rule.ID, t.Name, differ(t.Findings, play([]judge.Rule{rule}, t.Facts))}
	}
	return told
}

// Test runs the tests of all rules, each rule by itself, and returns those that fail.
func Test(rules []judge.Rule) (failures []Failure) {
	for _, r := range rules {
		failures = append(failures, slices.DeleteFunc(Stories(r), func(f Failure) bool { return f.Text == "" })...)
	}
	return failures
}

// play tells a story to a rule.
func play(rule []judge.Rule, facts []fact.Fact) (findings []judge.Finding) {
	before := episode.New("synthetic")
	for _, f := range facts {
		after := episode.Fold(before, f)
		findings = append(findings, judge.Judge(rule, before, after, f)...)
		before = after
	}
	return findings
}

func differ(want []judge.Expected, got []judge.Finding) string {
	for i, f := range got {
		switch {
		case f.Err != nil:
			return f.Err.Error()
		case i >= len(want) || strings.TrimRight(f.Fact, ".") != want[i].Fact:
			return fmt.Sprintf("not expected at %s: %s", f.Fact, f.Wording.Seen)
		case want[i].Group != "" && f.Group != want[i].Group:
			return fmt.Sprintf("at %s the group is %q, want %q", f.Fact, f.Group, want[i].Group)
		case !strings.Contains(f.Wording.Seen, want[i].Seen):
			return fmt.Sprintf("at %s was seen %q, want %q in it", f.Fact, f.Wording.Seen, want[i].Seen)
		}
	}
	if len(got) < len(want) {
		return fmt.Sprintf("nothing was found at %s", want[len(got)].Fact)
	}
	return ""
}
