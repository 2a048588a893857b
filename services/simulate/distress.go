package simulate

import "math"

// mood is how distressed someone is: totals at intake and where they head, by form.
type mood struct {
	// phq at intake and at the end; it moves between the two fractions of the stay.
	from, to, begin, full float64
	// burdened people catastrophize, fear movement and trust themselves little.
	burdened bool
}

// moodOf an archetype. Only the archetypes that say so come near the severe band or change beyond error.
func (co *course) moodOf(d dice) mood {
	base := d.between(2.5, 7.5)
	switch co.archetype {
	case SteadyAtCeiling:
		base = d.between(1, 4)
	case RecoversWell:
		return mood{from: d.between(15, 17), to: 3, begin: 0.1, full: 0.8, burdened: true}
	case WorseningDepression:
		return mood{from: d.between(5, 7), to: d.between(16, 18), begin: 0.25, full: 0.7}
	case SevereAtIntake:
		return mood{from: d.between(21, 23), to: 17, begin: 0.2, full: 1, burdened: true}
	case ItemNine:
		base = d.between(10, 12)
	case RuptureUnrepaired, RuptureRepaired, GradualDecline:
		base = d.between(5, 8)
	}
	return mood{from: base, to: base, full: 1}
}

// at a fraction of the stay.
func (m mood) at(f float64) float64 {
	if m.full <= m.begin {
		return m.from
	}
	return m.from + (m.to-m.from)*max(0, min(1, (f-m.begin)/(m.full-m.begin)))
}

// screen fills in the distress forms: all at intake, two of them again at intervals, the beliefs after six weeks.
func (co *course) screen(d dice) {
	if co.archetype == AnswersNothing {
		return
	}
	m := co.moodOf(d)
	first := co.visits[0].at - 25*minute
	var days []int
	for at := dayOf(first); at < co.end-1 && co.present(at); at += 7 * co.screening {
		if !co.away(at) {
			days = append(days, at)
		}
	}
	for k, at := range days {
		when, stage := moment(at)*day+first%day, stageIntake
		if k > 0 {
			when, stage = moment(at)*day+18*hour+d.within(0, 2*hour), stageCourse
		}
		co.moodForms(d, m, when, k, stage, k > 0 && k == len(days)/2)
	}
	co.beliefForms(d, m, first, stageIntake)
	if six := dayOf(first) + 42; six < co.end-1 && co.present(six) && !co.away(six) {
		co.beliefForms(d, m, moment(six)*day+19*hour+d.within(0, hour), stageMilestone)
	}
	if co.wrongChart && len(days) > 1 {
		f := form{at: moment(days[1]+2)*day + 11*hour, kind: phq9, stage: stageWrongChart, mended: -1, wrongChart: true, crucial: true}
		d.spread(f.answers[:8], 19, 0, 3)
		co.forms = append(co.forms, f)
	}
}

// moodForms fills the phq-9 and the gad-7.
func (co *course) moodForms(d dice, m mood, when moment, k int, stage stage, midway bool) {
	level := m.at(co.progress(dayOf(when)))
	total := int(math.Round(d.about(level, 0.7)))
	if co.archetype == Flaps {
		total = 9 + 2*(k%2)
	}
	if co.archetype == SevereAtIntake && k == 0 {
		total = max(21, total)
	}
	telling := co.archetype == WorseningDepression || co.archetype == SevereAtIntake || co.archetype == ItemNine
	f := form{at: when, kind: phq9, stage: stage, mended: -1, crucial: telling}
	d.spread(f.answers[:8], max(0, total), 0, 3)
	if co.archetype == ItemNine && midway {
		f.answers[8] = 1 + int8(d.IntN(2))
	}
	co.hand(d, f)
	f = form{at: when + 4*minute, kind: gad7, stage: stage, mended: -1}
	d.spread(f.answers[:7], max(0, int(math.Round(d.about(0.7*level, 0.8)))), 0, 3)
	co.hand(d, f)
}

// beliefForms fills the pcs, tsk-11 and pseq.
func (co *course) beliefForms(d dice, m mood, when moment, stage stage) {
	ease := 0.3 * co.progress(dayOf(when))
	if co.archetype == RecoversWell {
		ease *= 2
	}
	for i, k := range []instrument{pcs, tsk11, pseq} {
		var total float64
		switch k {
		case pcs:
			total = (pick(m.burdened, 38, 17) + d.about(0, 3)) * (1 - ease)
		case tsk11:
			total = 11 + (pick(m.burdened, 23, 11)+d.about(0, 2))*(1-ease)
		case pseq:
			total = 60 - (pick(m.burdened, 42, 19)+d.about(0, 3))*(1-ease)
		}
		f := form{at: when + moment(9+3*i)*minute, kind: k, stage: stage, mended: -1}
		d.spread(f.answers[:sheets[k].items], int(math.Round(total)), sheets[k].lo, sheets[k].hi)
		co.hand(d, f)
	}
}

// hand in a form: now and then with an item left out, now and then to be changed a day later.
func (co *course) hand(d dice, f form) {
	last := sheets[f.kind].items
	if f.kind == phq9 {
		last = 8 // item 9 is always answered, so that its truth is known
	}
	item, left, mended := d.IntN(last), d.chance(0.03), d.chance(0.03)
	switch {
	case f.crucial:
	case left:
		f.answers[item] = unanswered
	case mended && f.answers[item] < sheets[f.kind].hi && co.quit == 0:
		f.mended = item
	}
	co.forms = append(co.forms, f)
}

func pick(first bool, a, b float64) float64 {
	if first {
		return a
	}
	return b
}
