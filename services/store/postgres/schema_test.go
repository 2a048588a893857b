package postgres_test

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/episode"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/store"
	"github.com/rapport-health/rapport/services/store/postgres"
	"github.com/rapport-health/rapport/services/testbed"
)

func exec(t *testing.T, url string, statements ...string) {
	t.Helper()
	c, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	for _, s := range statements {
		if _, err := c.Exec(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

func TestADatabaseIsMigratedOnlyWhenAskedAndRefusedWhenNewer(t *testing.T) {
	url := testbed.Database(t)
	_, err := postgres.Open(t.Context(), url, postgres.Options{})
	if fault.Of(err) != fault.Precondition || !strings.Contains(err.Error(), "rapport migrate") {
		t.Fatalf("an empty database: %v", err)
	}
	from, to, err := postgres.Migrate(t.Context(), url)
	if err != nil || from != 0 || to < 1 {
		t.Fatalf("migrated from %d to %d, %v", from, to, err)
	}
	s, err := postgres.Open(t.Context(), url, postgres.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	exec(t, url, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, true)")
	for _, o := range []postgres.Options{{}, {Migrate: true}} {
		_, err := postgres.Open(t.Context(), url, o)
		if fault.Of(err) != fault.Precondition || !strings.Contains(err.Error(), "newer") {
			t.Errorf("a newer schema with %+v: %v", o, err)
		}
	}
}

func TestServersThatStartTogetherMigrateOnce(t *testing.T) {
	url := testbed.Database(t)
	var starting sync.WaitGroup
	for range 4 {
		starting.Go(func() {
			s, err := postgres.Open(t.Context(), url, postgres.Options{Migrate: true})
			if err != nil {
				t.Error(err)
				return
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	starting.Wait()
}

func TestAnAddressThatIsNoneOrLeadsNowhereIsRefused(t *testing.T) {
	for url, kind := range map[string]fault.Kind{
		"postgres://u:secret@host:port/db":           fault.Invalid,
		"postgres://u:secret@127.0.0.1:1/db":         fault.Unavailable,
		testbed.Database(t) + "&search_path=nowhere": fault.Precondition,
	} {
		_, err := postgres.Open(t.Context(), url, postgres.Options{})
		if fault.Of(err) != kind || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

func TestADatabaseOfAnotherEncodingIsRefused(t *testing.T) {
	p := server(t)
	if err := p.Exec("CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'"); err != nil {
		t.Fatal(err)
	}
	_, err := postgres.Open(t.Context(), p.URL("latin"), postgres.Options{Migrate: true})
	if fault.Of(err) != fault.Precondition || !strings.Contains(err.Error(), "UTF8") {
		t.Errorf("got %v", err)
	}
}

func TestCommitsAreFlushedEvenWhereTheDatabaseSaysOtherwise(t *testing.T) {
	url := testbed.Database(t)
	exec(t, url, `DO $$ BEGIN EXECUTE 'ALTER DATABASE ' || current_database() || ' SET synchronous_commit = off'; END $$`)
	s := openAt(t, url)
	if got := s.(*postgres.Store).Setting(t, "synchronous_commit"); got != "on" {
		t.Errorf("synchronous_commit is %s", got)
	}
}

// A linguistic order would put letters before their capitals and ignore dashes.
func TestOrderIsByBytesWhateverTheLocale(t *testing.T) {
	p := server(t)
	err := p.Exec("CREATE DATABASE icu TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C' LOCALE_PROVIDER icu ICU_LOCALE 'en'")
	if err != nil {
		t.Fatal(err)
	}
	s := openAt(t, p.URL("icu"))
	want := []ref.Episode{"B", "a", "a-1", "a.1", "b", "é"}
	d := &decision.Decision{}
	for _, id := range want {
		d.Episodes = append(d.Episodes, &episode.State{Episode: id, Patient: ref.Patient(id)})
	}
	if err := write(t, s, "clinic", d); err != nil {
		t.Fatal(err)
	}
	err = s.View(t.Context(), "clinic", func(r store.Reader) error {
		got, err := r.EpisodesAfter("", 99)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		after, err2 := r.EpisodesAfter("a-1", 99)
		if diff := cmp.Diff(want[3:], after); diff != "" {
			t.Error(diff)
		}
		if err == nil {
			err = err2
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
