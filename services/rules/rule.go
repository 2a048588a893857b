package rules

import (
	"slices"
	"strings"
	"time"

	"cel.dev/cel-go/cel"
	"go.yaml.in/yaml/v3"

	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/judge"
)

// Leaf is one rule with what its file says in words, for those who read it.
type Leaf struct {
	// Rule as the judge takes it.
	Rule judge.Rule
	// Place is where it stands, `file:line:column`.
	Place string
	// When, Clears, Group and Rated are its conditions as written, blanks joined; empty where there is none.
	When, Clears, Group, Rated string
	// Languages it is written in beside English, in order.
	Languages []string
	// words in every language; English is the empty tag.
	words map[string]*words
	// glossary of the set that the rule belongs to.
	glossary glossary
	// names that a template may use.
	names *names
	// counted says that the condition is stopped when it costs too much, for its form does not bound it.
	counted bool
}

// rule reads one rule.
func (l *loader) rule(n *yaml.Node) *Leaf {
	leaf := &Leaf{Place: l.at(n), names: &names{}, words: map[string]*words{}}
	r := &leaf.Rule
	var when, group *expression
	var wording, languages *yaml.Node
	readers := map[string]func(*yaml.Node){
		"id":         func(n *yaml.Node) { r.ID = l.id(n) },
		"title":      func(n *yaml.Node) { r.Title = l.scalar(n) },
		"on":         func(n *yaml.Node) { r.On = l.kinds(n) },
		"constructs": func(n *yaml.Node) { r.Constructs = l.someOf(n, "construct", constructs) },
		"safety":     func(n *yaml.Node) { r.Safety = l.flag(n) },
		"each":       func(n *yaml.Node) { r.Each = l.flag(n) },
		"evidence":   func(n *yaml.Node) { r.Evidence = l.scalar(n) },
		"group":      func(n *yaml.Node) { leaf.Group, group = plain(n), l.expression(n, cel.StringType) },
		"when":       func(n *yaml.Node) { leaf.When, when = plain(n), l.expression(n, cel.BoolType) },
		"numbers":    func(n *yaml.Node) { l.figures(n, leaf.names) },
		"texts":      func(n *yaml.Node) { l.texts(n, leaf.names) },
		"wording":    func(n *yaml.Node) { wording = n },
		"languages":  func(n *yaml.Node) { languages = n },
		"tests":      func(n *yaml.Node) { r.Tests = l.tests(n) },
	}
	for name, read := range l.handling(leaf) {
		readers[name] = read
	}
	l.fields(n, readers, "id", "title", "severity", "roles", "when", "wording", "evidence")
	if when != nil {
		r.When, leaf.counted = when.holds, when.counted
		if !r.Each && !when.after {
			l.fail(when.place, "the condition must look at `after`, or the rule must be `each: true`: otherwise it never begins to hold")
		}
	}
	if group != nil {
		r.Group = group.text
	}
	l.handled(n, leaf)
	l.spoken(leaf, wording, languages)
	r.Version = version(n)
	return leaf
}

// plain is an expression as it was written, its blanks joined.
func plain(n *yaml.Node) string { return strings.Join(strings.Fields(n.Value), " ") }

func (l *loader) id(n *yaml.Node) string {
	id := l.scalar(n)
	if !idForm.MatchString(id) || len(id) > 64 {
		l.fail(l.at(n), "an id is lower-case words joined by hyphens, at most 64 letters")
	}
	return id
}

func (l *loader) kinds(n *yaml.Node) (on []fact.Kind) {
	for _, kind := range l.someOf(n, "kind of fact", kinds) {
		on = append(on, fact.Kind(kind))
	}
	return on
}

// handling are the readers of how a finding is handled: what a clinic may change of a rule that it did not write.
func (l *loader) handling(leaf *Leaf) map[string]func(*yaml.Node) {
	r := &leaf.Rule
	return map[string]func(*yaml.Node){
		"severity":    func(n *yaml.Node) { r.Severity = judge.ParseSeverity(l.oneOf(n, "severity", severities)) },
		"roles":       func(n *yaml.Node) { r.Roles = l.addressees(n) },
		"cooldown":    func(n *yaml.Node) { r.CoolDown = l.span(n) },
		"hold-for":    func(n *yaml.Node) { r.HoldFor = l.span(n) },
		"clears":      func(n *yaml.Node) { l.clears(n, leaf) },
		"ladder":      func(n *yaml.Node) { r.Ladder = l.ladder(n) },
		"ack-timeout": func(n *yaml.Node) { r.AckTimeout = l.span(n) },
		"each-role":   func(n *yaml.Node) { r.EachRole = l.flag(n) },
		"cause":       func(n *yaml.Node) { r.Cause = l.id(n) },
		"rated": func(n *yaml.Node) {
			leaf.Rated = plain(n)
			if e := l.expression(n, cel.StringType); e != nil {
				r.Rated = e.text
			}
		},
		"proposal": func(n *yaml.Node) { r.Proposal = l.proposal(n) },
	}
}

// handled checks what of a rule must fit together.
func (l *loader) handled(n *yaml.Node, leaf *Leaf) {
	r := &leaf.Rule
	if !r.Safety {
		return
	}
	switch {
	case r.Severity != 0 && r.Severity < judge.High:
		l.fail(l.at(n), "a safety rule is of severity high or critical")
	case r.HoldFor > 0 || r.Clears != nil || r.CoolDown > 0 || r.Cause != "":
		l.fail(l.at(n), "a safety finding is never held back: hold-for, clears, cooldown and cause do not go with `safety: true`")
	}
}

func (l *loader) clears(n *yaml.Node, leaf *Leaf) {
	leaf.Clears = plain(n)
	if e := l.expression(n, cel.BoolType); e != nil {
		leaf.Rule.Clears = e.holds
	}
}

// ladder reads the rungs, which stand in order of time.
func (l *loader) ladder(n *yaml.Node) (rungs []judge.Rung) {
	for _, item := range l.list(n) {
		var rung judge.Rung
		l.fields(item, map[string]func(*yaml.Node){
			"after": func(n *yaml.Node) { rung.After = l.span(n) },
			"roles": func(n *yaml.Node) { rung.Roles = l.addressees(n) },
		}, "after", "roles")
		if len(rungs) > 0 && rung.After > 0 && rung.After <= rungs[len(rungs)-1].After {
			l.fail(l.at(item), "the ladder does not ascend: each rung comes after the one before")
		}
		rungs = append(rungs, rung)
	}
	return rungs
}

// proposal reads what the service proposes. Its text is English; other languages say it in their own part.
func (l *loader) proposal(n *yaml.Node) *judge.Proposal {
	var p judge.Proposal
	l.fields(n, map[string]func(*yaml.Node){
		"modality": func(n *yaml.Node) { p.Modality = l.oneOf(n, "modality", modalities) },
		"within": func(n *yaml.Node) {
			within := l.span(n)
			if within%(24*time.Hour) != 0 {
				l.fail(l.at(n), "whole days were expected, such as 7d")
			}
			p.WithinDays = int(within / (24 * time.Hour))
		},
		"text": func(n *yaml.Node) { p.Text = strings.Join(strings.Fields(l.scalar(n)), " ") },
	}, "text")
	return &p
}

// spoken reads the wording in every language.
func (l *loader) spoken(leaf *Leaf, wording, languages *yaml.Node) {
	if wording != nil {
		leaf.words[""] = l.words(wording, "", leaf.names)
	}
	if languages != nil {
		l.entries(languages, func(key, value *yaml.Node) {
			if !tagForm.MatchString(key.Value) || key.Value == english {
				l.fail(l.at(key), "a language is a tag such as de or pt-BR; English is the wording itself")
				return
			}
			leaf.words[key.Value] = l.words(value, key.Value, leaf.names)
		})
	}
	leaf.speak()
}

// speak lays the wording into the rule.
func (leaf *Leaf) speak() {
	r := &leaf.Rule
	leaf.Languages = nil
	for tag := range leaf.words {
		if tag != "" {
			leaf.Languages = append(leaf.Languages, tag)
		}
	}
	slices.Sort(leaf.Languages)
	if own := leaf.words[""]; own != nil {
		r.Describe = leaf.describe
	}
	if r.Translate = nil; len(leaf.Languages) > 0 {
		r.Translate = leaf.translate
	}
}
