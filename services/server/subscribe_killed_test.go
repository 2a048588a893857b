package server

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/store"
	"github.com/rapport-health/rapport/services/testbed"
	"github.com/rapport-health/rapport/services/watch/watchtest"
)

// The environment of a server in a process of its own whose feeds grow when it is told so.
const (
	FeedsStore = "RAPPORT_TEST_FEEDS_STORE"
	feedsRedis = "RAPPORT_TEST_FEEDS_REDIS"
)

// ServeFeeds runs a server until its input ends. Its input says line by line what to do: `grow FEED N` makes a feed N
// events long, `quiet FEED N` does so and tells nobody, `forget` trims all. Each is answered by `ok` once it is committed.
func ServeFeeds() int {
	c := Default()
	c.Listen, c.HTTPListen, c.Retention = "127.0.0.1:0", "127.0.0.1:0", 0
	c.Store, c.Redis = os.Getenv(FeedsStore), os.Getenv(feedsRedis)
	s, err := New(context.Background(), c)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 3
	}
	s.Start()
	fmt.Println(s.Addr())
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		var what string
		var name feed.Name
		var n int64
		_, _ = fmt.Sscan(in.Text(), &what, &name, &n) // `forget` has no more words
		if err := s.told(what, name, n); err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println("ok")
	}
	return 0
}

func (s *Server) told(what string, name feed.Name, n int64) error {
	if what == "forget" {
		_, err := s.store.Trim(context.Background(), s.config.Tenant, time.Now().Add(time.Hour))
		return err
	}
	var made []feed.Draft
	moved, err := s.store.Update(context.Background(), s.config.Tenant, func(tx store.Tx) error {
		extents, err := tx.Extents(name)
		if err != nil {
			return err
		}
		last := int64(0)
		for _, e := range extents {
			last = e.Last
		}
		made = nil
		for seq := last + 1; seq <= n; seq++ {
			made = append(made, feed.Draft{
				Feeds: []feed.Name{name}, ID: fmt.Sprintf("%s-%d", name, seq), Type: feed.Recorded, Time: time.Now().UTC(), Data: []byte(`{}`),
			})
		}
		if len(made) == 0 {
			return nil
		}
		return tx.Commit(&decision.Decision{Events: made})
	})
	if err == nil && what == "grow" {
		s.log.Moved(s.config.Tenant, moved, made...)
	}
	return err
}

// served is one life of the server.
type served struct {
	cmd  *exec.Cmd
	in   io.Writer
	out  *bufio.Reader
	log  strings.Builder
	conn *grpc.ClientConn
}

// killable is a server in a process of its own, which is killed with -9 and started again on the same store.
type killable struct {
	env []string
	// talking is held by whoever tells the server what to do.
	talking sync.Mutex
	last    map[feed.Name]int64
	// conns are those to every life: followers find out by themselves that one is over.
	conns []*grpc.ClientConn

	mu      sync.Mutex
	life    *served
	changed chan struct{}
}

func startKillable(t *testing.T, store, redis string) *killable {
	t.Helper()
	k := &killable{
		env: append(os.Environ(), FeedsStore+"="+store, feedsRedis+"="+redis), last: map[feed.Name]int64{}, changed: make(chan struct{}),
	}
	t.Cleanup(func() {
		k.end()
		for _, conn := range k.conns {
			_ = conn.Close()
		}
	})
	k.begin(t)
	return k
}

func (k *killable) begin(t testing.TB) {
	t.Helper()
	life := &served{cmd: exec.Command(os.Args[0])}
	life.cmd.Env, life.cmd.Stderr = k.env, &life.log
	in, err := life.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := life.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := life.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	life.in, life.out = in, bufio.NewReader(out)
	address, err := life.out.ReadString('\n')
	if err != nil {
		_ = life.cmd.Wait()
		t.Fatalf("the server did not start: %v %s", err, life.log.String())
	}
	if life.conn, err = grpc.NewClient(strings.TrimSpace(address), grpc.WithTransportCredentials(insecure.NewCredentials())); err != nil {
		t.Fatal(err)
	}
	k.conns = append(k.conns, life.conn)
	k.become(life)
}

// end kills the server.
func (k *killable) end() {
	life := k.become(nil)
	if life == nil {
		return // it did not start
	}
	_ = life.cmd.Process.Kill()
	_ = life.cmd.Wait()
}

func (k *killable) become(life *served) (before *served) {
	k.mu.Lock()
	defer k.mu.Unlock()
	before, k.life = k.life, life
	close(k.changed)
	k.changed = make(chan struct{})
	return before
}

// serving waits until the server serves in another life than one that is known to be over.
func (k *killable) serving(ctx context.Context, over *served) (*served, error) {
	for {
		k.mu.Lock()
		life, changed := k.life, k.changed
		k.mu.Unlock()
		if life != nil && life != over {
			return life, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// tell has the server do something, in its next life when this one ends over it.
func (k *killable) tell(t testing.TB, line string) {
	t.Helper()
	var over *served
	for {
		life, err := k.serving(t.Context(), over)
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.WriteString(life.in, line+"\n")
		var answer string
		if err == nil {
			answer, err = life.out.ReadString('\n')
		}
		switch {
		case err != nil:
			over = life
		case answer != "ok\n":
			t.Fatalf("%s: %s", line, answer)
		default:
			return
		}
	}
}

func (k *killable) grow(t testing.TB, how string, name feed.Name, n int) {
	t.Helper()
	k.talking.Lock()
	defer k.talking.Unlock()
	k.last[name] += int64(n)
	k.tell(t, fmt.Sprintf("%s %s %d", how, name, k.last[name]))
}

// Tenant is the one of callers without tokens.
func (k *killable) Tenant() ref.Tenant { return Default().Tenant }

// Commit has the server commit.
func (k *killable) Commit(t testing.TB, name feed.Name, n int) {
	t.Helper()
	k.grow(t, "grow", name, n)
}

// CommitQuietly has the server commit and tell nobody.
func (k *killable) CommitQuietly(t testing.TB, name feed.Name, n int) {
	t.Helper()
	k.grow(t, "quiet", name, n)
}

// Forget trims everything so far.
func (k *killable) Forget(t testing.TB) {
	t.Helper()
	k.talking.Lock()
	defer k.talking.Unlock()
	k.tell(t, "forget")
}

// Restart kills the server with -9 and starts it again.
func (k *killable) Restart(t testing.TB) {
	t.Helper()
	k.end()
	k.begin(t)
}

// KilledInMidCommit: what was told when the server was killed is told again, and says how long the feed is to be.
func (k *killable) KilledInMidCommit() {}

// Follow subscribes, once the server serves.
func (k *killable) Follow(ctx context.Context, cursors []feed.Cursor, heartbeat time.Duration) iter.Seq2[watchtest.Message, error] {
	return func(yield func(watchtest.Message, error) bool) {
		life, err := k.serving(ctx, nil)
		if err != nil {
			yield(watchtest.Message{}, err)
			return
		}
		for m, err := range subscribe(ctx, life.conn, cursors, heartbeat) {
			if !yield(m, err) {
				return
			}
		}
	}
}

// besideRedis is a killable server that relays to a Redis of its own.
type besideRedis struct {
	*killable
	redis *testbed.Redis
}

// Troubles are what can happen to a Redis.
func (b *besideRedis) Troubles() []watchtest.Trouble {
	back := func(t testing.TB) {
		t.Helper()
		if err := b.redis.Restart(); err != nil {
			t.Fatal(err)
		}
	}
	return []watchtest.Trouble{
		{Says: "Redis down and then empty", Begin: func(testing.TB) { b.redis.Kill() }, End: back},
		{Says: "Redis standing still", Begin: func(testing.TB) { b.redis.Pause() }, End: func(testing.TB) { b.redis.Resume() }},
		{Says: "Redis restarted empty", Begin: back},
		{Says: "FLUSHALL", Begin: func(t testing.TB) {
			t.Helper()
			if err := b.redis.Flush(); err != nil {
				t.Fatal(err)
			}
		}},
	}
}

// realTime suits servers in processes of their own.
func realTime() watchtest.Options {
	options := watchtest.Default()
	options.Bubble, options.Heartbeat, options.Patience, options.Crowd = false, time.Second, 60*time.Second, 50
	return options
}

func TestAServerKilledUnderLoadBesideARedisThatFailsKeepsThePromisesOfAFeed(t *testing.T) {
	watchtest.Run(t, realTime(), func(t *testing.T) watchtest.Subject {
		redis := testbed.FreshRedis(t, testbed.RedisOptions{})
		return &besideRedis{startKillable(t, "sqlite:"+filepath.Join(t.TempDir(), "feeds.db"), redis.URL()), redis}
	})
}

func TestAServerKilledUnderLoadOnPostgreSQLKeepsThePromisesOfAFeed(t *testing.T) {
	watchtest.Run(t, realTime(), func(t *testing.T) watchtest.Subject {
		return startKillable(t, testbed.Database(t), "none")
	})
}
