package simulate

import (
	"cmp"
	"slices"
)

// Archetype is the kind of course that a patient takes.
type Archetype string

// The archetypes.
const (
	// Steady people rate alike from visit to visit, exercise, and keep their appointments.
	Steady Archetype = "steady"
	// SteadyAtCeiling people give the highest marks throughout.
	SteadyAtCeiling Archetype = "steady-at-ceiling"
	// RuptureRepaired people fall in one dyad and are back at their usual level two ratings later.
	RuptureRepaired Archetype = "rupture-repaired"
	// RuptureUnrepaired people fall in one dyad and stay down; home exercise lapses after it.
	RuptureUnrepaired Archetype = "rupture-unrepaired"
	// GradualDecline people lose a little at every rating.
	GradualDecline Archetype = "gradual-decline"
	// WorseningDepression people rise on the PHQ-9 beyond measurement error.
	WorseningDepression Archetype = "worsening-depression"
	// SevereAtIntake people screen severe on the first day.
	SevereAtIntake Archetype = "severe-at-intake"
	// ItemNine people answer PHQ-9 item 9 above zero once, in mid-course.
	ItemNine Archetype = "item-nine"
	// FadesOut people log less, miss visits, and fall silent.
	FadesOut Archetype = "fades-out"
	// NeverLogs people come and rate, but log no home exercise.
	NeverLogs Archetype = "never-logs"
	// Flaps people swing around a cut-off without any change that is beyond error.
	Flaps Archetype = "flaps"
	// RecoversWell people come distressed and leave well.
	RecoversWell Archetype = "recovers-well"
	// AnswersNothing people come and exercise, but fill in no form.
	AnswersNothing Archetype = "answers-nothing"
	// HEPLapse people come, rate and are content, but give the home exercise up in mid-course.
	HEPLapse Archetype = "hep-lapse"
	// PausesByChoice people agree on a pause of some weeks and come back after it.
	PausesByChoice Archetype = "pause-by-choice"
	// ChangesClinician people get another therapist in mid-course, with whom the alliance begins anew.
	ChangesClinician Archetype = "clinician-change"
	// PartnerSeesMore people say that they are as well as ever, while their care partner sees their distress rise.
	PartnerSeesMore Archetype = "partner-sees-more"
	// WeakLink people are seen by several of a team and get on with all of them but one, from the first day on.
	WeakLink Archetype = "weak-link"
	// PartSlips people go on liking their therapist, and agree less and less on what to do: one part of the alliance falls and
	// the others hold.
	PartSlips Archetype = "part-slips"
	// Stalls people come and exercise, and their pain stays as it is.
	Stalls Archetype = "stalls"
)

// Archetypes are all of them.
func Archetypes() []Archetype {
	return []Archetype{
		Steady, SteadyAtCeiling, RuptureRepaired, RuptureUnrepaired, GradualDecline, WorseningDepression,
		SevereAtIntake, ItemNine, FadesOut, NeverLogs, Flaps, RecoversWell, AnswersNothing,
		HEPLapse, PausesByChoice, ChangesClinician, PartnerSeesMore, WeakLink, PartSlips, Stalls,
	}
}

// atHome says that such a course is only told in the home system: it needs forms with items, episodes of care, or a
// second therapist.
func (a Archetype) atHome() bool {
	switch a {
	case ItemNine, PausesByChoice, ChangesClinician, PartnerSeesMore, WeakLink, PartSlips, Stalls:
		return true
	}
	return false
}

// Quiet says that a good set of rules raises nothing for such a patient.
func (a Archetype) Quiet() bool { return a == Steady || a == SteadyAtCeiling }

// dialect is how a patient's resources are written.
type dialect uint8

const (
	// usCore writes LOINC canonicals, link ids and answer codes.
	usCore dialect = iota
	// flowsheet writes relative questionnaire references, decimals for answers and the total as text, as Epic does.
	flowsheet
	// german writes answers without a code system, from a separate server that knows record numbers only.
	german
	// bundled writes transaction Bundles with urn:uuid references and plain score Observations, as Synthea does.
	bundled
)

// role is an archetype with the dialect in which it is told.
type role struct {
	archetype Archetype
	dialect   dialect
	// wrongChart patients get another person's form for a day.
	wrongChart bool
}

// head are the first patients of every clinic, in an order that the seed decides: as much as so few can show. A smaller
// clinic is cast from the top.
var head = []role{
	{archetype: RuptureUnrepaired, dialect: usCore},
	{archetype: ItemNine, dialect: usCore},
	{archetype: Steady, dialect: usCore, wrongChart: true},
	{archetype: FadesOut, dialect: usCore},
	{archetype: RuptureRepaired, dialect: usCore},
	{archetype: WorseningDepression, dialect: flowsheet},
	{archetype: SteadyAtCeiling, dialect: usCore},
	{archetype: SevereAtIntake, dialect: usCore},
	{archetype: Steady, dialect: german},
	{archetype: GradualDecline, dialect: flowsheet},
	{archetype: RecoversWell, dialect: bundled},
	{archetype: NeverLogs, dialect: usCore},
	{archetype: Flaps, dialect: usCore},
	{archetype: Steady, dialect: flowsheet},
	{archetype: AnswersNothing, dialect: usCore},
	{archetype: RuptureUnrepaired, dialect: german},
	{archetype: SteadyAtCeiling, dialect: bundled},
	{archetype: RuptureRepaired, dialect: flowsheet},
	{archetype: FadesOut, dialect: german},
	{archetype: RecoversWell, dialect: usCore},
	{archetype: Steady, dialect: bundled},
	{archetype: SteadyAtCeiling, dialect: usCore},
	{archetype: Steady, dialect: usCore},
	{archetype: Steady, dialect: usCore},
}

// share is how often an archetype stands in a block.
type share struct {
	archetype Archetype
	count     int
}

// shares make up the blocks that follow the head. Their base rates are those of Larsson 2016 (n = 605): of 150 patients 22
// have a rupture that is repaired (14.7 %) and 16 one that is not (10.7 %). A tenth fades out. The rest is our own guess at a
// clinic in which most people do well.
var shares = [...]share{
	{RuptureRepaired, 22},
	{RuptureUnrepaired, 16},
	{GradualDecline, 5},
	{WorseningDepression, 6},
	{SevereAtIntake, 3},
	{ItemNine, 2},
	{FadesOut, 15},
	{NeverLogs, 3},
	{Flaps, 5},
	{RecoversWell, 14},
	{AnswersNothing, 5},
	{HEPLapse, 7},
	{PausesByChoice, 4},
	{ChangesClinician, 4},
	{PartnerSeesMore, 3},
	{WeakLink, 3},
	{SteadyAtCeiling, 15},
	{Steady, 18},
}

// recast are the steady people of a block who are cast otherwise, by their number. They came late to the cast: so
// everybody else stays who they were, whatever the seed.
var recast = map[int]Archetype{2: PartSlips, 5: Stalls, 8: PartSlips, 11: Stalls, 14: PartSlips, 17: Stalls}

// block is every so many patients after the head, likewise in an order that the seed decides.
var block = mixed()

// dialects of a block, in turn.
var dialects = [...]dialect{usCore, flowsheet, usCore, bundled, usCore, german, usCore, flowsheet, usCore}

// mixed deals the roles out evenly, so that the top of the block is mixed as the whole is.
func mixed() []role {
	type seat struct {
		archetype Archetype
		at        float64
	}
	var seats []seat
	for _, s := range shares {
		for i := range s.count {
			seats = append(seats, seat{s.archetype, (float64(i) + 0.5) / float64(s.count)})
		}
	}
	slices.SortStableFunc(seats, func(a, b seat) int { return cmp.Compare(a.at, b.at) })
	steady := 0
	for i := range seats {
		if seats[i].archetype == Steady {
			seats[i].archetype = cmp.Or(recast[steady], Steady)
			steady++
		}
	}
	roles := make([]role, len(seats))
	for i, s := range seats {
		roles[i] = role{archetype: s.archetype, dialect: dialects[i%len(dialects)]}
	}
	return roles
}

// blockOf a patient: the index of its first, and its roles.
func blockOf(index int) (first int, roles []role) {
	if index < len(head) {
		return 0, head
	}
	return index - (index-len(head))%len(block), block
}

// casting is the order of the roles in the block of patients that begins with first.
func (c Clinic) casting(first int) []role {
	_, all := blockOf(first)
	roles := make([]role, min(len(all), c.Patients-first))
	order := newDice(c.Seed, uint64(first), saltCasting).Perm(len(roles))
	for i, o := range order {
		roles[i] = all[o]
		if len(c.Cast) > 0 {
			roles[i].archetype = c.Cast[(first+i)%len(c.Cast)]
			roles[i].wrongChart = roles[i].wrongChart && roles[i].archetype == Steady
		}
		if roles[i].archetype.atHome() && roles[i].dialect != flowsheet {
			roles[i].dialect = usCore
		}
	}
	return roles
}
