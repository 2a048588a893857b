package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
)

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
type alertsAckCmd struct {
	change
	Role string `help:"Role in which it is taken, such as nurse: one in which the actor is told, or that of the token. When not given, the one in which the actor is told; who is told in none takes it for nobody else." env:"-"`
}

// Help shows an example.
func (alertsAckCmd) Help() string {
	return "Example:\n  rapport alerts ack 5k7… --actor Practitioner/p1"
}

// Run acknowledges.
func (c alertsAckCmd) Run(ctx context.Context, s streams) error {
	return c.step(ctx, s, func(client rapportv1.AlertServiceClient, version int64) (*rapportv1.Alert, error) {
		resp, err := client.Acknowledge(ctx, &rapportv1.AcknowledgeRequest{
			Id: c.ID, Version: version, Actor: c.Actor, Role: c.Role, Key: c.Key,
		})
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

// alertsSnoozeCmd puts an alert off.
type alertsSnoozeCmd struct {
	change
	Until  string  `help:"Until this moment, or the beginning of this day; either it or --for." placeholder:"DATE" xor:"end" env:"-"`
	For    stretch `help:"For this long from now, such as 90m, 4h or 3d; either it or --until." placeholder:"DURATION" xor:"end" env:"-"`
	Reason string  `help:"Reason code, such as visit-planned." env:"-"`
}

// Help shows examples.
func (alertsSnoozeCmd) Help() string {
	return "Examples:\n  rapport alerts snooze 5k7… --actor Practitioner/p1 --for 4h --reason visit-planned\n" +
		"  rapport alerts snooze 5k7… --actor Practitioner/p1 --until 2026-03-31T08:00:00Z"
}

// stretch of time, which may be given in days.
type stretch time.Duration

// UnmarshalText reads 90m, 4h or 3d.
func (s *stretch) UnmarshalText(text []byte) error {
	if days, is := strings.CutSuffix(string(text), "d"); is {
		if count, err := strconv.Atoi(days); err == nil && count > 0 && count < 1000 {
			*s = stretch(time.Duration(count) * 24 * time.Hour)
			return nil
		}
	}
	d, err := time.ParseDuration(string(text))
	if err != nil || d <= 0 {
		return fmt.Errorf("%q: want a time such as 90m, 4h or 3d", text)
	}
	*s = stretch(d)
	return nil
}

// Run snoozes.
func (c alertsSnoozeCmd) Run(ctx context.Context, s streams) error {
	until, err := bound("--until", c.Until, false)
	switch {
	case err != nil:
		return usageError{err}
	case until == nil && c.For == 0:
		return usageError{errors.New("say until when: --for 4h, or --until 2026-03-31T08:00:00Z")}
	case until == nil:
		until = timestamppb.New(time.Now().Add(time.Duration(c.For)))
	}
	return c.step(ctx, s, func(client rapportv1.AlertServiceClient, version int64) (*rapportv1.Alert, error) {
		resp, err := client.Snooze(ctx, &rapportv1.SnoozeRequest{
			Id: c.ID, Version: version, Actor: c.Actor, Until: until, Reason: c.Reason, Key: c.Key,
		})
		return resp.GetAlert(), err
	})
}

// alertsReassignCmd gives an alert to somebody else.
type alertsReassignCmd struct {
	change
	To     string `required:"" help:"Who has it from now on: a Practitioner, a PractitionerRole or a CareTeam, such as Practitioner/p2." placeholder:"PERSON" env:"-"`
	Reason string `help:"Reason code, such as on-leave." env:"-"`
}

// Help shows an example.
func (alertsReassignCmd) Help() string {
	return "Example:\n  rapport alerts reassign 5k7… --actor Practitioner/p1 --to Practitioner/p2 --reason on-leave"
}

// Run reassigns.
func (c alertsReassignCmd) Run(ctx context.Context, s streams) error {
	return c.step(ctx, s, func(client rapportv1.AlertServiceClient, version int64) (*rapportv1.Alert, error) {
		resp, err := client.Reassign(ctx, &rapportv1.ReassignRequest{
			Id: c.ID, Version: version, Actor: c.Actor, To: c.To, Reason: c.Reason, Key: c.Key,
		})
		return resp.GetAlert(), err
	})
}

// alertsCommentCmd remarks on an alert.
type alertsCommentCmd struct {
	change
	Text string `arg:"" optional:"" help:"The remark. It stays with the alert and is never sent to a feed."`
	Code string `help:"Code of the remark, such as left-message." env:"-"`
}

// Help shows an example.
func (alertsCommentCmd) Help() string {
	return "Example:\n  rapport alerts comment 5k7… 'no answer, tries again tomorrow' --code left-message --actor Practitioner/p1"
}

// Run comments.
func (c alertsCommentCmd) Run(ctx context.Context, s streams) error {
	return c.step(ctx, s, func(client rapportv1.AlertServiceClient, _ int64) (*rapportv1.Alert, error) {
		resp, err := client.Comment(ctx, &rapportv1.CommentRequest{
			Id: c.ID, Version: c.Version, Actor: c.Actor, Code: c.Code, Text: c.Text, Key: c.Key,
		})
		return resp.GetAlert(), err
	})
}

// alertsFeedbackCmd says what an alert was worth.
type alertsFeedbackCmd struct {
	change
	Verdict string `arg:"" enum:"useful,not-useful,already-known" help:"useful, not-useful or already-known."`
	Reason  string `help:"Reason code, such as wrong-person or too-late." env:"-"`
}

// Help shows an example.
func (alertsFeedbackCmd) Help() string {
	return "Example:\n  rapport alerts feedback 5k7… not-useful --reason too-late --actor Practitioner/p1"
}

// Run gives feedback.
func (c alertsFeedbackCmd) Run(ctx context.Context, s streams) error {
	name := "FEEDBACK_VERDICT_" + strings.ReplaceAll(strings.ToUpper(c.Verdict), "-", "_")
	return c.step(ctx, s, func(client rapportv1.AlertServiceClient, _ int64) (*rapportv1.Alert, error) {
		resp, err := client.Feedback(ctx, &rapportv1.FeedbackRequest{
			Id: c.ID, Version: c.Version, Actor: c.Actor, Verdict: rapportv1.FeedbackVerdict(rapportv1.FeedbackVerdict_value[name]),
			Reason: c.Reason, Key: c.Key,
		})
		return resp.GetAlert(), err
	})
}
