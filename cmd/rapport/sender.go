package main

import (
	"context"
	"errors"
	"io"
	"iter"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
)

// sender sends items over one stream after another until all are acknowledged.
type sender struct {
	client rapportv1.IngestServiceClient
	source string
	// backFill says that the items bring what lies back.
	backFill bool
	// done hears of every item once, in order.
	done func(item, *rapportv1.Result) error
	// unread hears of what could not be read.
	unread func(item, error)
	// retrying hears of a lost connection.
	retrying func(error)

	// items come from the reader; the channel is closed at the end.
	items <-chan reading
	ended bool
	// waiting are the items that are sent but not acknowledged, oldest first; weight is their bytes together, and the
	// first posted of them are on the present stream.
	waiting []item
	weight  int
	posted  int
	acked   int64
	window  int
	// reached is set once a server has answered.
	reached bool
}

// reading is an item, or why there is none.
type reading struct {
	item
	err error
}

const (
	// maxRetries is how many times in a row a connection may be lost without an item in between: a minute or so.
	maxRetries = 16
	// firstPause and longestPause are between two tries.
	firstPause, longestPause = 100 * time.Millisecond, 5 * time.Second
	// maxWeight bounds the bytes that are on their way, so that large Bundles do not fill the memory of both sides.
	maxWeight = 64 << 20
)

// send sends all items. Errors: of a server that was never reached, stays away or refuses the stream.
func (s *sender) send(ctx context.Context, items iter.Seq2[item, error]) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s.items = readAhead(ctx, items)
	for failures := 0; ; {
		before := s.acked
		err := s.stream(ctx)
		if err == nil || !lost(err) || ctx.Err() != nil || !s.reached {
			return err
		}
		if s.acked > before {
			failures = 0
		}
		if failures++; failures > maxRetries {
			return err
		}
		s.retrying(err)
		select {
		case <-time.After(min(firstPause<<(failures-1), longestPause)):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// readAhead reads in a goroutine of its own, so that input that trickles holds no acknowledgement up. It ends with ctx,
// or with the read of standard input that it is in. The channel is closed only at the end of the input.
func readAhead(ctx context.Context, items iter.Seq2[item, error]) <-chan reading {
	out := make(chan reading)
	go func() {
		for i, err := range items {
			select {
			case out <- reading{i, err}:
			case <-ctx.Done():
				return
			}
		}
		if ctx.Err() == nil {
			close(out)
		}
	}()
	return out
}

func lost(err error) bool {
	code := status.Code(err)
	return code == codes.Unavailable || code == codes.Aborted
}

type ingestStream = grpc.BidiStreamingClient[rapportv1.IngestStreamRequest, rapportv1.IngestStreamResponse]

// stream sends what waits and then what comes, over one stream, until the end or its loss.
func (s *sender) stream(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := s.client.IngestStream(ctx)
	if err != nil {
		return err
	}
	opening, err := stream.Recv()
	if err != nil {
		return err
	}
	s.reached, s.posted, s.window = true, 0, max(1, int(opening.GetWindow()))
	acks := acknowledgements(ctx, stream, s.window)
	closed := false
	for !s.ended || len(s.waiting) > 0 {
		if s.posted < min(len(s.waiting), s.window) {
			if err := s.post(ctx, stream, acks); err != nil {
				return err
			}
			continue
		}
		if s.ended && !closed {
			closed = true
			if err := stream.CloseSend(); err != nil {
				return err
			}
		}
		if err := s.step(ctx, acks); err != nil {
			return err
		}
	}
	return nil
}

// step takes the next item, when there is room, or the next acknowledgement.
func (s *sender) step(ctx context.Context, acks <-chan acknowledgement) error {
	items := s.items
	if s.ended || len(s.waiting) >= s.window || s.weight >= maxWeight {
		items = nil
	}
	select {
	case r, more := <-items:
		switch {
		case !more:
			s.ended = true
		case r.err != nil:
			s.unread(r.item, r.err)
		default:
			s.waiting, s.weight = append(s.waiting, r.item), s.weight+len(r.body)
		}
		return nil
	case ack := <-acks:
		return s.acknowledged(ack)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// acknowledgement is what the server said, or how its side ended.
type acknowledgement struct {
	*rapportv1.IngestStreamResponse
	err error
}

// acknowledgements receives in a goroutine that ends with the stream.
func acknowledgements(ctx context.Context, stream ingestStream, window int) <-chan acknowledgement {
	acks := make(chan acknowledgement, window)
	go func() {
		for {
			ack, err := stream.Recv()
			if errors.Is(err, io.EOF) {
				err = status.Error(codes.Unavailable, "the server ended the stream early")
			}
			select {
			case acks <- acknowledgement{ack, err}:
			case <-ctx.Done():
				return
			}
			if err != nil {
				return
			}
		}
	}()
	return acks
}

// post sends the next waiting item. When the stream has ended, the reason is what receiving says.
func (s *sender) post(ctx context.Context, stream ingestStream, acks <-chan acknowledgement) error {
	i := s.waiting[s.posted]
	s.posted++
	err := stream.Send(&rapportv1.IngestStreamRequest{
		Source: s.source, Sequence: s.acked + int64(s.posted), Item: &rapportv1.Item{Body: i.body, Key: i.key()}, BackFill: s.backFill,
	})
	if !errors.Is(err, io.EOF) {
		return err
	}
	for {
		select {
		case ack := <-acks:
			if err := s.acknowledged(ack); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// acknowledged takes one acknowledgement.
func (s *sender) acknowledged(ack acknowledgement) error {
	if ack.err != nil {
		return ack.err
	}
	if s.posted == 0 || ack.GetSequence() != s.acked+1 {
		return status.Errorf(codes.Internal, "the server acknowledged item %d, not %d", ack.GetSequence(), s.acked+1)
	}
	i := s.waiting[0]
	s.waiting[0].body = nil // The backing array lives on.
	s.waiting = s.waiting[1:]
	s.weight -= len(i.body)
	s.posted--
	s.acked++
	return s.done(i, ack.GetResult())
}
