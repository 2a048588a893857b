package bulk

import "github.com/rapport-health/rapport/services/fhir"

// Instantiates is the CapabilityStatement that the exports meet.
const Instantiates = "http://hl7.org/fhir/uv/bulkdata/CapabilityStatement/bulk-data"

// definitions is the base of the canonical URLs of the operations of Bulk Data.
const definitions = "http://hl7.org/fhir/uv/bulkdata/OperationDefinition/"

// Operations of the room, by the type that they are of; those of no type under the empty one.
func Operations() map[string][]fhir.OperationCapability {
	return map[string][]fhir.OperationCapability{
		"": {
			{
				Name: "export", Definition: definitions + "export",
				Documentation: "Everything, or what _type, _typeFilter, _since, _until and _elements select, by GET and POST.",
			},
			{
				Name: "import", Definition: fhir.Canonical + "/OperationDefinition/import",
				Documentation: "A draft: application/fhir+ndjson in the body, or a Parameters resource whose input parts name https URLs. It is a " +
					"back-fill: all is scored, and what is found is recorded without being raised, but for safety findings.",
			},
		},
		"Patient": {{
			Name: "export", Definition: definitions + "patient-export",
			Documentation: "What is about patients; Practitioner, PractitionerRole and Questionnaire where _type names them.",
		}},
		"Group": {{
			Name: "export", Definition: definitions + "group-export",
			Documentation: "Of the members of a Group, or, under the id of a CareTeam, of the patients whom it looks after.",
		}},
	}
}
