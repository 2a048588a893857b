package bench

import (
	"database/sql"
	"strings"
	"testing"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
)

func ingestClient(s *site) rapportv1.IngestServiceClient {
	return rapportv1.NewIngestServiceClient(s.server.conn)
}

// verdictOf counts what a ledger promised against what a stopped site's database holds.
func verdictOf(t *testing.T, s *site, l *ledger) Verdict {
	t.Helper()
	var e Evidence
	l.promises(&e)
	if err := s.db.gather(t.Context(), &e); err != nil {
		t.Fatal(err)
	}
	return Count(e)
}

// tamper changes the SQLite database of a stopped site.
func tamper(t *testing.T, s *site, statement string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+strings.TrimPrefix(s.store, "sqlite:"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	done, err := db.ExecContext(t.Context(), statement)
	if err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
	if n, err := done.RowsAffected(); err != nil || n != 1 {
		t.Fatalf("%s changed %d rows (%v)", statement, n, err)
	}
}
