package subscriptions

import (
	"context"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
	"github.com/rapport-health/rapport/services/auth"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/domain/subscription"
	"github.com/rapport-health/rapport/services/fhir"
	"github.com/rapport-health/rapport/services/wire"
)

// Service answers SubscriptionService.
type Service struct {
	rapportv1.UnimplementedSubscriptionServiceServer
	// Room of the subscriptions.
	Room *Room
}

// ListSubscriptions returns all.
func (s *Service) ListSubscriptions(ctx context.Context, _ *rapportv1.ListSubscriptionsRequest) (*rapportv1.ListSubscriptionsResponse, error) {
	p, err := auth.From(ctx)
	if err != nil {
		return nil, wire.Error(err)
	}
	all, err := s.Room.list(ctx, p.Tenant)
	if err != nil {
		return nil, wire.Error(err)
	}
	told, err := s.Room.told(ctx, p.Tenant)
	if err != nil {
		return nil, wire.Error(err)
	}
	resp := &rapportv1.ListSubscriptionsResponse{}
	for _, one := range all {
		m, err := s.Room.message(ctx, p.Tenant, one, told[one.ID])
		if err != nil {
			return nil, wire.Error(err)
		}
		resp.Subscriptions = append(resp.Subscriptions, m)
	}
	return resp, nil
}

// GetSubscription returns one.
func (s *Service) GetSubscription(ctx context.Context, req *rapportv1.GetSubscriptionRequest) (*rapportv1.GetSubscriptionResponse, error) {
	p, err := auth.From(ctx)
	if err != nil {
		return nil, wire.Error(err)
	}
	m, err := s.Room.tellOf(ctx, p.Tenant, req.GetId())
	if err != nil {
		return nil, wire.Error(err)
	}
	return &rapportv1.GetSubscriptionResponse{Subscription: m}, nil
}

// The sizes of a page of dead letters.
const (
	pageSize = 100
	pageMost = 1000
)

// ListDeadLetters returns a page.
func (s *Service) ListDeadLetters(ctx context.Context, req *rapportv1.ListDeadLettersRequest) (*rapportv1.ListDeadLettersResponse, error) {
	p, err := auth.From(ctx)
	if err != nil {
		return nil, wire.Error(err)
	}
	size := int(req.GetPageSize())
	if size < 0 || size > pageMost || req.GetAfter() < 0 {
		return nil, wire.Error(fault.New(fault.Invalid, fault.Errorf("value", "page_size", "a page has 1 to %d letters", pageMost)))
	}
	if size == 0 {
		size = pageSize
	}
	letters, err := s.Room.letters(ctx, p.Tenant, req.GetId(), req.GetAfter(), size+1)
	if err != nil {
		return nil, wire.Error(err)
	}
	resp := &rapportv1.ListDeadLettersResponse{More: len(letters) > size}
	resp.Letters = letters[:min(size, len(letters))]
	return resp, nil
}

// Redrive asks for letters to be told again.
func (s *Service) Redrive(ctx context.Context, req *rapportv1.RedriveRequest) (*rapportv1.RedriveResponse, error) {
	p, err := auth.From(ctx)
	if err != nil {
		return nil, wire.Error(err)
	}
	letters, _, err := s.Room.redrive(ctx, p.Tenant, req.GetId(), req.GetNumbers())
	if err != nil {
		return nil, wire.Error(err)
	}
	m, err := s.Room.tellOf(ctx, p.Tenant, req.GetId())
	if err != nil {
		return nil, wire.Error(err)
	}
	return &rapportv1.RedriveResponse{Letters: int32(letters), Subscription: m}, nil
}

// RotateSecret gives a new secret.
func (s *Service) RotateSecret(ctx context.Context, req *rapportv1.RotateSecretRequest) (*rapportv1.RotateSecretResponse, error) {
	p, err := auth.From(ctx)
	if err != nil {
		return nil, wire.Error(err)
	}
	secret, until, err := s.Room.rotate(ctx, p.Tenant, req.GetId())
	if err != nil {
		return nil, wire.Error(err)
	}
	return &rapportv1.RotateSecretResponse{Secret: secret, PreviousUntil: stamp(until)}, nil
}

// told is how far each subscription of a tenant was told.
func (r *Room) told(ctx context.Context, t ref.Tenant) (map[string]subscription.Delivery, error) {
	all, err := r.config.Store.Deliveries(ctx, t)
	out := make(map[string]subscription.Delivery, len(all))
	for _, d := range all {
		out[d.ID] = d
	}
	return out, err
}

// tellOf is one subscription as a message.
func (r *Room) tellOf(ctx context.Context, t ref.Tenant, id string) (*rapportv1.Subscription, error) {
	s, err := r.view(ctx, t, id)
	if err != nil {
		return nil, err
	}
	told, err := r.told(ctx, t)
	if err != nil {
		return nil, err
	}
	return r.message(ctx, t, s, told[id])
}

func (r *Room) message(ctx context.Context, t ref.Tenant, s subscription.Subscription, d subscription.Delivery) (*rapportv1.Subscription, error) {
	x, err := r.extent(ctx, t, s.ID)
	if err != nil {
		return nil, err
	}
	m := &rapportv1.Subscription{
		Id: s.ID, Status: string(s.Status), Criteria: fhir.FilterTexts(s), Endpoint: s.Endpoint, Content: string(s.Content),
		Channel: s.Channel.String(), Events: x.Last, Delivered: d.Delivered, Attempts: int32(d.Attempts), Failure: d.Failure, Error: s.Error, Owner: s.Owner,
		Next: stamp(d.Next), Told: stamp(d.Told), End: stamp(s.End), Created: stamp(s.Created), Updated: stamp(s.Updated),
	}
	if s.Topic != subscription.Criteria {
		m.Topic = fhir.TopicURL(s.Topic)
	}
	return m, nil
}

// stamp is absent for the zero time.
func stamp(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

// letters are the dead letters above a number and, behind a subscription in error, what waits for it.
func (r *Room) letters(ctx context.Context, t ref.Tenant, id string, after int64, max int) ([]*rapportv1.DeadLetter, error) {
	s, err := r.view(ctx, t, id)
	if err != nil {
		return nil, err
	}
	kept, err := r.config.Store.DeadLetters(ctx, t, id, after, max)
	if err != nil {
		return nil, err
	}
	var out []*rapportv1.DeadLetter
	for _, l := range kept {
		m := &rapportv1.DeadLetter{Number: l.Seq, At: stamp(l.At), Attempts: int32(l.Attempts), Failure: l.Failure, Again: l.Again}
		events, err := r.between(ctx, t, id, l.Seq, l.Seq, 1)
		if err != nil && fault.Of(err) != fault.TooOld {
			return nil, err
		}
		for _, e := range events {
			describe(m, t, &s, e)
		}
		out = append(out, m)
	}
	if s.Status != subscription.Failed || len(out) >= max {
		return out, nil
	}
	return r.waiting(ctx, t, &s, after, max, out)
}

// waiting adds what a subscription in error was not told.
func (r *Room) waiting(ctx context.Context, t ref.Tenant, s *subscription.Subscription, after int64, max int, out []*rapportv1.DeadLetter) ([]*rapportv1.DeadLetter, error) {
	told, err := r.told(ctx, t)
	if err != nil {
		return nil, err
	}
	d := told[s.ID]
	x, err := r.extent(ctx, t, s.ID)
	if err != nil {
		return nil, err
	}
	from := maximum(after, d.Delivered, x.First-1) + 1
	events, err := r.between(ctx, t, s.ID, from, x.Last, max-len(out))
	if err != nil {
		return nil, err
	}
	for _, e := range events {
		m := &rapportv1.DeadLetter{Number: e.Seq, Failure: s.Error}
		if e.Seq == d.Delivered+1 {
			m.Attempts = int32(d.Attempts)
		}
		describe(m, t, s, e)
		out = append(out, m)
	}
	return out, nil
}

func maximum(of ...int64) (most int64) {
	for _, n := range of {
		most = max(most, n)
	}
	return most
}

func describe(m *rapportv1.DeadLetter, t ref.Tenant, s *subscription.Subscription, e feed.Event) {
	m.Type, m.Focus, m.Time = string(e.Type), about(t, s, e).Focus, stamp(e.Time)
}
