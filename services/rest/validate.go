package rest

import (
	"net/http"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/fhir"
	"github.com/rapport-health/rapport/services/fhir/tree"
)

// validate says what would be said of a resource if it were sent, and stores nothing.
var validate = operation{
	name: "validate", definition: "http://hl7.org/fhir/OperationDefinition/Resource-validate",
	doc: "Says what would become of the resource, which is the parameter resource or the body itself, and stores nothing. It is held against " +
		"R4 and, if it answers a known form, against the form; not against profiles.",
	onType: (*call).validate, onInstance: (*call).validate,
}

func (c *call) validate() error {
	typ := c.r.PathValue("type")
	k, ok := kindOf(typ)
	if !ok || !k.sent {
		return unknownKind(typ)
	}
	s, err := c.submission("", c.config.MaxResource)
	if err != nil {
		return err
	}
	doc, err := tree.Parse(s.Body, tree.Limits{Bytes: len(s.Body) + 1})
	if err == nil && doc.Root().Child("resourceType").Is("Parameters") {
		doc, err = resourceIn(doc)
		if err == nil {
			s.Body = doc.Raw()
		}
	}
	if err != nil {
		return c.validated(err, nil)
	}
	if !doc.Root().Child("resourceType").Is(typ) {
		return fault.New(fault.Invalid, fault.Errorf("invalid", "resourceType", "the body is not a %s, which this address takes", typ))
	}
	issues, err := c.config.Accept.Check(c.r.Context(), s)
	return c.validated(err, issues)
}

// validated answers 200 with what was found: that a resource is not valid is a result, not a failure.
func (c *call) validated(err error, issues []fault.Issue) error {
	switch fault.Of(err) {
	case fault.Invalid, fault.Unprocessable, fault.NotSupported, fault.TooLarge:
		if err != nil {
			c.reply(http.StatusOK, fhir.OutcomeOf(err))
			return nil
		}
	}
	if err != nil {
		return err
	}
	c.reply(http.StatusOK, fhir.Outcome(issues...))
	return nil
}

// resourceIn is the parameter resource.
func resourceIn(doc *tree.Doc) (*tree.Doc, error) {
	for p := range doc.Root().Child("parameter").Children() {
		if r := p.Child("resource"); p.Child("name").Is("resource") && r.Exists() {
			return tree.Parse(r.Raw(), tree.Limits{Bytes: len(r.Raw()) + 1})
		}
	}
	return nil, fault.New(fault.Invalid, fault.Errorf("required", "Parameters.parameter", "the parameter resource is missing"))
}
