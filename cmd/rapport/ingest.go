package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
)

// ingestCmd sends files to a server.
type ingestCmd struct {
	connection
	outputFlag
	Source   string   `default:"ehr" help:"Name of the sending system; part of every resource's identity (${default})." env:"-"`
	BackFill bool     `name:"back-fill" help:"The files hold what lies back: what is found in them is recorded and not raised as an alert, but for safety findings." env:"-"`
	Resume   string   `type:"path" placeholder:"FILE" help:"Keep the position in this file, and go on from there when it exists." env:"-"`
	Quiet    bool     `short:"q" help:"Only the summary, no line per item that was rejected or not scored." env:"-"`
	Files    []string `arg:"" name:"files" help:"JSON, Bundle or NDJSON files, .gz of them, folders, or - for standard input."`
}

// Help shows examples.
func (ingestCmd) Help() string {
	return `Sends each resource or Bundle once and waits until it is durable. Sending again does no harm: what is
already stored is reported as unchanged. When the server goes away for a minute, what it had not yet acknowledged is
sent again. Exit code 1 when anything was rejected, could not be read or could not be sent.

Examples:
  rapport ingest response.json
  rapport ingest --source epic export/ --resume export.position
  rapport ingest --back-fill history/ --resume history.position
  curl -s https://example.org/bundle.json | rapport ingest -`
}

// Run sends.
func (c ingestCmd) Run(ctx context.Context, s streams) error {
	if c.Resume != "" && slices.Contains(c.Files, standardInput) {
		return usageError{errors.New("--resume wants files: what comes from standard input cannot be known again")}
	}
	in := &inputs{stdin: s.in}
	if err := in.open(c.Files); err != nil {
		return err
	}
	var err error
	if in.done, err = openPosition(c.Resume); err != nil {
		return err
	}
	conn, err := c.dial()
	if err != nil {
		return err
	}
	defer conn.Close()
	report := &ingestReport{streams: s, json: c.json(), quiet: c.Quiet, in: in, outcomes: map[rapportv1.Outcome]int{}}
	sender := &sender{
		client: rapportv1.NewIngestServiceClient(conn), source: c.Source, backFill: c.BackFill, unread: report.unread, retrying: report.retrying,
		done: func(i item, r *rapportv1.Result) error {
			report.add(i, r)
			return in.done.done(i)
		},
	}
	sent := sender.send(ctx, in.items(ctx))
	if ctx.Err() != nil {
		sent = c.stopped()
	}
	if err := errors.Join(sent, in.done.close()); err != nil {
		report.finish(true)
		return err
	}
	report.finish(false)
	if report.outcomes[rapportv1.Outcome_OUTCOME_REJECTED]+report.unreadable > 0 {
		return errSaid
	}
	return nil
}

// stopped is what a person is told who interrupted.
func (c ingestCmd) stopped() error {
	if c.Resume != "" {
		return fmt.Errorf("stopped before the end; the same command goes on from %s", c.Resume)
	}
	return errors.New("stopped before the end; the same command again does no harm")
}
