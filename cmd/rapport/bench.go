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

// benchCmd measures a server, or kills one.
type benchCmd struct {
	Run    benchRunCmd    `cmd:"" default:"withargs" help:"Measure load beside the floor of this machine (this is what bench alone does)."`
	Alerts benchAlertsCmd `cmd:"" help:"Time alerts from their commit to many watchers, and a long replay."`
	Mixed  benchMixedCmd  `cmd:"" help:"Mix ingest, searches, exports and subscribers for a long time, and see that memory stays flat."`
	Chaos  benchChaosCmd  `cmd:"" help:"Kill the server under load at random, and count what is lost, doubled or left out."`
}

// benchRunCmd measures.
type benchRunCmd struct {
	outputFlag
	Store    string  `enum:"both,postgres,sqlite" default:"both" env:"-" help:"both, postgres or sqlite (${default})."`
	Seconds  float64 `default:"5" env:"-" help:"How long each load lasts (${default})."`
	Quick    bool    `env:"-" help:"One second a load."`
	Patients int     `default:"2000" env:"-" help:"Synthetic patients that answer in turn (${default})."`
	Markdown string  `placeholder:"FILE" env:"-" help:"Write the tables of the README there, too."`
	Profile  string  `placeholder:"DIR" env:"-" help:"Write processor profiles of the server there, one per load."`
}

// Help shows examples.
func (benchRunCmd) Help() string {
	return `Examples:
  rapport bench
  rapport bench --store sqlite --quick
  rapport bench --seconds 10 --markdown bench.md -o json

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
		Binary: binary, Stores: stores(c.Store), Slice: time.Duration(c.Seconds * float64(time.Second)), Patients: c.Patients, Profiles: c.Profile, Progress: s.err,
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

// benchAlertsCmd times alerts.
type benchAlertsCmd struct {
	outputFlag
	Store    string  `enum:"both,postgres,sqlite" default:"both" env:"-" help:"both, postgres or sqlite (${default})."`
	Watchers int     `default:"1000" env:"-" help:"Watchers over gRPC, each with a connection (${default})."`
	Teams    int     `default:"100" env:"-" help:"Care teams that the watchers belong to (${default})."`
	Rate     float64 `default:"200" env:"-" help:"Alerts per second (${default})."`
	Seconds  float64 `default:"10" env:"-" help:"How long each load lasts (${default})."`
	Replay   int     `default:"1000000" env:"-" help:"Events that one follower reads from the beginning; 0 leaves that out (${default})."`
}

// Help shows examples.
func (benchAlertsCmd) Help() string {
	return `Examples:
  rapport bench alerts
  rapport bench alerts --store sqlite --watchers 200 --teams 20 --replay 0

Watchers follow the feeds of their own teams, and then all the same feed, while submissions raise alerts at a constant
rate. The time is that from the server's stamp, just before the alert's transaction is flushed, to every single watcher.
Watchers, senders, server and databases share this machine.`
}

// Run measures and prints.
func (c benchAlertsCmd) Run(ctx context.Context, s streams) error {
	binary, err := thisBinary()
	if err != nil {
		return err
	}
	config := bench.AlertsConfig{
		Binary: binary, Stores: stores(c.Store), Watchers: c.Watchers, Teams: c.Teams, Rate: c.Rate,
		Lasting: time.Duration(c.Seconds * float64(time.Second)), Replay: c.Replay, Progress: s.err,
	}
	if err := config.Validate(); err != nil {
		return usageError{err}
	}
	report, err := bench.Alerts(ctx, config)
	if err != nil {
		return err
	}
	if c.json() {
		return writeJSON(s.out, report)
	}
	return report.Text(s.out)
}

// benchMixedCmd mixes.
type benchMixedCmd struct {
	outputFlag
	Store       string        `enum:"both,postgres,sqlite" default:"both" env:"-" help:"both, postgres or sqlite (${default})."`
	For         time.Duration `default:"30m" env:"-" help:"How long the load is kept up (${default})."`
	Share       float64       `default:"0.7" env:"-" help:"Share of the capacity that is sent (${default})."`
	Probe       time.Duration `default:"1m" env:"-" help:"How long the capacity is measured (${default})."`
	Every       time.Duration `default:"1m" env:"-" help:"How often it says how it stands (${default})."`
	Clients     int           `default:"16" env:"-" help:"Clients that measure the capacity (${default})."`
	Patients    int           `default:"10000" env:"-" help:"Synthetic patients that answer in turn (${default})."`
	Before      int           `default:"12" env:"-" help:"Responses of each patient that are there before (${default})."`
	Profile     string        `placeholder:"DIR" env:"-" help:"Write a processor profile of the server there."`
	Subscribers int           `default:"20" env:"-" help:"Subscribers over gRPC, each with a connection (${default})."`
}

// Help shows examples.
func (benchMixedCmd) Help() string {
	return `Examples:
  rapport bench mixed
  rapport bench mixed --store sqlite --for 2m --probe 20s --every 20s

Half of the requests are PHQ-9 responses (gRPC and FHIR REST), the other half are FHIR searches, by patient, category and
date and over several pages, and reads. Meanwhile one Bulk export follows another: what has come since the last one, and
all of twenty patients, in turn, so that none grows with the run. Subscribers check the numbers of what they get.
Each patient has a history before it begins. First all clients send without a pause, which gives the capacity for this mix; then a share of it is sent at a constant
rate, whether or not the server keeps up, and latencies count from when a request was due.
Memory counts as flat when the server holds at most 10 % more in the last third of the run than in the second, by the
medians; the first is for warming up. The exit code is 0 when that is so, nothing failed, was left out or doubled, and the rate was kept.`
}

// Run mixes and prints.
func (c benchMixedCmd) Run(ctx context.Context, s streams) error {
	binary, err := thisBinary()
	if err != nil {
		return err
	}
	config := bench.MixedConfig{
		Binary: binary, Stores: stores(c.Store), Probe: c.Probe, Lasting: c.For, Share: c.Share, Every: c.Every,
		Clients: c.Clients, Patients: c.Patients, Before: c.Before, Subscribers: c.Subscribers, Profiles: c.Profile, Progress: s.err,
	}
	if err := config.Validate(); err != nil {
		return usageError{err}
	}
	report, err := bench.Mixed(ctx, config)
	if err == nil && c.json() {
		err = writeJSON(s.out, report)
	} else if err == nil {
		err = report.Text(s.out)
	}
	if err == nil && !report.Good() {
		err = errSaid
	}
	return err
}

// benchChaosCmd kills.
type benchChaosCmd struct {
	outputFlag
	Store    string `enum:"both,postgres,sqlite" default:"both" env:"-" help:"both, postgres or sqlite (${default})."`
	Kills    int    `default:"20" env:"-" help:"How often a server is killed on each store (${default})."`
	Servers  int    `default:"2" env:"-" help:"Servers on one PostgreSQL, 1 or 2 (${default}); on SQLite there is one."`
	Events   int    `default:"0" env:"-" help:"Events that there must be at the end, at least; the kills are spread over them (${default})."`
	Seed     uint64 `env:"-" help:"Seed of every choice; 0 takes one from the clock."`
	Patients int    `default:"600" env:"-" help:"Synthetic patients (${default})."`
}

// Help shows examples.
func (benchChaosCmd) Help() string {
	return `Examples:
  rapport bench chaos
  rapport bench chaos --kills 4 --store sqlite --seed 7
  rapport bench chaos --kills 25 --events 200000 --store postgres

It puts this binary's servers under load and ends one of them by kill -9 at random moments, again and again, on private
PostgreSQL and Redis servers. Redis is emptied once and killed once; from 10 kills on both happen five times, and
PostgreSQL is killed twice. Subscribers end and come back at random. Clients send again what was not acknowledged. At the end it holds what was acknowledged against what the database, the streams and the
subscribers have, and verifies the database. The exit code is 0 when nothing is lost, doubled or left out.`
}

// Run kills and counts.
func (c benchChaosCmd) Run(ctx context.Context, s streams) error {
	binary, err := thisBinary()
	if err != nil {
		return err
	}
	if c.Seed == 0 {
		c.Seed = uint64(time.Now().UnixNano())
	}
	fmt.Fprintln(s.err, "seed", c.Seed)
	_, missing := exec.LookPath("redis-server")
	config := bench.ChaosConfig{
		Binary: binary, Verify: func(store string) *exec.Cmd { return binary("verify", "--store", store) },
		Stores: stores(c.Store), Kills: c.Kills, Servers: c.Servers, Events: c.Events, Seed: c.Seed, Patients: c.Patients,
		Redis: missing == nil || c.Store != bench.SQLite, Progress: s.err,
	}
	if err := config.Validate(); err != nil {
		return usageError{err}
	}
	ordeals, err := bench.Chaos(ctx, config)
	if err == nil && c.json() {
		err = writeJSON(s.out, ordeals)
	} else if err == nil {
		err = bench.ChaosText(s.out, ordeals)
	}
	if err != nil {
		return err
	}
	for i := range ordeals {
		if !ordeals[i].Good() {
			return errSaid
		}
	}
	return nil
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
