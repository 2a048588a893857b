// Package fhir translates between FHIR JSON and the domain.
package fhir

// Canonical is the base of the canonical URLs of Rapport's own FHIR artefacts; it never depends on the host.
const Canonical = "https://github.com/rapport-health/rapport/fhir"
