package deadlines

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/store"
)

// Sweep passes every deadline that lies at or before now, does to alerts what time alone does to them, and returns how many
// times an episode was moved and an alert changed. It may be called at any time, on any server: a deadline is never passed
// twice, and no step in an alert's life is taken twice.
//
// Of each tenant the earliest deadlines are passed first, a batch at a time, and the tenants take turns. After a batch
// behind which more wait, the scheduler rests, at least as long as the batch took: so those who submit wait for one
// batch at most, and get at least half of the time, however much there is to catch up with. An episode whose deadline
// cannot be passed holds up no other; it is tried again at the next sweep. Alerts that are due take turns with the deadlines
// of the same tenant, so that nobody waits for an escalation until all deadlines are passed.
func (s *Scheduler) Sweep(ctx context.Context) (int, error) {
	tenants, err := s.Directory.Tenants(ctx)
	if err != nil {
		return 0, err
	}
	waiting := make([]*queue, len(tenants))
	for i, t := range tenants {
		waiting[i] = &queue{Scheduler: s, tenant: t}
	}
	moved, failed := 0, error(nil)
	for len(waiting) > 0 {
		var more []*queue
		for _, q := range waiting {
			n, again, err := q.turn(ctx)
			moved += n
			if err != nil {
				failed = errors.Join(failed, err)
			}
			if again {
				more = append(more, q)
			}
			if ctx.Err() != nil {
				return moved, errors.Join(failed, ctx.Err())
			}
		}
		waiting = more
	}
	return moved, failed
}

// queue is what is due of one tenant during one sweep.
type queue struct {
	*Scheduler
	tenant ref.Tenant
	// stuck are episodes that this sweep could not move.
	stuck []ref.Episode
	// unmoved are alerts likewise.
	unmoved []string
}

// turn is one batch of deadlines, and one of alerts.
func (q *queue) turn(ctx context.Context) (moved int, again bool, err error) {
	moved, again, err = q.batch(ctx)
	if err != nil && fault.Of(err) == fault.Unavailable || ctx.Err() != nil {
		return moved, again, err
	}
	roused, more, failed := q.rouse(ctx)
	return moved + roused, again || more, errors.Join(err, failed)
}

// rouse changes the alerts that were due first. Again says that there may be more.
func (q *queue) rouse(ctx context.Context) (moved int, again bool, err error) {
	var due []alert.Due
	err = q.Store.View(ctx, q.tenant, func(r store.Reader) (err error) {
		due, err = r.DueAlerts(q.Now(), q.Batch+len(q.unmoved)+1)
		return err
	})
	due = slices.DeleteFunc(due, func(d alert.Due) bool { return slices.Contains(q.unmoved, d.Alert) })
	if err != nil || len(due) == 0 {
		return 0, false, err
	}
	others := len(due) > q.Batch
	due = due[:min(len(due), q.Batch)]
	begun := q.Now()
	moved, err = q.Group.Rouse(ctx, q.tenant, due)
	switch {
	case fault.Of(err) == fault.Unavailable:
		return moved, false, err
	case moved == 0:
		for _, one := range due {
			q.unmoved = append(q.unmoved, one.Alert)
		}
		return 0, true, err
	case others:
		q.rest(ctx, moved, q.Now().Sub(begun))
	}
	return moved, true, nil // those that could not be changed are due again, and told of when nothing else is
}

// batch moves the episodes whose deadlines passed first. Again says that there may be more.
func (q *queue) batch(ctx context.Context) (moved int, again bool, err error) {
	due, others, err := q.due(ctx)
	if err != nil || len(due) == 0 {
		return 0, false, err
	}
	begun := q.Now()
	moved, err = q.Group.Tick(ctx, q.tenant, due, others)
	switch {
	case fault.Of(err) == fault.Unavailable:
		return moved, false, err
	case moved == 0:
		q.stuck = append(q.stuck, due...)
		return 0, true, err
	case others:
		q.rest(ctx, moved, q.Now().Sub(begun))
	}
	return moved, true, nil // those that could not be moved are due again, and told of when nothing else is
}

// due are the next episodes, earliest deadline first; others says that these are not all.
func (q *queue) due(ctx context.Context) (due []ref.Episode, others bool, err error) {
	most := q.Batch + len(q.stuck)
	err = q.Store.View(ctx, q.tenant, func(r store.Reader) (err error) {
		due, err = r.Due(q.Now(), most+1)
		return err
	})
	due = slices.DeleteFunc(due, func(e ref.Episode) bool { return slices.Contains(q.stuck, e) })
	if len(due) > q.Batch {
		return due[:q.Batch], true, err
	}
	return due, false, err
}

// rest lets others write.
func (q *queue) rest(ctx context.Context, moved int, took time.Duration) {
	q.Pause(ctx, max(took, time.Second*time.Duration(moved)/time.Duration(q.PerSecond)))
}
