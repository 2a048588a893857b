package rules

import (
	"cel.dev/cel-go/cel"
	"go.yaml.in/yaml/v3"

	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/judge"
)

// rule reads one rule.
func (l *loader) rule(n *yaml.Node) judge.Rule {
	var r judge.Rule
	var when, group *expression
	var wording, numbers *yaml.Node
	l.fields(n, map[string]func(*yaml.Node){
		"id":         func(n *yaml.Node) { r.ID = l.id(n) },
		"title":      func(n *yaml.Node) { r.Title = l.scalar(n) },
		"severity":   func(n *yaml.Node) { r.Severity = judge.ParseSeverity(l.oneOf(n, "severity", severities)) },
		"roles":      func(n *yaml.Node) { r.Roles = l.someOf(n, "role", roles) },
		"on":         func(n *yaml.Node) { r.On = l.kinds(n) },
		"constructs": func(n *yaml.Node) { r.Constructs = l.someOf(n, "construct", constructs) },
		"safety":     func(n *yaml.Node) { r.Safety = l.flag(n) },
		"each":       func(n *yaml.Node) { r.Each = l.flag(n) },
		"cooldown":   func(n *yaml.Node) { r.CoolDown = l.cooldown(n) },
		"evidence":   func(n *yaml.Node) { r.Evidence = l.scalar(n) },
		"group":      func(n *yaml.Node) { group = l.expression(n, cel.StringType) },
		"when":       func(n *yaml.Node) { when = l.expression(n, cel.BoolType) },
		"numbers":    func(n *yaml.Node) { numbers = n },
		"wording":    func(n *yaml.Node) { wording = n },
		"tests":      func(n *yaml.Node) { r.Tests = l.tests(n) },
	}, "id", "title", "severity", "roles", "when", "wording", "evidence")
	if when != nil {
		r.When = when.holds
		if !r.Each && !when.after {
			l.fail(when.place, "the condition must look at `after`, or the rule must be `each: true`: otherwise it never begins to hold")
		}
	}
	if group != nil {
		r.Group = group.text
	}
	if wording != nil {
		r.Describe = l.words(wording, numbers).describe
	}
	r.Version = version(n)
	return r
}

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

func (l *loader) words(wording, numbers *yaml.Node) (w words) {
	var names []string
	if numbers != nil {
		for _, item := range l.list(numbers) {
			figure, name := l.figure(item)
			w.figures, names = append(w.figures, figure), append(names, name)
		}
	}
	l.fields(wording, map[string]func(*yaml.Node){
		"seen":     func(n *yaml.Node) { w.seen = l.phrase(n, names) },
		"question": func(n *yaml.Node) { w.question = l.phrase(n, names) },
		"phrase":   func(n *yaml.Node) { w.phrase = l.phrase(n, names) },
	}, "seen")
	return w
}

// figure reads a number; its name is empty when an expression gives it.
func (l *loader) figure(n *yaml.Node) (f figure, name string) {
	l.fields(n, map[string]func(*yaml.Node){
		"name": func(n *yaml.Node) {
			if f.name = l.phrase(n, nil); n.Kind == yaml.ScalarNode {
				name = n.Value
			}
		},
		"value":       func(n *yaml.Node) { f.value = l.expression(n, cel.DoubleType, cel.IntType) },
		"reference":   func(n *yaml.Node) { f.reference = l.expression(n, cel.DoubleType, cel.IntType) },
		"unconfirmed": func(n *yaml.Node) { f.unconfirmed = l.expression(n, cel.BoolType) },
		"unit":        func(n *yaml.Node) { f.unit = l.scalar(n) },
	}, "name", "value")
	return f, name
}
