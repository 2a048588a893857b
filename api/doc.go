// Package api holds what clients compile or load against: generated gRPC stubs, FHIR conformance resources and a small client.
package api

//go:generate sh -c "cd .. && go tool -modfile=.ci/tools/proto/go.mod buf generate --template proto/buf.gen.yaml"
