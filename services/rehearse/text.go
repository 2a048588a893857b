package rehearse

import (
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Text prints the report for a terminal of 100 columns. Errors: of the writer.
func (r *Report) Text(w io.Writer) error {
	p := &printer{w: w}
	p.line("%d patients over %d weeks, seed %s: %d submissions, %d rejected.", r.Patients, r.Weeks, seeds(r.Seeds), r.Submissions, r.Rejected)
	p.line("")
	p.line("%-54s %9s %9s %7s", "Goals", "want", "have", "of")
	for _, g := range r.Goals {
		sign, verdict := ">=", "not met"
		if g.AtMost {
			sign = "<="
		}
		if g.Met {
			verdict = "met"
		}
		p.line("%-54s %9s %9s %7d  %s", g.Name, sign+" "+show(100*g.Want, 0)+" %", percent(g.Have), g.Of, verdict)
	}
	p.line("")
	p.line("%-26s %8s %11s %10s %8s %10s %9s", "Alerts", "raised", "suppressed", "retracted", "per 100", "clinician", "patients")
	p.line("%-26s %8s %11s %10s %8s %10s %9s", "", "", "", "", "sent", "and week", "alerted")
	for _, v := range r.Volumes {
		p.line("%-26s %8d %11d %10d %8s %10s %9s", v.Detector, v.Alerts, v.Suppressed, v.Retracted, show(v.Per100, 2), show(v.PerClinicianWeek, 2), percent(v.Alerted))
	}
	r.targets(p)
	p.line("")
	p.line("%-22s %8s %8s %8s %9s %9s %10s %9s", "Patients alerted", "patients", "per 100", "any rule", "alliance", "distress", "behaviour", "fixed")
	for _, c := range r.Classes {
		p.line("%-22s %8d %8s %8s %9s %9s %10s %9s", c.Archetype, c.Patients, show(c.Per100, 2), percent(c.Any), percent(c.Alliance), percent(c.Distress), percent(c.Behaviour), percent(c.Fixed))
	}
	p.line("")
	p.line("%-44s %11s %11s %8s %9s", "Trade-off, unrepaired ruptures in two sessions", "sensitivity", "specificity", "per 100", "ceiling")
	for _, c := range r.Curve {
		p.line("%-15s %-30s %11s %11s %8s %9s", c.Detector, c.Setting, percent(c.Sensitivity), percent(c.Specificity), show(c.Per100, 2), percent(c.Ceiling))
	}
	p.line("")
	p.line("The baseline alerts at every form with SRS total <= %s, WAI-SR mean < %s or PHQ-9 total >= %s,", show(r.Baseline.SRS, 0), show(r.Baseline.WAI, 1), show(r.Baseline.PHQ, 0))
	p.line("and at every week with less than %s %% of the prescribed exercise logged. Synthetic patients: the", show(r.Baseline.HEP, 0))
	p.line("numbers tell rules apart, and say nothing of how often real patients are found.")
	return p.err
}

// worthALine is the share of a trouble that a rule must find, which is not the whole family or a threshold, to have a line.
const worthALine = 0.25

func (l *Line) share() float64 {
	if l.Sensitivity == nil {
		return 0
	}
	return *l.Sensitivity
}

// targets prints what found each trouble. Rules that found little of it are left to the JSON.
func (r *Report) targets(p *printer) {
	last := ""
	for _, l := range r.Targets {
		if !l.shown && l.share() < worthALine {
			continue
		}
		if l.Target != last {
			last = l.Target
			p.line("")
			title := l.Target
			if l.Within != "" {
				title += " (" + l.Within + ")"
			}
			p.line("%-42s %9s %8s %8s %8s %8s %7s", title, "found", "sens.", "spec.", "ppv", "sessions", "days")
		}
		p.line("  %-40s %9s %8s %8s %8s %8s %7s", l.Detector, fmt.Sprintf("%d/%d", l.Found, l.Positives),
			percent(l.Sensitivity), percent(l.Specificity), percent(l.PPV), maybe(l.Sessions), maybe(l.Days))
	}
}

// printer remembers the first failure.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) line(format string, args ...any) {
	if p.err != nil {
		return
	}
	_, p.err = fmt.Fprintln(p.w, strings.TrimRight(fmt.Sprintf(format, args...), " "))
}

func show(x float64, decimals int) string { return strconv.FormatFloat(x, 'f', decimals, 64) }

func percent(x *float64) string {
	if x == nil {
		return "-"
	}
	return show(100**x, 1) + " %"
}

func maybe(x *float64) string {
	if x == nil {
		return "-"
	}
	return show(*x, 1)
}

// seeds as a range where they are one.
func seeds(of []uint64) string {
	if len(of) > 1 && of[len(of)-1]-of[0] == uint64(len(of)-1) {
		return fmt.Sprintf("%d-%d", of[0], of[len(of)-1])
	}
	words := make([]string, len(of))
	for i, s := range of {
		words[i] = strconv.FormatUint(s, 10)
	}
	return strings.Join(words, ", ")
}
