package cds_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/episode"
	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/judge"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/store"
)

const benchPatients = 10_000

// crowd stores a clinic of patients with scores of half a year, every third of whom has three alerts.
func (c *chart) crowd(b *testing.B) {
	b.Helper()
	for from := 0; from < benchPatients; from += 500 {
		var all []*decision.Decision
		for n := from; n < from+500; n++ {
			p := ref.Patient(fmt.Sprintf("patient-%05d", n))
			var facts []fact.Fact
			for week := range 12 {
				facts = append(facts, scored(fmt.Sprintf("s%d-%d", n, week), "phq-9", "distress", "patient", 7*week-84, "", total(float64((n+week)%28), 27)))
			}
			state := episode.Terms{}.New(p).Replay(facts)
			d := &decision.Decision{Episodes: []*episode.State{state}}
			for k := range 3 * (1 - min(n%3, 1)) {
				a := alert.Alert{
					ID: ref.Digest(string(p), fmt.Sprint(k)), Rule: "screening-severe", Severity: judge.Severity(k + 1), Patient: p, Episode: ref.Episode(p),
					Title: "Worth a look", Seen: "PHQ-9 total 22 of 27", Facts: []string{"f"}, Effective: monday,
					Proposal: &judge.Proposal{Modality: "telephone", WithinDays: 7},
				}
				a, event := alert.Begin(a, monday, "")
				d.Alerts, d.Events = append(d.Alerts, a), append(d.Events, []feed.Draft{event}...)
			}
			all = append(all, d)
		}
		_, err := c.store.Update(b.Context(), "default", func(tx store.Tx) error { return tx.Commit(all...) })
		if err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkPatientView answers from the state of 10,000 patients and says the 99th percentile.
func BenchmarkPatientView(b *testing.B) {
	c := open(b, nil)
	c.crowd(b)
	var took []time.Duration
	n := 0
	for b.Loop() {
		n += 7919
		begun := time.Now()
		w := httptest.NewRecorder()
		c.server.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/cds-services/patient-view",
			strings.NewReader(view("Practitioner/pt", fmt.Sprintf("patient-%05d", n%benchPatients)))))
		took = append(took, time.Since(begun))
		if w.Code != http.StatusOK {
			b.Fatal(w.Code, w.Body)
		}
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
	b.ReportMetric(float64(took[len(took)-1].Microseconds()), "max-µs")
}
