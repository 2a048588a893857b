package server_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
	"github.com/rapport-health/rapport/services/server"
)

func (c *clinic) hook(path, body string) (int, []byte) {
	c.t.Helper()
	resp, err := http.Post("http://"+c.HTTPAddr()+"/cds-services/"+path, "application/json", strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return resp.StatusCode, answer
}

func TestACardLeadsToItsAlertAndFeedbackToItsYield(t *testing.T) {
	c := start(t, func(config *server.Config) { config.BoardURL = "https://board.example.org/?patient={patient}" })
	c.send(patientP1, phq9("r1", "p1", monday, 3, 3, 3, 3, 3, 3, 3, 3, 0))
	status, body := c.hook("patient-view", `{"hook":"patient-view","hookInstance":"d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",`+
		`"context":{"userId":"Practitioner/pt","patientId":"p1"}}`)
	var answer struct {
		Cards []struct {
			UUID  string
			Links []struct{ URL string }
		}
	}
	if err := json.Unmarshal(body, &answer); err != nil || status != http.StatusOK || len(answer.Cards) == 0 {
		t.Fatalf("%d %s", status, body)
	}
	card := answer.Cards[0]
	if card.Links[0].URL != "https://board.example.org/?patient=p1" {
		t.Errorf("%+v", card)
	}
	said := fmt.Sprintf(`{"feedback":[{"card":%q,"outcome":"accepted","outcomeTimestamp":"2026-03-02T10:00:00Z"}]}`, card.UUID)
	for range 2 {
		if status, body := c.hook("patient-view/feedback", said); status != http.StatusOK {
			t.Fatalf("%d %s", status, body)
		}
	}
	counted, err := c.alerts.CountAlerts(t.Context(), &rapportv1.CountAlertsRequest{WithYields: true})
	if err != nil {
		t.Fatal(err)
	}
	var useful int64
	for _, y := range counted.GetYields() {
		useful += y.GetUseful()
	}
	if useful != 1 {
		t.Errorf("%v", counted)
	}
}
