package simulate

import (
	"math"
	"time"
)

// exerciseDays are the weekdays of a prescription of so many sessions a week.
var exerciseDays = [8][]time.Weekday{
	3: {time.Monday, time.Wednesday, time.Friday},
	4: {time.Monday, time.Tuesday, time.Thursday, time.Saturday},
	5: {time.Monday, time.Tuesday, time.Wednesday, time.Thursday, time.Friday},
	6: {time.Monday, time.Tuesday, time.Wednesday, time.Thursday, time.Friday, time.Saturday},
	7: {time.Sunday, time.Monday, time.Tuesday, time.Wednesday, time.Thursday, time.Friday, time.Saturday},
}

// adherence is the chance that a prescribed session of a day is done.
func (co *course) adherence(at int) float64 {
	f := co.progress(at)
	switch co.archetype {
	case SteadyAtCeiling, RecoversWell:
		return 0.94
	case RuptureRepaired:
		if r := co.rupture; r != nil && at >= dayOf(co.visits[r.first].at) && (r.last == 0 || at < dayOf(co.visits[r.last].at)) {
			return 0.65
		}
	case RuptureUnrepaired:
		if r := co.rupture; r != nil {
			return max(0.12, 0.9-0.08*max(0, float64(at-dayOf(co.visits[r.first].at))))
		}
	case GradualDecline:
		return 0.9 - 0.35*f
	case WorseningDepression:
		return 0.88 - 0.3*f
	case SevereAtIntake:
		return 0.62
	case Flaps:
		return 0.78
	case HEPLapse:
		if co.lapse > 0 && at >= co.lapse {
			return 0.12
		}
	case FadesOut:
		if co.quit > 0 {
			return max(0.15, min(0.88, 0.035*float64(co.quit-at)))
		}
	}
	return 0.9
}

// exercise reports the prescribed sessions: most that are done are logged, few that are not done are.
// Quiet people do the first six, and the next six whenever they leave one out.
func (co *course) exercise(d dice, c Clinic) {
	if co.archetype == NeverLogs {
		return
	}
	in, sure := 0, 0
	if co.archetype.Quiet() {
		sure = 6
	}
	for at := dayOf(co.doses[0].at); at < co.end && co.present(at); at++ {
		if in+1 < len(co.doses) && at > dayOf(co.doses[in+1].at) {
			in++
		}
		onHold := co.pause.until > 0 && in == 0 && at >= co.pause.from
		if onHold || !prescribed(co.doses[in].perWeek, c.weekday(at)) {
			continue
		}
		when := moment(at)*day + 15*hour + d.within(0, 230*minute)/minute*minute
		when = max(when, co.doses[0].at+2*hour) // on the first day, after the visit
		done := d.chance(co.adherence(at)) || sure > 0
		logged := d.chance(pick(done, 0.97, 0.3)) || sure > 0
		if sure--; co.archetype.Quiet() && (!done || !logged) {
			sure = 6
		}
		if logged {
			co.logs = append(co.logs, session{when, done, in})
		}
	}
}

func prescribed(perWeek int, wd time.Weekday) bool {
	for _, d := range exerciseDays[perWeek] {
		if d == wd {
			return true
		}
	}
	return false
}

// follow asks every three weeks how well the programme is kept, and once how the clinic is liked, on a form of its own.
func (co *course) follow(d dice) {
	if co.archetype == AnswersNothing {
		return
	}
	first := dayOf(co.visits[0].at)
	for at := first + 21; at < co.end-1 && co.present(at); at += 21 {
		if co.away(at) {
			continue
		}
		kept := co.adherence(at)
		if co.archetype == NeverLogs {
			kept = 0.6
		}
		f := form{at: moment(at)*day + 20*hour + d.within(0, hour), kind: ears, stage: stageCourse, mended: -1}
		d.spread(f.answers[:6], int(math.Round(d.about(24*kept, 1))), 0, 4)
		for _, worded := range []int{0, 3, 5} { // positively worded: complete agreement is 0
			f.answers[worded] = 4 - f.answers[worded]
		}
		co.hand(d, f)
	}
	if at := first + 14; d.chance(0.17) && at < co.end-1 && co.present(at) && !co.away(at) {
		f := form{at: moment(at)*day + 12*hour, kind: feedback, stage: stageCourse, mended: -1}
		d.spread(f.answers[:5], 14, 0, 4)
		co.forms = append(co.forms, f)
	}
}
