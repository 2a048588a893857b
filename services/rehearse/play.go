package rehearse

import (
	"context"
	"time"

	"github.com/rapport-health/rapport/services/catalogue"
	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/fhir"
	"github.com/rapport-health/rapport/services/ingest"
	"github.com/rapport-health/rapport/services/simulate"
)

// tenant of every rehearsal; nothing is stored under it.
const tenant = "rehearsal"

// course is what became of one patient.
type course struct {
	truth simulate.PatientTruth
	// attended are the times of the attended visits, in order.
	attended []time.Time
	// submissions that were sent, and what of them was rejected.
	submissions, rejected int
	// raised by the rules, in order.
	raised []raised
	// suppressed and retracted alerts by rule.
	suppressed, retracted map[string]int
	// facts that count in the end, in the order of fact.Key.
	facts []fact.Fact
}

// raised is one alert: by which rule, and when.
type raised struct {
	rule string
	at   time.Time
}

// door reads what is sent, as the service's does.
type door struct {
	config ingest.Config
	now    time.Time
}

func newDoor(c Config) *door {
	d := &door{}
	namer := ref.Namer{Home: simulate.EHR}
	now := func() time.Time { return d.now }
	d.config = ingest.Config{
		Reader: &fhir.Reader{Instruments: c.Catalogue, Namer: namer}, Library: catalogue.NewLibrary(c.Catalogue, nil, namer, now),
		Namer: namer, Now: now, Log: c.Log,
	}
	return d
}

// play plays one patient. Errors: as ingest.Read.
func play(ctx context.Context, c Config, clinic simulate.Clinic, story *simulate.Story) (*course, error) {
	p := &course{
		truth: story.PatientTruth, attended: append([]time.Time(nil), story.Attended...), submissions: len(story.Events),
		suppressed: map[string]int{}, retracted: map[string]int{},
	}
	w, d := newWard(c.Rules, c.Policy, c.Handled), newDoor(c)
	for i := range story.Events {
		e := &story.Events[i]
		p.wait(w, e.At)
		if err := p.arrive(ctx, d, w, e); err != nil {
			return nil, err
		}
	}
	p.wait(w, clinic.Start.AddDate(0, 0, 7*clinic.Weeks))
	for _, s := range w.episodes {
		if len(s.facts) > len(p.facts) { // who was a stub for a while has facts in one episode all the same
			p.facts = s.facts
		}
	}
	return p, nil
}

// wait lets the deadlines up to a moment pass.
func (p *course) wait(w *ward, until time.Time) {
	for {
		made, at := w.tick(until)
		if made == nil {
			return
		}
		p.note(at, made)
	}
}

// arrive takes one submission in.
func (p *course) arrive(ctx context.Context, d *door, w *ward, e *simulate.Event) error {
	d.now = e.At.UTC()
	read, err := ingest.Read(ctx, d.config, decision.Submission{Tenant: tenant, Source: e.Source, Body: e.Body})
	if err != nil {
		return err
	}
	p.rejected += len(read.Refused)
	made, receipts := w.take(d.now, read.Inputs, read.Together)
	for _, r := range receipts {
		if r.Outcome == record.Rejected {
			p.rejected++
		}
	}
	p.note(d.now, made)
	return nil
}

// note keeps which alerts decisions raise, suppress and take back.
func (p *course) note(at time.Time, made []*decision.Decision) {
	for _, d := range made {
		for i := range d.Alerts {
			a := &d.Alerts[i]
			switch becomes(a) {
			case alert.Open:
				p.raised = append(p.raised, raised{a.Rule, at})
			case alert.Suppressed:
				p.suppressed[a.Rule]++
			case alert.Retracted:
				p.retracted[a.Rule]++
			}
		}
	}
}

// becomes is the status that an alert has reached with its last step for the first time; empty when it had it before.
func becomes(a *alert.Alert) alert.Status {
	for _, earlier := range a.History[:len(a.History)-1] {
		if earlier.Status == a.Status {
			return ""
		}
	}
	return a.Status
}

// session is the number of the last attended visit that began before a moment; 0 before the first.
func (p *course) session(at time.Time) int {
	n := 0
	for n < len(p.attended) && !p.attended[n].After(at) {
		n++
	}
	return n
}
