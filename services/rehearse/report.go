package rehearse

import (
	"slices"

	"github.com/rapport-health/rapport/services/simulate"
)

// Report is what a rehearsal found. Shares are 0 to 1, and absent where there is nobody to take a share of.
type Report struct {
	// Seeds and Weeks of the clinics, and their Patients together.
	Seeds    []uint64 `json:"seeds"`
	Weeks    int      `json:"weeks"`
	Patients int      `json:"patients"`
	// Submissions sent (resources and Bundles, replays among them), and those Rejected.
	Submissions int `json:"submissions"`
	Rejected    int `json:"rejected"`
	// ClinicianWeeks is clinicians who see patients, times weeks, over all clinics.
	ClinicianWeeks int `json:"clinicianWeeks"`
	// Baseline is what the thresholds are.
	Baseline Thresholds `json:"baseline"`
	// Goals that were set for the service, and whether they are met.
	Goals []Goal `json:"goals"`
	// Volumes of alerts: each rule, the rules of a family, all of them, and the thresholds.
	Volumes []Volume `json:"volumes"`
	// Targets are held against detectors.
	Targets []Line `json:"targets"`
	// Classes are the archetypes, and who of them was alerted.
	Classes []Class `json:"classes"`
	// Curve trades what is found of unrepaired ruptures for alerts.
	Curve []Point `json:"curve"`
}

// Goal is a number that was promised.
type Goal struct {
	// Name says of what.
	Name string `json:"name"`
	// Want is the bound, AtMost its direction.
	Want   float64 `json:"want"`
	AtMost bool    `json:"atMost,omitempty"`
	// Have is the number measured; nil when there was nobody to measure it on.
	Have *float64 `json:"have"`
	// Of is how many patients, or alerts of the baseline, it is a share of.
	Of int `json:"of"`
	// Met says whether it is within the bound.
	Met bool `json:"met"`
}

// Volume of one detector's alerts.
type Volume struct {
	// Detector is a rule, a threshold, or several rules together; Family is what it is about.
	Detector string `json:"detector"`
	Family   string `json:"family,omitempty"`
	// Alerts raised, and beside them those suppressed, and those taken back later.
	Alerts     int `json:"alerts"`
	Suppressed int `json:"suppressed"`
	Retracted  int `json:"retracted"`
	// Per100 submissions, and per clinician and week.
	Per100           float64 `json:"per100Submissions"`
	PerClinicianWeek float64 `json:"perClinicianWeek"`
	// Alerted is the share of all patients.
	Alerted *float64 `json:"patientsAlerted"`
}

// Line is one detector held against one target.
type Line struct {
	// Target is the trouble, Within how soon it must be found.
	Target string `json:"target"`
	Within string `json:"within,omitempty"`
	// Detector is a rule, a threshold, or all rules of the target's family.
	Detector string `json:"detector"`
	// Positives have the trouble, and Found of them are found in time. Negatives have no trouble of the family, and Wrong
	// of them are alerted all the same.
	Positives int `json:"positives"`
	Found     int `json:"found"`
	Negatives int `json:"negatives"`
	Wrong     int `json:"wrong"`
	// Sensitivity is Found of Positives, Specificity the rest of Wrong of Negatives, PPV Found of Found and Wrong.
	Sensitivity *float64 `json:"sensitivity"`
	Specificity *float64 `json:"specificity"`
	PPV         *float64 `json:"ppv"`
	// Sessions and Days to the alert, medians over those found; negative before it begins.
	Sessions *float64 `json:"medianSessions,omitempty"`
	Days     *float64 `json:"medianDays,omitempty"`

	// shown in the text even when it found nothing.
	shown bool
}

// Class is one archetype.
type Class struct {
	Archetype simulate.Archetype `json:"archetype"`
	Patients  int                `json:"patients"`
	// Per100 alerts of any rule per 100 submissions of these patients.
	Per100 float64 `json:"per100Submissions"`
	// Any is the share alerted by any rule; the others by the rules of a family, and by the thresholds.
	Any       *float64 `json:"any"`
	Alliance  *float64 `json:"alliance"`
	Distress  *float64 `json:"distress"`
	Behaviour *float64 `json:"behaviour"`
	Fixed     *float64 `json:"fixedAlliance"`
}

// Point of the curve: a detector of ruptures at one setting.
type Point struct {
	Detector string `json:"detector"`
	Setting  string `json:"setting"`
	// Sensitivity for unrepaired ruptures within two sessions, and Specificity.
	Sensitivity *float64 `json:"sensitivity"`
	Specificity *float64 `json:"specificity"`
	// Per100 submissions.
	Per100 float64 `json:"per100Submissions"`
	// Ceiling is the share alerted of those who are steady at the ceiling.
	Ceiling *float64 `json:"ceilingAlerted"`
}

func (t *tally) report() *Report {
	r := &Report{
		Seeds: t.seeds, Weeks: t.weeks, Patients: t.patients, Submissions: t.submissions, Rejected: t.rejected,
		ClinicianWeeks: t.clinicianWeeks, Baseline: Usual(),
	}
	for _, name := range t.volumes() {
		r.Volumes = append(r.Volumes, t.volume(name))
	}
	for i := range targets {
		r.Targets = append(r.Targets, t.lines(i)...)
	}
	for _, a := range t.archetypes() {
		r.Classes = append(r.Classes, t.classOf(a))
	}
	for _, c := range t.curve {
		r.Curve = append(r.Curve, Point{
			c.detector, c.setting, part(c.found, c.positives), part(c.negatives-c.wrong, c.negatives),
			t.per100(c.alerts), part(c.ceilingWrong, t.ceiling),
		})
	}
	r.Goals = t.goals()
	return r
}

// volumes are the detectors whose alerts are counted, in the order of the report.
func (t *tally) volumes() []string {
	names := append([]string{}, t.own...)
	for _, f := range []string{familyAlliance, familyDistress, familyBehaviour} {
		names = append(names, together(f))
	}
	return append(names, anyRule, paging, fixedAlliance, fixedPHQ, fixedHEP)
}

func (t *tally) volume(name string) Volume {
	v := Volume{
		Detector: name, Family: t.family[name], Alerts: t.alerts[name], Per100: t.per100(t.alerts[name]),
		Alerted: part(t.alerted[name], t.patients),
	}
	for _, rule := range t.own {
		if rule == name || name == anyRule || name == paging && !t.notes[rule] || name == together(t.family[rule]) {
			v.Suppressed, v.Retracted = v.Suppressed+t.suppressed[rule], v.Retracted+t.retracted[rule]
		}
	}
	if t.clinicianWeeks > 0 {
		v.PerClinicianWeek = float64(v.Alerts) / float64(t.clinicianWeeks)
	}
	return v
}

// lines of a target: the rules of its family together, each rule that found anything, and the threshold.
func (t *tally) lines(i int) []Line {
	var lines []Line
	target := &targets[i]
	for _, name := range t.detectors(target.family) {
		c := t.counts[i][name]
		if c == nil || c.positives == 0 {
			continue
		}
		if mine := t.family[name] == target.family || name == together(target.family); !mine && (c.found == 0 || target.sinceEver()) {
			continue
		}
		lines = append(lines, Line{
			Target: target.name, Within: target.within(), Detector: name,
			Positives: c.positives, Found: c.found, Negatives: c.negatives, Wrong: c.wrong,
			Sensitivity: part(c.found, c.positives), Specificity: part(c.negatives-c.wrong, c.negatives),
			PPV: part(c.found, c.found+c.wrong), Sessions: median(c.sessions), Days: median(c.days),
			shown: !slices.Contains(t.own, name),
		})
		last := &lines[len(lines)-1]
		if target.session() {
			continue
		}
		if last.Sessions = nil; target.sinceEver() {
			last.Days = nil
		}
	}
	return lines
}

// session says whether a target begins at a session, so that sessions can be counted from it.
func (t *target) session() bool { return t.sessions > 0 || t.name == "gradual decline" }

// sinceEver says whether it has no beginning of its own.
func (t *target) sinceEver() bool { return t.name == "weak link" || t.name == "severe at intake" }

func (t *target) within() string {
	switch {
	case t.sessions > 0:
		return show(float64(t.sessions), 0) + " sessions"
	case t.days > 0:
		return show(float64(t.days), 0) + " days"
	case t.name == "drop-out":
		return "before the last visit"
	}
	return ""
}

func (t *tally) classOf(a simulate.Archetype) Class {
	c := t.classes[a]
	out := Class{
		Archetype: a, Patients: c.patients, Any: part(c.alerted[anyRule], c.patients), Alliance: part(c.alerted[together(familyAlliance)], c.patients),
		Distress: part(c.alerted[together(familyDistress)], c.patients), Behaviour: part(c.alerted[together(familyBehaviour)], c.patients),
		Fixed: part(c.alerted[fixedAlliance], c.patients),
	}
	if c.submissions > 0 {
		out.Per100 = 100 * float64(c.alerts[anyRule]) / float64(c.submissions)
	}
	return out
}

// goals are the promises of the service's design.
func (t *tally) goals() []Goal {
	found := func(name string, of string, want float64) Goal {
		g := Goal{Name: name, Want: want}
		for i := range targets {
			if c := t.counts[i][together(targets[i].family)]; targets[i].name == of && c != nil {
				g.Have, g.Of = part(c.found, c.positives), c.positives
			}
		}
		g.Met = g.Have != nil && *g.Have >= want
		return g
	}
	most := func(name string, n, of int, want float64) Goal {
		g := Goal{Name: name, Want: want, AtMost: true, Have: part(n, of), Of: of}
		g.Met = g.Have != nil && *g.Have <= want
		return g
	}
	ceiling := 0
	if c := t.classes[simulate.SteadyAtCeiling]; c != nil {
		ceiling = c.alerted[paging]
	}
	return []Goal{
		found("unrepaired ruptures found within two sessions", "rupture unrepaired", 0.80),
		most("alliance alerts, as a share of the fixed threshold's", t.alerts[together(familyAlliance)], t.alerts[fixedAlliance], 0.50),
		found("drop-outs flagged before the last attended visit", "drop-out", 0.70),
		most("steady at the ceiling and alerted above info", ceiling, t.ceiling, 0.01),
	}
}

func (t *tally) per100(alerts int) float64 {
	if t.submissions == 0 {
		return 0
	}
	return 100 * float64(alerts) / float64(t.submissions)
}

// part is a share; nil of nobody.
func part(n, of int) *float64 {
	if of == 0 {
		return nil
	}
	p := float64(n) / float64(of)
	return &p
}
