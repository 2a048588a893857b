package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/rapport-health/rapport/services/auth"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/server"
)

// storeFlag names a database.
type storeFlag struct {
	Store string `default:"sqlite:rapport.db" placeholder:"URL" help:"sqlite:PATH or postgres://… (${default})."`
}

// Validate refuses what names no database.
func (f storeFlag) Validate() error {
	config := server.Default()
	config.Store = f.Store
	return config.Validate()
}

// masterFlag names the master key of a sealed database.
type masterFlag struct {
	MasterKey string `name:"master-key" placeholder:"KEY" help:"Master key of a sealed database: file:PATH, env:NAME or exec:COMMAND."`
}

// check refuses what names no master key.
func (f masterFlag) check() error {
	config := server.Default()
	config.MasterKey = f.MasterKey
	if err := config.Validate(); err != nil {
		return usageError{err}
	}
	return nil
}

// verifyCmd checks a database.
type verifyCmd struct {
	storeFlag
	masterFlag
	outputFlag
}

// Help shows what is checked.
func (verifyCmd) Help() string {
	return `Checks what must be true of every database, reading only: feeds are numbered without a hole, every event of a
team's feed stands in the feed all, the stored state of every episode equals its facts folded from scratch, every
alert has the facts it rests on. Exit code 1 when anything is wrong.

Examples:
  rapport verify
  rapport verify --store postgres://rapport@localhost/rapport -o json`
}

// Run checks.
func (c verifyCmd) Run(ctx context.Context, s streams) error {
	if err := c.check(); err != nil {
		return err
	}
	progress, done := s.progress()
	report, err := server.Verify(ctx, c.Store, progress, c.MasterKey)
	done()
	if err != nil {
		return err
	}
	if c.json() {
		if err := json.NewEncoder(s.out).Encode(report); err != nil {
			return err
		}
	} else {
		printReport(s.out, report)
	}
	if len(report.Problems) > 0 {
		return errSaid
	}
	return nil
}

func printReport(w io.Writer, report *server.Report) {
	fmt.Fprintf(w, "%d tenants, %d feeds, %d events, %d episodes, %d facts, %d alerts\n",
		report.Tenants, report.Feeds, report.Events, report.Episodes, report.Facts, report.Alerts)
	for _, p := range report.Problems {
		fmt.Fprintln(w, " ", p)
	}
	if len(report.Problems) == 0 {
		fmt.Fprintln(w, "Everything is as it must be.")
	}
}

// migrateCmd brings a database to this binary's schema.
type migrateCmd struct {
	storeFlag
	outputFlag
}

// Help shows examples.
func (migrateCmd) Help() string {
	return "serve migrates by itself; this does it beforehand, such as in a release step.\n\nExample:\n  rapport migrate --store postgres://rapport@localhost/rapport"
}

// Run migrates.
func (c migrateCmd) Run(ctx context.Context, s streams) error {
	from, to, err := server.Migrate(ctx, c.Store)
	if err != nil {
		return err
	}
	if c.json() {
		_, err = fmt.Fprintf(s.out, "{\"from\":%d,\"to\":%d}\n", from, to)
		return err
	}
	if from == to {
		_, err = fmt.Fprintf(s.out, "The schema is at version %d already.\n", to)
		return err
	}
	_, err = fmt.Fprintf(s.out, "The schema went from version %d to %d.\n", from, to)
	return err
}

// tokenCmd makes a token.
type tokenCmd struct {
	outputFlag
	Name   string `arg:"" help:"Name of the client, for logs."`
	Tenant string `default:"default" help:"Tenant it may work in (${default})."`
	File   string `type:"path" help:"Append the line to this tokens file instead of printing it." placeholder:"FILE" env:"-"`
}

// Help shows an example.
func (tokenCmd) Help() string {
	return "The token is shown once; the file keeps only its digest.\n\nExample:\n  rapport token ehr-main --file tokens"
}

// Run prints.
func (c tokenCmd) Run(s streams) error {
	if !ref.ValidID(c.Name) || !ref.ValidID(c.Tenant) {
		return usageError{fmt.Errorf("name and tenant want 1 to 64 letters, digits, dots or hyphens")}
	}
	token, line := auth.NewToken(c.Name, ref.Tenant(c.Tenant))
	if c.File == "" {
		return c.print(s, token, line)
	}
	f, err := os.OpenFile(c.File, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(f, line); err != nil {
		_ = f.Close()
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return c.print(s, token, "")
}

// print shows the token, and the line when it stands in no file yet.
func (c tokenCmd) print(s streams, token, line string) error {
	if c.json() {
		return json.NewEncoder(s.out).Encode(struct {
			Token string `json:"token"`
			Line  string `json:"line,omitempty"`
		}{token, line})
	}
	if line == "" {
		_, err := fmt.Fprintln(s.out, token)
		return err
	}
	_, err := fmt.Fprintf(s.out, "token  %s\nline   %s\n", token, line)
	return err
}

// healthCmd asks a server whether it serves.
type healthCmd struct {
	connection
	outputFlag
	Within time.Duration `default:"3s" help:"How long to wait for the answer (${default})." env:"-"`
}

// Help shows examples.
func (healthCmd) Help() string {
	return `Exit code 0 when the server serves, 1 otherwise. It needs no token. Where serve has its certificate in RAPPORT_TLS_CERT,
health finds it there too.

Examples:
  rapport health
  rapport health --addr 127.0.0.1:7401 --tls-cert /run/secrets/tls_cert --within 1s`
}

// Run asks.
func (c healthCmd) Run(ctx context.Context, s streams) error {
	conn, err := c.dial()
	if err != nil {
		return err
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(ctx, c.Within)
	defer cancel()
	resp, err := grpc_health_v1.NewHealthClient(conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{})
	if err != nil {
		return err
	}
	if resp.GetStatus() != grpc_health_v1.HealthCheckResponse_SERVING {
		return fmt.Errorf("the server says %s", resp.GetStatus())
	}
	if c.json() {
		return json.NewEncoder(s.out).Encode(map[string]string{"status": "serving"})
	}
	_, err = fmt.Fprintln(s.out, "serving")
	return err
}
