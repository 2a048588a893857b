package bench

import (
	"fmt"
	"time"

	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// frame is a message as it came, unread.
type frame struct{ bytes []byte }

// unread is a codec that leaves what it receives as it came, so that a thousand watchers in one process cost little more
// than what travels to them.
type unread struct{}

// Name of the encoding on the wire.
func (unread) Name() string { return "proto" }

// Marshal encodes requests as usual.
func (unread) Marshal(v any) (mem.BufferSlice, error) {
	m, ok := v.(proto.Message)
	if !ok {
		return nil, fmt.Errorf("bench: %T is no message", v)
	}
	b, err := proto.Marshal(m)
	return mem.BufferSlice{mem.SliceBuffer(b)}, err
}

// Unmarshal keeps the bytes.
func (unread) Unmarshal(data mem.BufferSlice, v any) error {
	f, ok := v.(*frame)
	if !ok {
		return fmt.Errorf("bench: %T is no frame", v)
	}
	f.bytes = data.Materialize()
	return nil
}

// glimpse is what a watcher wants to know of a message at once.
type glimpse struct {
	// event is false for a heartbeat.
	event bool
	seq   int64
	typ   string
	at    time.Time
}

// The numbers of the fields that a glimpse reads, as rapport.v1 gives them.
const (
	responseEvent = 1
	eventSeq      = 2
	eventType     = 5
	eventTime     = 6
	timeSeconds   = 1
	timeNanos     = 2
)

// glance reads a SubscribeResponse no further than a glimpse needs.
func glance(message []byte) (g glimpse, err error) {
	err = fields(message, func(number protowire.Number, _ uint64, event []byte) error {
		if number != responseEvent {
			return nil
		}
		g.event = true
		return fields(event, g.field)
	})
	return g, err
}

func (g *glimpse) field(number protowire.Number, n uint64, b []byte) error {
	switch number {
	case eventSeq:
		g.seq = int64(n)
	case eventType:
		g.typ = string(b)
	case eventTime:
		var seconds, nanos int64
		err := fields(b, func(number protowire.Number, n uint64, _ []byte) error {
			switch number {
			case timeSeconds:
				seconds = int64(n)
			case timeNanos:
				nanos = int64(n)
			}
			return nil
		})
		g.at = time.Unix(seconds, nanos)
		return err
	}
	return nil
}

// fields calls each with every field of a message that is a number or bytes.
func fields(message []byte, each func(number protowire.Number, n uint64, b []byte) error) error {
	for len(message) > 0 {
		number, kind, size := protowire.ConsumeTag(message)
		if size < 0 {
			return protowire.ParseError(size)
		}
		message = message[size:]
		var n uint64
		var b []byte
		switch kind {
		case protowire.VarintType:
			n, size = protowire.ConsumeVarint(message)
		case protowire.BytesType:
			b, size = protowire.ConsumeBytes(message)
		default:
			size = protowire.ConsumeFieldValue(number, kind, message)
		}
		if size < 0 {
			return protowire.ParseError(size)
		}
		message = message[size:]
		if err := each(number, n, b); err != nil {
			return err
		}
	}
	return nil
}
