package bench

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
)

// copies fills a feed with copies of events that were told, past the server, which is stopped: so many of a hundred
// are alerts, the others submissions. Each copy has an id of its own.
func (s *site) copies(ctx context.Context, feed string, events, alerts int) (err error) {
	driver, name := "pgx", s.store
	if path, ok := strings.CutPrefix(s.store, "sqlite:"); ok {
		driver, name = "sqlite", "file:"+path+"?_pragma=busy_timeout(10000)"
	}
	db, err := sql.Open(driver, name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	numbers := fmt.Sprintf("SELECT n FROM generate_series(1, %d) AS numbers(n)", events)
	if s.engine == SQLite {
		numbers = fmt.Sprintf("WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < %d) SELECT n FROM numbers", events)
	}
	for _, statement := range []string{
		fmt.Sprintf(`INSERT INTO event (tenant, feed, seq, tenant_seq, id, type, time_us, subject, data)
			SELECT e.tenant, '%[1]s', n, n, 'copy-' || n, e.type, e.time_us, e.subject, e.data
			FROM (%[2]s) AS made JOIN (
				SELECT * FROM (SELECT 1 AS alert, event.* FROM event WHERE feed = 'all' AND type = 'alert.opened' ORDER BY seq DESC LIMIT 1) AS a
				UNION ALL
				SELECT * FROM (SELECT 0 AS alert, event.* FROM event WHERE feed = 'all' AND type = 'submission.recorded' ORDER BY seq DESC LIMIT 1) AS r
			) AS e ON e.alert = CASE WHEN n %% 100 < %[3]d THEN 1 ELSE 0 END ORDER BY n`, feed, numbers, alerts),
		fmt.Sprintf("INSERT INTO feed (tenant, name, first, last) VALUES ('%s', '%s', 1, %d)", tenant, feed, events),
	} {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("filling a feed with copies: %w", err)
		}
	}
	return nil
}
