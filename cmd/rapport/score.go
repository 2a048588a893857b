package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/alecthomas/kong"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/scoring"
	"github.com/rapport-health/rapport/services/server"
)

// scoreCmd scores without a server and without storing.
type scoreCmd struct {
	Output     string  `short:"o" name:"output" enum:"auto,text,json" default:"auto" help:"text, json (one object per response), or auto: text on a terminal, json elsewhere (${default})." placeholder:"FORM" env:"-"`
	Instrument string  `help:"Instrument of --answers, --change and --series, such as wai-sr." placeholder:"ID" env:"-"`
	Answers    listing `help:"Ordinals as printed, in the order of the form, - for unanswered: 4,4,5,-,5." placeholder:"LIST" env:"-"`
	Variant    string  `help:"Numbering of --answers, where the instrument knows another one, such as 0-4." placeholder:"CODE" env:"-"`
	Explain    bool    `help:"Show how each score came about: answers, reversal, missing rule, table row, evidence." env:"-"`
	Score      string  `help:"Score of --change and --series, such as total." placeholder:"CODE" env:"-"`
	Change     pair    `help:"Judge the change from one value of --score to another." placeholder:"FROM TO" env:"-"`
	SE         pair    `name:"se" help:"Standard errors of the two values of --change, where the table is not to give them." placeholder:"FROM TO" env:"-"`
	Series     listing `help:"Ratings of one alliance, session by session, - for unrated: what the rupture detector makes of them." placeholder:"LIST" env:"-"`
	Source     string  `default:"ehr" help:"Source whose map of --instruments is applied (${default})." placeholder:"NAME" env:"-"`
	instrumentsFlag
	Files []string `arg:"" optional:"" help:"QuestionnaireResponse JSON or NDJSON, folders of them, or - for standard input."`
}

// Help shows examples.
func (scoreCmd) Help() string {
	return `Examples:
  rapport score response.json
  rapport score - < responses.ndjson
  rapport score --instrument phq-9 --answers 2,2,-,2,1,1,2,0,1 --explain
  rapport score --instrument phq-9 --score total --change 16 9
  rapport score --instrument wai-sr --score total-mean --series 4.2,4.3,-,4.2,3.4`
}

// Run scores.
func (c scoreCmd) Run(ctx context.Context, s streams) error {
	if err := c.check(); err != nil {
		return usageError{err}
	}
	room, err := server.Scoring(c.Instruments)
	if err != nil {
		return err
	}
	switch {
	case c.Change.given:
		return c.judge(s, room)
	case c.Series.given:
		return c.follow(s, room)
	case len(c.Files) > 0:
		return c.files(ctx, s, room)
	}
	sheet, err := room.Answers(scoring.Answered{Instrument: c.Instrument, Ordinals: c.Answers.numbers, Variant: c.Variant}, c.Explain)
	if err != nil {
		return err
	}
	return c.print(s, sheet)
}

// check says which flags do not go together.
func (c scoreCmd) check() error {
	asked := asking(map[string]bool{
		"a file": len(c.Files) > 0, "--answers": c.Answers.given, "--change": c.Change.given, "--series": c.Series.given,
	})
	switch {
	case len(asked) == 0:
		return fmt.Errorf("give a file, or --instrument with --answers, --change or --series")
	case len(asked) > 1:
		return fmt.Errorf("%s do not go together: give one of them", strings.Join(asked, " and "))
	}
	what := asked[0]
	for _, rule := range []struct {
		flag     string
		given    bool
		required bool
		allowed  string
	}{
		{"--instrument", c.Instrument != "", what != "a file", "--answers --change --series"},
		{"--score", c.Score != "", what == "--change" || what == "--series", "--change --series"},
		{"--variant", c.Variant != "", false, "--answers"},
		{"--explain", c.Explain, false, "a file --answers"},
		{"--se", c.SE.given, false, "--change"},
	} {
		switch {
		case rule.required && !rule.given:
			return fmt.Errorf("%s needs %s", what, rule.flag)
		case rule.given && !strings.Contains(rule.allowed, what):
			return fmt.Errorf("%s does not go with %s", rule.flag, what)
		}
	}
	return nil
}

// asking are the names that are true, in order.
func asking(names map[string]bool) (asked []string) {
	for _, name := range []string{"a file", "--answers", "--change", "--series"} {
		if names[name] {
			asked = append(asked, name)
		}
	}
	return asked
}

// files scores every response of the files. What cannot be scored is told, and the next one follows.
func (c scoreCmd) files(ctx context.Context, s streams, room *scoring.Server) error {
	failed := false
	in := &inputs{stdin: s.in}
	if err := in.open(c.Files); err != nil {
		return err
	}
	for i, err := range in.items(ctx) {
		if err != nil {
			failed = true
			fmt.Fprintln(s.err, "rapport:", err)
			continue
		}
		sheet, err := room.Response(ctx, scoring.Sent{Source: ref.Source(c.Source), Body: i.body}, c.Explain)
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

func (c scoreCmd) json(s streams) bool { return c.Output == "json" || c.Output == "auto" && !s.screen }

func (c scoreCmd) print(s streams, sheet *rapportv1.ScoreSheet) error {
	if c.json(s) {
		return json.NewEncoder(s.out).Encode(plain(sheet, c.Explain))
	}
	writeSheet(s.out, sheet)
	if c.Explain {
		writeWorkings(s.out, sheet)
	}
	return nil
}

// listing is a flag like `4,4,-,5`, in which - stands for none. It may begin with - or with a negative number.
type listing struct {
	numbers []*float64
	given   bool
}

// Decode reads the flag's value. A place left empty, and the null of JSON, are like a dash.
func (l *listing) Decode(ctx *kong.DecodeContext) error {
	text, err := oneValue(ctx, "a list such as 4,4,-,5")
	if err != nil {
		return err
	}
	l.given, l.numbers = true, nil
	for n, field := range strings.Split(text, ",") {
		field = strings.TrimSpace(field)
		if field == "-" || field == "" || field == "null" {
			l.numbers = append(l.numbers, nil)
			continue
		}
		value, ok := finite(field)
		if !ok {
			return fmt.Errorf("number %d is %q, not a number or -", n+1, field)
		}
		l.numbers = append(l.numbers, &value)
	}
	return nil
}

// pair is a flag with two numbers behind it, which may be negative.
type pair struct {
	from, to float64
	given    bool
}

// Decode reads the flag's two values.
func (p *pair) Decode(ctx *kong.DecodeContext) error {
	for _, into := range []*float64{&p.from, &p.to} {
		text, err := oneValue(ctx, "two numbers, FROM and TO")
		if err != nil {
			return err
		}
		value, ok := finite(text)
		if !ok {
			return fmt.Errorf("wants two numbers, FROM and TO: %q is none", text)
		}
		*into = value
	}
	p.given = true
	return nil
}

// oneValue takes the next word of the command line, which kong itself would take for a flag when it begins with a hyphen.
func oneValue(ctx *kong.DecodeContext, want string) (string, error) {
	token := ctx.Scan.Pop()
	text := token.String()
	if token.IsEOL() || strings.HasPrefix(text, "--") {
		return "", fmt.Errorf("wants %s", want)
	}
	return text, nil
}

func finite(text string) (float64, bool) {
	x, err := strconv.ParseFloat(text, 64)
	return x, err == nil && !math.IsNaN(x) && !math.IsInf(x, 0)
}
