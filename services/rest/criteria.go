package rest

import (
	"slices"
	"strings"
	"time"

	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/ref"
)

// criteria are what a search asks for. Each group must be met (a repeated parameter); any alternative in it will do
// (the commas of one occurrence).
type criteria struct {
	ids      [][]string
	patients [][]subject
	tokens   map[string][][]token
	// sources are what a match must be derived from.
	sources [][]ref.Resource
	// dates hold, per alternative, the bounds that must all hold.
	dates [][][]record.DateBound
}

func (c *criteria) addTokens(name string, group []token) {
	if c.tokens == nil {
		c.tokens = map[string][][]token{}
	}
	c.tokens[name] = append(c.tokens[name], group)
}

// hit is a candidate of a search.
type hit struct {
	place
	from, to time.Time
	// hidden candidates are never served.
	hidden bool
	// coded gives what a coded parameter finds it by, as `system|code`.
	coded func(param string) []string
	// sources gives what it is derived from, without versions; nil when it cannot be derived.
	sources func() []ref.Resource
	// size of the body, about, in bytes.
	size int
	body func() ([]byte, error)
	// served is the body, once the hit is known to be on the page.
	served []byte
}

// met says whether a candidate meets all criteria but the patients, which are resolved before.
func (c *criteria) met(h hit) bool {
	if h.hidden {
		return false
	}
	for _, group := range c.ids {
		if !slices.Contains(group, h.id) {
			return false
		}
	}
	for name, groups := range c.tokens {
		have := h.coded(name)
		for _, group := range groups {
			if !slices.ContainsFunc(group, func(t token) bool { return t.among(have) }) {
				return false
			}
		}
	}
	for _, group := range c.sources {
		of := h.sources()
		if !slices.ContainsFunc(group, func(one ref.Resource) bool { return slices.Contains(of, one) }) {
			return false
		}
	}
	for _, group := range c.dates {
		if !slices.ContainsFunc(group, func(all []record.DateBound) bool { return holdAll(all, h.from, h.to) }) {
			return false
		}
	}
	return true
}

func holdAll(bounds []record.DateBound, from, to time.Time) bool {
	return !slices.ContainsFunc(bounds, func(b record.DateBound) bool { return !holds(b, from, to) })
}

// among says whether one of the codes is what the token asks for.
func (t token) among(codes []string) bool {
	return slices.ContainsFunc(codes, func(one string) bool {
		system, code, found := strings.Cut(one, "|")
		if !found {
			system, code = "", one // as a canonical without version stands
		}
		return (t.anySystem || t.system == system) && (t.anyCode || t.code == code)
	})
}

// stored are the codes by which the store can look for a group of tokens; none when it cannot.
func stored(group []token) []string {
	var out []string
	for _, t := range group {
		if t.anyCode {
			return nil
		}
		if t.anySystem {
			t.system = ""
		}
		out = append(out, t.system+"|"+t.code)
	}
	return out
}

// indexed are the coded parameters by which the store can look.
var indexed = []string{"code", "questionnaire"}

// query gives the store as much of the criteria as it can look for; met decides on the rest.
func (c *criteria) query(typ string, patient ref.Patient) record.Query {
	q := record.Query{Type: typ, Patient: patient}
	for _, name := range indexed {
		for _, group := range c.tokens[name] {
			if codes := stored(group); codes != nil && q.Codes == nil {
				q.Codes = codes
			}
		}
	}
	for _, group := range c.dates {
		if len(group) == 1 {
			q.Dates = append(q.Dates, group[0]...)
		}
	}
	return q
}
