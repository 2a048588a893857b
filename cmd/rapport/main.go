// Command rapport is the one binary: serve, demo, ingest, score, watch and the rest.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

// version is set at build time.
var version = "dev"

// The exit codes of every command.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

// cli is every command with its flags.
type cli struct {
	Demo        demoCmd        `cmd:"" help:"Run a small synthetic clinic end to end, on embedded defaults."`
	Serve       serveCmd       `cmd:"" help:"Run the server."`
	Ingest      ingestCmd      `cmd:"" help:"Send FHIR JSON files to a server."`
	Score       scoreCmd       `cmd:"" help:"Score responses without storing them."`
	Instruments instrumentsCmd `cmd:"" help:"List the instruments, or show one as its scoring sheet."`
	Watch       watchCmd       `cmd:"" help:"Follow feeds."`
	Alerts      alertsCmd      `cmd:"" help:"List, show, acknowledge and resolve alerts."`
	Explain     explainCmd     `cmd:"" help:"Show how a patient is going, and why."`
	Unscored    unscoredCmd    `cmd:"" help:"List what was stored but could not be used."`
	Bench       benchCmd       `cmd:"" help:"Measure, or kill and count (bench chaos)."`
	Verify      verifyCmd      `cmd:"" help:"Check a database's own invariants."`
	Migrate     migrateCmd     `cmd:"" help:"Bring a database to this binary's schema."`
	Token       tokenCmd       `cmd:"" help:"Make a bearer token and the line that lets it in."`
	Health      healthCmd      `cmd:"" help:"Ask a server whether it serves; for container health checks."`
	Version     versionCmd     `cmd:"" help:"Print the version."`
}

// streams are where a command reads and writes.
type streams struct {
	in       io.Reader
	out, err io.Writer
	// terminal says whether err is watched by a person.
	terminal bool
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr, isTerminal(os.Stderr)})
	stop()
	os.Exit(code)
}

// run parses and runs one command and returns its exit code.
func run(ctx context.Context, args []string, s streams) (code int) {
	var c cli
	exited := -1
	parser, err := kong.New(&c,
		kong.Name("rapport"),
		kong.Description("Outcomes for rehabilitation and advanced primary care: scores, what changed, and who should know."),
		kong.DefaultEnvars("RAPPORT"),
		kong.UsageOnError(),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
		kong.Writers(s.out, s.err),
		kong.Exit(func(code int) { exited = code; panic(exit{}) }),
		kong.Configuration(configLoader),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(s),
	)
	if err != nil {
		fmt.Fprintln(s.err, "rapport:", err)
		return exitFailed
	}
	defer func() {
		if v := recover(); v != nil {
			if _, ok := v.(exit); !ok {
				panic(v)
			}
			code = exited
		}
	}()
	parsed, err := parser.Parse(args)
	if err != nil {
		return wrongUsage(s, err)
	}
	if err := parsed.Run(); err != nil {
		return failed(s, err)
	}
	return exitDone
}

// exit unwinds to run when kong wants to end the process, such as after --help.
type exit struct{}

func wrongUsage(s streams, err error) int {
	fmt.Fprintln(s.err, "rapport:", err)
	var parse *kong.ParseError
	if errors.As(err, &parse) && parse.Context != nil {
		fmt.Fprintf(s.err, "Run `%s --help` for what it takes.\n", commandOf(parse.Context))
	}
	return exitUsage
}

func commandOf(c *kong.Context) string {
	name := "rapport"
	if node := c.Selected(); node != nil {
		return node.FullPath()
	}
	return name
}

// usageError is wrong usage found after parsing.
type usageError struct{ error }

func failed(s streams, err error) int {
	var usage usageError
	if errors.As(err, &usage) {
		fmt.Fprintln(s.err, "rapport:", err)
		return exitUsage
	}
	if !errors.Is(err, errSaid) {
		fmt.Fprintln(s.err, "rapport:", describe(err))
	}
	return exitFailed
}

// errSaid is a failure that the command has already told of.
var errSaid = errors.New("failed")

// versionCmd prints the version.
type versionCmd struct {
	outputFlag
}

// Run prints.
func (v versionCmd) Run(s streams) error {
	if v.json() {
		_, err := fmt.Fprintf(s.out, "{%q:%q}\n", "version", version)
		return err
	}
	_, err := fmt.Fprintln(s.out, "rapport", version)
	return err
}
