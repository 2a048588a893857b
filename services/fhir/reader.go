package fhir

import (
	"slices"
	"time"

	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/instrument"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/domain/response"
	"github.com/rapport-health/rapport/services/fhir/tree"
)

// Instruments find the score that a code stands for.
type Instruments interface {
	// ByScoreCode finds the definition and the score code of a `system|code`; ok is false when none has it.
	ByScoreCode(systemCode string) (def *instrument.Definition, scoreCode string, ok bool)
}

// Sources know what a source means by codes of its own. Instruments that are Sources too are asked as such.
type Sources interface {
	// ReadyMade finds the definition and the score code of a `system|code` of a source, and the variant in which the
	// source computes it; ok is false when none has it.
	ReadyMade(source ref.Source, systemCode string) (def *instrument.Definition, scoreCode, variant string, ok bool)
}

// Reader turns FHIR JSON into what Rapport can use. It holds no state and may be shared.
type Reader struct {
	// Instruments recognise ready-made scores; nil recognises none.
	Instruments Instruments
	// Namer gives nested care teams their ids in Rapport.
	Namer ref.Namer
	// Zone is where a date without a time is a day, and where the day lies of a time that is written in UTC; nil leaves
	// that to Zones.
	Zone *time.Location
	// Zones are the same by the time to which a resource belongs; none means UTC.
	Zones Zones
}

// Reading is what one resource says.
type Reading struct {
	// Type is the resourceType, LogicalID the id and Version the meta.versionId as sent; empty when not sent.
	Type, LogicalID, Version string
	// Updated is meta.lastUpdated as sent; zero when not sent.
	Updated time.Time
	// Changed is since when the resource says what it says, as far as it tells; zero when it does not.
	Changed time.Time
	// Subject is the patient it is about.
	Subject Subject
	// Identifiers of a Patient itself, as `system|value`.
	Identifiers []string
	// Codes it can be found by, as `system|code` or `|code`; of a QuestionnaireResponse or Questionnaire the canonical,
	// with and without its version.
	Codes []string
	// From and To bound its effective time at the written precision, To exclusive; zero where open or not said.
	From, To time.Time
	// Facts taken from it. ID holds only the name of the part ("" for the only one); Recorded and Source are not set,
	// and At is zero where the resource says no time: the time of receipt stands in then, also for a zero
	// Prescription.From.
	Facts []fact.Fact
	// Draft of a QuestionnaireResponse of any status; also an unfinished one has critical items that count. It is nil
	// where a modifier that is not understood, or a patient who cannot be told, forbids to use it. Its Authored is zero
	// when not sent: the time of receipt stands in for it.
	Draft *response.Draft
	// Clinician whom a rating is about; empty when not named.
	Clinician ref.Clinician
	// Encounter in its source's own ids, `Encounter/x`, from which the clinician may be learned.
	Encounter string
	// Respondent who answered: patient, clinician, care-partner; empty when not said.
	Respondent string
	// Void says that by its status there is nothing (any more) to be taken from it: facts of earlier versions fall.
	Void bool
	// Links to other resources, `Type/id` in the source's own ids.
	Links []Link
	// Issues are warnings and information: what was not understood, and why nothing could be used.
	Issues []fault.Issue
}

// Subject is the patient a resource is about. Where both are empty it is about none.
type Subject struct {
	// Logical is the patient's id in its source.
	Logical string
	// Identifier as `system|value`.
	Identifier string
	// Path of the reference.
	Path string
}

// Known says whether a patient is named.
func (s Subject) Known() bool { return s.Logical != "" || s.Identifier != "" }

// Link is a reference to another resource.
type Link struct {
	// Kind is the name of the element, such as derivedFrom or replaced-by.
	Kind string
	// Target as `Type/id` in the source's own ids.
	Target string
}

// readers by type.
var readers = map[string]func(*work){
	"Appointment":           (*work).appointment,
	"CareTeam":              (*work).careTeam,
	"Consent":               (*work).consent,
	"Encounter":             (*work).encounter,
	"EpisodeOfCare":         (*work).episodeOfCare,
	"Goal":                  (*work).goal,
	"Group":                 (*work).nothing,
	"Observation":           (*work).observation,
	"Patient":               (*work).patient,
	"Practitioner":          (*work).nothing,
	"PractitionerRole":      (*work).nothing,
	"Questionnaire":         (*work).questionnaire,
	"QuestionnaireResponse": (*work).response,
	"RelatedPerson":         (*work).relatedPerson,
	"ServiceRequest":        (*work).serviceRequest,
}

// Readable says whether Read knows a type.
func Readable(typ string) bool { return readers[typ] != nil }

// ResourceType says whether typ is a resource type of FHIR R4.
func ResourceType(typ string) bool { return loadStructure().types[typ] }

// Read reads one resource of a source. It fails with fault.Invalid and all issues when the resource breaks R4, with
// fault.Unprocessable when it names no patient although its type needs one, and with fault.NotSupported, naming the
// type, when it is a resource of a type that is not read; then its id and subject are told all the same. The Draft of a
// QuestionnaireResponse that names no patient is read none the less, for whoever tells what else is wrong with it.
//
// An absolute reference means a resource of the source if it lies below one of the bases, and else one of another server, of
// which nothing is known here. Without any bases, every base is the source's own.
func (r *Reader) Read(doc *tree.Doc, source ref.Source, bases ...string) (Reading, error) {
	root := doc.Root()
	c := checker{structure: loadStructure()}
	typ := root.Child("resourceType").Text()
	w := work{Reader: r, checker: &c, root: root, source: source, bases: bases, zone: r.Zone}
	if c.types[typ] && readers[typ] == nil {
		w.out = Reading{Type: typ, LogicalID: root.Child("id").Text()}
		w.about()
		return w.out, fault.New(fault.NotSupported,
			fault.Errorf("not-supported", root.Path(), "%s resources are not used by Rapport", typ))
	}
	c.resource(root)
	if c.errors > 0 && readers[typ] == nil {
		return Reading{}, fault.New(fault.Invalid, c.issues...)
	}
	if w.zone == nil {
		w.zone = r.zoneOf(root)
	}
	if kind := w.invariants(typ); c.errors > 0 {
		refused := fault.New(kind, slices.Clone(c.issues)...)
		if kind == fault.Unprocessable && typ == "QuestionnaireResponse" {
			w.response()
		}
		return Reading{Type: typ, Draft: w.out.Draft}, refused
	}
	w.out = Reading{Type: typ, LogicalID: root.Child("id").Text(), Version: root.Child("meta").Child("versionId").Text()}
	w.out.Updated, _, _ = Interval(root.Child("meta").Child("lastUpdated"), w.zone)
	w.out.Changed = w.changed()
	readers[typ](&w)
	w.withhold()
	w.out.Issues = c.issues
	return w.out, nil
}

// work is one resource being read.
type work struct {
	*Reader
	*checker
	root   tree.Node
	source ref.Source
	bases  []string
	zone   *time.Location
	out    Reading
	// day is the patient's own calendar day of an Observation or a visit, where it is not the UTC day of when its facts
	// stand, and wholeDay says that no time of day was written.
	day      string
	wholeDay bool
}

// inform adds a piece of information.
func (w *work) inform(at tree.Node, format string, args ...any) {
	w.issues = append(w.issues, fault.Infof("informational", at.Path(), format, args...))
}

// unused says why nothing can be taken from the resource.
func (w *work) unused(at tree.Node, format string, args ...any) {
	w.issues = append(w.issues, fault.Warnf("not-supported", at.Path(), format, args...))
}

// add enters a fact.
func (w *work) add(part string, at time.Time, f fact.Fact) {
	f.ID, f.At = part, at
	w.out.Facts = append(w.out.Facts, f)
}

// withhold takes back what was read where a modifier that is not understood may change its meaning, or where no
// patient is known whom it could be about.
func (w *work) withhold() {
	if len(w.out.Facts) == 0 && w.out.Draft == nil {
		return
	}
	for _, name := range [2]string{"modifierExtension", "implicitRules"} {
		if m := w.root.Child(name); m.Exists() {
			w.unused(m, "%s is not understood and may change the meaning: the resource is stored and not used", name)
			w.out.Facts, w.out.Draft = nil, nil
		}
	}
	if !w.out.Subject.Known() {
		w.out.Facts, w.out.Draft = nil, nil
	}
}

// subject enters the patient named by the reference n.
func (w *work) subject(n tree.Node) {
	if !n.Exists() {
		w.inform(w.root, "it is about no patient: stored and not used")
		return
	}
	to := w.reference(n, "Patient")
	w.out.Subject.Path = n.Path()
	switch {
	case to.typ != "Patient":
		w.inform(n, "it is about a %s, not about a patient: stored and not used", to.typ)
	case to.id == "" && to.identifier == "" && w.foreign(n.Child("reference").Text()):
		w.unused(n, "the reference leads to another server, whose patients are not known here: refer to this server or to a base of the "+
			"source's that is known, or give an identifier with system and value")
	case to.id == "" && to.identifier == "":
		w.unused(n, "the patient cannot be told from this reference: give an id, or an identifier with system and value")
	default:
		w.out.Subject.Logical, w.out.Subject.Identifier = to.id, to.identifier
	}
}

// about enters the patient whom a resource of a type that is not read is about, where it says so in one of the usual ways.
func (w *work) about() {
	for _, name := range [2]string{"subject", "patient"} {
		n := w.root.Child(name)
		if to := w.reference(n, "Patient"); n.Kind() == tree.Object && to.typ == "Patient" && to.String() != "" {
			w.out.Subject = Subject{Logical: to.id, Identifier: to.identifier, Path: n.Path()}
			return
		}
	}
}

// effective enters the interval of the resource.
func (w *work) effective(from, to time.Time) { w.out.From, w.out.To = from, to }

// nothing is taken from types that are only kept for reference.
func (w *work) nothing() {}

func (w *work) relatedPerson() { w.subject(w.root.Child("patient")) }

func (w *work) questionnaire() {
	w.canonical(w.root.Child("url").Text(), w.root.Child("version").Text())
	for n := w.root.Child("code").First(); n.Exists(); n = n.Next() {
		w.coding(n)
	}
}

// canonical enters a canonical as codes to find the resource by.
func (w *work) canonical(url, version string) {
	if url == "" {
		return
	}
	if version != "" {
		w.out.Codes = append(w.out.Codes, url+"|"+version)
	}
	w.out.Codes = append(w.out.Codes, url)
}

// link enters a reference to another resource.
func (w *work) link(kind string, n tree.Node, fallback string) {
	if to := w.reference(n, fallback).String(); to != "" {
		w.out.Links = append(w.out.Links, Link{kind, to})
	}
}
