// Package catalogue knows every instrument, form and map of a clinic, and takes what was read of a response to its scores.
package catalogue

import (
	"sync"
	"time"

	"github.com/rapport-health/rapport/services/domain/form"
	"github.com/rapport-health/rapport/services/domain/instrument"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/fhir"
)

// Catalogue is what was loaded: the built-in packs and what a clinic's folder adds. It does not change; what changes in
// the folder counts from the next start.
type Catalogue struct {
	registry *instrument.Registry
	// overlays by instrument id, or by the canonical of a form.
	overlays map[string]*overlay
	sources  map[ref.Source]*source
	// enforced are the canonicals of forms that a response must not break.
	enforced map[string]bool
	// forms are the folder's Questionnaires by `url|version` and, the current one, by url.
	forms map[string]*questionnaire
	sets  fhir.ValueSets
	// terms are the folder's ValueSets and CodeSystems, as JSON.
	terms [][]byte
	// lists are the answers of instruments whose weights must not be contradicted.
	lists []answerList
	// own are our own forms by definition, made when they are first needed.
	own *sync.Map
	// within is how long trying out the formulas of one form may take.
	within time.Duration
}

func newCatalogue() *Catalogue {
	return &Catalogue{
		overlays: map[string]*overlay{}, sources: map[ref.Source]*source{}, enforced: map[string]bool{},
		forms: map[string]*questionnaire{}, own: &sync.Map{}, within: triedWithin,
	}
}

// Of is a catalogue of a registry alone.
func Of(r *instrument.Registry) *Catalogue {
	c := newCatalogue()
	c.registry, c.sets, c.lists = r, fhir.AnswerLists(r.All()), answerLists(r.All())
	return c
}

// Registry holds the definitions: packs, those made by overlays, and those of the folder's Questionnaires.
func (c *Catalogue) Registry() *instrument.Registry { return c.registry }

// All are the current definitions by id. The slice is the caller's.
func (c *Catalogue) All() []*instrument.Definition { return c.registry.All() }

// Lookup finds a definition as instrument.Registry does.
func (c *Catalogue) Lookup(canonical string) (*instrument.Definition, error) {
	return c.registry.Lookup(canonical)
}

// ByScoreCode finds the score that a `system|code` stands for, whoever sends it.
func (c *Catalogue) ByScoreCode(systemCode string) (*instrument.Definition, string, bool) {
	return c.registry.ByScoreCode(systemCode)
}

// ReadyMade finds the score that a `system|code` stands for when a source sends it, and the variant in which the source
// computes it: by the map of the source, by its other names of systems, or as everybody does.
func (c *Catalogue) ReadyMade(from ref.Source, systemCode string) (def *instrument.Definition, scoreCode, variant string, ok bool) {
	s := c.sources[from]
	if s != nil {
		if r := s.Scores[systemCode]; r != nil {
			return r.def, r.Score, r.Variant, true
		}
	}
	def, scoreCode, ok = c.registry.ByScoreCode(s.token(systemCode))
	return def, scoreCode, "", ok
}

// ownForm is the form that we publish for a definition.
func (c *Catalogue) ownForm(def *instrument.Definition) *form.Form {
	if f, ok := c.own.Load(def); ok {
		return f.(*form.Form)
	}
	f, _ := c.own.LoadOrStore(def, form.Of(def))
	return f.(*form.Form)
}
