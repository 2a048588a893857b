package rest

import (
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/fhir/search"
	"github.com/rapport-health/rapport/services/fhir/tree"
	"github.com/rapport-health/rapport/services/store"
	"github.com/rapport-health/rapport/services/store/postgres"
	"github.com/rapport-health/rapport/services/store/sqlite"
	"github.com/rapport-health/rapport/services/testbed"
)

// perPatient is how many Observations a patient of the benchmark has.
const perPatient = 500

// observations are how many there are: RAPPORT_BENCH_OBSERVATIONS, or 20,000.
func observations(b *testing.B) int {
	b.Helper()
	text := os.Getenv("RAPPORT_BENCH_OBSERVATIONS")
	if text == "" {
		return 20_000
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		b.Fatal(err)
	}
	return n
}

// made is the n-th Observation: one a day per patient, alternately a survey and a vital sign, with what an EHR writes.
func made(n, patients int) record.Record {
	patient, day := ref.Patient(fmt.Sprintf("p%05d", n%patients)), noon.AddDate(0, 0, -(n/patients))
	category := [2]string{"survey", "vital-signs"}[(n/patients)%2]
	id := fmt.Sprintf("o%07d", n)
	raw := fmt.Sprintf(`{"resourceType":"Observation","id":%q,"meta":{"profile":["http://hl7.org/fhir/us/core/StructureDefinition/us-core-simple-observation"]},`+
		`"identifier":[{"system":"urn:ehr:observation","value":%q}],"status":"final","category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":%q}]}],`+
		`"code":{"coding":[{"system":"http://loinc.org","code":"8867-4","display":"Heart rate"}],"text":"Heart rate"},"subject":{"reference":%q},`+
		`"encounter":{"reference":"Encounter/e%d"},"effectiveDateTime":%q,"performer":[{"reference":"Practitioner/pr%d"}],`+
		`"valueQuantity":{"value":%d,"unit":"/min","system":"http://unitsofmeasure.org","code":"/min"}}`,
		id, id, category, patient.Reference(), n/3, day.Format(time.RFC3339), n%50, 50+n%70)
	doc, err := tree.Parse([]byte(raw), tree.Limits{})
	if err != nil {
		panic(err)
	}
	looked := &search.Document{Type: "Observation", Root: doc.Root, Source: "ehr", Namer: ref.Namer{Home: "ehr"}}
	return record.Record{
		Resource: ref.Resource{Type: "Observation", ID: id, Version: 1}, Source: "ehr", SourceID: id, Hash: doc.Content(), Patient: patient,
		Codes: []string{"http://loinc.org|8867-4"}, From: day, To: day.Add(time.Second), Raw: []byte(raw), Received: noon, Outcome: record.Stored,
		Marks: search.Marks(looked), Sieve: search.Sieve(looked),
	}
}

func fill(b *testing.B, s store.Store, n int) {
	b.Helper()
	patients := max(n/perPatient, 1)
	const atOnce = 1000
	begun := time.Now()
	for from := 0; from < n; from += atOnce {
		var ds []*decision.Decision
		for i := from; i < min(from+atOnce, n); i++ {
			r := made(i, patients)
			ds = append(ds, &decision.Decision{Records: []record.Record{r}, Events: []feed.Draft{{ID: r.ID, Type: feed.Recorded, Time: noon}}})
		}
		if _, err := s.Update(b.Context(), "default", func(tx store.Tx) error { return tx.Commit(ds...) }); err != nil {
			b.Fatal(err)
		}
	}
	b.Logf("%d Observations were stored, %.1f µs each", n, float64(time.Since(begun).Microseconds())/float64(n))
}

// BenchmarkSearch reports the latencies of searches over HTTP.
func BenchmarkSearch(b *testing.B) {
	for _, engine := range []struct {
		name string
		open func() (store.Store, error)
	}{
		{"sqlite", func() (store.Store, error) {
			return sqlite.Open(b.Context(), filepath.Join(b.TempDir(), "rapport.db"), sqlite.Options{Migrate: true})
		}},
		{"postgres", func() (store.Store, error) {
			return postgres.Open(b.Context(), testbed.Database(b), postgres.Options{Migrate: true})
		}},
	} {
		b.Run(engine.name, func(b *testing.B) {
			s, err := engine.open()
			if err != nil {
				b.Fatal(err)
			}
			n := observations(b)
			fill(b, s, n)
			config := Default()
			config.Accept, config.Store, config.Score, config.Definitions = &door{store: s}, s, scorer{}, catalogue{}
			config.Tenant = func(*http.Request) (ref.Tenant, error) { return "default", nil }
			config.Log = slog.New(slog.DiscardHandler)
			server, err := New(config)
			if err != nil {
				b.Fatal(err)
			}
			listening := httptest.NewServer(server)
			patients := max(n/perPatient, 1)
			for name, query := range map[string]func(*rand.Rand) string{
				"patient, category and date": func(dice *rand.Rand) string {
					from := noon.AddDate(0, 0, -dice.IntN(perPatient))
					return fmt.Sprintf("patient=p%05d&category=survey&date=ge%s&date=lt%s", dice.IntN(patients), from.AddDate(0, -2, 0).Format(time.DateOnly), from.Format(time.DateOnly))
				},
				"identifier": func(dice *rand.Rand) string { return fmt.Sprintf("identifier=urn:ehr:observation|o%07d", dice.IntN(n)) },
				"encounter":  func(dice *rand.Rand) string { return fmt.Sprintf("encounter=Encounter/e%d", dice.IntN(n/3)) },
				"code and date of anybody": func(dice *rand.Rand) string {
					return "code=http://loinc.org|8867-4&date=lt" + noon.AddDate(0, 0, -dice.IntN(perPatient)).Format(time.DateOnly)
				},
			} {
				b.Run(name, func(b *testing.B) { measure(b, listening.URL+Prefix+"/Observation?", query) })
			}
			listening.Close()
			if err := s.Close(); err != nil {
				b.Error(err)
			}
		})
	}
}

func measure(b *testing.B, base string, query func(*rand.Rand) string) {
	defer debug.SetGCPercent(debug.SetGCPercent(300)) // as `rapport serve` does
	dice := rand.New(rand.NewPCG(1, 2))
	var took []time.Duration
	for b.Loop() {
		begun := time.Now()
		response, err := http.Get(base + query(dice))
		if err != nil {
			b.Fatal(err)
		}
		_, err = io.Copy(io.Discard, response.Body)
		if err != nil || response.StatusCode != http.StatusOK || response.Body.Close() != nil {
			b.Fatal(response.Status, err)
		}
		took = append(took, time.Since(begun))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "ms-p50")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "ms-p99")
}
