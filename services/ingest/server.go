package ingest

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
	"github.com/rapport-health/rapport/services/auth"
	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/wire"
)

// Window is how many items of one stream may be unacknowledged at once.
const Window = 1024

// Server answers IngestService.
type Server struct {
	rapportv1.UnimplementedIngestServiceServer
	// Room does the work.
	Room *Ingest
	// Stopping ends streams before the server stops: what was received is still acknowledged.
	Stopping <-chan struct{}
}

// Ingest takes a batch.
func (s *Server) Ingest(ctx context.Context, req *rapportv1.IngestRequest) (*rapportv1.IngestResponse, error) {
	p, err := auth.From(ctx)
	if err != nil {
		return nil, wire.Error(err)
	}
	if err := checkBatch(req); err != nil {
		return nil, wire.Error(err)
	}
	submissions := make([]decision.Submission, len(req.GetItems()))
	for n, item := range req.GetItems() {
		submissions[n] = submission(p.Tenant, req.GetSource(), item)
		submissions[n].BackFill = req.GetBackFill()
	}
	batch, err := s.Room.Begin(ctx, p.Tenant, submissions)
	if err != nil {
		return nil, wire.Error(err)
	}
	receipts, err := batch.Wait()
	if err != nil {
		return nil, wire.Error(err)
	}
	resp := &rapportv1.IngestResponse{Results: make([]*rapportv1.Result, len(receipts))}
	for n, r := range receipts {
		resp.Results[n] = wire.Result(r)
	}
	return resp, nil
}

func checkBatch(req *rapportv1.IngestRequest) error {
	if n := len(req.GetItems()); n == 0 || n > MaxItems {
		return fault.New(fault.Invalid, fault.Errorf("value", "items", "send 1 to %d items, not %d", MaxItems, n))
	}
	return checkSource(req.GetSource())
}

func checkSource(source string) error {
	if !ref.ValidSource(source) {
		return fault.New(fault.Invalid, fault.Errorf("value", "source",
			"name the sending system: 1 to 64 letters, digits, dots or hyphens"))
	}
	return nil
}

func submission(t ref.Tenant, source string, item *rapportv1.Item) decision.Submission {
	return decision.Submission{Tenant: t, Source: ref.Source(source), Key: item.GetKey(), Body: item.GetBody()}
}

// chunk is a run of items of a stream on its way: their numbers, their batch, and the memory they hold until it ends.
type chunk struct {
	numbers []int64
	batch   *Batch
	bytes   int
}

// IngestStream takes items one by one and acknowledges each after its commit, in order. Reading goes on while
// earlier items are committed, so one stream keeps the store busy.
func (s *Server) IngestStream(stream grpc.BidiStreamingServer[rapportv1.IngestStreamRequest, rapportv1.IngestStreamResponse]) error {
	p, err := auth.From(stream.Context())
	if err != nil {
		return wire.Error(err)
	}
	if err := stream.Send(&rapportv1.IngestStreamResponse{Window: Window}); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(stream.Context())
	defer cancel()
	held := newSpace(heldByStream)
	received := receive(ctx, stream, held)
	begun := make(chan chunk, 8)
	failed := make(chan error, 1)
	go func() {
		defer close(begun)
		failed <- s.begin(ctx, p.Tenant, received, begun)
	}()
	if err := acknowledge(stream, begun, held); err != nil {
		cancel()
		for c := range begun {
			_, _ = c.batch.Wait() // what was begun is finished, whoever listens
		}
		return wire.Error(err)
	}
	return wire.Error(<-failed)
}

// message is what came from the client and the memory it holds, or how its side ended.
type message struct {
	req   *rapportv1.IngestStreamRequest
	bytes int
	err   error
}

// receive reads the client's side in a goroutine that ends with it. It reads no further than there is memory for, so that
// a client that sends faster than the store commits is held back by its own connection.
func receive(
	ctx context.Context, stream grpc.BidiStreamingServer[rapportv1.IngestStreamRequest, rapportv1.IngestStreamResponse], held *space,
) <-chan message {
	out := make(chan message, Window)
	go func() {
		defer close(out)
		for {
			req, err := stream.Recv()
			taken := 0
			if err == nil {
				taken, err = held.take(ctx, len(req.GetItem().GetBody()))
			}
			select {
			case out <- message{req, taken, err}:
			case <-ctx.Done():
				return
			}
			if err != nil {
				return
			}
		}
	}()
	return out
}

// begin queues what was received, as much at once as there is, until the client's side ends.
func (s *Server) begin(ctx context.Context, t ref.Tenant, received <-chan message, begun chan<- chunk) error {
	var source string
	var backFill bool
	for {
		items, bytes, end := s.take(ctx, received)
		if len(items) > 0 && source == "" {
			source, backFill = items[0].GetSource(), items[0].GetBackFill()
			if err := checkSource(source); err != nil {
				return err
			}
		}
		if len(items) > 0 {
			c := chunk{numbers: make([]int64, len(items)), bytes: bytes}
			submissions := make([]decision.Submission, len(items))
			for n, req := range items {
				c.numbers[n] = req.GetSequence()
				submissions[n] = submission(t, source, req.GetItem())
				submissions[n].BackFill = backFill
			}
			var err error
			if c.batch, err = s.Room.Begin(ctx, t, submissions); err != nil {
				return err
			}
			begun <- c
		}
		if errors.Is(end, io.EOF) {
			return nil
		}
		if end != nil {
			return end
		}
	}
}

// maxChunk bounds how many items of a stream are begun at once, so that acknowledgements keep flowing.
const maxChunk = 128

// take waits for one message and takes what else is there. Bytes is the memory that the items hold. It ends with ctx, so
// that a stream whose commits fail ends although its client is silent.
func (s *Server) take(ctx context.Context, received <-chan message) (items []*rapportv1.IngestStreamRequest, bytes int, end error) {
	select {
	case <-ctx.Done():
		return nil, 0, ctx.Err()
	case <-s.Stopping:
		return nil, 0, fault.Newf(fault.Unavailable, "transient", "the server is stopping: send what was not acknowledged again")
	case m, ok := <-received:
		for {
			switch {
			case !ok:
				return items, bytes, io.EOF
			case m.err != nil:
				return items, bytes, m.err
			}
			items, bytes = append(items, m.req), bytes+m.bytes
			if len(items) == maxChunk {
				return items, bytes, nil
			}
			select {
			case m, ok = <-received:
			default:
				return items, bytes, nil
			}
		}
	}
}

// acknowledge answers chunk by chunk, in order, until the last.
func acknowledge(
	stream grpc.BidiStreamingServer[rapportv1.IngestStreamRequest, rapportv1.IngestStreamResponse], begun <-chan chunk, held *space,
) error {
	for c := range begun {
		receipts, err := c.batch.Wait()
		held.give(c.bytes)
		if err != nil {
			return err
		}
		for n, r := range receipts {
			if err := stream.Send(&rapportv1.IngestStreamResponse{Sequence: c.numbers[n], Result: wire.Result(r)}); err != nil {
				return err
			}
		}
	}
	return nil
}
