package path

// The extensions that carry expressions.
const (
	calculatedURL = "http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-calculatedExpression"
	enableWhenURL = "http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-enableWhenExpression"
	variableURL   = "http://hl7.org/fhir/StructureDefinition/variable"
)
