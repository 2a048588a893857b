package instrument

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Words is the formula of the score for people, such as `sum of items 1-9` or `(mean of items 1-11 - 1) x 25`.
func (s *Score) Words() string {
	text := s.base()
	if s.Kind == KindScores && len(s.Of) > 1 && s.Scaled("") != "" {
		text = "(" + text + ")"
	}
	text = s.Scaled(text)
	if s.Gate != nil {
		text += fmt.Sprintf("; only if item %d is answered %s, otherwise %s", s.Gate.Item, Decimal(s.Gate.Open), Decimal(s.Gate.Else))
	}
	return text
}

// base is what the kind gives, in words.
func (s *Score) base() string {
	items := "items " + Numbers(s.Items)
	if len(s.Items) == 1 {
		items = "item " + Numbers(s.Items)
	}
	switch s.Kind {
	case KindMean:
		return "mean of " + items
	case KindPercent:
		return items + " as a percentage of what the answered ones could reach"
	case KindScores:
		return strings.Join(s.Of, " + ")
	case KindTable:
		return strings.Join(s.Of, " + ") + " looked up in the table"
	case KindLinear:
		return s.Linear.words(s.Items)
	case KindFormula:
		return "the form's own expression"
	default:
		if len(s.Items) == 1 {
			return items
		}
		return "sum of " + items
	}
}

// Scaled is what the kind gives, in words or as a number, put onto the scale of the score: `(2.5 - 1) x 25`.
func (s *Score) Scaled(text string) string {
	switch {
	case s.Offset < 0:
		text = "(" + text + " - " + Decimal(-s.Offset) + ")"
	case s.Offset > 0:
		text = "(" + text + " + " + Decimal(s.Offset) + ")"
	}
	if s.factor() != 1 {
		text += " x " + Decimal(s.factor())
	}
	if s.divisor() != 1 {
		text += " / " + Decimal(s.divisor())
	}
	return text
}

func (l *Linear) words(items []int) string {
	var b strings.Builder
	b.WriteString(Decimal(l.Intercept))
	for place, c := range l.Coefficients {
		sign := " + "
		if c < 0 {
			sign = " - "
		}
		b.WriteString(sign + Decimal(math.Abs(c)) + " x item " + strconv.Itoa(items[place]))
	}
	return b.String()
}

// Words say what happens to a number of items when some of them are unanswered.
func (m *Missing) Words(items int) string {
	if m == nil {
		return ""
	}
	enough := fmt.Sprintf("at least %d of %d must be answered", m.Answered, items)
	switch m.Rule {
	case MissingProrate:
		text := enough + "; the others count as the mean of those"
		if m.Round != "" {
			text += ", and the result is rounded half up"
		}
		return text
	case MissingSlots:
		return enough + "; the empty ones do not count"
	case MissingZero:
		return enough + "; an item left blank counts as 0"
	default:
		return "every item is needed"
	}
}

// Words are a condition such as `total <= 3`.
func (c *Condition) Words() string { return c.Score + c.Count + " " + c.Is + " " + Decimal(c.Value) }

// Words are what must hold for the rule, such as `core >= 1 and symptoms >= 5`; `otherwise` when nothing must.
func (r *BandRule) Words() string {
	if len(r.When) == 0 {
		return "otherwise"
	}
	parts := make([]string, len(r.When))
	for i := range r.When {
		parts[i] = r.When[i].Words()
	}
	return strings.Join(parts, " and ")
}

// Words are what is counted, such as `items 1-8 at 2 or more, item 9 at 1 or more`.
func (c *Count) Words() string {
	parts := make([]string, len(c.At))
	for i, at := range c.At {
		noun := "items "
		if len(at.Items) == 1 {
			noun = "item "
		}
		parts[i] = noun + Numbers(at.Items) + " at " + Decimal(at.From) + " or more"
	}
	return strings.Join(parts, ", ")
}

// Words say where the error band comes from, such as `RC95 from SD 5 and alpha 0.86`.
func (r *Reliable) Words() string {
	switch {
	case r.Level == LevelSE:
		return "beyond 1.96 x sqrt(SE1^2 + SE2^2) of the two values"
	case r.SD != 0:
		return fmt.Sprintf("%s from SD %s and %s %s", r.Level, Decimal(r.SD), r.kind(), Decimal(r.R))
	case r.SEM != 0:
		return r.Level + " from SEM " + Decimal(r.SEM)
	default:
		return r.Level + " as published"
	}
}

// kind of the reliability coefficient.
func (r *Reliable) kind() string {
	if r.RKind == "" {
		return "r"
	}
	return r.RKind
}

// facts are the words for the last members of places of a pack.
var facts = map[string]string{
	"missing": "missing rule", "bands": "bands", "table": "conversion table", "linear": "model", "gate": "gate",
	"distress": "place on the distress ladder", "change.reliable": "reliable change",
	"change.important": "minimal important change", "change.cutoff": "clinical cut-off",
	"licence": "licence", "recall": "recall", "cadence": "cadence", "itemEvidence": "items: order, codes and reversals",
}

// Fact says in words what stands at a place of the pack: `total: missing rule` for `scores[0].missing`.
func (d *Definition) Fact(place string) string {
	if text, ok := facts[place]; ok {
		return text
	}
	head, rest, _ := strings.Cut(place, ".")
	list, n := indexed(head)
	switch {
	case list == "scores" && n < len(d.Scores):
		return d.Scores[n].fact(rest)
	case list == "decisions" && n < len(d.Decisions):
		return "decision " + d.Decisions[n].Code
	case list == "variants" && n < len(d.Variants):
		return "variant " + d.Variants[n].Code
	case list == "alerts" && n < len(d.Alerts):
		return "alert of item " + Numbers(d.Alerts[n].Items)
	case list == "panels" && n < len(d.Panels):
		return "code " + afterBar(d.Panels[n].Code)
	case list == "forms" && n < len(d.Forms):
		return "form " + d.Forms[n].URL
	case list == "notes":
		return fmt.Sprintf("note %d", n+1)
	case head == "scales":
		return "answers: " + rest
	}
	return place
}

// fact says what stands at a place of the score.
func (s *Score) fact(place string) string {
	if text, ok := facts[place]; ok {
		return s.Code + ": " + text
	}
	list, n := indexed(place)
	switch {
	case place == "":
		return s.Code + ": key"
	case list == "codes" && n < len(s.Codes):
		return s.Code + ": code " + afterBar(s.Codes[n].Code)
	case list == "alternatives" && n < len(s.Alternatives):
		return s.Code + ": bands " + s.Alternatives[n].Name
	case list == "cuts" && n < len(s.Cuts):
		return s.Code + ": cut at " + Decimal(s.Cuts[n].At)
	}
	return s.Code + ": " + place
}

// indexed takes `scores[3]` apart; a name without an index has the index 0.
func indexed(place string) (list string, n int) {
	list, index, _ := strings.Cut(place, "[")
	n, _ = strconv.Atoi(strings.TrimSuffix(index, "]")) // made by at: always a number
	return list, n
}

func afterBar(code string) string { return code[strings.LastIndexByte(code, '|')+1:] }

// Numbers are item numbers in words: `1-9`, `1, 2, 10, 12`.
func Numbers(list []int) string {
	var parts []string
	for i := 0; i < len(list); {
		j := i
		for j+1 < len(list) && list[j+1] == list[j]+1 {
			j++
		}
		switch {
		case j-i > 1:
			parts = append(parts, fmt.Sprintf("%d-%d", list[i], list[j]))
		default:
			for k := i; k <= j; k++ {
				parts = append(parts, strconv.Itoa(list[k]))
			}
		}
		i = j + 1
	}
	return strings.Join(parts, ", ")
}

// Decimal writes a number with three decimals at most.
func Decimal(x float64) string {
	return strconv.FormatFloat(math.Round(x*1000)/1000+0, 'f', -1, 64)
}
