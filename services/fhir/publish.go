package fhir

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"github.com/rapport-health/rapport/services/domain/form"
	"github.com/rapport-health/rapport/services/domain/instrument"
)

// loincNotice must stand beside every use of LOINC codes.
const loincNotice = "This material contains content from LOINC (http://loinc.org). LOINC is copyright © Regenstrief Institute, Inc. " +
	"and the Logical Observation Identifiers Names and Codes (LOINC) Committee and is available at no cost under the license " +
	"at http://loinc.org/license. LOINC® is a registered United States trademark of Regenstrief Institute, Inc."

// Questionnaire is the R4 Questionnaire that we publish for an instrument, as JSON: form.Published with the terms of
// its licence. It holds no wording of the instrument beyond the answers that its licence lets us name; a clinic that
// holds a licence puts its text in the place of our labels, and keeps the linkIds.
func Questionnaire(def *instrument.Definition) ([]byte, error) {
	f := form.Published(def)
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(questionnaireOf(def, &f)); err != nil {
		return nil, fmt.Errorf("write the questionnaire of %s: %w", def.ID, err)
	}
	return b.Bytes(), nil
}

type publishedForm struct {
	ResourceType string          `json:"resourceType"`
	ID           string          `json:"id"`
	URL          string          `json:"url"`
	Version      string          `json:"version"`
	Name         string          `json:"name"`
	Title        string          `json:"title"`
	Status       string          `json:"status"`
	Subject      []string        `json:"subjectType"`
	Description  string          `json:"description"`
	Purpose      string          `json:"purpose"`
	Copyright    string          `json:"copyright"`
	Code         []publishedCode `json:"code,omitempty"`
	Item         []publishedItem `json:"item"`
}

type publishedItem struct {
	Extension []publishedExtension `json:"extension,omitempty"`
	LinkID    string               `json:"linkId"`
	Code      []publishedCode      `json:"code,omitempty"`
	Prefix    string               `json:"prefix,omitempty"`
	Text      string               `json:"text,omitempty"`
	Type      form.Type            `json:"type"`
	Option    []publishedOption    `json:"answerOption,omitempty"`
}

type publishedOption struct {
	Extension []publishedExtension `json:"extension,omitempty"`
	Coding    publishedCode        `json:"valueCoding"`
}

type publishedCode struct {
	System  string `json:"system,omitempty"`
	Code    string `json:"code"`
	Display string `json:"display,omitempty"`
}

type publishedExtension struct {
	URL     string      `json:"url"`
	Decimal json.Number `json:"valueDecimal,omitempty"`
	Integer json.Number `json:"valueInteger,omitempty"`
}

func questionnaireOf(def *instrument.Definition, f *form.Form) publishedForm {
	out := publishedForm{
		ResourceType: "Questionnaire", ID: def.ID, URL: f.URL, Version: f.Version, Name: nameOf(def.ID), Title: f.Title,
		Status: f.Status, Subject: []string{"Patient"},
		Description: fmt.Sprintf("%s Answered by: %s. Asks about: %s", f.Title+".", def.Respondent, def.Recall.Text),
		Purpose: "To record answers that Rapport scores. The texts of the items are labels of Rapport's own, which say what an item is about; " +
			"they are not the wording of the instrument. Whoever holds the wording may put it in their place.",
		Copyright: def.Licence.Notice,
	}
	for _, code := range f.Codes {
		out.Code = append(out.Code, codeOf(code))
	}
	for i := range f.Items {
		out.Item = append(out.Item, itemOf(&f.Items[i]))
	}
	if def.Licence.Attribution != "" {
		out.Copyright += " " + def.Licence.Attribution
	}
	if out.names(loinc) {
		out.Copyright += " " + loincNotice
	}
	return out
}

// names says whether a code of the system stands in it.
func (f *publishedForm) names(system string) bool {
	for _, c := range f.Code {
		if c.System == system {
			return true
		}
	}
	for i := range f.Item {
		for _, c := range f.Item[i].Code {
			if c.System == system {
				return true
			}
		}
		for _, o := range f.Item[i].Option {
			if o.Coding.System == system {
				return true
			}
		}
	}
	return false
}

func itemOf(of *form.Item) publishedItem {
	item := publishedItem{LinkID: of.LinkID, Prefix: of.Prefix, Text: of.Text, Type: of.Type}
	for _, code := range of.Codes {
		item.Code = append(item.Code, codeOf(code))
	}
	item.Extension = append(item.Extension, boundOf("minValue", of.Min)...)
	item.Extension = append(item.Extension, boundOf("maxValue", of.Max)...)
	if of.Decimals != nil {
		item.Extension = append(item.Extension, publishedExtension{URL: sd + "maxDecimalPlaces", Integer: json.Number(strconv.Itoa(*of.Decimals))})
	}
	for i := range of.Options {
		o := &of.Options[i]
		option := publishedOption{Coding: publishedCode{o.System, o.Code, o.Display}}
		if o.Weight != nil {
			weight := json.Number(strconv.FormatFloat(*o.Weight, 'f', -1, 64))
			option.Extension = []publishedExtension{{URL: sd + "itemWeight", Decimal: weight}, {URL: sd + "ordinalValue", Decimal: weight}}
		}
		item.Option = append(item.Option, option)
	}
	return item
}

func boundOf(name string, v *form.Value) []publishedExtension {
	switch {
	case v == nil:
		return nil
	case v.Kind == "Integer":
		return []publishedExtension{{URL: sd + name, Integer: json.Number(v.Number)}}
	default:
		return []publishedExtension{{URL: sd + name, Decimal: json.Number(v.Number)}}
	}
}

func codeOf(systemCode string) publishedCode {
	system, code, _ := strings.Cut(systemCode, "|")
	return publishedCode{System: system, Code: code}
}

// nameOf is an id as a name for programs, such as WaiSr; one must begin with a letter.
func nameOf(id string) string {
	var b strings.Builder
	upper := true
	for _, r := range id {
		switch {
		case !unicode.IsLetter(r) && !unicode.IsDigit(r):
			upper = true
			continue
		case b.Len() == 0 && unicode.IsDigit(r):
			b.WriteByte('Q')
		}
		if upper {
			r = unicode.ToUpper(r)
		}
		b.WriteRune(r)
		upper = false
	}
	return b.String()
}
