package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
)

// rescoreCmd scores again what is stored.
type rescoreCmd struct {
	connection
	outputFlag
	Instrument []string `placeholder:"ID" help:"Only what this instrument scores, before or now; may be repeated." env:"-"`
	Type       []string `placeholder:"TYPE" help:"QuestionnaireResponse, Observation, or both by repeating it (QuestionnaireResponse)." env:"-"`
	Unscored   bool     `help:"Only what could not be used so far." env:"-"`
	DryRun     bool     `name:"dry-run" help:"Say what would change, and write nothing." env:"-"`
	After      string   `placeholder:"TOKEN" help:"Go on from here: the token that an earlier run told when it was stopped." env:"-"`
}

// Help shows examples.
func (rescoreCmd) Help() string {
	return `Reads the stored responses once more by the instruments that the server knows now, after a definition was changed
or an unknown form became known. What says something else is stored as a new version with the same answers; the version
before stays readable. Alerts follow: those that no longer hold are taken back with the reason "rescored". What says the
same is left alone, so running it again, or stopping it, does no harm. Every change is a line. Exit code 1 when something
could not be decided; it is then as it was.

Examples:
  rapport rescore --dry-run
  rapport rescore --instrument phq-9 --instrument gad-7
  rapport rescore --unscored -o json
  rapport rescore --type Observation`
}

// Validate refuses what carries no scores.
func (c rescoreCmd) Validate() error {
	for _, typ := range c.Type {
		if typ != "QuestionnaireResponse" && typ != "Observation" {
			return fmt.Errorf("--type %s: want QuestionnaireResponse or Observation", typ)
		}
	}
	return nil
}

// Run scores again.
func (c rescoreCmd) Run(ctx context.Context, s streams) error {
	conn, err := c.dial()
	if err != nil {
		return err
	}
	defer conn.Close()
	run := &rescore{
		streams: s, json: c.json(), dry: c.DryRun, client: rapportv1.NewIngestServiceClient(conn),
		req: &rapportv1.RescoreRequest{
			Types: c.Type, Instruments: c.Instrument, OnlyUnscored: c.Unscored, DryRun: c.DryRun, PageToken: c.After,
		},
	}
	err = run.all(ctx)
	run.clear()
	if ctx.Err() != nil {
		return run.stopped()
	}
	if err != nil {
		return err
	}
	if err := run.finish(); err != nil {
		return err
	}
	if run.total.failed > 0 {
		return errSaid
	}
	return nil
}

// rescoreCounts are the counts of a progress.
type rescoreCounts struct{ changed, unchanged, failed int64 }

func (n rescoreCounts) seen() int64 { return n.changed + n.unchanged + n.failed }

// rescore is one run, over as many calls as it takes.
type rescore struct {
	streams
	json, dry bool
	client    rapportv1.IngestServiceClient
	req       *rapportv1.RescoreRequest

	// earlier is what calls that were lost had done, total all that was done, by the last progress.
	earlier, total rescoreCounts
	// told are the changes told of since the last progress.
	told int64
	// reached is set once a server has answered.
	reached bool
	drawn   time.Time
}

// all calls until the end is reached. A call that is lost is made again from where its last progress was.
func (r *rescore) all(ctx context.Context) error {
	for failures := 0; ; {
		token := r.req.GetPageToken()
		err := r.call(ctx)
		if err == nil || !lost(err) || ctx.Err() != nil || !r.reached {
			return err
		}
		if r.req.GetPageToken() != token {
			failures = 0
		}
		if failures++; failures > maxRetries {
			return err
		}
		r.clear()
		fmt.Fprintln(r.err, "rapport: the connection was lost, trying again:", describe(err))
		r.carry()
		select {
		case <-time.After(min(firstPause<<(failures-1), longestPause)):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// carry takes over what a lost call had done. What it had changed since its last progress the next call finds unchanged.
func (r *rescore) carry() {
	r.total.changed, r.total.unchanged = r.total.changed+r.told, r.total.unchanged-r.told
	r.earlier, r.told = r.total, 0
}

func (r *rescore) call(ctx context.Context) error {
	stream, err := r.client.Rescore(ctx, r.req)
	for err == nil {
		var resp *rapportv1.RescoreResponse
		if resp, err = stream.Recv(); err == nil {
			r.reached = true
			err = r.take(resp)
		}
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

func (r *rescore) take(resp *rapportv1.RescoreResponse) error {
	switch step := resp.GetStep().(type) {
	case *rapportv1.RescoreResponse_Progress:
		r.progress(step.Progress)
		return nil
	case *rapportv1.RescoreResponse_Change:
		r.told++
		if !r.json {
			r.clear()
			_, err := fmt.Fprintln(r.out, changeWords(step.Change))
			return err
		}
	case *rapportv1.RescoreResponse_Failure:
		if !r.json {
			r.failure(step.Failure)
			return nil
		}
	}
	return printProto(r.out, resp)
}

func (r *rescore) failure(f *rapportv1.RescoreFailure) {
	r.clear()
	fmt.Fprintf(r.err, "%s: left as it was\n", f.GetReference())
	for _, issue := range f.GetIssues() {
		fmt.Fprintf(r.err, "  %s\n", issueWords(issue))
	}
}

func (r *rescore) progress(p *rapportv1.RescoreProgress) {
	r.req.PageToken, r.told = p.GetPageToken(), 0
	r.total = rescoreCounts{
		r.earlier.changed + p.GetChanged(), r.earlier.unchanged + p.GetUnchanged(), r.earlier.failed + p.GetFailed(),
	}
	if !r.terminal || time.Since(r.drawn) < drawEvery {
		return
	}
	r.drawn = time.Now()
	fmt.Fprintf(r.err, "\r%s\x1b[K", r.sum())
}

func (r *rescore) clear() {
	if r.terminal {
		fmt.Fprint(r.err, "\r\x1b[K")
	}
}

// sum is what was done, in a line.
func (r *rescore) sum() string {
	changed := "changed"
	if r.dry {
		changed = "would change"
	}
	return fmt.Sprintf("%d looked at, %d %s, %d the same, %d failed",
		r.total.seen(), r.total.changed, changed, r.total.unchanged, r.total.failed)
}

func (r *rescore) finish() error {
	if r.json {
		return printProto(r.out, &rapportv1.RescoreResponse{Step: &rapportv1.RescoreResponse_Progress{Progress: &rapportv1.RescoreProgress{
			Seen: r.total.seen(), Changed: r.total.changed, Unchanged: r.total.unchanged, Failed: r.total.failed,
		}}})
	}
	_, err := fmt.Fprintln(r.out, r.sum())
	return err
}

// stopped is what a person is told who interrupted.
func (r *rescore) stopped() error {
	if token := r.req.GetPageToken(); token != "" {
		return fmt.Errorf("stopped before the end (%s); the same command with --after %s goes on", r.sum(), token)
	}
	return errors.New("stopped before the end; the same command again does no harm")
}

// changeWords are a change in a line: the resource, the definitions, the scores, and the alerts that followed.
func changeWords(c *rapportv1.RescoreChange) string {
	reference := c.GetAfter()
	if reference == "" {
		reference = c.GetBefore()
	}
	words := []string{reference, strings.TrimSpace(c.GetInstrument() + " " + fromTo(c.GetBeforeVersion(), c.GetAfterVersion())), scoresWords(c)}
	if n := int(c.GetOpened()); n > 0 {
		words = append(words, plural(n, "alert")+" raised")
	}
	if n := int(c.GetRetracted()); n > 0 {
		words = append(words, plural(n, "alert")+" taken back")
	}
	return strings.Join(words, "  ")
}

// scoresWords are the scores that differ.
func scoresWords(c *rapportv1.RescoreChange) string {
	var differ []string
	for _, s := range c.GetScores() {
		if before, after := scoreWord(s.GetBefore()), scoreWord(s.GetAfter()); before != after {
			differ = append(differ, s.GetCode()+" "+fromTo(before, after))
		}
	}
	if len(differ) == 0 {
		return "the same scores"
	}
	return strings.Join(differ, ", ")
}

func fromTo(before, after string) string {
	switch {
	case before == after:
		return after
	case before == "":
		return "none → " + after
	case after == "":
		return before + " → none"
	}
	return before + " → " + after
}

// scoreWord is a score with its band, or why there is none; empty for no score at all.
func scoreWord(s *rapportv1.Score) string {
	switch {
	case s == nil:
		return ""
	case s.Value == nil:
		return s.GetNotScorable() + doubted(s.GetUnconfirmed())
	}
	return decimal(s.GetValue()) + prefixed(" ", s.GetBand()) + doubted(s.GetUnconfirmed())
}
