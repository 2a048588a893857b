package main

import (
	"time"

	"github.com/rapport-health/rapport/services/server"
)

// bulkFlags are how much goes out and in at once.
type bulkFlags struct {
	BulkDir     string        `name:"bulk-dir" type:"path" placeholder:"DIR" help:"Folder of files on their way out and in, shared by the servers on one database; beside the SQLite file, or a temporary one."`
	BulkKeep    time.Duration `name:"bulk-keep" default:"24h" help:"How long the files of an export are kept once it is done (${default})."`
	BulkJobs    int           `name:"bulk-jobs" default:"4" help:"Exports, and imports, that a tenant may have under way (${default})."`
	BulkOpen    bool          `name:"bulk-capability-urls" help:"The URLs of exported files are secrets that need no token."`
	BulkPrivate bool          `name:"bulk-private-inputs" help:"An import may fetch from private addresses, and without TLS."`
}

func (f bulkFlags) bulk() server.Bulk {
	b := server.DefaultBulk()
	b.Dir, b.Keep, b.Jobs, b.CapabilityURLs, b.PrivateInputs = f.BulkDir, f.BulkKeep, f.BulkJobs, f.BulkOpen, f.BulkPrivate
	return b
}
