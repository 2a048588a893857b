package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"google.golang.org/grpc"

	"github.com/rapport-health/rapport/api/client"
	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
)

// why shows what the view and the alerts, or one alert, rest on.
func (c explainCmd) why(ctx context.Context, s streams, conn *grpc.ClientConn) error {
	req := &rapportv1.ExplainRequest{Of: &rapportv1.ExplainRequest_Patient{Patient: c.Patient}}
	if c.Alert {
		req.Of = &rapportv1.ExplainRequest_Alert{Alert: c.Patient}
	}
	resp, err := rapportv1.NewOutcomeServiceClient(conn).Explain(ctx, req)
	if err != nil {
		return err
	}
	if c.json() {
		return printProto(s.out, resp)
	}
	writeWhy(s.out, resp)
	return nil
}

func writeWhy(w io.Writer, x *rapportv1.ExplainResponse) {
	fmt.Fprintf(w, "%s  %s\n", x.GetPatient(), x.GetView())
	for _, r := range x.GetReasons() {
		fmt.Fprintln(w)
		for n, line := range wrap(fmt.Sprintf("%s: %s; now %s, since %s", r.GetView(), r.GetText(), decimal(r.GetValue()), day(r.GetSince())), width-2) {
			fmt.Fprintf(w, "%s%s\n", indentAfter(n), line)
		}
		for _, f := range r.GetFacts() {
			writeEntry(w, "  ", f)
		}
	}
	for _, a := range x.GetAlerts() {
		fmt.Fprintln(w)
		writeWhyAlert(w, a)
	}
}

func writeWhyAlert(w io.Writer, x *rapportv1.ExplainedAlert) {
	a := x.GetAlert()
	title := fmt.Sprintf("%s alert, %s: %s", severityWord(a.GetSeverity()), statusWord(a.GetStatus()), a.GetTitle())
	if !x.GetStands() {
		title += " (not all it rests on counts any more)"
	}
	for n, line := range wrap(title, width-2) {
		fmt.Fprintf(w, "%s%s\n", indentAfter(n), line)
	}
	for _, line := range wrap(a.GetSeen(), width-2) {
		fmt.Fprintf(w, "  %s\n", line)
	}
	fmt.Fprintf(w, "  alert %s\n  rule  %s %s\n", a.GetId(), a.GetRule(), a.GetRuleVersion())
	for _, f := range x.GetFacts() {
		writeEntry(w, "  ", f)
	}
	for _, step := range a.GetHistory() {
		label, rest := stepWords(step)
		at := step.GetTime().AsTime().Format(minute)
		for n, line := range wrap(label+" by "+step.GetActor()+rest, width-len(minute)-4) {
			if n > 0 {
				at = ""
			}
			fmt.Fprintf(w, "  %*s  %s\n", len(minute), at, line)
		}
	}
}

// indentAfter is what stands before the n-th line of a paragraph.
func indentAfter(n int) string {
	if n == 0 {
		return ""
	}
	return "  "
}

// watch shows the state whenever it changes.
func (c explainCmd) watch(ctx context.Context, s streams, conn *grpc.ClientConn) error {
	// Watching waits for a server however long it is away; one that is not there to begin with is a wrong address.
	if _, err := rapportv1.NewOutcomeServiceClient(conn).GetEpisode(ctx, &rapportv1.GetEpisodeRequest{Patient: c.Patient}); err != nil {
		return err
	}
	left := c.Max
	err := client.WatchEpisode(ctx, conn, c.Patient, func(m *rapportv1.WatchEpisodeResponse) error {
		if c.json() {
			if err := printProto(s.out, m); err != nil {
				return err
			}
		} else {
			fmt.Fprintf(s.out, "--- %s, event %d\n", m.GetTime().AsTime().Format(time.DateTime), m.GetAfter())
			writeEpisode(s.out, m.GetEpisode(), nil)
		}
		if left--; left == 0 {
			return errEnough
		}
		return nil
	})
	if ctx.Err() != nil || errors.Is(err, errEnough) {
		return nil
	}
	return err
}
