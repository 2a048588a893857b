package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/rapport-health/rapport/services/server"
)

// backupCmd copies a database while it is in use.
type backupCmd struct {
	storeFlag
	masterFlag
	outputFlag
	To string `required:"" placeholder:"FILE" help:"Where the copy goes; its checksum goes beside it, as FILE.sha256." env:"-"`
}

// Help says how.
func (backupCmd) Help() string {
	return `Copies a SQLite database as one moment had it, while a server goes on writing; checks the copy as 'rapport verify' does,
and writes its SHA-256 beside it. A file that is there already is not replaced. Sealed rows stay sealed in the copy, so
it is worth nothing without the master key: keep that elsewhere. PostgreSQL has pg_dump for it, see deploy/README.md.

Examples:
  rapport backup --store sqlite:/var/lib/rapport/rapport.db --to /backup/rapport-monday.db
  sha256sum -c rapport-monday.db.sha256`
}

// Run copies.
func (c backupCmd) Run(ctx context.Context, s streams) error {
	if err := c.check(); err != nil {
		return err
	}
	progress, done := s.progress()
	copied, err := server.BackUp(ctx, c.Store, c.To, progress, c.MasterKey)
	done()
	if err != nil {
		return err
	}
	return printCopy(s, c.outputFlag, copied, "copied to")
}

// restoreCmd makes a database from a copy.
type restoreCmd struct {
	storeFlag
	masterFlag
	outputFlag
	From  string `required:"" placeholder:"FILE" help:"Copy that 'rapport backup' made." env:"-"`
	Force bool   `help:"Replace the database that is there." env:"-"`
}

// Help says how.
func (restoreCmd) Help() string {
	return `Makes a SQLite database from a copy. The copy's checksum is compared when FILE.sha256 is there; a copy that is damaged, or
that a newer rapport made, is refused, and so is a database that a server uses. An older copy is migrated when serve
starts on it.

Feeds go on behind the last event of the copy. A subscriber who has read further is told that its cursor lies beyond the
end, and what the copy does not hold is to be sent again: the same resources once more do no harm.

Example:
  rapport restore --from /backup/rapport-monday.db --store sqlite:/var/lib/rapport/rapport.db --force`
}

// Run restores.
func (c restoreCmd) Run(ctx context.Context, s streams) error {
	if err := c.check(); err != nil {
		return err
	}
	progress, done := s.progress()
	copied, err := server.Restore(ctx, c.From, c.Store, c.Force, progress, c.MasterKey)
	done()
	if err != nil {
		return err
	}
	return printCopy(s, c.outputFlag, copied, "restored to")
}

// printCopy says what was copied and what was found in it.
func printCopy(s streams, o outputFlag, c *server.Copied, done string) error {
	if o.json() {
		if err := json.NewEncoder(s.out).Encode(c); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(s.out, "%s %s: %d bytes, schema %d\nsha256 %s%s\n", done, c.File, c.Bytes, c.Schema, c.SHA256, sumWords(c))
		switch {
		case c.Sealed:
			fmt.Fprintln(s.out, "Its pages are sound. Its rows are sealed: they are checked with --master-key.")
		case c.Report == nil:
			fmt.Fprintln(s.out, "Its pages are sound. Its schema is an older one: what it holds is checked once it is migrated.")
		default:
			printReport(s.out, c.Report)
		}
	}
	if c.Report != nil && len(c.Report.Problems) > 0 {
		return errSaid
	}
	return nil
}

func sumWords(c *server.Copied) string {
	if c.Sum {
		return ""
	}
	return " (there was no checksum to compare it with)"
}

// progress shows what a long command is at, where a person watches, and clears it away.
func (s streams) progress() (show func(string), done func()) {
	if !s.terminal {
		return func(string) {}, func() {}
	}
	return func(text string) { fmt.Fprintf(s.err, "\r%s\x1b[K", text) }, func() { fmt.Fprint(s.err, "\r\x1b[K") }
}
