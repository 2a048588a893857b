package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
)

// alertsCmd groups what can be done with alerts.
type alertsCmd struct {
	List    alertsListCmd    `cmd:"" default:"withargs" help:"List alerts, most urgent and newest first."`
	Show    alertsShowCmd    `cmd:"" help:"Show one alert with its numbers and its history."`
	Ack     alertsAckCmd     `cmd:"" help:"Take an alert."`
	Resolve alertsResolveCmd `cmd:"" help:"Close an alert with a reason."`
}

// Help shows examples.
func (alertsCmd) Help() string {
	return "Examples:\n  rapport alerts\n  rapport alerts ack 5k7… --actor Practitioner/p1"
}

// alertsListCmd lists alerts.
type alertsListCmd struct {
	connection
	outputFlag
	Patient    string `help:"Only of this patient." placeholder:"ID" env:"-"`
	Rule       string `help:"Only of this rule." placeholder:"ID" env:"-"`
	All        bool   `help:"Resolved and retracted ones too." env:"-"`
	Suppressed bool   `help:"Only those that were found but not raised, with the reason." env:"-"`
	maxFlag
}

// Help shows examples.
func (alertsListCmd) Help() string {
	return "Examples:\n  rapport alerts list\n  rapport alerts list --patient p1 -o json\n  rapport alerts list --suppressed"
}

// Run lists.
func (c alertsListCmd) Run(ctx context.Context, s streams) error {
	conn, err := c.dial()
	if err != nil {
		return err
	}
	defer conn.Close()
	client := rapportv1.NewAlertServiceClient(conn)
	req := &rapportv1.ListAlertsRequest{Patient: c.Patient, Rule: c.Rule, Statuses: c.statuses()}
	table := tabwriter.NewWriter(s.out, 0, 4, 2, ' ', 0)
	more, err := pages(c.Max, func(size int32, token string) (int, string, error) {
		req.PageSize, req.PageToken = size, token
		resp, err := client.ListAlerts(ctx, req)
		if err != nil {
			return 0, "", err
		}
		return len(resp.GetAlerts()), resp.GetNextPageToken(), c.print(s, table, resp.GetAlerts(), token == "")
	})
	if err != nil {
		return err
	}
	return errors.Join(table.Flush(), sayMore(s, more))
}

func (c alertsListCmd) print(s streams, table io.Writer, alerts []*rapportv1.Alert, first bool) error {
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
	if first {
		fmt.Fprintln(table, "ID\tSEVERITY\tSTATUS\tPATIENT\tWHEN\tWHAT")
	}
	for _, a := range alerts {
		what := a.GetTitle()
		if because := a.GetSuppressedBecause(); because != "" {
			what += " (" + because + ")"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", a.GetId(), severityWord(a.GetSeverity()), statusWord(a.GetStatus()),
			strings.TrimPrefix(a.GetPatient(), "Patient/"), a.GetEffective().AsTime().Format(time.DateOnly), what)
	}
	return nil
}

func (c alertsListCmd) statuses() []rapportv1.AlertStatus {
	switch {
	case c.Suppressed:
		return []rapportv1.AlertStatus{rapportv1.AlertStatus_ALERT_STATUS_SUPPRESSED}
	case c.All:
		return []rapportv1.AlertStatus{
			rapportv1.AlertStatus_ALERT_STATUS_OPEN, rapportv1.AlertStatus_ALERT_STATUS_ACKNOWLEDGED,
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

// alertsShowCmd shows one alert.
type alertsShowCmd struct {
	connection
	outputFlag
	ID string `arg:"" help:"Alert id."`
}

// Help shows an example.
func (alertsShowCmd) Help() string {
	return "Example:\n  rapport alerts show 5k7… -o json"
}

// Run shows.
func (c alertsShowCmd) Run(ctx context.Context, s streams) error {
	conn, err := c.dial()
	if err != nil {
		return err
	}
	defer conn.Close()
	resp, err := rapportv1.NewAlertServiceClient(conn).GetAlert(ctx, &rapportv1.GetAlertRequest{Id: c.ID})
	if err != nil {
		return err
	}
	return showAlert(s, c.outputFlag, resp.GetAlert())
}

func showAlert(s streams, o outputFlag, a *rapportv1.Alert) error {
	if o.json() {
		return printProto(s.out, a)
	}
	fmt.Fprintf(s.out, "%s  %s, %s, version %d\n", a.GetId(), severityWord(a.GetSeverity()), statusWord(a.GetStatus()), a.GetVersion())
	fmt.Fprintf(s.out, "%s, %s\n\n", a.GetPatient(), a.GetEffective().AsTime().Format(time.DateTime))
	fmt.Fprintln(s.out, a.GetTitle())
	for _, line := range wrap(a.GetSeen(), width-2) {
		fmt.Fprintf(s.out, "  %s\n", line)
	}
	for _, line := range []struct{ label, text string }{
		{"Ask", a.GetQuestion()},
		{"Say", a.GetPhrase()},
		{"Why not raised", a.GetSuppressedBecause()},
		{"For", strings.Join(a.GetRoles(), ", ")},
		{"Sent to", strings.Join(a.GetFeeds(), ", ")},
		{"Rule", a.GetRule() + " " + a.GetRuleVersion()},
		{"Evidence", a.GetEvidence()},
		{"From", strings.Join(a.GetSources(), ", ")},
	} {
		if strings.TrimSpace(line.text) == "" {
			continue
		}
		for n, text := range wrap(line.text, width-margin) {
			label := line.label
			if n > 0 {
				label = ""
			}
			fmt.Fprintf(s.out, "  %-15s %s\n", label, text)
		}
	}
	for _, n := range a.GetNumbers() {
		fmt.Fprintf(s.out, "  %-15s %s\n", "Number", numberWords(n))
	}
	for _, step := range a.GetHistory() {
		fmt.Fprintf(s.out, "  %-15s %s by %s%s\n", statusWord(step.GetStatus()), step.GetTime().AsTime().Format(time.DateTime),
			step.GetActor(), prefixed(": ", step.GetReason()))
	}
	return nil
}

func numberWords(n *rapportv1.Number) string {
	text := fmt.Sprintf("%s %s%s", n.GetName(), decimal(n.GetValue()), unitWords(n.GetUnit()))
	if n.Reference != nil {
		text += fmt.Sprintf(" (against %s%s)", decimal(n.GetReference()), unitWords(n.GetUnit()))
	}
	return text + doubted(n.GetUnconfirmed())
}

// unitWords is a UCUM unit behind its number; an annotation such as {sessions} is its own word.
func unitWords(unit string) string { return prefixed(" ", strings.Trim(unit, "{}")) }

// change is how a command names an alert and who gives it.
type change struct {
	connection
	outputFlag
	ID      string `arg:"" help:"Alert id."`
	Version int64  `help:"Version that was seen; the current one when not given." env:"-"`
	Actor   string `required:"" help:"Who: a reference such as Practitioner/p1."`
	Key     string `help:"Idempotency key: the same command again is answered, not repeated." env:"-"`
}

// step gives one command on the version that was seen, and shows the alert as it is then.
func (c change) step(
	ctx context.Context, s streams, give func(client rapportv1.AlertServiceClient, version int64) (*rapportv1.Alert, error),
) error {
	conn, err := c.dial()
	if err != nil {
		return err
	}
	defer conn.Close()
	client := rapportv1.NewAlertServiceClient(conn)
	version, err := c.seen(ctx, client)
	if err != nil {
		return err
	}
	after, err := give(client, version)
	if err != nil {
		return c.because(ctx, client, err)
	}
	return showAlert(s, c.outputFlag, after)
}

// seen is the version to compare with.
func (c change) seen(ctx context.Context, client rapportv1.AlertServiceClient) (int64, error) {
	if c.Version != 0 {
		return c.Version, nil
	}
	resp, err := client.GetAlert(ctx, &rapportv1.GetAlertRequest{Id: c.ID})
	return resp.GetAlert().GetVersion(), err
}

// because says who was there before, where that is why a command is refused.
func (c change) because(ctx context.Context, client rapportv1.AlertServiceClient, refused error) error {
	if code := status.Code(refused); code != codes.FailedPrecondition && code != codes.Aborted {
		return refused
	}
	resp, err := client.GetAlert(ctx, &rapportv1.GetAlertRequest{Id: c.ID})
	if err != nil {
		return refused
	}
	history := resp.GetAlert().GetHistory()
	last := history[len(history)-1]
	return fmt.Errorf("%s\n  it is %s since %s, by %s", describe(refused), statusWord(last.GetStatus()),
		last.GetTime().AsTime().Format(time.DateTime), last.GetActor())
}

// alertsAckCmd takes an alert.
type alertsAckCmd struct{ change }

// Help shows an example.
func (alertsAckCmd) Help() string {
	return "Example:\n  rapport alerts ack 5k7… --actor Practitioner/p1"
}

// Run acknowledges.
func (c alertsAckCmd) Run(ctx context.Context, s streams) error {
	return c.step(ctx, s, func(client rapportv1.AlertServiceClient, version int64) (*rapportv1.Alert, error) {
		resp, err := client.Acknowledge(ctx, &rapportv1.AcknowledgeRequest{Id: c.ID, Version: version, Actor: c.Actor, Key: c.Key})
		return resp.GetAlert(), err
	})
}

// alertsResolveCmd closes an alert.
type alertsResolveCmd struct {
	change
	Reason string `required:"" help:"Reason code, such as contacted, already-known or not-relevant." env:"-"`
}

// Help shows an example.
func (alertsResolveCmd) Help() string {
	return "Example:\n  rapport alerts resolve 5k7… --actor Practitioner/p1 --reason contacted"
}

// Run resolves.
func (c alertsResolveCmd) Run(ctx context.Context, s streams) error {
	return c.step(ctx, s, func(client rapportv1.AlertServiceClient, version int64) (*rapportv1.Alert, error) {
		resp, err := client.Resolve(ctx, &rapportv1.ResolveRequest{
			Id: c.ID, Version: version, Actor: c.Actor, Reason: c.Reason, Key: c.Key,
		})
		return resp.GetAlert(), err
	})
}
