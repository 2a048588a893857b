package testbed_test

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"github.com/rapport-health/rapport/services/testbed"
)

func TestMain(m *testing.M) { os.Exit(testbed.Main(m)) }

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	c, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(context.Background()) })
	return c
}

func exec(t *testing.T, c *pgx.Conn, statement string) {
	t.Helper()
	if _, err := c.Exec(t.Context(), statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

func TestEachDatabaseIsItsOwn(t *testing.T) {
	first, second := connect(t, testbed.Database(t)), connect(t, testbed.Database(t))
	exec(t, first, "CREATE TABLE only_here (n int)")
	exec(t, second, "CREATE TABLE only_here (n int)")
}

func TestPostgresComesBackAfterKillWithWhatWasCommitted(t *testing.T) {
	p, err := testbed.StartPostgres(testbed.PostgresOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	url := p.Fresh(t)
	c := connect(t, url)
	exec(t, c, "CREATE TABLE kept (n int)")
	exec(t, c, "INSERT INTO kept VALUES (1)")
	p.Kill()
	if _, err := c.Exec(t.Context(), "SELECT 1"); err == nil {
		t.Fatal("a killed server answered")
	}
	if err := p.Restart(); err != nil {
		t.Fatal(err)
	}
	var n int
	if err := connect(t, url).QueryRow(t.Context(), "SELECT n FROM kept").Scan(&n); err != nil || n != 1 {
		t.Errorf("got %d, %v after the restart", n, err)
	}
}

func TestAPausedPostgresKeepsSilentUntilItIsResumed(t *testing.T) {
	p, err := testbed.StartPostgres(testbed.PostgresOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	c := connect(t, p.URL("postgres"))
	p.Pause()
	answered := make(chan error, 1)
	go func() {
		_, err := c.Exec(context.Background(), "SELECT 1")
		answered <- err
	}()
	select {
	case err := <-answered:
		t.Fatalf("a paused server answered: %v", err)
	case <-time.After(200 * time.Millisecond):
	}
	p.Resume()
	if err := <-answered; err != nil {
		t.Errorf("after it was resumed: %v", err)
	}
}

func TestRedisComesBackEmptyOrFullAsItWasAskedTo(t *testing.T) {
	for _, o := range []testbed.RedisOptions{{}, {AppendOnly: true}} {
		r := testbed.FreshRedis(t, o)
		c := redis.NewClient(&redis.Options{Addr: r.Addr()})
		t.Cleanup(func() { _ = c.Close() })
		if err := c.Set(t.Context(), "k", "v", 0).Err(); err != nil {
			t.Fatal(err)
		}
		r.Kill()
		if err := r.Restart(); err != nil {
			t.Fatal(err)
		}
		kept, err := c.Exists(t.Context(), "k").Result()
		if err != nil || (kept == 1) != o.AppendOnly {
			t.Errorf("%+v: %d kept, %v", o, kept, err)
		}
	}
}
