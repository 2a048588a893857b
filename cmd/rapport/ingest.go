package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
)

// ingestCmd sends files to a server.
type ingestCmd struct {
	connection
	outputFlag
	Source string   `default:"ehr" help:"Name of the sending system; part of every resource's identity (${default})." env:"-"`
	Resume string   `type:"path" placeholder:"FILE" help:"Keep the position in this file, and go on from there when it exists." env:"-"`
	Quiet  bool     `short:"q" help:"Only the summary, no line per refused or unused item." env:"-"`
	Files  []string `arg:"" name:"files" help:"JSON, Bundle or NDJSON files, .gz of them, folders, or - for standard input."`
}

// Help shows examples.
func (ingestCmd) Help() string {
	return `Sends each resource or Bundle once and waits until it is durable. Sending again does no harm: what is
already stored is reported as unchanged. Exit code 1 when anything was refused or could not be sent.

Examples:
  rapport ingest response.json
  rapport ingest --source epic export/*.ndjson.gz --resume export.position
  curl -s https://example.org/bundle.json | rapport ingest -`
}

// Run sends.
func (c ingestCmd) Run(ctx context.Context, s streams) error {
	position, err := openPosition(c.Resume)
	if err != nil {
		return err
	}
	conn, err := c.dial()
	if err != nil {
		return err
	}
	defer conn.Close()
	report := &ingestReport{streams: s, json: c.json(), quiet: c.Quiet, outcomes: map[rapportv1.Outcome]int{}}
	sender := &sender{
		client: rapportv1.NewIngestServiceClient(conn), source: c.Source,
		done: func(i item, r *rapportv1.Result) error {
			report.add(i, r)
			return position.done(i)
		},
		retrying: report.retrying,
	}
	items := readItems(ctx, c.Files, s.in, position)
	sent := sender.send(ctx, items)
	report.finish()
	if err := errors.Join(sent, position.close()); err != nil {
		return err
	}
	if report.outcomes[rapportv1.Outcome_OUTCOME_REJECTED] > 0 {
		return errSaid
	}
	return nil
}

// ingestReport tells what became of the items.
type ingestReport struct {
	streams
	json, quiet bool
	items       int
	outcomes    map[rapportv1.Outcome]int
}

// progressEvery is after how many items the line at the bottom is drawn anew.
const progressEvery = 100

func (r *ingestReport) add(i item, result *rapportv1.Result) {
	r.items++
	r.count(result)
	switch {
	case r.json:
		r.addJSON(i, result)
	case !r.quiet:
		r.addText(i, result)
	}
	if r.terminal && r.items%progressEvery == 0 {
		fmt.Fprintf(r.err, "\r%s %d items, %s\x1b[K", spinner(r.items), r.items, r.counts())
	}
}

func spinner(n int) string {
	return string([]rune(`⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏`)[n/progressEvery%10])
}

// count counts resources: of a Bundle its entries.
func (r *ingestReport) count(result *rapportv1.Result) {
	if len(result.GetEntries()) == 0 {
		r.outcomes[result.GetOutcome()]++
		return
	}
	for _, entry := range result.GetEntries() {
		r.count(entry)
	}
}

func (r *ingestReport) addJSON(i item, result *rapportv1.Result) {
	line, err := jsonOf(result)
	if err == nil {
		_, err = fmt.Fprintf(r.out, "{\"file\":%s,\"item\":%d,\"result\":%s}\n", quoted(i.file), i.number, line)
	}
	if err != nil {
		fmt.Fprintln(r.err, "rapport:", err)
	}
}

func quoted(s string) []byte {
	data, _ := json.Marshal(s) // a string: it cannot fail
	return data
}

// addText tells of what was refused, and of what was stored but not used.
func (r *ingestReport) addText(i item, result *rapportv1.Result) {
	entries := result.GetEntries()
	if len(entries) == 0 {
		entries = []*rapportv1.Result{result}
	}
	for n, entry := range entries {
		var word string
		switch entry.GetOutcome() {
		case rapportv1.Outcome_OUTCOME_REJECTED:
			word = "rejected"
		case rapportv1.Outcome_OUTCOME_STORED:
			word = "not used"
		default:
			continue
		}
		var why []string
		for _, issue := range entry.GetIssues() {
			why = append(why, strings.TrimPrefix(issue.GetExpression()+": "+issue.GetText(), ": "))
		}
		if word == "not used" && len(why) == 0 {
			continue
		}
		place := fmt.Sprintf("%s:%d", i.file, i.number)
		if len(result.GetEntries()) > 0 {
			place += fmt.Sprintf(" entry %d", n+1)
		}
		r.clear()
		fmt.Fprintf(r.err, "%s: %s%s: %s\n", place, word, prefixed(" ", entry.GetReference()), strings.Join(why, "; "))
	}
}

func prefixed(prefix, s string) string {
	if s == "" {
		return ""
	}
	return prefix + s
}

func (r *ingestReport) clear() {
	if r.terminal {
		fmt.Fprint(r.err, "\r\x1b[K")
	}
}

func (r *ingestReport) retrying(err error) {
	r.clear()
	fmt.Fprintln(r.err, "rapport: the connection was lost, trying again:", describe(err))
}

var outcomeWords = []struct {
	outcome rapportv1.Outcome
	word    string
}{
	{rapportv1.Outcome_OUTCOME_SCORED, "stored and used"},
	{rapportv1.Outcome_OUTCOME_STORED, "stored, not used"},
	{rapportv1.Outcome_OUTCOME_UNCHANGED, "unchanged"},
	{rapportv1.Outcome_OUTCOME_REJECTED, "rejected"},
}

func (r *ingestReport) counts() string {
	parts := make([]string, 0, len(outcomeWords))
	for _, o := range outcomeWords {
		parts = append(parts, fmt.Sprintf("%d %s", r.outcomes[o.outcome], o.word))
	}
	return strings.Join(parts, ", ")
}

func (r *ingestReport) finish() {
	r.clear()
	if r.json {
		return
	}
	total := 0
	for _, n := range r.outcomes {
		total += n
	}
	fmt.Fprintf(r.out, "%d resources in %d items: %s\n", total, r.items, r.counts())
}

// jsonOf is a message as one line of JSON.
func jsonOf(m *rapportv1.Result) (string, error) {
	var b strings.Builder
	err := printProto(&b, m)
	return strings.TrimSpace(b.String()), err
}
