package main

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/rapport-health/rapport/api/client"
	"github.com/rapport-health/rapport/services/server"
)

// streamed is a clinic with some events, and its Redis.
func streamed(t *testing.T, events int) *redis.Client {
	t.Helper()
	c := startClinic(t, func(config *server.Config) { config.Redis = "embedded" })
	t.Setenv("RAPPORT_REDIS", "redis://"+c.RedisAddr())
	r := redis.NewClient(&redis.Options{Addr: c.RedisAddr()})
	t.Cleanup(func() { r.Close() })
	rapport(t, "ingest", "-q", file(t, "a.ndjson", phq2s(0, events))).want(t, exitDone)
	eventually(t, "all entries are in the stream", func() bool {
		return r.XLen(context.Background(), client.StreamKey("default", "all")).Val() == int64(events)
	})
	return r
}

func TestAGroupKeepsItsPlaceFromOneWatchToTheNext(t *testing.T) {
	streamed(t, 5)
	first := rapport(t, "watch", "all", "--group", "pager", "--max", "3").want(t, exitDone, "all@1 ", "all@2 ", "all@3 ")
	if strings.Contains(first.out, "all@4") {
		t.Errorf("more than three were printed:\n%s", first.out)
	}
	second := rapport(t, "watch", "all", "--group", "pager", "--max", "2", "-o", "json").want(t, exitDone, `"seq":"4"`, `"seq":"5"`)
	if strings.Count(second.out, "\n") != 2 {
		t.Errorf("the group went back:\n%s", second.out)
	}
	other := rapport(t, "watch", "all@3", "--group", "other", "--consumer", "c", "--max", "1").want(t, exitDone, "all@4 ")
	if strings.Contains(other.out, "all@3") {
		t.Errorf("a new group began before its place:\n%s", other.out)
	}
}

func TestAGapInTheStreamIsNamedOrReadOverGRPC(t *testing.T) {
	r := streamed(t, 2)
	rapport(t, "watch", "all", "--group", "pager", "--max", "2").want(t, exitDone, "all@2 ")
	ctx, key := context.Background(), client.StreamKey("default", "all")
	rapport(t, "ingest", "-q", file(t, "b.ndjson", phq2s(2, 5))).want(t, exitDone)
	eventually(t, "five entries are in the stream", func() bool { return r.XLen(ctx, key).Val() == 5 })
	if err := r.XTrimMinID(ctx, key, "5-0").Err(); err != nil {
		t.Fatal(err)
	}
	rapport(t, "watch", "all", "--group", "pager", "--max", "1").want(t, exitFailed, "events 3 to 4 are missing", "earliest is 5", "--refill")
	refilled := rapport(t, "watch", "all", "--group", "pager", "--max", "1", "--refill").want(t, exitDone, "all@3 ", "all@4 ", "all@5 ")
	if strings.Count(refilled.out, "\n") != 3 {
		t.Errorf("want three lines:\n%s", refilled.out)
	}
}

func TestDeadLettersAreListedShownAndGivenBack(t *testing.T) {
	r := streamed(t, 5)
	rapport(t, "deadletter").want(t, exitDone, "No dead letters.")
	group := client.Group{
		Tenant: "default", Feeds: []string{"all"}, Name: "pager", Consumer: "ann", Deliveries: 1,
		Block: 5 * time.Millisecond, MinIdle: 5 * time.Millisecond,
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		ended <- group.Consume(ctx, r, func(e client.Entry) error {
			if e.Seq == 2 || e.Seq == 4 {
				return errors.New("poison")
			}
			return nil
		})
	}()
	eventually(t, "two dead letters", func() bool { return r.XLen(context.Background(), client.DeadKey("default", "all", "pager")).Val() == 2 })
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Fatalf("consuming ended with %v", err)
	}
	rapport(t, "deadletter", "list").want(t, exitDone, "all   pager  2")
	rapport(t, "deadletter", "list", "all", "--group", "pager", "-o", "json").want(t, exitDone, `"letters":2`)
	rapport(t, "deadletter", "list", "unassigned", "--group", "pager").want(t, exitDone, "No dead letters.")
	shown := rapport(t, "deadletter", "show", "all", "pager").want(t, exitDone, "all@2", "all@4", "refused", "ann", "submission.recorded")
	rapport(t, "deadletter", "show", "all", "pager", "-o", "json", "--max", "1").want(t, exitDone, `"seq":2`, `"data":{`, `"tries":1`)
	letter := strings.Fields(strings.Split(shown.out, "\n")[1])[0]
	rapport(t, "deadletter", "redrive", "all", "pager").want(t, exitUsage, "--all")
	rapport(t, "deadletter", "redrive", "all", "pager", "1-1").want(t, exitFailed, "nothing was done")
	rapport(t, "deadletter", "redrive", "all", "pager", letter).want(t, exitDone, "1 given back")
	if err := r.XTrimMinID(context.Background(), client.StreamKey("default", "all"), "5-0").Err(); err != nil {
		t.Fatal(err)
	}
	rapport(t, "deadletter", "redrive", "all", "pager", "--all").want(t, exitFailed, "0 given back", "1 stay")
	rapport(t, "deadletter").want(t, exitDone, "all   pager  1")
}

func TestWhatIsGivenBackComesToTheGroup(t *testing.T) {
	r := streamed(t, 5)
	rapport(t, "watch", "all", "--group", "pager", "--max", "5").want(t, exitDone, "all@5 ")
	ctx := context.Background()
	if err := r.XAdd(ctx, &redis.XAddArgs{Stream: client.DeadKey("default", "all", "pager"), Values: []string{
		"entry", "3-0", "deliveries", "5", "consumer", "ann", "reason", "refused", "seq", "3",
	}}).Err(); err != nil {
		t.Fatal(err)
	}
	rapport(t, "deadletter", "redrive", "all", "pager", "--all").want(t, exitDone, "1 given back")
	rapport(t, "watch", "all", "--group", "pager", "--max", "1").want(t, exitDone, "all@3 ")
}

func TestAWatchThatCannotReachItsRedisSaysWhy(t *testing.T) {
	for _, c := range []struct {
		redis, said string
		code        int
	}{
		{"embedded", "names no port", exitUsage},
		{"redis-sentinel://a,b", "name of the master", exitUsage},
		{"redis://127.0.0.1:1", "redis:", exitFailed},
	} {
		rapport(t, "watch", "--group", "g", "--redis", c.redis).want(t, c.code, c.said)
	}
	rapport(t, "watch", "--refill").want(t, exitUsage, "--group")
	rapport(t, "watch", "nothing", "--group", "g").want(t, exitUsage, "nothing")
}
