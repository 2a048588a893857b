package rules

import (
	"slices"

	"github.com/rapport-health/rapport/services/domain/fact"
)

// What a band says of a screen.
const (
	screenPositive = "positive"
	screenSevere   = "severe"
)

// screens are what the bands of instruments say, by the words that they use for them: from the cut on `positive`, in the
// band that is named severe `severe`. The words are those of services/domain/instrument/packs.
var screens = map[string]string{
	"positive": screenPositive, "moderate": screenPositive, "moderately-severe": screenPositive, "high": screenPositive,
	"elevated": screenPositive,
	"severe":   screenSevere, "extremely-severe": screenSevere, "very-high": screenSevere, "serious": screenSevere,
}

// odd are the instruments whose bands mean something else by these words, by band.
var odd = map[string]map[string]string{
	// The cut of the K6 is 13 (Kessler 2003), of the K10 the band high, from 22 (ABS).
	"k6":  {"moderate": ""},
	"k10": {"moderate": ""},
	// Of two items the low band is the cut; there is no severe one.
	"pseq-2": {"low": screenPositive},
}

// unscreened have bands that say how much, and no cut.
var unscreened = []string{"ndi", "odi", "groc", "pgic", "srs"}

// screen is what a band says: screenPositive, screenSevere, or empty.
func screen(instrument, band string) string {
	if band == "" || slices.Contains(unscreened, instrument) {
		return ""
	}
	if said, is := odd[instrument][band]; is {
		return said
	}
	return screens[band]
}

// single picks the scores of a sheet that rules ask for one by one.
func (v *Sheet) single() {
	positive, before := false, false
	for i := range v.Scores {
		s := &v.Scores[i]
		if v.Worsened == nil && s.SinceFirst != nil && s.SinceFirst.Worse {
			v.Worsened = s
		}
		if v.Severe == nil && s.Screen == screenSevere {
			v.Severe = s
		}
		if v.Positive == nil && s.Screen == screenPositive && s.ScreenBefore == "" {
			v.Positive = s
		}
		positive = positive || s.Screen != ""
		before = before || s.ScreenBefore != ""
	}
	switch {
	case !v.Known || positive:
	case before || v.Count < 2:
		v.Clear = 1
	default:
		v.Clear = 2
	}
}

// viewDiscrepancy is the first score that was sent otherwise than its answers give; nil when none was.
func viewDiscrepancy(s *fact.Scores) *Discrepancy {
	if s.Discrepancy == nil {
		return nil
	}
	v := &Discrepancy{Known: true, Code: s.DiscrepancyOf, Submitted: *s.Discrepancy}
	if ours := s.Value(s.DiscrepancyOf); ours != nil {
		v.Scorable, v.Ours = true, *ours
	}
	return v
}
