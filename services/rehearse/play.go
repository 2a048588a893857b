package rehearse

import (
	"time"

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

// play plays one patient.
func play(c Config, clinic simulate.Clinic, story *simulate.Story) *course {
	p := &course{
		truth: story.PatientTruth, attended: append([]time.Time(nil), story.Attended...), submissions: len(story.Events),
		suppressed: map[string]int{}, retracted: map[string]int{},
	}
	w := newWard(c.Rules)
	for i := range story.Events {
		e := &story.Events[i]
		p.wait(w, e.At)
		p.arrive(c, w, e)
	}
	p.wait(w, clinic.Start.AddDate(0, 0, 7*clinic.Weeks))
	for _, s := range w.episodes {
		if len(s.facts) > len(p.facts) { // who was a stub for a while has facts in one episode all the same
			p.facts = s.facts
		}
	}
	return p
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

// arrive takes one submission in, as the live way reads it.
func (p *course) arrive(c Config, w *ward, e *simulate.Event) {
	now := e.At.UTC()
	namer := ref.Namer{Home: simulate.EHR}
	read := ingest.Read(ingest.Config{
		Reader: &fhir.Reader{Instruments: c.Instruments, Namer: namer}, Instruments: c.Instruments, Namer: namer,
		Now: func() time.Time { return now }, Log: c.Log,
	}, decision.Submission{Tenant: tenant, Source: e.Source, Body: e.Body})
	p.rejected += len(read.Refused)
	made, receipts := w.take(now, read.Inputs, read.Together)
	for _, r := range receipts {
		if r.Outcome == record.Rejected {
			p.rejected++
		}
	}
	p.note(now, made)
}

// note keeps which alerts decisions raise, suppress and take back.
func (p *course) note(at time.Time, made []*decision.Decision) {
	for _, d := range made {
		for i := range d.Alerts {
			switch a := &d.Alerts[i]; {
			case a.Status == alert.Open && len(a.History) == 1:
				p.raised = append(p.raised, raised{a.Rule, at})
			case a.Status == alert.Suppressed && len(a.History) == 1:
				p.suppressed[a.Rule]++
			case a.Status == alert.Retracted:
				p.retracted[a.Rule]++
			}
		}
	}
}

// session is the number of the last attended visit that began before a moment; 0 before the first.
func (p *course) session(at time.Time) int {
	n := 0
	for n < len(p.attended) && !p.attended[n].After(at) {
		n++
	}
	return n
}
