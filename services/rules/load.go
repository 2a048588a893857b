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

	"github.com/rapport-health/rapport/services/domain/alert"
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
		"community-health-worker", "care-coordinator", alert.CarePartner,
	}
	kinds = []string{
		string(fact.KindScores), string(fact.KindExercise), string(fact.KindPrescription), string(fact.KindVisit),
		string(fact.KindTeam), string(fact.KindGoal), string(fact.KindMeasure), string(fact.KindRepair), string(fact.KindCourse),
		string(fact.KindDeath), string(fact.KindClock),
	}
	constructs = []string{
		"alliance", "distress", "beliefs", "risk", "sleep", "fatigue", "adherence", "function", "pain", "change", "other",
	}
	modalities = []string{"in-person", "telephone", "video", "joint-visit", "message", "home-visit"}
)

var idForm = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)

// maxFile bounds a rule file.
const maxFile = 1 << 20

// parse reads one file of YAML. The name stands in errors, which are of kind fault.Invalid and hold every issue found, each
// with `name:line:column` as its path. With an error that names places comes what could be read all the same.
func parse(name string, raw []byte, compiler *compiler) (*sheaf, error) {
	if len(raw) > maxFile {
		return nil, fault.New(fault.TooLarge, fault.Errorf("too-long", name, "a rule file may have %d bytes", maxFile))
	}
	var document yaml.Node
	decoder := yaml.NewDecoder(bytes.NewReader(raw))
	if err := decoder.Decode(&document); err != nil && !errors.Is(err, io.EOF) {
		return nil, unreadable(newPage(name, raw), err)
	}
	l := &loader{page: newPage(name, raw), compiler: compiler}
	found := l.file(&document)
	found.doubts = l.doubts
	if second := decoder.Decode(&yaml.Node{}); !errors.Is(second, io.EOF) {
		l.fail(name, "one YAML document was expected")
	}
	if len(l.issues) > 0 {
		slices.SortStableFunc(l.issues, byPlace)
		return found, fault.New(fault.Invalid, l.issues...)
	}
	return found, nil
}

var yamlLine = regexp.MustCompile(`^yaml: line (\d+): (.*)$`)

func unreadable(p page, err error) error {
	if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
		return fault.New(fault.Invalid, fault.Errorf("structure", p.name+":"+m[1]+":1", "%s", m[2]))
	}
	place := p.name
	if at, found := p.control(); found { // YAML refuses them without a place
		place = at
	}
	return fault.New(fault.Invalid, fault.Errorf("structure", place, "%s", strings.TrimPrefix(err.Error(), "yaml: ")))
}

// loader reads one file and collects what is wrong with it.
type loader struct {
	page
	compiler *compiler
	issues   []fault.Issue
	// doubts are what can be used but should be looked at.
	doubts []fault.Issue
	// own are the roles that the clinic names beside ours.
	own []string
}

func (l *loader) fail(place, format string, args ...any) {
	l.issues = append(l.issues, fault.Errorf("invalid", place, format, args...))
}

// sheaf is what one file holds, before it is laid over what it extends.
type sheaf struct {
	// extends names what it lies over: standard, alone, or a file; place is where it says so.
	extends, place string
	// disable are ids of rules of the base, changes what is said of others of them.
	disable []placed
	changes []change
	policy  *policy
	// glossary of its own.
	glossary glossary
	leaves   []*Leaf
	// doubts are what of it can be used but should be looked at.
	doubts []fault.Issue
}

// placed is a word with the place it was written at.
type placed struct{ word, place string }

func (l *loader) file(document *yaml.Node) *sheaf {
	s := &sheaf{extends: standard}
	if len(document.Content) == 0 {
		l.fail(l.name, "no rules: want `rules:` with a list")
		return s
	}
	if l.aliases(document) {
		return s
	}
	l.ownRoles(document.Content[0])
	l.fields(document.Content[0], map[string]func(*yaml.Node){
		"roles":    func(*yaml.Node) {}, // read first, for the rules name them
		"extends":  func(n *yaml.Node) { s.extends, s.place = l.scalar(n), l.at(n) },
		"disable":  func(n *yaml.Node) { s.disable = l.placed(n) },
		"change":   func(n *yaml.Node) { s.changes = l.changes(n) },
		"policy":   func(n *yaml.Node) { s.policy = l.policy(n) },
		"glossary": func(n *yaml.Node) { s.glossary = l.glossary(n) },
		"rules":    func(n *yaml.Node) { s.leaves = l.rules(n) },
	})
	return s
}

// ownRoles reads the roles that a clinic adds: care teams may name any.
func (l *loader) ownRoles(n *yaml.Node) {
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value != "roles" {
			continue
		}
		for _, item := range l.list(n.Content[i+1]) {
			l.own = append(l.own, l.id(item))
		}
	}
}

func (l *loader) rules(n *yaml.Node) (leaves []*Leaf) {
	for _, item := range l.list(n) {
		leaf := l.rule(item)
		if leaf.Rule.ID != "" && slices.ContainsFunc(leaves, func(have *Leaf) bool { return have.Rule.ID == leaf.Rule.ID }) {
			l.fail(l.at(item), "a second rule with the id %s", leaf.Rule.ID)
		}
		leaves = append(leaves, leaf)
	}
	return leaves
}

func (l *loader) placed(n *yaml.Node) (words []placed) {
	for _, item := range l.list(n) {
		words = append(words, placed{l.scalar(item), l.at(item)})
	}
	return words
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
	var known []string
	seen := l.entries(n, func(key, value *yaml.Node) {
		if read := readers[key.Value]; read != nil {
			read(value)
			return
		}
		if known == nil {
			for name := range readers {
				known = append(known, name)
			}
			slices.Sort(known)
		}
		l.fail(l.at(key), "unknown field '%s'%s", key.Value, meant(key.Value, known))
	})
	for _, name := range required {
		if n.Kind == yaml.MappingNode && !slices.Contains(seen, name) {
			l.fail(l.at(n), "the field '%s' is missing", name)
		}
	}
}

// entries hands over each entry of a mapping, once.
func (l *loader) entries(n *yaml.Node, take func(key, value *yaml.Node)) (seen []string) {
	if n.Kind != yaml.MappingNode {
		l.fail(l.at(n), "a mapping was expected")
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if slices.Contains(seen, key.Value) {
			l.fail(l.at(key), "the field '%s' is given twice", key.Value)
			continue
		}
		seen = append(seen, key.Value)
		take(key, value)
	}
	return seen
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

// count reads a whole number within bounds.
func (l *loader) count(n *yaml.Node, from, to int) int {
	count, err := strconv.Atoi(l.scalar(n))
	if err != nil || count < from || count > to {
		l.fail(l.at(n), "a number from %d to %d was expected", from, to)
	}
	return count
}

// oneOf reads a word that must be among the known ones.
func (l *loader) oneOf(n *yaml.Node, what string, known []string) string {
	s := l.scalar(n)
	if s != "" && !slices.Contains(known, s) {
		l.fail(l.at(n), "unknown %s '%s'%s", what, s, meant(s, known))
	}
	return s
}

// someOf reads a list of such words, each once.
func (l *loader) someOf(n *yaml.Node, what string, known []string) (words []string) {
	for _, item := range l.list(n) {
		word := l.oneOf(item, what, known)
		if slices.Contains(words, word) && word != "" {
			l.fail(l.at(item), "the %s '%s' is given twice", what, word)
			continue
		}
		words = append(words, word)
	}
	return words
}

func (l *loader) roles(n *yaml.Node) []string {
	words := l.someOf(n, "role", slices.Concat(roles, l.own))
	if n.Kind == yaml.SequenceNode && len(words) == 0 {
		l.fail(l.at(n), "at least one role was expected")
	}
	return words
}

// addressees are roles that a rule tells: those of care teams, or `lead-roles` for those of the policy.
func (l *loader) addressees(n *yaml.Node) []string {
	at := *l
	at.own = append(slices.Clip(l.own), leadRoles)
	found := at.roles(n)
	l.issues = at.issues
	return found
}

var spanForm = regexp.MustCompile(`^([1-9][0-9]{0,3})([dhm])$`)

var spanUnits = map[string]time.Duration{"d": 24 * time.Hour, "h": time.Hour, "m": time.Minute}

// span reads a length of time above zero.
func (l *loader) span(n *yaml.Node) time.Duration {
	text := l.scalar(n)
	if strings.HasPrefix(text, "-") {
		l.fail(l.at(n), "a length of time is not negative")
		return 0
	}
	m := spanForm.FindStringSubmatch(text)
	if m == nil {
		l.fail(l.at(n), "days, hours or minutes were expected, such as 14d or 12h or 30m")
		return 0
	}
	count, err := strconv.Atoi(m[1])
	if err != nil {
		l.fail(l.at(n), "a number was expected")
	}
	return time.Duration(count) * spanUnits[m[2]]
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
	if e != nil {
		for _, d := range e.doubts {
			l.doubts = append(l.doubts, fault.Warnf("code-invalid", l.within(n, d.line, d.column), "%s", d.text))
		}
	}
	return e
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
