package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/judge"
	"github.com/rapport-health/rapport/services/rules"
)

// rulesCmd groups what can be done with the rules.
type rulesCmd struct {
	List     rulesListCmd     `cmd:"" default:"withargs" help:"List the rules in force."`
	Explain  rulesExplainCmd  `cmd:"" help:"Show a rule as a clinician would read it."`
	Lint     rulesLintCmd     `cmd:"" help:"Check rule files, and tell every problem with its place."`
	Test     rulesTestCmd     `cmd:"" help:"Run the rules' own tests."`
	Backtest rulesBacktestCmd `cmd:"" help:"Play stored history through rules, and say what would have been raised and dropped."`
}

// Help shows examples.
func (rulesCmd) Help() string {
	return "Examples:\n  rapport rules\n  rapport rules explain alliance-drop\n  rapport rules lint clinic.yaml"
}

// rulesFlag names a clinic's own file.
type rulesFlag struct {
	Rules string `placeholder:"FILE" help:"YAML file of own rules; without it the default set."`
}

// rulesListCmd lists rules.
type rulesListCmd struct {
	rulesFlag
	outputFlag
}

// Help shows examples.
func (rulesListCmd) Help() string {
	return "Examples:\n  rapport rules list\n  rapport rules list --rules clinic.yaml -o json"
}

// Run lists.
func (c rulesListCmd) Run(s streams) error {
	set, err := rules.Read(c.Rules)
	if err != nil {
		return err
	}
	if c.json() {
		encoder := json.NewEncoder(s.out)
		for _, leaf := range set.Leaves() {
			if err := encoder.Encode(summary(leaf, set.Version)); err != nil {
				return err
			}
		}
		return nil
	}
	table := tabwriter.NewWriter(s.out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(table, "RULE\tSEVERITY\tTOLD\tTITLE")
	for _, leaf := range set.Leaves() {
		r := leaf.Rule
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", r.ID, r.Severity, r.Roles[0]+more(len(r.Roles)-1), r.Title)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.out, "%d rules, version %s\n", len(set.Rules), set.Version)
	return err
}

func more(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(" +%d", n)
}

// ruleSummary is a rule for programs.
type ruleSummary struct {
	ID         string          `json:"id"`
	Version    string          `json:"version"`
	Set        string          `json:"set"`
	Title      string          `json:"title"`
	Severity   string          `json:"severity"`
	Safety     bool            `json:"safety,omitempty"`
	Each       bool            `json:"each,omitempty"`
	Roles      []string        `json:"roles"`
	On         []string        `json:"on,omitempty"`
	Constructs []string        `json:"constructs,omitempty"`
	When       string          `json:"when"`
	Group      string          `json:"group,omitempty"`
	Clears     string          `json:"clears,omitempty"`
	Rated      string          `json:"rated,omitempty"`
	CoolDown   string          `json:"cooldown,omitempty"`
	HoldFor    string          `json:"holdFor,omitempty"`
	AckTimeout string          `json:"ackTimeout,omitempty"`
	Ladder     []ruleRung      `json:"ladder,omitempty"`
	EachRole   bool            `json:"eachRole,omitempty"`
	Cause      string          `json:"cause,omitempty"`
	Proposal   *judge.Proposal `json:"proposal,omitempty"`
	Evidence   string          `json:"evidence"`
	Languages  []string        `json:"languages"`
	Place      string          `json:"place"`
	Tests      int             `json:"tests"`
}

type ruleRung struct {
	After string   `json:"after"`
	Roles []string `json:"roles"`
}

func summary(leaf rules.Leaf, set string) ruleSummary {
	r := leaf.Rule
	sum := ruleSummary{
		ID: r.ID, Version: r.Version, Set: set, Title: r.Title, Severity: r.Severity.String(), Safety: r.Safety, Each: r.Each,
		Roles: r.Roles, Constructs: r.Constructs, When: leaf.When, Group: leaf.Group, Clears: leaf.Clears, Rated: leaf.Rated,
		CoolDown: span(r.CoolDown), HoldFor: span(r.HoldFor), AckTimeout: span(r.AckTimeout), EachRole: r.EachRole, Cause: r.Cause,
		Proposal: r.Proposal, Evidence: r.Evidence, Languages: append([]string{"en"}, leaf.Languages...), Place: leaf.Place,
		Tests: len(r.Tests),
	}
	for _, kind := range r.On {
		sum.On = append(sum.On, string(kind))
	}
	for _, rung := range r.Ladder {
		sum.Ladder = append(sum.Ladder, ruleRung{span(rung.After), rung.Roles})
	}
	return sum
}

// span is a length of time as rules write it; empty for none.
func span(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d == 0:
		return ""
	case d%day == 0:
		return fmt.Sprintf("%dd", d/day)
	case d%time.Hour == 0:
		return fmt.Sprintf("%dh", d/time.Hour)
	}
	return fmt.Sprintf("%dm", d/time.Minute)
}

// rulesLintCmd checks rule files.
type rulesLintCmd struct {
	outputFlag
	Files []string `arg:"" optional:"" placeholder:"FILE" help:"Own rule files, each with what it extends; without one the default set."`
}

// Help shows examples.
func (rulesLintCmd) Help() string {
	return `Examples:
  rapport rules lint
  rapport rules lint clinic.yaml

Every problem is told with file, line and column. A warning is something that can be used but should be looked at, such as
a language that lacks a part.`
}

// Run tells every problem at once.
func (c rulesLintCmd) Run(s streams) error {
	failed := false
	files := c.Files
	if len(files) == 0 {
		files = []string{""}
	}
	for _, file := range files {
		ok, err := c.lint(s.out, file)
		if err != nil {
			return err
		}
		failed = failed || !ok
	}
	if failed {
		return errSaid
	}
	return nil
}

// lint tells what is wrong with one file; false when it cannot be used.
func (c rulesLintCmd) lint(out io.Writer, file string) (bool, error) {
	set, err := rules.Read(file)
	issues := fault.IssuesOf(err)
	if err != nil && len(issues) == 0 {
		return false, err
	}
	if set != nil {
		issues = set.Lint()
	}
	name := file
	if name == "" {
		name = "the default set"
	}
	for _, issue := range issues {
		if err := c.tell(out, issue); err != nil {
			return false, err
		}
	}
	if set == nil {
		return false, nil
	}
	if c.json() {
		return true, json.NewEncoder(out).Encode(map[string]any{"file": name, "version": set.Version, "rules": len(set.Rules)})
	}
	_, err = fmt.Fprintf(out, "ok %s: %d rules, version %s\n", name, len(set.Rules), set.Version)
	return true, err
}

func (c rulesLintCmd) tell(out io.Writer, issue fault.Issue) error {
	if c.json() {
		return json.NewEncoder(out).Encode(map[string]string{"severity": issue.Severity.String(), "place": issue.Path, "text": issue.Text})
	}
	text := issue.Text
	if issue.Severity == fault.Warning {
		text = "warning: " + text
	}
	if issue.Path != "" {
		text = issue.Path + ": " + text
	}
	_, err := fmt.Fprintln(out, text)
	return err
}

// rulesTestCmd runs the rules' own tests.
type rulesTestCmd struct {
	rulesFlag
	outputFlag
	Only []string `arg:"" optional:"" name:"rule" placeholder:"RULE" help:"Rules to test; without one all."`
}

// Help shows examples.
func (rulesTestCmd) Help() string {
	return "Examples:\n  rapport rules test\n  rapport rules test --rules clinic.yaml alliance-drop"
}

// Run tells how each story came out.
func (c rulesTestCmd) Run(s streams) error {
	set, err := rules.Read(c.Rules)
	if err != nil {
		return err
	}
	tried, err := only(set, c.Only)
	if err != nil {
		return err
	}
	stories, failed := 0, 0
	for _, leaf := range tried {
		for _, story := range rules.Stories(leaf.Rule) {
			stories++
			if story.Text != "" {
				failed++
			}
			if err := c.tell(s.out, story); err != nil {
				return err
			}
		}
	}
	if !c.json() {
		fmt.Fprintf(s.out, "%d stories of %d rules, %d failed\n", stories, len(tried), failed)
	}
	if failed > 0 {
		return errSaid
	}
	return nil
}

func (c rulesTestCmd) tell(out io.Writer, story rules.Failure) error {
	if c.json() {
		return json.NewEncoder(out).Encode(map[string]any{"rule": story.Rule, "story": story.Test, "ok": story.Text == "", "text": story.Text})
	}
	mark, text := "ok    ", ""
	if story.Text != "" {
		mark, text = "FAILED", "\n         "+story.Text
	}
	_, err := fmt.Fprintf(out, "%s %s: %s%s\n", mark, story.Rule, story.Test, text)
	return err
}

// only are the named rules of a set, or all. Errors: wrong usage for a name that is none.
func only(set *rules.Set, names []string) ([]rules.Leaf, error) {
	if len(names) == 0 {
		return set.Leaves(), nil
	}
	var found []rules.Leaf
	for _, name := range names {
		leaf, ok := set.Leaf(name)
		if !ok {
			return nil, usageError{unknownRule(set, name)}
		}
		found = append(found, leaf)
	}
	return found, nil
}

func unknownRule(set *rules.Set, name string) error {
	var ids []string
	for _, leaf := range set.Leaves() {
		ids = append(ids, leaf.Rule.ID)
	}
	if near := fault.Nearest(name, ids); near != "" && !strings.ContainsAny(name, "./") {
		return fmt.Errorf("there is no rule %q: did you mean %q?", name, near)
	}
	if strings.ContainsAny(name, "./") {
		return fmt.Errorf("there is no rule %q: a file is named by --rules %s", name, name)
	}
	return fmt.Errorf("there is no rule %q: there are %s", name, strings.Join(ids, ", "))
}
