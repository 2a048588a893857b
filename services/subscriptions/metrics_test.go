package subscriptions_test

import (
	"net/http"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rapport-health/rapport/services/subscriptions"
)

// gathered are the values of all metrics, by name and labels.
func gathered(t *testing.T, from *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := from.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetValue()
			}
			out[name] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return out
}

func TestTheMetricsTellDeliveriesStatesAndTheOldestEventThatWaits(t *testing.T) {
	registry := prometheus.NewRegistry()
	h := newHouse(t, func(c *subscriptions.Config) { c.Metrics = registry })
	good := newEndpoint(t, nil)
	bad := newEndpoint(t, func(c call) int {
		if c.kind() == "handshake" {
			return http.StatusOK
		}
		return http.StatusInternalServerError
	})
	one, _ := h.subscribe(wish{endpoint: good.URL})
	two, _ := h.subscribe(wish{endpoint: bad.URL})
	h.stands(one, "active")
	h.stands(two, "active")
	h.happen("a1")
	h.hears(good, 1)
	h.stands(two, "error")
	var got map[string]float64
	h.until(func() bool {
		got = gathered(t, registry)
		return got["rapport_subscriptions error"] == 1 && got["rapport_subscription_oldest_undelivered_seconds"] > 0
	}, func() string { return "the metrics of an endpoint in error" })
	for name, want := range map[string]float64{
		"rapport_subscription_deliveries_total delivered event-notification": 1, "rapport_subscription_deliveries_total failed event-notification": 5,
		"rapport_subscription_deliveries_total delivered handshake": 2, "rapport_subscriptions active": 1, "rapport_subscription_dead_letters_total": 0,
	} {
		if got[name] != want {
			t.Errorf("%s is %g, want %g", name, got[name], want)
		}
	}
	h.stop()
	if _, told := gathered(t, registry)["rapport_subscriptions active"]; told {
		t.Error("a server that does not tell says how subscriptions stand")
	}
}
