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
	// done hears of every item once, in order.
	done func(item, *rapportv1.Result) error
	// retrying hears of a lost connection.
	retrying func(error)

	// waiting are the items that are sent but not acknowledged, oldest first, and sent is how many of them are on the
	// present stream.
	waiting []item
	acked   int64
	window  int
}

// maxRetries is how many times in a row a connection may be lost without an item in between.
const maxRetries = 8

// send sends all items. Errors: of reading, or of a server that stays away.
func (s *sender) send(ctx context.Context, items iter.Seq2[item, error]) error {
	next, stop := iter.Pull2(items)
	defer stop()
	for failures := 0; ; {
		before := s.acked
		err := s.stream(ctx, next)
		if err == nil || !lost(err) || ctx.Err() != nil {
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
		case <-time.After(time.Duration(1<<failures) * 100 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func lost(err error) bool {
	code := status.Code(err)
	return code == codes.Unavailable || code == codes.Aborted
}

// stream sends what waits and then what comes, over one stream, until the end or its loss.
func (s *sender) stream(ctx context.Context, next func() (item, error, bool)) error {
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
	s.window = int(opening.GetWindow())
	for n, i := range s.waiting {
		if err := s.post(stream, i, s.acked+int64(n)+1); err != nil {
			return err
		}
	}
	for {
		i, err, more := next()
		if err != nil {
			return err
		}
		if !more {
			break
		}
		for len(s.waiting) >= s.window {
			if err := s.acknowledged(stream); err != nil {
				return err
			}
		}
		s.waiting = append(s.waiting, i)
		if err := s.post(stream, i, s.acked+int64(len(s.waiting))); err != nil {
			return err
		}
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	for len(s.waiting) > 0 {
		if err := s.acknowledged(stream); err != nil {
			return err
		}
	}
	return nil
}

type ingestStream = grpc.BidiStreamingClient[rapportv1.IngestStreamRequest, rapportv1.IngestStreamResponse]

// post sends one item. When the stream has ended, the reason is what receiving says.
func (s *sender) post(stream ingestStream, i item, sequence int64) error {
	err := stream.Send(&rapportv1.IngestStreamRequest{Source: s.source, Sequence: sequence, Item: &rapportv1.Item{Body: i.body}})
	if !errors.Is(err, io.EOF) {
		return err
	}
	for {
		if err := s.acknowledged(stream); err != nil {
			return err
		}
	}
}

// acknowledged takes one acknowledgement.
func (s *sender) acknowledged(stream ingestStream) error {
	ack, err := stream.Recv()
	if err != nil {
		if errors.Is(err, io.EOF) {
			return status.Error(codes.Unavailable, "the server ended the stream early")
		}
		return err
	}
	if len(s.waiting) == 0 || ack.GetSequence() != s.acked+1 {
		return status.Errorf(codes.Internal, "the server acknowledged item %d, not %d", ack.GetSequence(), s.acked+1)
	}
	i := s.waiting[0]
	s.waiting = s.waiting[1:]
	s.acked++
	return s.done(i, ack.GetResult())
}
