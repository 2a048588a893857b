package rehearse_test

import (
	"slices"
	"testing"
	"time"

	"github.com/rapport-health/rapport/services/domain/judge"
	"github.com/rapport-health/rapport/services/rehearse"
	"github.com/rapport-health/rapport/services/simulate"
)

// history is a clinic that was lived through, to be tried with rules.
func history(t *testing.T, clinic simulate.Clinic) (rehearse.Config, rehearse.History) {
	t.Helper()
	c := config(t, clinic)
	return c, rehearse.History{
		Store: liveStore(t, c, clinic), Tenant: "default", Since: clinic.Start, Until: clinic.Start.AddDate(0, 0, 7*clinic.Weeks),
		Try: rehearse.Book{Name: "the same", Rules: c.Rules, Policy: c.Policy},
	}
}

func backtest(t *testing.T, h rehearse.History) *rehearse.Comparison {
	t.Helper()
	report, err := rehearse.Backtest(t.Context(), h)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func ruled(t *testing.T, c *rehearse.Comparison, rule string) rehearse.Ruled {
	t.Helper()
	i := slices.IndexFunc(c.Rules, func(r rehearse.Ruled) bool { return r.Rule == rule })
	if i < 0 {
		t.Fatalf("nothing is said of %s", rule)
	}
	return c.Rules[i]
}

func TestHistoryPlayedOnceMoreIsJudgedAsItWas(t *testing.T) {
	_, h := history(t, small(16))
	played := 0
	h.Played = func(n int) { played = n }
	report := backtest(t, h)
	// What was corrected is played as corrected: what was told and taken back is not told, and what came late moves a little.
	raised, differ := 0, 0
	for _, r := range report.Rules {
		raised += r.Then.Raised
		differ += r.Added + r.Dropped - r.Then.Retracted
	}
	if played != 16 || report.Episodes != 16 || report.Against != "what is stored" || raised < 20 || differ > raised/20 {
		t.Errorf("%d of %d patients, against %s: %d of %d alerts differ", played, report.Episodes, report.Against, differ, raised)
	}
}

func TestABacktestSaysWhatAChangeWouldRaiseAndDrop(t *testing.T) {
	c, h := history(t, small(16))
	without := func(id string) []judge.Rule {
		return slices.DeleteFunc(slices.Clone(c.Rules), func(r judge.Rule) bool { return r.ID == id })
	}
	h.Try = rehearse.Book{Name: "without lapses", Rules: without("hep-lapse")}
	h.Against = &rehearse.Book{Name: "without milestones", Rules: without("milestone-reached")}
	report := backtest(t, h)
	lapse, milestone := ruled(t, report, "hep-lapse"), ruled(t, report, "milestone-reached")
	if lapse.Now.Raised != 0 || lapse.Dropped == 0 || lapse.Dropped != lapse.Then.Raised || lapse.Added != 0 {
		t.Errorf("%+v", lapse)
	}
	if milestone.Then.Raised != 0 || milestone.Added == 0 || milestone.Added != milestone.Now.Raised || milestone.Dropped != 0 {
		t.Errorf("%+v", milestone)
	}
	role := slices.IndexFunc(report.Volumes, func(l rehearse.Load) bool { return l.Role != "" && l.Now.Alerts > 0 })
	person := slices.IndexFunc(report.Volumes, func(l rehearse.Load) bool { return l.Person != "" && l.Now.Alerts > 0 })
	if role < 0 || person < role {
		t.Fatalf("volumes %+v", report.Volumes)
	}
	if v := report.Volumes[role].Now; v.PerWeek != float64(v.Alerts)/10 || v.Busiest == 0 || v.Busiest > v.Alerts {
		t.Errorf("%+v", v)
	}
}

func TestOnlyWhatLiesBetweenTheDatesIsCounted(t *testing.T) {
	_, h := history(t, small(8))
	all := backtest(t, h)
	h.Since = h.Since.AddDate(0, 0, 35)
	late := backtest(t, h)
	h.Since, h.Until = h.Until.Add(time.Hour), h.Until.Add(2*time.Hour)
	none := backtest(t, h)
	sum := func(c *rehearse.Comparison) (n int) {
		for _, r := range c.Rules {
			n += r.Now.Raised
		}
		return n
	}
	if sum(all) <= sum(late) || sum(late) <= sum(none) || late.Episodes != all.Episodes {
		t.Errorf("%d, %d and %d alerts", sum(all), sum(late), sum(none))
	}
}

func TestWhatWasLoadedLaterIsNewsOnlyWhenItIsPlayedLive(t *testing.T) {
	clinic := small(8)
	c := config(t, clinic)
	h := rehearse.History{Store: loadedStore(t, c, clinic), Tenant: "default", Since: clinic.Start, Until: clinic.Start.AddDate(2, 0, 0), Try: rehearse.Book{Rules: c.Rules}}
	muted := ruled(t, backtest(t, h), "milestone-reached")
	h.Live = true
	told := ruled(t, backtest(t, h), "milestone-reached")
	if muted.Now.Raised != 0 || muted.Now.Suppressed["back-fill"] == 0 || told.Now.Raised == 0 || told.Then.Raised != 0 {
		t.Errorf("muted %+v, told %+v", muted, told)
	}
}

func TestAnEndBeforeTheBeginningIsRefused(t *testing.T) {
	if _, err := rehearse.Backtest(t.Context(), rehearse.History{Since: time.Unix(1, 0)}); err == nil {
		t.Error("it was taken")
	}
}
