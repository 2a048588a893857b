package form

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/instrument"
)

// Instrument makes of a form the part of a definition that the form itself knows: identity, scales and items, in the
// order of the form, with their linkIds. It has no scores yet; instrument.Make turns it into a usable definition once
// they are there. The ordinals are the weights of the options, or the numbers of a range. Items that cannot be summed
// are there unscored: choices without a weight for each option (their ordinals are then only places in the list, from
// 0), and questions that may have several answers. Questions that have neither a list of answers nor a range are left
// out. The issues, warnings and information at the FHIRPath of the Questionnaire, say which items and why.
func Instrument(f *Form) (instrument.Definition, []fault.Issue) {
	m := maker{form: f, taken: map[string]bool{}, used: map[string]int{}, scaled: map[string]string{}}
	m.def = instrument.Definition{
		ID: slug(f.URL), Version: cmp.Or(f.Version, "0.0.0"), Construct: "other", Respondent: "patient", Status: "provisional",
		Licence: instrument.Licence{Notice: "The licence of this questionnaire is its publisher's.", Evidence: fromForm},
		Recall:  instrument.Claim{Text: "Not said.", Evidence: fromForm}, Cadence: instrument.Claim{Text: "Not said.", Evidence: fromForm},
		Scales: map[string]*instrument.Scale{}, ItemEvidence: fromForm,
	}
	m.def.Title = cmp.Or(f.Title, m.def.ID)
	for _, code := range f.Codes {
		if qualified(code) {
			m.def.Panels = append(m.def.Panels, instrument.Coded{Code: code, Evidence: fromForm})
		}
	}
	for item := range f.All() {
		m.taken[item.LinkID] = true
	}
	links := m.items()
	if f.URL != "" {
		form := instrument.Form{URL: f.URL, Items: links, Evidence: fromForm}
		if f.Version != "" {
			form.Versions = []string{f.Version}
		}
		m.def.Forms = []instrument.Form{form}
	}
	return m.def, m.issues
}

const fromForm = instrument.Evidence("design: taken from the questionnaire itself")

// maker derives one definition.
type maker struct {
	form  *Form
	def   instrument.Definition
	taken map[string]bool
	// used counts the concepts made of one name, scaled names a scale by all that it says.
	used   map[string]int
	scaled map[string]string
	issues []fault.Issue
}

func (m *maker) warn(item *Item, format string, args ...any) {
	m.issues = append(m.issues, fault.Warnf("not-supported", item.Path, format, args...))
}

func (m *maker) inform(item *Item, format string, args ...any) {
	m.issues = append(m.issues, fault.Infof("informational", item.Path, format, args...))
}

// items enters every question that has a scale, and gives their linkIds.
func (m *maker) items() (links []string) {
	repeating := make([]bool, len(m.form.nodes))
	for i := range m.form.nodes {
		n := &m.form.nodes[i]
		repeating[i] = n.item.Repeats || n.parent >= 0 && repeating[n.parent]
		if !n.item.Type.Question() {
			continue
		}
		scale, scored := m.scale(n.item)
		if scale == nil {
			continue
		}
		if repeating[i] && scored {
			m.warn(n.item, "a question that may have several answers is not scored")
		}
		item := instrument.Item{
			Number: len(m.def.Items) + 1, Concept: m.concept(n.item.LinkID), Scale: m.name(scale),
			Codes: slices.DeleteFunc(slices.Clone(n.item.Codes), func(c string) bool { return !qualified(c) }), Unscored: repeating[i] || !scored,
		}
		m.def.Items = append(m.def.Items, item)
		links = append(links, n.item.LinkID)
	}
	return links
}

// scale of an item, and whether its ordinals are more than places in a list; nil when it has none.
func (m *maker) scale(item *Item) (scale *instrument.Scale, scored bool) {
	switch {
	case len(item.Options) > 0:
		return m.options(item)
	case item.Type.Choosing():
		m.warn(item, "the options of this question are not known: it is no item of the instrument")
		return nil, false
	case item.Type == Integer || item.Type == Decimal || item.Type == Quantity:
		return m.span(item), true
	default:
		return nil, false
	}
}

// span is the scale of a number between bounds; nil where there are none.
func (m *maker) span(item *Item) *instrument.Scale {
	if item.Min == nil || item.Max == nil {
		return nil // usually a score, or a measurement: either has a name, not a place on a scale
	}
	low, ok := item.Min.number()
	high, ok2 := item.Max.number()
	if !ok || !ok2 || low >= high {
		return nil
	}
	s := &instrument.Scale{From: low, To: high, Step: 1, Evidence: fromForm}
	if item.Type != Integer {
		s.Step = 0.001
		if item.Decimals != nil {
			s.Step = math.Pow10(-min(max(*item.Decimals, 0), 3))
		}
	}
	const most = 100_000
	if steps := (high - low) / s.Step; steps > most || math.Abs(steps-math.Round(steps)) > instrument.Tolerance {
		m.warn(item, "the range is too wide, or no whole number of steps: it is no item of the instrument")
		return nil
	}
	return s
}

// options is the scale of a list. Options of one weight are one answer. Where others have a weight, an option without
// one, such as "prefer not to say", stands for no answer; where fewer than two have, the item is not scored.
func (m *maker) options(item *Item) (*instrument.Scale, bool) {
	s := &instrument.Scale{Evidence: fromForm}
	displays := map[string]bool{}
	var without []*Option
	for i := range item.Options {
		o := &item.Options[i]
		if w, ok := weight(o); ok {
			m.option(s, o, w, displays)
			continue
		}
		without = append(without, o)
	}
	scored := len(s.Options) > 1
	switch {
	case !scored:
		m.warn(item, "not every option has a weight: the item is not scored")
		s.Options = nil
		displays = map[string]bool{}
		for i := range item.Options {
			m.option(s, &item.Options[i], float64(i), displays)
		}
	case len(without) > 0:
		m.inform(item, "an option without a weight stands for no answer")
		for _, o := range without {
			s.Blank = append(s.Blank, m.names(o)...)
		}
	}
	slices.SortFunc(s.Options, func(a, b instrument.Option) int { return cmp.Compare(a.Ordinal, b.Ordinal) })
	return s, scored
}

// names are the code and the display of an option.
func (m *maker) names(o *Option) (names []string) {
	if o.Kind == "Coding" && o.Code != "" {
		names = append(names, cmp.Or(o.System, m.form.URL, "urn:form")+"|"+o.Code)
	}
	if display := cmp.Or(o.Display, o.Text); display != "" {
		names = append(names, display)
	}
	return names
}

// weight of an option: what it is given, or the number that it is. Where these differ there is none.
func weight(o *Option) (float64, bool) {
	x, isNumber := o.number()
	if o.Weight == nil {
		return x, isNumber
	}
	return *o.Weight, !isNumber || x == *o.Weight
}

// option enters one answer, beside those of the same weight.
func (m *maker) option(s *instrument.Scale, o *Option, weight float64, displays map[string]bool) {
	at := slices.IndexFunc(s.Options, func(other instrument.Option) bool { return other.Ordinal == weight })
	if at < 0 {
		at = len(s.Options)
		s.Options = append(s.Options, instrument.Option{Ordinal: weight})
	}
	to := &s.Options[at]
	if o.Kind == "Coding" && o.Code != "" {
		to.Codes = append(to.Codes, cmp.Or(o.System, m.form.URL, "urn:form")+"|"+o.Code)
	}
	display := cmp.Or(o.Display, o.Text)
	if folded := strings.ToLower(display); to.Display == "" && !displays[folded] {
		to.Display = display
		displays[folded] = true
	}
}

// name of a scale; the same scale is kept once.
func (m *maker) name(s *instrument.Scale) string {
	says := fmt.Sprintf("%v %v %v %q", s.From, s.To, s.Step, s.Blank)
	for i := range s.Options {
		says += fmt.Sprintf(" %v %q %q", s.Options[i].Ordinal, s.Options[i].Display, s.Options[i].Codes)
	}
	name, known := m.scaled[says]
	if !known {
		name = "scale-" + strconv.Itoa(len(m.def.Scales)+1)
		m.scaled[says], m.def.Scales[name] = name, s
	}
	return name
}

// concept is a linkId in kebab case, unlike any other name in the form.
func (m *maker) concept(linkID string) string {
	base := kebab(linkID)
	if strings.Trim(base, "0123456789-") == "" {
		base = strings.TrimSuffix("item-"+base, "-")
	}
	concept := base
	for m.taken[concept] && concept != linkID || m.taken["concept "+concept] {
		m.used[base]++
		concept = base + "-" + strconv.Itoa(m.used[base]+1)
	}
	m.taken["concept "+concept] = true
	return concept
}

// slug is the last part of a canonical in kebab case, such as `neck-disability-index`.
func slug(url string) string {
	url = strings.TrimRight(url, "/")
	return cmp.Or(kebab(url[strings.LastIndexByte(url, '/')+1:]), "form")
}

// kebab keeps the letters and digits of ASCII, in lower case, with a dash where another sign or a new word stood.
func kebab(text string) string {
	var b strings.Builder
	before := rune('-')
	for _, r := range text {
		switch {
		case r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r):
			r = '-'
		case unicode.IsUpper(r) && unicode.IsLower(before):
			b.WriteByte('-')
		}
		if r != '-' || before != '-' {
			b.WriteRune(unicode.ToLower(r))
		}
		before = r
	}
	return strings.TrimRight(b.String(), "-")
}

func qualified(systemCode string) bool {
	system, code, _ := strings.Cut(systemCode, "|")
	return system != "" && code != ""
}
