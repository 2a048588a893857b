package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"google.golang.org/grpc"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
)

// measured is what one or more turns of the same load gave.
type measured struct {
	samples []time.Duration
	took    time.Duration
	used    usage
}

func (m *measured) add(o measured) {
	m.samples = append(m.samples, o.samples...)
	m.took += o.took
	m.used = m.used.plus(o.used)
}

func (m *measured) rate() float64 { return perSecond(len(m.samples), m.took) }

// sender is one of several concurrent senders: it sends until the moment given and returns one latency per response.
type sender func(ctx context.Context, number int, conn *grpc.ClientConn, until time.Time) ([]time.Duration, error)

// together runs n senders for some time. The first error ends them all.
func (s *site) together(ctx context.Context, n int, lasting time.Duration, send sender) (measured, error) {
	conns, err := s.connections(n)
	if err != nil {
		return measured{}, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var mu sync.Mutex
	var m measured
	var senders sync.WaitGroup
	before, begun := s.used(), time.Now()
	for number := range n {
		senders.Go(func() {
			samples, err := send(ctx, number, conns[number%len(conns)], begun.Add(lasting))
			if err != nil {
				cancel(err)
			}
			mu.Lock()
			defer mu.Unlock()
			m.samples = append(m.samples, samples...)
		})
	}
	senders.Wait()
	m.took, m.used = time.Since(begun), s.used().minus(before)
	s.answered += len(m.samples)
	return m, context.Cause(ctx)
}

// answerWithin bounds how long one call may take.
const answerWithin = 30 * time.Second

// calls sends unary calls of some items each, from concurrent clients that wait for every answer.
func (s *site) calls(ctx context.Context, clients, items int, lasting time.Duration) (measured, error) {
	return s.together(ctx, clients, lasting, func(ctx context.Context, number int, conn *grpc.ClientConn, until time.Time) ([]time.Duration, error) {
		service := rapportv1.NewIngestServiceClient(conn)
		mine := s.panel.share(number, clients)
		var samples []time.Duration
		for turn := 0; time.Now().Before(until); {
			request := &rapportv1.IngestRequest{Source: source, Items: make([]*rapportv1.Item, items)}
			for i := range request.Items {
				request.Items[i] = &rapportv1.Item{Body: s.panel.next(mine[turn%len(mine)]).body}
				turn++
			}
			begun := time.Now()
			if err := ingest(ctx, service, request); err != nil {
				return samples, err
			}
			took := time.Since(begun)
			for range items {
				samples = append(samples, took)
			}
		}
		return samples, nil
	})
}

// ingest sends one request and wants every item of it scored.
func ingest(ctx context.Context, service rapportv1.IngestServiceClient, request *rapportv1.IngestRequest) error {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	response, err := service.Ingest(ctx, request)
	if err != nil {
		return err
	}
	if len(response.GetResults()) != len(request.GetItems()) {
		return fmt.Errorf("%d items were sent and %d results came", len(request.GetItems()), len(response.GetResults()))
	}
	for _, result := range response.GetResults() {
		if err := scored(result); err != nil {
			return err
		}
	}
	return nil
}

// sendTeams sends the care teams of the first n patients.
func (s *site) sendTeams(ctx context.Context, n int) error {
	service := rapportv1.NewIngestServiceClient(s.server.conn)
	const most = 500
	for from := 0; from < n; from += most {
		request := &rapportv1.IngestRequest{Source: source}
		for i := from; i < min(from+most, n); i++ {
			request.Items = append(request.Items, &rapportv1.Item{Body: s.panel.teamOf(i)})
		}
		if err := ingest(ctx, service, request); err != nil {
			return fmt.Errorf("sending care teams: %w", err)
		}
	}
	return nil
}

// scored wants a response to have been stored and scored.
func scored(result *rapportv1.Result) error {
	if result.GetOutcome() == rapportv1.Outcome_OUTCOME_SCORED {
		return nil
	}
	why := ""
	for _, issue := range result.GetIssues() {
		why += fmt.Sprintf("; %s: %s", issue.GetExpression(), issue.GetText())
	}
	return fmt.Errorf("a response was not scored but %s%s", result.GetOutcome(), why)
}

// streams sends over concurrent streams, each with as many items under way as one transaction takes.
func (s *site) streams(ctx context.Context, streams int, lasting time.Duration) (measured, error) {
	return s.together(ctx, streams, lasting, func(ctx context.Context, number int, conn *grpc.ClientConn, until time.Time) ([]time.Duration, error) {
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		flow, err := openFlow(ctx, conn)
		if err != nil {
			return nil, err
		}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			if err := flow.receive(); err != nil {
				cancel(err)
			}
		}()
		mine := s.panel.share(number, streams)
		for turn := 0; time.Now().Before(until); turn++ {
			if err := flow.send(ctx, s.panel.next(mine[turn%len(mine)]).body); err != nil {
				cancel(err)
				break
			}
		}
		if err := flow.stream.CloseSend(); err != nil {
			cancel(err)
		}
		<-ended
		return flow.samples, context.Cause(ctx)
	})
}

// flow is one stream with what is under way on it.
type flow struct {
	stream grpc.BidiStreamingClient[rapportv1.IngestStreamRequest, rapportv1.IngestStreamResponse]
	// window has a place for each item that may be unacknowledged.
	window  chan struct{}
	next    int64
	samples []time.Duration

	mu   sync.Mutex
	sent map[int64]time.Time
}

// underWayPerFlow is how many items of a stream are unacknowledged at most: as many as one transaction takes. More would
// only wait.
const underWayPerFlow = 256

// openFlow opens a stream and learns its window.
func openFlow(ctx context.Context, conn *grpc.ClientConn) (*flow, error) {
	stream, err := rapportv1.NewIngestServiceClient(conn).IngestStream(ctx)
	if err != nil {
		return nil, err
	}
	opening, err := stream.Recv()
	if err != nil {
		return nil, err
	}
	if opening.GetWindow() < 1 {
		return nil, errors.New("the stream did not open with a window")
	}
	window := min(underWayPerFlow, opening.GetWindow())
	return &flow{stream: stream, window: make(chan struct{}, window), sent: map[int64]time.Time{}}, nil
}

// send waits for a place in the window and sends one item.
func (f *flow) send(ctx context.Context, body []byte) error {
	select {
	case f.window <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	f.next++
	f.mu.Lock()
	f.sent[f.next] = time.Now()
	f.mu.Unlock()
	return f.stream.Send(&rapportv1.IngestStreamRequest{Source: source, Sequence: f.next, Item: &rapportv1.Item{Body: body}})
}

// receive takes acknowledgements until the server has given all.
func (f *flow) receive() error {
	for {
		answer, err := f.stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if err := scored(answer.GetResult()); err != nil {
			return err
		}
		f.mu.Lock()
		at, ok := f.sent[answer.GetSequence()]
		delete(f.sent, answer.GetSequence())
		f.mu.Unlock()
		if !ok {
			return fmt.Errorf("item %d was acknowledged and is not under way", answer.GetSequence())
		}
		f.samples = append(f.samples, time.Since(at))
		<-f.window
	}
	if n := len(f.sent); n > 0 {
		return fmt.Errorf("the stream ended with %d items unacknowledged", n)
	}
	return nil
}

// mostUnderWay bounds the calls of steady that wait for their answers; beyond it the server is too slow for the rate.
const mostUnderWay = 4096

// steady sends single calls at a constant rate, whether or not the server keeps up. Latencies count from when a call
// was due, so a server that stands still is not flattered. Sending is told of every response just before it goes.
func (s *site) steady(
	ctx context.Context, rate float64, lasting time.Duration, next func() answer, sending func(answer, time.Time),
) (measured, error) {
	conns, err := s.connections(2 * callersPerConnection)
	if err != nil {
		return measured{}, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	underWay := make(chan struct{}, mostUnderWay)
	var mu sync.Mutex
	var m measured
	var calls sync.WaitGroup
	before, begun := s.used(), time.Now()
	for n := 0; ctx.Err() == nil; n++ {
		due := begun.Add(time.Duration(float64(n) / rate * float64(time.Second)))
		if due.After(begun.Add(lasting)) {
			break
		}
		a := next()
		if err := sleepUntil(ctx, due); err != nil {
			break
		}
		underWay <- struct{}{}
		sending(a, time.Now())
		service := rapportv1.NewIngestServiceClient(conns[n%len(conns)])
		calls.Go(func() {
			defer func() { <-underWay }()
			err := ingest(ctx, service, &rapportv1.IngestRequest{Source: source, Items: []*rapportv1.Item{{Body: a.body}}})
			if err != nil {
				cancel(err)
				return
			}
			took := time.Since(due)
			mu.Lock()
			defer mu.Unlock()
			m.samples = append(m.samples, took)
		})
	}
	calls.Wait()
	m.took, m.used = time.Since(begun), s.used().minus(before)
	s.answered += len(m.samples)
	return m, context.Cause(ctx)
}

func sleepUntil(ctx context.Context, due time.Time) error {
	wait := time.Until(due)
	if wait <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// round gives the responses of the whole panel in turn; every so manyth answers the safety item (0: as it comes).
func (s *site) round(safetyEvery int) func() answer {
	turn := 0
	return func() answer {
		turn++
		i := turn % len(s.panel.patients)
		if safetyEvery > 0 && turn%safetyEvery == 0 {
			return s.panel.nextSafety(i)
		}
		return s.panel.next(i)
	}
}
