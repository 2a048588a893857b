package bench

import (
	"context"
	"math/rand/v2"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
)

// insistent is a sender that never gives up: what was not acknowledged it sends again, as it was.
type insistent struct {
	panel *panel
	mine  []int
	dice  *rand.Rand
	turn  int
	// settled are responses that were acknowledged, in their newest version, and may be amended or sent again.
	settled []answer
	ledger  *ledger
	// keyed clients send an idempotency key with every item.
	keyed bool
}

// errand is a submission with how often it was sent.
type errand struct {
	answer
	sent int
}

// mostSettled bounds how many responses a client remembers.
const mostSettled = 500

// The chances of what a client does next.
const (
	amendChance  = 0.10
	replayChance = 0.05
	safetyChance = 0.05
)

// next is what the client submits next: a new response, an amendment, or a replay of what it was already told is stored.
func (c *insistent) next() *errand {
	roll := c.dice.Float64()
	if roll < amendChance+replayChance && len(c.settled) > 0 {
		i := c.dice.IntN(len(c.settled))
		a := c.settled[i]
		// It comes back when it is acknowledged, so two versions of one response are never under way at once.
		c.settled[i] = c.settled[len(c.settled)-1]
		c.settled = c.settled[:len(c.settled)-1]
		if roll < amendChance {
			return &errand{answer: c.panel.amended(a)}
		}
		return &errand{answer: a, sent: 1}
	}
	c.turn++
	i := c.mine[c.turn%len(c.mine)]
	if c.dice.Float64() < safetyChance {
		return &errand{answer: c.panel.nextSafety(i)}
	}
	return &errand{answer: c.panel.next(i)}
}

// took notes an acknowledgement.
func (c *insistent) took(e *errand, result *rapportv1.Result) {
	c.ledger.answered(e.answer, e.sent, result)
	if len(c.settled) < mostSettled {
		c.settled = append(c.settled, e.answer)
		return
	}
	c.settled[c.dice.IntN(len(c.settled))] = e.answer
}

func (c *insistent) item(e *errand) *rapportv1.Item {
	item := &rapportv1.Item{Body: e.body}
	if c.keyed {
		item.Key = e.reference()
	}
	return item
}

// patience is how long a client waits before it tries a server again that was not there.
const patience = 20 * time.Millisecond

// call sends one item after another until stop, and each until it is acknowledged or ctx ends.
func (c *insistent) call(ctx context.Context, conn *grpc.ClientConn, stop <-chan struct{}) {
	service := rapportv1.NewIngestServiceClient(conn)
	for !closed(stop) && ctx.Err() == nil {
		e := c.next()
		for ctx.Err() == nil {
			e.sent++
			result, err := c.one(ctx, service, e)
			if err == nil {
				c.took(e, result)
				break
			}
			_ = sleepUntil(ctx, time.Now().Add(patience)) // the loop looks at ctx itself
		}
	}
}

func (c *insistent) one(ctx context.Context, service rapportv1.IngestServiceClient, e *errand) (*rapportv1.Result, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	response, err := service.Ingest(ctx, &rapportv1.IngestRequest{Source: source, Items: []*rapportv1.Item{c.item(e)}})
	if err != nil {
		return nil, err
	}
	return response.GetResults()[0], nil
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// underWayPerStream is how many items of a stream are unacknowledged at most.
const underWayPerStream = 48

// stream sends over one stream after another until stop, and until all is acknowledged or ctx ends.
func (c *insistent) stream(ctx context.Context, conn *grpc.ClientConn, stop <-chan struct{}) {
	var underWay []*errand
	for (!closed(stop) || len(underWay) > 0) && ctx.Err() == nil {
		underWay = c.oneStream(ctx, conn, stop, underWay)
		_ = sleepUntil(ctx, time.Now().Add(patience)) // the loop looks at ctx itself
	}
}

// oneStream sends what is under way, in order, and then new items until the stream breaks or, after stop, all is
// acknowledged. It returns what is not.
func (c *insistent) oneStream(ctx context.Context, conn *grpc.ClientConn, stop <-chan struct{}, underWay []*errand) []*errand {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := rapportv1.NewIngestServiceClient(conn).IngestStream(ctx)
	if err != nil {
		return underWay
	}
	if _, err := stream.Recv(); err != nil {
		return underWay
	}
	answers := make(chan *rapportv1.IngestStreamResponse, underWayPerStream)
	go func() {
		defer close(answers)
		for {
			answer, err := stream.Recv()
			if err != nil {
				return
			}
			select {
			case answers <- answer:
			case <-ctx.Done():
				return
			}
		}
	}()
	sent := int64(0)  // items sent on this stream
	first := int64(1) // number of underWay[0]
	send := func(e *errand) error {
		sent++
		e.sent++
		return stream.Send(&rapportv1.IngestStreamRequest{Source: source, Sequence: sent, Item: c.item(e)})
	}
	for _, e := range underWay {
		if send(e) != nil {
			return underWay
		}
	}
	for {
		for len(underWay) < underWayPerStream && !closed(stop) {
			e := c.next()
			underWay = append(underWay, e)
			if send(e) != nil {
				return underWay
			}
		}
		if len(underWay) == 0 {
			return nil
		}
		answer, ok := <-answers
		if !ok {
			return underWay
		}
		if answer.GetSequence() != first {
			c.ledger.misnumbered(first, answer.GetSequence())
			return underWay
		}
		c.took(underWay[0], answer.GetResult())
		underWay = underWay[1:]
		first++
	}
}

// misnumbered notes an acknowledgement out of order.
func (l *ledger) misnumbered(want, got int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.complain("a stream acknowledged item %d after item %d", got, want-1)
}

// nurse acknowledges the alerts that it is told of, each until it is answered, and ends when there are none left after ended.
func nurse(ctx context.Context, conn *grpc.ClientConn, alerts <-chan raised, ended <-chan struct{}, l *ledger) {
	service := rapportv1.NewAlertServiceClient(conn)
	for {
		a, ok := nextAlert(ctx, alerts, ended)
		if !ok {
			return
		}
		command := Acknowledgement{Alert: a.id, Key: "nurse-" + a.id}
		for ctx.Err() == nil {
			took, answered := acknowledge(ctx, service, command, a.version)
			if answered {
				l.commanded(command, took)
				break
			}
			_ = sleepUntil(ctx, time.Now().Add(patience)) // the loop looks at ctx itself
		}
	}
}

// nextAlert waits for an alert; after ended it waits no longer.
func nextAlert(ctx context.Context, alerts <-chan raised, ended <-chan struct{}) (raised, bool) {
	select {
	case a := <-alerts:
		return a, true
	case <-ctx.Done():
		return raised{}, false
	case <-ended:
	}
	select {
	case a := <-alerts:
		return a, true
	default:
		return raised{}, false
	}
}

// acknowledge sends one command and says whether it was answered, and whether it was taken.
func acknowledge(ctx context.Context, service rapportv1.AlertServiceClient, c Acknowledgement, version int64) (took, answered bool) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	_, err := service.Acknowledge(ctx, &rapportv1.AcknowledgeRequest{Id: c.Alert, Version: version, Actor: "Practitioner/nurse", Key: c.Key})
	switch status.Code(err) {
	case codes.OK:
		return true, true
	case codes.Aborted, codes.FailedPrecondition: // amended or retracted before the nurse came
		return false, true
	default:
		return false, false
	}
}
