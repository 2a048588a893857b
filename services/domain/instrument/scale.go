package instrument

import (
	"iter"
	"math"
	"strconv"
	"strings"
)

// Tolerance is the difference below which two values of a score are the same.
const Tolerance = 1e-9

// Scale is how an item is answered: a list of options, or numbers From to To in steps.
type Scale struct {
	// Options, lowest ordinal first; empty when the scale is a range.
	Options []Option `json:"options,omitempty"`
	// From, To and Step of a range. Step 1 is the usual circle-a-number scale.
	From float64 `json:"from"`
	To   float64 `json:"to"`
	Step float64 `json:"step,omitempty"`
	// Blank are codes (`system|code`, or a bare code) and displays that stand for no answer, such as "does not apply".
	Blank []string `json:"blank,omitempty"`
	// Contrary says that forms in use count this scale from the other end: a weight that contradicts the coded answer is
	// then not believed.
	Contrary bool `json:"contrary,omitempty"`
	// Code of the answer list as `system|code`, where it has one.
	Code     string   `json:"code,omitempty"`
	Evidence Evidence `json:"evidence"`

	codes map[coding]float64
}

// Option is one answer.
type Option struct {
	// Ordinal as printed on the form, before any reversal.
	Ordinal float64 `json:"ordinal"`
	// Codes as `system|code`.
	Codes []string `json:"codes,omitempty"`
	// Display by which an uncoded answer is recognised. Only where the wording may ship and does not vary.
	Display string `json:"display,omitempty"`
	// Label is a gloss for people, never matched: labels vary between editions.
	Label string `json:"label,omitempty"`
}

type coding struct{ system, code string }

// Ordinal says whether x is an answer on this scale. It is never clamped nor rounded onto it.
func (s *Scale) Ordinal(x float64) (float64, bool) {
	if len(s.Options) == 0 {
		return s.inRange(x)
	}
	for i := range s.Options {
		if math.Abs(s.Options[i].Ordinal-x) < Tolerance {
			return s.Options[i].Ordinal, true
		}
	}
	return 0, false
}

func (s *Scale) inRange(x float64) (float64, bool) {
	steps := math.Round((x - s.From) / s.Step)
	on := s.From + steps*s.Step
	if steps < 0 || on > s.To+Tolerance || !(math.Abs(on-x) < Tolerance) {
		return 0, false
	}
	return clean(on), true
}

// ByCode is the ordinal of a code. Without a system the code alone must be one of the scale's; our own answer codes
// are the ordinals themselves.
func (s *Scale) ByCode(system, code string) (float64, bool) {
	if ordinal, ok := s.codes[coding{system, code}]; ok {
		return ordinal, !math.IsNaN(ordinal)
	}
	if system != "" && system != AnswerSystem {
		return 0, false
	}
	x, err := strconv.ParseFloat(code, 64)
	if err != nil || strconv.FormatFloat(x, 'f', -1, 64) != code {
		return 0, false
	}
	return s.Ordinal(x)
}

// ByDisplay is the ordinal of a display that the pack declares, whatever its case.
func (s *Scale) ByDisplay(display string) (float64, bool) {
	display = strings.TrimSpace(display)
	for i := range s.Options {
		if display != "" && strings.EqualFold(s.Options[i].Display, display) {
			return s.Options[i].Ordinal, true
		}
	}
	return 0, false
}

// All are the ordinals of the scale, lowest first.
func (s *Scale) All() iter.Seq[float64] {
	return func(yield func(float64) bool) {
		for i := range s.Options {
			if !yield(s.Options[i].Ordinal) {
				return
			}
		}
		if len(s.Options) > 0 {
			return
		}
		for i := range int(math.Round((s.To-s.From)/s.Step)) + 1 {
			if !yield(clean(s.From + float64(i)*s.Step)) {
				return
			}
		}
	}
}

// YesNo says whether the scale is 1 for yes and 0 for no, and nothing else.
func (s *Scale) YesNo() bool {
	low, high := s.Bounds()
	return low == 0 && high == 1 && (len(s.Options) == 2 || len(s.Options) == 0 && s.Step == 1)
}

// Blanked says whether a code, with or without its system, or a display stands for no answer.
func (s *Scale) Blanked(system, code, display string) bool {
	for _, blank := range s.Blank {
		if code != "" && (blank == code || blank == system+"|"+code) || display != "" && strings.EqualFold(blank, strings.TrimSpace(display)) {
			return true
		}
	}
	return false
}

// Bounds are the lowest and the highest ordinal.
func (s *Scale) Bounds() (low, high float64) {
	if len(s.Options) == 0 {
		return s.From, s.To
	}
	return s.Options[0].Ordinal, s.Options[len(s.Options)-1].Ordinal
}

// clean takes off the dust that binary fractions leave on decimals.
func clean(x float64) float64 { return math.Round(x*1e9) / 1e9 }
