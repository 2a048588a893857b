package rules

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"cel.dev/cel-go/cel"
	"go.yaml.in/yaml/v3"

	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/judge"
	"github.com/rapport-health/rapport/services/domain/ref"
)

// The words that rules may use.
var (
	severities = []string{judge.Info.String(), judge.Moderate.String(), judge.High.String(), judge.Critical.String()}
	roles      = []string{
		"physical-therapist", "occupational-therapist", "psychologist", "physician", "nurse", "social-worker",
		"community-health-worker", "care-coordinator",
	}
	kinds = []string{
		string(fact.KindScores), string(fact.KindExercise), string(fact.KindPrescription), string(fact.KindVisit),
		string(fact.KindTeam), string(fact.KindGoal), string(fact.KindMeasure), string(fact.KindRepair), string(fact.KindClock),
	}
	constructs = []string{
		"alliance", "distress", "beliefs", "risk", "sleep", "fatigue", "adherence", "function", "pain", "change", "other",
	}
)

var idForm = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)

// maxFile bounds a rule file.
const maxFile = 1 << 20

// Load reads rules from YAML and compiles their conditions. The name stands in errors, which are of kind
// fault.Invalid and hold every issue found, each with `name:line:column` as its path.
func Load(name string, raw []byte) ([]judge.Rule, error) {
	if len(raw) > maxFile {
		return nil, fault.New(fault.TooLarge, fault.Errorf("too-long", name, "a rule file may have %d bytes", maxFile))
	}
	compiler, err := newCompiler()
	if err != nil {
		return nil, err
	}
	var document yaml.Node
	decoder := yaml.NewDecoder(bytes.NewReader(raw))
	if err := decoder.Decode(&document); err != nil && !errors.Is(err, io.EOF) {
		return nil, unreadable(name, err)
	}
	l := &loader{page: newPage(name, raw), compiler: compiler}
	found := l.file(&document)
	if second := decoder.Decode(&yaml.Node{}); !errors.Is(second, io.EOF) {
		l.fail(name, "one YAML document was expected")
	}
	if len(l.issues) > 0 {
		return nil, fault.New(fault.Invalid, l.issues...)
	}
	return found, nil
}

var yamlLine = regexp.MustCompile(`^yaml: line (\d+): (.*)$`)

func unreadable(name string, err error) error {
	if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
		return fault.New(fault.Invalid, fault.Errorf("structure", name+":"+m[1]+":1", "%s", m[2]))
	}
	return fault.New(fault.Invalid, fault.Errorf("structure", name, "%s", strings.TrimPrefix(err.Error(), "yaml: ")))
}

// loader reads one file and collects what is wrong with it.
type loader struct {
	page
	compiler *compiler
	issues   []fault.Issue
}

func (l *loader) fail(place, format string, args ...any) {
	l.issues = append(l.issues, fault.Errorf("invalid", place, format, args...))
}

func (l *loader) file(document *yaml.Node) []judge.Rule {
	if len(document.Content) == 0 {
		l.fail(l.name, "no rules: want `rules:` with a list")
		return nil
	}
	var found []judge.Rule
	if l.aliases(document) {
		return nil
	}
	l.fields(document.Content[0], map[string]func(*yaml.Node){"rules": func(n *yaml.Node) {
		for _, item := range l.list(n) {
			rule := l.rule(item)
			if rule.ID != "" && slices.ContainsFunc(found, func(r judge.Rule) bool { return r.ID == rule.ID }) {
				l.fail(l.at(item), "a second rule with the id %s", rule.ID)
			}
			found = append(found, rule)
		}
	}}, "rules")
	return found
}

// aliases refuses them: a reviewer should read a rule in one place, and some never end.
func (l *loader) aliases(n *yaml.Node) (found bool) {
	if n.Kind == yaml.AliasNode {
		l.fail(l.at(n), "an alias: write out what it stands for")
		return true
	}
	for _, child := range n.Content {
		found = l.aliases(child) || found
	}
	return found
}

// fields hands each value of a mapping to its reader. Unknown and repeated names are refused, missing ones named.
func (l *loader) fields(n *yaml.Node, readers map[string]func(*yaml.Node), required ...string) {
	if n.Kind != yaml.MappingNode {
		l.fail(l.at(n), "a mapping was expected")
		return
	}
	var seen []string
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		read := readers[key.Value]
		switch {
		case read == nil:
			known := make([]string, 0, len(readers))
			for name := range readers {
				known = append(known, name)
			}
			slices.Sort(known)
			l.fail(l.at(key), "unknown field '%s'%s", key.Value, meant(key.Value, known))
		case slices.Contains(seen, key.Value):
			l.fail(l.at(key), "the field '%s' is given twice", key.Value)
		default:
			read(value)
		}
		seen = append(seen, key.Value)
	}
	for _, name := range required {
		if !slices.Contains(seen, name) {
			l.fail(l.at(n), "the field '%s' is missing", name)
		}
	}
}

func (l *loader) list(n *yaml.Node) []*yaml.Node {
	if n.Kind != yaml.SequenceNode {
		l.fail(l.at(n), "a list was expected")
		return nil
	}
	return n.Content
}

func (l *loader) scalar(n *yaml.Node) string {
	if n.Kind != yaml.ScalarNode || strings.TrimSpace(n.Value) == "" {
		l.fail(l.at(n), "text was expected")
		return ""
	}
	return n.Value
}

func (l *loader) flag(n *yaml.Node) bool {
	b, err := strconv.ParseBool(n.Value)
	if err != nil || n.Tag != "!!bool" {
		l.fail(l.at(n), "true or false was expected")
	}
	return b
}

// oneOf reads a word that must be among the known ones.
func (l *loader) oneOf(n *yaml.Node, what string, known []string) string {
	s := l.scalar(n)
	if s != "" && !slices.Contains(known, s) {
		l.fail(l.at(n), "unknown %s '%s'%s", what, s, meant(s, known))
	}
	return s
}

func (l *loader) someOf(n *yaml.Node, what string, known []string) (words []string) {
	for _, item := range l.list(n) {
		words = append(words, l.oneOf(item, what, known))
	}
	return words
}

var cooldownForm = regexp.MustCompile(`^([1-9][0-9]{0,3})([dh])$`)

func (l *loader) cooldown(n *yaml.Node) time.Duration {
	m := cooldownForm.FindStringSubmatch(l.scalar(n))
	if m == nil {
		l.fail(l.at(n), "days or hours were expected, such as 14d or 12h")
		return 0
	}
	count, err := strconv.Atoi(m[1])
	if err != nil {
		l.fail(l.at(n), "a number was expected")
	}
	if m[2] == "d" {
		return time.Duration(count) * 24 * time.Hour
	}
	return time.Duration(count) * time.Hour
}

// expression compiles a scalar.
func (l *loader) expression(n *yaml.Node, want ...*cel.Type) *expression {
	text := l.scalar(n)
	if text == "" {
		return nil
	}
	e, problems := l.compiler.compile(text, l.at(n), want...)
	for _, p := range problems {
		l.fail(l.within(n, p.line, p.column), "%s", p.text)
	}
	return e
}

// phrase reads a template, or `{cel: expression}`.
func (l *loader) phrase(n *yaml.Node, numbers []string) (p phrase) {
	if n.Kind == yaml.MappingNode {
		l.fields(n, map[string]func(*yaml.Node){"cel": func(n *yaml.Node) { p.expression = l.expression(n, cel.StringType) }}, "cel")
		return p
	}
	p, unknown := newPhrase(strings.Join(strings.Fields(l.scalar(n)), " "), numbers)
	for _, name := range unknown {
		l.fail(l.at(n), "there is no number '%s'%s", name, meant(name, numbers))
	}
	return p
}

// version is a digest of everything of a rule that shapes its findings; its tests do not.
func version(n *yaml.Node) string {
	var parts []string
	var walk func(*yaml.Node)
	walk = func(n *yaml.Node) {
		parts = append(parts, strconv.Itoa(int(n.Kind)), n.Value, strconv.Itoa(len(n.Content)))
		for i, child := range n.Content {
			if n.Kind == yaml.MappingNode && (child.Value == "tests" && i%2 == 0 || i%2 == 1 && n.Content[i-1].Value == "tests") {
				continue
			}
			walk(child)
		}
	}
	walk(n)
	return ref.Digest(parts...)
}
