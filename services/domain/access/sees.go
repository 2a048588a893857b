package access

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/rapport-health/rapport/services/domain/ref"
)

// checkable are the search parameters by which a scope can restrict: those that can be decided from the resource alone.
var checkable = []string{
	"_id", "_security", "_tag", "_profile", "category", "class", "clinical-status", "code", "intent", "patient", "questionnaire",
	"status", "subject", "type",
}

// Thing is something that a principal wants to see or change, as far as a decision needs it.
type Thing struct {
	// Type and ID of the resource.
	Type, ID string
	// Patient it is about; empty when about none.
	Patient ref.Patient
	// Raw is its JSON; empty for what is made by the service, of which a scope restricted by anything but the patient shows
	// none.
	Raw []byte
}

// Sees says whether the scopes reach one thing. It is the decision of every door. Consent and labels are decided apart.
func (p Principal) Sees(t Thing, verb Verbs) bool {
	var doc map[string]any
	for _, s := range p.Scopes {
		if !s.covers(t.Type, verb) || !p.inForce(s) {
			continue
		}
		if s.Context == OnePatient && !t.about(p.Patient) {
			continue
		}
		if len(s.Where) == 0 {
			return true
		}
		if doc == nil && len(t.Raw) > 0 && json.Unmarshal(t.Raw, &doc) != nil {
			doc = map[string]any{}
		}
		if !slices.ContainsFunc(s.Where, func(w Param) bool { return !t.has(doc, w) }) {
			return true
		}
	}
	return false
}

func (t Thing) about(p ref.Patient) bool {
	return t.Patient == p || t.Type == "Patient" && t.ID == string(p)
}

// has says whether the thing has one of the values.
func (t Thing) has(doc map[string]any, w Param) bool {
	return slices.ContainsFunc(w.Values, func(v string) bool {
		switch w.Name {
		case "patient", "subject":
			return t.about(ref.Patient(strings.TrimPrefix(v, "Patient/")))
		case "_id":
			return t.ID == v
		case "_security":
			return hasToken(within(doc, "meta", "security"), v)
		case "_tag":
			return hasToken(within(doc, "meta", "tag"), v)
		case "_profile":
			return hasToken(within(doc, "meta", "profile"), v)
		case "questionnaire":
			canonical, _, _ := strings.Cut(textOf(doc["questionnaire"]), "|")
			return canonical != "" && (canonical == v || textOf(doc["questionnaire"]) == v)
		case "clinical-status":
			return hasToken(doc["clinicalStatus"], v)
		default:
			return hasToken(doc[w.Name], v)
		}
	})
}

func within(doc map[string]any, outer, inner string) any {
	m, _ := doc[outer].(map[string]any)
	return m[inner]
}

func textOf(v any) string {
	s, _ := v.(string)
	return s
}

// hasToken says whether a code, Coding, CodeableConcept, or a list of them, is a token such as `system|code`, `code` or
// `|code`.
func hasToken(v any, token string) bool {
	system, code, qualified := strings.Cut(token, "|")
	if !qualified {
		system, code = "", token
	}
	switch v := v.(type) {
	case string:
		return v == code && system == ""
	case []any:
		return slices.ContainsFunc(v, func(one any) bool { return hasToken(one, token) })
	case map[string]any:
		if inner, ok := v["coding"]; ok {
			return hasToken(inner, token)
		}
		if c := textOf(v["code"]); c == "" || code != "" && c != code {
			return false
		}
		return !qualified || textOf(v["system"]) == system
	default:
		return false
	}
}
