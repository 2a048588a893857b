package main

import (
	"fmt"

	"github.com/rapport-health/rapport/services/catalogue"
	"github.com/rapport-health/rapport/services/domain/fault"
)

// instrumentsLintCmd checks files before a server takes them.
type instrumentsLintCmd struct {
	instrumentsFlag
	Paths []string `arg:"" help:"Files or folders." placeholder:"PATH"`
}

// Help shows examples.
func (instrumentsLintCmd) Help() string {
	return `Examples:
  rapport instruments lint our-form.json
  rapport instruments lint --instruments /etc/rapport/instruments new-overlay.yaml

Each file is checked together with what ships and with what --instruments holds. Every problem is told with its line.`
}

// Run tells of each file whether it can be used, and of each problem where it is.
func (c instrumentsLintCmd) Run(s streams) error {
	failed := false
	for _, path := range c.Paths {
		files, err := catalogue.Lint(c.Instruments, path)
		if err != nil && fault.Of(err) != fault.Invalid {
			return err
		}
		for _, file := range files {
			fmt.Fprintf(s.out, "ok %s\n", file)
		}
		for _, issue := range fault.IssuesOf(err) {
			failed = true
			fmt.Fprintf(s.out, "%s: %s\n", issue.Path, issue.Text)
		}
	}
	if failed {
		return errSaid
	}
	return nil
}
