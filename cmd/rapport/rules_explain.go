package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/judge"
	"github.com/rapport-health/rapport/services/rules"
)

// rulesExplainCmd shows one rule.
type rulesExplainCmd struct {
	rulesFlag
	outputFlag
	Rule     string `arg:"" placeholder:"RULE" help:"Id of the rule."`
	Language string `placeholder:"TAG" default:"en" help:"Language of the wording, such as de (${default})." env:"-"`
}

// Help shows examples.
func (rulesExplainCmd) Help() string {
	return "Examples:\n  rapport rules explain phq9-item-9\n  rapport rules explain hep-low --language de\n  rapport rules explain ours --rules clinic.yaml"
}

// Run shows when the rule speaks, to whom, what it says and on what it rests.
func (c rulesExplainCmd) Run(s streams) error {
	set, err := rules.Read(c.Rules)
	if err != nil {
		return err
	}
	leaf, known := set.Leaf(c.Rule)
	if !known {
		return usageError{unknownRule(set, c.Rule)}
	}
	script, written := leaf.Script(c.Language)
	if !written {
		return usageError{fmt.Errorf("the rule %s is not written in %q: there are en, %s", c.Rule, c.Language, strings.Join(leaf.Languages, ", "))}
	}
	if c.json() {
		return json.NewEncoder(s.out).Encode(struct {
			ruleSummary
			Language string          `json:"language"`
			Wording  []rules.Passage `json:"wording"`
		}{summary(leaf, set.Version), c.Language, script})
	}
	_, err = fmt.Fprint(s.out, explained(leaf, c.Language, script))
	return err
}

// rulePage is text in two columns.
type rulePage struct{ strings.Builder }

// nameWidth is that of the left column, and ruleWidth of the whole page.
const (
	nameWidth = 14
	ruleWidth = 100
)

// say puts a text beside a name; nothing when there is no text.
func (p *rulePage) say(name, text string) {
	for i, line := range wrap(text, ruleWidth-nameWidth-4) {
		if i > 0 {
			name = ""
		}
		fmt.Fprintf(p, "  %-*s  %s\n", nameWidth, name, line)
	}
}

func explained(leaf rules.Leaf, language string, script []rules.Passage) string {
	p, r := &rulePage{}, leaf.Rule
	fmt.Fprintf(p, "%s: %s\n", r.ID, r.Title)
	severity := r.Severity.String()
	if r.Safety {
		severity += "; a safety finding, which nothing holds back"
	}
	p.say("severity", severity)
	p.say("is looked at", occasions(r))
	p.say("speaks", speaks(r))
	p.say("", leaf.When)
	if leaf.Group != "" {
		p.say("for each", leaf.Group)
	}
	p.say("holds back", holdsBack(leaf))
	p.say("tells", toldTo(r))
	for _, rung := range r.Ladder {
		p.say("", "after "+span(rung.After)+" without an acknowledgement also: "+strings.Join(rung.Roles, ", "))
	}
	if r.AckTimeout > 0 {
		p.say("", "acknowledged but not resolved it is told again after "+span(r.AckTimeout))
	}
	if leaf.Rated != "" {
		p.say("withheld from", "the clinician who was rated: "+leaf.Rated)
	}
	if r.Proposal != nil {
		p.say("proposes", proposes(r.Proposal))
	}
	p.say("rests on", r.Evidence)
	p.say("version", r.Version+", "+leaf.Place)
	fmt.Fprintf(p, "\n  in the language %s (a number stands in braces)\n", language)
	for _, part := range script {
		name := part.Name
		for _, way := range part.Ways {
			p.say(name, way.Text)
			if name = ""; way.When != "" {
				p.say(name, "(when "+way.When+")")
			}
		}
	}
	return p.String()
}

// occasionNames are the kinds of facts in words.
var occasionNames = map[fact.Kind]string{
	fact.KindScores: "forms", fact.KindExercise: "exercise logs", fact.KindPrescription: "prescriptions", fact.KindVisit: "visits",
	fact.KindTeam: "the care team", fact.KindGoal: "goals", fact.KindMeasure: "measurements", fact.KindRepair: "repair attempts",
	fact.KindCourse: "the course of care", fact.KindDeath: "a death", fact.KindClock: "the passing of time",
}

func occasions(r judge.Rule) string {
	if len(r.On) == 0 && len(r.Constructs) == 0 {
		return "at everything that comes in, and as time passes"
	}
	var names []string
	for _, kind := range r.On {
		names = append(names, occasionNames[kind])
	}
	if len(names) == 0 {
		names = []string{"everything"}
	}
	text := "at " + strings.Join(names, ", ")
	if len(r.Constructs) > 0 {
		text += "; forms only about " + strings.Join(r.Constructs, ", ")
	}
	return text
}

func speaks(r judge.Rule) string {
	if r.Each {
		return "every time this holds:"
	}
	return "when this begins to hold:"
}

func holdsBack(leaf rules.Leaf) string {
	r := leaf.Rule
	var said []string
	if r.HoldFor > 0 {
		said = append(said, "until it has held for "+span(r.HoldFor))
	}
	if r.CoolDown > 0 {
		said = append(said, "the same again within "+span(r.CoolDown))
	}
	if leaf.Clears != "" {
		said = append(said, "the same again until this held: "+leaf.Clears)
	}
	if r.Cause != "" {
		said = append(said, "while something at least as severe with the cause "+r.Cause+" is open")
	}
	return strings.Join(said, "; ")
}

func toldTo(r judge.Rule) string {
	roles := slices.Clone(r.Roles)
	partner := slices.Contains(roles, "care-partner")
	roles = slices.DeleteFunc(roles, func(role string) bool { return role == "care-partner" })
	text := strings.Join(roles, ", else ")
	if r.EachRole {
		text = "each of " + strings.Join(roles, ", ")
	}
	if partner {
		text += "; and the care partner, in words of their own"
	}
	return text
}

func proposes(p *judge.Proposal) string {
	var how []string
	if p.Modality != "" {
		how = append(how, p.Modality)
	}
	if p.WithinDays > 0 {
		how = append(how, "within "+span(time.Duration(p.WithinDays)*24*time.Hour))
	}
	if len(how) == 0 {
		return p.Text
	}
	return p.Text + " (" + strings.Join(how, ", ") + ")"
}
