package fhir

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strconv"
	"time"

	samply "github.com/samply/golang-fhir-models/fhir-models/fhir"

	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/instrument"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/domain/response"
)

// The code systems and names of what is derived from an answered form.
const (
	SystemDetail      = Canonical + "/CodeSystem/score-detail"
	SystemResult      = Canonical + "/CodeSystem/results"
	SystemObservation = Canonical + "/sid/observation"
	SystemSoftware    = Canonical + "/sid/software"
	ScoringRule       = Canonical + "/StructureDefinition/scoring-rule"
)

// Sheet is one score sheet with what else the Observations derived from it say.
type Sheet struct {
	// Fact of kind scores, with its Source.
	Fact fact.Fact
	// Definition that scored it; nil when it is not known any more.
	Definition *instrument.Definition
	// Patient it is about; empty for whom the form itself names.
	Patient ref.Patient
	// Answered is what its QuestionnaireResponse says; the zero one says nothing.
	Answered Answered
	// BornFrom and BornTo bound the patient's birth date, BornTo exclusive; zero when it is not known.
	BornFrom, BornTo time.Time
	// Engine is the version of the software.
	Engine string
	// Stem of the ids: ref.Derived of the form.
	Stem string
	// Extracted says that the Observations are to leave for another server, which gives them ids of its own: they name
	// one another by urn:uuid and the form without a version.
	Extracted bool
}

// Derivable says whether Observations are derived from a fact: from scores of a completed form that were not made
// elsewhere.
func Derivable(f fact.Fact) bool {
	s := f.Scores
	if s == nil || s.Version == fact.VersionExternal || f.Source.Type != "QuestionnaireResponse" {
		return false
	}
	return !slices.ContainsFunc(s.Scores, func(one fact.Score) bool {
		switch one.NotScorable {
		case response.InProgress, response.Stopped, response.EnteredInError, response.UnknownStatus:
			return true
		default:
			return false
		}
	})
}

// Part is one Observation that a sheet gives.
type Part struct {
	// Name of the part, stable across versions: panel, item-<number>, score-<code>, decision-<code> or screen.
	Name string
	// Codes and Categories by which it is found, as `system|code`.
	Codes, Categories []string

	build func(*samply.Observation)
	title string
}

// Parts are the Observations of the sheet, in the order panel, scores, decisions, screen, items.
func (s *Sheet) Parts() []Part {
	parts := []Part{s.panel()}
	for i := range s.Fact.Scores.Scores {
		parts = append(parts, s.score(i))
	}
	for i := range s.Fact.Scores.Decisions {
		parts = append(parts, s.decision(i))
	}
	if screen, ok := s.screen(); ok {
		parts = append(parts, screen)
	}
	for i := range s.Fact.Scores.Items {
		if s.Fact.Scores.Items[i].Answer != nil {
			parts = append(parts, s.item(i))
		}
	}
	return parts
}

// Standing is where an Observation stands in its life.
type Standing uint8

// The standings.
const (
	// First: it was derived for the first time.
	First Standing = iota
	// Later: it has replaced an earlier version.
	Later
	// Withdrawn: its form was entered in error, or says this no more.
	Withdrawn
)

// Version of a derived Observation.
type Version struct {
	// Number is that of the version of its source.
	Number int64
	// Standing is where it stands.
	Standing Standing
	// Updated is when that version of the source came in.
	Updated time.Time
}

// Status is the FHIR observation-status of a part of the sheet.
func (s *Sheet) Status(p Part, standing Standing) string { return s.status(p, standing).Code() }

func (s *Sheet) status(p Part, standing Standing) samply.ObservationStatus {
	switch {
	case standing == Withdrawn:
		return samply.ObservationStatusEnteredInError
	case standing == First && s.Answered.Status != amended:
		return samply.ObservationStatusFinal
	case p.Name == partScreen:
		// The quality measure of depression screening counts final and corrected ones alone.
		return samply.ObservationStatusCorrected
	default:
		return samply.ObservationStatusAmended
	}
}

// amended is the status of a QuestionnaireResponse that replaces one which may never have come here.
const amended = "amended"

// Profile is what derived Observations follow where it is known on which day they were answered.
const Profile = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-observation-screening-assessment"

// Observation is a part of the sheet as FHIR tells it.
func (s *Sheet) Observation(p Part, v Version) []byte {
	id := s.ID(p.Name)
	out := samply.Observation{
		Meta:        &samply.Meta{},
		Status:      s.status(p, v.Standing),
		Extension:   []samply.Extension{s.rule(p)},
		Category:    categories(p.Categories),
		Code:        coded(p.title, p.Codes),
		Subject:     s.subject(),
		Encounter:   s.Answered.encounter,
		BasedOn:     s.Answered.basedOn,
		PartOf:      s.Answered.partOf,
		Performer:   s.Answered.performer,
		DerivedFrom: s.derivedFrom(),
		Device:      s.device(),
	}
	out.Identifier = []samply.Identifier{{System: new(SystemObservation), Value: &id}}
	if !s.Extracted {
		out.Id = &id
		out.Meta.VersionId, out.Meta.LastUpdated = new(strconv.FormatInt(v.Number, 10)), new(Instant(v.Updated))
	}
	s.dated(&out)
	p.build(&out)
	if v.Standing == Withdrawn {
		note(&out, "Withdrawn: the form was entered in error, or says this no more.")
	}
	return encode(struct {
		ResourceType string `json:"resourceType"`
		samply.OtherObservation
	}{"Observation", samply.OtherObservation(out)})
}

// dated enters when it was answered, as written: an instant has a time of day, and the profile wants a day at least.
func (s *Sheet) dated(out *samply.Observation) {
	authored := s.Answered.Authored
	if authored == "" {
		authored = Instant(s.Fact.At)
	}
	out.EffectiveDateTime = &authored
	if len(authored) > len(time.DateOnly) {
		out.Issued = &authored
	}
	if len(authored) >= len(time.DateOnly) {
		out.Meta.Profile = []string{Profile}
	}
}

// subject is the patient; of a form that is not stored, whom it names.
func (s *Sheet) subject() *samply.Reference {
	if s.Patient == "" {
		return s.Answered.subject
	}
	return &samply.Reference{Reference: new(s.Patient.Reference())}
}

// derivedFrom is the version of the form. One that is not stored may have no id to lead to, and another server counts
// its versions otherwise.
func (s *Sheet) derivedFrom() []samply.Reference {
	source := s.Fact.Source
	if source.ID == "" {
		return nil
	}
	if s.Extracted {
		source = source.Unversioned()
	}
	return []samply.Reference{{Reference: new(source.String())}}
}

func (s *Sheet) device() *samply.Reference {
	software := "rapport"
	if s.Engine != "" {
		software += "|" + s.Engine
	}
	return &samply.Reference{
		Type: new("Device"), Identifier: &samply.Identifier{System: new(SystemSoftware), Value: &software}, Display: new("Rapport"),
	}
}

// ID of the Observation that is a part, stable across versions.
func (s *Sheet) ID(part string) string { return s.Stem + "-" + part }

// URL by which the parts refer to one another.
func (s *Sheet) URL(part string) string {
	if s.Extracted {
		return urnUUID(s.ID(part))
	}
	return "Observation/" + s.ID(part)
}

// urnUUID is a UUID made from a name: the same name, the same UUID.
func urnUUID(name string) string {
	sum := sha256.Sum256([]byte(name))
	sum[6], sum[8] = sum[6]&0x0f|0x80, sum[8]&0x3f|0x80 // version 8, by our own rule
	return fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
}

func (s *Sheet) reference(part string) samply.Reference {
	return samply.Reference{Reference: new(s.URL(part))}
}

func note(out *samply.Observation, text string) {
	out.Note = append(out.Note, samply.Annotation{Text: text})
}

// Sources are what a part is derived from, without versions.
func (s *Sheet) Sources(p Part) []ref.Resource {
	var out []ref.Resource
	if p.Name == partScreen {
		score := partName(partScore, screens[s.Fact.Scores.Instrument].score)
		out = append(out, ref.Resource{Type: "Observation", ID: s.ID(score)})
	}
	return append(out, s.Fact.Source.Unversioned())
}
