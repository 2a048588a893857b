package main

import (
	"time"

	"github.com/rapport-health/rapport/services/server"
)

// streamFlags are what Redis keeps.
type streamFlags struct {
	Entries     int64         `name:"stream-entries" default:"1000000" help:"Entries that a Redis stream keeps of what every group has handled; 0 for all (${default})."`
	Age         time.Duration `name:"stream-age" default:"720h" help:"How old they may become; 0 for any age (${default})."`
	HeldEntries int64         `name:"stream-held-entries" default:"3000000" help:"Entries that a stream keeps at most for a group that has not handled them; 0 for no limit (${default})."`
	HeldAge     time.Duration `name:"stream-held-age" default:"2160h" help:"How old those may become; 0 for any age (${default})."`
	Shards      int           `name:"relay-shards" default:"1" help:"Leases over which the servers on one database share the feeds; the same on all (${default})."`
}

func (f streamFlags) streams() server.Streams {
	return server.Streams{Entries: f.Entries, Age: f.Age, HeldEntries: f.HeldEntries, HeldAge: f.HeldAge, Shards: f.Shards}
}
