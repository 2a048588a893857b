package episode

import (
	"math"

	"github.com/rapport-health/rapport/services/domain/alliance"
)

// Tier is the fused view in one word.
type Tier string

// The tiers, most urgent first.
const (
	ActNow  Tier = "act-now"
	Discuss Tier = "discuss"
	Watch   Tier = "watch"
	Steady  Tier = "steady"
)

// View is the fused view: a tier, and every reason for it.
type View struct {
	// Tier of the heaviest reason; Steady when there is none.
	Tier Tier
	// Reasons, heaviest first.
	Reasons []Reason
}

// Reason is one row of the table that holds.
type Reason struct {
	// Code of the row.
	Code string
	// Tier it asks for.
	Tier Tier
	// Weight orders reasons; more is heavier.
	Weight int
	// Text says it in words.
	Text string
	// Value is the number behind it, the first when there are several.
	Value float64
	// Unconfirmed says that a number behind it rests on a key, band or error band that no source that was read confirms.
	Unconfirmed bool
}

// row holds when all its limits do.
type row struct {
	tier   Tier
	weight int
	code   string
	text   string
	limits []limit
}

// limit holds when its reading is known and in [from, below).
type limit struct {
	of          reading
	from, below float64
}

// reading is a number the table may look at.
type reading func(*State) seen

// seen is what a reading finds.
type seen struct {
	value       float64
	known       bool
	unconfirmed bool
}

var anything = math.Inf(1)

// table is the service's own design: no threshold in it has been validated for a rehabilitation service.
// Rows are in order of weight.
var table = []row{
	{ActNow, 100, "phq-9-item-9", "PHQ-9 item 9 was answered above zero", []limit{{critical("phq-9", 9), 1, anything}}},
	{ActNow, 90, "rupture-and-low-adherence", "an alliance rupture is open, and under half of the home exercise is done", []limit{{ruptures, 1, anything}, {completion, 0, 50}}},
	{Discuss, 80, "rupture", "an alliance rupture is open", []limit{{ruptures, 1, anything}}},
	{Discuss, 75, "drawing-back", "the patient draws back after a session that went badly", []limit{{drawnBack, 1, anything}}},
	{Discuss, 70, "phq-9", "PHQ-9 screens positive (10 or more)", []limit{{score("phq-9", "total"), 10, anything}}},
	{Discuss, 60, "srs", "the last session was rated 36 or less on the SRS", []limit{{session("srs", "total"), 0, math.Nextafter(36, 37)}}},
	{Discuss, 50, "adherence-low", "under 70 % of the home exercise is done", []limit{{completion, 0, 70}}},
	{Watch, 40, "strain", "the alliance is strained", []limit{{strains, 1, anything}}},
	{Watch, 38, "part-divergence", "one part of the alliance has come apart from the others", []limit{{apart, 1, anything}}},
	{Watch, 37, "weak-link", "the alliance with one clinician lies far below the rest of the team", []limit{{weakLink, 0, anything}}},
	{Watch, 36, "alliance-gap", "patient and another rater see the alliance very differently", []limit{{wideGaps, 1, anything}}},
	{Watch, 35, "silence", "nothing was heard of the patient for two weeks", []limit{{silentDays, SilenceDays, anything}}},
	{Watch, 30, "adherence-borderline", "70 to 79 % of the home exercise is done", []limit{{completion, 70, 80}}},
	{Watch, 25, "safety-unknown", "a safety item was left unanswered", []limit{{unknowns, 1, anything}}},
	{Watch, 20, "pcs", "pain catastrophizing is high (PCS 30 or more)", []limit{{score("pcs", "total"), 30, anything}}},
	{Watch, 10, "tsk-11", "fear of movement is at least moderate (TSK-11 29 or more)", []limit{{score("tsk-11", "total"), 29, anything}}},
}

// View fuses the state into one tier with its reasons.
func (s *State) View() View {
	v := View{Tier: Steady}
	for i := range table {
		first, holds := table[i].holds(s)
		if !holds {
			continue
		}
		if len(v.Reasons) == 0 {
			v.Tier = table[i].tier
		}
		v.Reasons = append(v.Reasons, Reason{table[i].code, table[i].tier, table[i].weight, table[i].text, first.value, first.unconfirmed})
	}
	return v
}

// holds gives the first number, with the doubts about any of them.
func (r *row) holds(s *State) (first seen, holds bool) {
	for i, l := range r.limits {
		now := l.of(s)
		if !now.known || now.value < l.from || now.value >= l.below {
			return seen{}, false
		}
		if i == 0 {
			first = now
		}
		first.unconfirmed = first.unconfirmed || now.unconfirmed
	}
	return first, true
}

func critical(instrument string, item int) reading {
	return func(s *State) seen {
		for _, c := range s.Critical {
			if c.Instrument == instrument && c.Item == item {
				return seen{value: c.Value, known: true}
			}
		}
		return seen{}
	}
}

func score(instrument, code string) reading {
	return func(s *State) seen {
		i := s.Instrument(instrument, patient)
		if i == nil {
			return seen{}
		}
		t, ok := i.Track(code)
		return seen{t.Last.Value, ok, t.Last.Unconfirmed}
	}
}

// session is the lowest last rating among the patient's dyads.
func session(instrument, code string) reading {
	return func(s *State) (lowest seen) {
		for _, d := range s.Dyads {
			if d.Instrument != instrument || d.Rater != patient {
				continue
			}
			if t, ok := d.Track(code); ok && (!lowest.known || t.Last.Value < lowest.value) {
				lowest = seen{t.Last.Value, true, t.Last.Unconfirmed}
			}
		}
		return lowest
	}
}

func ruptures(s *State) seen {
	return dyads(s, func(d *alliance.Dyad) bool { return d.Chart.Open() })
}

func strains(s *State) seen {
	return dyads(s, func(d *alliance.Dyad) bool { return d.Event == alliance.Strain })
}

// dyads counts those that are meant. It is unconfirmed when each of them is.
func dyads(s *State, meant func(*alliance.Dyad) bool) seen {
	n := seen{known: true, unconfirmed: true}
	for _, d := range s.Dyads {
		if meant(d) {
			n.value++
			n.unconfirmed = n.unconfirmed && d.Unconfirmed()
		}
	}
	return n
}

// completion is that of the last closed window, while the programme it tells of is going on.
func completion(s *State) seen {
	w, ok := s.Completed()
	if !ok {
		return seen{}
	}
	percent, known := w.Completion()
	return seen{value: percent, known: known}
}

func silentDays(s *State) seen {
	if !s.Silent() {
		return seen{}
	}
	return seen{value: math.Floor(s.Now.Sub(s.SilentFrom()).Hours() / 24), known: true}
}

func unknowns(s *State) seen {
	n := seen{known: true}
	for _, i := range s.Instruments {
		n.value += float64(len(i.SafetyUnknown))
	}
	return n
}
