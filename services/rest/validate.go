package rest

import (
	"net/http"
	"net/url"

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
	values, err := url.ParseQuery(c.r.URL.RawQuery)
	if err != nil {
		return badQuery()
	}
	profiles := values["profile"]
	doc, err := tree.Parse(s.Body, tree.Limits{Bytes: len(s.Body) + 1})
	if err == nil && doc.Root().Child("resourceType").Is("Parameters") {
		profiles = append(profiles, profilesIn(doc.Root())...)
		doc, err = resourceIn(doc)
		if err == nil {
			s.Body = doc.Raw()
		}
	}
	if err != nil {
		return c.validated(err, nil)
	}
	if !doc.Root().Child("resourceType").Is(typ) {
		return fault.New(fault.Invalid, fault.Errorf("invalid", "resourceType", "the resourceType of the body is not %s, which this address takes", typ))
	}
	issues, err := c.config.Accept.Check(c.r.Context(), s)
	return c.validated(err, append(issues, unchecked(profiles, doc.Root())...))
}

// validated answers 200 with what was found: that a resource is not valid is a result, not a failure.
func (c *call) validated(err error, issues []fault.Issue) error {
	switch fault.Of(err) {
	case fault.Invalid, fault.Unprocessable, fault.NotSupported, fault.TooLarge:
		if err != nil {
			c.reply(http.StatusOK, fhir.Outcome(append(fhir.Issues(fault.Of(err), fault.IssuesOf(err)), issues...)...))
			return nil
		}
	}
	if err != nil {
		return err
	}
	c.reply(http.StatusOK, fhir.Outcome(issues...))
	return nil
}

// profilesIn are the profiles that a Parameters resource names.
func profilesIn(root tree.Node) []string {
	var out []string
	for p := range root.Child("parameter").Children() {
		if p.Child("name").Is("profile") {
			out = append(out, p.Child("valueCanonical").Text()+p.Child("valueUri").Text()+p.Child("valueUrl").Text())
		}
	}
	return out
}

// unchecked warns of each profile, of those asked for and those claimed, that nothing was held against it.
func unchecked(profiles []string, root tree.Node) []fault.Issue {
	var out []fault.Issue
	base := "http://hl7.org/fhir/StructureDefinition/" + root.Child("resourceType").Text()
	warn := func(path, profile string) {
		if profile == base || profile == base+"|4.0.1" {
			return
		}
		out = append(out, fault.Warnf("not-supported", path, "the resource was held against R4, and not against the profile %s", shownURL(profile)))
	}
	for _, profile := range profiles {
		warn("", profile)
	}
	for claimed := range root.Child("meta").Child("profile").Children() {
		warn(claimed.Path(), claimed.Text())
	}
	return out
}

// shownURL is a canonical URL as it may stand in an answer.
func shownURL(canonical string) string {
	u, err := url.Parse(canonical)
	if err != nil || u.Host == "" || u.RawQuery != "" || len(canonical) > 200 {
		return "that is named"
	}
	return canonical
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
