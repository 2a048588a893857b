package path

import (
	"strconv"
	"strings"

	"github.com/rapport-health/rapport/services/fhir/tree"
)

// Option is one answer that a question offers.
type Option struct {
	// Value is the answer.
	Value Value
	// Weight is what it counts, by the order in which weight() looks; it means nothing unless Weighted.
	Weight float64
	// Weighted says whether there is a weight.
	Weighted bool
}

// Options are what the item with the linkId offers, in the order of the form: its answer options, or the codes of its
// value set where that is contained or known. None for any other item, and where the value set is nowhere.
func (q *Questionnaire) Options(linkID string) []Option {
	it := q.byID[linkID]
	if it == nil {
		return nil
	}
	var out []Option
	for _, choice := range it.choices {
		v := offered(choice)
		if v == nil {
			continue
		}
		key, _ := keyOf(choice)
		weight, err := strconv.ParseFloat(q.weights.items[linkID].byKey[key], 64)
		out = append(out, Option{Value: *v, Weight: weight, Weighted: err == nil})
	}
	return out
}

// offered is the value of an answer option or of an answer; nil when it has none that can be told.
func offered(holder tree.Node) *Value {
	for m := range holder.Children() {
		if !strings.HasPrefix(m.Key(), "value") {
			continue
		}
		switch m.Kind() {
		case tree.Number:
			return &Value{Kind: Number, Text: m.Number()}
		case tree.Bool:
			b, _ := m.Bool()
			return &Value{Kind: Truth, Truth: b}
		case tree.String:
			return &Value{Kind: Text, Text: m.Text()}
		}
		if m.Key() == "valueCoding" {
			return &Value{Kind: Code, Coding: Coding{m.Child("system").Text(), m.Child("code").Text(), m.Child("display").Text()}}
		}
		if number := m.Child("value").Number(); m.Key() == "valueQuantity" && number != "" {
			return &Value{Kind: Number, Text: number}
		}
	}
	return nil
}
