package commit

import (
	"context"
	"errors"
	"time"

	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/store"
)

// job is one caller's wish and, once done is closed, its answer.
type job struct {
	ctx     context.Context
	inputs  []decision.Input
	atomic  bool
	command *alert.Command
	ticks   []ref.Episode
	// others says that further episodes wait whose deadlines passed after those of ticks.
	others bool
	due    []alert.Due
	bytes  int
	// holds says whether the state that the job is committed to allows it; nil when any does.
	holds func(store.Reader) error

	receipts []decision.Receipt
	alert    alert.Alert
	moved    int
	err      error
	done     chan struct{}
	// ended is closed when the lane that the job was put into takes no more jobs.
	ended <-chan struct{}
}

func newJob(ctx context.Context, inputs []decision.Input, atomic bool) *job {
	j := &job{ctx: ctx, inputs: inputs, atomic: atomic, done: make(chan struct{})}
	for i := range inputs {
		j.bytes += len(inputs[i].Record.Raw)
	}
	return j
}

// wait returns when the job is answered, or when its lane has ended without taking it: a job can slip into the queue in
// the moment in which the lane looks into it for the last time.
func (j *job) wait() error {
	select {
	case <-j.done:
		return j.err
	case <-j.ended:
	}
	select {
	case <-j.done:
		return j.err
	default:
		return stopping()
	}
}

func (j *job) weight() int { return max(1, len(j.inputs)+len(j.ticks)+len(j.due)) }

// divisible says whether the job can be run in two parts.
func (j *job) divisible() bool { return !j.atomic && j.weight() > 1 }

// lane is the line of one tenant.
type lane struct {
	config  *Config
	metrics *metrics
	tenant  ref.Tenant
	queue   chan *job
	// stop is closed to end the lane, ended when it has.
	stop, ended chan struct{}
	// listening is who is subscribed.
	listening audience
	// held is a job taken from the queue that did not fit its group.
	held *job
	// company says that the last group held more than one job.
	company bool
	// most bounds the weight of a group: MaxInputs, and less while the store is slow; see pace.
	most int
}

func newLane(c *Config, m *metrics, t ref.Tenant) *lane {
	return &lane{config: c, metrics: m, tenant: t, queue: make(chan *job, c.Queue), stop: make(chan struct{}), ended: make(chan struct{}), most: c.MaxInputs}
}

// put queues a job. Errors: Unavailable when the lane is to end or ctx ended before there was room.
func (l *lane) put(ctx context.Context, j *job) error {
	j.ended = l.ended
	select {
	case l.queue <- j:
		return nil
	case <-ctx.Done():
		return fault.Wrap(fault.Unavailable, ctx.Err(), "waiting for a place in the queue")
	case <-l.stop:
		return stopping()
	}
}

// run commits group after group until the Group stops and the queue is empty.
func (l *lane) run() {
	defer close(l.ended)
	for {
		first, ok := l.next()
		if !ok {
			return
		}
		jobs := l.gather(first)
		l.company = len(jobs) > 1
		l.commit(jobs)
	}
}

func (l *lane) next() (*job, bool) {
	if j := l.held; j != nil {
		l.held = nil
		return j, true
	}
	select {
	case j := <-l.queue:
		return j, true
	default:
	}
	select {
	case j := <-l.queue:
		return j, true
	case <-l.stop:
		select {
		case j := <-l.queue:
			return j, true
		default:
			return nil, false
		}
	}
}

// gather fills a group from what waits, and lingers a little when company is likely.
func (l *lane) gather(first *job) []*job {
	jobs, weight, bytes := []*job{first}, first.weight(), first.bytes
	var linger <-chan time.Time
	if l.company && l.config.Linger > 0 {
		timer := time.NewTimer(l.config.Linger)
		defer timer.Stop()
		linger = timer.C
	}
	for weight < l.most && bytes < l.config.MaxBytes {
		j, ok := l.more(linger)
		if !ok {
			break
		}
		// What others of the group have decided cannot be read yet, so who asks first comes first.
		if j.holds != nil || weight+j.weight() > l.most || bytes+j.bytes > l.config.MaxBytes {
			l.held = j
			break
		}
		jobs, weight, bytes = append(jobs, j), weight+j.weight(), bytes+j.bytes
	}
	return jobs
}

func (l *lane) more(linger <-chan time.Time) (*job, bool) {
	select {
	case j := <-l.queue:
		return j, true
	default:
	}
	if linger == nil {
		return nil, false
	}
	select {
	case j := <-l.queue:
		return j, true
	case <-linger:
		return nil, false
	case <-l.stop:
		return nil, false
	}
}

// commit writes a group in one transaction. When the store says that something in it can never be written, the group is
// divided until the culprit is alone.
func (l *lane) commit(jobs []*job) {
	jobs = l.wanted(jobs)
	if len(jobs) == 0 {
		return
	}
	if len(jobs) == 1 && jobs[0].divisible() && jobs[0].weight() > l.most {
		l.halves(jobs[0])
		return
	}
	begun := time.Now()
	cursors, events, err := l.update(jobs)
	took := time.Since(begun)
	l.metrics.group(jobs, took, err)
	l.pace(jobs, took)
	if err == nil {
		if len(cursors) > 0 {
			l.config.Committed(l.tenant, cursors, events...)
		}
		answer(jobs, cursors)
		return
	}
	switch fault.Of(err) {
	case fault.Unavailable, fault.Conflict:
		l.fail(jobs, fault.Wrap(fault.Unavailable, err, "committing"))
	default:
		l.isolate(jobs, err)
	}
}

// pace fits the groups to what the store manages. Otherwise groups that each need longer than Timeout, on a machine that is
// drowned or over episodes with very many alerts, would be tried again and again as they are, and nothing would ever be
// committed.
func (l *lane) pace(jobs []*job, took time.Duration) {
	switch {
	case took > l.config.Timeout/8:
		weight := 0
		for _, j := range jobs {
			weight += j.weight()
		}
		l.most = max(1, min(l.most, weight)/2)
	case took < l.config.Timeout/32:
		l.most = min(l.config.MaxInputs, 2*l.most)
	}
}

// wanted leaves out the jobs whose callers gave up before they were begun.
func (l *lane) wanted(jobs []*job) []*job {
	kept := jobs[:0]
	for _, j := range jobs {
		if err := j.ctx.Err(); err != nil {
			j.err = fault.Wrap(fault.Unavailable, err, "waiting for a commit")
			close(j.done)
			continue
		}
		kept = append(kept, j)
	}
	return kept
}

func (l *lane) update(jobs []*job) (moved []feed.Cursor, events []feed.Draft, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), l.config.Timeout)
	defer cancel()
	moved, err = l.config.Store.Update(ctx, l.tenant, func(tx store.Tx) (err error) {
		defer func() {
			if p := recover(); p != nil {
				l.config.Log.Error("a submission could not be judged", "panic", kindOf(p))
				err = fault.Newf(fault.Unprocessable, "exception", "this submission could not be judged: please report it")
			}
		}()
		events, err = decide(tx, l.config, &l.listening, jobs)
		return err
	})
	return moved, events, err
}

// kindOf describes a panic without what it may quote of a patient.
func kindOf(p any) string {
	var e interface{ RuntimeError() }
	if err, ok := p.(error); ok && errors.As(err, &e) {
		return err.Error()
	}
	return "not a runtime error"
}

func answer(jobs []*job, cursors []feed.Cursor) {
	var seq int64
	for _, c := range cursors {
		if c.Feed == feed.All {
			seq = c.After
		}
	}
	for _, j := range jobs {
		for i := range j.receipts {
			if o := j.receipts[i].Outcome; o == record.Scored || o == record.Stored || o == record.Gone {
				j.receipts[i].TenantSeq = seq
			}
		}
		close(j.done)
	}
}

func (l *lane) fail(jobs []*job, err error) {
	l.config.Log.Warn("a group could not be committed", "tenant", l.tenant, "jobs", len(jobs), "error", err) // stores quote no data
	for _, j := range jobs {
		j.err = err
		close(j.done)
	}
}

// isolate runs the halves of a group that failed, down to the single job, input or transaction that is at fault.
func (l *lane) isolate(jobs []*job, cause error) {
	if len(jobs) > 1 {
		l.commit(jobs[: len(jobs)/2 : len(jobs)/2])
		l.commit(jobs[len(jobs)/2:])
		return
	}
	j := jobs[0]
	j.receipts, j.moved = nil, 0
	switch {
	case j.divisible():
		l.halves(j)
	case len(j.inputs) > 0:
		j.receipts = refuse(j.inputs, cause)
		l.metrics.refused(len(j.inputs))
		close(j.done)
	default:
		j.err = cause
		close(j.done)
	}
}

// halves commits a divisible job as two, and joins their answers.
func (l *lane) halves(j *job) {
	for _, half := range j.divide() {
		l.commit([]*job{half})
		j.receipts = append(j.receipts, half.receipts...)
		j.moved += half.moved
		if half.err != nil {
			j.err = half.err
		}
	}
	close(j.done)
}

func (j *job) divide() [2]*job {
	ctx := context.WithoutCancel(j.ctx)
	if len(j.inputs) > 0 {
		middle := len(j.inputs) / 2
		return [2]*job{newJob(ctx, j.inputs[:middle], false), newJob(ctx, j.inputs[middle:], false)}
	}
	left, right := newJob(ctx, nil, false), newJob(ctx, nil, false)
	if len(j.due) > 0 {
		middle := len(j.due) / 2
		left.due, right.due = j.due[:middle], j.due[middle:]
		return [2]*job{left, right}
	}
	middle := len(j.ticks) / 2
	left.ticks, right.ticks = j.ticks[:middle], j.ticks[middle:]
	left.others, right.others = j.others, j.others
	return [2]*job{left, right}
}

func refuse(inputs []decision.Input, cause error) []decision.Receipt {
	issues := fault.IssuesOf(cause)
	if len(issues) == 0 {
		issues = []fault.Issue{fault.Errorf("exception", "", "this submission could not be written: please report it")}
	}
	receipts := make([]decision.Receipt, len(inputs))
	for i := range receipts {
		receipts[i] = decision.Receipt{Outcome: record.Rejected, Issues: issues, Kind: fault.Of(cause)}
	}
	return receipts
}
