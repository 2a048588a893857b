package rest

import (
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/rapport-health/rapport/services/domain/fault"
)

// jsonTypes are the media types that mean FHIR JSON.
var jsonTypes = map[string]bool{
	"application/fhir+json": true, "application/json": true, "text/json": true, "application/json+fhir": true,
}

// fhirJSON says whether a media type with its parameters is FHIR JSON of our version.
func fhirJSON(mediaType string) bool {
	name, params, err := mime.ParseMediaType(mediaType)
	if err != nil || !jsonTypes[name] {
		return false
	}
	version := params["fhirversion"]
	return version == "" || version == "4.0" || version == "4.0.1"
}

// sendable checks the Content-Type and Content-Encoding of a body that is written. None at all is taken as JSON.
func sendable(h http.Header) error {
	if e := h.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		return unsupported("the body must be sent without Content-Encoding")
	}
	if t := h.Get("Content-Type"); t != "" && !fhirJSON(t) {
		return unsupported("the body must be FHIR R4 JSON: Content-Type application/fhir+json")
	}
	return nil
}

func unsupported(text string) error {
	return &refusal{http.StatusUnsupportedMediaType, "", fault.Newf(fault.NotSupported, "not-supported", "%s", text)}
}

// acceptable checks that the client can read FHIR JSON. The parameter _format overrides the header Accept.
func acceptable(h http.Header, format []string) error {
	if len(format) > 0 && format[0] != "" {
		// An unescaped + in a URL arrives as a blank.
		if format[0] == "json" || fhirJSON(strings.Replace(format[0], " ", "+", 1)) {
			return nil
		}
		return notAcceptable()
	}
	ranges := strings.Join(h.Values("Accept"), ",")
	if strings.TrimSpace(ranges) == "" {
		return nil
	}
	for one := range strings.SplitSeq(ranges, ",") {
		if readable(one) {
			return nil
		}
	}
	return notAcceptable()
}

func notAcceptable() error {
	return &refusal{http.StatusNotAcceptable, "", fault.Newf(fault.NotSupported, "not-supported", "only FHIR JSON is spoken here: Accept application/fhir+json")}
}

// readable says whether one media range of an Accept header allows FHIR JSON.
func readable(mediaRange string) bool {
	name, params, err := mime.ParseMediaType(mediaRange)
	if err != nil {
		return false
	}
	if q, ok := params["q"]; ok {
		if weight, err := strconv.ParseFloat(q, 64); err != nil || weight <= 0 {
			return false
		}
	}
	return name == "*/*" || name == "application/*" || fhirJSON(mediaRange)
}

// preference is what the header Prefer asks for.
type preference struct {
	// returns is minimal, representation, OperationOutcome, or empty when not said.
	returns string
	// strict asks to refuse parameters that would be ignored.
	strict bool
}

// readPrefer reads the preferences that are known and leaves the others alone.
func readPrefer(h http.Header) preference {
	var p preference
	for one := range strings.FieldsFuncSeq(strings.Join(h.Values("Prefer"), ","), func(r rune) bool { return r == ',' || r == ';' }) {
		name, value, _ := strings.Cut(strings.TrimSpace(one), "=")
		value = strings.Trim(strings.TrimSpace(value), `"`)
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "return":
			if value == "minimal" || value == "representation" || value == "OperationOutcome" {
				p.returns = value
			}
		case "handling":
			p.strict = value == "strict"
		}
	}
	return p
}
