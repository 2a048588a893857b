package server_test

import (
	"bytes"
	"database/sql"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver by which the test changes what the server must not

	"github.com/rapport-health/rapport/services/server"
)

// tampered is a database as somebody who may do anything to it leaves it.
type tampered struct {
	*sql.DB
	t *testing.T
}

func (d tampered) do(statements ...string) {
	d.t.Helper()
	for _, s := range statements {
		if _, err := d.Exec(s); err != nil {
			d.t.Fatalf("%s: %v", s, err)
		}
	}
}

func TestWhateverIsDoneToTheAuditIsFoundAndWhere(t *testing.T) {
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "audit.ndjson")
			g := startGated(t, func(c *server.Config) { c.Access.AuditFile, c.Store = file, newStore(t, engine) })
			_, full := g.full("default")
			g.put(full, patientP1)
			for range 10 {
				g.want(http.StatusOK, "GET", "/fhir/Patient/p1", full, "")
			}
			if err := g.Stop(t.Context()); err != nil {
				t.Fatal(err)
			}
			verify := func(against string) []string {
				t.Helper()
				records, err := server.OpenRecords(t.Context(), g.config.Store)
				if err != nil {
					t.Fatal(err)
				}
				defer records.Close()
				report, err := server.VerifyAudit(t.Context(), records, strings.NewReader(against))
				if err != nil {
					t.Fatal(err)
				}
				return report.Problems
			}
			exported, err := os.ReadFile(file)
			if err != nil || bytes.Count(exported, []byte("\n")) < 12 {
				t.Fatalf("%s, %v", exported, err)
			}
			if got := verify(string(exported)); len(got) != 0 {
				t.Fatalf("of an untouched audit: %v", got)
			}
			db := opened(t, engine, g.config.Store)
			if _, err := db.Exec(`UPDATE audit SET at_us = at_us + 1 WHERE seq = 3`); err == nil {
				t.Error("the tables let the audit be changed")
			}
			if engine == "sqlite" {
				db.do(`DROP TRIGGER audit_stays`, `DROP TRIGGER audit_is_kept`)
			} else {
				db.do(`DROP TRIGGER audit_stays ON audit`)
			}
			db.do(`UPDATE audit SET data = (SELECT data FROM audit WHERE tenant = 'default' AND seq = 4) WHERE tenant = 'default' AND seq = 3`,
				`UPDATE audit SET at_us = at_us + 1 WHERE tenant = 'default' AND seq = 5`,
				`DELETE FROM audit WHERE tenant = 'default' AND seq IN (7, 8)`,
				`DELETE FROM audit WHERE tenant = 'default' AND seq > 10`)
			last := ""
			if err := db.QueryRow(`SELECT seq FROM audit_head WHERE tenant = 'default'`).Scan(&last); err != nil {
				t.Fatal(err)
			}
			want := []string{
				"default: record 3, or one before it, was changed", "default: the time beside record 5 is not the one in it",
				"default: records 7 to 8 are missing", "default: records 11 to " + last + " are missing",
			}
			if diff := cmp.Diff(want, verify("")); diff != "" {
				t.Errorf("without a file (-want +got):\n%s", diff)
			}
			// Who makes the end of the chain fit hides from the chain that there was more, and not from what was exported.
			db.do(`UPDATE audit_head SET seq = 10, hash = (SELECT hash FROM audit WHERE tenant = 'default' AND seq = 10) WHERE tenant = 'default'`)
			if diff := cmp.Diff(want[:3], verify("")); diff != "" {
				t.Errorf("with an end that fits (-want +got):\n%s", diff)
			}
			found := strings.Join(verify(string(exported)), "\n")
			for _, one := range []string{"record 7 was exported and is not there", "record 11 was exported and is not there", "record " + last + " was exported and is not there"} {
				if !strings.Contains(found, one) {
					t.Errorf("against the file %q is not found: %s", one, found)
				}
			}
		})
	}
}

func opened(t *testing.T, engine, store string) tampered {
	t.Helper()
	driver, source := "sqlite", strings.TrimPrefix(store, "sqlite:")
	if engine == "postgres" {
		driver, source = "pgx", store
	}
	db, err := sql.Open(driver, source)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return tampered{db, t}
}
