package response

import (
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/instrument"
)

// Reasons why no score may be computed from a response, whatever its answers.
const (
	// InProgress and Stopped: the form is not finished. Critical items are judged all the same.
	InProgress = "in-progress"
	Stopped    = "stopped"
	// EnteredInError: the response was withdrawn. Nothing in it is judged.
	EnteredInError = "entered-in-error"
	// UnknownStatus: FHIR knows no such status.
	UnknownStatus = "unknown-status"
	// UnmatchedForm: no item of the form belongs to the instrument.
	UnmatchedForm = "unmatched-form"
	// UnknownForm: the questionnaire is not known, and only its critical items can be told by their codes.
	UnknownForm = "unknown-form"
	// UnknownVariant: the answers are numbered in a way that the instrument does not declare.
	UnknownVariant = "unknown-variant"
)

// Response is a form bound to an instrument. Bind and FromOrdinals make valid ones.
type Response struct {
	// Ordinals, one per item of the definition, in the order of the printed form.
	Ordinals []Ordinal
	// Unscored says why no score may be computed; empty when scores may.
	Unscored string
	// Variant in which the answers were numbered; empty for the instrument's own.
	Variant string
	// Computed is what the form's own formulas give, by score code; one that gives no number is absent.
	Computed map[string]float64
	// Unasked says, item by item, which the form does not ask after these answers; nil when it asks all.
	Unasked []bool
	// Submitted are the scores that came with the form. They are kept beside ours, never instead of them.
	Submitted []Submitted
	// Doubted are answers to critical items that count for no score, since something in the response speaks against them.
	// Who answered may have meant any of them, so each is judged.
	Doubted []Doubted
}

// Doubted is one reading of the answer to one item.
type Doubted struct {
	// Item number on the form.
	Item int
	// Value as printed.
	Value float64
}

// Ordinal is the answer to one item.
type Ordinal struct {
	// Value as printed on the form, before any reversal.
	Value float64
	// Given is false when the item is unanswered; zero is an answer.
	Given bool
}

// Submitted is a score that the form came with.
type Submitted struct {
	// Score is its code in the instrument.
	Score string
	Value float64
}

// FromOrdinals makes a response of plain ordinals as printed, in item order; nil is unanswered. Optional items at the
// end of the form may be left out. Variant names their numbering; empty is the instrument's own. What is wrong with
// them is an issue of severity error at `answers[i]`.
func FromOrdinals(def *instrument.Definition, ordinals []*float64, variant string) (Response, []fault.Issue) {
	resp := Response{Ordinals: make([]Ordinal, len(def.Items)), Variant: variant}
	shift, ok := shiftOf(def, variant)
	if !ok {
		return resp, []fault.Issue{fault.Errorf("not-found", "variant", "%s has no variant of this name", def.ID)}
	}
	required := 0
	for required < len(def.Items) && !def.Items[required].Optional {
		required++
	}
	if len(ordinals) < required || len(ordinals) > len(def.Items) {
		return resp, []fault.Issue{fault.Errorf("structure", "answers",
			"%s has %d items, not %d", def.ID, required, len(ordinals))}
	}
	var issues []fault.Issue
	for i, ordinal := range ordinals {
		if ordinal == nil {
			continue
		}
		x, ok := def.Items[i].Answers().Ordinal(*ordinal + shift)
		if !ok {
			issues = append(issues, outside("answers", i, &def.Items[i], shift))
			continue
		}
		resp.Ordinals[i] = Ordinal{x, true}
	}
	return resp, issues
}

// shiftOf makes numbers of a variant into those of the instrument; false when there is no such variant.
func shiftOf(def *instrument.Definition, variant string) (shift float64, ok bool) {
	if variant == "" {
		return 0, true
	}
	v := def.Variant(variant)
	if v == nil {
		return 0, false
	}
	return v.Shift, true
}

func outside(list string, i int, item *instrument.Item, shift float64) fault.Issue {
	low, high := item.Answers().Bounds()
	return fault.Errorf("value", index(list, i), "no answer to item %d, which takes %v to %v", item.Number, low-shift, high-shift)
}
