package rest

import (
	"slices"
	"time"

	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/judge"
	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/fhir"
	"github.com/rapport-health/rapport/services/store"
)

// finder gives the candidates of a search over one patient, or over all when patient is empty; nil when it has none.
type finder func(v *sight, typ string, c *criteria, patient ref.Patient) lookup

// lookup gives up to max candidates after a place, in order; fewer than max only at the end.
type lookup func(after place, max int) ([]hit, error)

// findRecords looks among what was received.
func findRecords(v *sight, typ string, c *criteria, patient ref.Patient) lookup {
	if len(c.ids) > 0 {
		return listed(func() ([]hit, error) { return recordsByID(v, typ, c.ids[0], patient) })
	}
	q := c.query(typ, patient)
	return func(after place, max int) ([]hit, error) {
		q.Max, q.After = max, record.Place{}
		if after.id != "" {
			q.After = record.Place{From: after.at, Resource: ref.Resource{Type: typ, ID: after.id}}
		}
		records, err := v.Search(q)
		return hitsOf(records, v.recordHit), err
	}
}

func recordsByID(v *sight, typ string, ids []string, patient ref.Patient) ([]hit, error) {
	var out []hit
	for _, id := range ids {
		rec, err := v.Record(ref.Resource{Type: typ, ID: id})
		switch {
		case err != nil && fault.Of(err) != fault.NotFound:
			return nil, err
		case err == nil && (patient == "" || rec.Patient == patient):
			out = append(out, v.recordHit(rec))
		}
	}
	return out, nil
}

func (v *sight) recordHit(rec record.Record) hit {
	h := hit{
		place: place{at: rec.From, id: rec.ID}, from: rec.From, to: rec.To, size: len(rec.Raw),
		coded: func(string) []string { return rec.Codes },
		body:  func() ([]byte, error) { return fhir.Served(rec), nil },
	}
	if rec.Type == "Observation" {
		v.observationHit(&h, rec)
	}
	return h
}

func hitsOf[T any](of []T, hitOf func(T) hit) []hit {
	out := make([]hit, len(of))
	for i, one := range of {
		out[i] = hitOf(one)
	}
	return out
}

// listed serves candidates that are all known at once. They are looked up once.
func listed(all func() ([]hit, error)) lookup {
	var sorted []hit
	looked := false
	return func(after place, max int) ([]hit, error) {
		if !looked {
			hits, err := all()
			if err != nil {
				return nil, err
			}
			slices.SortFunc(hits, func(a, b hit) int { return a.compare(b.place) })
			sorted, looked = slices.CompactFunc(hits, func(a, b hit) bool { return a.place == b.place }), true
		}
		rest := sorted
		if after.id != "" {
			first := slices.IndexFunc(sorted, func(h hit) bool { return h.compare(after) > 0 })
			if first < 0 {
				return nil, nil
			}
			rest = sorted[first:]
		}
		return rest[:min(len(rest), max)], nil
	}
}

// raised are the statuses of alerts that may be DetectedIssues: one that was raised may have given way to another.
var raised = []alert.Status{alert.Open, alert.Acknowledged, alert.Snoozed, alert.Resolved, alert.Retracted, alert.Suppressed}

// findAlerts looks among the alerts that were raised.
func findAlerts(v *sight, _ string, c *criteria, patient ref.Patient) lookup {
	if len(c.ids) > 0 {
		return listed(func() ([]hit, error) { return alertsByID(v, c.ids[0], patient, v.alertHit) })
	}
	q := alert.Query{Patient: patient, Statuses: raised}
	for _, group := range c.tokens["code"] {
		if len(group) == 1 && !group[0].anyCode {
			q.Rule = group[0].code
		}
	}
	return func(after place, max int) ([]hit, error) {
		q.Max, q.After = max, alertPlace(after)
		alerts, err := v.ListAlerts(q)
		return hitsOf(alerts, v.alertHit), err
	}
}

// alertPlace is a place among alerts; the beginning for the zero place.
func alertPlace(after place) alert.Place {
	if after.id == "" {
		return alert.Place{}
	}
	return alert.Place{Severity: judge.Severity(after.severity), Effective: after.at, ID: after.id}
}

func alertsByID(r store.Reader, ids []string, patient ref.Patient, hitOf func(alert.Alert) hit) ([]hit, error) {
	var out []hit
	for _, id := range ids {
		a, err := r.Alert(id)
		switch {
		case err != nil && fault.Of(err) != fault.NotFound:
			return nil, err
		case err == nil && (patient == "" || a.Patient == patient):
			out = append(out, hitOf(a))
		}
	}
	return out, nil
}

// The systems of FHIR's own codes in a DetectedIssue.
const (
	systemIssueStatus   = "http://hl7.org/fhir/observation-status"
	systemIssueSeverity = "http://hl7.org/fhir/detectedissue-severity"
)

// alertSize is about how large a DetectedIssue is, in bytes.
const alertSize = 2 << 10

func (v *sight) alertHit(a alert.Alert) hit {
	opened := a.Opened.Truncate(time.Millisecond)
	status, wasRaised := fhir.IssueStatus(a)
	return hit{
		hidden: !wasRaised,
		place:  place{severity: uint8(a.Severity), at: a.Effective, id: a.ID},
		from:   opened, to: opened.Add(time.Millisecond), size: alertSize,
		coded: func(param string) []string {
			switch param {
			case "code":
				return []string{fhir.SystemRule + "|" + a.Rule}
			case "severity":
				return []string{systemIssueSeverity + "|" + fhir.IssueSeverity(a)}
			default:
				return []string{systemIssueStatus + "|" + status.Code()}
			}
		},
		body: func() ([]byte, error) { return v.issue(a) },
	}
}
