package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestKeysAreMadeListedRotatedAndRowsSealed(t *testing.T) {
	folder := t.TempDir()
	store, path := "sqlite:"+filepath.Join(folder, "clinic.db"), filepath.Join(folder, "master.key")
	more := func() {
		t.Helper()
		line := rapport(t, "keys", "make").want(t, exitDone).out
		before, err := os.ReadFile(path)
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, append(before, line...), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	more()
	_, addr := served(t, "--store", store, "--master-key", "file:"+path)
	rapport(t, "ingest", "--addr", addr, "testdata/fhir/first.json").want(t, exitDone)
	rapport(t, "keys", "list", "--store", store).want(t, exitDone, "data key 1", "seals what is written")
	more()
	rapport(t, "keys", "rotate", "--store", store, "--master-key", "file:"+path).want(t, exitDone, "1 data key wrapped anew, and a new one made.")
	rapport(t, "keys", "list", "--store", store, "-o", "json").want(t, exitDone, `"id":2`, `"seals":true`)
	rapport(t, "keys", "reseal", "--store", store, "--master-key", "file:"+path).want(t, exitDone, "nothing is left to seal")
	rapport(t, "verify", "--store", store, "--master-key", "file:"+path).want(t, exitDone, "Everything is as it must be.")
	if r := rapport(t, "verify", "--store", store).want(t, exitFailed); !strings.Contains(r.err, "--master-key") {
		t.Error(r.err)
	}
	rapport(t, "keys", "rotate", "--store", store).want(t, exitUsage)
	rapport(t, "keys", "reseal", "--store", store, "--master-key", "kms").want(t, exitUsage)
}
