package server

import (
	"errors"
	"time"

	"github.com/rapport-health/rapport/services/relay"
)

// Streams is what Redis keeps, and how the relay shares its work among servers.
type Streams struct {
	// Entries and Age are what a stream keeps of what every consumer group has handled; 0 keeps all.
	Entries int64
	Age     time.Duration
	// HeldEntries and HeldAge are what it keeps at the very most for a group that has not; 0 for no limit.
	HeldEntries int64
	HeldAge     time.Duration
	// Shards is how many leases the feeds are spread over, the same on all servers.
	Shards int
}

// defaultStreams are those of the relay.
func defaultStreams() Streams {
	c := relay.Default()
	return Streams{Entries: c.MaxLen, Age: c.MaxAge, HeldEntries: c.HeldLen, HeldAge: c.HeldAge, Shards: c.Shards}
}

// relay is the relay's config.
func (s Streams) relay() relay.Config {
	c := relay.Default()
	c.MaxLen, c.MaxAge, c.HeldLen, c.HeldAge, c.Shards = s.Entries, s.Age, s.HeldEntries, s.HeldAge, s.Shards
	return c
}

// embedded leaves the memory of this process to others.
func (s Streams) embedded() Streams {
	s.Entries, s.HeldEntries = embeddedEntries, 2*embeddedEntries
	return s
}

func (s Streams) validate() error {
	switch {
	case s.Entries < 0 || s.Age < 0:
		return errors.New("--stream-entries and --stream-age must not be negative")
	case s.HeldEntries != 0 && s.HeldEntries < s.Entries || s.HeldAge != 0 && s.HeldAge < s.Age:
		return errors.New("--stream-held-entries and --stream-held-age must be 0, for no limit, or at least --stream-entries and --stream-age")
	case s.Shards < 1 || s.Shards > 64:
		return errors.New("--relay-shards must be 1 to 64")
	}
	return nil
}
