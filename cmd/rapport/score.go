package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"text/tabwriter"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
	"github.com/rapport-health/rapport/services/catalogue"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/scoring"
	"github.com/rapport-health/rapport/services/server"
)

// scoreCmd scores without a server and without storing.
type scoreCmd struct {
	Output     string `short:"o" name:"output" enum:"auto,text,json" default:"auto" help:"text, json (one object per response), or auto: text on a terminal, json elsewhere (${default})." placeholder:"FORM" env:"-"`
	Instrument string `help:"Instrument of --answers, such as wai-sr." placeholder:"ID" env:"-"`
	Answers    string `help:"Ordinals as printed, in the order of the form, - for unanswered: 4,4,5,-,5." placeholder:"LIST" env:"-"`
	Source     string `default:"ehr" help:"Source whose map of --instruments is applied (${default})." placeholder:"NAME" env:"-"`
	instrumentsFlag
	File string `arg:"" optional:"" help:"QuestionnaireResponse JSON or NDJSON, or - for standard input."`
}

// Help shows examples.
func (scoreCmd) Help() string {
	return `Examples:
  rapport score response.json
  rapport score - < responses.ndjson
  rapport score --instrument phq-9 --answers 2,2,-,2,1,1,2,0,1`
}

// Run scores.
func (c scoreCmd) Run(ctx context.Context, s streams) error {
	room, err := server.Scoring(c.Instruments)
	if err != nil {
		return err
	}
	if (c.Answers == "") == (c.File == "") || (c.Answers == "") != (c.Instrument == "") {
		return usageError{errors.New("give either a file, or --instrument with --answers")}
	}
	if c.File != "" {
		return c.files(ctx, s, room)
	}
	answers, err := ordinals(c.Answers)
	if err != nil {
		return usageError{err}
	}
	sheet, err := room.Answers(c.Instrument, answers)
	if err != nil {
		return err
	}
	return c.print(s, sheet)
}

// files scores every response of a file. What cannot be scored is told, and the next one follows.
func (c scoreCmd) files(ctx context.Context, s streams, room *scoring.Server) error {
	failed := false
	in := &inputs{stdin: s.in}
	if err := in.open([]string{c.File}); err != nil {
		return err
	}
	for i, err := range in.items(ctx) {
		if err != nil {
			failed = true
			fmt.Fprintln(s.err, "rapport:", err)
			continue
		}
		sheet, err := room.Response(ctx, scoring.Sent{Source: ref.Source(c.Source), Body: i.body})
		if err != nil {
			failed = true
			fmt.Fprintf(s.err, "%s: %s\n", i, located(err))
			continue
		}
		if err := c.print(s, sheet); err != nil {
			return err
		}
	}
	if failed {
		return errSaid
	}
	return nil
}

func located(err error) string {
	var lines []string
	for _, issue := range fault.IssuesOf(err) {
		lines = append(lines, strings.TrimPrefix(issue.Path+": "+issue.Text, ": "))
	}
	if len(lines) == 0 {
		return err.Error()
	}
	return strings.Join(lines, "; ")
}

// ordinals reads `4,4,-,5`.
func ordinals(list string) ([]*float64, error) {
	fields := strings.Split(list, ",")
	out := make([]*float64, len(fields))
	for n, field := range fields {
		field = strings.TrimSpace(field)
		if field == "-" {
			continue
		}
		value, err := strconv.ParseFloat(field, 64)
		if err != nil {
			return nil, fmt.Errorf("--answers: answer %d is %q, not a number or -", n+1, field)
		}
		out[n] = &value
	}
	return out, nil
}

func (c scoreCmd) print(s streams, sheet *rapportv1.ScoreSheet) error {
	if c.Output == "json" || c.Output == "auto" && !s.screen {
		return json.NewEncoder(s.out).Encode(plain(sheet))
	}
	writeSheet(s.out, sheet)
	return nil
}

// plainSheet has the names of the golden vectors.
type plainSheet struct {
	Instrument string                `json:"instrument"`
	Version    string                `json:"version"`
	Scores     map[string]plainScore `json:"scores"`
	Critical   []plainCritical       `json:"critical"`
	Issues     []plainIssue          `json:"issues,omitempty"`
}

type plainScore struct {
	Value       *float64 `json:"value,omitempty"`
	Band        string   `json:"band,omitempty"`
	Prorated    bool     `json:"prorated,omitempty"`
	NotScorable string   `json:"notScorable,omitempty"`
	Direction   string   `json:"direction,omitempty"`
	Unconfirmed bool     `json:"unconfirmed,omitempty"`
}

type plainCritical struct {
	Item  int32   `json:"item"`
	Value float64 `json:"value"`
}

type plainIssue struct {
	Severity   string `json:"severity"`
	Code       string `json:"code"`
	Expression string `json:"expression,omitempty"`
	Text       string `json:"text"`
}

func plain(sheet *rapportv1.ScoreSheet) plainSheet {
	out := plainSheet{
		Instrument: sheet.GetInstrument(), Version: sheet.GetVersion(), Scores: map[string]plainScore{}, Critical: []plainCritical{},
	}
	for _, s := range sheet.GetScores() {
		out.Scores[s.GetCode()] = plainScore{
			rounded(s.Value), s.GetBand(), s.GetProrated(), s.GetNotScorable(), directionWord(s.GetDirection()), s.GetUnconfirmed(),
		}
	}
	for _, c := range sheet.GetCritical() {
		out.Critical = append(out.Critical, plainCritical{c.GetItem(), c.GetValue()})
	}
	for _, i := range sheet.GetIssues() {
		out.Issues = append(out.Issues, plainIssue{
			strings.ToLower(strings.TrimPrefix(i.GetSeverity().String(), "ISSUE_SEVERITY_")), i.GetCode(), i.GetExpression(), i.GetText(),
		})
	}
	return out
}

// rounded is a value to three decimals, as the vectors have it.
func rounded(value *float64) *float64 {
	if value == nil {
		return nil
	}
	return new(math.Round(*value*1000) / 1000)
}

func directionWord(d rapportv1.Direction) string {
	return strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(d.String(), "DIRECTION_")), "_", "-")
}

// instrumentsCmd lists the instruments.
type instrumentsCmd struct {
	Show instrumentsShowCmd `cmd:"" default:"withargs" help:"List the instruments, or show one as its scoring sheet."`
	Lint instrumentsLintCmd `cmd:"" help:"Check packs, FHIR Questionnaires, overlays and source maps."`
}

// instrumentsFlag is the folder of a clinic.
type instrumentsFlag struct {
	Instruments string `placeholder:"DIR" help:"Folder of instruments, FHIR Questionnaires, overlays and source maps that are added to what ships." env:"RAPPORT_INSTRUMENTS"`
}

// instrumentsShowCmd lists the instruments, or shows one.
type instrumentsShowCmd struct {
	outputFlag
	instrumentsFlag
	ID string `arg:"" optional:"" help:"Show this one as its scoring sheet."`
}

// Help shows examples.
func (instrumentsShowCmd) Help() string {
	return "Examples:\n  rapport instruments\n  rapport instruments phq-9\n  rapport instruments wai-sr -o json"
}

// Run lists, or shows one.
func (c instrumentsShowCmd) Run(s streams) error {
	registry, err := catalogue.Open(c.Instruments)
	if err != nil {
		return err
	}
	if c.ID != "" {
		definition, err := registry.Lookup(c.ID)
		if err != nil {
			return fmt.Errorf("no instrument is called %q: `rapport instruments` lists them", c.ID)
		}
		return c.show(s, definition)
	}
	if c.json() {
		for _, d := range registry.All() {
			if err := json.NewEncoder(s.out).Encode(d); err != nil {
				return err
			}
		}
		return nil
	}
	w := tabwriter.NewWriter(s.out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tVERSION\tCONSTRUCT\tITEMS\tSCORES\tTITLE")
	for _, d := range registry.All() {
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\t%s\n", d.ID, d.Version, d.Construct, len(d.Items), len(d.Scores), d.Title)
	}
	return w.Flush()
}
