package embedded_test

import (
	"os/exec"
	"strings"
	"testing"
	"time"

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

// cli is what redis-cli answers.
func cli(t *testing.T, s *embedded.Server, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "redis-cli", append([]string{"-u", s.URL()}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("redis-cli ends with %v: %s", err, out)
	}
	return strings.TrimSpace(string(out))
}

func TestRedisCliReachesIt(t *testing.T) {
	if got := cli(t, start(t), "XADD", "s", "1-0", "a", "b"); got != "1-0" {
		t.Fatalf("redis-cli answers %q", got)
	}
}

func TestKeysExpireAsTheGivenTimeGoesOn(t *testing.T) {
	s := start(t)
	cli(t, s, "SET", "k", "v", "EX", "60")
	exists := func() bool { return cli(t, s, "EXISTS", "k") == "1" }
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
