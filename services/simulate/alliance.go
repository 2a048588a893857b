package simulate

import "math"

// The parts of the alliance, and the wai-sr items that rate them (0-based).
var allianceParts = [3][4]int{
	{0, 1, 9, 11}, // task
	{2, 4, 6, 8},  // bond
	{3, 5, 7, 10}, // goal
}

// rapport is the true alliance of one dyad on the 1 to 5 scale of the wai-sr means.
type rapport struct {
	base, wobble float64
	// weight is how much of a fall each part takes; they average 1.
	weight [3]float64
	depth  float64
	// ratings so far, and the rating at which something happens.
	ratings, onset int
}

// usual is a dyad in which nothing happens.
func usual(d dice) rapport {
	return rapport{base: d.between(3.95, 4.5), wobble: 0.06, weight: [3]float64{1, 1, 1}}
}

// therapy is the dyad of patient and physical therapist.
func (co *course) therapy(d dice) rapport {
	r := usual(d)
	r.depth = d.between(0.95, 1.25)
	if d.chance(0.5) { // the bond holds, tasks and goals do not
		r.weight = [3]float64{1.45, 0.25, 1.3}
	}
	switch co.archetype {
	case Steady:
		r.wobble = 0.03
	case SteadyAtCeiling:
		r.base, r.wobble = 5, 0
	case RuptureRepaired, RuptureUnrepaired:
		r.base, r.onset = d.between(4.1, 4.5), 5+d.IntN(3)
	case PartSlips:
		r.base, r.onset = d.between(4.2, 4.5), 5+d.IntN(3)
	case GradualDecline:
		r.base, r.wobble, r.onset = 4.5, 0.015, 4+d.IntN(2)
		r.weight = [3]float64{1, 1, 1}
	case Flaps:
		r.base, r.wobble = 4, 0
	}
	return r
}

// team are the dyads of a patient by clinician.
type team struct {
	main, other, coordinator, next rapport
}

// bonds are the dyads of the course. Whom only some archetypes see is decided by other dice.
func (co *course) bonds(d, more dice) team {
	t := team{main: co.therapy(d), other: usual(d)}
	switch co.archetype {
	case Steady, SteadyAtCeiling:
		t.other = t.main
	case WeakLink:
		t.main.base, t.coordinator = more.between(4.3, 4.6), usual(more)
		t.other.base, t.other.wobble = more.between(2.9, 3.3), 0.05
	case ChangesClinician:
		t.next = usual(more)
		t.next.base = t.main.base - more.between(0.1, 0.5)
	}
	if co.lifelike {
		t.blur(co, more)
	}
	return t
}

// blur makes ratings as uncertain and people as different as those of the WAI-SR are said to be (a standard deviation of
// 0.75 points of the mean, 0.2 of them error), and some ruptures shallow.
func (t *team) blur(co *course, more dice) {
	t.main.depth = more.between(0.6, 1.3)
	if co.archetype == SteadyAtCeiling || co.archetype == Flaps {
		return
	}
	own, begun := more.about(4.1, 0.65), t.main.base
	for _, r := range []*rapport{&t.main, &t.other, &t.coordinator, &t.next} {
		switch {
		case co.archetype == WeakLink:
		case r == &t.next:
			r.base += t.main.base - begun
		default:
			r.base = max(2.6, min(4.9, own+more.about(0, 0.25)))
		}
		r.wobble = more.between(0.12, 0.25)
		if co.archetype == Steady {
			r.wobble = more.between(0.06, 0.14)
		}
	}
}

// with a clinician.
func (t *team) with(co *course, who uint8) *rapport {
	switch {
	case who == co.therapist:
		return &t.main
	case co.handover > 0 && who == co.next:
		return &t.next
	case co.archetype == WeakLink && who == co.coordinator:
		return &t.coordinator
	}
	return &t.other
}

// rate lets the patient rate the attended visits from the second on.
func (co *course) rate(d, more dice) {
	bonds := co.bonds(d, more)
	number := 0
	for i := range co.visits {
		v := &co.visits[i]
		dyad := bonds.with(co, v.with)
		inEpisode := dyad.onset > 0 && dyad.ratings+1 >= dyad.onset
		telling := inEpisode && dyad.ratings < dyad.onset+4
		if co.lifelike {
			telling = inEpisode && dyad.ratings < dyad.onset
		}
		if telling {
			v.came, v.crucial = attended, true
		} else if inEpisode && co.archetype == RuptureUnrepaired && d.chance(0.3) {
			v.came = missed
		}
		if v.came != attended {
			continue
		}
		number++
		v.number = number
		if number < 2 || co.archetype == AnswersNothing || !v.crucial && !d.chance(0.93) {
			continue
		}
		dyad.ratings++
		since := dyad.ratings - dyad.onset
		co.mark(i, dyad, since)
		v.mark(d, co, dyad, since)
	}
}

// mark notes where the rupture or decline begins and where it is repaired.
func (co *course) mark(i int, dyad *rapport, since int) {
	if dyad.onset == 0 || since < 0 {
		return
	}
	if since == 0 {
		co.rupture = &span{first: i}
	}
	if since == 2 && co.archetype == RuptureRepaired {
		co.rupture.last = i
	}
}

// offset is how far below the usual level the dyad is, so many ratings after the onset.
func (co *course) offset(dyad *rapport, since int) float64 {
	if dyad.onset == 0 || since < 0 {
		return 0
	}
	switch co.archetype {
	case RuptureRepaired:
		switch since {
		case 0:
			return -dyad.depth
		case 1:
			return -0.55 * dyad.depth
		}
		return 0.08
	case RuptureUnrepaired:
		return -dyad.depth * []float64{1, 0.92, 1.05}[since%3]
	case GradualDecline:
		return -min(1.7, 0.22*float64(since+1))
	}
	return 0
}

// mark fills the alliance form of a visit.
func (v *visit) mark(d dice, co *course, dyad *rapport, since int) {
	v.rated = true
	slip := co.slip(dyad, since)
	off := co.offset(dyad, since) + d.about(0, dyad.wobble)
	if co.archetype == Flaps {
		off = 0.07 - 0.14*float64(dyad.ratings%2)
	}
	v.mean = max(1, min(5, dyad.base+off-slip/3))
	if co.rates == srs {
		co.markSRS(d, v, dyad.base)
	} else {
		markWAI(d, v, dyad, off, slip)
	}
	halfFilled := co.quit > 0 && dayOf(v.at) >= co.quit-14 && d.chance(0.5)
	switch {
	case halfFilled:
		for i := sheets[co.rates].items / 2; i < sheets[co.rates].items; i++ {
			v.answers[i] = unanswered
		}
	case !v.crucial && co.archetype != SteadyAtCeiling && d.chance(0.03):
		v.answers[d.IntN(sheets[co.rates].items)] = unanswered
	}
}

// slip is how far the tasks alone lie down, so many ratings after the onset.
func (co *course) slip(dyad *rapport, since int) float64 {
	if co.archetype != PartSlips || dyad.onset == 0 || since < 0 {
		return 0
	}
	return 1
}

// markWAI spreads each part over its own four items; slip is how much lower the tasks lie than the rest.
func markWAI(d dice, v *visit, dyad *rapport, off, slip float64) {
	var four [4]int8
	for part, items := range allianceParts {
		o := off
		if off < -0.3 {
			o *= dyad.weight[part]
		}
		if part == 0 {
			o -= slip
		}
		d.spread(four[:], int(math.Round(4*(dyad.base+o))), 1, 5)
		for i, item := range items {
			v.answers[item] = four[i]
		}
	}
}

// markSRS puts a usual level a little above the cut of 36, and eight points to one point of the wai-sr mean.
func (co *course) markSRS(d dice, v *visit, base float64) {
	spread := 2.0
	if co.lifelike {
		spread = 5 // a standard deviation of nearly 4 points of 40
	}
	total := 38 + (base-4.2)*spread + 8*(v.mean-base)
	switch co.archetype {
	case SteadyAtCeiling:
		total = 40
	case Flaps:
		total = 36 + 8*(v.mean-base) // half a point either side of the cut
	}
	d.spread(v.answers[:4], int(math.Round(10*total)), 0, 100)
}
