package bench

import (
	"context"
	"fmt"
	"time"
)

// torment kills the server as often as asked for, and now and then something else.
func (t *trial) torment(ctx context.Context) error {
	for k := range t.Kills {
		if err := t.deed(ctx, k); err != nil {
			return err
		}
		inStart := k > 0 && t.dice.IntN(5) == 0
		if err := t.untilTheMoment(ctx, inStart); err != nil {
			return err
		}
		t.server.kill()
		t.ordeal.Kills++
		if inStart {
			t.ordeal.InStart++
		}
		t.say("%s: kill %d of %d, after %d acknowledgements", t.engine, k+1, t.Kills, t.ledger.count())
		if err := sleepUntil(ctx, time.Now().Add(time.Duration(t.dice.IntN(200))*time.Millisecond)); err != nil {
			return err
		}
		if err := t.server.start(); err != nil {
			return err
		}
	}
	return t.untilTheMoment(ctx, false)
}

// untilTheMoment waits for a random moment: some time after the server is ready and answers, or while it starts.
func (t *trial) untilTheMoment(ctx context.Context, inStart bool) error {
	if inStart {
		return sleepUntil(ctx, time.Now().Add(time.Duration(t.dice.IntN(120))*time.Millisecond))
	}
	if err := t.server.ready(ctx); err != nil {
		return err
	}
	if err := t.progress(ctx); err != nil {
		return err
	}
	return sleepUntil(ctx, time.Now().Add(time.Duration(50+t.dice.IntN(1500))*time.Millisecond))
}

// progressWithin bounds how long a ready server may take to acknowledge anything.
const progressWithin = 60 * time.Second

// progress waits for the next acknowledgement.
func (t *trial) progress(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, progressWithin)
	defer cancel()
	for before := t.ledger.count(); t.ledger.count() == before; {
		select {
		case <-t.ledger.news:
		case <-ctx.Done():
			return fmt.Errorf("the server is ready and acknowledges nothing: %s: %w", t.server.output, ctx.Err())
		}
	}
	return nil
}

// longRun is how many kills make a run long enough to kill PostgreSQL as well.
const longRun = 10

// deed does what is due before kill k, while the server is at work: Redis is emptied once and killed once, and in a
// long run PostgreSQL is killed once.
func (t *trial) deed(ctx context.Context, k int) error {
	for _, d := range []struct {
		due  bool
		what string
		do   func(context.Context) error
	}{
		{t.redis != nil && k == t.Kills/3, "Redis emptied", func(ctx context.Context) error { return t.reader.FlushAll(ctx).Err() }},
		{t.postgres != nil && t.Kills >= longRun && k == t.Kills/2, "PostgreSQL killed and started again", t.fellPostgres},
		{t.redis != nil && k == 2*t.Kills/3, "Redis killed and started empty", func(context.Context) error { return t.redis.Restart() }},
	} {
		if !d.due {
			continue
		}
		if err := t.untilTheMoment(ctx, false); err != nil {
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

// fellPostgres kills PostgreSQL and leaves it dead for a moment.
func (t *trial) fellPostgres(ctx context.Context) error {
	t.postgres.Kill()
	if err := sleepUntil(ctx, time.Now().Add(300*time.Millisecond)); err != nil {
		return err
	}
	return t.postgres.Restart()
}
