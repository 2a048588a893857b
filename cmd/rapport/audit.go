package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/rapport-health/rapport/services/domain/audit"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/server"
)

// auditCmd reads and checks the audit.
type auditCmd struct {
	List   auditListCmd   `cmd:"" help:"List who saw what, newest first."`
	Verify auditVerifyCmd `cmd:"" help:"Check that nobody has changed the audit."`
}

// Help says what it is.
func (auditCmd) Help() string {
	return "Every access and every refusal leaves a record; each record's hash covers the one before."
}

// auditListCmd lists records.
type auditListCmd struct {
	storeFlag
	masterFlag
	outputFlag
	Tenant  string    `default:"default" help:"Tenant whose data it was (${default}); empty for callers who were not known."`
	Patient string    `help:"Only what touched this patient's data." placeholder:"ID" env:"-"`
	Since   time.Time `help:"Only what happened at or after this time (RFC 3339)." placeholder:"TIME" env:"-"`
	Until   time.Time `help:"Only what happened before this time (RFC 3339)." placeholder:"TIME" env:"-"`
	Max     int       `default:"100" help:"At most so many; 0 for all (${default})." env:"-"`
}

// Help shows examples.
func (auditListCmd) Help() string {
	return `Examples:
  rapport audit list --patient p1
  rapport audit list --since 2026-03-01T00:00:00Z --max 0 -o json`
}

// Run lists.
func (c auditListCmd) Run(ctx context.Context, s streams) error {
	return withRecords(ctx, c.Store, func(r server.Records) error {
		q := audit.Query{Patient: ref.Patient(strings.TrimPrefix(c.Patient, "Patient/")), From: c.Since, To: c.Until}
		table := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
		if !c.json() {
			fmt.Fprintln(table, "NUMBER\tTIME\tCLIENT\tPERSON\tPURPOSE\tWHAT\tENDED\tPATIENTS")
		}
		for shown := 0; c.Max == 0 || shown < c.Max; {
			q.Max = 500
			if c.Max > 0 {
				q.Max = min(500, c.Max-shown)
			}
			found, err := r.FindAudit(ctx, ref.Tenant(c.Tenant), q)
			if err != nil {
				return err
			}
			for _, one := range found {
				if err := c.line(table, s.out, one); err != nil {
					return err
				}
			}
			if len(found) < q.Max {
				break
			}
			shown += len(found)
			q.Before = found[len(found)-1].Seq
		}
		return table.Flush()
	}, c.MasterKey)
}

func (c auditListCmd) line(table, out io.Writer, r audit.Record) error {
	if c.json() {
		return json.NewEncoder(out).Encode(server.AuditLine(r))
	}
	e, err := r.Entry()
	if err != nil {
		return err
	}
	var patients []string
	for _, p := range e.Patients {
		patients = append(patients, string(p))
	}
	if len(patients) > 3 {
		patients = append(patients[:3], fmt.Sprintf("and %d more", len(e.Patients)-3))
	}
	purpose := e.Purpose
	if e.Broken != "" {
		purpose += " (glass broken: " + e.Broken + ")"
	}
	_, err = fmt.Fprintf(table, "%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.Seq, e.At.Format(time.RFC3339), e.Client, e.Person, purpose, e.Method,
		e.Status, strings.Join(patients, " "))
	return err
}

// auditVerifyCmd checks the chains.
type auditVerifyCmd struct {
	storeFlag
	masterFlag
	outputFlag
	Against string `type:"existingfile" help:"Compare with what serve wrote to its --audit-file as well: who rewrites the whole database cannot rewrite that." placeholder:"FILE" env:"-"`
}

// Help shows examples.
func (auditVerifyCmd) Help() string {
	return `Reads every record of every tenant and checks its number and hash. Exit code 1 when one was changed, taken out or put in.

Examples:
  rapport audit verify
  rapport audit verify --against /var/log/rapport/audit.ndjson`
}

// Run checks.
func (c auditVerifyCmd) Run(ctx context.Context, s streams) error {
	var lines io.Reader = strings.NewReader("")
	if c.Against != "" {
		f, err := os.Open(c.Against)
		if err != nil {
			return err
		}
		defer f.Close()
		lines = bufio.NewReader(f)
	}
	return withRecords(ctx, c.Store, func(r server.Records) error {
		report, err := server.VerifyAudit(ctx, r, lines)
		if err != nil {
			return err
		}
		if c.json() {
			if err := json.NewEncoder(s.out).Encode(report); err != nil {
				return err
			}
		} else {
			fmt.Fprintf(s.out, "%s of %s\n", plural(report.Records, "record"), plural(report.Chains, "chain"))
			for _, p := range report.Problems {
				fmt.Fprintln(s.out, " ", p)
			}
			if len(report.Problems) == 0 {
				fmt.Fprintln(s.out, "Nobody has changed the audit.")
			}
		}
		if len(report.Problems) > 0 {
			return errSaid
		}
		return nil
	}, c.MasterKey)
}
