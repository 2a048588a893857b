package simulate

import (
	"bytes"
	"strconv"

	"github.com/rapport-health/rapport/services/domain/ref"
)

// clinicWide writes what belongs to no patient: staff, their roles, and the clinic teams.
func (w *writer) clinicWide() []Event {
	var events []Event
	add := func(source ref.Source, note string, write func()) {
		w.page.b = w.page.b[:0]
		write()
		events = append(events, Event{
			At: w.at(moment(len(events)) * 5), Source: source, Note: note, Body: bytes.Clone(w.page.b),
		})
	}
	annexed := w.annexed()
	for i, s := range staff {
		if s.source == Annex && !annexed {
			continue
		}
		add(s.source, "practitioner", func() { w.practitioner(i) })
		add(s.source, "practitioner role", func() { w.practitionerRole(i) })
	}
	for i := range sites {
		if sites[i].source == Annex && !annexed {
			continue
		}
		add(sites[i].source, "clinic team", func() { w.clinicTeam(&sites[i]) })
	}
	return events
}

// annexed says whether anybody is seen at the annex. The whole head has somebody there.
func (w *writer) annexed() bool {
	if w.clinic.Patients >= len(head) {
		return true
	}
	for who := range w.clinic.people() {
		if who.dialect == bundled {
			return true
		}
	}
	return false
}

func (w *writer) practitioner(i int) {
	p, s := &w.page, staff[i]
	p.open("")
	p.str("resourceType", "Practitioner")
	p.str("id", s.id)
	p.list("name")
	w.name(newDice(w.clinic.Seed, uint64(i), saltStaff), 10+i)
	p.close()
	p.end()
}

func (w *writer) practitionerRole(i int) {
	p, s := &w.page, staff[i]
	p.open("")
	p.str("resourceType", "PractitionerRole")
	p.str("id", s.id+"-role")
	p.raw("active", "true")
	p.reference("practitioner", "Practitioner/"+s.id)
	p.list("code")
	p.concept("", snomed, s.snomed, s.word)
	p.close()
	p.end()
}

func (w *writer) clinicTeam(s *site) {
	p := &w.page
	p.open("")
	p.str("resourceType", "CareTeam")
	p.str("id", s.team)
	p.str("status", "active")
	p.str("name", s.team)
	p.list("participant")
	for _, m := range s.members() {
		w.participant(m)
	}
	p.close()
	p.end()
}

func (w *writer) participant(member uint8) {
	p, s := &w.page, staff[member]
	p.open("")
	p.list("role")
	p.concept("", snomed, s.snomed, s.word)
	p.close()
	p.reference("member", "Practitioner/"+s.id)
	p.end()
}

// name writes an invented HumanName as an element.
func (w *writer) name(d dice, n int) {
	p := &w.page
	p.open("")
	p.str("use", "official")
	p.str("family", invent(d, n))
	p.list("given")
	p.comma()
	p.b = appendString(p.b, invent(d, n))
	p.close()
	p.end()
}

func (w *writer) patient(who *person, t *touch) {
	p := &w.page
	d := newDice(w.clinic.Seed, uint64(who.index), saltStaff+uint64(len(staff)))
	w.begin(who, t, "Patient", "us-core-patient")
	p.list("identifier")
	p.open("")
	p.concept("type", terminology+"v2-0203", "MR", "")
	p.str("system", recordNumbers)
	p.str("value", recordNumber(who))
	p.end()
	p.close()
	p.raw("active", "true")
	p.list("name")
	w.name(d, 100+who.index)
	p.close()
	p.str("gender", []string{"female", "male", "other"}[min(2, d.IntN(21)/10)])
	p.date("birthDate", w.midnight.AddDate(-22-d.IntN(60), -d.IntN(12), -d.IntN(28)))
	if who.dialect != bundled {
		p.list("generalPractitioner")
		p.reference("", "Practitioner/"+staff[who.physician].id)
		p.close()
	}
	p.end()
}

// recordNumber of a patient, as every source of the clinic knows it.
func recordNumber(who *person) string { return "SYN-" + strconv.Itoa(100000+who.index) }

// subject writes who a resource is about, as its sender knows the patient.
func (w *writer) subject(key string, who *person, source ref.Source) {
	p := &w.page
	if source == EHR {
		p.reference(key, w.refer(who, kindPatient, 0))
		return
	}
	p.open(key)
	if source == Annex {
		p.str("reference", w.refer(who, kindPatient, 0))
	}
	p.str("type", "Patient") // neither a urn:uuid nor an identifier says what it leads to
	if source == PRO {
		p.open("identifier")
		p.str("system", recordNumbers)
		p.str("value", recordNumber(who))
		p.end()
	}
	p.end()
}

func (w *writer) partner(who *person, t *touch) {
	p := &w.page
	d := newDice(w.clinic.Seed, uint64(who.index), saltStaff+uint64(len(staff))+1)
	w.begin(who, t, "RelatedPerson", "us-core-relatedperson")
	p.raw("active", "true")
	w.subject("patient", who, who.source())
	p.concepts("relationship", [2]string{terminology + "v3-RoleCode", []string{"SPS", "CHILD", "FRND", "SIB"}[d.IntN(4)]})
	p.list("name")
	w.name(d, 100+who.index)
	p.close()
	p.end()
}

// team writes the patient's own care team; the clinic team is a member, so that it hears too.
func (w *writer) team(who *person, t *touch) {
	p := &w.page
	w.begin(who, t, "CareTeam", "us-core-careteam")
	p.str("status", "active")
	w.subject("subject", who, who.source())
	p.list("participant")
	therapist := who.therapist
	if t.stage == stageHandedOver {
		therapist = t.with
	}
	for _, m := range []uint8{therapist, who.mind, who.coordinator, who.physician} {
		w.participant(m)
	}
	p.open("")
	p.reference("member", "CareTeam/"+who.site.team)
	p.end()
	p.close()
	p.end()
}
