package server_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/server"
)

func quiet(string) {}

// lastEvent is how a cursor beyond the end is refused.
var lastEvent = regexp.MustCompile(`lies beyond its last event, (\d+)`)

// read is what a subscriber reads of the feed `all` after a number, up to as many events as it asks for.
func (c *clinic) read(after int64, n int) (seqs []int64, err error) {
	ctx, end := context.WithTimeout(c.t.Context(), 20*time.Second)
	defer end()
	stream, err := c.alerts.Subscribe(ctx, &rapportv1.SubscribeRequest{Cursors: []*rapportv1.Cursor{{Feed: "all", After: after}}})
	if err != nil {
		return nil, err
	}
	for len(seqs) < n {
		got, err := stream.Recv()
		if err != nil {
			return seqs, err
		}
		if e := got.GetEvent(); e != nil {
			seqs = append(seqs, e.GetSeq())
		}
	}
	return seqs, nil
}

func TestARestoredServerGoesOnDenselyAndTellsWhoHasReadFurther(t *testing.T) {
	folder := t.TempDir()
	first, second := "sqlite:"+filepath.Join(folder, "clinic.db"), "sqlite:"+filepath.Join(folder, "again.db")
	copied := filepath.Join(folder, "copy.db")
	c := start(t, func(config *server.Config) { config.Store = first })
	c.send(patientP1, phq9("r1", "p1", monday, 3, 3, 3, 3, 3, 3, 3, 3, 1))
	made, err := server.BackUp(t.Context(), first, copied, quiet)
	if err != nil || made.Report == nil || len(made.Report.Problems) > 0 || made.Report.Alerts == 0 {
		t.Fatal(made, err)
	}
	c.send(phq9("r2", "p1", monday.Add(time.Hour), 1, 1, 1, 1, 1, 1, 1, 1, 0))

	restored, err := server.Restore(t.Context(), copied, second, false, quiet)
	if err != nil || !restored.Sum || restored.SHA256 != made.SHA256 || restored.Report.Events != made.Report.Events {
		t.Fatal(restored, err)
	}
	again := start(t, func(config *server.Config) { config.Store = second })
	all, err := again.read(0, 1)
	if err != nil || all[0] != 1 {
		t.Fatal(all, err)
	}
	_, err = again.read(int64(made.Report.Events)+100, 1)
	named := lastEvent.FindStringSubmatch(status.Convert(err).Message())
	if status.Code(err) != codes.InvalidArgument || named == nil {
		t.Fatalf("a cursor beyond the end: %v", err)
	}
	last, err := strconv.ParseInt(named[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	if got := again.send(phq9("r2", "p1", monday.Add(time.Hour), 1, 1, 1, 1, 1, 1, 1, 1, 0)); got[0].GetOutcome() != rapportv1.Outcome_OUTCOME_SCORED {
		t.Errorf("what the copy did not hold is sent again: %v", got)
	}
	seqs, err := again.read(last, 1)
	if err != nil || seqs[0] != last+1 {
		t.Errorf("after %d the feed goes on with %v, %v", last, seqs, err)
	}
	for _, store := range []string{first, second} {
		if report, err := server.Verify(t.Context(), store, quiet); err != nil || len(report.Problems) > 0 {
			t.Error(store, report, err)
		}
	}
}

func TestACopyThatWasChangedIsRefused(t *testing.T) {
	folder := t.TempDir()
	c := start(t, func(config *server.Config) { config.Store = "sqlite:" + filepath.Join(folder, "clinic.db") })
	c.send(patientP1)
	copied := filepath.Join(folder, "copy.db")
	if _, err := server.BackUp(t.Context(), "sqlite:"+filepath.Join(folder, "clinic.db"), copied, quiet); err != nil {
		t.Fatal(err)
	}
	if _, err := server.BackUp(t.Context(), "sqlite:"+filepath.Join(folder, "clinic.db"), copied, quiet); fault.Of(err) != fault.Precondition {
		t.Errorf("a copy that is there is not replaced: %v", err)
	}
	for name, test := range map[string]struct {
		change func() error
		says   string
	}{
		"a byte more":          {func() error { return appendTo(copied, "x") }, "checksum"},
		"a sum that is no sum": {func() error { return os.WriteFile(copied+".sha256", []byte("?"), 0o600) }, "no SHA-256"},
	} {
		if err := test.change(); err != nil {
			t.Fatal(err)
		}
		_, err := server.Restore(t.Context(), copied, "sqlite:"+filepath.Join(folder, "new.db"), false, quiet)
		if fault.Of(err) != fault.Precondition || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, err := range []error{
		failure(server.BackUp(t.Context(), "postgres://localhost/x", copied+"2", quiet)),
		failure(server.Restore(t.Context(), copied, "postgres://localhost/x", false, quiet)),
	} {
		if fault.Of(err) != fault.NotSupported || !strings.Contains(err.Error(), "pg_dump") {
			t.Errorf("PostgreSQL: %v", err)
		}
	}
}

func failure[T any](_ T, err error) error { return err }

func appendTo(path, text string) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}
