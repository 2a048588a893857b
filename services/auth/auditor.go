package auth

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rapport-health/rapport/services/domain/audit"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/store"
)

// Bounds of the auditor.
const (
	auditQueue = 4096
	auditGroup = 512
	// auditPatients is how many patients one entry names; an access to more makes several.
	auditPatients = 500
	auditPause    = 200 * time.Millisecond
	// auditLinger is how long an entry that nobody waits for is held back for company.
	auditLinger = 50 * time.Millisecond
)

// Auditor writes the audit in groups: everything that comes while one group is being written makes the next.
type Auditor struct {
	store store.Audit
	log   *slog.Logger
	queue chan noted
	// written is told of records that were written; nil tells nobody.
	written func([]audit.Record)

	stop, ended chan struct{}
	stopping    sync.Once
	entries     prometheus.Counter
	failures    prometheus.Counter
}

// noted is one call's entries on their way.
type noted struct {
	entries []audit.Entry
	// done gets the end of it; nil when nobody waits.
	done chan error
}

// NewAuditor starts writing. Close ends it.
func NewAuditor(s store.Audit, log *slog.Logger, metrics prometheus.Registerer) (*Auditor, error) {
	a := &Auditor{
		store: s, log: log, queue: make(chan noted, auditQueue), stop: make(chan struct{}), ended: make(chan struct{}),
		entries:  prometheus.NewCounter(prometheus.CounterOpts{Name: "rapport_audit_entries_total", Help: "Audit entries written."}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{Name: "rapport_audit_failures_total", Help: "Attempts to write audit entries that failed."}),
	}
	if metrics != nil {
		for _, c := range []prometheus.Collector{
			a.entries, a.failures,
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "rapport_audit_waiting", Help: "Calls whose audit entries wait to be written."},
				func() float64 { return float64(len(a.queue)) }),
		} {
			if err := metrics.Register(c); err != nil {
				return nil, fault.Wrap(fault.Internal, err, "registering metrics of the audit")
			}
		}
	}
	go a.run()
	return a, nil
}

// Told is called with the records of each group once they are written. It is set before anything is noted.
func (a *Auditor) Told(written func([]audit.Record)) { a.written = written }

// Write returns once the entries are durable. Errors: Unavailable when they are not; then nothing may be shown.
func (a *Auditor) Write(ctx context.Context, entries ...audit.Entry) error {
	done := make(chan error, 1)
	if err := a.enqueue(ctx, noted{entries, done}); err != nil {
		return err
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fault.Wrap(fault.Unavailable, ctx.Err(), "waiting for the audit")
	case <-a.ended:
		select {
		case err := <-done:
			return err
		default:
			return errAudit()
		}
	}
}

// Note puts the entries on their way and returns; it waits only while too many are on it.
func (a *Auditor) Note(ctx context.Context, entries ...audit.Entry) error {
	return a.enqueue(ctx, noted{entries: entries})
}

func (a *Auditor) enqueue(ctx context.Context, n noted) error {
	select {
	case <-a.stop:
		return errAudit()
	default:
	}
	select {
	case a.queue <- n:
		return nil
	case <-a.stop:
		return errAudit()
	case <-ctx.Done():
		return fault.Wrap(fault.Unavailable, ctx.Err(), "waiting for the audit")
	}
}

func errAudit() error {
	return fault.Newf(fault.Unavailable, "transient", "the access cannot be audited now, and without that nothing is shown; send the same request again")
}

// run writes group after group.
func (a *Auditor) run() {
	defer close(a.ended)
	for {
		select {
		case first := <-a.queue:
			a.group(first)
		case <-a.stop:
			for {
				select {
				case first := <-a.queue:
					a.group(first)
				default:
					return
				}
			}
		}
	}
}

// group writes one entry and all that wait behind it, within bounds. What nobody waits for is tried until it is written;
// who waits is told of a failure, and what they asked for is not shown.
func (a *Auditor) group(first noted) {
	calls := a.gather(first)
	for {
		err := a.append(calls)
		if err == nil || len(calls) == 0 {
			return
		}
		a.failures.Inc()
		calls = unwaited(calls, err)
		if len(calls) == 0 {
			return
		}
		a.log.Warn("the audit could not be written; it will be tried again", "calls", len(calls), "error", err)
		select {
		case <-time.After(auditPause):
		case <-a.stop: // one last attempt, then what is left is lost with the store that does not take it
			if err := a.append(calls); err != nil {
				a.log.Error("audit entries were lost at the stop: the store does not take them", "calls", len(calls), "error", err)
			}
			return
		}
	}
}

// gather takes what waits behind the first call. While nobody waits to be answered it lingers for company: a write has left
// its own trace in the database already, and each transaction of the audit takes its turn among those of the clinic.
func (a *Auditor) gather(first noted) []noted {
	calls, size, awaited := []noted{first}, len(first.entries), first.done != nil
	enough := time.NewTimer(auditLinger)
	defer enough.Stop()
	for size < auditGroup {
		select {
		case next := <-a.queue:
			calls, size, awaited = append(calls, next), size+len(next.entries), awaited || next.done != nil
			continue
		default:
		}
		if awaited {
			break
		}
		select {
		case next := <-a.queue:
			calls, size, awaited = append(calls, next), size+len(next.entries), next.done != nil
			continue
		case <-enough.C:
		case <-a.stop:
		}
		break
	}
	return calls
}

func (a *Auditor) append(calls []noted) error {
	var entries []audit.Entry
	for _, c := range calls {
		entries = append(entries, c.entries...)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	records, err := a.store.AppendAudit(ctx, entries)
	if err != nil {
		return err
	}
	a.entries.Add(float64(len(records)))
	for _, c := range calls {
		if c.done != nil {
			c.done <- nil
		}
	}
	if a.written != nil {
		a.written(records)
	}
	return nil
}

// unwaited tells those who wait, and keeps the calls for which nobody does.
func unwaited(calls []noted, err error) []noted {
	var left []noted
	for _, c := range calls {
		if c.done == nil {
			left = append(left, c)
			continue
		}
		c.done <- fault.Wrap(fault.Unavailable, err, "writing the audit")
	}
	return left
}

// Close writes what is on its way, as long as ctx lasts.
func (a *Auditor) Close(ctx context.Context) error {
	a.stopping.Do(func() { close(a.stop) })
	select {
	case <-a.ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// split parts an entry so that each names few enough patients.
func split(e audit.Entry) []audit.Entry {
	var out []audit.Entry
	for len(e.Patients) > auditPatients {
		part := e
		part.Patients = e.Patients[:auditPatients]
		e.Patients = e.Patients[auditPatients:]
		out = append(out, part)
	}
	return append(out, e)
}
