package server_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
	"github.com/rapport-health/rapport/services/server"
)

// onBoth runs a test on both stores.
func onBoth(t *testing.T, test func(t *testing.T, c *clinic)) {
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			store := newStore(t, engine)
			test(t, start(t, func(config *server.Config) { config.Store, config.Redis = store, "none" }))
		})
	}
}

// timeline reads all pages and returns each entry as `day kind: text`, with a star when it no longer counts.
func (c *clinic) timeline(req *rapportv1.TimelineRequest) (lines []string, entries []*rapportv1.TimelineEntry) {
	c.t.Helper()
	for {
		resp, err := c.outcomes.Timeline(c.t.Context(), req)
		if err != nil {
			c.t.Fatal(err)
		}
		if n := len(resp.GetEntries()); req.GetPageSize() > 0 && n > int(req.GetPageSize()) {
			c.t.Errorf("a page of %d has %d entries", req.GetPageSize(), n)
		}
		for _, e := range resp.GetEntries() {
			star := ""
			if e.GetSuperseded() {
				star = "*"
			}
			lines = append(lines, fmt.Sprintf("%s%s %s: %s", star, e.GetAt().AsTime().Format("02"), e.GetKind(), e.GetText()))
		}
		entries = append(entries, resp.GetEntries()...)
		if req.PageToken = resp.GetNextPageToken(); req.PageToken == "" {
			return lines, entries
		}
	}
}

// appointment is a visit that took place or fell through.
func appointment(id, patient, status string, at time.Time) string {
	return fmt.Sprintf(`{"resourceType":"Appointment","id":%q,"status":%q,"start":%q,"end":%q,"participant":[`+
		`{"actor":{"reference":"Patient/%s"},"status":"accepted"},{"actor":{"reference":"Practitioner/d1"},"status":"accepted"}]}`,
		id, status, at.Format(time.RFC3339), at.Add(time.Hour).Format(time.RFC3339), patient)
}

// course sends what happens to p1 in a fortnight: a form that is corrected, a visit missed, an alert taken and resolved.
func (c *clinic) course() {
	c.t.Helper()
	c.send(patientP1, teamP1, phq9("r1", "p1", monday, 1, 1, 1, 1, 1, 0, 0, 0, 0))
	c.later(24 * time.Hour)
	c.send(appointment("a1", "p1", "noshow", monday.Add(24*time.Hour)))
	c.later(6 * 24 * time.Hour)
	c.send(phq9("r2", "p1", c.now(), 2, 2, 2, 2, 2, 2, 2, 2, 1))
	a := c.listAlerts(&rapportv1.ListAlertsRequest{Rule: "phq9-item-9"})[0]
	c.later(24 * time.Hour)
	if _, err := c.alerts.Acknowledge(c.t.Context(), &rapportv1.AcknowledgeRequest{Id: a.GetId(), Version: 1, Actor: "Practitioner/d1"}); err != nil {
		c.t.Fatal(err)
	}
	c.later(24 * time.Hour)
	c.send(phq9("r2", "p1", monday.AddDate(0, 0, 7), 2, 2, 2, 2, 2, 2, 2, 2, 0)) // it was entered wrongly
}

func TestATimelineTellsWhatHappenedWhatItMeantAndWhatBecameOfIt(t *testing.T) {
	onBoth(t, func(t *testing.T, c *clinic) {
		c.course()
		got, entries := c.timeline(&rapportv1.TimelineRequest{Patient: "Patient/p1", OldestFirst: true, Superseded: true, PageSize: 3})
		text := strings.Join(got, "\n")
		for _, want := range []string{
			"02 team: team team1 cares for the patient, 1 member",
			"02 scores: phq-9 by the patient: total 5, mild",
			"03 visit: visit missed, Practitioner/d1",
			"*09 scores: phq-9 by the patient: total 17, moderately-severe; item 9 answered 1",
			"09 scores: phq-9 by the patient: total 16, moderately-severe",
			"09 view: from steady to discuss: PHQ-9 screens positive (10 or more)",
			"09 alert: PHQ-9 item 9 answered above zero: open",
			"10 alert: PHQ-9 item 9 answered above zero: acknowledged by Practitioner/d1",
			"11 alert: PHQ-9 item 9 answered above zero: retracted (facts-corrected)",
		} {
			if !slices.Contains(got, want) {
				t.Errorf("%q is not told:\n%s", want, text)
			}
		}
		for _, e := range entries {
			switch {
			case e.GetKind() == "scores" && e.GetSuperseded():
				if e.GetSupersededBy() != "QuestionnaireResponse/r2/_history/2" || e.GetSource() != "QuestionnaireResponse/r2/_history/1" {
					t.Errorf("%s was superseded by %q", e.GetSource(), e.GetSupersededBy())
				}
			case e.GetKind() == "scores" && len(e.GetSheet().GetItems()) != 10,
				e.GetKind() == "visit" && e.GetFact().GetFields()["status"].GetStringValue() != "missed",
				e.GetKind() == "alert" && (e.GetAlert().GetRule() == "" || e.GetAlert().GetRuleVersion() == "" || e.GetAlert().GetStep() == nil):
				t.Errorf("the working of %v is missing", e)
			}
		}
		t.Run("in either order the same", func(t *testing.T) {
			back, _ := c.timeline(&rapportv1.TimelineRequest{Patient: "p1", Superseded: true, PageSize: 2})
			slices.Reverse(back)
			if strings.Join(back, "\n") != text {
				t.Errorf("newest first:\n%s\noldest first:\n%s", strings.Join(back, "\n"), text)
			}
		})
		t.Run("only a part of it", func(t *testing.T) {
			part, _ := c.timeline(&rapportv1.TimelineRequest{
				Patient: "p1", Kinds: []string{"scores", "visit"},
				From: timestamppb.New(monday.AddDate(0, 0, 1)), Until: timestamppb.New(monday.AddDate(0, 0, 7)),
			})
			if len(part) != 1 || !strings.Contains(part[0], "visit missed") {
				t.Errorf("%v", part)
			}
		})
		t.Run("without what no longer counts", func(t *testing.T) {
			now, _ := c.timeline(&rapportv1.TimelineRequest{Patient: "p1", Kinds: []string{"scores"}})
			if len(now) != 2 || strings.Contains(strings.Join(now, ""), "*") {
				t.Errorf("%v", now)
			}
		})
	})
}

func TestATimelineSaysWhatIsWrongWithARequest(t *testing.T) {
	c := start(t, func(config *server.Config) { config.Redis = "none" })
	c.send(patientP1, phq9("r1", "p1", monday, 1, 1, 1, 1, 1, 0, 0, 0, 0))
	for name, test := range map[string]struct {
		req  *rapportv1.TimelineRequest
		want codes.Code
	}{
		"nobody":             {&rapportv1.TimelineRequest{}, codes.InvalidArgument},
		"a stranger":         {&rapportv1.TimelineRequest{Patient: "p9"}, codes.NotFound},
		"a kind that is not": {&rapportv1.TimelineRequest{Patient: "p1", Kinds: []string{"mood"}}, codes.InvalidArgument},
		"no token":           {&rapportv1.TimelineRequest{Patient: "p1", PageToken: "?"}, codes.InvalidArgument},
		"too large a page":   {&rapportv1.TimelineRequest{Patient: "p1", PageSize: 1001}, codes.InvalidArgument},
		"no moment":          {&rapportv1.TimelineRequest{Patient: "p1", From: &timestamppb.Timestamp{Nanos: -1}}, codes.InvalidArgument},
	} {
		if _, err := c.outcomes.Timeline(t.Context(), test.req); status.Code(err) != test.want {
			t.Errorf("%s: %v", name, err)
		}
	}
	none, _ := c.timeline(&rapportv1.TimelineRequest{Patient: "p1", Kinds: []string{"goal"}})
	if len(none) != 0 {
		t.Errorf("goals: %v", none)
	}
}

func TestAPageOfATimelineIsBoundedInBytesToo(t *testing.T) {
	c := start(t, func(config *server.Config) { config.Redis = "none" })
	for n := range 12 {
		var bodies []string
		for i := range 100 {
			id := n*100 + i
			bodies = append(bodies, phq9(fmt.Sprint("r", id), "p1", monday.Add(time.Duration(id)*time.Minute), 1, 1, 1, 1, 1, 0, 0, 0, 0))
		}
		c.send(bodies...)
	}
	req := &rapportv1.TimelineRequest{Patient: "p1", Kinds: []string{"scores"}, PageSize: 1000}
	first, err := c.outcomes.Timeline(t.Context(), req)
	if err != nil || len(first.GetEntries()) == 1000 || first.GetNextPageToken() == "" {
		t.Fatalf("%d entries at once, %v", len(first.GetEntries()), err)
	}
	if all, _ := c.timeline(req); len(all) != 1200 {
		t.Errorf("the pages hold %d", len(all))
	}
}

func TestAnExplanationLeadsFromEachReasonAndAlertToItsFacts(t *testing.T) {
	onBoth(t, func(t *testing.T, c *clinic) {
		c.course()
		got, err := c.outcomes.Explain(t.Context(), &rapportv1.ExplainRequest{Of: &rapportv1.ExplainRequest_Patient{Patient: "p1"}})
		if err != nil {
			t.Fatal(err)
		}
		if got.GetView() != "discuss" || len(got.GetReasons()) != 1 {
			t.Fatalf("%v", got)
		}
		why := got.GetReasons()[0]
		if !why.GetSince().AsTime().Equal(monday.AddDate(0, 0, 7)) || len(why.GetFacts()) != 1 ||
			why.GetFacts()[0].GetSource() != "QuestionnaireResponse/r2/_history/2" || why.GetValue() != 16 {
			t.Errorf("it rests on %v", why)
		}
		for _, a := range got.GetAlerts() {
			if !a.GetStands() || len(a.GetFacts()) == 0 || a.GetAlert().GetRuleVersion() == "" {
				t.Errorf("the alert rests on %v", a)
			}
		}
		if len(got.GetAlerts()) == 0 {
			t.Error("the alert on the reliable worsening is not explained")
		}
		taken := c.listAlerts(&rapportv1.ListAlertsRequest{Rule: "phq9-item-9", Statuses: []rapportv1.AlertStatus{rapportv1.AlertStatus_ALERT_STATUS_RETRACTED}})
		one, err := c.outcomes.Explain(t.Context(), &rapportv1.ExplainRequest{Of: &rapportv1.ExplainRequest_Alert{Alert: taken[0].GetId()}})
		if err != nil || len(one.GetAlerts()) != 1 {
			t.Fatalf("%v %v", one, err)
		}
		var behind []string
		for _, f := range one.GetAlerts()[0].GetFacts() {
			behind = append(behind, fmt.Sprint(f.GetSource(), f.GetSuperseded(), f.GetSupersededBy()))
		}
		want := "[QuestionnaireResponse/r2/_history/1trueQuestionnaireResponse/r2/_history/2 QuestionnaireResponse/r2/_history/2false]"
		if fmt.Sprint(behind) != want {
			t.Errorf("behind it are %v", behind)
		}
		// Between the acknowledgement and the retraction it may have been told again, because nobody resolved it in time.
		steps := one.GetAlerts()[0].GetAlert().GetHistory()
		if len(steps) < 3 || steps[1].GetActor() != "Practitioner/d1" || steps[len(steps)-1].GetVerb() != "retract" {
			t.Errorf("what happened to it: %v", steps)
		}
	})
}

func TestAnExplanationOfNobodyIsRefused(t *testing.T) {
	c := start(t, func(config *server.Config) { config.Redis = "none" })
	for _, test := range []struct {
		req  *rapportv1.ExplainRequest
		want codes.Code
	}{
		{&rapportv1.ExplainRequest{}, codes.InvalidArgument},
		{&rapportv1.ExplainRequest{Of: &rapportv1.ExplainRequest_Patient{Patient: "a b"}}, codes.InvalidArgument},
		{&rapportv1.ExplainRequest{Of: &rapportv1.ExplainRequest_Patient{Patient: "p1"}}, codes.NotFound},
		{&rapportv1.ExplainRequest{Of: &rapportv1.ExplainRequest_Alert{Alert: "a1"}}, codes.NotFound},
	} {
		if _, err := c.outcomes.Explain(t.Context(), test.req); status.Code(err) != test.want {
			t.Errorf("%v: %v", test.req, err)
		}
	}
}
