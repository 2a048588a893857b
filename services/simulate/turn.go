package simulate

// turn decides on the turns that a course takes beside what the patient feels: a lapse, a pause, a handover.
func (co *course) turn(d dice) {
	stayed := co.end - co.admitted
	at := co.admitted + int(d.between(0.4, 0.6)*float64(stayed))
	if stayed < 35 { // too short for anything to be told apart
		return
	}
	switch co.archetype {
	case HEPLapse:
		co.lapse = at
	case PausesByChoice:
		co.pause = stay{at, at + 14 + d.IntN(15)}
	case ChangesClinician:
		co.handover, co.next = at, co.therapist
		for _, t := range co.site.therapists {
			if t != co.therapist {
				co.next = t
			}
		}
	}
}

// other is a form that somebody else than the patient filled in: the clinician after a visit, or the care partner.
type other struct {
	at   moment
	kind instrument
	// visit that was rated, by index; -1 for the care partner's.
	visit int
	answers
}

// observe fills in the forms of the others. Clinicians rate every third visit; most see less of a fall than the
// patient does.
func (co *course) observe(d dice) {
	if co.rates == waiSR && co.reflects {
		own := rapport{base: d.between(3.9, 4.5), weight: [3]float64{1, 1, 1}}
		for i := range co.visits {
			v := &co.visits[i]
			if v.came != attended || v.with != co.therapist || v.number%3 != 0 {
				continue
			}
			f := other{at: v.at + 3*hour, kind: waiSR, visit: i}
			off := d.about(0, 0.05)
			if r := co.rupture; r != nil && i >= r.first && (r.last == 0 || i < r.last) {
				off -= 0.3
			}
			rated := visit{}
			markWAI(d, &rated, &own, off, 0)
			f.answers = rated.answers
			co.others = append(co.others, f)
		}
	}
	if co.archetype != PartnerSeesMore {
		return
	}
	worry := mood{from: 5, to: d.between(16, 19), begin: 0.25, full: 0.7}
	first := dayOf(co.visits[0].at) + 1
	for at := first; at < co.end-1; at += 14 {
		f := other{at: moment(at)*day + 20*hour + d.within(0, hour), kind: phq9, visit: -1}
		d.spread(f.answers[:8], int(d.about(worry.at(co.progress(at)), 0.6)+0.5), 0, 3)
		co.others = append(co.others, f)
	}
}

// hurt is pain as it was told at a visit, 0 to 10.
type hurt struct {
	at    moment
	level int8
}

// ache asks those whose pain tells something how much it hurts, every other week at a visit: of people who stall it stays
// within a point, of those who recover it goes.
func (co *course) ache(d dice) {
	if co.archetype != Stalls && co.archetype != RecoversWell {
		return
	}
	begun := 5 + d.IntN(3)
	for _, v := range co.visits {
		if n := len(co.pains); v.came != attended || n > 0 && v.at < co.pains[n-1].at+13*day {
			continue
		}
		level := begun - d.IntN(2)
		if co.archetype == RecoversWell {
			level = int(max(0, float64(begun)*(1-2*co.progress(dayOf(v.at)))) + 0.5)
		}
		co.pains = append(co.pains, hurt{v.at + 10*minute, int8(level)})
	}
}
