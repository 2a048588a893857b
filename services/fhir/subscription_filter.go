package fhir

import (
	"strings"

	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/domain/subscription"
	"github.com/rapport-health/rapport/services/fhir/tree"
)

// maxFilterValues bounds the alternatives of one parameter.
const maxFilterValues = 100

// test reads one parameter of a filter.
func (r *wishReader) test(at tree.Node, param, value string) (subscription.Test, bool) {
	t := subscription.Test{Param: param}
	alternatives := splitAt(value, ',')
	if len(alternatives) > maxFilterValues {
		r.refuse("too-costly", at, "", "a parameter of a filter has %d alternatives at most", maxFilterValues)
		return t, false
	}
	for _, one := range alternatives {
		ok := false
		switch param {
		case "patient", "subject":
			ok = r.patient(&t, one)
		case "_id":
			ok = ref.ValidID(one)
			t.Tokens = append(t.Tokens, subscription.Token{AnySystem: true, Code: one})
		case "owner", "focus":
			of, err := ref.ParseResource(strings.TrimPrefix(one, r.terms.Base+"/"))
			ok = err == nil && of.Version == 0
			t.Tokens = append(t.Tokens, subscription.Token{AnySystem: true, Code: of.String()})
		case "questionnaire":
			ok = canonicalToken(&t, one)
		default:
			ok = codeToken(&t, one)
		}
		if !ok {
			r.refuse("value", at, "", "the value of %s cannot be read", param)
			return t, false
		}
	}
	return t, true
}

func (r *wishReader) patient(t *subscription.Test, value string) bool {
	id := strings.TrimPrefix(strings.TrimPrefix(value, r.terms.Base+"/"), "Patient/")
	t.Patients = append(t.Patients, ref.Patient(id))
	return ref.ValidID(id)
}

func canonicalToken(t *subscription.Test, value string) bool {
	url, version, versioned := strings.Cut(value, "|")
	k := subscription.Token{AnySystem: true, Code: url}
	if versioned {
		k = subscription.Token{System: url, Code: version}
	}
	t.Tokens = append(t.Tokens, k)
	return url != "" && (!versioned || version != "")
}

// codeToken reads `code`, `system|code`, `|code` or `system|`.
func codeToken(t *subscription.Test, value string) bool {
	parts := splitAt(value, '|')
	switch {
	case len(parts) == 1 && parts[0] != "":
		t.Tokens = append(t.Tokens, subscription.Token{AnySystem: true, Code: parts[0]})
	case len(parts) == 2 && value != "|":
		t.Tokens = append(t.Tokens, subscription.Token{System: parts[0], Code: parts[1], AnyCode: parts[1] == ""})
	default:
		return false
	}
	return true
}

// splitAt splits at a separator that no backslash precedes; escapes are kept for the next separator but resolved where
// none is left.
func splitAt(s string, separator byte) []string {
	var parts []string
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s):
			if s[i+1] != separator && separator == ',' {
				b.WriteByte('\\')
			}
			i++
			b.WriteByte(s[i])
		case s[i] == separator:
			parts = append(parts, b.String())
			b.Reset()
		default:
			b.WriteByte(s[i])
		}
	}
	return append(parts, b.String())
}
