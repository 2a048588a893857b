package server_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/server"
)

// keyFile writes master keys, the last one current.
func keyFile(t *testing.T, keys ...string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "master.key")
	if err := os.WriteFile(path, []byte(strings.Join(keys, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func onDisk(t *testing.T, path, text string) bool {
	t.Helper()
	for _, suffix := range []string{"", "-wal"} {
		if all, err := os.ReadFile(path + suffix); err == nil && bytes.Contains(all, []byte(text)) {
			return true
		}
	}
	return false
}

func TestASealedServerIsSwitchedOnRotatedAndCopiedWhileItRuns(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "clinic.db")
	store := "sqlite:" + path
	plain := start(t, func(config *server.Config) { config.Store = store })
	plain.send(patientP1, phq9("r1", "p1", monday, 3, 3, 3, 3, 3, 3, 3, 3, 1))
	if !onDisk(t, path, "Synthetic-1") {
		t.Fatal("the canary was not looked for")
	}
	if err := plain.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}

	first := server.NewMasterKey()
	file := keyFile(t, first)
	sealed := start(t, func(config *server.Config) { config.Store, config.MasterKey = store, "file:"+file })
	sealed.send(phq9("r2", "p1", monday.Add(time.Hour), 1, 1, 1, 1, 1, 1, 1, 1, 0))
	if n, err := server.Reseal(t.Context(), store, "file:"+file, quiet); err != nil || n == 0 {
		t.Fatal(n, err)
	}
	// The file may be changed while the server runs.
	if err := os.WriteFile(file, []byte(first+"\n"+server.NewMasterKey()), 0o600); err != nil {
		t.Fatal(err)
	}
	if n, err := server.RotateKeys(t.Context(), store, "file:"+file); err != nil || n != 1 {
		t.Fatal(n, err)
	}
	if n, err := server.Reseal(t.Context(), store, "file:"+file, quiet); err != nil || n == 0 {
		t.Fatal(n, err)
	}
	alerts := len(sealed.listAlerts(nil))
	if alerts == 0 {
		t.Error("the server that ran all the while reads nothing")
	}

	copied, restored := filepath.Join(folder, "copy.db"), filepath.Join(folder, "again.db")
	unread, err := server.BackUp(t.Context(), store, copied+"-unread", quiet)
	if err != nil || !unread.Sealed || unread.Report != nil {
		t.Errorf("without the master key a copy is made and not looked into: %+v, %v", unread, err)
	}
	made, err := server.BackUp(t.Context(), store, copied, quiet, "file:"+file)
	if err != nil || made.Sealed || len(made.Report.Problems) > 0 || made.Report.Alerts == 0 {
		t.Fatal(made, err)
	}
	for _, text := range []string{"Synthetic-1", `"authored":"2026`, `"subject":{`, `"recipients"`} {
		if onDisk(t, copied, text) {
			t.Errorf("%q lies in the copy", text)
		}
	}
	if _, err := server.Restore(t.Context(), copied, "sqlite:"+restored, false, quiet, "file:"+file); err != nil {
		t.Fatal(err)
	}
	again := start(t, func(config *server.Config) { config.Store, config.MasterKey = "sqlite:"+restored, "file:"+file })
	if got := len(again.listAlerts(nil)); got != alerts {
		t.Errorf("%d alerts became %d", alerts, got)
	}

	keys, err := server.ListKeys(t.Context(), store, "")
	if err != nil || len(keys) != 2 || keys[0].Master != keys[1].Master {
		t.Errorf("%+v %v", keys, err)
	}
	if err := sealed.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	for key, says := range map[string]string{"": "--master-key", "file:" + keyFile(t, first): "wrong master key", "env:NO_SUCH_KEY": "not set"} {
		config := server.Default()
		config.Listen, config.HTTPListen, config.Redis, config.Store, config.MasterKey = "127.0.0.1:0", "127.0.0.1:0", "none", store, key
		if s, err := server.New(t.Context(), config); err == nil || fault.Of(err) != fault.Precondition || !strings.Contains(err.Error(), says) {
			if err == nil {
				_ = s.Stop(context.Background())
			}
			t.Errorf("%q: %v", key, err)
		}
	}
	if _, err := server.Verify(t.Context(), store, quiet); fault.Of(err) != fault.Precondition {
		t.Errorf("verifying without the master key: %v", err)
	}
}
