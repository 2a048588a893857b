package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
)

// alertsCountCmd counts alerts.
type alertsCountCmd struct {
	connection
	outputFlag
	Patient string `help:"Only of this patient." placeholder:"ID" env:"-"`
	Rule    string `help:"Only of this rule." placeholder:"ID" env:"-"`
	From    string `help:"Only about what happened on this day (2026-03-31) or at this moment (RFC 3339), or later." placeholder:"DATE" env:"-"`
	Until   string `help:"Only about what happened up to the end of this day, or before this moment." placeholder:"DATE" env:"-"`
}

// Help shows examples.
func (alertsCountCmd) Help() string {
	return "Examples:\n  rapport alerts count --from 2026-03-01\n  rapport alerts count --rule hep-low -o json"
}

// Run counts.
func (c alertsCountCmd) Run(ctx context.Context, s streams) error {
	from, err := bound("--from", c.From, false)
	if err != nil {
		return usageError{err}
	}
	to, err := bound("--until", c.Until, true)
	if err != nil {
		return usageError{err}
	}
	conn, err := c.dial()
	if err != nil {
		return err
	}
	defer conn.Close()
	resp, err := rapportv1.NewAlertServiceClient(conn).CountAlerts(ctx, &rapportv1.CountAlertsRequest{
		Patient: c.Patient, Rule: c.Rule, From: from, To: to, WithYields: true,
	})
	if err != nil {
		return err
	}
	if c.json() {
		return printProto(s.out, resp)
	}
	writeYields(s.out, resp)
	return nil
}

// bound is a day or a moment that a flag names; nil for none. The end of a day is the beginning of the next.
func bound(flag, text string, end bool) (*timestamppb.Timestamp, error) {
	if text == "" {
		return nil, nil
	}
	if day, err := time.Parse(time.DateOnly, text); err == nil {
		if end {
			day = day.AddDate(0, 0, 1)
		}
		return timestamppb.New(day), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return nil, fmt.Errorf("%s %q: want 2026-03-31 or 2026-03-31T12:00:00Z", flag, text)
	}
	return timestamppb.New(at), nil
}

func writeYields(w io.Writer, resp *rapportv1.CountAlertsResponse) {
	if len(resp.GetYields()) == 0 {
		fmt.Fprintln(w, "No alerts.")
		return
	}
	for _, y := range resp.GetYields() {
		fmt.Fprintln(w, y.GetRule())
		line := fmt.Sprintf("raised %d, taken %d", y.GetRaised(), y.GetTaken())
		if y.MedianSecondsToTake != nil {
			line += " after " + (time.Duration(y.GetMedianSecondsToTake()) * time.Second).String() + " (median)"
		}
		if y.GetEscalations() > 0 {
			line += ", " + plural(int(y.GetEscalations()), "escalation")
		}
		fmt.Fprintf(w, "  %s\n", line)
		for _, text := range []string{prefixed("suppressed: ", reasonsOf(resp, y.GetRule())), prefixed("readers: ", verdictsOf(y))} {
			for _, line := range wrap(text, width-2) {
				if line != "" {
					fmt.Fprintf(w, "  %s\n", line)
				}
			}
		}
	}
}

func verdictsOf(y *rapportv1.RuleYield) string {
	if y.GetUseful()+y.GetNotUseful()+y.GetAlreadyKnown() == 0 {
		return ""
	}
	return fmt.Sprintf("%d useful, %d not useful, %d already known", y.GetUseful(), y.GetNotUseful(), y.GetAlreadyKnown())
}

// reasonsOf are the reasons for which alerts of a rule, or of all when it is empty, were suppressed, most frequent first.
func reasonsOf(resp *rapportv1.CountAlertsResponse, rule string) string {
	counts := map[string]int64{}
	for _, c := range resp.GetCounts() {
		if c.GetStatus() == rapportv1.AlertStatus_ALERT_STATUS_SUPPRESSED && (rule == "" || c.GetRule() == rule) {
			counts[c.GetReason()] += c.GetCount()
		}
	}
	var reasons []string
	for reason := range counts {
		reasons = append(reasons, reason)
	}
	slices.SortFunc(reasons, func(a, b string) int { return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b)) })
	for i, reason := range reasons {
		reasons[i] = fmt.Sprintf("%s %d", reason, counts[reason])
	}
	return strings.Join(reasons, ", ")
}

// reasons tell below a list how many were suppressed for each reason, whoever they are for and however urgent they are.
func (c alertsListCmd) reasons(ctx context.Context, s streams, client rapportv1.AlertServiceClient, of *rapportv1.ListAlertsRequest) error {
	resp, err := client.CountAlerts(ctx, &rapportv1.CountAlertsRequest{Patient: of.GetPatient(), Rule: of.GetRule(), From: of.GetFrom(), To: of.GetTo()})
	if err != nil {
		return err
	}
	for _, line := range wrap(prefixed("Suppressed: ", reasonsOf(resp, "")), width) {
		if line != "" {
			fmt.Fprintln(s.out, line)
		}
	}
	return nil
}
