package rest

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/ref"
)

// param is one search parameter of a type.
type param struct {
	name, typ, definition string
	// read adds one occurrence of the parameter to the criteria.
	read func(*criteria, argument) error
}

// argument is one occurrence of a search parameter.
type argument struct {
	name, modifier string
	// values are the alternatives, with their escapes.
	values []string
	// base and now of the request.
	base string
	now  time.Time
}

// most alternatives of one occurrence.
const maxAlternatives = 100

// newArgument splits name and modifier, and the value at its commas.
func newArgument(key, value string) (argument, error) {
	var a argument
	a.name, a.modifier, _ = strings.Cut(key, ":")
	if value == "" {
		return a, a.wrong("has no value")
	}
	a.values = splitEscaped(value, ',')
	if len(a.values) > maxAlternatives {
		return a, a.wrong("has more than " + strconv.Itoa(maxAlternatives) + " alternatives")
	}
	if slices.Contains(a.values, "") {
		return a, a.wrong("has an empty alternative")
	}
	return a, nil
}

func (a argument) wrong(text string) error {
	return fault.New(fault.Invalid, fault.Errorf("value", "", "the search parameter %s %s", a.name, text))
}

// plainly refuses a modifier: FHIR forbids to ignore one that is not understood.
func (a argument) plainly() error {
	if a.modifier == "" {
		return nil
	}
	return fault.New(fault.Invalid, fault.Errorf("not-supported", "", "the search parameter %s has a modifier that is not supported", a.name))
}

// splitEscaped splits at a separator that no backslash precedes. The parts keep their escapes.
func splitEscaped(s string, separator byte) []string {
	var parts []string
	start := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case separator:
			parts = append(parts, s[start:i])
			start = i + 1
		}
	}
	return append(parts, s[start:])
}

// unescaped resolves \, \| \$ and \\; another backslash stands for itself.
func unescaped(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) && strings.IndexByte(`,|$\`, s[i+1]) >= 0 {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// readID reads _id.
func readID(c *criteria, a argument) error {
	if err := a.plainly(); err != nil {
		return err
	}
	for _, id := range a.values {
		if !ref.ValidID(id) {
			return a.wrong("is not an id")
		}
	}
	c.ids = append(c.ids, a.values)
	return nil
}

// subject is a patient by id, or by another name that the store knows.
type subject struct {
	id    ref.Patient
	alias string
}

// readPatient reads a reference to a patient: `1`, `Patient/1`, the same below our base, or with the modifier
// identifier a `system|value`.
func readPatient(c *criteria, a argument) error {
	var group []subject
	for _, value := range a.values {
		one, err := a.patient(unescaped(value))
		if err != nil {
			return err
		}
		group = append(group, one)
	}
	c.patients = append(c.patients, group)
	return nil
}

func (a argument) patient(value string) (subject, error) {
	if a.modifier == "identifier" {
		if system, v, ok := strings.Cut(value, "|"); !ok || system == "" || v == "" {
			return subject{}, a.wrong("with the modifier identifier must be system|value")
		}
		return subject{alias: value}, nil
	}
	if a.modifier != "" && a.modifier != "Patient" {
		return subject{}, a.plainly()
	}
	value = strings.TrimPrefix(value, a.base+"/")
	typ, id, typed := strings.Cut(value, "/")
	if !typed {
		typ, id = "Patient", value
	}
	if typ != "Patient" || !ref.ValidID(id) {
		return subject{}, a.wrong("must be a Patient of this server: an id, Patient/id, or the same below the base of this server")
	}
	return subject{id: ref.Patient(id)}, nil
}

// readSource reads a reference to what something is derived from: `Type/id`, the same below our base, or with the type
// as a modifier the id alone.
func readSource(c *criteria, a argument) error {
	var group []ref.Resource
	for _, value := range a.values {
		of, err := ref.ParseResource(strings.TrimPrefix(unescaped(value), a.base+"/"))
		if err != nil && a.modifier != "" && ref.ValidID(value) {
			of, err = ref.Resource{Type: a.modifier, ID: value}, nil
		}
		if err != nil || !slices.Contains(sourceTypes, of.Type) || !ref.ValidID(of.ID) || of.Version != 0 {
			return a.wrong("must be a QuestionnaireResponse or an Observation of this server, as Type/id")
		}
		if a.modifier != "" && a.modifier != of.Type {
			return a.plainly()
		}
		group = append(group, of)
	}
	c.sources = append(c.sources, group)
	return nil
}

// sourceTypes are what Observations are derived from.
var sourceTypes = []string{"Observation", "QuestionnaireResponse"}

// token is one alternative of a coded parameter.
type token struct {
	system, code       string
	anySystem, anyCode bool
}

// readToken reads `system|code`, `code`, `|code` or `system|`.
func readToken(c *criteria, a argument) error {
	if err := a.plainly(); err != nil {
		return err
	}
	var group []token
	for _, value := range a.values {
		parts := splitEscaped(value, '|')
		switch {
		case len(parts) == 1:
			group = append(group, token{anySystem: true, code: unescaped(value)})
		case len(parts) == 2 && value != "|":
			group = append(group, token{system: unescaped(parts[0]), code: unescaped(parts[1]), anyCode: parts[1] == ""})
		default:
			return a.wrong("must be code, system|code, |code or system|")
		}
	}
	c.addTokens(a.name, group)
	return nil
}

// readCanonical reads the canonical URL of a questionnaire, with or without `|version`. A record is found under
// `url|version` and, whatever its version, under the url as a code without system.
func readCanonical(c *criteria, a argument) error {
	if err := a.plainly(); err != nil {
		return err
	}
	var group []token
	for _, value := range a.values {
		url, version, versioned := strings.Cut(unescaped(value), "|")
		if url == "" || (versioned && version == "") {
			return a.wrong("must be a canonical URL, with or without |version")
		}
		if versioned {
			group = append(group, token{system: url, code: version})
		} else {
			group = append(group, token{anySystem: true, code: url})
		}
	}
	c.addTokens(a.name, group)
	return nil
}

// readDate reads dates with their prefixes.
func readDate(c *criteria, a argument) error {
	if err := a.plainly(); err != nil {
		return err
	}
	var group [][]record.DateBound
	for _, value := range a.values {
		bounds, ok := dateBounds(unescaped(value), a.now)
		if !ok {
			return a.wrong("must be a date or time such as ge2026-03, with a prefix of eq ne gt lt ge le sa eb ap or none")
		}
		group = append(group, bounds)
	}
	c.dates = append(c.dates, group)
	return nil
}
