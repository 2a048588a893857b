package decision

import (
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/ref"
)

// admitted is an input whose patient and version are settled.
type admitted struct {
	patient  ref.Patient
	previous *record.Head
	stub     *record.Record
	aliases  []record.Alias
	unions   []Union
	issues   []fault.Issue
}

func (d *Desk) admit(in *Input) (admitted, error) {
	var a admitted
	if head, ok := d.head(in.Record.Unversioned()); ok {
		if !head.Stub && (head.Source != in.Record.Source || head.SourceID != in.Record.SourceID) {
			return a, fault.New(fault.Unprocessable, fault.Errorf("duplicate", in.Record.Type+".id",
				"another source holds a resource of this type under this id: rename the source"))
		}
		a.previous = &head
	}
	if in.Record.Type == "Patient" {
		return a, d.admitPatient(in, &a)
	}
	switch {
	case in.settled():
		a.patient = d.patientOf(in)
	case !in.Subject.None():
		d.admitSubject(in, &a)
	}
	return a, nil
}

// admitPatient settles who a Patient resource is: itself, or a patient another source already named by the same identifier.
func (d *Desk) admitPatient(in *Input, a *admitted) error {
	self := ref.Patient(in.Record.ID)
	if alias, known := d.name(nameOf(self)); known {
		self = alias.Patient
	}
	self = d.admitUnions(in, self, a)
	for _, identifier := range in.Identifiers {
		alias, known := d.name(identifier)
		switch {
		case !known:
			continue
		case a.after(alias.Patient) == self:
			continue
		case alias.Source == in.Record.Source:
			return fault.New(fault.Unprocessable, fault.Errorf("duplicate", "Patient.identifier",
				"this source has another Patient with the same identifier: merge or correct them there, then send again"))
		case a.previous == nil && self == ref.Patient(in.Record.ID):
			self = alias.Patient
			a.aliases = append(a.aliases, record.Alias{Name: nameOf(ref.Patient(in.Record.ID)), Patient: self, Source: in.Record.Source})
		default:
			a.issues = append(a.issues, fault.Warnf("multiple-matches", "Patient.identifier",
				"the identifier belongs to a patient with a history of its own: the two are kept apart"))
		}
	}
	for _, identifier := range in.Identifiers {
		if alias, known := d.name(identifier); !known || (a.after(alias.Patient) == self && alias.Source == "") {
			a.aliases = append(a.aliases, record.Alias{Name: identifier, Patient: self, Source: in.Record.Source})
		}
	}
	a.patient = self
	return nil
}

// admitSubject settles whom a resource is about, and makes a stub of a patient nobody has sent yet.
func (d *Desk) admitSubject(in *Input, a *admitted) {
	a.patient = d.patientOf(in)
	if in.Subject.Patient == "" {
		if _, ok := d.name(in.Subject.Identifier); !ok {
			a.aliases = append(a.aliases, record.Alias{Name: in.Subject.Identifier, Patient: a.patient})
		}
	}
	resource := patientResource(a.patient)
	if _, ok := d.head(resource); ok || in.Subject.Patient != "" && a.patient != in.Subject.Patient {
		return
	}
	if _, aliased := d.name(in.Subject.Identifier); aliased && in.Subject.Patient == "" {
		return
	}
	a.stub = d.stub(a.patient)
}

// stub is a Patient that was only referred to so far.
func (d *Desk) stub(p ref.Patient) *record.Record {
	resource := patientResource(p)
	resource.Version = 1
	return &record.Record{
		Resource: resource, Source: stubSource, Patient: p, Received: d.now, Outcome: record.Stored, Stub: true,
		Raw: []byte(`{"resourceType":"Patient","id":"` + string(p) + `"}`),
	}
}

// stubSource marks what Rapport made itself.
const stubSource ref.Source = "rapport"

func nameOf(p ref.Patient) string                { return "Patient/" + string(p) }
func patientResource(p ref.Patient) ref.Resource { return ref.Resource{Type: "Patient", ID: string(p)} }

func identifierStub(identifier string) ref.Patient {
	return ref.Patient(ref.Digest("patient", identifier))
}

// patientOf is the patient an input is about, without deciding anything.
func (d *Desk) patientOf(in *Input) ref.Patient {
	name, fallback := in.Subject.Identifier, identifierStub(in.Subject.Identifier)
	switch {
	case in.settled():
		return d.resolve(in.Record.Patient)
	case in.Record.Type == "Patient":
		return d.identity(in)
	case in.Subject.Patient != "":
		name, fallback = nameOf(in.Subject.Patient), in.Subject.Patient
	case in.Subject.None():
		return ""
	}
	if alias, ok := d.name(name); ok {
		return alias.Patient
	}
	return fallback
}
