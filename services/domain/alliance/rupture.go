package alliance

import (
	"slices"
	"time"

	"github.com/rapport-health/rapport/services/domain/fact"
)

// Status of a rupture.
type Status string

// The statuses. All but Open are closed.
const (
	// Open: nobody knows yet how it ends.
	Open Status = "open"
	// Mended: a later rating is back at the usual level.
	Mended Status = "repaired"
	// Unrepaired: no rating came back in time, or none can come any more.
	Unrepaired Status = "unrepaired"
	// Deepened: no rating came back in time, and the last one lies clearly below the onset; or a part took the whole along.
	Deepened Status = "deepened"
)

// Why a rupture was closed without repair.
const (
	// TimeUp: as many ratings as there is patience for brought no return.
	TimeUp = "not-repaired-in-time"
	// ClinicianLeft: the therapist changed.
	ClinicianLeft = "clinician-left"
	// CourseEnded: the course of care is over.
	CourseEnded = "course-ended"
	// NewVersion: the instrument changed, so later ratings do not compare.
	NewVersion = "new-version"
	// WholeFell: a divergence of one part became a rupture of the whole.
	WholeFell = "whole-fell"
)

// Rupture is a break in one dyad, with its life: detected, acknowledged, repair attempted, and how it ended.
type Rupture struct {
	// Kind is Ruptured, Decline, Parted, Behavioural or NonResponse.
	Kind Event `json:"kind"`
	// Status now.
	Status Status `json:"status"`
	// Score is the code of the score that it is told by.
	Score string `json:"score,omitempty"`
	// Onset is when it was detected: the time of the last of the facts that told it.
	Onset time.Time `json:"onset"`
	// Value is the rating behind it, Usual the level it is compared with, both in points of Score.
	Value float64 `json:"value"`
	Usual float64 `json:"usual"`
	// Facts are the ids of the facts that opened it, oldest first.
	Facts []string `json:"facts,omitempty"`
	// Session is how many sessions of the dyad had been rated at the onset.
	Session int `json:"session,omitempty"`
	// Since are the ratings after the onset, at most as many as there is patience for.
	Since []float64 `json:"since,omitempty"`
	// Acknowledged is when a clinician recorded to have seen it; nil when none did.
	Acknowledged *Moment `json:"acknowledged,omitempty"`
	// Attempts to repair it, oldest first.
	Attempts []Attempt `json:"attempts,omitempty"`
	// Ended is when it was closed, at which rated session, and Because why where it was not repaired.
	Ended        time.Time `json:"ended,omitzero"`
	EndedSession int       `json:"endedSession,omitempty"`
	Because      string    `json:"because,omitempty"`
}

// Moment is a step in the life of a rupture.
type Moment struct {
	// At is when it was.
	At time.Time `json:"at"`
	// Session is how many sessions of the dyad had been rated by then.
	Session int `json:"session,omitempty"`
	// Fact that tells it.
	Fact string `json:"fact"`
}

// Attempt is one attempt to repair.
type Attempt struct {
	Moment
	// Enhancers and Eroders as coded by the clinician.
	Enhancers []string `json:"enhancers,omitempty"`
	Eroders   []string `json:"eroders,omitempty"`
}

// Stage is where the rupture stands in its life: detected, acknowledged, attempted, or how it ended.
func (r *Rupture) Stage() string {
	switch {
	case r.Status != Open:
		return string(r.Status)
	case len(r.Attempts) > 0:
		return "attempted"
	case r.Acknowledged != nil:
		return "acknowledged"
	}
	return "detected"
}

// Lapse is the time between the detection of a rupture and a step in its life.
type Lapse struct {
	// Days, with fractions.
	Days float64
	// Sessions rated.
	Sessions int
}

// Until is the time from the detection to a step. A step that was recorded before it is no time away.
func (r *Rupture) Until(at time.Time, session int) Lapse {
	return Lapse{max(0, at.Sub(r.Onset).Hours()/24), max(0, session-r.Session)}
}

// end closes a copy of the rupture.
func (r *Rupture) end(at time.Time, status Status, because string) *Rupture {
	next := *r
	next.Status, next.Ended, next.Because = status, at, because
	return &next
}

// outcome of a rupture that was not repaired in time: a last rating lower than the onset by so much makes it deeper.
func (r *Rupture) outcome(deeper float64) Status {
	if n := len(r.Since); n > 0 && r.Since[n-1] <= r.Value-deeper+tolerance {
		return Deepened
	}
	return Unrepaired
}

// record enters what a clinician recorded about the rupture into a copy of it.
func (r *Rupture) record(key fact.Key, session int, told *fact.Repair) *Rupture {
	next := *r
	now := Moment{At: key.At, Session: session, Fact: key.ID}
	if next.Acknowledged == nil {
		next.Acknowledged = &now
	}
	if told.Step == fact.RepairAttempted {
		next.Attempts = append(slices.Clip(next.Attempts), Attempt{now, Enhancers.known(told.Enhancers), Eroders.known(told.Eroders)})
		next.Attempts = tail(next.Attempts, maxAttempts)
	}
	return &next
}

// tail are the last entries, at most n.
func tail[E any](all []E, n int) []E { return all[max(0, len(all)-n):] }
