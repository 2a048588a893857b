package relay_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"testing"

	"github.com/rapport-health/rapport/services/relay"
	"github.com/rapport-health/rapport/services/store/postgres"
	"github.com/rapport-health/rapport/services/testbed"
	"github.com/rapport-health/rapport/services/watch"
)

func TestMain(m *testing.M) {
	if os.Getenv(childStore) != "" {
		os.Exit(child())
	}
	relay.Divert(slog.New(slog.DiscardHandler))
	os.Exit(testbed.Main(m))
}

// The variables that make the test program a server that relays and does nothing else.
const (
	childStore = "RELAY_TEST_STORE"
	childRedis = "RELAY_TEST_REDIS"
)

// child relays until its standard input ends or somebody kills it. It prints its log.
func child() int {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // ends with the parent
		cancel()
	}()
	err := relayAsChild(ctx)
	if ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func relayAsChild(ctx context.Context) error {
	s, err := postgres.Open(ctx, os.Getenv(childStore), postgres.Options{})
	if err != nil {
		return err
	}
	defer s.Close()
	link, err := relay.Dial(os.Getenv(childRedis))
	if err != nil {
		return err
	}
	defer link.Close()
	config := relay.Default()
	config.Chunk, config.Batch = 3, 10 // so that most kills fall between two pieces
	config.Log = slog.New(slog.NewTextHandler(os.Stdout, nil))
	log := watch.New(s, watch.Default())
	go func() { _ = log.Run(ctx) }()
	r, err := relay.New(s, log, link, config)
	if err != nil {
		return err
	}
	return r.Run(ctx)
}
