package episode

import (
	"math"
	"slices"

	"github.com/rapport-health/rapport/services/domain/engagement"
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
	// Facts are the ids of the facts it rests on, at most maxReasonFacts, each once.
	Facts []string
	// Unconfirmed says that a number behind it rests on a key, band or error band that no source that was read confirms.
	Unconfirmed bool
}

// maxReasonFacts bounds the facts that one reason names.
const maxReasonFacts = 8

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

// reading is a number the table may look at, and the facts it rests on.
type reading struct {
	// value is false when it is not known.
	value func(*State) (float64, bool)
	facts func(*State) []string
	// unconfirmed says that it rests on a key, band or error band that no source that was read confirms; nil where it
	// rests on none.
	unconfirmed func(*State) bool
	// safety readings count after the end of a course too.
	safety bool
}

var anything = math.Inf(1)

// table is the service's own design: no threshold in it has been validated for a rehabilitation service.
// Rows are in order of weight.
var table = []row{
	{ActNow, 100, "phq-9-item-9", "PHQ-9 item 9 was answered above zero", []limit{{critical("phq-9", 9), 1, anything}}},
	{ActNow, 90, "rupture-and-low-adherence", "an alliance rupture is open, and under half of the home exercise is done", []limit{{rupture, 1, anything}, {done, 0, 50}}},
	{Discuss, 80, "rupture", "an alliance rupture is open", []limit{{rupture, 1, anything}}},
	{Discuss, 75, "drawing-back", "the patient draws back after a session that went badly", []limit{{withdrawn, 1, anything}}},
	{Discuss, 70, "phq-9", "PHQ-9 screens positive (10 or more)", []limit{{answered("phq-9", "total"), 10, anything}}},
	{Discuss, 60, "srs", "the last session was rated 36 or less on the SRS", []limit{{session("srs", "total"), 0, math.Nextafter(36, 37)}}},
	{Discuss, 55, "drop-out", "several signs of drop-out come together", []limit{{dropout, engagement.HighPoints, anything}}},
	{Discuss, 50, "adherence-low", "under 70 % of the home exercise is done", []limit{{done, 0, 70}}},
	{Watch, 45, "no-response", "depression has not responded eight weeks after its baseline", []limit{{unresponsive, 1, anything}}},
	{Watch, 40, "strain", "the alliance is strained", []limit{{strain, 1, anything}}},
	{Watch, 38, "missed-visits", "two visits in a row were missed", []limit{{missing, 2, anything}}},
	{Watch, 37, "part-divergence", "one part of the alliance has come apart from the others", []limit{{divided, 1, anything}}},
	{Watch, 36, "weak-link", "the alliance with one clinician lies far below the rest of the team", []limit{{weakest, 0, anything}}},
	{Watch, 35, "silence", "nothing was heard of the patient for longer than usual", []limit{{silent, SilenceDays, anything}}},
	{Watch, 34, "alliance-gap", "patient and another rater see the alliance very differently", []limit{{estranged, 1, anything}}},
	{Watch, 33, "partner-worry", "the care partner sees the patient's distress rise, and the patient does not say so", []limit{{worried, math.Inf(-1), anything}}},
	{Watch, 32, "exercise-lapsed", "home exercise has lapsed", []limit{{lapsed, 1, anything}}},
	{Watch, 30, "adherence-borderline", "70 to 79 % of the home exercise is done", []limit{{done, 70, 80}}},
	{Watch, 28, "stagnation", "function or pain has not changed for six weeks or six visits", []limit{{stalled, 1, anything}}},
	{Watch, 25, "safety-unknown", "a safety item was left unanswered", []limit{{unknown, 1, anything}}},
	{Watch, 20, "pcs", "pain catastrophizing is high (PCS 30 or more)", []limit{{answered("pcs", "total"), 30, anything}}},
	{Watch, 15, "milestone-overdue", "a milestone is past its date", []limit{{overdueGoals, 1, anything}}},
	{Watch, 10, "tsk-11", "fear of movement is at least moderate (TSK-11 29 or more)", []limit{{answered("tsk-11", "total"), 29, anything}}},
}

// View fuses the state into one tier with its reasons. After the end of a course only what concerns safety still counts.
func (s *State) View() View {
	v := View{Tier: Steady}
	if !s.Died.IsZero() {
		return v
	}
	for i := range table {
		r := &table[i]
		value, holds := r.holds(s)
		if !holds {
			continue
		}
		if len(v.Reasons) == 0 {
			v.Tier = r.tier
		}
		v.Reasons = append(v.Reasons, Reason{r.code, r.tier, r.weight, r.text, value, r.facts(s), r.unconfirmed(s)})
	}
	return v
}

func (r *row) holds(s *State) (first float64, holds bool) {
	for i, l := range r.limits {
		if s.Over() && !l.of.safety {
			return 0, false
		}
		value, known := l.of.value(s)
		if !known || value < l.from || value >= l.below {
			return 0, false
		}
		if i == 0 {
			first = value
		}
	}
	return first, true
}

func (r *row) unconfirmed(s *State) bool {
	return slices.ContainsFunc(r.limits, func(l limit) bool { return l.of.unconfirmed != nil && l.of.unconfirmed(s) })
}

// facts behind all of the row's readings, each once.
func (r *row) facts(s *State) (ids []string) {
	for _, l := range r.limits {
		for _, id := range l.of.facts(s) {
			if id != "" && !slices.Contains(ids, id) && len(ids) < maxReasonFacts {
				ids = append(ids, id)
			}
		}
	}
	return ids
}
