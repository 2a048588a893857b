package catalogue

import (
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/rapport-health/rapport/services/domain/instrument"
)

// source is how one sending system names things that Rapport knows.
type source struct {
	// Systems are other names of code systems: what is sent, and what it means.
	Systems map[string]string `json:"systems"`
	// Questionnaires by the name that the source's responses give: a canonical, `Questionnaire/id` or `urn:…`.
	Questionnaires map[string]*feed `json:"questionnaires"`
	// Unnamed is what a response means that names no questionnaire.
	Unnamed *feed `json:"unnamed"`
	// Scores by the `system|code` of Observations that bring them ready-made.
	Scores map[string]*readyMade `json:"scores"`

	// broken says that it could not be read in full, which has been told.
	broken bool
}

func (s *source) readYAML(p *page, n *yaml.Node, place string) {
	before := len(p.issues)
	p.fields(n, reflect.ValueOf(s).Elem(), place)
	s.broken = len(p.issues) > before
}

// feed is what one questionnaire of a source means.
type feed struct {
	// Instrument by its id or canonical.
	Instrument string `json:"instrument"`
	// Variant in which the numbers of the answers are to be read.
	Variant string `json:"variant"`
	// Respondent where the response does not say who answered.
	Respondent string `json:"respondent"`
	// Items by linkId.
	Items map[string]itemFeed `json:"items"`
	// Scores that come with the form: score codes by linkId.
	Scores map[string]string `json:"scores"`
	// Answers by `system|code`, or a bare code: the ordinals that they stand for.
	Answers map[string]float64 `json:"answers"`

	def    *instrument.Definition
	links  map[string]link
	absent []string
}

// itemFeed is an item that a linkId stands for. In YAML it is an item, or `{item: …, reverse: true}`.
type itemFeed struct {
	Item itemOf `json:"item"`
	// Reverse says that the source numbers the answers the other way round.
	Reverse bool `json:"reverse"`
}

func (f *itemFeed) readYAML(p *page, n *yaml.Node, place string) {
	if n.Kind == yaml.ScalarNode {
		p.scalar(n, reflect.ValueOf(&f.Item).Elem())
		return
	}
	p.fields(n, reflect.ValueOf(f).Elem(), place)
	if f.Item == "" {
		p.fail(n, "the item is missing: name it by its number or its concept")
	}
}

// link is the item that a linkId was found to stand for.
type link struct {
	item    *instrument.Item
	reverse bool
}

// readyMade is the score that a code stands for.
type readyMade struct {
	Instrument string `json:"instrument"`
	Score      string `json:"score"`
	// Variant in which the score was computed.
	Variant string `json:"variant"`

	def *instrument.Definition
}

// settle finds what the map of a source names. Everything that is not there is said.
func (s *source) settle(p *page, place string, find func(name string) (*instrument.Definition, []string)) {
	definition := func(name, at string) *instrument.Definition {
		if name == "" {
			p.failAt(at, "the instrument is missing")
			return nil
		}
		def, known := find(name)
		if def == nil {
			p.failAt(at+".instrument", "there is no instrument '%s'%s", name, meant(name, known))
		}
		return def
	}
	feeds := map[string]*feed{}
	for name, f := range s.Questionnaires {
		feeds[place+".questionnaires."+name] = f
	}
	if s.Unnamed != nil {
		feeds[place+".unnamed"] = s.Unnamed
	}
	for at, f := range feeds {
		if f.def = definition(f.Instrument, at); f.def != nil {
			f.settle(p, at)
		}
	}
	for code, r := range s.Scores {
		at := place + ".scores." + code
		if !strings.Contains(code, "|") {
			p.failAt(at, "a code is given as system|code")
		}
		if r.def = definition(r.Instrument, at); r.def != nil {
			r.settle(p, at)
		}
	}
	for name, meaning := range s.Systems {
		if s.Systems[meaning] != "" && meaning != name {
			p.failAt(place+".systems."+name, "'%s' is itself another name: write what it means in the end", meaning)
		}
	}
}

func variants(d *instrument.Definition) []string {
	var out []string
	for i := range d.Variants {
		out = append(out, d.Variants[i].Code)
	}
	return out
}

func variantOf(p *page, at string, d *instrument.Definition, variant string) {
	if variant != "" && d.Variant(variant) == nil {
		p.failAt(at+".variant", "%s has no variant '%s'%s", d.ID, variant, meant(variant, variants(d)))
	}
}

func scoreOf(p *page, at string, d *instrument.Definition, code string) {
	if d.Score(code) != nil {
		return
	}
	var known []string
	for i := range d.Scores {
		known = append(known, d.Scores[i].Code)
	}
	p.failAt(at, "%s has no score '%s'%s", d.ID, code, meant(code, known))
}

func (r *readyMade) settle(p *page, at string) {
	scoreOf(p, at+".score", r.def, r.Score)
	variantOf(p, at, r.def, r.Variant)
	if key := r.def.Score(r.Score); key != nil && r.def.Variant(r.Variant) != nil {
		if _, ok := r.def.Shifted(key, r.Variant, 0); !ok {
			p.failAt(at+".variant", "a score of this kind cannot be converted from another numbering of the answers")
		}
	}
}

func (f *feed) settle(p *page, at string) {
	variantOf(p, at, f.def, f.Variant)
	if f.Respondent != "" && !slices.Contains([]string{"patient", "clinician", "care-partner"}, f.Respondent) {
		p.failAt(at+".respondent", "must be patient, clinician or care-partner")
	}
	f.links = map[string]link{}
	byItem := map[int]string{}
	for _, linkID := range sorted(f.Items) {
		to := f.Items[linkID]
		here := at + ".items." + linkID
		item := to.Item.find(f.def)
		if item == nil {
			p.failAt(here, "%s has no item '%s'%s", f.def.ID, to.Item, meant(string(to.Item), names(f.def)))
			continue
		}
		if other, taken := byItem[item.Number]; taken {
			p.failAt(here, "item %d is '%s' already", item.Number, other)
		}
		byItem[item.Number] = linkID
		f.links[linkID] = link{item, to.Reverse}
	}
	if len(f.Items) > 0 {
		for i := range f.def.Items {
			if item := &f.def.Items[i]; byItem[item.Number] == "" && !item.Unscored && !item.Optional {
				f.absent = append(f.absent, strconv.Itoa(item.Number))
			}
		}
	}
	for linkID, code := range f.Scores {
		here := at + ".scores." + linkID
		scoreOf(p, here, f.def, code)
		if _, taken := f.Items[linkID]; taken {
			p.failAt(here, "the linkId is an item already")
		}
	}
	for code, ordinal := range f.Answers {
		if !anyTakes(f.def, ordinal) {
			p.failAt(at+".answers."+code, "%v is an answer to no item of %s", ordinal, f.def.ID)
		}
	}
}

func anyTakes(d *instrument.Definition, ordinal float64) bool {
	for i := range d.Items {
		if _, ok := d.Items[i].Answers().Ordinal(ordinal); ok {
			return true
		}
	}
	return false
}
