package server

import (
	"github.com/rapport-health/rapport/services/auth"
	"github.com/rapport-health/rapport/services/bulk"
)

// ownFormat says what below the base of FHIR REST is no FHIR resource: the SMART configuration, and the files of exports.
func ownFormat(path string) bool { return path == auth.ConfigurationPath || bulk.IsFile(path) }
