package simulate

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
)

// Archetypes are all of them.
func Archetypes() []Archetype {
	return []Archetype{
		Steady, SteadyAtCeiling, RuptureRepaired, RuptureUnrepaired, GradualDecline, WorseningDepression,
		SevereAtIntake, ItemNine, FadesOut, NeverLogs, Flaps, RecoversWell, AnswersNothing,
	}
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

// block is the usual mixture: every 24 patients hold one of each role, in an order that the seed decides.
// A smaller clinic is cast from the top. About 8 % rupture and are repaired, 8 % are not.
var block = [24]role{
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

// casting is the order of the roles in one block of patients.
func (c Clinic) casting(first int) []role {
	roles := make([]role, min(len(block), c.Patients-first))
	order := newDice(c.Seed, uint64(first), saltCasting).Perm(len(roles))
	for i, o := range order {
		roles[i] = block[o]
		if len(c.Cast) > 0 {
			roles[i].archetype = c.Cast[(first+i)%len(c.Cast)]
			roles[i].wrongChart = roles[i].wrongChart && roles[i].archetype == Steady
		}
		if roles[i].archetype == ItemNine && roles[i].dialect == bundled {
			roles[i].dialect = usCore // plain score Observations have no items
		}
	}
	return roles
}
