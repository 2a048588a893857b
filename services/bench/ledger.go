package bench

import (
	"fmt"
	"sync"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
)

// ledger notes what clients were promised. All its methods may be called at once from anywhere.
type ledger struct {
	mu       sync.Mutex
	promised map[string]Promise
	taken    []Acknowledgement
	// wrong are answers that are not as they must be.
	wrong []string
	// answers counts all answers, resent those that had been sent before.
	answers, resent int
	// refused counts commands that came too late, because the alert had moved on.
	refused int
	// news is signalled after each answer.
	news chan struct{}
}

func newLedger() *ledger {
	return &ledger{promised: map[string]Promise{}, news: make(chan struct{}, 1)}
}

// answered notes the answer to a submission. Sent is how often it was sent until then.
func (l *ledger) answered(a answer, sent int, result *rapportv1.Result) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answers++
	if sent > 1 {
		l.resent++
	}
	switch outcome := result.GetOutcome(); {
	case outcome != rapportv1.Outcome_OUTCOME_SCORED && outcome != rapportv1.Outcome_OUTCOME_UNCHANGED:
		l.complain("%s was answered with %s", a.reference(), outcome)
	case result.GetReference() != a.reference():
		l.complain("%s was answered as %s", a.reference(), result.GetReference())
	case outcome == rapportv1.Outcome_OUTCOME_UNCHANGED && sent == 1:
		l.complain("%s was sent once and answered as unchanged", a.reference())
	default:
		l.promised[a.reference()] = Promise{Reference: a.reference(), Body: digest(a.body), Safety: a.safety}
	}
	select {
	case l.news <- struct{}{}:
	default:
	}
}

// commanded notes the answer to an acknowledgement.
func (l *ledger) commanded(c Acknowledgement, took bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !took {
		l.refused++
		return
	}
	l.taken = append(l.taken, c)
}

// mostComplaints bounds the memory of a run that goes wrong throughout.
const mostComplaints = 1000

// complain notes what is wrong. The caller holds mu.
func (l *ledger) complain(format string, args ...any) {
	if len(l.wrong) < mostComplaints {
		l.wrong = append(l.wrong, fmt.Sprintf(format, args...))
	}
}

// count of answers so far.
func (l *ledger) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.answers
}

// promises are what was promised.
func (l *ledger) promises(e *Evidence) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range l.promised {
		e.Promised = append(e.Promised, p)
	}
	e.Commands = append(e.Commands, l.taken...)
}
