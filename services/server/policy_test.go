package server_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
	"github.com/rapport-health/rapport/services/server"
)

// brokenForms are responses that break the knee form in one way each.
func brokenForms(t *testing.T) []struct{ name, body, says, total string } {
	t.Helper()
	sound := kneeAnswers("r", kneeURL+"|1.0", "completed", "much", "some")
	edit := func(old, new string) string {
		if !strings.Contains(sound, old) {
			t.Fatal("the sound response does not hold " + old)
		}
		return strings.Replace(sound, old, new, 1)
	}
	const pain = `{"linkId":"pain","answer":[{"valueCoding":{"system":"http://ehr.example/answers","code":"much"}}]}`
	const stiff = `{"linkId":"stiff","answer":[{"valueCoding":{"system":"http://ehr.example/answers","code":"some"}}]}`
	return []struct{ name, body, says, total string }{
		{"unknown linkId", edit(`[{"linkId":"g"`, `[{"linkId":"x","answer":[{"valueInteger":1}]},{"linkId":"g"`), "not in the form", "4"},
		{"order", strings.NewReplacer(`"pain"`, `"stiff"`, `"stiff"`, `"pain"`).Replace(sound), "out of order", "4"},
		{"repeated linkId", edit(pain, pain+","+pain), "occurs more than once", "missing-items"},
		{"several answers", edit(`"code":"much"}}]`, `"code":"much"}},{"valueCoding":{"system":"http://ehr.example/answers","code":"some"}}]`), "several answers", "missing-items"},
		{"wrong type", edit(`{"valueDate":"2026-01-01"}`, `{"valueInteger":3}`), "type", "4"},
		{"required missing", edit(stiff, `{"linkId":"stiff"}`), "requires", "missing-items"},
		{"code outside the options", edit(`"code":"much"`, `"code":"unheard-of"`), "options", "missing-items"},
		{"answer on a disabled item", edit(`"code":"much"`, `"code":"none"`), "not enabled", "1"},
		{"a group with answers", edit(`{"linkId":"g",`, `{"linkId":"g","answer":[{"valueInteger":1}],`), "", ""},
		{"answer.item for item", edit(`"code":"much"}}]}`, `"code":"much"},"item":[{"linkId":"y","answer":[{"valueInteger":1}]}]}]}`), "not in the form", "4"},
	}
}

func TestWhatBreaksAFormIsRefusedWhereItIsEnforcedAndToldOfAnEHRs(t *testing.T) {
	folder := t.TempDir()
	for name, text := range map[string]string{
		"knee.json": knee("q1", "1.0"), "knee.yaml": "instruments:\n  " + kneeURL + ": {enforce: true}\n",
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	own := start(t, func(c *server.Config) { c.Redis, c.Instruments = "none", folder })
	theirs := start(t, func(c *server.Config) { c.Redis = "none" })
	own.send(patientP1)
	theirs.send(patientP1, knee("q1", "1.0"))
	for _, b := range brokenForms(t) {
		t.Run(b.name, func(t *testing.T) {
			refused := own.send(b.body)[0]
			if refused.GetOutcome() != rapportv1.Outcome_OUTCOME_REJECTED || !hasIssue(refused.GetIssues(), rapportv1.IssueSeverity_ISSUE_SEVERITY_ERROR, b.says) {
				t.Errorf("enforced: %v", refused)
			}
			kept := theirs.send(strings.Replace(b.body, `"id":"r"`, `"id":"`+strings.ReplaceAll(b.name, " ", "-")+`"`, 1))[0]
			if b.total == "" { // it breaks FHIR itself
				if kept.GetOutcome() != rapportv1.Outcome_OUTCOME_REJECTED {
					t.Errorf("of an EHR: %v", kept)
				}
				return
			}
			got := theirs.scored(strings.ReplaceAll(b.name, " ", "-"), "total")
			if kept.GetOutcome() == rapportv1.Outcome_OUTCOME_REJECTED || !hasIssue(kept.GetIssues(), rapportv1.IssueSeverity_ISSUE_SEVERITY_WARNING, b.says) || got != b.total {
				t.Errorf("of an EHR: %s %v", got, kept)
			}
		})
	}
	if got := own.scored("r", "total"); got != "not scored" {
		t.Error("something of what was refused was kept:", got)
	}
	for _, status := range []string{"in-progress", "stopped", "entered-in-error"} {
		kept := theirs.send(kneeAnswers(status, kneeURL+"|1.0", status, "much", "some"))[0]
		if got := theirs.scored(status, "total"); kept.GetOutcome() != rapportv1.Outcome_OUTCOME_STORED || got != "not scored" {
			t.Errorf("%s: %s %v", status, got, kept)
		}
	}
}
