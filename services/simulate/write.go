package simulate

import (
	"bytes"
	"strconv"
	"time"

	"github.com/rapport-health/rapport/services/domain/ref"
)

// writer turns touches into FHIR.
type writer struct {
	clinic   Clinic
	midnight time.Time
	// known persons, by index modulo its length: a person is cheap to make again.
	known []person
	page  page
}

func newWriter(c Clinic) *writer {
	w := &writer{clinic: c, midnight: c.midnight(), known: make([]person, min(c.Patients, 1<<14))}
	for i := range w.known {
		w.known[i].index = -1
	}
	return w
}

func (w *writer) person(index int) *person {
	p := &w.known[index%len(w.known)]
	if p.index != index || p.id == "" {
		*p = w.clinic.one(index)
	}
	return p
}

func (w *writer) at(m moment) time.Time { return w.midnight.Add(time.Duration(m) * time.Second) }

// event writes one touch.
func (w *writer) event(t *touch) Event {
	who := w.person(int(t.patient))
	w.page.b = w.page.b[:0]
	if who.dialect == bundled {
		w.bundle(who, t)
	} else {
		w.resource(who, t)
	}
	return Event{
		At: w.at(t.sent), Source: sender(who, t), Patient: who.id, Note: t.note(), Body: bytes.Clone(w.page.b),
	}
}

// sender of a touch: the forms of german patients come from the PRO server.
func sender(who *person, t *touch) ref.Source {
	if who.dialect == german && (t.kind == kindForm || t.kind == kindRating) {
		return PRO
	}
	return who.source()
}

// resource writes the one resource of a touch.
func (w *writer) resource(who *person, t *touch) {
	switch t.kind {
	case kindPatient:
		w.patient(who, t)
	case kindPartner:
		w.partner(who, t)
	case kindTeam:
		w.team(who, t)
	case kindGoal:
		w.goal(who, t)
	case kindPrescription:
		w.prescription(who, t)
	case kindAppointment:
		w.appointment(who, t)
	case kindEncounter:
		w.encounter(who, t)
	case kindLog:
		w.log(who, t)
	case kindRating, kindForm, kindReflection, kindProxy:
		w.response(who, t)
	case kindEpisode:
		w.episode(who, t)
	case kindPain:
		w.pain(who, t)
	}
}

// bundle writes a touch as a transaction Bundle: a patient brings the care team, a visit its rating, and a score
// stands for its form.
func (w *writer) bundle(who *person, t *touch) {
	p := &w.page
	p.open("")
	p.str("resourceType", "Bundle")
	p.str("type", "transaction")
	p.list("entry")
	switch {
	case t.kind == kindForm && publicForms[t.form] != nil:
		w.entry(who, t, "Observation", w.score)
	case t.kind == kindPatient:
		w.entry(who, t, "Patient", w.resource)
		team := *t
		team.kind = kindTeam
		w.entry(who, &team, "CareTeam", w.resource)
	case t.kind == kindEncounter && t.flags&withRating != 0:
		w.entry(who, t, "Encounter", w.resource)
		r := *t
		r.kind, r.happened = kindRating, t.happened+42*minute
		w.entry(who, &r, "QuestionnaireResponse", w.resource)
	default:
		w.entry(who, t, typeOf[t.kind], w.resource)
	}
	p.close()
	p.end()
}

// entry writes one entry of a transaction.
func (w *writer) entry(who *person, t *touch, typ string, write func(*person, *touch)) {
	p, id := &w.page, resourceID(w.clinic.Seed, who, t)
	p.open("")
	p.str("fullUrl", "urn:uuid:"+id)
	p.key("resource")
	write(who, t)
	p.open("request")
	p.str("method", "PUT")
	p.str("url", typ+"/"+id)
	p.end()
	p.end()
}

var typeOf = [...]string{
	kindPatient: "Patient", kindPartner: "RelatedPerson", kindTeam: "CareTeam", kindGoal: "Goal",
	kindPrescription: "ServiceRequest", kindAppointment: "Appointment", kindEncounter: "Encounter",
	kindRating: "QuestionnaireResponse", kindForm: "QuestionnaireResponse", kindLog: "Observation",
	kindReflection: "QuestionnaireResponse", kindProxy: "QuestionnaireResponse", kindEpisode: "EpisodeOfCare",
	kindPain: "Observation",
}

var idParts = [...]string{
	kindPatient: "", kindPartner: "-partner", kindTeam: "-team", kindGoal: "-goal", kindPrescription: "-hep-",
	kindAppointment: "-appt-", kindEncounter: "-visit-", kindRating: "-rating-", kindForm: "-form-", kindLog: "-log-",
	kindReflection: "-reflection-", kindProxy: "-proxy-", kindEpisode: "-episode",
	kindPain: "-pain-",
}

// idOf is the logical id of a patient's thing in the source that sends it.
func idOf(seed uint64, who *person, k kind, number int) string {
	switch {
	case k == kindPatient:
		return who.id
	case who.dialect == bundled:
		return uuid(seed, who.index, k, number)
	case number == 0:
		return who.id + idParts[k]
	}
	return who.id + idParts[k] + strconv.Itoa(number)
}

func resourceID(seed uint64, who *person, t *touch) string {
	return idOf(seed, who, t.kind, int(t.number))
}

// responseID is the id under which a form was sent.
func responseID(seed uint64, who *person, t *touch) string { return resourceID(seed, who, t) }

// refer to a thing of the patient's as its dialect does.
func (w *writer) refer(who *person, k kind, number int) string {
	id := idOf(w.clinic.Seed, who, k, number)
	if who.dialect == bundled {
		return "urn:uuid:" + id
	}
	return typeOf[k] + "/" + id
}

// begin opens a resource with its id, and with version and time where the dialect keeps them.
func (w *writer) begin(who *person, t *touch, typ, profile string) {
	p := &w.page
	p.open("")
	p.str("resourceType", typ)
	p.str("id", resourceID(w.clinic.Seed, who, t))
	if sender(who, t) != EHR {
		return
	}
	p.open("meta")
	p.str("versionId", strconv.Itoa(int(t.version)))
	p.time("lastUpdated", w.at(t.written))
	if profile != "" && who.dialect == usCore {
		p.list("profile")
		p.comma()
		p.b = appendString(p.b, usCoreBase+profile)
		p.close()
	}
	p.end()
}

// note says what a touch is.
func (t *touch) note() string {
	note := ""
	switch t.kind {
	case kindForm:
		note = sheets[t.form].id + " " + stageNotes[t.stage]
	case kindReflection:
		note = sheets[t.form].id + " by clinician"
	case kindProxy:
		note = sheets[t.form].id + " by care partner"
	case kindRating:
		note = sheets[t.form].id + " rating"
	case kindAppointment:
		note = "appointment booked"
		if t.stage == stageClosed {
			note = comingNotes[t.came]
		}
	case kindLog:
		note = "home exercise not done"
		if t.count > 0 {
			note = "home exercise done"
		}
	default:
		note = kindNotes[t.kind]
		if t.stage != stageNone {
			note += " " + stageNotes[t.stage]
		}
		if t.flags&withRating != 0 {
			note += " with " + sheets[t.form].id + " rating"
		}
	}
	if t.flags&late != 0 {
		note += ", late"
	}
	if t.flags&again != 0 {
		note += ", again"
	}
	return note
}

var kindNotes = [...]string{
	kindPatient: "patient", kindPartner: "care partner", kindTeam: "care team", kindGoal: "goal",
	kindPrescription: "prescription", kindEncounter: "visit", kindEpisode: "episode of care",
	kindPain: "pain",
}

var comingNotes = [...]string{
	attended: "appointment attended", missed: "appointment missed",
	cancelledByPatient: "appointment cancelled by patient", cancelledByClinic: "appointment cancelled by clinic",
}
