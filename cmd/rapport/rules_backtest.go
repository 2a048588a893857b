package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/rehearse"
	"github.com/rapport-health/rapport/services/rules"
	"github.com/rapport-health/rapport/services/server"
)

// rulesBacktestCmd plays stored history through rules.
type rulesBacktestCmd struct {
	storeFlag
	masterFlag
	rulesFlag
	outputFlag
	Since   string `required:"" placeholder:"DATE" help:"Count alerts from this day on, such as 2026-01-05." env:"-"`
	Until   string `placeholder:"DATE" help:"Count alerts before this day; without it up to now." env:"-"`
	Against string `placeholder:"FILE" help:"Hold them against these rules instead of what is stored; 'default' is the default set." env:"-"`
	Tenant  string `default:"default" placeholder:"NAME" help:"Tenant whose history is played (${default})."`
	Live    bool   `help:"Play each fact as if it had been heard of when it happened, such as after history was loaded from elsewhere." env:"-"`
}

// Help shows examples.
func (rulesBacktestCmd) Help() string {
	return `Plays what is stored through the rules once more, reading only, and says of each rule what it would have raised, held back
and dropped, and how many alerts a week everybody would have been told. Facts are played as they are corrected today; what
people did with an alert is done again where the rules raise the same one. Budgets are left out: they are shared by all
patients of a team, and patients are played one by one.

Examples:
  rapport rules backtest --since 2026-01-05 --rules clinic.yaml
  rapport rules backtest --since 2026-01-05 --rules new.yaml --against clinic.yaml -o json`
}

// Run plays and prints.
func (c rulesBacktestCmd) Run(ctx context.Context, s streams) error {
	if err := c.check(); err != nil {
		return err
	}
	h, err := c.history()
	if err != nil {
		return err
	}
	drawn := time.Now()
	if s.terminal {
		h.Played = func(episodes int) {
			if time.Since(drawn) >= drawEvery {
				drawn = time.Now()
				fmt.Fprintf(s.err, "\r%d patients\x1b[K", episodes)
			}
		}
	}
	report, err := server.Backtest(ctx, c.Store, h, c.MasterKey)
	if s.terminal {
		fmt.Fprint(s.err, "\r\x1b[K")
	}
	switch {
	case ctx.Err() != nil:
		return errors.New("stopped before the end")
	case err != nil:
		return err
	case c.json():
		return json.NewEncoder(s.out).Encode(report)
	}
	return backtested(s.out, report)
}

func (c rulesBacktestCmd) history() (h rehearse.History, err error) {
	if !ref.ValidID(c.Tenant) {
		return h, usageError{fmt.Errorf("--tenant %q: want 1 to 64 letters, digits, dots or hyphens", c.Tenant)}
	}
	h = rehearse.History{Tenant: ref.Tenant(c.Tenant), Until: time.Now().UTC(), Live: c.Live}
	if h.Since, err = dayFlag("since", c.Since); err != nil {
		return h, err
	}
	if c.Until != "" {
		if h.Until, err = dayFlag("until", c.Until); err != nil {
			return h, err
		}
	}
	if !h.Since.Before(h.Until) {
		return h, usageError{errors.New("--since must lie before --until, and before now")}
	}
	if h.Try, err = book(c.Rules); err != nil {
		return h, err
	}
	if c.Against == "" {
		return h, nil
	}
	file := c.Against
	if file == "default" {
		file = ""
	}
	against, err := book(file)
	h.Against = &against
	return h, err
}

func dayFlag(flag, text string) (time.Time, error) {
	at, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return at, usageError{fmt.Errorf("--%s %q: want a date, such as 2026-01-05", flag, text)}
	}
	return at, nil
}

// book is a rule file, or the default set where it is empty.
func book(file string) (rehearse.Book, error) {
	set, err := rules.Read(file)
	if err != nil {
		return rehearse.Book{}, err
	}
	name := file
	if name == "" {
		name = "the default set"
	}
	return rehearse.Book{Name: name + ", version " + set.Version, Rules: set.Rules, Policy: set.Policy}, nil
}

// backtested prints a comparison.
func backtested(out io.Writer, c *rehearse.Comparison) error {
	fmt.Fprintf(out, "%d patients, %d facts; alerts from %s to %s.\n", c.Episodes, c.Facts, c.Since.Format(time.DateOnly), c.Until.Format(time.DateOnly))
	fmt.Fprintf(out, "tried    %s\nagainst  %s\n\n", c.Tried, c.Against)
	table := tabwriter.NewWriter(out, 0, 4, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "raised\tbefore\tadded\tdropped\theld back\tbefore\t\tRULE\t")
	for _, r := range c.Rules {
		if quiet(r.Now) && quiet(r.Then) {
			continue
		}
		fmt.Fprintf(table, "%d\t%d\t%d\t%d\t%d\t%d\t\t%s\t\n", r.Now.Raised, r.Then.Raised, r.Added, r.Dropped, held(r.Now), held(r.Then), r.Rule)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	heldBack(out, c.Rules)
	fmt.Fprintf(out, "\n")
	table = tabwriter.NewWriter(out, 0, 4, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "alerts a week\tbefore\tbusiest week\tbefore\t\tTOLD\t")
	for _, v := range c.Volumes {
		fmt.Fprintf(table, "%.1f\t%.1f\t%d\t%d\t\t%s\t\n", v.Now.PerWeek, v.Then.PerWeek, v.Now.Busiest, v.Then.Busiest, v.Role+v.Person)
	}
	return table.Flush()
}

func quiet(c rehearse.Count) bool { return c.Raised == 0 && held(c) == 0 && c.Retracted == 0 }

func held(c rehearse.Count) int {
	n := c.Waiting
	for _, count := range c.Suppressed {
		n += count
	}
	return n
}

// heldBack says why findings were held back with the rules that are tried.
func heldBack(out io.Writer, of []rehearse.Ruled) {
	var lines []string
	for _, r := range of {
		var said []string
		for _, reason := range slices.Sorted(maps.Keys(r.Now.Suppressed)) {
			said = append(said, fmt.Sprintf("%s %d", reason, r.Now.Suppressed[reason]))
		}
		if r.Now.Waiting > 0 {
			said = append(said, fmt.Sprintf("waiting %d", r.Now.Waiting))
		}
		if len(said) > 0 {
			lines = append(lines, fmt.Sprintf("  %-26s %s\n", r.Rule, strings.Join(said, ", ")))
		}
	}
	if len(lines) > 0 {
		fmt.Fprintf(out, "\nheld back, because\n%s", strings.Join(lines, ""))
	}
}
