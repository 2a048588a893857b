package sqlite

import (
	"context"
	"database/sql"
	"sync"
	"sync/atomic"
)

const (
	// copyAfter is how many bytes of rows are committed before the log is copied into the database file.
	copyAfter = 1 << 20
	// restartAfter is the length of the log, in pages, at which writers wait until all of it is copied.
	restartAfter = 16384
)

// wal copies the write-ahead log into the database file beside the writers, so that none of them stops for it.
// Only when they outrun it does it take their place for a moment, so that the log can start again from its beginning.
type wal struct {
	store   *Store
	written atomic.Int64
	due     chan struct{}
	done    sync.WaitGroup
	quit    context.CancelFunc
}

func watchWAL(ctx context.Context, s *Store) (*wal, error) {
	c, err := connect(ctx, s.db, "busy_timeout = 5000", "synchronous = FULL", "wal_autocheckpoint = 0", "cache_size = -1024")
	if err != nil {
		return nil, err
	}
	run, quit := context.WithCancel(context.WithoutCancel(ctx))
	w := &wal{store: s, due: make(chan struct{}, 1), quit: quit}
	w.done.Go(func() {
		defer c.close()
		for {
			select {
			case <-w.due:
				w.copy(run, c)
			case <-run.Done():
				return
			}
		}
	})
	return w, nil
}

// add counts what a commit wrote.
func (w *wal) add(bytes int64) {
	if w.written.Add(bytes) < copyAfter {
		return
	}
	w.written.Store(0)
	select {
	case w.due <- struct{}{}:
	default:
	}
}

func (w *wal) stop() {
	w.quit()
	w.done.Wait()
}

// copy leaves errors to the next round: the log keeps what was not copied, and a full disk shows at the next commit.
func (w *wal) copy(ctx context.Context, c *conn) {
	if left, err := w.checkpoint(ctx, c); err != nil || left < restartAfter {
		return
	}
	select {
	case writer := <-w.store.writer:
		defer func() { w.store.writer <- writer }()
		_, _ = w.checkpoint(ctx, c)
	case <-ctx.Done():
	}
}

// checkpoint copies what no reader needs any more and returns the length of the log in pages.
func (w *wal) checkpoint(ctx context.Context, c *conn) (pages int64, err error) {
	var busy, copied int64
	err = c.query(ctx, func(r *sql.Rows) error { return r.Scan(&busy, &pages, &copied) }, "PRAGMA wal_checkpoint(PASSIVE)")
	return pages, err
}
