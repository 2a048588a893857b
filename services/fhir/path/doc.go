// Package path evaluates FHIRPath on raw R4 resources with one engine behind checks that refuse what the engine gets
// wrong, and computes the formulas of questionnaires.
package path

import "time"

// Limits bound one evaluation. A zero field means the default.
type Limits struct {
	// Time is how long an evaluation may take; 2 s by default.
	Time time.Duration
	// Elements is how many elements a collection may have; 2,000 by default.
	Elements int
}

// Limits on what an expression may be and may make. They keep a hostile definition from costing more than a page of
// arithmetic does.
const (
	mostText     = 16 << 10 // bytes of an expression
	mostEmitted  = 64 << 10 // bytes of its translation
	mostNested   = 32       // how deep it may nest
	mostSteps    = 128      // how long a chain of steps or operators may be
	mostString   = 64 << 10 // bytes of a string that it makes
	mostDigits   = 40       // digits after the point of a number that it makes
	mostExponent = 400      // how small a number may be written, as a power of ten
	mostElements = 2_000
	mostOffered  = 50_000 // answers that the items of a questionnaire offer in all
	mostFormulas = 200    // expressions of a questionnaire
	mostTime     = 2 * time.Second
)

// mostNumber is the largest magnitude that arithmetic takes, 10^mostPower; beyond it the engine's integers wrap.
const mostPower = 15

func (l Limits) filled() Limits {
	if l.Time <= 0 {
		l.Time = mostTime
	}
	if l.Elements <= 0 {
		l.Elements = mostElements
	}
	return l
}
