package rest

import (
	"encoding/hex"
	"slices"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/fhir"
	"github.com/rapport-health/rapport/services/fhir/tree"
)

// operation is a named operation of a type, on the type itself and on one resource.
type operation struct {
	name, definition, doc string
	// getToo says that it may be asked for by GET: it changes nothing.
	getToo             bool
	onType, onInstance func(*call) error
}

// extract takes Observations from an answered form and stores nothing.
var extract = operation{
	name: "extract", definition: "http://hl7.org/fhir/uv/sdc/OperationDefinition/QuestionnaireResponse-extract",
	doc: "Returns a transaction Bundle of the Observations that are derived from a completed or amended form, and stores nothing. On the " +
		"type the form is the parameter questionnaire-response, or the body itself.",
	getToo: true, onType: (*call).extractSent, onInstance: (*call).extractStored,
}

// notExtractable refuses a form that has no result.
func notExtractable(issues ...fault.Issue) error {
	return fault.New(fault.Unprocessable, append([]fault.Issue{fault.Errorf("processing", "QuestionnaireResponse",
		"only from a completed or amended form that is scored can anything be extracted")}, issues...)...)
}

// extractSent answers for a form that came with the request.
func (c *call) extractSent() error {
	s, err := c.submission("Parameters", c.config.MaxResource)
	if err != nil {
		return err
	}
	doc, err := tree.Parse(s.Body, tree.Limits{Bytes: len(s.Body) + 1})
	if err != nil {
		return err
	}
	form, err := formOf(doc)
	if err != nil {
		return err
	}
	scored, issues, err := c.config.Score.Scored(c.r.Context(), c.tenant, form.Raw())
	if fault.Of(err) == fault.NotFound && err != nil {
		return notExtractable(fault.IssuesOf(err)...)
	}
	if err != nil {
		return err
	}
	source := ref.Resource{Type: "QuestionnaireResponse", ID: form.Root().Child("id").Text()}
	scored.Source = source
	if scored.At.IsZero() {
		scored.At = c.config.Now()
	}
	if !fhir.Derivable(scored) {
		return notExtractable(issues...)
	}
	definition, err := c.config.Definitions.FetchDefinition(c.r.Context(), c.tenant, scored.Scores.Instrument, scored.Scores.Version)
	if err != nil {
		return err
	}
	sheet := &fhir.Sheet{
		Fact: scored, Definition: definition,
		Answered: (&fhir.Reader{Zone: c.config.Zone, Namer: ref.Namer{Home: s.Source}}).AnsweredIn(form, s.Source),
		Engine:   c.config.Version, Stem: ref.Derived(c.tenant, c.named(source, s.Source, form)),
	}
	if patient := sheet.Answered.Subject(); patient != "" {
		err = c.look(func(v *sight) (err error) {
			sheet.BornFrom, sheet.BornTo, err = v.birth(ref.Patient(c.config.Namer.ID(s.Source, string(patient))))
			return err
		})
		if err != nil {
			return err
		}
	}
	c.extracted(fhir.NewHistory([]fhir.Past{{Sheet: sheet}}).Extract(), issues)
	return nil
}

// named is a form as it is called once it is stored, so that what is extracted from it bears the same identifiers; one
// without an id is called by its content.
func (c *call) named(source ref.Resource, from ref.Source, form *tree.Doc) ref.Resource {
	if source.ID == "" {
		hash := form.Content()
		source.ID = ref.Digest("extracted", hex.EncodeToString(hash[:]))
		return source
	}
	source.ID = c.config.Namer.ID(from, source.ID)
	return source
}

// formOf is the form among Parameters, or the body itself.
func formOf(doc *tree.Doc) (*tree.Doc, error) {
	root := doc.Root()
	switch {
	case root.Child("resourceType").Is("QuestionnaireResponse"):
		return doc, nil
	case !root.Child("resourceType").Is("Parameters"):
		return nil, fault.New(fault.Invalid, fault.Errorf("invalid", "resourceType", "send Parameters with a questionnaire-response"))
	}
	for p := range root.Child("parameter").Children() {
		if form := p.Child("resource"); p.Child("name").Is("questionnaire-response") && form.Exists() {
			return tree.Parse(form.Raw(), tree.Limits{Bytes: len(form.Raw()) + 1})
		}
	}
	return nil, fault.New(fault.Invalid, fault.Errorf("required", "Parameters.parameter", "the parameter questionnaire-response is missing"))
}

// extractStored answers for a stored form.
func (c *call) extractStored() error {
	of := ref.Resource{Type: "QuestionnaireResponse", ID: c.r.PathValue("id")}
	if !ref.ValidID(of.ID) {
		return unknownResource()
	}
	var observed []fhir.Observed
	var issues []fault.Issue
	err := c.look(func(v *sight) error {
		rec, err := v.once(of)
		if err != nil {
			return gone(err)
		}
		taken, err := v.takenFrom(of)
		if err != nil {
			return err
		}
		history, err := v.history(taken)
		if err != nil {
			return err
		}
		observed, issues = history.Extract(), rec.Issues
		for _, o := range observed {
			if err := v.answered(o.Sheet); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if len(observed) == 0 {
		return notExtractable(issues...)
	}
	c.extracted(observed, issues)
	return nil
}

func (c *call) extracted(of []fhir.Observed, issues []fault.Issue) {
	var outcome []byte
	if len(issues) > 0 {
		outcome = fhir.Outcome(slices.Clone(issues)...)
	}
	c.reply(200, fhir.Extracted(fhir.Extraction(of), outcome))
}
