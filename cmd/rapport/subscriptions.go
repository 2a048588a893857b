package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
)

// webhookFlags say what FHIR subscriptions may call.
type webhookFlags struct {
	AllowPrivateWebhooks bool     `name:"allow-private-webhooks" help:"Let FHIR subscriptions call private and loopback addresses, without TLS too."`
	WebhookHosts         []string `name:"webhook-hosts" placeholder:"HOST,…" help:"Only hosts that FHIR subscriptions may call, such as ehr.example.org or *.example.org."`
}

// subscriptionsCmd groups what can be done with FHIR subscriptions.
type subscriptionsCmd struct {
	List        subscriptionsListCmd    `cmd:"" default:"withargs" help:"List subscriptions, and how far each was told."`
	Show        subscriptionsShowCmd    `cmd:"" help:"Show one subscription."`
	DeadLetters subscriptionsLettersCmd `cmd:"" name:"deadletters" help:"List what an endpoint would not take, and what waits behind an error."`
	Redrive     subscriptionsRedriveCmd `cmd:"" help:"Try dead letters again, and bring a subscription in error back."`
	Rotate      subscriptionsRotateCmd  `cmd:"" help:"Make a new secret; the one before goes on signing for a day."`
}

// Help shows examples.
func (subscriptionsCmd) Help() string {
	return "Examples:\n  rapport subscriptions\n  rapport subscriptions deadletters 7x3…\n  rapport subscriptions redrive 7x3…"
}

// subscriptionsListCmd lists subscriptions.
type subscriptionsListCmd struct {
	connection
	outputFlag
}

// Help shows examples.
func (subscriptionsListCmd) Help() string {
	return "Examples:\n  rapport subscriptions list\n  rapport subscriptions list -o json"
}

// Run lists.
func (c subscriptionsListCmd) Run(ctx context.Context, s streams) error {
	conn, err := c.dial()
	if err != nil {
		return err
	}
	defer conn.Close()
	resp, err := rapportv1.NewSubscriptionServiceClient(conn).ListSubscriptions(ctx, &rapportv1.ListSubscriptionsRequest{})
	if err != nil {
		return err
	}
	if c.json() {
		for _, one := range resp.GetSubscriptions() {
			if err := printProto(s.out, one); err != nil {
				return err
			}
		}
		return nil
	}
	if len(resp.GetSubscriptions()) == 0 {
		_, err := fmt.Fprintln(s.out, "No subscriptions.")
		return err
	}
	table := tabwriter.NewWriter(s.out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tSTATUS\tTOLD\tWHAT\tENDPOINT")
	for _, one := range resp.GetSubscriptions() {
		fmt.Fprintf(table, "%s\t%s\t%d of %d\t%s\t%s\n", one.GetId(), one.GetStatus(), one.GetDelivered(), one.GetEvents(), wished(one), cmp.Or(one.GetEndpoint(), one.GetChannel()))
	}
	return table.Flush()
}

// wished says in a few words what a subscription is about.
func wished(one *rapportv1.Subscription) string {
	if one.GetTopic() == "" {
		return strings.Join(one.GetCriteria(), ", ")
	}
	return one.GetTopic()[strings.LastIndexByte(one.GetTopic(), '/')+1:] + prefixed(" ", strings.Join(one.GetCriteria(), ", "))
}

// subscriptionsShowCmd shows one subscription.
type subscriptionsShowCmd struct {
	connection
	outputFlag
	ID string `arg:"" help:"Subscription id."`
}

// Help shows an example.
func (subscriptionsShowCmd) Help() string {
	return "Example:\n  rapport subscriptions show 7x3… -o json"
}

// Run shows.
func (c subscriptionsShowCmd) Run(ctx context.Context, s streams) error {
	conn, err := c.dial()
	if err != nil {
		return err
	}
	defer conn.Close()
	resp, err := rapportv1.NewSubscriptionServiceClient(conn).GetSubscription(ctx, &rapportv1.GetSubscriptionRequest{Id: c.ID})
	if err != nil {
		return err
	}
	return showSubscription(s, c.outputFlag, resp.GetSubscription())
}

func showSubscription(s streams, o outputFlag, one *rapportv1.Subscription) error {
	if o.json() {
		return printProto(s.out, one)
	}
	fmt.Fprintf(s.out, "%s  %s, told %d of %d\n", one.GetId(), one.GetStatus(), one.GetDelivered(), one.GetEvents())
	for _, line := range []struct{ label, text string }{
		{"What", wished(one)},
		{"Content", one.GetContent()},
		{"Channel", one.GetChannel()},
		{"Endpoint", one.GetEndpoint()},
		{"Error", one.GetError()},
		{"Last failure", one.GetFailure()},
		{"Tried again", momentWords(one.GetNext())},
		{"Told last", momentWords(one.GetTold())},
		{"Ends", momentWords(one.GetEnd())},
		{"Made", momentWords(one.GetCreated()) + prefixed(" by ", one.GetOwner())},
		{"Changed", momentWords(one.GetUpdated())},
	} {
		if line.text != "" {
			fmt.Fprintf(s.out, "  %-15s %s\n", line.label, line.text)
		}
	}
	return nil
}

// momentWords is a time for people; empty when absent.
func momentWords(t *timestamppb.Timestamp) string {
	if t == nil {
		return ""
	}
	return t.AsTime().Format(time.DateTime)
}

// subscriptionsLettersCmd lists dead letters.
type subscriptionsLettersCmd struct {
	connection
	outputFlag
	ID string `arg:"" help:"Subscription id."`
	maxFlag
}

// Help shows an example.
func (subscriptionsLettersCmd) Help() string {
	return "Example:\n  rapport subscriptions deadletters 7x3…"
}

// Run lists.
func (c subscriptionsLettersCmd) Run(ctx context.Context, s streams) error {
	conn, err := c.dial()
	if err != nil {
		return err
	}
	defer conn.Close()
	client := rapportv1.NewSubscriptionServiceClient(conn)
	table := tabwriter.NewWriter(s.out, 0, 4, 2, ' ', 0)
	req := &rapportv1.ListDeadLettersRequest{Id: c.ID}
	more, err := pages(c.Max, func(size int32, token string) (int, string, error) {
		req.PageSize = min(size, 1000)
		resp, err := client.ListDeadLetters(ctx, req)
		if err != nil {
			return 0, "", err
		}
		letters := resp.GetLetters()
		if err := c.print(s, table, letters, token == ""); err != nil {
			return 0, "", err
		}
		if !resp.GetMore() {
			return len(letters), "", nil
		}
		req.After = letters[len(letters)-1].GetNumber()
		return len(letters), "more", nil
	})
	if err != nil {
		return err
	}
	return errors.Join(table.Flush(), sayMore(s, more))
}

func (c subscriptionsLettersCmd) print(s streams, table *tabwriter.Writer, letters []*rapportv1.DeadLetter, first bool) error {
	if c.json() {
		for _, l := range letters {
			if err := printProto(s.out, l); err != nil {
				return err
			}
		}
		return nil
	}
	if len(letters) == 0 && first {
		_, err := fmt.Fprintln(s.out, "No dead letters.")
		return err
	}
	if first {
		fmt.Fprintln(table, "NUMBER\tTYPE\tABOUT\tWHEN\tTRIED\tWHY")
	}
	for _, l := range letters {
		why := l.GetFailure()
		if l.GetAgain() {
			why += " (asked for again)"
		}
		fmt.Fprintf(table, "%d\t%s\t%s\t%s\t%d\t%s\n", l.GetNumber(), l.GetType(), l.GetFocus(), momentWords(l.GetTime()), l.GetAttempts(), why)
	}
	return nil
}

// subscriptionsRedriveCmd tries again.
type subscriptionsRedriveCmd struct {
	connection
	outputFlag
	ID     string  `arg:"" help:"Subscription id."`
	Number []int64 `help:"Numbers of dead letters; all of them when none is given." env:"-"`
}

// Help shows an example.
func (subscriptionsRedriveCmd) Help() string {
	return "Examples:\n  rapport subscriptions redrive 7x3…\n  rapport subscriptions redrive 7x3… --number 41,42"
}

// Run asks for it.
func (c subscriptionsRedriveCmd) Run(ctx context.Context, s streams) error {
	conn, err := c.dial()
	if err != nil {
		return err
	}
	defer conn.Close()
	resp, err := rapportv1.NewSubscriptionServiceClient(conn).Redrive(ctx, &rapportv1.RedriveRequest{Id: c.ID, Numbers: c.Number})
	if err != nil {
		return err
	}
	if c.json() {
		return printProto(s.out, resp)
	}
	fmt.Fprintf(s.out, "%d dead letters are told again.\n", resp.GetLetters())
	return showSubscription(s, c.outputFlag, resp.GetSubscription())
}

// subscriptionsRotateCmd makes a new secret.
type subscriptionsRotateCmd struct {
	connection
	outputFlag
	ID string `arg:"" help:"Subscription id."`
}

// Help shows an example.
func (subscriptionsRotateCmd) Help() string {
	return "Example:\n  rapport subscriptions rotate 7x3…"
}

// Run makes it and prints it, once.
func (c subscriptionsRotateCmd) Run(ctx context.Context, s streams) error {
	conn, err := c.dial()
	if err != nil {
		return err
	}
	defer conn.Close()
	resp, err := rapportv1.NewSubscriptionServiceClient(conn).RotateSecret(ctx, &rapportv1.RotateSecretRequest{Id: c.ID})
	if err != nil {
		return err
	}
	if c.json() {
		return printProto(s.out, resp)
	}
	fmt.Fprintln(s.out, resp.GetSecret())
	if until := resp.GetPreviousUntil(); until != nil {
		fmt.Fprintf(s.err, "the secret before signs beside it until %s\n", momentWords(until))
	}
	return nil
}
