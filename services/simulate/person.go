package simulate

import (
	"fmt"
	"iter"
	"time"

	"github.com/rapport-health/rapport/services/domain/ref"
)

// person is who a patient is, before anything happens.
type person struct {
	role
	index int
	// id is the logical id in the system that registers the patient.
	id string
	// site is the clinic team.
	site *site
	// therapist sees the patient, mind (a psychologist or social worker) now and then; indices into staff.
	therapist, mind, coordinator, physician uint8
	// admitted is the day of registration, counted from the opening; not a weekend.
	admitted int
	// session is the time of day of visits.
	session moment
	// rates is the alliance form: wai-sr or srs.
	rates instrument
	// dyads is true when mind sees the patient regularly too.
	dyads bool
	// extended forms name the rated clinician; the others leave it to the encounter.
	extended bool
	// numeric link ids as LOINC publishes them, instead of those of US Core.
	numeric bool
	// screening is the gap between screenings in weeks.
	screening int
	// lateRegistration sends the Patient days after the first things that refer to it. Not where a second source
	// knows the patient by the record number alone: nobody could tell that both mean the same.
	lateRegistration bool
	// partner has a RelatedPerson.
	partner bool
	// reflects says that the therapist rates visits, too.
	reflects bool
	// timed logs say how many minutes.
	timed bool
}

// source that registers the patient.
func (p *person) source() ref.Source {
	if p.dialect == bundled {
		return Annex
	}
	return EHR
}

// people are all patients in order.
func (c Clinic) people() iter.Seq[person] {
	return func(yield func(person) bool) {
		for first := 0; first < c.Patients; {
			roles := c.casting(first)
			for i, r := range roles {
				if !yield(c.person(first+i, r)) {
					return
				}
			}
			first += len(roles)
		}
	}
}

// one is a single patient.
func (c Clinic) one(index int) person {
	first, _ := blockOf(index)
	return c.person(index, c.casting(first)[index-first])
}

func (c Clinic) person(index int, r role) person {
	d := newDice(c.Seed, uint64(index), saltPerson)
	p := person{role: r, index: index, rates: waiSR, screening: 2 + d.IntN(3)}
	p.site = &sites[d.IntN(2)]
	if r.dialect == bundled {
		p.site = &sites[2]
	}
	p.therapist = p.site.therapists[d.IntN(len(p.site.therapists))]
	p.mind = p.site.minds[d.IntN(len(p.site.minds))]
	p.coordinator, p.physician = p.site.coordinator, p.site.physician
	p.admitted = c.admission(d)
	p.session = 8*hour + d.within(0, 17)*30*minute
	if r.archetype == Flaps || d.chance(0.35) {
		p.rates = srs
	}
	p.dyads = distressed(r.archetype) || d.chance(0.2)
	p.extended = r.dialect == german || d.chance(0.5)
	p.numeric = d.chance(0.5)
	if distressed(r.archetype) || r.archetype == Flaps {
		p.screening = 2
	}
	p.lateRegistration = r.dialect == usCore && d.chance(0.1)
	p.partner, p.timed = d.chance(0.12), d.chance(0.3)
	p.partner = p.partner || r.archetype == PartnerSeesMore
	p.dyads = p.dyads && r.archetype != ChangesClinician || r.archetype == WeakLink
	if r.archetype == WeakLink || r.archetype == PartSlips {
		p.rates = waiSR
	}
	p.reflects = r.dialect == usCore && d.chance(0.4)
	p.id = fmt.Sprintf("p%04d", index+1)
	if r.dialect == bundled {
		p.id = uuid(c.Seed, index, 0, 0)
	}
	return p
}

// admission spreads admissions over the first ten days, as far as there are that many.
func (c Clinic) admission(d dice) int {
	a := d.IntN(min(10, 2*c.Weeks))
	for c.weekday(a) == time.Saturday || c.weekday(a) == time.Sunday {
		a++
	}
	return a
}

// distressed archetypes see a psychologist or social worker regularly.
func distressed(a Archetype) bool {
	return a == WorseningDepression || a == SevereAtIntake || a == ItemNine || a == RecoversWell
}

// profession is a role on a care team: SNOMED CT, and Rapport's own word.
type profession struct{ snomed, word string }

var (
	physicalTherapist = profession{"36682004", "physical-therapist"}
	psychologist      = profession{"59944000", "psychologist"}
	socialWorker      = profession{"106328005", "social-worker"}
	careCoordinator   = profession{"768820003", "care-coordinator"}
	physician         = profession{"309343006", "physician"}
)

// clinician is one of the staff.
type clinician struct {
	id string
	profession
	source ref.Source
}

// staff of all sites.
var staff = [...]clinician{
	{"pt-1", physicalTherapist, EHR},
	{"pt-2", physicalTherapist, EHR},
	{"pt-3", physicalTherapist, EHR},
	{"pt-4", physicalTherapist, EHR},
	{"psych-1", psychologist, EHR},
	{"social-1", socialWorker, EHR},
	{"coord-1", careCoordinator, EHR},
	{"coord-2", careCoordinator, EHR},
	{"phys-1", physician, EHR},
	{"phys-2", physician, EHR},
	{"annex-pt-1", physicalTherapist, Annex},
	{"annex-psych-1", psychologist, Annex},
	{"annex-coord-1", careCoordinator, Annex},
	{"annex-phys-1", physician, Annex},
}

// site is a clinic team.
type site struct {
	team                   string
	source                 ref.Source
	therapists, minds      []uint8
	coordinator, physician uint8
}

// members are all clinicians of the team.
func (s *site) members() []uint8 {
	all := append([]uint8{}, s.therapists...)
	all = append(all, s.minds...)
	return append(all, s.coordinator, s.physician)
}

var sites = [...]site{
	{"spine-team", EHR, []uint8{0, 1}, []uint8{4, 5}, 6, 8},
	{"knee-team", EHR, []uint8{2, 3}, []uint8{4, 5}, 7, 9},
	{"annex-team", Annex, []uint8{10}, []uint8{11}, 12, 13},
}

// syllables of which synthetic names are made.
var syllables = [...]string{"ba", "do", "ke", "lu", "mi", "no", "ra", "su", "ti", "vo", "ze", "fa"}

// invent makes a name that nobody has: syllables and a number.
func invent(d dice, n int) string {
	name := []byte(syllables[d.IntN(len(syllables))] + syllables[d.IntN(len(syllables))] + syllables[d.IntN(len(syllables))])
	name[0] -= 'a' - 'A'
	return fmt.Sprintf("%s%d", name, n)
}

// uuid is a random-looking UUID that the parts decide.
func uuid(seed uint64, index int, k kind, n int) string {
	a := scramble(seed ^ scramble(uint64(index)<<8|uint64(k)))
	b := scramble(a ^ uint64(n))
	a = scramble(b ^ a)
	return fmt.Sprintf("%08x-%04x-4%03x-%04x-%012x", a>>32, a>>16&0xffff, a&0xfff, 0x8000|b>>48&0x3fff, b&0xffffffffffff)
}
