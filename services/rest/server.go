package rest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	conformance "github.com/rapport-health/rapport/api/fhir"
	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/instrument"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/fhir"
	"github.com/rapport-health/rapport/services/store"
)

// Accepter takes one submission to a durable, explained outcome. A transaction Bundle is stored whole or not at all;
// the entries of a batch stand alone. The receipt of either has one receipt per entry, in order. An error means that
// nothing is known to be stored.
type Accepter interface {
	Accept(ctx context.Context, s decision.Submission) (decision.Receipt, error)
	// AcceptIf is Accept on the condition that holds returns nil for the very state that the submission is committed to;
	// otherwise nothing is stored and its fault is in the receipt. Of a Bundle it stands or falls together.
	AcceptIf(ctx context.Context, s decision.Submission, holds func(store.Reader) error) (decision.Receipt, error)
	// Check says what Accept would find in one resource, and stores nothing. An error is why it would be refused.
	Check(ctx context.Context, s decision.Submission) ([]fault.Issue, error)
}

// Scorer scores a form without storing it.
type Scorer interface {
	// Scored takes a QuestionnaireResponse of a tenant to a fact of kind scores without id and source, with what was found
	// wrong with it. Errors: Invalid for what is no QuestionnaireResponse, NotFound for an unknown questionnaire,
	// Unprocessable for one from which nothing can be taken.
	Scored(ctx context.Context, t ref.Tenant, body []byte) (fact.Fact, []fault.Issue, error)
}

// Definitions finds instruments.
type Definitions interface {
	// Definition is the one by which something of a tenant was scored; nil when it is not at hand. It waits for nothing.
	Definition(t ref.Tenant, id, version string) *instrument.Definition
	// FetchDefinition brings one that is not at hand; nil when it is not known (any more). It reads the store, so it may
	// not be called within View.
	FetchDefinition(ctx context.Context, t ref.Tenant, id, version string) (*instrument.Definition, error)
	// Definitions are those in force for a tenant.
	Definitions(t ref.Tenant) []*instrument.Definition
}

// Viewer reads what is stored.
type Viewer interface {
	// View reads one consistent state of a tenant.
	View(ctx context.Context, t ref.Tenant, read func(store.Reader) error) error
}

// Config is what the room needs.
type Config struct {
	// Accept takes what is written.
	Accept Accepter
	// Store is read from.
	Store Viewer
	// Tenant of a request, or why it may not be served: a fault of kind Unauthenticated or Forbidden.
	Tenant func(*http.Request) (ref.Tenant, error)
	// Source of requests that name none.
	Source ref.Source
	// BaseURL is the absolute URL under which clients reach the handler, such as https://ehr.example/fhir. Empty means
	// the Host header when it is a loopback address, and else the address of the listener.
	BaseURL string
	// ByHost says that BaseURL is only what the server knows of itself: who names it by a loopback address, of this port or
	// of one that leads here, is answered with that.
	ByHost bool
	// Bases are the absolute URLs of the FHIR servers of each source, below which its ids are its own, beside the base of this
	// server itself.
	Bases map[ref.Source][]string
	// Proxies are the networks of proxies whose Forwarded and X-Forwarded-* headers are believed while no BaseURL is set.
	Proxies []netip.Prefix
	// TokenPath is where tokens are given out, beside Prefix; empty where they are not.
	TokenPath string
	// Guarded says that nobody is served without a token, for the CapabilityStatement.
	Guarded bool
	// Filled says whether the index of searches holds all that is stored of a tenant; nil means that it does.
	Filled func(ref.Tenant) bool
	// OwnFormat says of a path below Prefix that what lies there is no FHIR resource and is asked for in a format of its own;
	// nil means that there is none.
	OwnFormat func(path string) bool
	// Elsewhere are the types that other rooms serve below the same base, for the CapabilityStatement.
	Elsewhere []fhir.ResourceCapability
	// Operations that other rooms answer below the same base, by type, empty for those of no type, and Instantiates the
	// CapabilityStatements that they meet.
	Operations   map[string][]fhir.OperationCapability
	Instantiates []string
	// Now is the clock.
	Now func() time.Time
	// Score scores what is not stored.
	Score Scorer
	// Definitions say what scores mean.
	Definitions Definitions
	// Namer gives what is referred to its id in Rapport.
	Namer ref.Namer
	// Zone is where a date without a time is a day, as for the reader that dates what is stored; nil means UTC.
	Zone *time.Location
	// Log takes what went wrong in the server itself, never patient data.
	Log *slog.Logger
	// Version of the software.
	Version string
	// Rules gives the version of the rules in force, for the metadata; nil names none.
	Rules func() string
	// Whole answers what this room and others serve below the same base and what has passed Front, for entries of batches; they
	// were let in with their Bundle. nil means this room alone. It is called once a request has come.
	Whole func() http.Handler
	// Subscriptions says that another room answers for Subscription and its topics under the same base.
	Subscriptions bool
	// MaxResource and MaxBundle bound a body, in bytes; 0 means the constants of those names.
	MaxResource, MaxBundle int64
}

// Default is a Config that lacks only Accept, Store, Score, Definitions and Tenant.
func Default() Config {
	return Config{Source: "ehr", Namer: ref.Namer{Home: "ehr"}, Now: time.Now, Log: slog.New(slog.DiscardHandler), MaxResource: MaxResource, MaxBundle: MaxBundle}
}

// Validate says what is missing or wrong.
func (c Config) Validate() error {
	switch {
	case c.Accept == nil || c.Store == nil || c.Score == nil || c.Definitions == nil || c.Tenant == nil || c.Now == nil || c.Log == nil:
		return errors.New("rest: Accept, Store, Score, Definitions, Tenant, Now and Log are needed")
	case !ref.ValidSource(string(c.Source)):
		return fmt.Errorf("rest: %q cannot name a source", c.Source)
	case c.MaxResource < 0 || c.MaxBundle < 0:
		return errors.New("rest: a limit is negative")
	}
	if c.BaseURL == "" {
		return nil
	}
	u, err := url.Parse(c.BaseURL)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") || u.RawQuery != "" || u.Fragment != "" {
		return fmt.Errorf("rest: the base %q is no absolute http(s) URL without query", c.BaseURL)
	}
	return nil
}

// Server answers under Prefix.
type Server struct {
	config    Config
	mux       *http.ServeMux
	patterns  []string
	artefacts map[string][]byte // what Rapport defines, by Type/id
	fixed     []byte            // part of the CapabilityStatement
	since     time.Time
	turn      chan struct{} // is taken by the large Bundle that is being read
	patching  turns         // of those who patch one resource
}

// Prefix of every path.
const Prefix = "/fhir"

// New wires the room. It fails when the configuration does.
func New(config Config) (*Server, error) {
	if config.MaxResource == 0 {
		config.MaxResource = MaxResource
	}
	if config.MaxBundle == 0 {
		config.MaxBundle = MaxBundle
	}
	if config.Zone == nil {
		config.Zone = time.UTC
	}
	config.BaseURL = strings.TrimSuffix(config.BaseURL, "/")
	if err := config.Validate(); err != nil {
		return nil, err
	}
	artefacts, err := readArtefacts(conformance.Files)
	if err != nil {
		return nil, err
	}
	fixed, err := conformance.Files.ReadFile("capability.json")
	if err != nil {
		return nil, err
	}
	s := &Server{config: config, mux: http.NewServeMux(), artefacts: artefacts, fixed: fixed, since: config.Now(), turn: make(chan struct{}, 1)}
	if _, err := s.statement(""); err != nil {
		return nil, err
	}
	s.routes()
	return s, nil
}
