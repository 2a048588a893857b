package search

import (
	"hash/fnv"
	"slices"
	"time"

	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/ref"
)

// What is marked, and what is not: every mark costs a row when a resource is stored, so there is one only where without it
// a search would have to look at much that is no match. The patient, the type's own date, and codes have indexes of their
// own. Patients refer to nothing but themselves mostly. A common status leads nowhere, a rare one does.
const (
	// prefixes are how many letters of a name are marked: a name of one letter, of two, of three and more.
	prefixes = 3
	// names is what all parts of a name are marked under.
	names = "name"
)

// common are statuses that most resources have.
var common = []string{"final", "completed", "active", "finished", "fulfilled", "booked"}

// marked says whether a parameter is marked.
func (p *Param) marked() bool {
	switch p.Type {
	case Token:
		return p.Name == "identifier" || p.Name == "status" && p.Of != "DetectedIssue"
	case Reference:
		return !p.Canonical() && p.Name != "patient" && p.Name != "subject"
	case String:
		return p.Name == names && (p.Of == "Patient" || p.Of == "Practitioner" || p.Of == "RelatedPerson")
	case Date:
		return p.Name == "birthdate"
	case URI:
		return p.Name == "url"
	default:
		return false
	}
}

// Marks are the keys under which a document is entered into the index of searches.
func Marks(d *Document) []record.Mark {
	var out []record.Mark
	list := Params(d.Type)
	for i := range list {
		p := &list[i]
		if !p.marked() {
			continue
		}
		for _, v := range d.valuesAt(p, d.node()) {
			for _, value := range p.spellings(&v) {
				if m := (record.Mark{Key: record.SearchKey(d.Type, p.Name, value)}); !slices.Contains(out, m) {
					out = append(out, m)
				}
			}
		}
	}
	return out
}

// sieved is the parameter whose values are in the sieve of a resource: many resources of a patient share one, so that a mark
// would lead to too much, and charts ask for it beside the patient.
const sieved = "category"

// Sieve has bits for the values of a document that many others share, and one that says that they were looked at.
func Sieve(d *Document) int64 {
	sieve := int64(1)
	if p := Find(d.Type, sieved); p != nil && p.Type == Token {
		for _, v := range d.valuesAt(p, d.node()) {
			sieve |= bit(v.Code)
		}
	}
	return sieve
}

// bits is among how many a code has one: as many that no two of FHIR's categories of Observations share theirs.
const bits = 58

// bit of a code, whatever its system: any but the lowest.
func bit(code string) int64 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(code)) // a hash never fails
	return 1 << (1 + h.Sum32()%bits)
}

// Sieve has the bits of which every match of the condition has at least one; ok is false where there are none such.
func (c *Condition) Sieve() (mask int64, ok bool) {
	if c.Param.Name != sieved || c.Param.Type != Token || c.Modifier != "" {
		return 0, false
	}
	for i := range c.Any {
		if c.Any[i].NoCode {
			return 0, false
		}
		mask |= bit(c.Any[i].Code)
	}
	return mask, len(c.Any) > 0
}

// spellings are what a value is marked as.
func (p *Param) spellings(v *Value) []string {
	switch p.Type {
	case Token:
		if v.Code == "" || p.Name == "status" && slices.Contains(common, v.Code) {
			return nil
		}
		if p.Name == "status" {
			return []string{v.Code}
		}
		return []string{v.System + "|" + v.Code, v.Code}
	case Reference:
		if v.Ref.ID == "" || v.Ref.Type == "Patient" {
			return nil
		}
		return []string{v.Ref.ID}
	case String:
		return initials(v.Text)
	case Date:
		return []string{v.From.Format(time.DateOnly)}
	default:
		return []string{v.Text}
	}
}

// initials are the beginnings of text and, for a name may be sought by any word of it, of its words.
func initials(text string) []string {
	var out []string
	folded := Fold(text)
	for start := 0; start < len(folded); start++ {
		if start > 0 && folded[start-1] != ' ' {
			continue
		}
		rest := []rune(folded[start:])
		for n := 1; n <= min(prefixes, len(rest)); n++ {
			out = append(out, string(rest[:n]))
		}
	}
	return out
}

// Keys are the marks of which every match of the condition bears at least one; ok is false where there are none such.
func (c *Condition) Keys() (keys []int64, ok bool) {
	name := c.Param.Name
	if c.Param.Type == String && (name == "family" || name == "given") {
		name = names // what is marked as a name
	}
	p := Find(c.Param.Of, name)
	if p == nil || !p.marked() || c.Modifier == missing || c.Modifier == not || c.Modifier == inText || c.Modifier == contains ||
		c.Modifier == identifier || c.Modifier == below {
		return nil, false
	}
	for i := range c.Any {
		value, ok := p.spelling(&c.Any[i])
		if !ok {
			return nil, false
		}
		keys = append(keys, record.SearchKey(c.Param.Of, p.Name, value))
	}
	return keys, true
}

// spelling is what a match of an alternative is surely marked as.
func (p *Param) spelling(a *Alternative) (string, bool) {
	switch p.Type {
	case Token:
		switch {
		case a.NoCode || p.Name == "status" && slices.Contains(common, a.Code):
			return "", false
		case a.AnySystem || p.Name == "status":
			return a.Code, true
		default:
			return a.System + "|" + a.Code, true
		}
	case Reference:
		return a.Ref.ID, a.Ref.ID != "" && a.Ref.Type != "Patient" && (a.Ref.Type != "" || !p.LeadsTo("Patient"))
	case String:
		letters := []rune(Fold(a.Text))
		return string(letters[:min(prefixes, len(letters))]), len(letters) > 0
	case Date:
		day := len(a.Dates) == 1 && a.Dates[0].Op == "eq" && a.Dates[0].To.Sub(a.Dates[0].From) == 24*time.Hour
		if !day {
			return "", false
		}
		return a.Dates[0].From.Format(time.DateOnly), true
	default:
		return a.Text, true
	}
}

// The keys of forms from which Observations are derived: of all, and of those scored by one instrument.
const derived = "derived"

// DerivedKey marks the forms scored by an instrument; those of any when it is empty.
func DerivedKey(instrument string) int64 { return record.SearchKey("Observation", derived, instrument) }

// DerivedMarks enter a form that was scored at a moment.
func DerivedMarks(instrument string, at time.Time) []record.Mark {
	return []record.Mark{{Key: DerivedKey(""), At: at}, {Key: DerivedKey(instrument), At: at}}
}

// OfPatient says whether the condition names patients by their ids, and which.
func (c *Condition) OfPatient() (ids []ref.Patient, ok bool) {
	if c.Param.Type != Reference || c.Param.Name != "patient" && c.Param.Name != "subject" || c.Modifier != "" && c.Modifier != "Patient" {
		return nil, false
	}
	for _, a := range c.Any {
		if a.Ref.Type != "Patient" && (a.Ref.Type != "" || c.Param.Name != "subject") {
			return nil, false
		}
		ids = append(ids, ref.Patient(a.Ref.ID))
	}
	return ids, true
}
