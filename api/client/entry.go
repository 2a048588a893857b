package client

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/timestamppb"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
)

// Entry is one event as it stands in a Redis stream.
type Entry struct {
	// Feed it stands in.
	Feed string
	// Seq is its number in the feed; the id of the entry is Seq-0.
	Seq int64
	// TenantSeq is its number in the tenant.
	TenantSeq int64
	// ID is stable: the same event has the same id in every feed and at every delivery. Use it to handle an event once.
	ID string
	// Type such as `alert.opened`.
	Type string
	// Time it was committed.
	Time time.Time
	// Subject is a patient reference; empty when about none.
	Subject string
	// Source is the CloudEvents source.
	Source string
	// Data is the JSON form of rapport.v1.Alert or rapport.v1.Recorded.
	Data []byte
	// Deliveries is how often it was delivered to the group, from 1.
	Deliveries int64
}

// Event is the entry as the gRPC contract has it. Unknown fields of a newer server are passed over.
func (e Entry) Event() (*rapportv1.Event, error) {
	out := &rapportv1.Event{
		Feed: e.Feed, Seq: e.Seq, TenantSeq: e.TenantSeq, Id: e.ID, Type: e.Type,
		Time: timestamppb.New(e.Time), Subject: e.Subject,
	}
	lenient := protojson.UnmarshalOptions{DiscardUnknown: true}
	switch {
	case strings.HasPrefix(e.Type, "alert."):
		alert := &rapportv1.Alert{}
		if err := lenient.Unmarshal(e.Data, alert); err != nil {
			return nil, fmt.Errorf("the data of event %s is no alert", e.ID)
		}
		out.Data = &rapportv1.Event_Alert{Alert: alert}
	case e.Type == "submission.recorded":
		recorded := &rapportv1.Recorded{}
		if err := lenient.Unmarshal(e.Data, recorded); err != nil {
			return nil, fmt.Errorf("the data of event %s is no record of a submission", e.ID)
		}
		out.Data = &rapportv1.Event_Recorded{Recorded: recorded}
	}
	return out, nil
}

// StreamKey is the Redis key of a feed's stream.
func StreamKey(tenant, feed string) string { return "rapport:{" + tenant + "/" + feed + "}" }

// DeadKey is the Redis key of the stream of entries that a group gave up.
func DeadKey(tenant, feed, group string) string { return StreamKey(tenant, feed) + ":dead:" + group }

// read makes an Entry of a message.
func read(feed string, m redis.XMessage) (Entry, error) {
	text := func(name string) string { s, _ := m.Values[name].(string); return s }
	e := Entry{
		Feed: feed, ID: text("id"), Type: text("type"), Subject: text("subject"), Source: text("source"),
		Data: []byte(text("data")), Deliveries: 1,
	}
	var err error
	if e.Seq, err = strconv.ParseInt(text("seq"), 10, 64); err != nil || m.ID != text("seq")+"-0" {
		return Entry{}, fmt.Errorf("entry %s of feed %s is no event of Rapport", m.ID, feed)
	}
	if e.TenantSeq, err = strconv.ParseInt(text("tenant_seq"), 10, 64); err != nil {
		return Entry{}, fmt.Errorf("entry %s of feed %s is no event of Rapport", m.ID, feed)
	}
	if e.Time, err = time.Parse(time.RFC3339Nano, text("time")); err != nil {
		return Entry{}, fmt.Errorf("entry %s of feed %s has no time", m.ID, feed)
	}
	return e, nil
}
