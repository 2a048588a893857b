package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rapport-health/rapport/services/rehearse"
	"github.com/rapport-health/rapport/services/simulate"
)

func TestWhatSimulateSaysIsAsRecorded(t *testing.T) { transcript(t, "simulate") }

func TestAClinicIsWrittenTheSameEveryTimeAndAnotherSeedIsAnother(t *testing.T) {
	write := func(seed string) map[string][]byte {
		folder := t.TempDir()
		r := rapport(t, "simulate", "--patients", "30", "--weeks", "6", "--seed", seed, "--out", folder, "-o", "json").want(t, exitDone)
		files := map[string][]byte{}
		for line := range strings.Lines(r.out) {
			var told fileLine
			if err := json.Unmarshal([]byte(line), &told); err != nil {
				t.Fatal(err)
			}
			text, err := os.ReadFile(told.File)
			if err != nil || len(text) != int(told.Bytes) || bytes.Count(text, []byte("\n")) != told.Lines {
				t.Errorf("%+v: %d bytes, %v", told, len(text), err)
			}
			files[filepath.Base(told.File)] = text
		}
		return files
	}
	once, again, other := write("3"), write("3"), write("4")
	if len(once) != 4 {
		t.Fatalf("%d files", len(once))
	}
	for name, text := range once {
		if !bytes.Equal(text, again[name]) {
			t.Errorf("%s differs the second time", name)
		}
		if bytes.Equal(text, other[name]) {
			t.Errorf("%s is the same under another seed", name)
		}
	}
	if n := bytes.Count(once[truthFile], []byte("\n")); n != 30 {
		t.Errorf("truth of %d patients", n)
	}
	var truth simulate.PatientTruth
	first, _, _ := bytes.Cut(once[truthFile], []byte("\n"))
	if err := json.Unmarshal(first, &truth); err != nil || truth.Patient == "" || truth.Archetype == "" {
		t.Errorf("%v: %s", err, first)
	}
}

func TestAClinicSentIsTheOneWritten(t *testing.T) {
	folder := t.TempDir()
	flags := []string{"simulate", "--patients", "12", "--weeks", "5", "--start", "2026-02-23"}
	rapport(t, append(flags, "--out", folder)...).want(t, exitDone, truthFile)
	c := startClinic(t, nil)
	rapport(t, append(flags, "--target", c.Addr())...).want(t, exitDone, "stored and scored", "       0  rejected")
	// What is written is what was sent: the server knows all of it. The annex keeps no versions, so that an older state
	// of a resource is news again.
	for _, source := range []string{"ehr", "pro"} {
		file := filepath.Join(folder, source+".ndjson")
		if _, err := os.Stat(file); err != nil {
			t.Fatal(err)
		}
		rapport(t, "ingest", "--source", source, file).want(t, exitDone, "       0  stored and scored", "       0  rejected")
	}
}

func TestAReportComparesOwnRulesOverSeeds(t *testing.T) {
	file := filepath.Join(t.TempDir(), "own.yaml")
	own := `rules:
  - id: any-visit-missed
    title: A visit was missed
    severity: info
    each: true
    on: [visit]
    roles: [care-coordinator]
    when: fact.status == "missed"
    wording:
      seen: A visit was missed.
      question: What came in between?
      phrase: It happens.
    evidence: service design
    tests:
      - name: a visit missed
        facts:
          - {day: 1, visit: {id: Appointment/a, status: missed}}
        findings:
          - {fact: 1}
`
	if err := os.WriteFile(file, []byte(own), 0o600); err != nil {
		t.Fatal(err)
	}
	flags := []string{"simulate", "--report", "--patients", "24", "--weeks", "8", "--rules", file, "--seeds", "101-102"}
	r := rapport(t, append(flags, "-o", "json")...).want(t, exitDone)
	var report rehearse.Report
	if err := json.Unmarshal([]byte(r.out), &report); err != nil {
		t.Fatal(err)
	}
	if report.Patients != 48 || len(report.Seeds) != 2 || len(report.Goals) != 4 || len(report.Curve) == 0 || report.Rejected != 0 {
		t.Errorf("%+v", report)
	}
	missed := 0
	for _, v := range report.Volumes {
		if v.Detector == "any-visit-missed" {
			missed = v.Alerts
		}
	}
	if missed == 0 {
		t.Error("the own rule raised nothing")
	}
	rapport(t, flags...).want(t, exitDone, "Goals", "any-visit-missed", "rupture unrepaired", "Trade-off", "fixed-alliance", "seed 101-102")
}
