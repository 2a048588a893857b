package simulate

import "cmp"

// kind of a thing that is sent.
type kind uint8

const (
	kindPatient kind = iota + 1
	kindPartner
	kindTeam
	kindGoal
	kindPrescription
	kindAppointment
	kindEncounter
	kindRating
	kindForm
	kindLog
	kindReflection
	kindProxy
	kindEpisode
	kindPain
)

// touch is one sending: what the writer needs to write it, and no more, for a window holds very many.
type touch struct {
	sent, happened moment
	// written is when the sender stored this version: when it was first sent.
	written moment
	// until is when something ends: a visit, a prescription.
	until   moment
	patient int32
	// number tells the things of one kind apart.
	number uint16
	kind   kind
	form   instrument
	// version of the resource, from 1.
	version uint8
	stage   stage
	came    attendance
	with    uint8
	// count: sessions a week of a prescription, sessions done of a log, the prescription's number of a log.
	count, dose uint8
	flags       flags
	answers     answers
}

// stage says what a version of a resource is about.
type stage uint8

const (
	stageNone stage = iota
	stageIntake
	stageCourse
	stageMilestone
	stageWrongChart
	stageWithdrawn
	stageAmended
	stageBooked
	stageClosed
	stageRaised
	stageAchieved
	stageMissedGoal
	stagePaused
	stageResumed
	stageHandedOver
)

var stageNotes = [...]string{
	"", "intake", "course", "milestone", "wrong chart", "entered in error", "amended", "booked", "closed", "raised",
	"achieved", "not achieved", "paused", "resumed", "handed over",
}

type flags uint8

const (
	again flags = 1 << iota
	late
	withRating // a bundled visit carries its rating
)

// compare orders by sending; the rest only makes the order total.
func (t touch) compare(o touch) int {
	return cmp.Or(
		cmp.Compare(t.sent, o.sent), cmp.Compare(t.patient, o.patient), cmp.Compare(t.kind, o.kind),
		cmp.Compare(t.form, o.form), cmp.Compare(t.number, o.number), cmp.Compare(t.version, o.version),
		cmp.Compare(t.flags, o.flags),
	)
}

// postman appends a patient's sendings, some late and some twice.
type postman struct {
	d       dice
	co      *course
	end     moment
	touches []touch
}

// post appends all that is sent about one course before the end of the watch.
func post(touches []touch, c Clinic, co *course) []touch {
	p := postman{newDice(c.Seed, uint64(co.index), saltPost), co, c.end(), touches}
	p.register()
	for i := range co.visits {
		p.visit(i)
	}
	for i := range co.forms {
		p.form(i)
	}
	for i, l := range co.logs {
		t := touch{happened: l.at, kind: kindLog, number: uint16(i + 1), version: 1, dose: uint8(l.dose)}
		if l.done {
			t.count = 1
		}
		p.report(t, true)
	}
	p.d = newDice(c.Seed, uint64(co.index), saltOthers+2)
	p.episode()
	p.others()
	for i, h := range co.pains {
		p.send(touch{happened: h.at, kind: kindPain, number: uint16(i + 1), version: 1, count: uint8(h.level)}, 30*minute)
	}
	return p.touches
}

// episode sends the episode of care where the dialect knows one, with its pause, and the care team after a handover.
func (p *postman) episode() {
	co := p.co
	if co.dialect == bundled {
		return
	}
	begun := moment(co.admitted)*day + 8*hour + moment(co.index%30)*minute
	t := touch{happened: begun, kind: kindEpisode, version: 1}
	p.send(t, 2*minute)
	if co.pause.until > 0 {
		t.until = moment(co.pause.from)*day + 9*hour
		t.version, t.stage = 2, stagePaused
		p.send(t, t.until-begun)
		t.version, t.stage = 3, stageResumed
		p.send(t, moment(co.pause.until)*day+9*hour-begun)
	}
	if co.handover > 0 {
		t = touch{happened: moment(co.handover)*day + 7*hour, kind: kindTeam, version: 2, stage: stageHandedOver, with: co.next}
		p.send(t, minute)
	}
}

// others sends what clinicians and care partners filled in.
func (p *postman) others() {
	for i, f := range p.co.others {
		t := touch{happened: f.at, kind: kindProxy, form: f.kind, number: uint16(i + 1), version: 1, answers: f.answers}
		if f.visit >= 0 {
			t.kind, t.number, t.with = kindReflection, uint16(f.visit+1), p.co.visits[f.visit].with
		}
		p.report(t, true)
	}
}

// report posts what a patient filled in: minutes later as a rule, days later for a few.
func (p *postman) report(t touch, mayBeLate bool) {
	delay := p.delay(mayBeLate)
	if delay > day {
		t.flags |= late
	}
	p.send(t, delay)
}

// send posts a touch some time after it happened.
func (p *postman) send(t touch, delay moment) {
	t.patient, t.sent, t.written = int32(p.co.index), t.happened+delay, t.happened+delay
	if t.sent >= p.end {
		return
	}
	p.touches = append(p.touches, t)
	if p.d.chance(0.015) && p.co.quit == 0 {
		t.sent += p.d.within(10*minute, 48*hour)
		t.flags |= again
		if t.sent < p.end {
			p.touches = append(p.touches, t)
		}
	}
}

// delay of a sending: minutes as a rule, days for a few. What a fading patient sends is never late,
// so that silence begins on its day.
func (p *postman) delay(mayBeLate bool) moment {
	if mayBeLate && p.co.quit == 0 && p.d.chance(0.04) {
		return p.d.within(26*hour, 5*day)
	}
	return p.d.within(minute, 25*minute)
}

// register sends what is known of a patient from the first day.
func (p *postman) register() {
	co := p.co
	at := moment(co.admitted)*day + 8*hour + moment(co.index%30)*minute
	delay := moment(0)
	if co.lateRegistration {
		delay = 3 * day
	}
	p.send(touch{happened: at, kind: kindPatient, version: 1}, delay)
	if co.dialect != bundled { // there the team comes with the patient
		p.send(touch{happened: at, kind: kindTeam, version: 1}, minute)
	}
	if co.partner {
		p.send(touch{happened: at, kind: kindPartner, version: 1}, 10*minute)
	}
	for i, d := range co.doses {
		t := touch{happened: d.at, kind: kindPrescription, number: uint16(i + 1), version: 1, count: uint8(d.perWeek)}
		if i > 0 {
			t.stage = stageRaised
		}
		p.send(t, 2*minute)
		if i == 0 && co.pause.until > 0 {
			t.version, t.stage = 2, stagePaused
			p.send(t, moment(co.pause.from)*day+9*hour-t.happened)
			continue
		}
		if i+1 < len(co.doses) {
			// the earlier one is closed when the next one begins
			t.happened, t.until = d.at, co.doses[i+1].at
			t.version, t.stage = 2, stageClosed
			p.send(t, t.until-t.happened+minute)
		}
	}
	if len(co.visits) == 0 {
		return
	}
	p.send(touch{happened: co.goal.at, kind: kindGoal, version: 1}, 5*minute)
	if co.goal.reviewed > 0 {
		t := touch{happened: co.goal.at, until: co.goal.reviewed, kind: kindGoal, version: 2, stage: stageMissedGoal}
		if co.goal.achieved {
			t.stage = stageAchieved
		}
		p.send(t, t.until-t.happened)
	}
}

// visit sends an appointment when it is booked and when it is over, the encounter, and the rating,
// which often comes before the encounter that it names.
func (p *postman) visit(i int) {
	v := &p.co.visits[i]
	number := uint16(i + 1)
	booked := max(moment(p.co.admitted)*day+9*hour, v.at-week-v.at%(3*hour))
	t := touch{
		happened: v.at, until: v.at + 45*minute, kind: kindAppointment, number: number, version: 1,
		stage: stageBooked, with: v.with,
	}
	p.send(t, booked-v.at)
	t.version, t.stage, t.came = 2, stageClosed, v.came
	over := 50 * minute
	switch v.came {
	case cancelledByPatient:
		over = -p.d.within(hour, 10*hour)
	case cancelledByClinic:
		over = -p.d.within(20*hour, 40*hour)
	}
	p.send(t, max(over, booked-v.at+minute))
	if v.came != attended {
		return
	}
	t.kind, t.version, t.stage = kindEncounter, 1, stageNone
	r := touch{
		happened: v.at + 42*minute, kind: kindRating, form: p.co.rates, number: number, version: 1,
		with: v.with, answers: v.answers,
	}
	if v.rated && p.co.dialect == bundled {
		t.form, t.answers = r.form, r.answers
		t.flags |= withRating
	}
	p.send(t, 45*minute+p.d.within(5*minute, 5*hour))
	if v.rated && p.co.dialect != bundled {
		p.report(r, !v.crucial)
	}
}

// form sends a questionnaire, and again when it is changed or withdrawn.
func (p *postman) form(i int) {
	f := &p.co.forms[i]
	t := touch{happened: f.at, kind: kindForm, form: f.kind, number: uint16(i + 1), version: 1, stage: f.stage, answers: f.answers}
	if f.mended < 0 && !f.wrongChart {
		p.report(t, !f.crucial)
		return
	}
	p.send(t, 10*minute)
	t.version = 2
	if f.wrongChart {
		t.stage = stageWithdrawn
		p.send(t, 22*hour)
		return
	}
	t.stage = stageAmended
	t.answers[f.mended]++
	p.send(t, p.d.within(20*hour, 2*day))
}
