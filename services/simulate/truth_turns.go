package simulate

// fadingDays is how long before the silence home exercise begins to suffer; see adherence.
const fadingDays = 25

// turns enters what a course holds beside ruptures and distress, as far as it shows before the end.
func (c Clinic) turns(co *course, sent []touch, t *PatientTruth) {
	for _, v := range co.visits {
		if v.came == attended && v.at < c.end() {
			t.Sessions, t.LastVisit = t.Sessions+1, c.time(v.at)
		}
	}
	if co.quit > 0 {
		t.FadingFrom = c.time(moment(max(co.admitted, co.quit-fadingDays)) * day)
	}
	if co.lapse > 0 {
		t.Lapse = &Stretch{From: c.time(moment(co.lapse) * day)}
	}
	if co.pause.until > 0 {
		t.Pause = &Stretch{c.time(moment(co.pause.from) * day), c.time(moment(co.pause.until) * day)}
	}
	if co.handover > 0 {
		t.Handover = &Handover{clinicianAt(co.therapist), clinicianAt(co.next), c.time(moment(co.handover) * day)}
	}
	if co.archetype == Flaps && !t.AnswersNothing {
		t.Flaps = []Flapping{{sheets[phq9].id, 10}, {sheets[srs].id, 36}}
	}
	t.WeakLink = co.weakLink()
	if co.archetype == Stalls && len(co.pains) > 0 {
		t.Stall = &Stretch{From: c.time(co.pains[0].at)}
	}
	t.PartnerWorry = c.worry(sent)
}

// weakLink compares the true levels of the dyads.
func (co *course) weakLink() *Link {
	if co.archetype != WeakLink {
		return nil
	}
	var weak, rest float64
	var seen, others int
	for _, v := range co.visits {
		switch {
		case !v.rated:
		case v.with == co.mind:
			weak, seen = weak+v.mean, seen+1
		default:
			rest, others = rest+v.mean, others+1
		}
	}
	if seen == 0 || others == 0 {
		return nil
	}
	return &Link{clinicianAt(co.mind), weak / float64(seen), rest / float64(others)}
}

// worry reads off the care partner's forms when they are reliably worse.
func (c Clinic) worry(sent []touch) *Worry {
	first := -1
	for i := range sent {
		s := &sent[i]
		if s.kind != kindProxy || s.flags&again != 0 {
			continue
		}
		total := s.answers.total(phq9)
		if first < 0 {
			first = total
		}
		if total >= first+reliableRise {
			return &Worry{first, total, c.time(s.happened)}
		}
	}
	return nil
}
