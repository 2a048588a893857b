package server_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
	"github.com/rapport-health/rapport/services/domain/access"
	"github.com/rapport-health/rapport/services/domain/instrument"
)

// rating of a clinician by the patient p1, or by themselves, each item answered alike.
func rating(id, source, more string, at time.Time, answer int) string {
	var items []string
	for n := range 12 {
		items = append(items, fmt.Sprintf(`{"linkId":"%d","answer":[{"valueInteger":%d}]}`, n+1, answer))
	}
	return fmt.Sprintf(`{"resourceType":"QuestionnaireResponse","id":%q,"questionnaire":"%s/Questionnaire/wai-sr","status":"completed",`+
		`"subject":{"reference":"Patient/p1"},"source":{"reference":%q},"authored":%q%s,"item":[%s]}`,
		id, instrument.Base, source, at.Format(time.RFC3339), more, strings.Join(items, ","))
}

const ratesD1 = `,"extension":[{"url":"https://github.com/rapport-health/rapport/fhir/StructureDefinition/rated-clinician","valueReference":{"reference":"Practitioner/d1"}}]`

func TestTheRatedClinicianFindsTheRatingAtNoDoorAndOthersDo(t *testing.T) {
	g := startGated(t, nil)
	_, full := g.full("default")
	visit := `{"resourceType":"Encounter","id":"e1","status":"finished","class":{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"AMB"},"subject":{"reference":"Patient/p1"},` +
		`"participant":[{"individual":{"reference":"Practitioner/d1"}}],"period":{"start":"2026-02-20T09:00:00Z","end":"2026-02-20T10:00:00Z"}}`
	g.put(full, patientP1, teamP1, visit, phq9("form", "p1", monday.Add(-time.Hour), 1, 1, 1, 1, 1, 1, 1, 1, 0))
	week := 7 * 24 * time.Hour
	g.put(full,
		rating("rated-1", "Patient/p1", ratesD1, monday.Add(-4*week), 5), rating("rated-2", "Patient/p1", ratesD1, monday.Add(-3*week), 5),
		rating("rated-3", "Patient/p1", ratesD1, monday.Add(-2*week), 5), rating("rated-4", "Patient/p1", ratesD1, monday.Add(-week), 1),
		rating("rated-visit", "Patient/p1", `,"encounter":{"reference":"Encounter/e1"}`, time.Date(2026, 2, 20, 10, 0, 0, 0, time.UTC), 2),
		strings.NewReplacer(`"completed"`, `"in-progress"`).Replace(rating("rated-empty", "Patient/p1", ratesD1, monday.Add(-time.Hour), 3)))
	person := func(name, who string) string {
		return g.token(g.register(name, "default", "system/*.cruds", func(c *access.Client) {
			c.Person, c.Feeds, c.Labels = who, access.Grants{"*"}, []string{"*"}
			c.Purposes = []string{"*"}
		}), "system/*.cruds")
	}
	rated, role, lead := person("rated", "Practitioner/d1"), person("role", "PractitionerRole/x"), person("lead", "Practitioner/d2")
	derived := ""
	for _, id := range g.ids("/fhir/Observation?patient=p1&_count=1000", lead) {
		if !strings.HasPrefix(id, "o") && derived == "" && strings.Contains(g.want(http.StatusOK, "GET", "/fhir/Observation/"+id, lead, ""), "wai-sr") {
			derived = id
		}
	}
	tells := []string{"rated-1", "rated-4", "rated-visit", "rated-empty", "wai-sr", derived}
	for _, c := range []struct {
		who, token string
		sees       bool
	}{{"the rated", rated, false}, {"a role behind which the rated may be", role, false}, {"another", lead, true}, {"a system", full, true}} {
		for what, text := range g.toldOfP1(c.token) {
			told := ""
			for _, word := range tells {
				if strings.Contains(text, word) {
					told = word
				}
			}
			if (told != "") != c.sees {
				at := strings.Index(text, told)
				t.Errorf("%s is told of the rating by %s: %q in %s", c.who, what, told, text[max(0, at-400):min(len(text), at+100)])
			}
		}
		want := map[bool]int{true: http.StatusOK, false: http.StatusNotFound}[c.sees]
		for _, at := range []string{"QuestionnaireResponse/rated-1", "QuestionnaireResponse/rated-1/_history/1", "QuestionnaireResponse/rated-empty", "QuestionnaireResponse/rated-visit", "Observation/" + derived} {
			g.want(want, "GET", "/fhir/"+at, c.token, "")
			if !c.sees {
				g.want(want, "GET", "/fhir/"+at, c.token, "", "X-Break-Glass", "ETREAT")
			}
		}
		if got := g.ids("/fhir/QuestionnaireResponse?patient=p1", c.token); len(got) != map[bool]int{true: 7, false: 1}[c.sees] {
			t.Errorf("%s finds %v", c.who, got)
		}
		sheets, err := g.outcomes.ListScores(as(t.Context(), c.token), &rapportv1.ListScoresRequest{Patient: "p1"})
		if err != nil || len(sheets.GetSheets()) != map[bool]int{true: 6, false: 1}[c.sees] {
			t.Errorf("%s lists %d sheets, %v", c.who, len(sheets.GetSheets()), err)
		}
	}
	g.put(full, rating("own", "Practitioner/d1", ratesD1, monday, 4))
	g.want(http.StatusOK, "GET", "/fhir/QuestionnaireResponse/own", rated, "")
	if code, _, _ := g.over("POST", "/fhir/Subscription", rated, "{}"); code != http.StatusForbidden {
		t.Errorf("a clinician subscribes to everything: %d", code)
	}
}

// toldOfP1 is what every door tells a caller of the patient p1.
func (g *gated) toldOfP1(token string) map[string]string {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(as(g.t.Context(), token), 20*time.Second)
	defer cancel()
	out := map[string]string{}
	note := func(what string, m proto.Message, err error) {
		if err != nil {
			g.t.Fatalf("%s: %v", what, err)
		}
		text, err := protojson.Marshal(m)
		if err != nil {
			g.t.Fatal(err)
		}
		out[what] = string(text)
	}
	episode, err := g.outcomes.GetEpisode(ctx, &rapportv1.GetEpisodeRequest{Patient: "p1"})
	note("GetEpisode", episode, err)
	timeline, err := g.outcomes.Timeline(ctx, &rapportv1.TimelineRequest{Patient: "p1", Superseded: true, PageSize: 100})
	note("Timeline", timeline, err)
	scores, err := g.outcomes.ListScores(ctx, &rapportv1.ListScoresRequest{Patient: "p1"})
	note("ListScores", scores, err)
	unscored, err := g.outcomes.ListUnscored(ctx, &rapportv1.ListUnscoredRequest{})
	note("ListUnscored", unscored, err)
	watched, err := g.outcomes.WatchEpisode(ctx, &rapportv1.WatchEpisodeRequest{Patient: "p1"})
	if err != nil {
		g.t.Fatal(err)
	}
	state, err := watched.Recv()
	note("WatchEpisode", state, err)
	for _, path := range []string{
		"Observation?patient=p1&_count=1000", "QuestionnaireResponse?patient=p1", "Patient/p1/$everything", "Provenance?patient=p1&_count=1000",
		"QuestionnaireResponse/_history", "_history?_count=1000", "Patient?_id=p1&_revinclude=QuestionnaireResponse:patient",
	} {
		out[path] = g.want(http.StatusOK, "GET", "/fhir/"+path, token, "")
	}
	all := ""
	bearer := []string{"Authorization", "Bearer " + token}
	for _, f := range g.finished(g.kickOff(http.MethodGet, "/$export", "", bearer...), bearer...).Output {
		_, text := g.exchange(http.MethodGet, f.URL, "", bearer...)
		all += string(text)
	}
	out["$export"] = all
	return out
}
