package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/rapport-health/rapport/services/catalogue"
	"github.com/rapport-health/rapport/services/rehearse"
	"github.com/rapport-health/rapport/services/rules"
	"github.com/rapport-health/rapport/services/simulate"
)

// maxSeeds bounds how many clinics one report plays.
const maxSeeds = 1000

// report plays the clinics of --report.
func (c simulateCmd) report(ctx context.Context, s streams, clinic simulate.Clinic) error {
	clinics, err := c.clinics(clinic)
	if err != nil {
		return usageError{err}
	}
	tried, err := rules.Read(c.Rules)
	if err != nil {
		return err
	}
	loaded, err := catalogue.Builtin()
	if err != nil {
		return err
	}
	config := rehearse.Config{
		Clinics: clinics, Rules: tried.Rules, Policy: tried.Policy, Handled: time.Duration(c.Handled) * 24 * time.Hour, Catalogue: loaded,
		Log: slog.New(slog.NewTextHandler(s.err, &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
	drawn := time.Now()
	if s.terminal {
		config.Played = func(patients int) {
			if time.Since(drawn) >= drawEvery {
				drawn = time.Now()
				fmt.Fprintf(s.err, "\r%s\x1b[K", bar(int64(patients), int64(max(1, len(clinics)*clinic.Patients))))
			}
		}
	}
	report, err := rehearse.Run(ctx, config)
	if s.terminal {
		fmt.Fprint(s.err, "\r\x1b[K")
	}
	switch {
	case ctx.Err() != nil:
		return errors.New("stopped before the end")
	case err != nil:
		return err
	case c.json():
		return writeJSON(s.out, report)
	}
	return report.Text(s.out)
}

// clinics is one for each seed.
func (c simulateCmd) clinics(clinic simulate.Clinic) ([]simulate.Clinic, error) {
	if c.Seeds == "" {
		return []simulate.Clinic{clinic}, nil
	}
	first, last, ranged := strings.Cut(c.Seeds, "-")
	if !ranged {
		last = first
	}
	from, err := strconv.ParseUint(first, 10, 64)
	to, errTo := strconv.ParseUint(last, 10, 64)
	if err != nil || errTo != nil || from > to || to-from >= maxSeeds {
		return nil, fmt.Errorf("--seeds %q: want a range of at most %d, such as 101-110", c.Seeds, maxSeeds)
	}
	clinics := make([]simulate.Clinic, 0, to-from+1)
	for seed := from; ; seed++ {
		clinic.Seed = seed
		if clinics = append(clinics, clinic); seed == to {
			return clinics, nil
		}
	}
}
