package relay

import (
	_ "embed"
	"strconv"
	"time"

	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/ref"
)

// Key is the name of a feed's stream. What stands in braces is its hash tag, so all that belongs to one feed
// lives on one node of a Redis Cluster.
func Key(t ref.Tenant, f feed.Name) string {
	return "rapport:{" + string(t) + "/" + string(f) + "}"
}

// Source is the CloudEvents source of a tenant's events. With the event id it is unique.
func Source(t ref.Tenant) string { return "/rapport/" + string(t) }

// appendScript appends events to a stream, each under the id of its number, and only where they belong:
// right above the stream's last id. What the stream already has is passed over, so it may be run again.
//
// KEYS[1] is the stream. ARGV: the last id that the stream is thought to have, the number of entries to keep
// (0: all), the CloudEvents source, and seven fields for each event. Without events it only asks.
// It answers with the last id before and after; both are the same when the events do not belong there.
//
//go:embed append.lua
var appendScript string

// arguments of appendScript for a run of events.
func arguments(top, keep int64, source string, events []feed.Event) []any {
	args := make([]any, 0, 3+7*len(events))
	args = append(args, top, keep, source)
	for _, e := range events {
		args = append(args,
			strconv.FormatInt(e.Seq, 10),
			strconv.FormatInt(e.TenantSeq, 10),
			e.ID,
			string(e.Type),
			e.Time.UTC().Format(time.RFC3339Nano),
			e.Subject,
			[]byte(e.Data))
	}
	return args
}
