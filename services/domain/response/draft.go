// Package response binds an answered form to its instrument: every answer becomes an ordinal, or an issue says why not.
package response

import "time"

// Draft is a QuestionnaireResponse as read from the wire: still in the form's own words.
type Draft struct {
	// Questionnaire is what the response names: a canonical with or without `|version`, or a relative reference. May be empty.
	Questionnaire string
	// Status is the FHIR status code.
	Status string
	// Authored is when the answers were given.
	Authored time.Time
	// Variant in which its numbers are to be read; empty when nothing is known of it. A map of the source sets it.
	Variant string
	// Computed is what the form's own formulas give on this response, by score code; one that gives no number is absent.
	Computed map[string]float64
	// Unasked are the linkIds of questions that the form does not ask after these answers.
	Unasked map[string]bool
	// Items are the top-level items.
	Items []Item
}

// Item is one item of a draft.
type Item struct {
	// LinkID as sent.
	LinkID string
	// Path is its FHIRPath, such as `QuestionnaireResponse.item[2]`.
	Path string
	// Text is the wording that came with the item, if any; it may tell about the patient and is never shown.
	Text string
	// Codes of the item itself, as `system|code`, where the EHR sends them (extension or contained definition); usually none.
	Codes []string
	// Answers in order.
	Answers []Answer
	// Items nested directly (groups).
	Items []Item
}

// Answer is one answer in the shape in which it was sent.
type Answer struct {
	// Path is its FHIRPath, such as `QuestionnaireResponse.item[2].answer[0]`.
	Path string
	// Kind is the suffix of value[x]: Coding, Integer, Decimal, Quantity, String, Boolean, Date, Reference …; empty when there is no value.
	Kind string
	// System, Code and Display of a Coding; of a Quantity those of its unit; of an Attachment Code is its content type.
	System, Code, Display string
	// Text is the literal of a string, date, reference or boolean; of a Quantity its comparator.
	Text string
	// Number is the literal of an integer, decimal or quantity, as written, empty for a quantity with a comparator; of an
	// Attachment its size in bytes.
	Number string
	// Weight is the ordinalValue or itemWeight sent with the answer, as written; empty when none.
	Weight string
	// Items nested below the answer.
	Items []Item
}
