package instrument

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/ref"
)

// Parse reads one pack. The issues, all of severity error and located as `file:line`, say everything that is wrong
// with it; the definition is nil when there are any. What two packs contradict each other in is found by Load.
func Parse(file string, data []byte) (*Definition, []fault.Issue) {
	e, issues := ParseEntry(file, data)
	return e.Definition, issues
}

// Entry is a definition on its way into a registry.
type Entry struct {
	*Definition
	// Where says at which `file:line` a place of the definition, such as `scores[0].bands`, stands.
	Where func(place string) string
}

// ParseEntry reads one pack as Parse does, and keeps where its parts stand.
func ParseEntry(file string, data []byte) (Entry, []fault.Issue) {
	shape, err := readOutline(data, reflect.TypeFor[Definition]())
	if err != nil {
		return Entry{}, []fault.Issue{fault.Errorf("structure", file, "%s", err)}
	}
	d := new(Definition)
	if err := json.Unmarshal(data, d); err != nil {
		return Entry{}, []fault.Issue{unreadable(file, data, err)}
	}
	e := Entry{d, func(place string) string { return fmt.Sprintf("%s:%d", file, shape.lineOf(place)) }}
	problems := shape.problems
	if len(problems) == 0 {
		problems = d.compile(false)
	}
	if len(problems) > 0 {
		return Entry{}, e.Issues(problems)
	}
	d.Hash = contentHash(data)
	return e, nil
}

func unreadable(file string, data []byte, err error) fault.Issue {
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		place := fmt.Sprintf("%s:%d", file, lineAt(data, wrong.Offset))
		return fault.Errorf("structure", place, "%s: a %s does not fit here", wrong.Field, wrong.Value)
	}
	return fault.Errorf("structure", file, "cannot be read as an instrument")
}

// Issues are problems of the definition as located errors.
func (e Entry) Issues(problems []Problem) []fault.Issue {
	issues := make([]fault.Issue, len(problems))
	for i, wrong := range problems {
		issues[i] = e.issue(wrong.Place, "%s", wrong.Text)
	}
	return issues
}

func (e Entry) issue(place, format string, args ...any) fault.Issue {
	return fault.Errorf("invalid", e.Where(place), "%s: %s", place, fmt.Sprintf(format, args...))
}

// contentHash does not change with white space.
func contentHash(data []byte) string {
	var b bytes.Buffer
	if err := json.Compact(&b, data); err != nil {
		return ""
	}
	return ref.Digest("instrument", b.String())
}

// Make checks a definition that was not read from a pack but made of another one, or of a form, and derives what lookups
// need; its Hash is the maker's. The version of such a definition is anything that is not empty. With problems it is nil.
func Make(d Definition) (*Definition, []Problem) {
	if problems := d.compile(true); len(problems) > 0 {
		return nil, problems
	}
	return &d, nil
}

// compile checks the definition and derives what lookups need. The definition is usable only without problems.
func (d *Definition) compile(made bool) []Problem {
	c := checker{Definition: d, made: made}
	c.identity()
	c.claims()
	c.scales()
	c.items()
	c.forms()
	c.variants()
	c.scores()
	c.alerts()
	if len(c.problems) > 0 {
		return c.problems
	}
	d.summarise()
	return nil
}

// summarise derives what outputs say about the whole definition.
func (d *Definition) summarise() {
	d.Canonicals, d.Doubts, d.Unconfirmed = nil, nil, false
	if !d.Foreign {
		d.Canonicals = append(d.Canonicals, d.Canonical())
	}
	for i := range d.Forms {
		d.Canonicals = append(d.Canonicals, d.Forms[i].URL)
	}
	d.evidence(func(place string, e Evidence) {
		if !e.Confirmed() {
			d.Doubts = append(d.Doubts, Doubt{place, e})
		}
	})
	for i := range d.Scores {
		s := &d.Scores[i]
		s.Missing.describe(len(s.Items))
		s.unconfirmed = d.Status == Provisional || !s.Evidence.Confirmed() || !d.ItemEvidence.Confirmed() ||
			s.Bands != nil && !s.Bands.Evidence.Confirmed() || s.Table != nil && !s.Table.Evidence.Confirmed() ||
			s.Linear != nil && !s.Linear.Evidence.Confirmed() || s.Gate != nil && !s.Gate.Evidence.Confirmed()
		d.Unconfirmed = d.Unconfirmed || s.unconfirmed
	}
}

// describe puts the rule for a number of items into words, once, so that scoring need not.
func (m *Missing) describe(items int) {
	switch {
	case m == nil:
	case m.Rule == MissingNone:
		m.text = m.Rule
	default:
		m.text = fmt.Sprintf("%s %d of %d", m.Rule, m.Answered, items)
		if m.Round != "" {
			m.text += ", " + m.Round
		}
	}
}

// Strict is the definition with every item required: nothing is prorated. Its version ends in `+strict`.
func (d *Definition) Strict() *Definition {
	strict := *d
	strict.Version += "+strict"
	strict.Hash = ref.Digest("strict", d.Hash)
	strict.Scores = slices.Clone(d.Scores)
	for i := range strict.Scores {
		if s := &strict.Scores[i]; s.Missing != nil && s.Missing.Rule == MissingProrate {
			s.Missing = &Missing{Rule: MissingNone, Evidence: "design: strict mode"}
			s.Missing.describe(len(s.Items))
		}
	}
	return &strict
}
