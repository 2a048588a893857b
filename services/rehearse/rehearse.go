// Package rehearse plays simulated clinics, or stored history, through the judgement that the server uses.
//
// A clinic is played patient by patient, for episodes share nothing: each sending in order of arrival, the clock passing
// every deadline in between, with the reading, the fold, the rules and the alerts' life of the live way. Only the store is
// replaced, by the few maps that one patient needs. Beside the rules stand fixed thresholds on the same forms and logs.
package rehearse

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"github.com/rapport-health/rapport/services/catalogue"
	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/judge"
	"github.com/rapport-health/rapport/services/simulate"
)

// Config of a rehearsal.
type Config struct {
	// Clinics to play, with their truth.
	Clinics []simulate.Clinic
	// Rules to try.
	Rules []judge.Rule
	// Policy of telling. Its budgets are left out: patients are played one by one.
	Policy alert.Policy
	// Handled is how long after it was told an alert is resolved; 0 is never, so that each is told once.
	Handled time.Duration
	// Catalogue scores.
	Catalogue *catalogue.Catalogue
	// Log takes defects of the reader.
	Log *slog.Logger
	// Played, when set, hears after each patient how many were played so far; it is never called twice at once.
	Played func(patients int)
}

// Run plays all clinics and counts. Errors: of kind Invalid for a clinic that cannot be simulated; of ctx when it ends.
func Run(ctx context.Context, c Config) (*Report, error) {
	if len(c.Clinics) == 0 || c.Catalogue == nil || c.Log == nil {
		return nil, errors.New("rehearse: Clinics, Catalogue and Log are required")
	}
	for _, clinic := range c.Clinics {
		if err := clinic.Validate(); err != nil {
			return nil, err
		}
	}
	t := newTally(c.Rules)
	played := 0
	for _, clinic := range c.Clinics {
		t.clinic(clinic)
		err := eachPatient(ctx, c, clinic, func(p *course) {
			t.add(p)
			if played++; c.Played != nil {
				c.Played(played)
			}
		})
		if err != nil {
			return nil, err
		}
	}
	return t.report(), nil
}

// eachPatient plays the patients on all processors. Take is called by one at a time, in no certain order: whatever it
// does must not depend on it.
func eachPatient(ctx context.Context, c Config, clinic simulate.Clinic, take func(*course)) error {
	const share = 16
	var mu sync.Mutex
	var failed error
	var workers sync.WaitGroup
	shares := make(chan int)
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for from := range shares {
				for story := range clinic.Stories(from, from+share) {
					if ctx.Err() != nil {
						break
					}
					played, err := play(ctx, c, clinic, &story)
					mu.Lock()
					if failed = errors.Join(failed, err); err == nil {
						take(played)
					}
					mu.Unlock()
				}
			}
		})
	}
	for from := 0; from < clinic.Patients && ctx.Err() == nil; from += share {
		shares <- from
	}
	close(shares)
	workers.Wait()
	if ctx.Err() != nil {
		return fault.Wrap(fault.Unavailable, ctx.Err(), "the rehearsal was stopped")
	}
	return failed
}
