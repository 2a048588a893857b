package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

func TestADayAtTheClinicReadsAsRecorded(t *testing.T) {
	c := startClinic(t, nil)
	// The alert's id comes from its facts, so it is the same in every run.
	transcript(t, "clinic", c.Addr(), "ADDRESS")
}

func TestWrongUsageIsToldAsRecorded(t *testing.T) {
	transcript(t, "usage")
}

func TestScoresAreToldAsRecorded(t *testing.T) {
	transcript(t, "score")
}

func TestChangesAreJudgedAsRecorded(t *testing.T) {
	transcript(t, "change")
}

func TestScoringSheetsReadAsRecorded(t *testing.T) {
	transcript(t, "sheets")
}

func TestAClinicsOwnInstrumentsReadAsRecorded(t *testing.T) {
	transcript(t, "own")
}

// leaves are the commands that do something.
func leaves(t *testing.T) []*kong.Node {
	t.Helper()
	var c cli
	parser, err := kong.New(&c, kong.Name("rapport"), kong.DefaultEnvars("RAPPORT"))
	if err != nil {
		t.Fatal(err)
	}
	return parser.Model.Leaves(true)
}

func TestTheHelpOfEveryCommandShowsAnExample(t *testing.T) {
	for _, leaf := range leaves(t) {
		words := strings.Fields(leaf.FullPath())
		r := rapport(t, append(words[1:], "--help")...).want(t, exitDone, "Example")
		if !strings.Contains(r.out, "  "+words[0]+" "+words[1]) {
			t.Errorf("%s --help shows no line to copy:\n%s", leaf.FullPath(), r.out)
		}
		for line := range strings.Lines(r.out) {
			if n := length(strings.TrimRight(line, "\n")); n > 120 {
				t.Errorf("%s --help has a line of %d: %s", leaf.FullPath(), n, line)
			}
		}
	}
}

func TestTheHelpNamesTheEnvironment(t *testing.T) {
	r := rapport(t, "serve", "--help").want(t, exitDone)
	for _, name := range []string{"$RAPPORT_STORE", "$RAPPORT_HTTP_LISTEN", "$RAPPORT_TLS_CERT", "$RAPPORT_CONFIG", "$RAPPORT_MAX_CONNS"} {
		if !strings.Contains(r.out, name) {
			t.Errorf("%s is not named:\n%s", name, r.out)
		}
	}
	rapport(t, "health", "--help").want(t, exitDone, "$RAPPORT_ADDR", "$RAPPORT_BEARER", "$RAPPORT_TLS_CERT", "$RAPPORT_CA_CERT")
}

func TestTheCommandAloneShowsTheHelpAndIsWrongUsage(t *testing.T) {
	r := rapport(t).want(t, exitUsage, "Commands:", "ingest", "demo")
	if r.out != "" {
		t.Errorf("a script would take this for output:\n%s", r.out)
	}
}

func TestEveryCommandThatPrintsDataPrintsJSONLines(t *testing.T) {
	startClinic(t, nil)
	rapport(t, "ingest", "testdata/fhir/bundle.json", "testdata/fhir/first.json").want(t, exitDone)
	rapport(t, "ingest", "testdata/fhir/mixed.ndjson").want(t, exitFailed)
	for _, command := range []string{
		"version", "health", "instruments", "instruments gad-7", "score testdata/fhir/first.json", "alerts list", "unscored",
		"explain p1", "explain p1 --why", "explain p1 --watch --max 1", "timeline p1", "watch --max 2", "token someone", "ingest testdata/fhir/first.json", "score --instrument phq-2 --answers 1,1",
	} {
		r := rapport(t, append(strings.Fields(command), "-o", "json")...).want(t, exitDone)
		lines := strings.Split(strings.TrimSuffix(r.out, "\n"), "\n")
		if slices.Contains(lines, "") {
			t.Errorf("%s: an empty line in %q", command, r.out)
		}
		for _, line := range lines {
			var object map[string]any
			if err := json.Unmarshal([]byte(line), &object); err != nil || len(object) == 0 {
				t.Errorf("%s: %q is no JSON object: %v", command, line, err)
			}
		}
	}
}
