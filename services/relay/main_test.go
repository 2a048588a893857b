package relay_test

import (
	"log/slog"
	"os"
	"testing"

	"github.com/rapport-health/rapport/services/relay"
	"github.com/rapport-health/rapport/services/testbed"
)

func TestMain(m *testing.M) {
	relay.Divert(slog.New(slog.DiscardHandler))
	os.Exit(testbed.Main(m))
}
