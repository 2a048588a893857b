package decision_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/ref"
)

func day(n int) time.Time { return now.AddDate(0, 0, n-30) }

// order is a version of a prescription that was changed on a day: sessions a week from day 1 on, with what else is said.
func order(version, changed int, facts ...fact.Fact) *decision.Input {
	in := &decision.Input{
		Record: record.Record{
			Resource: ref.Resource{Type: "ServiceRequest", ID: "rx"}, Source: "ehr", SourceID: "rx", Received: now,
			SourceVersion: fmt.Sprint(version), Hash: [32]byte{byte(version)},
		},
		Subject: decision.Subject{Patient: "p"}, Facts: facts,
	}
	if changed > 0 {
		in.Changed = day(changed)
	}
	return in
}

func asked(at int, status string, sessions float64) fact.Fact {
	id := "rx"
	if status != "active" {
		id = "rx-status"
	}
	return fact.Fact{ID: id, Kind: fact.KindPrescription, At: day(at), Prescription: &fact.Prescription{
		ID: "ServiceRequest/rx", Status: status, Sessions: sessions, PeriodDays: 7, From: day(1),
	}}
}

func (h *house) asked() string {
	var told []string
	for _, f := range h.facts["p"] {
		if f.Prescription != nil {
			told = append(told, fmt.Sprintf("%g %s on %d", f.Prescription.Sessions, f.Prescription.Status, int(f.At.Sub(day(0)).Hours()/24)))
		}
	}
	return strings.Join(told, ", ")
}

func TestAChangedPrescriptionWasInForceUpToTheChange(t *testing.T) {
	h := newHouse()
	for _, step := range []struct {
		what string
		in   *decision.Input
		want string
	}{
		{"asked for", order(1, 1, asked(1, "active", 3)), "3 active on 1"},
		{"touched, nothing changed", order(2, 5, asked(1, "active", 3)), "3 active on 1"},
		{"more", order(3, 8, asked(1, "active", 5)), "3 active on 1, 5 active on 8"},
		{"on hold", order(4, 12, asked(1, "active", 5), asked(12, "on-hold", 5)), "3 active on 1, 5 active on 8, 5 on-hold on 12"},
		{"and back", order(5, 20, asked(1, "active", 5)), "3 active on 1, 5 active on 8, 5 on-hold on 12, 5 active on 20"},
		{"revoked since an earlier day", order(6, 10, asked(1, "active", 5), asked(10, "revoked", 5)), "3 active on 1, 5 active on 8, 5 revoked on 10"},
		{"nobody knows since when", order(7, 0, asked(1, "active", 2)), "3 active on 1, 5 active on 8, 5 revoked on 10, 2 active on 30"},
		{"entered in error", order(8, 28), ""},
		{"asked for again", order(9, 29, asked(2, "active", 4)), "4 active on 2"},
	} {
		h.send(step.in)
		if got := h.asked(); got != step.want {
			t.Errorf("%s: %s, not %s", step.what, got, step.want)
		}
		ids := map[string]bool{}
		for _, f := range h.facts["p"] {
			if ids[f.ID] || f.Source.Version != h.heads[ref.Resource{Type: "ServiceRequest", ID: "rx"}].Version {
				t.Errorf("%s: %s is there twice, or is no fact of the current version", step.what, f.ID)
			}
			ids[f.ID] = true
		}
		if s := h.states["p"]; s != nil && s.Facts != int64(len(h.facts["p"])) {
			t.Errorf("%s: %d facts folded of %d", step.what, s.Facts, len(h.facts["p"]))
		}
	}
}

func TestATeamThatIsNoLongerActiveCaredBefore(t *testing.T) {
	team := func(version, changed int, facts ...fact.Fact) *decision.Input {
		in := order(version, changed, facts...)
		in.Record.Type, in.Record.ID, in.Record.SourceID = "CareTeam", "t", "t"
		return in
	}
	cares := func(id string, at int, active bool) fact.Fact {
		return fact.Fact{ID: id, Kind: fact.KindTeam, At: day(at), Team: &fact.Team{ID: "t", Active: active}}
	}
	h := newHouse()
	h.send(team(1, 1, cares("t", 1, true)))
	h.send(team(2, 20, cares("t-end", 15, false)))
	var told []string
	for _, f := range h.facts["p"] {
		told = append(told, fmt.Sprintf("%v on %d", f.Team.Active, int(f.At.Sub(day(0)).Hours()/24)))
	}
	if got := strings.Join(told, ", "); got != "true on 1, false on 15" {
		t.Error(got)
	}
}

func TestAChangeIsCarriedWithinOneCommitToo(t *testing.T) {
	h := newHouse()
	h.send(order(1, 1, asked(1, "active", 3)), order(2, 8, asked(1, "active", 5)), order(3, 12, asked(1, "active", 7)))
	if got := h.asked(); got != "3 active on 1, 5 active on 8, 7 active on 12" {
		t.Error(got)
	}
}
