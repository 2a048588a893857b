// Package fhir holds the FHIR conformance resources that Rapport defines or states: data, and nothing else.
package fhir

import "embed"

// Files holds capability.json, the fixed part of the CapabilityStatement, and in codesystem/, searchparameter/ and structuredefinition/ one
// resource per file, each named after its id with the prefix `rapport-` left out.
//
//go:embed capability.json codesystem/*.json searchparameter/*.json structuredefinition/*.json
var Files embed.FS

// Topics holds, in subscriptiontopic/, the topics that can be subscribed to, one R4 Basic per file.
//
//go:embed subscriptiontopic/*.json
var Topics embed.FS
