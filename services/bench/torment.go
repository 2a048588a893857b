package bench

import (
	"context"
	"fmt"
	"time"
)

// torment kills a server as often as asked for, and in between Redis and PostgreSQL.
func (t *trial) torment(ctx context.Context) error {
	for k := range t.Kills {
		if err := t.deeds(ctx, k); err != nil {
			return err
		}
		if err := t.share(ctx, k); err != nil {
			return err
		}
		victim := t.by(t.dice.IntN(len(t.servers)))
		inStart := k > 0 && t.dice.IntN(5) == 0
		if err := t.untilTheMoment(ctx, victim, inStart); err != nil {
			return err
		}
		victim.kill()
		t.ordeal.Kills++
		if inStart {
			t.ordeal.InStart++
		}
		t.say("%s: kill %d of %d, after %d acknowledgements", t.engine, k+1, t.Kills, t.ledger.count())
		if err := sleepUntil(ctx, time.Now().Add(time.Duration(t.dice.IntN(200))*time.Millisecond)); err != nil {
			return err
		}
		if err := victim.start(); err != nil {
			return err
		}
	}
	for _, s := range t.servers {
		if err := t.untilTheMoment(ctx, s, false); err != nil {
			return err
		}
	}
	return t.enough(ctx)
}

// share waits until the part of the submissions that lies before kill k is acknowledged, so that the kills are spread
// over the whole run.
func (t *trial) share(ctx context.Context, k int) error {
	for t.ledger.count() < t.Events*k/(t.Kills+1) {
		if err := t.progress(ctx); err != nil {
			return err
		}
	}
	return nil
}

// enough waits until there are as many events as are wanted.
func (t *trial) enough(ctx context.Context) error {
	for {
		last, err := t.db.last(ctx, all)
		if err != nil || last >= int64(t.Events) {
			return err
		}
		t.say("%s: %d of %d events", t.engine, last, t.Events)
		for more := t.ledger.count() + max(1, (t.Events-int(last))/2); t.ledger.count() < more; {
			if err := t.progress(ctx); err != nil {
				return err
			}
		}
	}
}

// untilTheMoment waits for a random moment: some time after a server is ready and submissions are answered, or while
// it starts.
func (t *trial) untilTheMoment(ctx context.Context, s *child, inStart bool) error {
	if inStart {
		return sleepUntil(ctx, time.Now().Add(time.Duration(t.dice.IntN(120))*time.Millisecond))
	}
	if err := s.ready(ctx); err != nil {
		return err
	}
	if err := t.progress(ctx); err != nil {
		return err
	}
	return sleepUntil(ctx, time.Now().Add(time.Duration(50+t.dice.IntN(1500))*time.Millisecond))
}

// progressWithin bounds how long ready servers may take to acknowledge anything.
const progressWithin = 60 * time.Second

// progress waits for the next acknowledgement.
func (t *trial) progress(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, progressWithin)
	defer cancel()
	for before := t.ledger.count(); t.ledger.count() == before; {
		select {
		case <-t.ledger.news:
		case <-ctx.Done():
			return fmt.Errorf("a server is ready and nothing is acknowledged: %s: %w", t.server.output, ctx.Err())
		}
	}
	return nil
}

// longRun is how many kills make a run long enough to do everything else more than once, and to kill PostgreSQL as well.
const longRun = 10

// How often the rest is done in a long run; in a short one Redis suffers each once.
const (
	redisOften    = 5
	postgresOften = 2
)

// deeds does what is due before kill k, while the servers are at work: Redis is emptied and killed, PostgreSQL is killed.
func (t *trial) deeds(ctx context.Context, k int) error {
	long := t.Kills >= longRun
	often := 1
	if long {
		often = redisOften
	}
	for _, d := range []struct {
		due  bool
		what string
		do   func(context.Context) error
	}{
		{t.redis != nil && spread(k, t.Kills, often, 1), "Redis emptied", func(ctx context.Context) error { return t.reader.FlushAll(ctx).Err() }},
		{t.postgres != nil && long && spread(k, t.Kills, postgresOften, 1), "PostgreSQL killed and started again", t.fellPostgres},
		{t.redis != nil && spread(k, t.Kills, often, 2), "Redis killed and started empty", func(context.Context) error { return t.redis.Restart() }},
	} {
		if !d.due {
			continue
		}
		if err := t.untilTheMoment(ctx, t.server, false); err != nil {
			return err
		}
		if err := d.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", d.what, err)
		}
		t.ordeal.Deeds = append(t.ordeal.Deeds, d.what)
		t.say("%s: %s", t.engine, d.what)
	}
	return nil
}

// spread says whether kill k of so many is one of those before which something is done that is done often times in
// all, one or two thirds into each of its equal parts.
func spread(k, kills, often, third int) bool {
	for i := range often {
		if k == (3*i+third)*kills/(3*often) {
			return true
		}
	}
	return false
}

// fellPostgres kills PostgreSQL and leaves it dead for a moment.
func (t *trial) fellPostgres(ctx context.Context) error {
	t.postgres.Kill()
	if err := sleepUntil(ctx, time.Now().Add(300*time.Millisecond)); err != nil {
		return err
	}
	return t.postgres.Restart()
}
