package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/rapport-health/rapport/services/simulate"
)

// simulateCmd makes a synthetic clinic whose truth is known: into files, to a server, or under the rules.
type simulateCmd struct {
	connection
	outputFlag
	Patients int    `default:"150" env:"-" help:"Patients of the clinic, up to a million (${default})."`
	Weeks    int    `default:"12" env:"-" help:"Weeks it is watched (${default})."`
	Seed     uint64 `default:"1" env:"-" help:"Another seed is another clinic (${default})."`
	Start    string `default:"2026-01-05" env:"-" placeholder:"DATE" help:"Day on which it opens (${default})."`
	Out      string `env:"-" placeholder:"DIR" help:"Write one NDJSON file per sending system there, and truth.ndjson."`
	Target   string `env:"-" placeholder:"HOST:PORT" help:"Send it to this server, over the ingest stream."`
	Report   bool   `env:"-" help:"Run the rules over it in this process and say what they found, and what not."`
	Rules    string `env:"-" placeholder:"FILE" help:"With --report: lay these rules over the default set."`
	Handled  int    `env:"-" placeholder:"DAYS" help:"With --report: resolve each alert so many days after it was told; without it none is."`
	Seeds    string `env:"-" placeholder:"FROM-TO" help:"With --report: one clinic for each of these seeds, such as 101-110."`
}

// Help says what it is for.
func (simulateCmd) Help() string {
	return `Makes a synthetic rehabilitation clinic: who ruptures and is repaired or not, fades out, flaps around a cut-off,
worsens, pauses by choice or never answers is known, patient by patient. The same flags always make the same bytes.
--out writes ehr.ndjson, pro.ndjson and annex.ndjson, one for each sending system, and truth.ndjson with a line per
patient. --target sends the same to a server; what lies more than 30 days back is history there and raises no alert,
so choose --start. --report needs neither: it plays the clinic in order of arrival, with the clock, through the code
that the server runs, and holds the alerts against the truth, beside fixed thresholds on the same data.

Examples:
  rapport simulate --patients 1000 --weeks 26 --out clinic/
  rapport ingest --source ehr clinic/ehr.ndjson
  rapport simulate --patients 300 --start 2026-09-07 --target 127.0.0.1:7401
  rapport simulate --report --patients 300 --seeds 101-110`
}

// Run does what was asked for.
func (c simulateCmd) Run(ctx context.Context, s streams) error {
	clinic, err := c.clinic()
	if err != nil {
		return usageError{err}
	}
	switch asked := [...]bool{c.Out != "", c.Target != "", c.Report}; asked {
	case [...]bool{true, false, false}:
		return c.write(ctx, s, clinic)
	case [...]bool{false, true, false}:
		return c.send(ctx, s, clinic)
	case [...]bool{false, false, true}:
		return c.report(ctx, s, clinic)
	}
	return usageError{errors.New("give one of --out DIR, --target HOST:PORT and --report")}
}

func (c simulateCmd) clinic() (simulate.Clinic, error) {
	clinic := simulate.Default()
	clinic.Patients, clinic.Weeks, clinic.Seed, clinic.Lifelike = c.Patients, c.Weeks, c.Seed, true
	start, err := time.ParseInLocation(time.DateOnly, c.Start, clinic.Start.Location())
	if err != nil {
		return clinic, fmt.Errorf("--start %q: want a date, such as 2026-01-05", c.Start)
	}
	clinic.Start = start
	if !c.Report && (c.Rules != "" || c.Seeds != "") {
		return clinic, errors.New("--rules and --seeds go with --report")
	}
	if c.Report && (c.Patients == 0 || c.Weeks == 0) {
		return clinic, errors.New("--report wants at least one patient and one week")
	}
	if _, _, err := net.SplitHostPort(c.Target); c.Target != "" && err != nil {
		return clinic, fmt.Errorf("--target %q: want host:port, such as 127.0.0.1:7401", c.Target)
	}
	return clinic, clinic.Validate()
}
