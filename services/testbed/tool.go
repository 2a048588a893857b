package testbed

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
)

// PostgresTool runs one of PostgreSQL's own programs, such as pg_dump. Errors hold what it printed.
func PostgresTool(ctx context.Context, name string, args ...string) error {
	bin, err := postgresBin()
	if err != nil {
		return err
	}
	out, err := exec.CommandContext(ctx, filepath.Join(bin, name), args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, out)
	}
	return nil
}
