package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestACopyIsMadeBesideAServerAndBecomesADatabaseAgain(t *testing.T) {
	folder := t.TempDir()
	store, copied := "sqlite:"+filepath.Join(folder, "clinic.db"), filepath.Join(folder, "copy.db")
	c, addr := served(t, "--store", store)
	rapport(t, "ingest", "--addr", addr, "testdata/fhir/first.json").want(t, exitDone)
	rapport(t, "backup", "--store", store, "--to", copied).want(t, exitDone, "copied to "+copied, "sha256 ", "Everything is as it must be.")
	rapport(t, "backup", "--store", store, "--to", copied).want(t, exitFailed)
	rapport(t, "restore", "--from", copied, "--store", store, "--force").want(t, exitFailed)
	c.signal(syscall.SIGTERM)
	if code := c.code(); code != exitDone {
		t.Fatalf("serve ended with %d", code)
	}
	rapport(t, "restore", "--from", copied, "--store", store).want(t, exitFailed)
	rapport(t, "restore", "--from", copied, "--store", store, "--force", "-o", "json").want(t, exitDone, `"sum":true`)
	if err := os.Remove(copied + ".sha256"); err != nil {
		t.Fatal(err)
	}
	fresh := "sqlite:" + filepath.Join(folder, "fresh.db")
	rapport(t, "restore", "--from", copied, "--store", fresh).want(t, exitDone, "no checksum to compare", "Everything is as it must be.")
	if r := rapport(t, "backup", "--store", "postgres://localhost/x", "--to", copied).want(t, exitFailed); !strings.Contains(r.err, "pg_dump") {
		t.Error(r.err)
	}
	rapport(t, "backup", "--store", store).want(t, exitUsage)
}
