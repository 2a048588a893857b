package relay_test

import (
	"log/slog"
	"os"
	"testing"

	"github.com/rapport-health/rapport/services/relay"
)

func TestMain(m *testing.M) {
	relay.Divert(slog.New(slog.DiscardHandler))
	os.Exit(m.Run())
}
