package ingest

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/rapport-health/rapport/services/catalogue"
	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/fhir"
)

// room reads; nothing behind it commits.
func room(t *testing.T) *Ingest {
	t.Helper()
	loaded, err := catalogue.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	namer := ref.Namer{Home: "ehr"}
	now := func() time.Time { return time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC) }
	return &Ingest{Config: Config{
		Reader: &fhir.Reader{Instruments: loaded, Namer: namer}, Library: catalogue.NewLibrary(loaded, nil, namer, now), Namer: namer,
		Now: now, Log: slog.New(slog.DiscardHandler),
	}}
}

// scoresOf are those of a PHQ-9 with every item answered 3 and some further members.
func scoresOf(t *testing.T, members string) *fact.Scores {
	t.Helper()
	var items []string
	for _, code := range []string{"44250-9", "44255-8", "44259-0", "44254-1", "44251-7", "44258-2", "44252-5", "44253-3", "44260-8"} {
		items = append(items, fmt.Sprintf(`{"linkId":"/%s","answer":[{"valueInteger":3}]}`, code))
	}
	body := `{"resourceType":"QuestionnaireResponse","id":"r","status":"completed","questionnaire":"http://loinc.org/q/44249-1",
		"subject":{"reference":"Patient/p"},"authored":"2026-03-01T09:00:00Z",` + members + `"item":[` + strings.Join(items, ",") + `]}`
	r := room(t)
	p, err := r.prepare(t.Context(), r.Library.Open("t"), decision.Submission{Tenant: "t", Source: "ehr", Body: []byte(body)})
	if err != nil || len(p.inputs) != 1 || len(p.inputs[0].Facts) != 1 {
		t.Fatalf("prepared as %+v", p)
	}
	return p.inputs[0].Facts[0].Scores
}

func TestAFormAnsweredForThePatientKeepsItsNumbersAndItsSafetyItemButNoBand(t *testing.T) {
	for _, source := range []string{"RelatedPerson/q", "Practitioner/c"} {
		s := scoresOf(t, `"source":{"reference":"`+source+`"},`)
		if total := s.Scores[0]; s.Respondent == "patient" || *total.Value != 27 || total.Band != "" || total.Level != "" || total.Reliable != nil {
			t.Errorf("%s: %s, %+v", source, s.Respondent, total)
		}
		if len(s.Critical) != 1 {
			t.Errorf("%s: the safety item is lost", source)
		}
	}
}

func TestAClinicianWhoOnlyRecordedTheAnswersLeavesThemThePatients(t *testing.T) {
	for _, members := range []string{"", `"author":{"reference":"Practitioner/c"},`, `"author":{"reference":"Practitioner/c"},"source":{"reference":"Patient/p"},`} {
		s := scoresOf(t, members)
		if total := s.Scores[0]; s.Respondent != "patient" || total.Band != "severe" || total.Reliable == nil {
			t.Errorf("%s: %s, %+v", members, s.Respondent, total)
		}
	}
}
