// Package rest is FHIR REST on net/http: create, read, search, and Bundles, over the same doors as gRPC.
//
// The way of a request: route (404, 405) → tenant (401, 403) → what the client can read (406) → handler. A handler
// returns an error; reply alone turns errors into OperationOutcomes, so no answer leaves without one.
package rest

import "time"

// Limits of a body, in bytes.
const (
	// MaxResource bounds one resource.
	MaxResource = 16 << 20
	// MaxBundle bounds a Bundle sent to the base.
	MaxBundle = 64 << 20
	// maxForm bounds the form of a _search.
	maxForm = 1 << 20
)

// What an http.Server that serves this room should be given: a client that dawdles loses its connection.
const (
	// ReadHeaderTimeout bounds the time to send the header.
	ReadHeaderTimeout = 10 * time.Second
	// ReadTimeout bounds the time to send the whole request: 64 MiB at 5 Mbit/s.
	ReadTimeout = 2 * time.Minute
	// WriteTimeout bounds the time from the end of the header to the end of the answer.
	WriteTimeout = 3 * time.Minute
	// IdleTimeout bounds the time between two requests of one connection.
	IdleTimeout = 2 * time.Minute
	// MaxHeaderBytes bounds the header.
	MaxHeaderBytes = 64 << 10
)
