package alert_test

import (
	"testing"
	"time"
	_ "time/tzdata" // the clinic's zone is known on every machine

	"github.com/rapport-health/rapport/services/domain/alert"
)

func TestWhenARoleMayBeTold(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	night := alert.Quiet{Roles: []string{"nurse"}, From: 20 * 60, To: 7 * 60, Zone: berlin}
	weekend := []time.Weekday{time.Saturday, time.Sunday}
	mornings, afternoons := alert.Quiet{To: 12 * 60, Days: weekend, Zone: berlin}, alert.Quiet{From: 12 * 60, Days: weekend, Zone: berlin}
	lunch := alert.Quiet{Roles: []string{"nurse"}, From: 12 * 60, To: 13 * 60, Zone: berlin}
	friday := alert.Quiet{Roles: []string{"lead"}, From: 22 * 60, To: 6 * 60, Days: []time.Weekday{time.Friday}, Zone: berlin}
	budget := alert.Budget{Role: "physician", PerDay: 3, Zone: berlin}
	local := func(day, hour, minute int) time.Time { return time.Date(2026, 3, day, hour, minute, 0, 0, berlin) }
	for _, c := range []struct {
		name    string
		policy  alert.Policy
		roles   []string
		at      time.Time
		spent   alert.Day
		want    time.Time
		because alert.Because
	}{
		{"without a policy at once", alert.Policy{}, []string{"nurse"}, local(3, 3, 0), 0, local(3, 3, 0), ""},
		{"at night in the morning", alert.Policy{Quiet: []alert.Quiet{night}}, []string{"nurse"}, local(3, 23, 30), 0, local(4, 7, 0), alert.QuietHours},
		{"after midnight on the same morning", alert.Policy{Quiet: []alert.Quiet{night}}, []string{"nurse"}, local(4, 6, 59), 0, local(4, 7, 0), alert.QuietHours},
		{"at its end at once", alert.Policy{Quiet: []alert.Quiet{night}}, []string{"nurse"}, local(4, 7, 0), 0, local(4, 7, 0), ""},
		{"just before it at once", alert.Policy{Quiet: []alert.Quiet{night}}, []string{"nurse"}, local(4, 19, 59), 0, local(4, 19, 59), ""},
		{"another role at once", alert.Policy{Quiet: []alert.Quiet{night}}, []string{"lead"}, local(3, 23, 30), 0, local(3, 23, 30), ""},
		{"one of two roles at once", alert.Policy{Quiet: []alert.Quiet{night}}, []string{"nurse", "lead"}, local(3, 23, 30), 0, local(3, 23, 30), ""},
		{"whichever of two roles is told first", alert.Policy{Quiet: []alert.Quiet{night, friday}}, []string{"nurse", "lead"}, local(6, 23, 0), 0, local(7, 6, 0), alert.QuietHours},
		{"on the nights of its days alone", alert.Policy{Quiet: []alert.Quiet{friday}}, []string{"lead"}, local(7, 23, 0), 0, local(7, 23, 0), ""},
		{"no role in particular in the hours of all", alert.Policy{Quiet: []alert.Quiet{night, lunch}}, nil, local(3, 23, 0), 0, local(3, 23, 0), ""},
		{"a weekend into the night and on to Monday", alert.Policy{Quiet: []alert.Quiet{mornings, afternoons, night}}, []string{"nurse"}, local(7, 10, 0), 0, local(9, 7, 0), alert.QuietHours},
		{"over the night in which the clocks are put forward", alert.Policy{Quiet: []alert.Quiet{night}}, []string{"nurse"}, local(28, 21, 0), 0, local(29, 7, 0), alert.QuietHours},
		{"when the budget is spent on the next day", alert.Policy{Budgets: []alert.Budget{budget}}, []string{"physician"}, local(3, 15, 0), alert.DayOf(local(3, 15, 0), berlin), local(4, 0, 0), alert.OverBudget},
		{"of another role's budget nothing", alert.Policy{Budgets: []alert.Budget{budget}}, []string{"nurse"}, local(3, 15, 0), alert.DayOf(local(3, 15, 0), berlin), local(3, 15, 0), ""},
		{"when the budget of another day is spent at once", alert.Policy{Budgets: []alert.Budget{budget}}, []string{"physician"}, local(4, 0, 0), alert.DayOf(local(3, 15, 0), berlin), local(4, 0, 0), ""},
	} {
		got, because := c.policy.Opens(c.roles, c.at, func(_ alert.Budget, d alert.Day) bool { return d == c.spent })
		if !got.Equal(c.want) || because != c.because {
			t.Errorf("%s: at %s (%q), not %s (%q)", c.name, got.In(berlin), because, c.want, c.because)
		}
	}
}

func TestADayBeginsAtTheMidnightOfItsZone(t *testing.T) {
	west := time.FixedZone("west", -7*60*60)
	evening := time.Date(2026, 3, 2, 20, 0, 0, 0, west)
	if a, b := alert.DayOf(evening, west), alert.DayOf(evening, nil); b != a+1 {
		t.Errorf("day %d there and %d in UTC", a, b)
	}
	if alert.DayOf(time.Date(1970, 1, 2, 0, 0, 0, 0, time.UTC), nil) != 1 {
		t.Error("days are not counted from 1970")
	}
}
