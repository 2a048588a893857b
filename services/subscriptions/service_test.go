package subscriptions_test

import (
	"testing"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
	"github.com/rapport-health/rapport/services/auth"
	"github.com/rapport-health/rapport/services/domain/access"
	"github.com/rapport-health/rapport/services/subscriptions"
)

// desk asks SubscriptionService.
type desk struct {
	*house
	*subscriptions.Service
}

func (h *house) service() desk { return desk{h, &subscriptions.Service{Room: h.room}} }

func (d desk) letters(id string) []*rapportv1.DeadLetter {
	d.Helper()
	ctx := auth.With(d.Context(), access.Principal{Tenant: clinic})
	resp, err := d.ListDeadLetters(ctx, &rapportv1.ListDeadLettersRequest{Id: id})
	if err != nil {
		d.Fatal(err)
	}
	return resp.GetLetters()
}

func (d desk) redrive(id string, numbers ...int64) int32 {
	d.Helper()
	ctx := auth.With(d.Context(), access.Principal{Tenant: clinic})
	resp, err := d.Redrive(ctx, &rapportv1.RedriveRequest{Id: id, Numbers: numbers})
	if err != nil {
		d.Fatal(err)
	}
	return resp.GetLetters()
}

func TestTheServiceTellsHowSubscriptionsStandAndKeepsTenantsApart(t *testing.T) {
	h, e := newHouse(t), newEndpoint(t, nil)
	id, _ := h.subscribe(wish{endpoint: e.URL, filters: []string{"DetectedIssue?severity=high"}, headers: []string{"X-Key: k"}})
	h.stands(id, "active")
	h.happen("a1")
	h.hears(e, 1)
	s := h.service()
	mine := auth.With(t.Context(), access.Principal{Tenant: clinic})
	var one *rapportv1.Subscription
	h.until(func() bool {
		resp, err := s.GetSubscription(mine, &rapportv1.GetSubscriptionRequest{Id: id})
		if err != nil {
			t.Fatal(err)
		}
		one = resp.GetSubscription()
		return one.GetDelivered() == 1
	}, func() string { return "the position" })
	if one.GetStatus() != "active" || one.GetEvents() != 1 || one.GetOwner() != "ehr" || one.GetEndpoint() != e.URL || len(one.GetCriteria()) != 1 || one.GetTold() == nil {
		t.Errorf("it is told as %v", one)
	}
	list, err := s.ListSubscriptions(mine, &rapportv1.ListSubscriptionsRequest{})
	if err != nil || len(list.GetSubscriptions()) != 1 {
		t.Errorf("listed are %v, %v", list, err)
	}
	theirs := auth.With(t.Context(), access.Principal{Tenant: "other"})
	if list, err := s.ListSubscriptions(theirs, &rapportv1.ListSubscriptionsRequest{}); err != nil || len(list.GetSubscriptions()) != 0 {
		t.Errorf("another tenant sees %v, %v", list, err)
	}
	for name, err := range map[string]error{
		"get":     second(s.GetSubscription(theirs, &rapportv1.GetSubscriptionRequest{Id: id})),
		"letters": second(s.ListDeadLetters(theirs, &rapportv1.ListDeadLettersRequest{Id: id})),
		"redrive": second(s.Redrive(theirs, &rapportv1.RedriveRequest{Id: id})),
		"rotate":  second(s.RotateSecret(theirs, &rapportv1.RotateSecretRequest{Id: id})),
		"nobody":  second(s.GetSubscription(t.Context(), &rapportv1.GetSubscriptionRequest{Id: id})),
	} {
		if err == nil {
			t.Errorf("%s: another tenant was answered", name)
		}
	}
}

func second[T any](_ T, err error) error { return err }
