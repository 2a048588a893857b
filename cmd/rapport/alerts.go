package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
)

// alertsCmd groups what can be done with alerts.
type alertsCmd struct {
	List     alertsListCmd     `cmd:"" default:"withargs" help:"List alerts, most urgent and newest first."`
	Show     alertsShowCmd     `cmd:"" help:"Show one alert with its numbers and its history."`
	Count    alertsCountCmd    `cmd:"" help:"Count alerts by rule: raised, suppressed and why, taken, and what readers said of them."`
	Ack      alertsAckCmd      `cmd:"" help:"Take an alert."`
	Snooze   alertsSnoozeCmd   `cmd:"" help:"Put an alert off for a while."`
	Resolve  alertsResolveCmd  `cmd:"" help:"Close an alert with a reason."`
	Reassign alertsReassignCmd `cmd:"" help:"Give an alert to somebody else."`
	Comment  alertsCommentCmd  `cmd:"" help:"Remark on an alert."`
	Feedback alertsFeedbackCmd `cmd:"" help:"Say what an alert was worth."`
}

// Help shows examples.
func (alertsCmd) Help() string {
	return "Examples:\n  rapport alerts\n  rapport alerts ack 5k7… --actor Practitioner/p1\n  rapport alerts --suppressed"
}

// alertsListCmd lists alerts.
type alertsListCmd struct {
	connection
	outputFlag
	Patient    string `help:"Only of this patient." placeholder:"ID" env:"-"`
	Rule       string `help:"Only of this rule." placeholder:"ID" env:"-"`
	Severity   string `help:"Only those at least as urgent: critical, high, moderate or info." enum:",critical,high,moderate,info" default:"" env:"-"`
	Role       string `help:"Only those meant for this role, such as nurse." placeholder:"ROLE" env:"-"`
	For        string `help:"Only those this person is told of, such as Practitioner/p1." placeholder:"PERSON" env:"-"`
	Assignee   string `help:"Only those this person has in hand." placeholder:"PERSON" env:"-"`
	From       string `help:"Only about what happened on this day (2026-03-31) or at this moment (RFC 3339), or later." placeholder:"DATE" env:"-"`
	Until      string `help:"Only about what happened up to the end of this day, or before this moment." placeholder:"DATE" env:"-"`
	Language   string `help:"Wording in this language, such as de, where the rules have it." placeholder:"TAG" env:"-"`
	All        bool   `help:"Resolved, retracted and waiting ones too." xor:"which" env:"-"`
	Suppressed bool   `help:"Only those that were found but not raised, with the reason, counted by reason." xor:"which" env:"-"`
	Because    string `help:"Only those suppressed for this reason, such as cool-down." placeholder:"REASON" env:"-"`
	maxFlag
}

// Help shows examples.
func (alertsListCmd) Help() string {
	return "Examples:\n  rapport alerts list\n  rapport alerts list --for Practitioner/p1 --severity high\n" +
		"  rapport alerts list --patient p1 -o json\n  rapport alerts list --suppressed --because cool-down"
}

// Run lists.
func (c alertsListCmd) Run(ctx context.Context, s streams) error {
	req, err := c.request()
	if err != nil {
		return usageError{err}
	}
	conn, err := c.dial()
	if err != nil {
		return err
	}
	defer conn.Close()
	client := rapportv1.NewAlertServiceClient(conn)
	more, err := pages(c.Max, func(size int32, token string) (int, string, error) {
		req.PageSize, req.PageToken = size, token
		resp, err := client.ListAlerts(ctx, req)
		if err != nil {
			return 0, "", err
		}
		return len(resp.GetAlerts()), resp.GetNextPageToken(), c.print(s, resp.GetAlerts(), token == "")
	})
	if err != nil {
		return err
	}
	if c.Suppressed && !c.json() {
		err = c.reasons(ctx, s, client, req)
	}
	return errors.Join(err, sayMore(s, more))
}

// request is what the flags ask for.
func (c alertsListCmd) request() (*rapportv1.ListAlertsRequest, error) {
	req := &rapportv1.ListAlertsRequest{
		Patient: c.Patient, Rule: c.Rule, Role: c.Role, Recipient: c.For, Assignee: c.Assignee, Language: c.Language,
		Statuses: c.statuses(), SuppressedBecause: c.Because,
		MinSeverity: rapportv1.Severity(rapportv1.Severity_value["SEVERITY_"+strings.ToUpper(c.Severity)]),
	}
	var err error
	if req.From, err = bound("--from", c.From, false); err != nil {
		return nil, err
	}
	req.To, err = bound("--until", c.Until, true)
	return req, err
}

func (c alertsListCmd) print(s streams, alerts []*rapportv1.Alert, first bool) error {
	if c.json() {
		for _, a := range alerts {
			if err := printProto(s.out, a); err != nil {
				return err
			}
		}
		return nil
	}
	if len(alerts) == 0 && first {
		_, err := fmt.Fprintln(s.out, "No alerts.")
		return err
	}
	for _, a := range alerts {
		alertLines(s.out, a)
	}
	return nil
}

// alertLines are an alert in a few lines of no more than width.
func alertLines(w io.Writer, a *rapportv1.Alert) {
	fmt.Fprintf(w, "%-8s  %s  %-12s  %s\n", severityWord(a.GetSeverity()), day(a.GetEffective()), statusWord(a.GetStatus()), a.GetId())
	what := a.GetTitle()
	if what == "" { // a care partner reads what was written for them, which has no title
		what = a.GetSeen()
	}
	for _, line := range wrap(strings.TrimPrefix(a.GetPatient(), "Patient/")+": "+what, width-indent) {
		fmt.Fprintf(w, "%*s%s\n", indent, "", line)
	}
	if state := stateWords(a); state != "" {
		for _, line := range wrap(state, width-indent) {
			fmt.Fprintf(w, "%*s%s\n", indent, "", line)
		}
	}
}

// indent is where the words of an alert begin, below its severity.
const indent = 10

// stateWords say why an alert is where it is, who has it, and what comes next.
func stateWords(a *rapportv1.Alert) string {
	var words []string
	for _, one := range []struct{ before, text string }{
		{"because ", a.GetSuppressedBecause()}, {"waits because of ", a.GetWaitingBecause()}, {"in hand: ", a.GetAssignee()}, {"", next(a)},
	} {
		if one.text != "" {
			words = append(words, one.before+one.text)
		}
	}
	return strings.Join(words, "; ")
}

// next is what time alone will do to an alert.
func next(a *rapportv1.Alert) string {
	if a.GetDue() == nil {
		return ""
	}
	does := map[rapportv1.AlertStatus]string{
		rapportv1.AlertStatus_ALERT_STATUS_OPEN:         "escalates ",
		rapportv1.AlertStatus_ALERT_STATUS_ACKNOWLEDGED: "told again ",
		rapportv1.AlertStatus_ALERT_STATUS_SNOOZED:      "put off until ",
		rapportv1.AlertStatus_ALERT_STATUS_WAITING:      "raised ",
	}[a.GetStatus()]
	return does + a.GetDue().AsTime().Format(minute)
}

// minute is how moments are written in lists.
const minute = "2006-01-02 15:04"

func (c alertsListCmd) statuses() []rapportv1.AlertStatus {
	switch {
	case c.Suppressed || c.Because != "":
		return []rapportv1.AlertStatus{rapportv1.AlertStatus_ALERT_STATUS_SUPPRESSED}
	case c.All:
		return []rapportv1.AlertStatus{
			rapportv1.AlertStatus_ALERT_STATUS_OPEN, rapportv1.AlertStatus_ALERT_STATUS_ACKNOWLEDGED,
			rapportv1.AlertStatus_ALERT_STATUS_SNOOZED, rapportv1.AlertStatus_ALERT_STATUS_WAITING,
			rapportv1.AlertStatus_ALERT_STATUS_RESOLVED, rapportv1.AlertStatus_ALERT_STATUS_RETRACTED,
		}
	default:
		return nil
	}
}

func severityWord(s rapportv1.Severity) string {
	return strings.ToLower(strings.TrimPrefix(s.String(), "SEVERITY_"))
}

func statusWord(s rapportv1.AlertStatus) string {
	return strings.ToLower(strings.TrimPrefix(s.String(), "ALERT_STATUS_"))
}
