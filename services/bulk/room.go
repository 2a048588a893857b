// Package bulk takes much out of Rapport and into it at once: Bulk Data $export, and $import as a back-fill.
package bulk

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/rapport-health/rapport/services/domain/access"
	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/store"
)

// Taken is what an export takes of one type, as it stood at an event.
type Taken struct {
	// Type is one of Face.Types.
	Type string
	// Queries of searches, any of which selects; none selects all.
	Queries []string
	// Elements that are told beside the required ones; nil for all.
	Elements []string
	// Upto is the number of the tenant's event at which it is told how things stood.
	Upto int64
	// Above leaves out what was stored at the event of that number or before; nil leaves nothing out.
	Above *int64
	// Since leaves out what was last updated before, and Until what was last updated after; zero leaves nothing out.
	Since, Until time.Time
	// Of says about whom; nil for everything, also what is about no patient.
	Of func(ref.Patient) bool
	// Patients are those, where there are few; none says nothing.
	Patients []ref.Patient
}

// Spot is where a portion ended. The zero Spot is the beginning.
type Spot struct {
	Derived bool   `json:"derived,omitempty"`
	Seq     int64  `json:"seq,omitempty"`
	ID      string `json:"id,omitempty"`
	Version int64  `json:"version,omitempty"`
}

// Portion is a piece of an export.
type Portion struct {
	// Resources as FHIR JSON.
	Resources [][]byte
	// Gone are those that were deleted.
	Gone []ref.Resource
	// Next is where it ended; nil at the end of all.
	Next *Spot
}

// Face is FHIR REST as an export sees it: what a client would read there is what is exported. What it shows is what the
// caller in the context may see.
type Face interface {
	// Types that can be exported.
	Types() []string
	// Check says what is wrong with the query of a _typeFilter. Errors: Invalid.
	Check(typ, query string) error
	// Freeze gives the number of the tenant's last event, and what cannot be read as it stood once it has changed, to
	// each with the index of what it was taken for.
	Freeze(ctx context.Context, t ref.Tenant, of []Taken, each func(n int, resource []byte) error) (upto int64, err error)
	// Portion reads on behind a spot, over up to max versions of what is stored.
	Portion(ctx context.Context, t ref.Tenant, of Taken, from Spot, max int) (Portion, error)
	// Cohort are the patients of a Group. Errors: NotFound.
	Cohort(ctx context.Context, t ref.Tenant, id string) ([]ref.Patient, error)
	// Patients are those who go by ids, and the ids by which nobody goes.
	Patients(ctx context.Context, t ref.Tenant, ids []string) (found []ref.Patient, unknown []string, err error)
	// Base is the URL of FHIR REST for the client of a request, without a slash at the end.
	Base(r *http.Request) string
}

// Begin queues submissions of one tenant, and gives what to wait for: one receipt each, in order. Errors: Unavailable; then
// the same submissions may be sent again without harm.
type Begin func(ctx context.Context, t ref.Tenant, of []decision.Submission) (wait func() ([]decision.Receipt, error), err error)

// Keeper is what the room keeps its jobs in.
type Keeper interface {
	store.Jobs
	// Hold as store.Store.
	Hold(ctx context.Context, lease string) (context.Context, error)
}

// Config of the room.
type Config struct {
	// Store keeps jobs.
	Store Keeper
	// Face shows what is exported.
	Face Face
	// Begin takes what is imported.
	Begin Begin
	// Caller of a request. Errors: Unauthenticated or Forbidden.
	Caller func(*http.Request) (access.Principal, error)
	// As makes a caller the one of a context.
	As func(context.Context, access.Principal) context.Context
	// May says whether a caller may read a type; nil lets everybody.
	May func(p access.Principal, typ string) bool
	// Revoked says that a client has lost its registration: its jobs end and their files are closed. Nil when nobody can.
	Revoked func(p access.Principal) bool
	// Pulse counts the commits of all tenants but one, or of all for an empty one: while others work, jobs take their time.
	// Nil when that is not known.
	Pulse func(but ref.Tenant) int64
	// Dir is the folder of files on their way out and in. Servers on one database share it.
	Dir string
	// Keep is how long the files of an export, and the report of an import, are kept once it is done.
	Keep time.Duration
	// PerTenant is how many jobs of one kind a tenant may have under way, and Workers how many a server works on at once.
	PerTenant, Workers int
	// Guarded says that nobody is served without a token, so that the files are not either.
	Guarded bool
	// Capability says that the URLs of files are secrets that need no token.
	Capability bool
	// Private says that inputs may be fetched from private addresses and without TLS.
	Private bool
	// MaxInput bounds an input, in bytes, unpacked.
	MaxInput int64
	// Source of imports that name none.
	Source ref.Source
	// Now is the clock.
	Now func() time.Time
	// ID gives ids that nobody can guess.
	ID func() string
	// Log takes what went wrong, without patient data.
	Log *slog.Logger
}

// Default is a Config that lacks only Store, Face, Begin, Caller, As, Dir and ID.
func Default() Config {
	return Config{
		Keep: 24 * time.Hour, PerTenant: 4, Workers: 2, MaxInput: 16 << 30, Source: "ehr", Now: time.Now, Log: slog.New(slog.DiscardHandler),
	}
}

// Room answers what is asked, and works on jobs while Run runs.
type Room struct {
	Config
	mux *http.ServeMux
	// patterns of the mux, with their methods.
	patterns []string
	fetch    *http.Client
	wake     chan struct{}
	// every is how often it looks for jobs that other servers took, and how long it waits before it tries again.
	every time.Duration

	mu    sync.Mutex
	polls map[string]*polling
	// beats are when others were last seen to work, by whom that leaves out.
	beats map[ref.Tenant]beat
	// cancels ends the work on the jobs that this server works on.
	cancels map[string]context.CancelFunc
}

// New wires the room and makes its folder, for its owner alone.
func New(c Config) (*Room, error) {
	if c.Store == nil || c.Face == nil || c.Begin == nil || c.Caller == nil || c.As == nil || c.Now == nil || c.ID == nil || c.Log == nil {
		return nil, errors.New("bulk: Store, Face, Begin, Caller, As, Now, ID and Log are required")
	}
	if c.Dir == "" || c.Keep <= 0 || c.PerTenant < 1 || c.Workers < 1 || c.MaxInput < 1 || !ref.ValidSource(string(c.Source)) {
		return nil, errors.New("bulk: Dir, Keep, PerTenant, Workers, MaxInput and Source are required")
	}
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return nil, err
	}
	c.Dir = dir
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	r := &Room{
		Config: c, mux: http.NewServeMux(), fetch: fetcher(c.Private), wake: make(chan struct{}, 1), every: lookEvery,
		polls: map[string]*polling{}, beats: map[ref.Tenant]beat{}, cancels: map[string]context.CancelFunc{},
	}
	r.routes()
	return r, nil
}

// folder of a job's files.
func (r *Room) folder(id string) string { return filepath.Join(r.Dir, id) }

// rouse makes Run look for jobs at once.
func (r *Room) rouse() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}
