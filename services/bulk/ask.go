package bulk

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/ref"
)

// asked is what a client asks of an export, as far as it was understood.
type asked struct {
	types []string
	// named says that types were named, whether they are exported or not.
	named    bool
	filters  map[string][]string
	elements map[string][]string
	since    time.Time
	until    time.Time
	patients []string
	// associated says that Provenance is wanted beside what is exported.
	associated bool
	// lenient says to go on without what is not supported, and issues tell of it.
	lenient bool
	issues  []fault.Issue
}

// levels of an export.
const (
	ofAll     = "system"
	ofPeople  = "patient"
	ofMembers = "group"
)

// maxParameters bounds the body of a kick-off, in bytes: ids of some ten thousand patients.
const maxParameters = 2 << 20

// given are the parameters of a kick-off: those of the URL, and those of a Parameters resource in the body.
func (c *call) given() (url.Values, error) {
	values, err := url.ParseQuery(c.r.URL.RawQuery)
	if err != nil {
		return nil, fault.Newf(fault.Invalid, "invalid", "the parameters are not correctly URL-encoded")
	}
	if c.r.Method != http.MethodPost {
		return values, nil
	}
	body, err := io.ReadAll(http.MaxBytesReader(c.w, c.r.Body, maxParameters))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return nil, fault.Newf(fault.TooLarge, "too-long", "the parameters may have %d bytes at most", maxParameters)
	}
	if err != nil {
		return nil, fault.Newf(fault.Invalid, "incomplete", "the body could not be read to its end")
	}
	if len(body) == 0 {
		return values, nil
	}
	return values, readParameters(body, values)
}

// parameter is one of a Parameters resource.
type parameter struct {
	Name      string `json:"name"`
	String    string `json:"valueString"`
	URI       string `json:"valueUri"`
	URL       string `json:"valueUrl"`
	Code      string `json:"valueCode"`
	Instant   string `json:"valueInstant"`
	DateTime  string `json:"valueDateTime"`
	Canonical string `json:"valueCanonical"`
	Reference *struct {
		Reference string `json:"reference"`
	} `json:"valueReference"`
	Part []parameter `json:"part"`
}

// text is its value.
func (p *parameter) text() string {
	if p.Reference != nil {
		return p.Reference.Reference
	}
	for _, s := range []string{p.String, p.URI, p.URL, p.Code, p.Instant, p.DateTime, p.Canonical} {
		if s != "" {
			return s
		}
	}
	return ""
}

func parametersIn(body []byte) ([]parameter, error) {
	var resource struct {
		ResourceType string      `json:"resourceType"`
		Parameter    []parameter `json:"parameter"`
	}
	if err := json.Unmarshal(body, &resource); err != nil || resource.ResourceType != "Parameters" {
		return nil, fault.New(fault.Invalid, fault.Errorf("structure", "Parameters", "the body must be a Parameters resource, or empty"))
	}
	return resource.Parameter, nil
}

func readParameters(body []byte, into url.Values) error {
	found, err := parametersIn(body)
	for i := range found {
		into.Add(found[i].Name, found[i].text())
	}
	return err
}

// preferLenient says whether the client asks to go on without what is not supported.
func preferLenient(h http.Header) bool {
	return slices.ContainsFunc(strings.FieldsFunc(strings.Join(h.Values("Prefer"), ","), func(r rune) bool { return r == ',' || r == ';' }),
		func(one string) bool {
			return strings.EqualFold(strings.ReplaceAll(strings.TrimSpace(one), " ", ""), "handling=lenient")
		})
}

// ask reads the parameters of a kick-off.
func (c *call) ask(level string) (*asked, error) {
	values, err := c.given()
	if err != nil {
		return nil, err
	}
	a := &asked{filters: map[string][]string{}, elements: map[string][]string{}, lenient: preferLenient(c.r.Header)}
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if err := c.understand(a, level, name, values[name]); err != nil {
			return nil, err
		}
	}
	return a, c.complete(a, level)
}

// understand reads all occurrences of one parameter.
func (c *call) understand(a *asked, level, name string, values []string) error {
	for _, value := range values {
		var err error
		switch name {
		case "_outputFormat":
			err = a.format(value)
		case "_since":
			a.since, err = instant(name, value)
		case "_until":
			a.until, err = instant(name, value)
		case "_type":
			err = c.wantTypes(a, value)
		case "_typeFilter":
			err = c.wantFilters(a, value)
		case "_elements":
			err = a.wantElements(value)
		case "patient":
			err = a.wantPatients(level, value)
		case "includeAssociatedData":
			err = a.wantAssociated(value)
		case "_format", "_pretty":
		default:
			err = a.refuse("the parameter %s is not supported", plain(name))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// refuse is the answer to what is not supported, or notes it where the client goes without.
func (a *asked) refuse(format string, args ...any) error {
	if !a.lenient {
		return fault.New(fault.Invalid, fault.Errorf("not-supported", "", format, args...))
	}
	a.issues = append(a.issues, fault.Warnf("not-supported", "", format+", and was left out", args...))
	return nil
}

// plain is a word of the client's as it may stand in an answer.
func plain(word string) string {
	if len(word) > 60 || strings.ContainsFunc(word, func(r rune) bool { return r < '!' || r > '~' }) {
		return "with an odd name"
	}
	return word
}

func (a *asked) format(value string) error {
	name, _, err := mime.ParseMediaType(strings.Replace(value, " ", "+", 1)) // an unescaped + arrives as a blank
	if err == nil && slices.Contains([]string{ndjson, "application/ndjson", "ndjson"}, name) {
		return nil
	}
	return a.refuse("an export is written as %s alone", ndjson)
}

func instant(name, value string) (time.Time, error) {
	at, err := time.Parse(time.RFC3339Nano, strings.Replace(value, " ", "+", 1))
	if err != nil {
		return at, fault.New(fault.Invalid, fault.Errorf("value", "", "%s must be an instant such as 2026-03-02T09:00:00Z", name))
	}
	return at, nil
}

func (c *call) wantTypes(a *asked, value string) error {
	a.named = a.named || value != ""
	for typ := range strings.SplitSeq(value, ",") {
		typ = strings.TrimSpace(typ)
		switch {
		case typ == "" || slices.Contains(a.types, typ):
		case !slices.Contains(c.Face.Types(), typ):
			if err := a.refuse("the type %s is not exported here", plain(typ)); err != nil {
				return err
			}
		case c.May != nil && !c.May(c.who, typ):
			if !a.lenient {
				return fault.Newf(fault.Forbidden, "forbidden", "the scopes of the token do not allow to read %s", typ)
			}
			a.issues = append(a.issues, fault.Warnf("forbidden", "", "the scopes of the token do not allow to read %s, and it was left out", typ))
		default:
			a.types = append(a.types, typ)
		}
	}
	return nil
}

// nextFilter is where, in a list of filters, the next one begins. A comma alone may stand between alternatives.
var nextFilter = regexp.MustCompile(`,[A-Z][A-Za-z]+\?`)

func (c *call) wantFilters(a *asked, value string) error {
	for value != "" {
		one := value
		if at := nextFilter.FindStringIndex(value); at != nil {
			one = value[:at[0]]
		}
		value = strings.TrimPrefix(value[len(one):], ",")
		typ, query, ok := strings.Cut(strings.TrimSpace(one), "?")
		if !ok || !slices.Contains(c.Face.Types(), typ) {
			if err := a.refuse("a _typeFilter must be a search of a type that is exported here, such as Observation?status=final"); err != nil {
				return err
			}
			continue
		}
		if err := c.Face.Check(typ, query); err != nil {
			if !a.lenient {
				return err
			}
			a.issues = append(a.issues, fault.Warnf("not-supported", "", "a _typeFilter of %s is not supported, and was left out", typ))
			continue
		}
		a.filters[typ] = append(a.filters[typ], query)
	}
	return nil
}

var element = regexp.MustCompile(`^(?:([A-Z][A-Za-z]{1,63})\.)?([a-z][A-Za-z]{0,63})$`)

func (a *asked) wantElements(value string) error {
	for one := range strings.SplitSeq(value, ",") {
		found := element.FindStringSubmatch(strings.TrimSpace(one))
		if found == nil {
			if err := a.refuse("_elements names elements such as status or Observation.status"); err != nil {
				return err
			}
			continue
		}
		a.elements[found[1]] = append(a.elements[found[1]], found[2])
	}
	return nil
}

// elementsOf are those that are wanted of a type; nil for all.
func (a *asked) elementsOf(typ string) []string { return append(a.elements[""], a.elements[typ]...) }

func (a *asked) wantPatients(level, value string) error {
	if level == ofAll {
		return a.refuse("the parameter patient belongs to an export of patients or of a group")
	}
	for one := range strings.SplitSeq(value, ",") {
		typ, id, ok := strings.Cut(strings.TrimSpace(one), "/")
		if !ok {
			typ, id = "Patient", typ
		}
		if typ != "Patient" || !ref.ValidID(id) {
			return fault.New(fault.Invalid, fault.Errorf("value", "", "the parameter patient must be a reference such as Patient/1"))
		}
		a.patients = append(a.patients, id)
	}
	return nil
}

func (a *asked) wantAssociated(value string) error {
	for one := range strings.SplitSeq(value, ",") {
		switch strings.TrimSpace(one) {
		case "LatestProvenanceResources", "RelevantProvenanceResources":
			a.associated = true
		default:
			if err := a.refuse("includeAssociatedData %s is not supported", plain(one)); err != nil {
				return err
			}
		}
	}
	return nil
}

// supporting are the types about no patient that an export of patients holds when they are named.
var supporting = []string{"Practitioner", "PractitionerRole", "Questionnaire"}

// apart are the other types about no patient.
var apart = []string{"Group"}

// complete fills in what was not said, and refuses what contradicts itself.
func (c *call) complete(a *asked, level string) error {
	if !a.since.IsZero() && !a.until.IsZero() && a.until.Before(a.since) {
		return fault.New(fault.Invalid, fault.Errorf("value", "", "_until lies before _since"))
	}
	for typ := range a.filters {
		if a.named && !slices.Contains(a.types, typ) {
			delete(a.filters, typ)
			if err := a.refuse("a _typeFilter names %s, which _type does not", typ); err != nil {
				return err
			}
		}
	}
	if !a.named {
		a.types = slices.DeleteFunc(slices.Clone(c.Face.Types()), func(typ string) bool {
			others := slices.Contains(supporting, typ) || slices.Contains(apart, typ)
			return level != ofAll && others || c.May != nil && !c.May(c.who, typ)
		})
	}
	if a.associated && !slices.Contains(a.types, "Provenance") {
		a.types = append(a.types, "Provenance")
	}
	if level != ofAll && slices.ContainsFunc(a.types, func(typ string) bool { return slices.Contains(apart, typ) }) {
		a.types = slices.DeleteFunc(a.types, func(typ string) bool { return slices.Contains(apart, typ) })
		return a.refuse("a Group is about no single patient: it is in an export of everything alone")
	}
	return nil
}
