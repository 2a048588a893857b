package fhir

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/fhir/tree"
)

// mostComponents bounds what is taken from the components of one Observation.
const mostComponents = 64

// The sides of the body.
var sides = map[string]string{
	sct + "|7771000":  "left",
	sct + "|24028007": "right",
	sct + "|51440002": "both",
}

// measure reads any other number: the value, or where there is none the values of the components.
func (w *work) measure(at time.Time, codes []string) {
	code := chief(codes)
	v, kind := value(w.root)
	if code == "" {
		w.inform(w.root.Child("code"), "it has no code with a system: stored and not used")
		return
	}
	if !v.Exists() {
		w.components(at, code)
		return
	}
	n, u, why := w.numeric(v, kind)
	if why != "" {
		w.inform(v, "%s: stored and not used", why)
		return
	}
	m := fact.Measure{Code: code, Value: n, Unit: u, Day: w.day}
	m.Site, m.Side = site(w.root)
	w.add("", at, fact.Fact{Kind: fact.KindMeasure, Measure: &m})
}

// components reads the values of components as measures, or as scores that were computed elsewhere. A component that
// only names a side of the body is the measure of the whole Observation on that side.
func (w *work) components(at time.Time, code string) {
	if w.root.Child("dataAbsentReason").Exists() {
		w.inform(w.root, "it has no value: stored and not used")
		return
	}
	where, side := site(w.root)
	used, parts := 0, map[string]bool{}
	for n := w.root.Child("component").First(); n.Exists() && used < mostComponents; n = n.Next() {
		codes := tokens(n.Child("code"))
		v, kind := value(n)
		number, u, why := w.numeric(v, kind)
		if why != "" || len(codes) == 0 {
			continue
		}
		m := fact.Measure{Value: number, Unit: u, Site: where, Side: side, Day: w.day}
		m.Code, m.Side = componentOf(codes, code, side)
		part := m.Code + "|" + m.Side
		if m.Code == "" || parts[part] {
			part += "|" + strconv.Itoa(used)
		}
		if m.Code == "" {
			continue
		}
		used++
		parts[part] = true
		if key, ok := w.scoreOf(codes); ok {
			w.readyMade(part, at, key, v, kind)
			continue
		}
		w.add(part, at, fact.Fact{Kind: fact.KindMeasure, Measure: &m})
	}
	if used == 0 {
		w.inform(w.root, "it has no value of its own: stored and not used")
	}
}

// componentOf is the code of a component and the side it is about. whole is the code of the Observation, and side its own.
func componentOf(codes []string, whole, side string) (string, string) {
	for _, c := range codes {
		if s := sides[c]; s != "" {
			side = s
		}
	}
	rest := slices.DeleteFunc(slices.Clone(codes), func(c string) bool { return sides[c] != "" })
	if len(rest) == 0 {
		return whole, side
	}
	return chief(rest), side
}

// site is where on the body something was measured, and on which side.
func site(n tree.Node) (where, side string) {
	codes := tokens(n.Child("bodySite"))
	for _, c := range codes {
		if s := sides[c]; s != "" {
			side = s
		}
	}
	return chief(slices.DeleteFunc(codes, func(c string) bool { return sides[c] != "" })), side
}

// chief is the code a measure is known by: its LOINC code, else the first that has a system.
func chief(codes []string) string {
	first := ""
	for _, c := range codes {
		if strings.HasPrefix(c, loinc+"|") {
			return c
		}
		if first == "" && c[0] != '|' {
			first = c
		}
	}
	return first
}
