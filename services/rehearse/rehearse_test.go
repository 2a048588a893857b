package rehearse_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/rehearse"
	"github.com/rapport-health/rapport/services/simulate"
)

func run(t *testing.T, clinics ...simulate.Clinic) *rehearse.Report {
	t.Helper()
	report, err := rehearse.Run(t.Context(), config(t, clinics...))
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func line(t *testing.T, r *rehearse.Report, target, detector string) rehearse.Line {
	t.Helper()
	for _, l := range r.Targets {
		if l.Target == target && l.Detector == detector {
			return l
		}
	}
	t.Fatalf("no line of %s under %s", detector, target)
	return rehearse.Line{}
}

func TestTheSameClinicsGiveTheSameReport(t *testing.T) {
	first, second := small(24), small(24)
	second.Seed = 6
	once, again := run(t, first, second), run(t, first, second)
	if diff := cmp.Diff(once, again, cmpopts.IgnoreUnexported(rehearse.Line{})); diff != "" {
		t.Errorf("the second run differs:\n%s", diff)
	}
	if once.Patients != 48 || once.Rejected != 0 || once.Submissions < 4000 || len(once.Seeds) != 2 {
		t.Errorf("%d patients, %d of %d submissions rejected, seeds %v", once.Patients, once.Rejected, once.Submissions, once.Seeds)
	}
}

func TestASafetyItemIsFoundForWhoeverAnswersIt(t *testing.T) {
	c := small(12)
	c.Cast = []simulate.Archetype{simulate.ItemNine, simulate.Steady, simulate.SteadyAtCeiling}
	r := run(t, c)
	l := line(t, r, "phq-9 item 9", "phq9-item-9")
	if l.Positives != 4 || l.Found != 4 || l.Negatives != 8 || l.Wrong != 0 || *l.PPV != 1 {
		t.Errorf("%+v", l)
	}
	for _, v := range r.Volumes {
		if v.Detector == "phq9-item-9" && v.Alerts != 4 {
			t.Errorf("%d alerts on four answers", v.Alerts)
		}
	}
}

func TestTheCurvesDetectorIsThatOfTheRules(t *testing.T) {
	c := small(12)
	c.Cast = []simulate.Archetype{simulate.RuptureUnrepaired, simulate.RuptureRepaired, simulate.Steady}
	r := run(t, c)
	rule := line(t, r, "rupture unrepaired", "alliance-drop")
	for _, p := range r.Curve {
		if p.Detector == "control-chart" && p.Setting == "widths x 1.00" && *p.Sensitivity != *rule.Sensitivity {
			t.Errorf("the chart finds %.2f, the rule %.2f", *p.Sensitivity, *rule.Sensitivity)
		}
	}
	if rule.Found == 0 {
		t.Error("no rupture is found at all")
	}
}

func TestAClinicThatCannotBeIsRefusedAndAStopIsObeyed(t *testing.T) {
	bad := small(-1)
	if _, err := rehearse.Run(t.Context(), config(t, bad)); fault.Of(err) != fault.Invalid {
		t.Errorf("a clinic of -1: %v", err)
	}
	if _, err := rehearse.Run(t.Context(), rehearse.Config{}); err == nil {
		t.Error("nothing to play, and no error")
	}
	ctx, cancel := context.WithCancel(t.Context())
	c := config(t, small(24))
	c.Played = func(int) { cancel() }
	if _, err := rehearse.Run(ctx, c); fault.Of(err) != fault.Unavailable {
		t.Errorf("stopped: %v", err)
	}
}

func TestNobodyIsNoShare(t *testing.T) {
	c := small(3)
	c.Cast = []simulate.Archetype{simulate.Steady}
	r := run(t, c)
	for _, g := range r.Goals {
		if g.Have != nil && g.Of == 0 || g.Have == nil && g.Met {
			t.Errorf("%+v", g)
		}
	}
}
