package subscription

import (
	"slices"
	"strings"

	"github.com/rapport-health/rapport/services/domain/ref"
)

// Filter is a search on one type, as a test of a single resource.
type Filter struct {
	// Type of the resource.
	Type string `json:"type"`
	// Tests must all hold.
	Tests []Test `json:"tests,omitempty"`
}

// Test is one search parameter with its alternatives.
type Test struct {
	// Param is the name of the search parameter.
	Param string `json:"param"`
	// Patients, any of whom it may be about; for parameters that name a patient.
	Patients []ref.Patient `json:"patients,omitempty"`
	// Tokens, any of which it may have; for all other parameters.
	Tokens []Token `json:"tokens,omitempty"`
}

// Token is one alternative of a coded parameter.
type Token struct {
	// System and Code as the search names them.
	System string `json:"system,omitempty"`
	Code   string `json:"code,omitempty"`
	// AnySystem says that none was named; AnyCode likewise.
	AnySystem bool `json:"anySystem,omitempty"`
	AnyCode   bool `json:"anyCode,omitempty"`
}

// Seen is one resource that a commit made or changed, as filters look at it.
type Seen struct {
	// Topic it belongs to; empty when to none.
	Topic Topic
	// Type and ID of the resource.
	Type, ID string
	// Patient it is about; empty when about none.
	Patient ref.Patient
	// Coded gives what each coded parameter finds it by, as `system|code`.
	Coded map[string][]string
}

// Wants says whether a subscription is to be told of something, seen in all its forms: those of a topic by what the
// topic is about and by their filters, those of plain R4 by their criteria.
func (s *Subscription) Wants(forms ...Seen) bool {
	return s.Listens() && slices.ContainsFunc(forms, func(seen Seen) bool {
		if s.Topic != Criteria && s.Topic != seen.Topic {
			return false
		}
		return !slices.ContainsFunc(s.Filters, func(f Filter) bool { return !f.Holds(seen) })
	})
}

// Holds says whether a resource meets all tests of the filter.
func (f Filter) Holds(seen Seen) bool {
	return f.Type == seen.Type && !slices.ContainsFunc(f.Tests, func(t Test) bool { return !t.holds(seen) })
}

func (t Test) holds(seen Seen) bool {
	switch {
	case t.Patients != nil:
		return seen.Patient != "" && slices.Contains(t.Patients, seen.Patient)
	case t.Param == "_id":
		return slices.ContainsFunc(t.Tokens, func(k Token) bool { return k.Code == seen.ID })
	}
	return slices.ContainsFunc(t.Tokens, func(k Token) bool { return k.among(seen.Coded[t.Param]) })
}

func (k Token) among(codes []string) bool {
	return slices.ContainsFunc(codes, func(one string) bool {
		system, code, found := strings.Cut(one, "|")
		if !found {
			system, code = "", one
		}
		return (k.AnySystem || k.System == system) && (k.AnyCode || k.Code == code)
	})
}
