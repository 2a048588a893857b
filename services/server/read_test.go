package server_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
	"github.com/rapport-health/rapport/services/domain/decision"
)

func TestEveryServiceIsListedByReflectionAndServing(t *testing.T) {
	c := start(t, nil)
	stream, err := grpc_reflection_v1.NewServerReflectionClient(c.conn).ServerReflectionInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ask := &grpc_reflection_v1.ServerReflectionRequest{MessageRequest: &grpc_reflection_v1.ServerReflectionRequest_ListServices{}}
	if err := stream.Send(ask); err != nil {
		t.Fatal(err)
	}
	answer, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	var listed []string
	for _, s := range answer.GetListServicesResponse().GetService() {
		listed = append(listed, s.GetName())
	}
	for _, service := range []string{"", "rapport.v1.IngestService", "rapport.v1.AlertService", "rapport.v1.OutcomeService", "rapport.v1.ScoringService"} {
		if service != "" && !slices.Contains(listed, service) {
			t.Errorf("reflection lists %v, not %s", listed, service)
		}
		resp, err := grpc_health_v1.NewHealthClient(c.conn).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{Service: service})
		if err != nil || resp.GetStatus() != grpc_health_v1.HealthCheckResponse_SERVING {
			t.Errorf("the health of %q: %v %v", service, resp, err)
		}
	}
}

func TestAnEpisodeIsReadAsItWasKnownOnAnEarlierDay(t *testing.T) {
	c := start(t, nil)
	c.send(patientP1, phq9("r1", "p1", monday, 1, 1, 1, 1, 1, 0, 0, 0, 0))
	c.later(14 * 24 * time.Hour)
	c.send(phq9("r2", "p1", monday.AddDate(0, 0, 14), 2, 2, 2, 2, 2, 2, 2, 2, 0))
	c.send(phq9("r0", "p1", monday.AddDate(0, 0, -7), 3, 0, 0, 0, 0, 0, 0, 0, 0)) // late: it was not known then
	depression := func(at *timestamppb.Timestamp) (int64, float64) {
		resp, err := c.outcomes.GetEpisode(t.Context(), &rapportv1.GetEpisodeRequest{Patient: "Patient/p1", AsOf: at})
		if err != nil {
			t.Fatal(err)
		}
		return resp.GetEpisode().GetFacts(), resp.GetEpisode().GetDistress()[0].GetValue()
	}
	if facts, value := depression(timestamppb.New(monday.AddDate(0, 0, 7))); facts != 1 || value != 5 {
		t.Errorf("a week later %d facts were known, depression was %v", facts, value)
	}
	if facts, value := depression(nil); facts != 3 || value != 16 {
		t.Errorf("now %d facts are known, depression is %v", facts, value)
	}
	before := &rapportv1.GetEpisodeRequest{Patient: "p1", AsOf: timestamppb.New(monday.AddDate(0, 0, -30))}
	if _, err := c.outcomes.GetEpisode(t.Context(), before); status.Code(err) != codes.NotFound {
		t.Errorf("before anything was known: %v", err)
	}
}

func TestAsOfADayBeforeItsHistoryWasRecordedAnEpisodeIsAsItHadGoneByThen(t *testing.T) {
	c := start(t, nil)
	c.send(patientP1, phq9("r1", "p1", monday.AddDate(0, 0, -60), 1, 1, 1, 1, 1, 0, 0, 0, 0), phq9("r2", "p1", monday.AddDate(0, 0, -20), 2, 2, 2, 2, 2, 2, 2, 2, 0))
	for day, want := range map[int]float64{-60: 5, -30: 5, -10: 16} {
		at := timestamppb.New(monday.AddDate(0, 0, day).Add(time.Hour))
		resp, err := c.outcomes.GetEpisode(t.Context(), &rapportv1.GetEpisodeRequest{Patient: "p1", AsOf: at})
		if err != nil || resp.GetEpisode().GetDistress()[0].GetValue() != want {
			t.Errorf("day %d: %v %v", day, resp.GetEpisode().GetDistress(), err)
		}
	}
	before := &rapportv1.GetEpisodeRequest{Patient: "p1", AsOf: timestamppb.New(monday.AddDate(0, 0, -90))}
	if _, err := c.outcomes.GetEpisode(t.Context(), before); status.Code(err) != codes.NotFound {
		t.Errorf("before anything happened: %v", err)
	}
}

func TestPagesOfAlertsAndOfWhatWasNotUsedHoldEverythingOnce(t *testing.T) {
	c := start(t, nil)
	for n := range 5 {
		p := fmt.Sprint("p", n)
		c.send(phq9("r"+p, p, monday, 0, 0, 0, 0, 0, 0, 0, 0, 1),
			strings.Replace(phq9("u"+p, p, monday, 1), "http://loinc.org/q/44249-1", "http://example.org/Questionnaire/mood", 1))
	}
	var alerts, unscored []string
	for token, pages := "", 0; token != "" || pages == 0; pages++ {
		resp, err := c.alerts.ListAlerts(t.Context(), &rapportv1.ListAlertsRequest{PageSize: 2, PageToken: token})
		if err != nil || pages > 10 {
			t.Fatal(pages, err)
		}
		for _, a := range resp.GetAlerts() {
			if a.GetRule() != decision.NobodyAssigned {
				alerts = append(alerts, a.GetPatient())
			}
		}
		token = resp.GetNextPageToken()
	}
	for token, pages := "", 0; token != "" || pages == 0; pages++ {
		resp, err := c.outcomes.ListUnscored(t.Context(), &rapportv1.ListUnscoredRequest{PageSize: 2, PageToken: token})
		if err != nil || pages > 5 {
			t.Fatal(pages, err)
		}
		for _, u := range resp.GetUnscored() {
			unscored = append(unscored, u.GetReference())
		}
		token = resp.GetNextPageToken()
	}
	slices.Sort(alerts)
	slices.Sort(unscored)
	if fmt.Sprint(alerts) != "[Patient/p0 Patient/p1 Patient/p2 Patient/p3 Patient/p4]" {
		t.Errorf("alerts of %v", alerts)
	}
	if len(unscored) != 5 || len(slices.Compact(unscored)) != 5 {
		t.Errorf("not used: %v", unscored)
	}
	if _, err := c.alerts.ListAlerts(t.Context(), &rapportv1.ListAlertsRequest{PageToken: "?"}); status.Code(err) != codes.InvalidArgument {
		t.Errorf("a token that is none: %v", err)
	}
	if _, err := c.outcomes.ListUnscored(t.Context(), &rapportv1.ListUnscoredRequest{PageToken: "?"}); status.Code(err) != codes.InvalidArgument {
		t.Errorf("a token that is none: %v", err)
	}
}
