package simulate

import (
	"iter"
	"slices"
	"time"

	"github.com/rapport-health/rapport/services/domain/ref"
)

// PatientTruth is what really happens to one patient, as far as it shows in what is sent before the end of the watch.
// Its JSON is one line of a truth file; what does not happen is left out.
type PatientTruth struct {
	// Patient is the logical id in the system that registers the patient.
	Patient string `json:"patient"`
	// Source is that system.
	Source ref.Source `json:"source"`
	// Team is the clinic team, `CareTeam/x` in the words of Source.
	Team string `json:"team"`
	// Archetype is the kind of course.
	Archetype Archetype `json:"archetype"`
	// AllianceForm the patient rates visits on: `wai-sr`, `srs`, or empty.
	AllianceForm string `json:"allianceForm,omitempty"`
	// Rupture is the fall of a dyad; nil when there is none.
	Rupture *Rupture `json:"rupture,omitempty"`
	// Decline is a slow fall of a dyad; Repaired never.
	Decline *Rupture `json:"decline,omitempty"`
	// PartSlip is a fall of the tasks of a dyad, of a point and less of its mean, while bond and goals hold.
	PartSlip *Rupture `json:"partSlip,omitempty"`
	// Stall is since when pain has stayed as it is, though there is room.
	Stall *Stretch `json:"stall,omitempty"`
	// SilentFrom is the day from which nothing comes from the patient any more; zero when nobody falls silent.
	SilentFrom time.Time `json:"silentFrom,omitzero"`
	// FadingFrom is the day from which a patient who falls silent does less home exercise than before.
	FadingFrom time.Time `json:"fadingFrom,omitzero"`
	// Sessions is how many visits are attended, LastVisit when the last of them is; zero when none is.
	Sessions  int       `json:"sessions"`
	LastVisit time.Time `json:"lastVisit,omitzero"`
	// Lapse is when home exercise is given up in mid-course.
	Lapse *Stretch `json:"lapse,omitempty"`
	// Pause is agreed on.
	Pause *Stretch `json:"pause,omitempty"`
	// Handover to another therapist.
	Handover *Handover `json:"handover,omitempty"`
	// PartnerWorry is what only the care partner says.
	PartnerWorry *Worry `json:"partnerWorry,omitempty"`
	// WeakLink of the team.
	WeakLink *Link `json:"weakLink,omitempty"`
	// Flaps are to and fro around cut-offs.
	Flaps []Flapping `json:"flaps,omitempty"`
	// ItemNine is the answer to PHQ-9 item 9 above zero; nil when there is none.
	ItemNine *ItemNineAnswer `json:"itemNine,omitempty"`
	// Worsening is the rise of the PHQ-9 total beyond measurement error; nil when there is none.
	Worsening *Worsening `json:"worsening,omitempty"`
	// SevereAtIntake is true when the first PHQ-9 is 20 or more.
	SevereAtIntake bool `json:"severeAtIntake,omitempty"`
	// NeverLogs is true when no home exercise is reported.
	NeverLogs bool `json:"neverLogs,omitempty"`
	// AnswersNothing is true when no form is filled in.
	AnswersNothing bool `json:"answersNothing,omitempty"`
	// WrongChart is the id of another person's PHQ-9 filed here for a day, then entered in error; empty when there is none.
	WrongChart string `json:"wrongChart,omitempty"`
}

// Ref is the patient's id in Rapport, where EHR is the home source.
func (t PatientTruth) Ref() ref.Patient {
	return ref.Patient(ref.Namer{Home: EHR}.ID(t.Source, t.Patient))
}

// Rupture is a fall of one dyad.
type Rupture struct {
	// Clinician of the dyad, a reference in the source's own words.
	Clinician ref.Clinician `json:"clinician"`
	// Session is the attended visit, from 1, with the first low rating; At is when it was given.
	Session int       `json:"session"`
	At      time.Time `json:"at"`
	// Before and Low are the true means on the 1 to 5 scale: of the dyad's rating before the fall, and of the first low one.
	Before float64 `json:"before"`
	Low    float64 `json:"low"`
	// Repaired says whether the dyad came back to its usual level, at which session and when.
	Repaired        bool      `json:"repaired"`
	RepairedSession int       `json:"repairedSession,omitempty"`
	RepairedAt      time.Time `json:"repairedAt,omitzero"`
}

// ItemNineAnswer is an answer above zero.
type ItemNineAnswer struct {
	// Response is the id of the QuestionnaireResponse in its source's own words, or of none when it was not sent.
	Response string `json:"response,omitempty"`
	// At is when it was answered.
	At time.Time `json:"at"`
	// Value is 1 to 3.
	Value int `json:"value"`
}

// Worsening is a rise of the PHQ-9 total by at least reliableRise.
type Worsening struct {
	// From is the total at intake, To the first total that is reliably worse, at the time At.
	From int       `json:"from"`
	To   int       `json:"to"`
	At   time.Time `json:"at"`
}

// Stretch is a time with its beginning and, where it ends before the watch does, its end.
type Stretch struct {
	From  time.Time `json:"from"`
	Until time.Time `json:"until,omitzero"`
}

// Handover is a change of therapist.
type Handover struct {
	// From and To are references in the source's own words.
	From ref.Clinician `json:"from"`
	To   ref.Clinician `json:"to"`
	// At is the day from which the next one sees the patient.
	At time.Time `json:"at"`
}

// Worry is distress that the care partner sees and the patient does not say.
type Worry struct {
	// From is the partner's first PHQ-9 total, To the first that is reliably worse, at the time At.
	From int       `json:"from"`
	To   int       `json:"to"`
	At   time.Time `json:"at"`
}

// Link is a dyad that is weaker than the others of the same team from the first day on.
type Link struct {
	// Clinician of the dyad, a reference in the source's own words.
	Clinician ref.Clinician `json:"clinician"`
	// Level of the dyad and of the Others on average, as means on the 1 to 5 scale.
	Level  float64 `json:"level"`
	Others float64 `json:"others"`
}

// Flapping is to and fro across a cut-off without a change that is beyond error.
type Flapping struct {
	// Form and its Cut: totals lie on both sides of it.
	Form string  `json:"form"`
	Cut  float64 `json:"cut"`
}

// reliableRise is the smallest whole difference beyond the 95 % error band of 5.186 points.
const reliableRise = 6

// Truth is what really happens, patient by patient. For a clinic of millions, range over Truths.
func (c Clinic) Truth() []PatientTruth { return slices.Collect(c.Truths()) }

// Truths streams what really happens, in the order of the patients.
func (c Clinic) Truths() iter.Seq[PatientTruth] {
	return func(yield func(PatientTruth) bool) {
		if c.Validate() != nil || c.Weeks == 0 {
			return
		}
		var co course
		var sent []touch
		for who := range c.people() {
			live(&co, c, who)
			sent = post(sent[:0], c, &co)
			if !yield(c.truth(&co, sent)) {
				return
			}
		}
	}
}

func (c Clinic) truth(co *course, sent []touch) PatientTruth {
	t := PatientTruth{
		Patient: co.id, Source: co.source(), Team: "CareTeam/" + co.site.team, Archetype: co.archetype,
		NeverLogs: co.archetype == NeverLogs, AnswersNothing: co.archetype == AnswersNothing,
	}
	if !t.AnswersNothing {
		t.AllianceForm = sheets[co.rates].id
	}
	switch r := c.rupture(co); co.archetype {
	case GradualDecline:
		t.Decline = r
	case PartSlips:
		t.PartSlip = r
	default:
		t.Rupture = r
	}
	t.SilentFrom = c.silence(co)
	c.phq(co, sent, &t)
	c.turns(co, sent, &t)
	return t
}

// rupture of the course, if its first low rating was given before the end.
func (c Clinic) rupture(co *course) *Rupture {
	if co.rupture == nil {
		return nil
	}
	v := co.visits[co.rupture.first]
	r := &Rupture{Clinician: v.reference(), Session: v.number, At: c.time(v.at + 42*minute), Low: v.mean}
	for _, b := range co.visits[:co.rupture.first] {
		if b.rated && b.with == v.with {
			r.Before = b.mean
		}
	}
	if co.rupture.last > 0 {
		last := co.visits[co.rupture.last]
		r.Repaired, r.RepairedSession, r.RepairedAt = true, last.number, c.time(last.at+42*minute)
	}
	return r
}

func (v visit) reference() ref.Clinician { return clinicianAt(v.with) }

// clinicianAt an index into staff.
func clinicianAt(who uint8) ref.Clinician { return ref.Clinician("Practitioner/" + staff[who].id) }

// silence is the midnight after the last thing that came from a patient who quits.
func (c Clinic) silence(co *course) time.Time {
	if co.quit == 0 {
		return time.Time{}
	}
	var last moment
	for _, v := range co.visits {
		if v.came == attended {
			last = max(last, v.at+hour)
		}
	}
	for _, l := range co.logs {
		last = max(last, l.at)
	}
	for _, f := range co.forms {
		last = max(last, f.at)
	}
	return c.time(moment(dayOf(last)+1) * day)
}

// phq reads the truth about the PHQ-9 off what is sent.
func (c Clinic) phq(co *course, sent []touch, t *PatientTruth) {
	intake := -1
	for i := range sent {
		s := &sent[i]
		if s.kind != kindForm || s.form != phq9 || s.flags&again != 0 || s.version > 1 {
			continue
		}
		total := s.answers.total(phq9)
		switch {
		case s.stage == stageWrongChart:
			t.WrongChart = responseID(c.Seed, &co.person, s)
			continue
		case intake < 0:
			intake = total
			t.SevereAtIntake = total >= 20
		case t.Worsening == nil && total >= intake+reliableRise:
			t.Worsening = &Worsening{intake, total, c.time(s.happened)}
		}
		if nine := s.answers[8]; nine > 0 {
			t.ItemNine = &ItemNineAnswer{responseID(c.Seed, &co.person, s), c.time(s.happened), int(nine)}
		}
	}
}

// time of a moment in the clinic's zone.
func (c Clinic) time(m moment) time.Time {
	return c.midnight().Add(time.Duration(m) * time.Second)
}
