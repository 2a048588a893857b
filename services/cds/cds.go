// Package cds is CDS Hooks 2.0: at most two cards from what is known of a patient, and what became of them.
package cds

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/rapport-health/rapport/services/domain/access"
	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/store"
)

// Viewer reads what is stored.
type Viewer interface {
	// View reads one consistent state of a tenant.
	View(ctx context.Context, t ref.Tenant, read func(store.Reader) error) error
}

// Commander takes a step of an alert's life. Errors: those of alert.Lifecycle, NotFound, Unavailable.
type Commander interface {
	Command(ctx context.Context, t ref.Tenant, c alert.Command) (alert.Alert, error)
}

// Caller says who sends a request: the client by its token, and the person it acts for where the token names one.
// Errors: Unauthenticated, Forbidden, Unavailable.
type Caller func(*http.Request) (access.Principal, error)

// Config is what the room needs.
type Config struct {
	// Store is read from.
	Store Viewer
	// Commands takes feedback.
	Commands Commander
	// Caller of a request.
	Caller Caller
	// Source whose logical ids the client uses, unless it names another in the header X-Rapport-Source.
	Source ref.Source
	// Namer gives patients their ids in Rapport.
	Namer ref.Namer
	// BoardURL is the absolute http(s) URL of the board, to which cards lead; `{patient}` in it stands for the patient's id,
	// which else comes behind it as /patients/id. Empty: cards have no link.
	BoardURL string
	// Origins of browsers that may call, such as https://ehr.example.org. None: no browser of another origin may.
	Origins []string
	// Now is the clock.
	Now func() time.Time
	// Log takes what went wrong in the server itself, never patient data.
	Log *slog.Logger
}

// Default is a Config that lacks only Store, Commands and Caller.
func Default() Config {
	return Config{Source: "ehr", Namer: ref.Namer{Home: "ehr"}, Now: time.Now, Log: slog.New(slog.DiscardHandler)}
}

// Validate says what is missing or wrong.
func (c Config) Validate() error {
	if c.Store == nil || c.Commands == nil || c.Caller == nil || c.Now == nil || c.Log == nil {
		return errors.New("cds: Store, Commands, Caller, Now and Log are needed")
	}
	if !ref.ValidSource(string(c.Source)) {
		return fmt.Errorf("cds: %q cannot name a source", c.Source)
	}
	if err := CheckBoard(c.BoardURL); err != nil {
		return err
	}
	return CheckOrigins(c.Origins)
}

// CheckBoard says why a URL cannot be that of the board; the empty one can.
func CheckBoard(board string) error {
	if board == "" {
		return nil
	}
	u, err := url.Parse(strings.ReplaceAll(board, patientMark, "id"))
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return errors.New("the board's address must be an absolute http(s) URL, such as https://rapport.example.org")
	}
	return nil
}

// CheckOrigins says why one of them is none.
func CheckOrigins(origins []string) error {
	for _, o := range origins {
		u, err := url.Parse(o)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || o != u.Scheme+"://"+u.Host {
			return fmt.Errorf("%q is no origin of a browser: want scheme, host and port alone, such as https://ehr.example.org", o)
		}
	}
	return nil
}

// Prefix of every path.
const Prefix = "/cds-services"

// Routes are the patterns that are answered, as http.ServeMux reads them.
var Routes = []string{"GET " + Prefix, "POST " + Prefix + "/{id}", "POST " + Prefix + "/{id}/feedback"}

// Server answers under Prefix.
type Server struct {
	config Config
	mux    *http.ServeMux
}

// New wires the room. It fails when the configuration does.
func New(config Config) (*Server, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	s := &Server{config: config, mux: http.NewServeMux()}
	for i, handle := range []http.HandlerFunc{s.discover, s.answered(s.hook), s.answered(s.feedback)} {
		s.mux.HandleFunc(Routes[i], handle)
	}
	return s, nil
}

// ServeHTTP answers every request under Prefix.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.cross(w, r) {
		return
	}
	handler, pattern := s.mux.Handler(r)
	if pattern == "" {
		s.misplaced(w, r, handler)
		return
	}
	s.mux.ServeHTTP(w, r)
}
