package sqlite_test

import (
	"context"
	"database/sql"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/store"
	"github.com/rapport-health/rapport/services/store/sqlite"
	"github.com/rapport-health/rapport/services/store/storetest"
)

// A driver built with another libc than it was translated for corrupts files or crashes.
func TestTheDriverIsBuiltWithTheLibcItWasMadeFor(t *testing.T) {
	list := func(args ...string) string {
		t.Helper()
		out, err := exec.Command("go", append([]string{"list"}, args...)...).Output()
		if err != nil {
			t.Fatalf("go list %v: %v", args, err)
		}
		return string(out)
	}
	const format = `{{with .Module}}{{with .Replace}}{{.Path}}{{else}}{{.Path}}{{end}} {{.Version}}{{end}}`
	built := list("-deps", "-f", format, ".")
	manifest, err := os.ReadFile(strings.TrimSpace(list("-m", "-f", "{{.GoMod}}", "modernc.org/sqlite")))
	if err != nil {
		t.Fatal(err)
	}
	made := regexp.MustCompile(`modernc\.org/libc v\S+`).Find(manifest)
	if made == nil || !strings.Contains(built, string(made)+"\n") {
		t.Errorf("the driver was made for %q, which is not among what is built:\n%s", made, built)
	}
	if string(made) != "modernc.org/libc v1.77.1" || !strings.Contains(built, "modernc.org/sqlite v1.60.0\n") {
		t.Errorf("the driver or its libc have moved; go through the changes, then say so here: %s", made)
	}
}

func TestASecondServerOnAFileIsRefusedUntilTheFirstIsGone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "clinic.db")
	first, err := sqlite.Open(t.Context(), path, sqlite.Options{Migrate: true})
	if err != nil {
		t.Fatal(err)
	}
	_, err = sqlite.Open(t.Context(), path, sqlite.Options{})
	if fault.Of(err) != fault.Unavailable || !strings.Contains(err.Error(), "another rapport is using") {
		t.Errorf("got %v", err)
	}
	if _, _, err := sqlite.Migrate(t.Context(), path); fault.Of(err) != fault.Unavailable {
		t.Errorf("migrating under a running server: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestAFileIsReadBesideItsServerAndAfterIt(t *testing.T) {
	// Names that mean something in the address of a file.
	path := filepath.Join(t.TempDir(), "clinic #1 100%?.db")
	s, err := sqlite.Open(t.Context(), path, sqlite.Options{Migrate: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := write(t, s, storetest.Submission(1, 1)); err != nil {
		t.Fatal(err)
	}
	look := func() {
		t.Helper()
		r, err := sqlite.OpenReadOnly(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		if n := count(t, r); n != 1 {
			t.Errorf("%d events, want 1", n)
		}
		if err := write(t, r, storetest.Submission(2, 1)); fault.Of(err) != fault.Precondition {
			t.Errorf("writing: %v", err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
	look()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	look()
	if _, err := sqlite.OpenReadOnly(t.Context(), path+"x"); fault.Of(err) != fault.Unavailable {
		t.Errorf("a file that is not there: %v", err)
	}
}

func TestAFileIsMigratedOnlyWhenAskedAndRefusedWhenNewer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "clinic.db")
	_, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	if fault.Of(err) != fault.Precondition || !strings.Contains(err.Error(), "rapport migrate") {
		t.Fatalf("an empty file: %v", err)
	}
	from, to, err := sqlite.Migrate(t.Context(), path)
	if err != nil || from != 0 || to < 1 {
		t.Fatalf("migrated from %d to %d, %v", from, to, err)
	}
	if again, _, err := sqlite.Migrate(t.Context(), path); err != nil || again != to {
		t.Errorf("migrated again from %d, %v", again, err)
	}
	db, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("INSERT INTO goose_db_version (version_id, is_applied) VALUES (?, 1)", to+1); err != nil {
		t.Fatal(err)
	}
	for _, o := range []sqlite.Options{{}, {Migrate: true}} {
		_, err = sqlite.Open(t.Context(), path, o)
		if fault.Of(err) != fault.Precondition || !strings.Contains(err.Error(), "newer") {
			t.Errorf("a newer schema with %+v: %v", o, err)
		}
	}
	if _, _, err := sqlite.Migrate(t.Context(), path); fault.Of(err) != fault.Precondition {
		t.Errorf("migrating a newer schema: %v", err)
	}
}

func TestAFileThatIsNoDatabaseIsRefusedAndLeftAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "letter.txt")
	letter := strings.Repeat("Dear colleague, ", 1000)
	if err := os.WriteFile(path, []byte(letter), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlite.Open(t.Context(), path, sqlite.Options{Migrate: true}); err == nil {
		t.Error("it was taken for a database")
	}
	kept, err := os.ReadFile(path)
	if err != nil || string(kept) != letter {
		t.Errorf("it was changed: %v", err)
	}
}

// killedEnv makes the test binary be the server that is killed, on the file that it names.
const killedEnv = "RAPPORT_TEST_KILLED_FILE"

func TestMain(m *testing.M) {
	if path := os.Getenv(killedEnv); path != "" {
		if err := serveUntilKilled(path); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

// serveUntilKilled commits without end and says so: one byte for each acknowledged commit.
func serveUntilKilled(path string) error {
	ctx := context.Background()
	s, err := sqlite.Open(ctx, path, sqlite.Options{Migrate: true})
	if err != nil {
		return err
	}
	for n := 0; ; n += 8 {
		_, err := s.Update(ctx, "clinic", func(tx store.Tx) error { return tx.Commit(batch(n, 8)...) })
		if err != nil {
			return err
		}
		if _, err := os.Stdout.WriteString("."); err != nil {
			return err
		}
	}
}

func TestWhatWasAcknowledgedOutlivesAKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "clinic.db")
	for _, commits := range []int{1, 7, 40} {
		acknowledged := runAndKill(t, path, commits)
		s, err := sqlite.Open(t.Context(), path, sqlite.Options{})
		if err != nil {
			t.Fatal(err)
		}
		events := wholeBatches(t, s)
		if events < acknowledged*8 {
			t.Errorf("%d events are left of %d acknowledged", events, acknowledged*8)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}

// runAndKill lets a server commit at least so often, kills it, and returns how often it said it had.
func runAndKill(t *testing.T, path string, commits int) int {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), killedEnv+"="+path)
	told, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	acknowledged, some := 0, make([]byte, 64)
	for killed := false; ; {
		n, err := told.Read(some)
		acknowledged += n
		if err != nil {
			break
		}
		if acknowledged >= commits && !killed {
			killed = true
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); err == nil {
		t.Fatal("it ended by itself")
	}
	return acknowledged
}

// wholeBatches says that commits are there as a whole or not at all, and returns how many events there are.
func wholeBatches(t *testing.T, s store.Store) int {
	t.Helper()
	events, err := s.Since(t.Context(), feed.Cursor{Tenant: "clinic", Feed: feed.All}, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	if len(events)%8 != 0 {
		t.Errorf("%d events: a commit of 8 was cut", len(events))
	}
	err = s.View(t.Context(), "clinic", func(r store.Reader) error {
		for n := range events {
			d := storetest.Submission(n, 50)
			heads, err := r.Heads([]ref.Resource{d.Records[0].Unversioned()})
			if err != nil {
				return err
			}
			if len(heads) != 1 || events[n].ID != d.Events[0].ID {
				t.Errorf("submission %d is half there", n)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return len(events)
}
