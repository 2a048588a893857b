package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/store"
)

// benchPatients is how many patients the submissions of a benchmark are about.
const benchPatients = 2000

// Bench measures commits of 1, 32 and 256 submissions, each with what group commit asks before: heads, keys,
// patients, states and alerts. It reports submissions and rows per second.
func Bench(b *testing.B, open func(b *testing.B) Store) {
	for _, size := range []int{1, 32, 256} {
		b.Run(fmt.Sprintf("decisions=%d", size), func(b *testing.B) {
			s := open(b)
			n := 0
			var busy time.Duration
			for b.Loop() {
				batch := Submissions(n, size)
				n += size
				begun := time.Now()
				if err := group(b, s, batch); err != nil {
					b.Fatal(err)
				}
				busy += time.Since(begun)
			}
			Report(b, n, busy)
		})
	}
}

// Submissions are size submissions from the n-th on.
func Submissions(n, size int) []*decision.Decision {
	batch := make([]*decision.Decision, size)
	for i := range batch {
		batch[i] = Submission(n+i, benchPatients)
	}
	return batch
}

// Report says how many submissions were written in a second of store time. Each is five rows: record, code, fact,
// state and event.
func Report(b *testing.B, submissions int, busy time.Duration) {
	b.ReportMetric(float64(submissions)/busy.Seconds(), "submissions/s")
	b.ReportMetric(5*float64(submissions)/busy.Seconds(), "rows/s")
	b.ReportMetric(busy.Seconds()/float64(b.N)*1e3, "ms/commit")
}

// group commits as group commit does.
func group(b *testing.B, s store.Store, batch []*decision.Decision) error {
	var heads []ref.Resource
	var episodes []ref.Episode
	var names, keys []string
	for _, d := range batch {
		heads = append(heads, d.Records[0].Unversioned())
		episodes = append(episodes, d.Episodes[0].Episode)
		names = append(names, "ehr|"+d.Records[0].Patient.Reference())
		keys = append(keys, d.Events[0].ID)
	}
	_, err := s.Update(b.Context(), clinic, func(tx store.Tx) error {
		if _, err := tx.Heads(heads); err != nil {
			return err
		}
		if _, err := tx.Keys("ehr", keys); err != nil {
			return err
		}
		if _, err := tx.Patients(names); err != nil {
			return err
		}
		if _, err := tx.States(episodes); err != nil {
			return err
		}
		if _, err := tx.AlertsOf(episodes); err != nil {
			return err
		}
		return tx.Commit(batch...)
	})
	return err
}
