package instrument

import (
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/rapport-health/rapport/services/domain/ref"
)

// maxSteps of a range scale: a line of 100 mm in tenths has a hundredth of them.
const maxSteps = 100_000

// checker collects everything that is wrong with one definition.
type checker struct {
	*Definition
	problems []Problem
	// made says that the definition comes from no pack.
	made bool
	// endless scales have no list of answers that could be walked.
	endless map[*Scale]bool
}

var (
	kebab      = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	versioned  = regexp.MustCompile(`^(0|[1-9]\d{0,5})\.(0|[1-9]\d{0,5})\.(0|[1-9]\d{0,5})$`)
	constructs = []string{
		"alliance", "distress", "adherence", "function", "pain", "sleep", "beliefs", "risk", "change", "fatigue", "other",
	}
	respondents = []string{"patient", "clinician", "care-partner"}
	statuses    = []string{Ready, Provisional, LicenceReview}
	parts       = []string{
		"depression", "anxiety", "catastrophizing", "fear-of-movement", "low-self-efficacy", "sleep", "general",
	}
	levels = []string{"none", "mild", "moderate", "severe"}
)

func (c *checker) say(place, format string, args ...any) {
	c.problems = append(c.problems, Problem{place, fmt.Sprintf(format, args...)})
}

func (c *checker) oneOf(place, value string, allowed []string) {
	if !slices.Contains(allowed, value) {
		c.say(place, "must be one of %s", strings.Join(allowed, ", "))
	}
}

func (c *checker) identity() {
	if !kebab.MatchString(c.ID) {
		c.say("id", "must be in kebab case, such as phq-9")
	}
	if !versioned.MatchString(c.Version) && (!c.made || c.Version == "") {
		c.say("version", "must be major.minor.patch")
	}
	if c.Foreign && !c.made {
		c.say("foreign", "belongs to what is made of a FHIR Questionnaire: a pack is an instrument")
	}
	if c.Title == "" {
		c.say("title", "is missing")
	}
	if c.Licence.Notice == "" {
		c.say("licence", "needs a notice")
	}
	c.oneOf("construct", c.Construct, constructs)
	c.oneOf("respondent", c.Respondent, respondents)
	c.oneOf("status", c.Status, statuses)
	for i, alias := range c.Aliases {
		if !ref.ValidID(alias) {
			c.say(at("aliases", i), "must be a FHIR id")
		}
	}
	for i := range c.Panels {
		c.code(at("panels", i)+".code", c.Panels[i].Code)
	}
}

func (c *checker) claims() {
	c.evidence(func(place string, e Evidence) {
		if text := e.problem(); text != "" {
			c.say(place, "%s", text)
		}
	})
}

// code must be `system|code`, and a LOINC code must hold its check digit.
func (c *checker) code(place, systemCode string) {
	system, code, ok := strings.Cut(systemCode, "|")
	if !ok || system == "" || code == "" {
		c.say(place, "must be system|code")
		return
	}
	if system != loincSystem || c.Foreign {
		return // of a form that is not ours the code is kept as it is
	}
	if text := loincProblem(code); text != "" {
		c.say(place, "%s %s", code, text)
	}
}

func (d *Definition) scaleNames() []string { return slices.Sorted(maps.Keys(d.Scales)) }

func (c *checker) scales() {
	if len(c.Scales) == 0 {
		c.say("scales", "there is none")
	}
	for _, name := range c.scaleNames() {
		place := "scales." + name
		s := c.Scales[name]
		if s == nil {
			c.say(place, "is empty")
			continue
		}
		if s.Code != "" {
			c.code(place+".code", s.Code)
		}
		if len(s.Options) > 0 {
			c.options(place, s)
		} else {
			c.rangeScale(place, s)
		}
		c.blank(place+".blank", s)
	}
}

// blank answers must not be answers as well.
func (c *checker) blank(place string, s *Scale) {
	for i, blank := range s.Blank {
		system, code, coded := strings.Cut(blank, "|")
		if !coded {
			system, code = "", blank
		}
		_, known := s.ByCode(system, code)
		_, shown := s.ByDisplay(blank)
		switch {
		case blank == "":
			c.say(at(place, i), "needs a code or a display")
		case known || shown:
			c.say(at(place, i), "%q is an answer", blank)
		}
	}
}

func (c *checker) rangeScale(place string, s *Scale) {
	if s.Step == 0 {
		s.Step = 1
	}
	steps := (s.To - s.From) / s.Step
	if s.Step < 0 || steps < 1 || steps > maxSteps || math.Abs(steps-math.Round(steps)) > 1e-6 {
		c.say(place, "needs options, or a range from < to in whole steps")
		if c.endless == nil {
			c.endless = map[*Scale]bool{}
		}
		c.endless[s] = true
	}
}

func (c *checker) options(place string, s *Scale) {
	if s.From != 0 || s.To != 0 || s.Step != 0 {
		c.say(place, "has both options and a range")
	}
	s.codes = map[coding]float64{}
	displays := map[string]bool{}
	for i := range s.Options {
		o := &s.Options[i]
		here := at(place+".options", i)
		if i > 0 && o.Ordinal <= s.Options[i-1].Ordinal {
			c.say(here, "ordinals must rise")
		}
		if display := strings.ToLower(o.Display); display != "" {
			if displays[display] {
				c.say(here, "two options share a display")
			}
			displays[display] = true
		}
		for j, code := range o.Codes {
			c.code(at(here+".codes", j), code)
			c.optionCode(at(here+".codes", j), s, code, o.Ordinal)
		}
	}
}

func (c *checker) optionCode(place string, s *Scale, systemCode string, ordinal float64) {
	system, code, _ := strings.Cut(systemCode, "|")
	for _, key := range []coding{{system, code}, {"", code}} {
		if other, taken := s.codes[key]; taken && other != ordinal && c.Foreign {
			s.codes[key] = math.NaN() // it stands for neither
			continue
		} else if taken && other != ordinal {
			c.say(place, "stands for two ordinals")
			return
		}
		s.codes[key] = ordinal
	}
}

func (c *checker) items() {
	if len(c.Items) == 0 {
		c.say("items", "there is none")
	}
	concepts := map[string]bool{}
	for i := range c.Items {
		item, place := &c.Items[i], at("items", i)
		if item.Number != i+1 {
			c.say(place, "number must be %d: items stand in the order of the form", i+1)
		}
		if !kebab.MatchString(item.Concept) || strings.Trim(item.Concept, "0123456789") == "" {
			c.say(place, "concept must be a name in kebab case")
		}
		if concepts[item.Concept] {
			c.say(place, "two items share the concept %s", item.Concept)
		}
		concepts[item.Concept] = true
		if i > 0 && !item.Optional && c.Items[i-1].Optional {
			c.say(place, "only the last items may be optional")
		}
		c.itemScale(place, item)
	}
}

func (c *checker) itemScale(place string, item *Item) {
	item.scale = c.Scales[item.Scale]
	if item.scale == nil {
		c.say(place, "there is no scale %q", item.Scale)
		return
	}
	c.recode(place, item)
	forward := *item
	forward.Reverse = nil
	low, high := forward.Bounds()
	if item.Reverse != nil && math.Abs(*item.Reverse-low-high) > Tolerance {
		c.say(place, "reverse must be %v, the lowest and the highest answer together", low+high)
	}
}

// recode must give every answer one value, use every range, and leave a difference between answers.
func (c *checker) recode(place string, item *Item) {
	if len(item.Recode) == 0 || c.endless[item.scale] {
		return
	}
	place += ".recode"
	hit := make([]bool, len(item.Recode))
	for ordinal := range item.scale.All() {
		found := 0
		for k, r := range item.Recode {
			if ordinal >= r.From-Tolerance && ordinal <= r.To+Tolerance {
				hit[k] = true
				found++
			}
		}
		if found != 1 {
			c.say(place, "must give the answer %v one value; it gives it %d", ordinal, found)
			return
		}
	}
	if k := slices.Index(hit, false); k >= 0 {
		c.say(at(place, k), "meets no answer")
	}
	if first := item.Recode[0].Value; !slices.ContainsFunc(item.Recode, func(r Recode) bool { return r.Value != first }) {
		c.say(place, "gives every answer the value %v", first)
	}
}

// forms fills the lookups by linkId and code.
func (c *checker) forms() {
	c.links, c.numbers = map[string]int{}, map[string]int{}
	c.codes, c.scoreLinks = map[string]int{}, map[string]int{}
	for i := range c.Items {
		item, place := &c.Items[i], at("items", i)
		if !c.Foreign {
			c.numbers[strconv.Itoa(item.Number)] = i
			c.link(place, item.Concept, i)
			c.link(place, c.ID+"-"+strconv.Itoa(item.Number), i)
			c.codes[ItemSystem+"|"+c.ID+"-"+item.Concept] = i
		}
		for j, code := range item.Codes {
			c.code(at(place+".codes", j), code)
			c.itemCode(at(place+".codes", j), code, i)
		}
	}
	for i := range c.Forms {
		c.form(at("forms", i), &c.Forms[i])
	}
	for i := range c.Scores {
		if c.Foreign {
			break
		}
		c.scoreLink(at("scores", i), c.ID+"-"+c.Scores[i].Code, i)
		for j := range c.Scores[i].Codes {
			full := c.Scores[i].Codes[j].Code
			if item, ok := c.codes[full]; ok && c.Scores[i].is(item+1) {
				continue // the score is the answer to that item, and the linkId means the item
			}
			if code, ok := strings.CutPrefix(full, loincSystem+"|"); ok {
				c.scoreLink(at("scores", i), "/"+code, i)
			}
		}
	}
}

func (c *checker) link(place, linkID string, item int) {
	if other, taken := c.links[linkID]; taken && other != item {
		c.say(place, "the linkId %s means two items", linkID)
	}
	c.links[linkID] = item
}

func (c *checker) itemCode(place, systemCode string, item int) {
	if other, taken := c.codes[systemCode]; taken && other != item && c.Foreign {
		c.codes[systemCode] = -1 // it means neither
		return
	} else if taken && other != item {
		c.say(place, "the code %s means two items", systemCode)
	}
	c.codes[systemCode] = item
	if c.Foreign {
		return // nothing but its linkIds names an item of it
	}
	if code, ok := strings.CutPrefix(systemCode, loincSystem+"|"); ok {
		c.link(place, "/"+code, item)
	}
}

func (c *checker) scoreLink(place, linkID string, score int) {
	_, isItem := c.links[linkID]
	if other, taken := c.scoreLinks[linkID]; isItem || taken && other != score {
		c.say(place, "the linkId %s means two things", linkID)
	}
	c.scoreLinks[linkID] = score
}

func (c *checker) form(place string, f *Form) {
	if !c.Foreign && (!strings.Contains(f.URL, "://") || strings.ContainsAny(f.URL, "| ")) {
		c.say(place+".url", "must be an absolute canonical without a version")
	}
	if code, ok := strings.CutPrefix(f.URL, loincSystem+"/q/"); ok {
		c.code(place+".url", loincSystem+"|"+code)
	}
	if len(f.Items) != 0 && len(f.Items) != len(c.Items) {
		c.say(place+".items", "must hold one linkId for each of the %d items", len(c.Items))
		return
	}
	for i, linkID := range f.Items {
		if linkID == "" {
			continue
		}
		if _, bare := c.numbers[linkID]; bare && !c.Foreign {
			c.say(at(place+".items", i), "a bare item number is a linkId under our own canonical only")
		}
		c.link(at(place+".items", i), linkID, i)
	}
	for code, linkID := range f.Scores {
		i := slices.IndexFunc(c.Scores, func(s Score) bool { return s.Code == code })
		if i < 0 {
			c.say(place+".scores", "there is no score %s", code)
			continue
		}
		c.scoreLink(place+".scores", linkID, i)
	}
}

func (c *checker) alerts() {
	for i := range c.Alerts {
		a, place := &c.Alerts[i], at("alerts", i)
		c.oneOf(place+".when", a.When, []string{">=", "<="})
		c.oneOf(place+".severity", a.Severity, []string{"safety", "discuss"})
		if len(a.Items) == 0 {
			c.say(place, "watches no item")
		}
		for j, number := range a.Items {
			item := c.Item(number)
			if item == nil {
				c.say(at(place+".items", j), "there is no item %d", number)
				continue
			}
			if item.scale == nil {
				continue
			}
			if _, ok := item.scale.Ordinal(a.Value); !ok {
				c.say(place+".value", "is no answer to item %d", number)
			}
		}
	}
}
