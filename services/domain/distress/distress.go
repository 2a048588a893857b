// Package distress lays the scores of different instruments on one profile of named parts, never one opaque number.
package distress

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/rapport-health/rapport/services/domain/trend"
)

// The parts, as scores name them.
const (
	Depression      = "depression"
	Anxiety         = "anxiety"
	Catastrophizing = "catastrophizing"
	FearOfMovement  = "fear-of-movement"
	LowSelfEfficacy = "low-self-efficacy"
	Sleep           = "sleep"
	General         = "general"
)

// The ladder, as scores name it. Missing is the level of a part that nothing has measured.
const (
	LevelNone     = "none"
	LevelMild     = "mild"
	LevelModerate = "moderate"
	LevelSevere   = "severe"
	LevelMissing  = "missing"
)

// names are the parts of every profile, in its order.
var names = [...]string{Depression, Anxiety, Catastrophizing, FearOfMovement, LowSelfEfficacy, Sleep, General}

// ladder from its lowest rung.
var ladder = [...]string{LevelNone, LevelMild, LevelModerate, LevelSevere}

// Part is one part of the profile with what is behind it.
type Part struct {
	// Name of the part.
	Name string
	// Level on the ladder; LevelMissing when nothing has measured it.
	Level string
	// Instrument behind it, and the Track of its score; zero when missing.
	Instrument string
	Track      trend.Track
}

// Missing says that nothing has measured the part.
func (p Part) Missing() bool { return p.Level == LevelMissing }

// Measured is when the part was last measured; zero when missing.
func (p Part) Measured() time.Time { return p.Track.Last.At }

// Profile holds every part once.
type Profile [len(names)]Part

// New is a profile in which every part is missing.
func New() Profile {
	var p Profile
	for i, name := range names {
		p[i] = Part{Name: name, Level: LevelMissing}
	}
	return p
}

// Add places a track on the profile when it speaks for a part. Of several instruments for one part the one measured last
// counts; at the same moment the one that stands higher on the ladder, since a two-band screen beside the whole form
// never says severe; and of two that stand alike the one whose name comes first.
func (p *Profile) Add(instrument string, t trend.Track) {
	i := slices.Index(names[:], t.Part)
	if i < 0 || t.Count == 0 || t.Level == "" {
		return
	}
	later := cmp.Or(
		t.Last.At.Compare(p[i].Measured()),
		cmp.Compare(slices.Index(ladder[:], t.Level), slices.Index(ladder[:], p[i].Level)),
		strings.Compare(p[i].Instrument, instrument),
	)
	if !p[i].Missing() && later < 0 {
		return
	}
	p[i] = Part{Name: names[i], Level: t.Level, Instrument: instrument, Track: t}
}

// Part by its name; false when the profile has no such part.
func (p *Profile) Part(name string) (Part, bool) {
	if i := slices.Index(names[:], name); i >= 0 {
		return p[i], true
	}
	return Part{}, false
}
