// Package form holds a questionnaire as it was asked, and says whether an answered one keeps to it.
package form

import (
	"iter"
	"regexp"
	"time"

	"github.com/rapport-health/rapport/services/domain/instrument"
)

// Form is one version of a questionnaire. New makes one that can be checked against; it is shared and must not be
// changed afterwards.
type Form struct {
	// URL is its canonical without a version; Version may be empty.
	URL, Version string
	// Title for people.
	Title string
	// Status: draft, active, retired or unknown.
	Status string
	// From and To bound the time in which it may be answered, To exclusive; zero where open.
	From, To time.Time
	// Codes of the form as a whole, as `system|code`.
	Codes []string
	// Items in the order in which they are asked.
	Items []Item

	nodes []node
	links map[string]int32
	// conditional says that some item depends on an answer.
	conditional bool
	// own is the instrument whose published form this is; Of sets it.
	own *instrument.Definition
}

// Type is the FHIR code of what an item is.
type Type string

// The types of FHIR R4.
const (
	Group      Type = "group"
	Display    Type = "display"
	Boolean    Type = "boolean"
	Decimal    Type = "decimal"
	Integer    Type = "integer"
	Date       Type = "date"
	DateTime   Type = "dateTime"
	Time       Type = "time"
	String     Type = "string"
	Text       Type = "text"
	URL        Type = "url"
	Choice     Type = "choice"
	OpenChoice Type = "open-choice"
	Attachment Type = "attachment"
	Reference  Type = "reference"
	Quantity   Type = "quantity"
)

// Item is one question, group or text of a form.
type Item struct {
	// LinkID is unique in the form.
	LinkID string
	// Path is the FHIRPath of its definition, such as `Questionnaire.item[0].item[2]`; New fills it in where it is empty.
	Path string
	Type Type
	// Text is the wording, Prefix what stands before it, such as `1.`.
	Text, Prefix string
	// Codes as `system|code`.
	Codes []string
	// Required in a finished response, while the item is enabled.
	Required bool
	// Repeats: a question may have several answers, a group several occurrences.
	Repeats bool
	// ReadOnly and Hidden items are filled in by the sender's system.
	ReadOnly, Hidden bool
	// MinOccurs and MaxOccurs bound answers or occurrences; 0 is no bound.
	MinOccurs, MaxOccurs int
	// MinLength and MaxLength bound text, in characters; 0 is no bound.
	MinLength, MaxLength int
	// Min and Max bound a number, a quantity, a date or a time, both included.
	Min, Max *Value
	// Decimals is the largest number of decimal places.
	Decimals *int
	// Regex that the whole of the text must match.
	Regex string
	// Units that a quantity may have; empty allows any. With UnitsOpen others may be given too.
	Units     []Value
	UnitsOpen bool
	// References are the resource types that may be referred to; empty allows any.
	References []string
	// Mimes are the content types of attachments, empty allowing any; MaxSize in bytes, 0 for no bound.
	Mimes   []string
	MaxSize float64
	// Options that may be chosen, in the order of the form, also those of its value set.
	Options []Option
	// ValueSet is the canonical of the set that the options come from. Unresolved says that its codes could not be
	// listed: any code may be right, and none has a weight.
	ValueSet   string
	Unresolved bool
	// EnableWhen are the conditions under which it is asked; empty when it always is.
	EnableWhen []Condition
	// EnableBehavior is all or any; empty when not said.
	EnableBehavior string
	// EnableExpression says that an expression decides whether it is asked, which the caller of Check evaluates.
	EnableExpression bool
	// Items below it.
	Items []Item
}

// Value is a literal in the shape of FHIR.
type Value struct {
	// Kind is the suffix of value[x]: Coding, Integer, Decimal, Quantity, String, Boolean, Date …
	Kind string
	// System, Code and Display of a Coding; of a Quantity those of its unit.
	System, Code, Display string
	// Text is the literal of a string, date, time, reference or boolean.
	Text string
	// Number is the literal of an integer, decimal or quantity, as written.
	Number string
}

// Option is one answer that may be chosen.
type Option struct {
	Value
	// Weight is the number behind it; nil when none is known.
	Weight *float64
	// Exclusive options stand alone.
	Exclusive bool
}

// Condition makes an item depend on the answer to another.
type Condition struct {
	// Question is the linkId of the other item.
	Question string
	// Operator: exists = != > < >= or <=.
	Operator string
	// Answer that it is compared with; for exists a boolean.
	Answer Value
}

// node is what New works out about one item.
type node struct {
	item *Item
	// parent is the place of the item around it, -1 at the top; order its place among its siblings; end the place after
	// the last item below it.
	parent, order, end int32
	conditions         []condition
	pattern            *regexp.Regexp
	// bound says that only its options may be chosen.
	bound bool
}

// condition is a Condition whose question has been found.
type condition struct {
	*Condition
	// id is its place among all conditions of the form.
	id int32
	// target is the place of the question, common that of the nearest item around both, -1 for the form itself.
	target, common int32
}

// Item finds an item by its linkId; nil when there is none.
func (f *Form) Item(linkID string) *Item {
	i, ok := f.links[linkID]
	if !ok {
		return nil
	}
	return f.nodes[i].item
}

// All are the items at every depth, in the order in which they are asked.
func (f *Form) All() iter.Seq[*Item] {
	return func(yield func(*Item) bool) {
		for i := range f.nodes {
			if !yield(f.nodes[i].item) {
				return
			}
		}
	}
}

// Question says whether items of the type take answers.
func (t Type) Question() bool { return t != Group && t != Display }

// Choosing says whether items of the type are answered from a list.
func (t Type) Choosing() bool { return t == Choice || t == OpenChoice }
