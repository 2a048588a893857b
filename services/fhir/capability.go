package fhir

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
)

// Capability is what a server can do, for its CapabilityStatement: the parts that depend on the server at hand.
type Capability struct {
	// Base is the URL that clients use.
	Base string
	// Version of the software.
	Version string
	// Rules is the version of the rules in force; empty names none.
	Rules string
	// Date since when the statement holds.
	Date time.Time
	// Token is the URL of the SMART token endpoint; empty names none.
	Token string
	// Websocket is where subscriptions are told over websockets; empty names none.
	Websocket string
	// Guarded says that nobody is served without a token.
	Guarded bool
	// Instantiates are the canonical URLs of the CapabilityStatements that it keeps.
	Instantiates []string
	// Resources in the order to be listed, each type once.
	Resources []ResourceCapability
	// Operations of the server as a whole.
	Operations []OperationCapability
}

// ResourceCapability is what the server does with one type.
type ResourceCapability struct {
	// Extensions of the entry.
	Extensions []CapabilityExtension `json:"extension,omitempty"`
	// Type is the FHIR type.
	Type string `json:"type"`
	// Profiles supported.
	Profiles []string `json:"supportedProfile,omitempty"`
	// Documentation for people, in Markdown.
	Documentation string `json:"documentation,omitempty"`
	// Interactions such as read and search-type.
	Interactions []InteractionCapability `json:"interaction,omitempty"`
	// Versioning is versioned: every version can be read.
	Versioning string `json:"versioning,omitempty"`
	// ReadHistory says that past versions can be read.
	ReadHistory bool `json:"readHistory"`
	// UpdateCreate says that a PUT may create.
	UpdateCreate bool `json:"updateCreate"`
	// ConditionalCreate says that If-None-Exist is honoured.
	ConditionalCreate bool `json:"conditionalCreate"`
	// ConditionalRead is full-support where If-None-Match and If-Modified-Since are honoured.
	ConditionalRead string `json:"conditionalRead,omitempty"`
	// ConditionalUpdate says that a PUT may name a resource by a search.
	ConditionalUpdate bool `json:"conditionalUpdate"`
	// ConditionalDelete is single where a DELETE may name one resource by a search.
	ConditionalDelete string `json:"conditionalDelete,omitempty"`
	// ReferencePolicy such as resolves.
	ReferencePolicy []string `json:"referencePolicy,omitempty"`
	// SearchInclude and SearchRevInclude are what _include and _revinclude may name.
	SearchInclude    []string `json:"searchInclude,omitempty"`
	SearchRevInclude []string `json:"searchRevInclude,omitempty"`
	// SearchParams by which it can be found.
	SearchParams []SearchParamCapability `json:"searchParam,omitempty"`
	// Operations that it offers.
	Operations []OperationCapability `json:"operation,omitempty"`
}

// CapabilityExtension is an extension whose value is a canonical URL.
type CapabilityExtension struct {
	// URL of the extension.
	URL string `json:"url"`
	// ValueCanonical is its value.
	ValueCanonical string `json:"valueCanonical"`
}

// OperationCapability is one operation.
type OperationCapability struct {
	// Name without the dollar sign.
	Name string `json:"name"`
	// Definition is the canonical URL of its OperationDefinition.
	Definition string `json:"definition"`
	// Documentation for people.
	Documentation string `json:"documentation,omitempty"`
}

// InteractionCapability is one interaction.
type InteractionCapability struct {
	// Code is a FHIR restful-interaction code.
	Code string `json:"code"`
	// Documentation for people.
	Documentation string `json:"documentation,omitempty"`
}

// SearchParamCapability is one search parameter.
type SearchParamCapability struct {
	// Name as it stands in the URL.
	Name string `json:"name"`
	// Definition is the canonical URL of its SearchParameter.
	Definition string `json:"definition,omitempty"`
	// Type such as token, reference or date.
	Type string `json:"type"`
	// Documentation for people.
	Documentation string `json:"documentation,omitempty"`
}

// statement is a CapabilityStatement as far as Rapport writes one.
type statement struct {
	ResourceType   string         `json:"resourceType"`
	Name           string         `json:"name"`
	Title          string         `json:"title,omitempty"`
	Status         string         `json:"status"`
	Date           string         `json:"date"`
	Publisher      string         `json:"publisher,omitempty"`
	Description    string         `json:"description,omitempty"`
	Kind           string         `json:"kind"`
	Instantiates   []string       `json:"instantiates,omitempty"`
	Software       software       `json:"software"`
	Implementation implementation `json:"implementation"`
	FHIRVersion    string         `json:"fhirVersion"`
	Format         []string       `json:"format"`
	PatchFormat    []string       `json:"patchFormat,omitempty"`
	Rest           []rest         `json:"rest"`
}

type software struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
}

type implementation struct {
	Description string `json:"description"`
	URL         string `json:"url,omitempty"`
}

type rest struct {
	Extensions    []uriExtension          `json:"extension,omitempty"`
	Mode          string                  `json:"mode"`
	Documentation string                  `json:"documentation,omitempty"`
	Security      *security               `json:"security,omitempty"`
	Resources     []ResourceCapability    `json:"resource,omitempty"`
	Interactions  []InteractionCapability `json:"interaction,omitempty"`
	SearchParams  []SearchParamCapability `json:"searchParam,omitempty"`
	Operations    []OperationCapability   `json:"operation,omitempty"`
}

type security struct {
	Extensions  []oauthURIs `json:"extension,omitempty"`
	CORS        bool        `json:"cors"`
	Service     []service   `json:"service,omitempty"`
	Description string      `json:"description,omitempty"`
}

type service struct {
	Coding []struct {
		System string `json:"system"`
		Code   string `json:"code"`
	} `json:"coding"`
}

// oauthURIs is where clients that do not ask for .well-known/smart-configuration, or ask for both and take what comes
// first, look for the token endpoint.
type oauthURIs struct {
	URL        string         `json:"url"`
	Extensions []uriExtension `json:"extension"`
}

// uriExtension is an extension whose value is a URI.
type uriExtension struct {
	URL      string `json:"url"`
	ValueURI string `json:"valueUri"`
}

// Statement is the CapabilityStatement: the fixed part, which says what never changes, filled with c.
// It fails when the fixed part has members that it does not know.
func (c Capability) Statement(fixed []byte) ([]byte, error) {
	var s statement
	d := json.NewDecoder(bytes.NewReader(fixed))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		return nil, fmt.Errorf("read the fixed part of the CapabilityStatement: %w", err)
	}
	if len(s.Rest) != 1 {
		return nil, fmt.Errorf("the fixed part of the CapabilityStatement has %d rest parts instead of one", len(s.Rest))
	}
	s.Date = c.Date.UTC().Format(time.RFC3339)
	s.Software.Version = c.Version
	s.Implementation.URL = c.Base
	if c.Rules != "" {
		s.Implementation.Description += "; rules " + c.Rules
	}
	s.Instantiates = c.Instantiates
	if c.Guarded && s.Rest[0].Security != nil {
		s.Rest[0].Security.Description = "Every request but for the metadata and .well-known/smart-configuration needs a bearer token."
	}
	if c.Token == "" && s.Rest[0].Security != nil {
		s.Rest[0].Security.Service = nil
	}
	if c.Token != "" && s.Rest[0].Security != nil {
		s.Rest[0].Security.Extensions = []oauthURIs{{
			URL: "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris", Extensions: []uriExtension{{"token", c.Token}},
		}}
	}
	if c.Websocket != "" {
		s.Rest[0].Extensions = []uriExtension{{"http://hl7.org/fhir/StructureDefinition/capabilitystatement-websocket", c.Websocket}}
	}
	s.Rest[0].Resources = c.Resources
	s.Rest[0].Operations = append(s.Rest[0].Operations, c.Operations...)
	return encode(s), nil
}
