package server_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
	"github.com/rapport-health/rapport/services/domain/instrument"
	"github.com/rapport-health/rapport/services/server"
	"github.com/rapport-health/rapport/services/testbed"
)

// knee is a Questionnaire of an EHR: two weighed questions, a conditional one, and their sum as a hidden item.
func knee(id, version string) string {
	option := func(code string, weight int) string {
		return fmt.Sprintf(`{"valueCoding":{"system":"http://ehr.example/answers","code":%q,"extension":`+
			`[{"url":"http://hl7.org/fhir/StructureDefinition/ordinalValue","valueDecimal":%d}]}}`, code, weight)
	}
	options := option("none", 0) + "," + option("some", 1) + "," + option("much", 3)
	return fmt.Sprintf(`{"resourceType":"Questionnaire","id":%q,"url":"http://ehr.example/Questionnaire/knee","version":%q,"status":"active","item":[
		{"linkId":"g","type":"group","item":[
			{"linkId":"pain","type":"choice","required":true,"answerOption":[%s]},
			{"linkId":"stiff","type":"choice","required":true,"answerOption":[%s]},
			{"linkId":"since","type":"date","required":true,"enableWhen":[{"question":"pain","operator":"!=","answerCoding":
				{"system":"http://ehr.example/answers","code":"none"}}]}]},
		{"linkId":"total","type":"integer","extension":[
			{"url":"http://hl7.org/fhir/StructureDefinition/questionnaire-hidden","valueBoolean":true},
			{"url":"http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-calculatedExpression","valueExpression":{
				"language":"text/fhirpath","expression":"%%resource.item.item.answer.value.ordinal().sum()"}}]}]}`, id, version, options, options)
}

// kneeAnswers is a response to it.
func kneeAnswers(id, questionnaire, status, pain, stiff string) string {
	since := ""
	if pain != "none" {
		since = `,{"linkId":"since","answer":[{"valueDate":"2026-01-01"}]}`
	}
	return fmt.Sprintf(`{"resourceType":"QuestionnaireResponse","id":%q,"questionnaire":%q,"status":%q,"subject":{"reference":"Patient/p1"},
		"authored":"2026-03-01T09:00:00Z","item":[{"linkId":"g","item":[
		{"linkId":"pain","answer":[{"valueCoding":{"system":"http://ehr.example/answers","code":%q}}]},
		{"linkId":"stiff","answer":[{"valueCoding":{"system":"http://ehr.example/answers","code":%q}}]}%s]}]}`, id, questionnaire, status, pain, stiff, since)
}

const kneeURL = "http://ehr.example/Questionnaire/knee"

// scored is the value of a response's score, or what became of it.
func (c *clinic) scored(id, score string) string {
	c.t.Helper()
	resp, err := c.outcomes.ListScores(c.t.Context(), &rapportv1.ListScoresRequest{Patient: "p1"})
	if err != nil && status.Code(err) != codes.NotFound {
		c.t.Fatal(err)
	}
	for _, sheet := range resp.GetSheets() {
		if !strings.HasPrefix(sheet.GetSource(), "QuestionnaireResponse/"+id+"/") {
			continue
		}
		for _, s := range sheet.GetScores() {
			switch {
			case s.GetCode() != score:
			case s.Value == nil:
				return s.GetNotScorable()
			default:
				return fmt.Sprint(s.GetValue())
			}
		}
		return "another score"
	}
	return "not scored"
}

func hasIssue(issues []*rapportv1.Issue, severity rapportv1.IssueSeverity, text string) bool {
	for _, i := range issues {
		if i.GetSeverity() == severity && strings.Contains(i.GetText(), text) {
			return true
		}
	}
	return false
}

func TestAFormThatTheEHRSentScoresItsResponses(t *testing.T) {
	onBothEngines(t, func(t *testing.T, store string) {
		c := start(t, func(c *server.Config) { c.Store, c.Redis = store, "none" })
		got := c.send(patientP1, knee("q1", "1.0"), kneeAnswers("r1", kneeURL, "completed", "much", "some"))
		if !hasIssue(got[1].GetIssues(), rapportv1.IssueSeverity_ISSUE_SEVERITY_INFORMATION, "responses are scored by it") {
			t.Error("in the same batch:", got[1].GetIssues())
		}
		if got := c.scored("r1", "total"); got != "4" {
			t.Error("in the same batch:", got)
		}
		c.send(kneeAnswers("r2", kneeURL+"|1.0", "completed", "none", "some"), kneeAnswers("r3", "Questionnaire/q1", "completed", "some", "some"),
			kneeAnswers("r4", kneeURL+"|2.0", "completed", "none", "some"), kneeAnswers("r5", "http://x.example/fhir/Questionnaire/q1", "completed", "some", "some"))
		for id, want := range map[string]string{"r2": "1", "r3": "2", "r4": "not scored", "r5": "not scored"} {
			if got := c.scored(id, "total"); got != want {
				t.Errorf("%s: %s, want %s", id, got, want)
			}
		}
		resp, err := c.scoring.Score(t.Context(), &rapportv1.ScoreRequest{Response: &rapportv1.ScoreRequest_QuestionnaireResponse{
			QuestionnaireResponse: []byte(kneeAnswers("x", kneeURL, "completed", "much", "much")),
		}})
		if err != nil || resp.GetSheet().GetScores()[0].GetValue() != 6 || resp.GetSheet().GetScores()[0].GetDirection() != 0 {
			t.Error(resp, err)
		}
	})
}

func TestAResponseWithFaultsIsKeptWithWarningsAndScoredByWhatCounts(t *testing.T) {
	c := start(t, func(c *server.Config) { c.Redis = "none" })
	c.send(patientP1, knee("q1", "1.0"))
	disabled := strings.Replace(kneeAnswers("r1", kneeURL, "completed", "some", "some"), `"code":"some"`, `"code":"none"`, 1)
	odd := kneeAnswers("r2", kneeURL, "completed", "unheard-of", "some")
	for body, want := range map[string]string{disabled: "not enabled", odd: "option"} {
		got := c.send(body)[0]
		if got.GetOutcome() == rapportv1.Outcome_OUTCOME_REJECTED || !hasIssue(got.GetIssues(), rapportv1.IssueSeverity_ISSUE_SEVERITY_WARNING, want) {
			t.Errorf("want a warning of %s: %v %v", want, got.GetOutcome(), got.GetIssues())
		}
	}
	if a, b := c.scored("r1", "total"), c.scored("r2", "total"); a != "1" || b != "missing-items" {
		t.Error(a, b)
	}
}

func TestAnOwnFormThatIsBrokenIsRefusedAtBothDoorsAndNothingIsKept(t *testing.T) {
	c := start(t, func(c *server.Config) { c.Redis = "none" })
	c.send(patientP1)
	body := `{"resourceType":"QuestionnaireResponse","id":"r1","questionnaire":"` + instrument.Base + `/Questionnaire/phq-2","status":"completed",
		"subject":{"reference":"Patient/p1"},"item":[{"linkId":"1","answer":[{"valueInteger":9}]},{"linkId":"x","answer":[{"valueInteger":1}]},
		{"linkId":"2","answer":[{"valueInteger":1},{"valueInteger":2}]}]}`
	got := c.send(body)[0]
	if got.GetOutcome() != rapportv1.Outcome_OUTCOME_REJECTED || len(got.GetIssues()) < 3 {
		t.Fatal(got)
	}
	for _, path := range []string{"QuestionnaireResponse.item[0].answer[0].value", "QuestionnaireResponse.item[1]", "QuestionnaireResponse.item[2]"} {
		found := false
		for _, i := range got.GetIssues() {
			found = found || i.GetExpression() == path && i.GetSeverity() == rapportv1.IssueSeverity_ISSUE_SEVERITY_ERROR
		}
		if !found {
			t.Errorf("nothing is said of %s: %v", path, got.GetIssues())
		}
	}
	nobodys := strings.Replace(body, `"subject":{"reference":"Patient/p1"},`, "", 1)
	if got := c.send(nobodys)[0]; got.GetOutcome() != rapportv1.Outcome_OUTCOME_REJECTED || len(got.GetIssues()) < 4 ||
		!hasIssue(got.GetIssues(), rapportv1.IssueSeverity_ISSUE_SEVERITY_ERROR, "subject is missing") {
		t.Error("without a patient too:", got)
	}
	said := string(c.fhir(http.StatusUnprocessableEntity, http.MethodPost, "QuestionnaireResponse", body))
	if !strings.Contains(said, "QuestionnaireResponse.item[1]") {
		t.Error(said)
	}
	c.fhir(http.StatusNotFound, http.MethodGet, "QuestionnaireResponse/r1", "")
}

func TestAFormOfABundleCountsWhereverItStands(t *testing.T) {
	for _, kind := range []string{"batch", "transaction"} {
		c := start(t, func(c *server.Config) { c.Redis = "none" })
		entry := func(resource, url string) string {
			return fmt.Sprintf(`{"resource":%s,"request":{"method":"PUT","url":%q}}`, resource, url)
		}
		got := c.send(fmt.Sprintf(`{"resourceType":"Bundle","type":%q,"entry":[%s,%s,%s]}`, kind,
			entry(kneeAnswers("r1", kneeURL, "completed", "much", "much"), "QuestionnaireResponse/r1"), entry(patientP1, "Patient/p1"), entry(knee("q1", "1.0"), "Questionnaire/q1")))
		if score := c.scored("r1", "total"); score != "6" {
			t.Errorf("%s: %s %v", kind, score, got)
		}
	}
}

func TestAFormThatComesAfterItsResponsesScoresThemWhenTheyAreScoredAgain(t *testing.T) {
	onBothEngines(t, func(t *testing.T, store string) {
		c := start(t, func(c *server.Config) { c.Store, c.Redis = store, "none" })
		got := c.send(patientP1, kneeAnswers("r1", kneeURL, "completed", "much", "some"))
		if got[1].GetOutcome() != rapportv1.Outcome_OUTCOME_STORED || c.scored("r1", "total") != "not scored" {
			t.Fatal(got[1])
		}
		c.send(knee("q1", "1.0"))
		if told := c.rescore(&rapportv1.RescoreRequest{}); told.last().GetChanged() != 1 {
			t.Error(told.counts())
		}
		if got := c.scored("r1", "total"); got != "4" {
			t.Error(got)
		}
		if told := c.rescore(&rapportv1.RescoreRequest{}); told.last().GetChanged() != 0 {
			t.Error("again:", told.counts())
		}
	})
}

func TestANewerVersionOfAFormIsTheCurrentOneAndTheOldOneStays(t *testing.T) {
	c := start(t, func(c *server.Config) { c.Redis = "none" })
	newer := strings.ReplaceAll(knee("q2", "1.10"), `"valueDecimal":3`, `"valueDecimal":5`)
	c.send(patientP1, newer, knee("q1", "1.9"))
	c.send(kneeAnswers("r1", kneeURL, "completed", "much", "none"), kneeAnswers("r2", kneeURL+"|1.9", "completed", "much", "none"))
	if a, b := c.scored("r1", "total"), c.scored("r2", "total"); a != "5" || b != "3" {
		t.Error(a, b)
	}
	// A second resource that claims the same version with other content makes both unfit to be named by it.
	got := c.send(strings.ReplaceAll(knee("q3", "1.9"), `"valueDecimal":3`, `"valueDecimal":7`), kneeAnswers("r3", kneeURL+"|1.9", "completed", "much", "none"))
	if score := c.scored("r3", "total"); score != "not scored" || !hasIssue(got[1].GetIssues(), rapportv1.IssueSeverity_ISSUE_SEVERITY_WARNING, "several stored questionnaires") {
		t.Error(score, got[1].GetIssues())
	}
}

func TestTwoServersOnOneDatabaseKnowEachOthersForms(t *testing.T) {
	store := testbed.Database(t)
	a := start(t, func(c *server.Config) { c.Store, c.Redis = store, "none" })
	b := start(t, func(c *server.Config) { c.Store, c.Redis = store, "none" })
	a.send(patientP1, knee("q1", "1.0"))
	b.send(kneeAnswers("r1", kneeURL, "completed", "much", "some"))
	if got := a.scored("r1", "total"); got != "4" {
		t.Error(got)
	}
	a.send(strings.ReplaceAll(knee("q1", "1.1"), `"valueDecimal":3`, `"valueDecimal":5`))
	b.send(kneeAnswers("r2", kneeURL, "completed", "much", "some"))
	if got := a.scored("r2", "total"); got != "6" {
		t.Error("the amended form:", got)
	}
}

func TestAFormComesInAStreamBeforeItsResponses(t *testing.T) {
	c := start(t, func(c *server.Config) { c.Redis = "none" })
	stream, err := c.ingest.IngestStream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	bodies := []string{patientP1, knee("q1", "1.0")}
	for i := range 300 {
		bodies = append(bodies, kneeAnswers(fmt.Sprint("r", i), kneeURL, "completed", "much", "some"))
	}
	go func() {
		for i, body := range bodies {
			if stream.Send(&rapportv1.IngestStreamRequest{Source: "ehr", Sequence: int64(i), Item: &rapportv1.Item{Body: []byte(body)}}) != nil {
				return
			}
		}
		_ = stream.CloseSend()
	}()
	for i := range bodies {
		ack, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if i >= 2 && ack.GetResult().GetOutcome() != rapportv1.Outcome_OUTCOME_SCORED {
			t.Fatalf("item %d: %v", i, ack)
		}
	}
}

func TestTheEHRsOwnCopyOfABuiltInFormIsUsedToCheckAndNotToScore(t *testing.T) {
	c := start(t, func(c *server.Config) { c.Redis = "none" })
	answers := phq9("r1", "p1", monday, 1, 1, 1, 1, 1, 1, 1, 1, 0)
	c.send(patientP1, answers)
	copied := `{"resourceType":"Questionnaire","id":"phq","url":"http://loinc.org/q/44249-1","status":"active","item":[
		{"linkId":"/44250-9","type":"choice","required":true,"answerOption":[{"valueCoding":{"system":"http://loinc.org","code":"LA6568-5"}}]},
		{"linkId":"extra","type":"string","required":true}]}`
	got := c.send(copied, strings.Replace(answers, `"r1"`, `"r2"`, 1))
	if !hasIssue(got[0].GetIssues(), rapportv1.IssueSeverity_ISSUE_SEVERITY_INFORMATION, "scored as phq-9") {
		t.Error(got[0].GetIssues())
	}
	if !hasIssue(got[1].GetIssues(), rapportv1.IssueSeverity_ISSUE_SEVERITY_WARNING, "requires") {
		t.Error("not checked:", got[1].GetIssues())
	}
	if a, b := c.scored("r1", "total"), c.scored("r2", "total"); a != "8" || b != "8" {
		t.Error(a, b)
	}
}

func TestAClinicsFolderIsInForceFromTheStart(t *testing.T) {
	c := start(t, func(c *server.Config) { c.Redis, c.Instruments = "none", "../catalogue/testdata/clinic" })
	c.send(patientP1)
	mood := `{"resourceType":"QuestionnaireResponse","id":"m1","questionnaire":"https://clinic.example/Questionnaire/mood|1","status":"completed",
		"subject":{"reference":"Patient/p1"},"authored":"2026-03-01T09:00:00Z","item":[
		{"linkId":"1","answer":[{"valueCoding":{"system":"https://clinic.example/answers","code":"yes"}}]},
		{"linkId":"2","answer":[{"valueCoding":{"system":"https://clinic.example/answers","code":"yes"}}]}]}`
	c.send(mood, phq9("r1", "p1", monday, 1, 1, 1, 1, 1, 1, 1, 1, -1))
	if a, b := c.scored("m1", "sum"), c.scored("r1", "total"); a != "6" || b != "missing-items" {
		t.Error("the form of the folder, and the PHQ-9 in strict mode:", a, b)
	}
	broken := filepath.Join(t.TempDir(), "x.yaml")
	if err := os.WriteFile(broken, []byte("instruments:\n  phq-9: {strikt: true}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	config := server.Default()
	config.Listen, config.HTTPListen, config.Redis = "127.0.0.1:0", "127.0.0.1:0", "none"
	config.Store, config.Instruments = "sqlite:"+c.path(t), filepath.Dir(broken)
	if _, err := server.New(t.Context(), config); err == nil || !strings.Contains(err.Error(), "x.yaml:2:11") || !strings.Contains(err.Error(), "did you mean 'strict'?") {
		t.Error(err)
	}
}

func TestWhatAFormScoredCanBeReadAfterARestart(t *testing.T) {
	onBothEngines(t, func(t *testing.T, store string) {
		c := start(t, func(c *server.Config) { c.Store, c.Redis = store, "none" })
		c.send(patientP1, knee("q1", "1.0"), kneeAnswers("r1", kneeURL, "completed", "much", "some"))
		c.end()
		c = start(t, func(c *server.Config) { c.Store, c.Redis = store, "none" })
		c.later(time.Hour)
		found := c.search("Observation?patient=p1").observed()
		if len(found) == 0 || !strings.Contains(strings.Join(found, "\n"), "total") {
			t.Errorf("no derived Observation: %v", found)
		}
	})
}

func TestAFormOfAnEHRThatAsksACriticalItemAlertsAndKeepsItsOwnScores(t *testing.T) {
	onBothEngines(t, func(t *testing.T, store string) {
		c := start(t, func(c *server.Config) { c.Store, c.Redis = store, "none" })
		const weighed = `{"valueCoding":{"system":"http://loinc.org","code":%q},"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/ordinalValue","valueDecimal":%d}]}`
		c.send(patientP1, `{"resourceType":"Questionnaire","id":"intake","url":"http://ehr.example/intake","status":"active","item":[
			{"linkId":"/44260-8","type":"choice","answerOption":[`+fmt.Sprintf(weighed, "LA6568-5", 0)+`,`+fmt.Sprintf(weighed, "LA6570-1", 2)+`]}]}`,
			`{"resourceType":"QuestionnaireResponse","id":"r1","questionnaire":"http://ehr.example/intake","status":"completed",
			"subject":{"reference":"Patient/p1"},"authored":"2026-03-01T09:00:00Z","item":[
			{"linkId":"/44260-8","answer":[{"valueCoding":{"system":"http://loinc.org","code":"LA6570-1"}}]}]}`)
		if alerts := c.listAlerts(&rapportv1.ListAlertsRequest{Patient: "p1"}); len(alerts) != 1 {
			t.Errorf("alerts %v, want the one of the critical item", alerts)
		}
		derived := string(c.fhir(http.StatusOK, "GET", "Observation?patient=p1", ""))
		if !strings.Contains(derived, "-score-total") || strings.Contains(derived, "PHQ-9") {
			t.Errorf("derived are %s, want the form's own total", derived)
		}
	})
}
