package rest

import (
	"slices"
	"time"

	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/fhir"
)

// provenanceWays are the parameters of which a search of Provenance must name one, or an id.
var provenanceWays = []string{"target", "entity", "patient"}

// findProvenance looks for where what the server derives comes from. It is made from the forms and alerts of somebody or
// something, so the search says of whom or what.
func findProvenance(v *sight, q *inquiry) ([]lookup, error) {
	v.upto = q.cursor.upto
	target, entity := q.asksFor("target"), q.asksFor("entity")
	switch {
	case len(q.ids) > 0:
		return []lookup{listed(func() ([]hit, error) { return v.provenanceByID(q.ids[0]) })}, nil
	case target != nil:
		return []lookup{listed(func() ([]hit, error) {
			var ids []string
			for _, a := range target.Any {
				ids = append(ids, v.provenanceOf(a.Ref)...)
			}
			return v.provenanceByID(ids)
		})}, nil
	case q.narrowed:
		return []lookup{listed(func() ([]hit, error) { return v.provenanceOfPatients(q.patients) })}, nil
	case entity != nil:
		return []lookup{listed(func() ([]hit, error) {
			var patients []ref.Patient
			for _, a := range entity.Any {
				rec, err := v.Record(ref.Resource{Type: a.Ref.Type, ID: a.Ref.ID})
				if fault.Of(err) == fault.NotFound && err != nil {
					continue
				}
				if err != nil {
					return nil, err
				}
				patients = append(patients, rec.Patient)
			}
			slices.Sort(patients)
			return v.provenanceOfPatients(slices.Compact(patients))
		})}, nil
	}
	return nil, fault.New(fault.Invalid, fault.Errorf("too-costly", "", "a search of Provenance names a target, an entity, a patient or an _id"))
}

// provenanceOf are the ids under which the Provenance of a resource may be found.
func (v *sight) provenanceOf(target ref.Resource) []string {
	var out []string
	if _, derived, _, ok := ref.SplitDerived(target.ID); ok && target.Type != "DetectedIssue" {
		out = append(out, derived+"-provenance")
	}
	if target.Type == "DetectedIssue" || target.Type == "" {
		out = append(out, fhir.IssueProvenanceID(target.ID))
	}
	return out
}

func (v *sight) provenanceByID(ids []string) ([]hit, error) {
	var out []hit
	for _, id := range ids {
		p, patient, err := v.provenancePage(id)
		switch {
		case err != nil && fault.Of(err) != fault.NotFound:
			return nil, err
		case err == nil:
			out = append(out, v.provenanceHit(id, patient, p))
		}
	}
	return out, nil
}

func (v *sight) provenanceHit(id string, patient ref.Patient, p page) hit {
	return hit{
		typ: "Provenance", place: place{at: p.updated, id: id}, size: len(p.body),
		doc:     v.rendered("Provenance", patient, func() []byte { return p.body }),
		updated: func() time.Time { return p.updated }, body: func() ([]byte, error) { return p.body, nil },
	}
}

// provenancePage makes one. Errors: NotFound.
func (v *sight) provenancePage(id string) (page, ref.Patient, error) {
	if of, ok := fhir.AlertOfProvenance(id); ok {
		a, err := v.Alert(of)
		if err != nil {
			return page{}, "", err
		}
		p, err := v.issueProvenance(a)
		return p, a.Patient, err
	}
	key, stem, part, ok := ref.SplitDerived(id)
	if !ok || part != "provenance" {
		return page{}, "", unknownResource()
	}
	taken, err := v.TakenFrom(key)
	if err != nil {
		return page{}, "", err
	}
	for _, f := range taken {
		if f.Scores != nil && ref.Derived(v.tenant, f.Source) == stem {
			all, err := v.takenFrom(f.Source)
			if err != nil {
				return page{}, "", err
			}
			history, err := v.history(all)
			if err != nil {
				return page{}, "", err
			}
			return v.formProvenance(history)
		}
	}
	return page{}, "", unknownResource()
}

func (v *sight) issueProvenance(a alert.Alert) (page, error) {
	if _, raised := fhir.IssueStatus(a); !raised {
		return page{}, unknownResource()
	}
	return page{version: a.Version, updated: fhir.IssueUpdated(a), body: fhir.IssueProvenance(a, v.config.Version)}, nil
}

func (v *sight) formProvenance(history fhir.History) (page, ref.Patient, error) {
	current := history.Current()
	if len(current) == 0 {
		return page{}, "", unknownResource()
	}
	newest := slices.MaxFunc(current, func(a, b fhir.Observed) int { return int(a.Version - b.Version) })
	source := newest.Sheet.Fact.Source
	source.Version = newest.Version
	rec, err := v.once(source)
	if err != nil {
		return page{}, "", fault.Wrap(fault.Internal, err, "read the form behind a score")
	}
	_, version, body := fhir.FormProvenance(current, rec.Received)
	return page{version: version, updated: rec.Received, body: body}, newest.Sheet.Patient, nil
}

func (v *sight) provenanceOfPatients(patients []ref.Patient) ([]hit, error) {
	var out []hit
	for _, patient := range patients {
		forms, err := v.formsOf(patient)
		if err != nil {
			return nil, err
		}
		for _, history := range forms {
			p, of, err := v.formProvenance(history)
			if err != nil && fault.Of(err) != fault.NotFound {
				return nil, err
			}
			if err == nil && of == patient {
				out = append(out, v.provenanceHit(idOf(history), patient, p))
			}
		}
		alerts, err := v.ListAlerts(alert.Query{Patient: patient, Statuses: raised, Max: maxSorted})
		if err != nil {
			return nil, err
		}
		for _, a := range alerts {
			if p, err := v.issueProvenance(a); err == nil {
				out = append(out, v.provenanceHit(fhir.IssueProvenanceID(a.ID), patient, p))
			}
		}
	}
	return out, nil
}

// idOf is the id of the Provenance of a form.
func idOf(history fhir.History) string {
	return history.Current()[0].Sheet.ID("provenance")
}
