package rehearse

import (
	"time"

	"github.com/rapport-health/rapport/services/domain/alliance"
	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/ref"
)

// Thresholds are the fixed cut-offs that the rules are held against: what a clinic does that has scores and no service.
// Each counts on every form or week beyond it, as if every form came in at once; nothing remembers an earlier one.
type Thresholds struct {
	// SRS alerts at a patient's Session Rating Scale total at or below it; 36 of 40 is the usual cut.
	SRS float64 `json:"srs"`
	// WAI alerts at a patient's WAI-SR mean below it, on the scale of 1 to 5. No cut is published; 4.0 is our choice: the
	// same share of the range as nine of ten on the SRS is nearer 4.6, at which nearly everybody would be alerted.
	WAI float64 `json:"waiSr"`
	// PHQ alerts at a patient's PHQ-9 total at or above it; 10 is the usual cut.
	PHQ float64 `json:"phq9"`
	// HEP alerts at each week after the first of which less than this percentage of the prescribed exercise was logged.
	HEP float64 `json:"hepPercent"`
}

// Usual are the thresholds of the baseline.
func Usual() Thresholds { return Thresholds{SRS: 36, WAI: 4, PHQ: 10, HEP: 70} }

// The names of the thresholds in a report.
const (
	fixedAlliance = "fixed-alliance"
	fixedPHQ      = "fixed-phq-9"
	fixedHEP      = "fixed-hep"
)

// over are the alerts of the thresholds on the facts of one patient.
func (t Thresholds) over(facts []fact.Fact, until time.Time) []raised {
	var found []raised
	for i := range facts {
		s := facts[i].Scores
		if s == nil || s.Respondent != "patient" {
			continue
		}
		if t.alliance(s) {
			found = append(found, raised{fixedAlliance, facts[i].At})
		}
		if v := s.Value("total"); s.Instrument == "phq-9" && v != nil && *v >= t.PHQ {
			found = append(found, raised{fixedPHQ, facts[i].At})
		}
	}
	return append(found, t.weeks(facts, until)...)
}

func (t Thresholds) alliance(s *fact.Scores) bool {
	switch s.Instrument {
	case "srs":
		v := s.Value("total")
		return v != nil && *v <= t.SRS
	case "wai-sr":
		v := s.Value("total-mean")
		return v != nil && *v < t.WAI
	}
	return false
}

// weeks counts home exercise week by week from the first prescription on, against the dose prescribed last.
func (t Thresholds) weeks(facts []fact.Fact, until time.Time) []raised {
	const week = 7 * 24 * time.Hour
	var from time.Time
	for i := range facts {
		if facts[i].Prescription != nil {
			from = facts[i].At
			break
		}
	}
	if from.IsZero() {
		return nil
	}
	var found []raised
	for end := from.Add(week); !end.After(until); end = end.Add(week) {
		done, due := 0.0, 0.0
		for i := range facts {
			f := &facts[i]
			if p := f.Prescription; p != nil && f.At.Before(end) && p.Status == "active" && p.PeriodDays > 0 {
				due = 7 * p.Sessions / p.PeriodDays
			}
			if f.Exercise != nil && !f.At.Before(end.Add(-week)) && f.At.Before(end) {
				done += f.Exercise.Done
			}
		}
		if due > 0 && 100*done/due < t.HEP {
			found = append(found, raised{fixedHEP, end})
		}
	}
	return found
}

// dyad is a clinician as one detector sees it.
type dyad struct {
	clinician ref.Clinician
	detector  int
}

// ratingsOf the patient that a detector watches, by clinician, in order. The clinician is learnt from the visits.
func ratingsOf(facts []fact.Fact, detectors []alliance.Detector) map[dyad][]rating {
	with := map[string]ref.Clinician{}
	for i := range facts {
		if v := facts[i].Visit; v != nil && v.Clinician != "" {
			with[v.ID] = v.Clinician
		}
	}
	dyads := map[dyad][]rating{}
	for i := range facts {
		s := facts[i].Scores
		if s == nil || s.Respondent != "patient" {
			continue
		}
		who := s.Clinician
		if who == "" {
			who = with[s.Encounter]
		}
		for n, d := range detectors {
			if value := s.Value(d.Code); d.Instrument == s.Instrument && value != nil {
				dyads[dyad{who, n}] = append(dyads[dyad{who, n}], rating{facts[i].At, *value})
			}
		}
	}
	return dyads
}

type rating struct {
	at    time.Time
	value float64
}

// detect runs the detectors (see alliance.Detector) with all their widths times a factor.
func detect(facts []fact.Fact, factor float64) []raised {
	detectors := alliance.Detectors()
	for i := range detectors {
		d := &detectors[i]
		d.SEM, d.RC, d.Sigma = d.SEM*factor, d.RC*factor, d.Sigma*factor
	}
	var found []raised
	for of, ratings := range ratingsOf(facts, detectors) {
		var chart alliance.Chart
		for _, r := range ratings {
			next, event := detectors[of.detector].Rate(chart, r.at, r.value)
			if chart = next; event == alliance.Ruptured || event == alliance.Decline {
				found = append(found, raised{chartDetector, r.at})
			}
		}
	}
	return found
}

// chartDetector is the name of the detector on the curve.
const chartDetector = "control-chart"
