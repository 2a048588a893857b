package fhir

import (
	"slices"
	"strconv"
	"strings"
	"time"

	samply "github.com/samply/golang-fhir-models/fhir-models/fhir"

	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/instrument"
	"github.com/rapport-health/rapport/services/domain/ref"
)

// Bears says whether an Observation derived from a form that is scored by the definition bears the code, a `system|code`,
// and other instruments' need not be looked at. The codes of a depression screen, which several have, are nobody's own.
func Bears(d *instrument.Definition, code string) bool {
	if code == adultScreen || code == adolescentScreen {
		return false
	}
	is := func(c instrument.Coded) bool { return c.Code == code }
	for _, system := range [2]string{instrument.ScoreSystem, instrument.ItemSystem} {
		if own, ok := strings.CutPrefix(code, system+"|"); ok && (own == d.ID || strings.HasPrefix(own, d.ID+"-")) {
			return true
		}
	}
	return slices.ContainsFunc(d.Panels, is) ||
		slices.ContainsFunc(d.Scores, func(s instrument.Score) bool { return slices.ContainsFunc(s.Codes, is) }) ||
		slices.ContainsFunc(d.Items, func(i instrument.Item) bool { return slices.Contains(i.Codes, code) })
}

// partProvenance is the part of a derived id that stands for the Provenance of all parts.
const partProvenance = "provenance"

// issuePrefix begins the id of the Provenance of an alert.
const issuePrefix = "issue."

// IssueProvenanceID is the id of the Provenance of an alert.
func IssueProvenanceID(alert string) string { return issuePrefix + alert }

// AlertOfProvenance is the alert whose Provenance an id is; ok is false when it is of none.
func AlertOfProvenance(id string) (alert string, ok bool) { return strings.CutPrefix(id, issuePrefix) }

// FormProvenance tells where the Observations derived from a form come from: from which version of it, by which software
// and by which scoring key. Of are those that the newest version gives, and those that it withdrew. It is empty for none.
func FormProvenance(of []Observed, updated time.Time) (id string, version int64, body []byte) {
	if len(of) == 0 {
		return "", 0, nil
	}
	newest := slices.MaxFunc(of, func(a, b Observed) int { return int(a.Version - b.Version) })
	s := newest.Sheet
	source := s.Fact.Source
	source.Version = newest.Version
	id = s.ID(partProvenance)
	out := samply.Provenance{
		Id: &id, Meta: &samply.Meta{VersionId: new(strconv.FormatInt(newest.Version, 10)), LastUpdated: new(Instant(updated))},
		Recorded: Instant(updated),
		Activity: provenanceActivity(newest.Standing),
		Agent:    []samply.ProvenanceAgent{engine("assembler", s.Engine)},
		Entity:   []samply.ProvenanceEntity{{Role: samply.ProvenanceEntityRoleSource, What: samply.Reference{Reference: new(source.String())}}},
		Policy:   []string{Canonical + "/instrument/" + s.Fact.Scores.Instrument + "|" + s.Fact.Scores.Version},
	}
	for _, o := range of {
		target := ref.Resource{Type: "Observation", ID: o.Sheet.ID(o.Name), Version: o.Version}
		out.Target = append(out.Target, samply.Reference{Reference: new(target.String())})
	}
	return id, newest.Version, provenance(out)
}

// IssueProvenance tells where an alert comes from: from which versions of which resources, by which rule, by which software.
func IssueProvenance(a alert.Alert, engineVersion string) []byte {
	id := IssueProvenanceID(a.ID)
	out := samply.Provenance{
		Id: &id, Meta: &samply.Meta{VersionId: new(strconv.FormatInt(a.Version, 10)), LastUpdated: new(Instant(IssueUpdated(a)))},
		Target:   []samply.Reference{{Reference: new("DetectedIssue/" + a.ID)}},
		Recorded: Instant(IssueUpdated(a)),
		Policy:   []string{Canonical + "/rule/" + a.Rule + "|" + a.RuleVersion},
		Agent:    []samply.ProvenanceAgent{engine("author", engineVersion)},
	}
	for _, source := range a.Sources {
		out.Entity = append(out.Entity, samply.ProvenanceEntity{
			Role: samply.ProvenanceEntityRoleSource, What: samply.Reference{Reference: new(source.String())},
		})
	}
	return provenance(out)
}

func provenanceActivity(s Standing) *samply.CodeableConcept {
	code := "UPDATE"
	switch s {
	case First:
		code = "CREATE"
	case Withdrawn:
		code = "NULLIFY"
	}
	return concept("http://terminology.hl7.org/CodeSystem/v3-DataOperation", code, "")
}

// engine is the software as an agent.
func engine(role, version string) samply.ProvenanceAgent {
	software := "rapport"
	if version != "" {
		software += "|" + version
	}
	return samply.ProvenanceAgent{
		Type: concept("http://terminology.hl7.org/CodeSystem/provenance-participant-type", role, ""),
		Who: samply.Reference{
			Type: new("Device"), Identifier: &samply.Identifier{System: new(SystemSoftware), Value: &software}, Display: new("Rapport"),
		},
	}
}

func provenance(p samply.Provenance) []byte {
	return encode(struct {
		ResourceType string `json:"resourceType"`
		samply.OtherProvenance
	}{"Provenance", samply.OtherProvenance(p)})
}
