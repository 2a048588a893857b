package simulate

import "time"

// course is all that happens to one patient, as plain data: nothing in it knows FHIR.
type course struct {
	person
	visits  []visit
	forms   []form
	logs    []session
	doses   []dose
	goal    goal
	rupture *span
	// quit is the day from which nothing comes from the patient any more; 0 is never.
	quit int
	// lapse is the day from which hardly any home exercise is done; 0 is never.
	lapse int
	// pause is agreed on from its first day to the day of the return; zero when there is none.
	pause stay
	// handover is the day from which the next therapist sees the patient; 0 is never.
	handover int
	next     uint8
	// lifelike as the clinic is.
	lifelike bool
	// others are the forms that somebody else filled in.
	others []other
	// pains as they were told, of those who are asked.
	pains []hurt
	// end of the watch, in days.
	end int
}

// stay is a stretch of days, the last exclusive.
type stay struct{ from, until int }

// span is a stretch of ratings, by index into visits. Its last visit is 0 while it has not ended.
type span struct{ first, last int }

// attendance is how an appointment ended.
type attendance uint8

const (
	attended attendance = iota
	missed
	cancelledByPatient
	cancelledByClinic
)

// visit is one planned session.
type visit struct {
	at   moment
	came attendance
	// number among the attended visits, from 1.
	number int
	// with is the clinician, an index into staff.
	with uint8
	// rated is true when the patient filled in the alliance form.
	rated bool
	// mean is the true level of alliance on the 1 to 5 scale when rated.
	mean float64
	// answers in the order of the printed form.
	answers answers
	// crucial ratings carry the truth: they come complete and in time.
	crucial bool
}

// answers of a form in printed order; unanswered where missing. Tenths for srs.
type answers [13]int8

const unanswered int8 = -1

// form is one questionnaire other than a visit's alliance form.
type form struct {
	at   moment
	kind instrument
	// stage is intake, course, milestone or wrong chart.
	stage stage
	answers
	// mended, when set, is the item that the patient changes a day later, one up.
	mended int
	// wrongChart forms are another person's, withdrawn a day later.
	wrongChart bool
	crucial    bool
}

// session of home exercise as the patient reported it; days without a report are absent.
type session struct {
	at   moment
	done bool
	dose int
}

// dose is a prescription of home exercise from a moment on.
type dose struct {
	at      moment
	perWeek int
}

// goal of the course, with its outcome at the end.
type goal struct {
	at, reviewed moment
	achieved     bool
}

// instrument is a form that the clinic uses.
type instrument uint8

const (
	phq9 instrument = iota
	gad7
	pcs
	tsk11
	pseq
	ears
	waiSR
	srs
	feedback // a form that no catalogue knows
)

// sheet is how many items a form has and between which marks.
type sheet struct {
	id     string
	items  int
	lo, hi int8
}

var sheets = [...]sheet{
	phq9:     {"phq-9", 9, 0, 3},
	gad7:     {"gad-7", 7, 0, 3},
	pcs:      {"pcs", 13, 0, 4},
	tsk11:    {"tsk-11", 11, 1, 4},
	pseq:     {"pseq", 10, 0, 6},
	ears:     {"ears", 6, 0, 4},
	waiSR:    {"wai-sr", 12, 1, 5},
	srs:      {"srs", 4, 0, 100},
	feedback: {"feedback", 5, 0, 4},
}

// total of the answered items.
func (a *answers) total(k instrument) int {
	sum := 0
	for _, v := range a[:sheets[k].items] {
		sum += max(0, int(v))
	}
	return sum
}

// complete says whether every item is answered.
func (a *answers) complete(k instrument) bool {
	for _, v := range a[:sheets[k].items] {
		if v == unanswered {
			return false
		}
	}
	return true
}

// live fills the course of one person. It reuses what the course held before.
func live(co *course, c Clinic, who person) {
	*co = course{
		person: who, end: 7 * c.Weeks, lifelike: c.Lifelike,
		visits: co.visits[:0], forms: co.forms[:0], logs: co.logs[:0], doses: co.doses[:0], others: co.others[:0], pains: co.pains[:0],
	}
	d := newDice(c.Seed, uint64(who.index), saltCourse)
	if who.archetype == FadesOut {
		if q := who.admitted + int(d.between(0.45, 0.65)*float64(co.end-who.admitted)); q > who.admitted+14 {
			co.quit = q
		}
	}
	co.turn(newDice(c.Seed, uint64(who.index), saltTurn))
	co.plan(d, c)
	if len(co.visits) == 0 {
		return
	}
	co.keep(d)
	co.rate(d, newDice(c.Seed, uint64(who.index), saltOthers))
	co.prescribe(d)
	co.exercise(d, c)
	co.screen(d)
	co.follow(d)
	co.aim(d)
	co.observe(newDice(c.Seed, uint64(who.index), saltOthers+1))
	co.ache(newDice(c.Seed, uint64(who.index), saltOthers+3))
}

// progress is how far into the stay a day is, 0 to 1.
func (co *course) progress(d int) float64 {
	return max(0, min(1, float64(d-co.admitted)/float64(max(1, co.end-co.admitted))))
}

// present says whether the patient still takes part on a day.
func (co *course) present(d int) bool { return co.quit == 0 || d < co.quit }

// away says whether a day lies in an agreed pause.
func (co *course) away(d int) bool { return co.pause.from <= d && d < co.pause.until }

// dayOf a moment.
func dayOf(m moment) int { return int(m / day) }

// plan sets the appointments: two a week for five weeks, then one.
func (co *course) plan(d dice, c Clinic) {
	first := time.Monday + time.Weekday(d.IntN(3))
	second := first + 2
	monday := co.admitted - (int(c.weekday(co.admitted))+6)%7
	for w, n := 0, 0; ; w++ {
		for _, wd := range []time.Weekday{first, second} {
			at := monday + 7*w + int(wd-time.Monday)
			if at >= co.end {
				return
			}
			if at <= co.admitted || n >= 10 && wd == second {
				continue
			}
			if co.away(at) {
				continue
			}
			v := visit{at: moment(at)*day + co.session, with: co.therapist}
			switch {
			case co.handover > 0 && at >= co.handover:
				v.with = co.next
			case n%4 == 3 && co.dyads:
				v.with, v.at = co.mind, v.at+hour
			case n%4 == 1 && co.archetype == WeakLink:
				v.with, v.at = co.coordinator, v.at+2*hour
			}
			co.visits = append(co.visits, v)
			n++
		}
	}
}

// keep decides which appointments are kept. A patient who fades comes once more after the first miss,
// then misses two, and is given no more.
func (co *course) keep(d dice) {
	gone := 0
	for i := range co.visits {
		v := &co.visits[i]
		at := dayOf(v.at)
		switch {
		case !co.present(at):
			v.came = missed
			if gone++; gone == 2 {
				co.visits = co.visits[:i+1]
				return
			}
		case i == 0:
		case co.quit > 0 && at >= co.quit-14:
			if d.chance(0.45) {
				v.came = missed
			}
		case d.chance(0.02):
			v.came = cancelledByClinic
		case co.archetype == SteadyAtCeiling:
		case d.chance(0.03):
			v.came = cancelledByPatient
		case d.chance(0.03):
			v.came = missed
		}
	}
}

// prescribe starts home exercise at the first visit and raises it for some in the sixth week.
func (co *course) prescribe(d dice) {
	perWeek := []int{3, 4, 5, 7}[d.IntN(4)]
	at := co.visits[0].at + 40*minute
	co.doses = append(co.doses, dose{at, perWeek})
	raised := d.chance(0.35) && perWeek < 7
	if co.pause.until > 0 { // what was on hold is prescribed anew
		for _, v := range co.visits {
			if dayOf(v.at) >= co.pause.until && v.came == attended {
				co.doses = append(co.doses, dose{v.at + 40*minute, perWeek})
				return
			}
		}
		return
	}
	if !raised {
		return
	}
	for _, v := range co.visits {
		if v.came == attended && v.at > at+5*week && v.with == co.therapist {
			co.doses = append(co.doses, dose{v.at + 40*minute, perWeek + 1 + d.IntN(5-perWeek+1)})
			return
		}
	}
}

// aim sets a goal at the first visit and reviews it at the last attended one.
func (co *course) aim(d dice) {
	co.goal = goal{at: co.visits[0].at + 45*minute, achieved: d.chance(0.6)}
	switch co.archetype {
	case RecoversWell, SteadyAtCeiling:
		co.goal.achieved = true
	case RuptureUnrepaired, GradualDecline, SevereAtIntake:
		co.goal.achieved = false
	}
	for _, v := range co.visits {
		if v.came == attended && v.at > co.goal.at+6*week {
			co.goal.reviewed = v.at + 50*minute
		}
	}
	if co.quit > 0 {
		co.goal.reviewed = 0
	}
}
