// Command rapport is the one binary: serve, demo, ingest, score, watch and the rest.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/rapport-health/rapport/services/domain/fault"
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
	Demo          demoCmd          `cmd:"" help:"Run a small synthetic clinic end to end, on embedded defaults."`
	Serve         serveCmd         `cmd:"" help:"Run the server."`
	Ingest        ingestCmd        `cmd:"" help:"Send FHIR JSON files to a server."`
	Score         scoreCmd         `cmd:"" help:"Score responses without storing them."`
	Instruments   instrumentsCmd   `cmd:"" help:"List the instruments, or show one as its scoring sheet."`
	Watch         watchCmd         `cmd:"" help:"Follow feeds."`
	Deadletter    deadletterCmd    `cmd:"" help:"List, show and give back entries that a Redis consumer group gave up."`
	Alerts        alertsCmd        `cmd:"" help:"List, show, acknowledge and resolve alerts."`
	Subscriptions subscriptionsCmd `cmd:"" help:"List and show FHIR subscriptions, inspect and redrive what was not taken."`
	Explain       explainCmd       `cmd:"" help:"Show how a patient is going, and why."`
	Timeline      timelineCmd      `cmd:"" help:"Tell what happened to a patient, in order, and what became of it."`
	Unscored      unscoredCmd      `cmd:"" help:"List what was stored but could not be used."`
	Rescore       rescoreCmd       `cmd:"" help:"Score again what is stored, after a definition has changed."`
	Simulate      simulateCmd      `cmd:"" help:"Make a synthetic clinic whose truth is known, or try the rules on one."`
	Rules         rulesCmd         `cmd:"" help:"List, explain, check, test and back-test the rules."`
	Bench         benchCmd         `cmd:"" help:"Measure, or kill and count (bench chaos)."`
	Verify        verifyCmd        `cmd:"" help:"Check a database's own invariants."`
	Backup        backupCmd        `cmd:"" help:"Copy a database while it is in use."`
	Restore       restoreCmd       `cmd:"" help:"Make a database from a copy."`
	Keys          keysCmd          `cmd:"" help:"Make, list and rotate the keys that seal what is stored."`
	Migrate       migrateCmd       `cmd:"" help:"Bring a database to this binary's schema."`
	Clients       clientsCmd       `cmd:"" help:"Keep the registry of systems that may ask for tokens."`
	Audit         auditCmd         `cmd:"" help:"List who saw what, and check that nobody has changed the record of it."`
	Token         tokenCmd         `cmd:"" help:"Make a bearer token and the line that lets it in."`
	Health        healthCmd        `cmd:"" help:"Ask a server whether it serves; for container health checks."`
	Version       versionCmd       `cmd:"" help:"Print the version."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends a stop that takes too long
	// A reader that goes away, such as head, ends a command in order instead of killing it.
	pipe := make(chan os.Signal, 1)
	signal.Notify(pipe, syscall.SIGPIPE)
	code := run(ctx, os.Args[1:], streams{
		in: os.Stdin, out: os.Stdout, err: os.Stderr, terminal: isTerminal(os.Stderr), screen: isTerminal(os.Stdout),
	})
	stop()
	os.Exit(code)
}

// run parses and runs one command and returns its exit code. When nobody reads what it prints any more, it is stopped.
func run(ctx context.Context, args []string, s streams) int {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	out := &sink{Writer: s.out, broken: cancel}
	s.out = out
	code := command(ctx, args, s)
	if err := out.failure(); err != nil {
		fmt.Fprintln(s.err, "rapport: writing the output:", err)
		return exitFailed
	}
	return code
}

func command(ctx context.Context, args []string, s streams) (code int) {
	var c cli
	bare := len(args) == 0
	parser, err := kong.New(&c,
		kong.Name("rapport"),
		kong.Description("Outcomes for rehabilitation and advanced primary care: scores, what changed, and who should know."),
		kong.DefaultEnvars("RAPPORT"),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
		kong.Writers(s.out, s.err),
		kong.Exit(func(code int) { panic(exit(code)) }),
		kong.WithBeforeResolve(withConfig),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(s),
	)
	if err != nil {
		fmt.Fprintln(s.err, "rapport:", err)
		return exitFailed
	}
	defer func() {
		v := recover()
		asked, ok := v.(exit)
		switch {
		case ok && bare:
			code = exitUsage
		case ok:
			code = int(asked)
		case v != nil:
			panic(v)
		}
	}()
	// The command alone is answered with the help for whoever typed it, and as wrong usage for a script that lost a word.
	if bare {
		parser.Stdout, args = s.err, []string{"--help"}
	}
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
type exit int

func wrongUsage(s streams, err error) int {
	fmt.Fprintln(s.err, "rapport:", err)
	name := "rapport"
	if parse, ok := errors.AsType[*kong.ParseError](err); ok && parse.Context != nil {
		if node := parse.Context.Selected(); node != nil {
			name = node.FullPath()
		}
	}
	fmt.Fprintf(s.err, "`%s --help` says what it takes.\n", name)
	return exitUsage
}

// usageError is wrong usage found after parsing.
type usageError struct{ error }

func failed(s streams, err error) int {
	if usage, ok := errors.AsType[usageError](err); ok {
		fmt.Fprintln(s.err, "rapport:", usage)
		return exitUsage
	}
	if f, ok := errors.AsType[*fault.Fault](err); ok && len(f.Issues) > 1 && inFile.MatchString(f.Issues[0].Path) {
		for _, issue := range f.Issues { // the faults of a folder: a line for each
			fmt.Fprintf(s.err, "rapport: %s: %s\n", issue.Path, issue.Text)
		}
		return exitFailed
	}
	if !errors.Is(err, errSaid) && !gone(err) {
		fmt.Fprintln(s.err, "rapport:", describe(err))
	}
	if gone(err) {
		return exitDone
	}
	return exitFailed
}

// inFile is the place of an issue in a file.
var inFile = regexp.MustCompile(`:\d+(:\d+)?$`)

// errSaid is a failure that the command has already told of.
var errSaid = errors.New("failed")

// versionCmd prints the version.
type versionCmd struct {
	outputFlag
}

// Help shows an example.
func (versionCmd) Help() string { return "Example:\n  rapport version -o json" }

// Run prints.
func (v versionCmd) Run(s streams) error {
	if v.json() {
		return json.NewEncoder(s.out).Encode(struct {
			Version string `json:"version"`
		}{version})
	}
	_, err := fmt.Fprintln(s.out, "rapport", version)
	return err
}
