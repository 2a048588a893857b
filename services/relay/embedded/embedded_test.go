package embedded_test

import (
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/rapport-health/rapport/services/relay/embedded"
)

func start(t *testing.T) *embedded.Server {
	t.Helper()
	s, err := embedded.Start("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

func TestRedisCliReachesIt(t *testing.T) {
	s := start(t)
	out, err := exec.CommandContext(t.Context(), "redis-cli", "-u", s.URL(), "XADD", "s", "1-0", "a", "b").CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != "1-0" {
		t.Fatalf("redis-cli answers %q (%v)", out, err)
	}
}

func TestKeysExpireAsTheGivenTimeGoesOn(t *testing.T) {
	s := start(t)
	c := redis.NewClient(&redis.Options{Addr: s.Address()})
	defer c.Close()
	if err := c.Set(t.Context(), "k", "v", time.Minute).Err(); err != nil {
		t.Fatal(err)
	}
	exists := func() bool { return c.Exists(t.Context(), "k").Val() == 1 }
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	s.Advance(now)
	s.Advance(now.Add(59 * time.Second))
	if !exists() {
		t.Fatal("the key went too early")
	}
	s.Advance(now.Add(30 * time.Second))
	s.Advance(now.Add(61 * time.Second))
	if exists() {
		t.Fatal("the key is still there")
	}
}

func TestItServesThisMachineOnly(t *testing.T) {
	for _, address := range []string{"0.0.0.0:0", ":0", "192.0.2.1:0", "example.org:6379", "127.0.0.1"} {
		if s, err := embedded.Start(address); err == nil {
			s.Stop()
			t.Errorf("it serves at %s", address)
		}
	}
}

func TestAPortThatIsTakenIsAnError(t *testing.T) {
	s := start(t)
	if other, err := embedded.Start(s.Address()); err == nil {
		other.Stop()
		t.Fatal("two servers serve at one address")
	}
}

func TestItCanBeStoppedAgain(t *testing.T) {
	s := start(t)
	s.Stop()
	s.Stop()
}
