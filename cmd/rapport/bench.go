package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"

	"github.com/rapport-health/rapport/services/bench"
)

// benchCmd measures a server.
type benchCmd struct {
	Run benchRunCmd `cmd:"" default:"withargs" help:"Measure load beside the floor of this machine (this is what bench alone does)."`
}

// benchRunCmd measures.
type benchRunCmd struct {
	outputFlag
	Store    string        `enum:"both,postgres,sqlite" default:"both" env:"-" help:"both, postgres or sqlite (${default})."`
	Seconds  time.Duration `default:"5s" env:"-" help:"How long each load lasts (${default})."`
	Quick    bool          `env:"-" help:"One second a load."`
	Patients int           `default:"2000" env:"-" help:"Synthetic patients that answer in turn (${default})."`
	Markdown string        `placeholder:"FILE" env:"-" help:"Write the tables of the README there, too."`
	Profile  string        `placeholder:"DIR" env:"-" help:"Write processor profiles of the server there, one per load."`
}

// Help shows examples.
func (benchRunCmd) Help() string {
	return `Examples:
  rapport bench
  rapport bench --store sqlite --quick
  rapport bench --seconds 10s --markdown bench.md -o json

It starts this binary's server in a process of its own, on private PostgreSQL and Redis servers in temporary folders
and on free loopback ports, and removes them afterwards. PostgreSQL 15+ and redis-server must be installed; on SQLite
alone nothing else is needed.`
}

// Run measures and prints.
func (c benchRunCmd) Run(ctx context.Context, s streams) error {
	binary, err := thisBinary()
	if err != nil {
		return err
	}
	config := bench.Config{
		Binary: binary, Stores: stores(c.Store), Slice: c.Seconds, Patients: c.Patients, Profiles: c.Profile, Progress: s.err,
	}
	if c.Quick {
		config.Slice = time.Second
	}
	if err := config.Validate(); err != nil {
		return usageError{err}
	}
	report, err := bench.Run(ctx, config)
	if err != nil {
		return err
	}
	if c.Markdown != "" {
		if err := writeFile(c.Markdown, report.Markdown); err != nil {
			return err
		}
	}
	if c.json() {
		return writeJSON(s.out, report)
	}
	return report.Text(s.out)
}

// thisBinary makes commands of the program that runs.
func thisBinary() (bench.Command, error) {
	path, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("the program cannot find itself: %w", err)
	}
	return func(args ...string) *exec.Cmd {
		cmd := exec.Command(path, args...)
		cmd.Env = bench.Environment(os.Environ())
		return cmd
	}, nil
}

func stores(name string) []string {
	if name == "both" {
		return []string{bench.Postgres, bench.SQLite}
	}
	return []string{name}
}

func writeJSON(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(v)
}

func writeFile(path string, write func(io.Writer) error) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}
