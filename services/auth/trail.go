package auth

import (
	"context"
	"slices"
	"sync"

	"github.com/rapport-health/rapport/services/domain/access"
	"github.com/rapport-health/rapport/services/domain/ref"
)

// Trail is what one call touched, for the audit.
type Trail struct {
	// verbs by which what is read must be reachable: a call that changes things reads them for that.
	verbs access.Verbs

	mu       sync.Mutex
	patients map[ref.Patient]bool
	things   map[string]bool
	fresh    []ref.Patient
	handled  []string
}

// maxThings bounds the resources that an audit entry names one by one; its patients are always named.
const maxThings = 50

type trailKey struct{}

func newTrail(verbs access.Verbs) *Trail {
	return &Trail{verbs: verbs, patients: map[ref.Patient]bool{}, things: map[string]bool{}}
}

func withTrail(ctx context.Context, t *Trail) context.Context {
	return context.WithValue(ctx, trailKey{}, t)
}

func trailOf(ctx context.Context) *Trail {
	t, _ := ctx.Value(trailKey{}).(*Trail)
	return t
}

// Touched notes for the audit that a call touched a patient's data. Rooms whose answers come from elsewhere than the
// guarded store say so themselves. The thing is `Type/id`, or empty.
func Touched(ctx context.Context, patient ref.Patient, thing string) {
	if t := trailOf(ctx); t != nil {
		t.touch(patient, thing)
	}
}

// Aside is a context in which what is looked at is not noted: of what a search looks at, only what it shows counts, and whom
// it names. Both are told by Touched.
func Aside(ctx context.Context) context.Context {
	if t := trailOf(ctx); t != nil {
		return withTrail(ctx, newTrail(t.verbs))
	}
	return ctx
}

// Looked says whether anything of a patient was looked at in a context made by Aside.
func Looked(aside context.Context, p ref.Patient) bool {
	t := trailOf(aside)
	if t == nil {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.patients[p]
}

func (t *Trail) touch(patient ref.Patient, thing string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if patient != "" && !t.patients[patient] {
		t.patients[patient] = true
		t.fresh = append(t.fresh, patient)
	}
	if thing != "" && len(t.things) < maxThings && !t.things[thing] {
		t.things[thing] = true
		t.handled = append(t.handled, thing)
	}
}

// take is what was touched since the last time, in order.
func (t *Trail) take() (patients []ref.Patient, things []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	patients, things = t.fresh, t.handled
	t.fresh, t.handled = nil, nil
	slices.Sort(patients)
	slices.Sort(things)
	return patients, things
}

// waiting is how many patients were touched since the last time.
func (t *Trail) waiting() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.fresh)
}
