package relay_test

import (
	"bufio"
	"context"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/rapport-health/rapport/api/client"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/relay"
	"github.com/rapport-health/rapport/services/testbed"
)

func TestAMasterThatIsKilledIsFollowedByItsReplicaAndNothingIsLost(t *testing.T) {
	b := newBench(t)
	sentinels := testbed.FreshRedisSentinels(t)
	b.connect(sentinels.URL())
	r := b.relay()
	b.run(r)
	ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
	defer cancel()
	seen := make(chan int64, 10_000)
	consumer := client.Group{
		Tenant: string(clinic), Feeds: []string{string(north)}, Name: "pager", Consumer: "ann",
		Block: 20 * time.Millisecond, MinIdle: 100 * time.Millisecond,
	}
	var consuming sync.WaitGroup
	var ended error
	consuming.Go(func() {
		ended = consumer.Consume(ctx, b.redis, func(e client.Entry) error { seen <- e.Seq; return nil })
	})
	b.commit(north, 50)
	b.await(north, 50)
	killed, err := sentinels.Failover()
	if err != nil {
		t.Fatal(err)
	}
	for range 50 {
		b.commit(north, 2)
	}
	b.awaitLong(north, 150)
	b.awaitLong(feed.All, 150)
	b.wantEqual(north, 1)
	b.wantEqual(feed.All, 1)
	if err := killed.Restart(); err != nil { // it comes back as a replica
		t.Fatal(err)
	}
	b.commit(north, 10)
	b.awaitLong(north, 160)
	b.wantEqual(north, 1)
	b.until(func() bool { l := r.Lag(); return l.Connected && l.Tenants[0].Entries == 0 })
	got := map[int64]bool{}
	for len(got) < 160 {
		select {
		case seq := <-seen:
			got[seq] = true
		case <-ctx.Done():
			t.Fatalf("the group got %d events, want 160 (%v)", len(got), ended)
		}
	}
	cancel()
	consuming.Wait()
}

func TestANodeOfAClusterThatIsKilledHoldsUpOnlyItsOwnStreams(t *testing.T) {
	b := newBench(t)
	b.config.MaxPatience = 300 * time.Millisecond
	cluster := testbed.FreshRedisCluster(t, 3)
	b.connect(cluster.URL())
	r := b.relay()
	b.run(r)
	names := []feed.Name{feed.All}
	for i := range 12 {
		names = append(names, feed.Team(string(rune('a'+i))))
	}
	commit := func() {
		for _, name := range names[1:] {
			b.commit(name, 5)
		}
	}
	commit()
	down := map[feed.Name]bool{}
	for _, name := range names {
		b.await(name, 5)
		node, err := b.redis.(*redis.ClusterClient).MasterForKey(t.Context(), relay.Key(b.tenant, name))
		if err != nil {
			t.Fatal(err)
		}
		down[name] = node.Options().Addr == cluster.Masters[1].Addr()
	}
	b.await(feed.All, 60)
	cluster.Masters[1].Kill()
	commit()
	up := 0
	for _, name := range names[1:] {
		if !down[name] {
			b.awaitLong(name, 10)
			up++
		}
	}
	if up == 0 || up == len(names)-1 {
		t.Fatalf("%d of %d feeds lie on the other nodes: nothing was tried", up, len(names)-1)
	}
	b.until(func() bool {
		l := r.Lag()
		return !l.Connected && l.Tenants[0].Entries > 0 && !l.Tenants[0].Oldest.IsZero()
	})
	commit()
	for _, name := range names[1:] {
		if !down[name] {
			b.awaitLong(name, 15)
		}
	}
	if err := cluster.Masters[1].Restart(); err != nil {
		t.Fatal(err)
	}
	for _, name := range names[1:] {
		b.awaitLong(name, 15)
		b.wantEqual(name, 1)
	}
	b.awaitLong(feed.All, 180)
	b.wantEqual(feed.All, 1)
	b.until(func() bool { return r.Lag().Connected })
}

// awaitLong waits while a new master is chosen.
func (b *bench) awaitLong(name feed.Name, seq int64) {
	b.Helper()
	b.until(func() bool {
		n, err := b.redis.XLen(context.Background(), client.StreamKey(string(b.tenant), string(name))).Result()
		return err == nil && n >= seq
	})
}

// server is a process that relays.
type server struct {
	cmd *exec.Cmd
	// leads is closed when it gets the lease.
	leads chan struct{}
	gone  chan struct{}
}

// serve starts one.
func (b *bench) serve(store, address string) *server {
	b.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childStore+"="+store, childRedis+"="+address)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	s := &server{cmd, make(chan struct{}), make(chan struct{})}
	go func() {
		defer close(s.gone)
		leads := false
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if !leads && strings.Contains(lines.Text(), "holds the lease") {
				leads = true
				close(s.leads)
			}
		}
		_ = cmd.Wait() // It was killed, or its input ended.
	}()
	b.Cleanup(func() { in.Close(); <-s.gone })
	return s
}

func TestALeaderThatIsKilledHandsOverWithoutAHoleOrADouble(t *testing.T) {
	b := onServer(t)
	url := testbed.Database(t)
	writer, _ := b.onPostgres(url)
	leader, other := writer.serve(url, b.redisAddress), writer.serve(url, b.redisAddress)
	dice := rand.New(rand.NewPCG(5, 6))
	total := int64(0)
	for range 6 {
		select {
		case <-leader.leads:
		case <-other.leads:
			leader, other = other, leader
		case <-time.After(30 * time.Second):
			t.Fatal("nobody leads")
		}
		for range 10 {
			writer.commit(north, 5)
			total += 5
		}
		if reach := total - int64(dice.IntN(40)); reach > 0 {
			writer.await(north, reach)
		}
		if err := leader.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		<-leader.gone
		writer.wantDense(north)
		writer.wantDense(feed.All)
		leader, other = other, writer.serve(url, b.redisAddress)
	}
	writer.await(north, total)
	writer.await(feed.All, total)
	writer.wantEqual(north, 1)
	writer.wantEqual(feed.All, 1)
}
