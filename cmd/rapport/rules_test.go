package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rapport-health/rapport/services/server"
)

func TestRulesAreShownAndCheckedAsRecorded(t *testing.T) {
	transcript(t, "rules")
}

func TestABacktestSaysWhatAFileWouldChange(t *testing.T) {
	c := startClinic(t, nil)
	rapport(t, "ingest", "testdata/fhir/bundle.json", "testdata/fhir/first.json").want(t, exitDone)
	rapport(t, "ingest", "testdata/fhir/mixed.ndjson").want(t, exitFailed)
	own := file(t, "own.yaml", "disable: [screening-severe]\n")
	since := monday.AddDate(0, 0, -30).Format(time.DateOnly)
	until := monday.AddDate(0, 0, 1).Format(time.DateOnly)
	args := []string{"rules", "backtest", "--store", c.store, "--since", since, "--until", until, "--rules", own}
	r := rapport(t, args...).want(t, exitDone, "against  what is stored", "alerts a week")
	if !strings.Contains(r.out, "screening-severe") || !strings.Contains(r.out, "phq9-item-9") {
		t.Errorf("it says\n%s", r.out)
	}
	var report struct {
		Rules []struct {
			Rule      string
			Now, Then struct{ Raised int }
			Dropped   int
			Added     int
		}
	}
	if err := json.Unmarshal([]byte(rapport(t, append(args, "--against", "default", "-o", "json")...).want(t, exitDone).out), &report); err != nil {
		t.Fatal(err)
	}
	for _, r := range report.Rules {
		dropped := 0
		if r.Rule == "screening-severe" {
			dropped = 1
		}
		if r.Dropped != dropped || r.Rule == "phq9-item-9" && r.Now.Raised == 0 {
			t.Errorf("%+v", r)
		}
	}
}

func TestAServerToldToReloadTakesItsRulesAnew(t *testing.T) {
	path := file(t, "own.yaml", "disable: [hep-low]\n")
	c := startClinic(t, func(config *server.Config) { config.Rules = path })
	before := c.RulesVersion()
	rewrite(t, path, "disable: [hep-low, silence]\n")
	c.ReloadRules()
	eventually(t, "the rules are taken anew", func() bool { return c.RulesVersion() != before })
}

func rewrite(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
