package server

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rapport-health/rapport/services/auth"
	"github.com/rapport-health/rapport/services/bulk"
	"github.com/rapport-health/rapport/services/domain/access"
	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/rest"
)

// Bulk is the part of Config that says how much goes out and in at once.
type Bulk struct {
	// Dir is the folder of files on their way out and in; empty for `<file>.bulk` beside the SQLite file, and else for one in
	// the folder of temporary files. Servers on one database share it.
	Dir string
	// Keep is how long the files of an export are kept once it is done.
	Keep time.Duration
	// Jobs is how many exports, and how many imports, a tenant may have under way, and Workers how many jobs are worked on
	// at once.
	Jobs, Workers int
	// CapabilityURLs says that the URLs of files are secrets that need no token.
	CapabilityURLs bool
	// PrivateInputs says that an import may fetch from private addresses and without TLS.
	PrivateInputs bool
	// MaxInput bounds one input of an import, in bytes, unpacked.
	MaxInput int64
}

// DefaultBulk is that of a clinic.
func DefaultBulk() Bulk {
	d := bulk.Default()
	return Bulk{Keep: d.Keep, Jobs: d.PerTenant, Workers: d.Workers, MaxInput: d.MaxInput}
}

func (b Bulk) validate() error {
	if b.Keep <= 0 || b.Jobs < 1 || b.Workers < 1 || b.MaxInput < 1 {
		return errors.New("--bulk-keep, --bulk-jobs, --bulk-workers and --bulk-max-input must be above zero")
	}
	return nil
}

// bulkDir is where files go that are on their way out and in.
func (c Config) bulkDir() string {
	if c.Bulk.Dir != "" {
		return c.Bulk.Dir
	}
	if kind, place, err := storeOf(c.Store); err == nil && kind == "sqlite" {
		return place + ".bulk"
	}
	return filepath.Join(os.TempDir(), fmt.Sprintf("rapport-bulk-%d", os.Getuid()))
}

// openBulk wires the room and gives it its routes.
func (s *Server) openBulk(mux *routes, face *rest.Server) (err error) {
	config := bulk.Default()
	config.Store, config.Face, config.Begin = s.store, bulkFace{face}, s.beginBulk
	config.Caller, config.As, config.Pulse = bulkCaller, auth.With, s.commits.of
	config.Guarded = s.config.knowsCallers()
	config.May = func(p access.Principal, typ string) bool { return p.Allow(typ, access.Read) }
	config.Revoked = func(p access.Principal) bool { return s.entrance.registry.Revoked(p.Name) }
	config.Dir, config.Keep, config.PerTenant, config.Workers = s.config.bulkDir(), s.config.Bulk.Keep, s.config.Bulk.Jobs, s.config.Bulk.Workers
	config.Capability, config.Private, config.MaxInput = s.config.Bulk.CapabilityURLs, s.config.Bulk.PrivateInputs, s.config.Bulk.MaxInput
	config.Source, config.Now, config.ID, config.Log = s.config.Home, s.config.Now, rand.Text, s.config.Log
	if s.bulk, err = bulk.New(config); err != nil {
		return fmt.Errorf("--bulk-dir: %w", err)
	}
	mux.mount(s.bulk, s.bulk.Routes(), bulk.Patterns...)
	return nil
}

// bulkCaller is who asks. An import may bring anything, so it takes somebody who may create everything.
func bulkCaller(r *http.Request) (access.Principal, error) {
	p, err := auth.From(r.Context())
	if err == nil && strings.HasSuffix(r.URL.Path, "/$import") && !p.AllowAll(access.Create) {
		return p, fault.Newf(fault.Forbidden, "forbidden", "an import may bring resources of every type: it needs the scope system/*.c")
	}
	return p, err
}

// beginBulk queues submissions at the same door as all others.
func (s *Server) beginBulk(ctx context.Context, t ref.Tenant, of []decision.Submission) (func() ([]decision.Receipt, error), error) {
	batch, err := s.ingest.Begin(ctx, t, of)
	if err != nil {
		return nil, err
	}
	return batch.Wait, nil
}

// bulkFace is FHIR REST as exports see it.
type bulkFace struct{ *rest.Server }

// Types that can be exported.
func (bulkFace) Types() []string { return rest.ExportTypes() }

// Check says what is wrong with the query of a filter.
func (f bulkFace) Check(typ, query string) error { return f.CheckTaken(typ, query) }

// Freeze fixes the state that an export tells of.
func (f bulkFace) Freeze(ctx context.Context, t ref.Tenant, of []bulk.Taken, each func(int, []byte) error) (int64, error) {
	taken := make([]rest.Taken, len(of))
	for n := range of {
		taken[n] = rest.Taken(of[n])
	}
	return f.Server.Freeze(ctx, t, taken, each)
}

// Portion reads on.
func (f bulkFace) Portion(ctx context.Context, t ref.Tenant, of bulk.Taken, from bulk.Spot, max int) (bulk.Portion, error) {
	p, err := f.Server.Portion(ctx, t, rest.Taken(of), rest.Spot(from), max)
	return bulk.Portion{Resources: p.Resources, Gone: p.Gone, Next: (*bulk.Spot)(p.Next)}, err
}

// commits counts those of this server, by tenant.
type commits struct{ byTenant sync.Map }

// of all tenants but one; an empty one leaves none out.
func (c *commits) of(but ref.Tenant) (sum int64) {
	c.byTenant.Range(func(t, n any) bool {
		if count, ok := n.(*atomic.Int64); ok && t != but {
			sum += count.Load()
		}
		return true
	})
	return sum
}

// counted counts a commit and passes the news of it on.
func (c *commits) counted(next func(ref.Tenant, []feed.Cursor, ...feed.Draft)) func(ref.Tenant, []feed.Cursor, ...feed.Draft) {
	return func(t ref.Tenant, moved []feed.Cursor, events ...feed.Draft) {
		n, ok := c.byTenant.Load(t)
		if !ok {
			n, _ = c.byTenant.LoadOrStore(t, new(atomic.Int64))
		}
		if count, ok := n.(*atomic.Int64); ok {
			count.Add(1)
		}
		next(t, moved, events...)
	}
}
