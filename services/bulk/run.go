package bulk

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/store"
)

const (
	// lease is held by the server that works on the jobs of a database.
	lease = "bulk"
	// lookEvery is the usual Room.every.
	lookEvery = 2 * time.Second
	// sweepEvery is how often it looks for what has expired.
	sweepEvery = time.Minute
	// maxTries is how often a step is tried that fails by itself. What the store is away for is tried for ever.
	maxTries = 3
	// orphaned is how old a folder without a job must be before it is removed: its kick-off may be under way.
	orphaned = time.Hour
)

// Run works on jobs until ctx ends, and then leaves them to whoever is next: of all servers on a database, one does.
func (r *Room) Run(ctx context.Context) {
	for ctx.Err() == nil {
		held, err := r.Store.Hold(ctx, lease)
		if err == nil {
			r.lead(held)
			continue
		}
		r.pause(ctx)
	}
}

// lead gives jobs to workers, and sweeps.
func (r *Room) lead(ctx context.Context) {
	var workers sync.WaitGroup
	defer workers.Wait()
	ticker := time.NewTicker(r.every)
	defer ticker.Stop()
	busy := &busyness{jobs: map[string]ref.Tenant{}}
	var swept time.Time
	for {
		if now := time.Now(); now.Sub(swept) >= sweepEvery {
			swept = now
			r.sweep(ctx)
		}
		jobs, err := r.Store.JobsKept(ctx, false)
		if err != nil && ctx.Err() == nil {
			r.Log.Warn("bulk jobs cannot be read; it will be tried again", "error", err)
		}
		for job := range busy.choose(jobs, r.Workers) {
			workers.Go(func() {
				defer r.rouse()
				defer busy.end(job.ID)
				r.work(ctx, job)
			})
		}
		select {
		case <-r.wake:
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// busyness knows which jobs are worked on.
type busyness struct {
	mu   sync.Mutex
	jobs map[string]ref.Tenant
}

func (b *busyness) end(id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.jobs, id)
}

// choose yields the jobs to begin: the oldest of the tenant with the fewest under way, until there are enough.
func (b *busyness) choose(jobs []store.Job, most int) func(func(*store.Job) bool) {
	return func(yield func(*store.Job) bool) {
		for {
			job := b.next(jobs, most)
			if job == nil || !yield(job) {
				return
			}
		}
	}
}

func (b *busyness) next(jobs []store.Job, most int) *store.Job {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.jobs) >= most {
		return nil
	}
	running := map[ref.Tenant]int{}
	for _, t := range b.jobs {
		running[t]++
	}
	var best *store.Job
	for i := range jobs {
		if _, is := b.jobs[jobs[i].ID]; !is && (best == nil || running[jobs[i].Tenant] < running[best.Tenant]) {
			best = &jobs[i]
		}
	}
	if best != nil {
		b.jobs[best.ID] = best.Tenant
	}
	return best
}

// work goes on with a job until it is done, dropped, or ctx ends.
func (r *Room) work(ctx context.Context, listed *store.Job) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r.mu.Lock()
	r.cancels[listed.ID] = cancel
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		delete(r.cancels, listed.ID)
		r.mu.Unlock()
	}()
	job, err := r.Store.KeptJob(ctx, listed.Tenant, listed.ID)
	switch {
	case err == nil && r.closed(&job):
		r.drop(ctx, &job)
	case err == nil && !job.Done:
		err = r.workOn(ctx, &job)
	}
	switch kind := fault.Of(err); {
	case err == nil:
	case ctx.Err() != nil:
		r.unlessKept(listed)
	case kind == fault.NotFound:
		r.discard(listed.ID)
	case kind == fault.Conflict:
	case kind == fault.Unavailable:
		r.Log.Warn("a bulk job is held up; it will be tried again", "job", listed.ID, "error", err)
		r.pause(ctx)
	default:
		r.Log.Error("a bulk job failed", "job", listed.ID, "error", err)
		r.tried(ctx, &job)
	}
}

// pause is between two tries.
func (r *Room) pause(ctx context.Context) {
	select {
	case <-time.After(r.every):
	case <-ctx.Done():
	}
}

// unlessKept removes the files of a job that was dropped while it was worked on.
func (r *Room) unlessKept(job *store.Job) {
	ctx, cancel := context.WithTimeout(context.Background(), lookEvery)
	defer cancel()
	if _, err := r.Store.KeptJob(ctx, job.Tenant, job.ID); err != nil && fault.Of(err) == fault.NotFound {
		r.discard(job.ID)
	}
}

// workOn does the work of one kind. It never panics.
func (r *Room) workOn(ctx context.Context, job *store.Job) (err error) {
	defer func() {
		if v := recover(); v != nil {
			r.Log.Error("panic in a bulk job", slog.String("job", job.ID), slog.String("stack", string(debug.Stack())))
			err = fault.New(fault.Internal)
		}
	}()
	if job.Kind == kindImport {
		return r.takeIn(ctx, job)
	}
	return r.takeOut(ctx, job)
}

// tried counts a try that failed; the last one ends the job.
func (r *Room) tried(ctx context.Context, job *store.Job) {
	kept, err := r.Store.KeptJob(ctx, job.Tenant, job.ID)
	if err != nil {
		return
	}
	var fields map[string]json.RawMessage
	var is common
	if json.Unmarshal(kept.Data, &fields) != nil || json.Unmarshal(kept.Data, &is) != nil {
		fields = map[string]json.RawMessage{}
		is.Tries = maxTries
	}
	is.Tries++
	fields["tries"], _ = json.Marshal(is.Tries) // a number
	if is.Tries >= maxTries {
		fields["failed"] = json.RawMessage(`"the server could not do it; see its log"`)
		kept.Done, kept.Expires = true, r.Now().Add(r.Keep)
	}
	if kept.Data, err = json.Marshal(fields); err == nil {
		_, err = r.Store.PutJob(ctx, kept)
	}
	if err != nil && ctx.Err() == nil {
		r.Log.Warn("a bulk job could not be written", "job", job.ID, "error", err)
	}
	if !kept.Done {
		r.pause(ctx)
	}
}

// share is how many times longer than it works a job rests while others work, longestRest how long at most, and recent how
// long ago they did.
const (
	share       = 4
	longestRest = 2 * time.Second
	recent      = 2 * time.Second
)

// beat is when somebody was last seen to work.
type beat struct {
	count int64
	at    time.Time
}

// others says whether tenants but one, or any, have worked lately.
func (r *Room) others(but ref.Tenant) bool {
	if r.Pulse == nil {
		return false
	}
	count, now := r.Pulse(but), time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	last, known := r.beats[but]
	if known && count != last.count {
		last.at = now
	}
	r.beats[but] = beat{count, last.at}
	return now.Sub(last.at) < recent
}

// gently does one piece of a job, and rests behind it while others work: tenants but one, or any.
func (r *Room) gently(ctx context.Context, but ref.Tenant, do func() error) error {
	begun := time.Now()
	if err := do(); err != nil || !r.others(but) {
		return err
	}
	select {
	case <-time.After(min(share*time.Since(begun), longestRest)):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// put notes how far a job is.
func (r *Room) put(ctx context.Context, job *store.Job, of any) error {
	data, err := json.Marshal(of)
	if err != nil {
		return err
	}
	next := *job
	next.Data = data
	written, err := r.Store.PutJob(ctx, next)
	if err == nil {
		*job = written
	}
	return err
}

// finish notes that a job is done.
func (r *Room) finish(ctx context.Context, job *store.Job, is *common, of any) error {
	is.Tries = 0
	job.Done, job.Expires = true, r.Now().Add(r.Keep)
	return r.put(ctx, job, of)
}

// sweep drops what has expired, and removes folders that no job has.
func (r *Room) sweep(ctx context.Context) {
	has := map[string]bool{}
	for _, done := range []bool{false, true} {
		jobs, err := r.Store.JobsKept(ctx, done)
		if err != nil {
			return // nothing is removed unless all jobs are known
		}
		for i := range jobs {
			if done && !jobs[i].Expires.After(r.Now()) || r.closed(&jobs[i]) {
				r.drop(ctx, &jobs[i])
				continue
			}
			has[jobs[i].ID] = true
		}
	}
	entries, err := os.ReadDir(r.Dir)
	if err != nil {
		r.Log.Warn("the folder of bulk files cannot be read", "error", err)
		return
	}
	for _, e := range entries {
		info, err := e.Info()
		if err == nil && e.IsDir() && !has[e.Name()] && time.Since(info.ModTime()) > orphaned && validJob(e.Name()) {
			r.discard(e.Name())
		}
	}
}

// closed says whether whoever asked for a job has lost their registration since.
func (r *Room) closed(job *store.Job) bool {
	is := &common{}
	return r.Revoked != nil && json.Unmarshal(job.Data, is) == nil && r.Revoked(is.Who)
}

// drop forgets a job and its files.
func (r *Room) drop(ctx context.Context, job *store.Job) {
	if err := r.Store.DropJob(ctx, job.Tenant, job.ID); err != nil && fault.Of(err) != fault.NotFound {
		return
	}
	r.discard(job.ID)
}

// validJob says whether a name is one that ID may have given.
func validJob(name string) bool { return ref.ValidID(name) && len(name) >= 16 }
