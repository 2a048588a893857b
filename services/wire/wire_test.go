package wire_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/alliance"
	"github.com/rapport-health/rapport/services/domain/episode"
	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/instrument"
	"github.com/rapport-health/rapport/services/domain/judge"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/wire"
)

var at = time.Date(2026, 3, 2, 12, 0, 0, 123456000, time.UTC)

// full is an alert with everything, and its last event; rated is whose rating lies behind it, if any.
func full(t *testing.T, rated string) (alert.Alert, feed.Draft) {
	t.Helper()
	reference := 9.0
	a := alert.Alert{
		ID: "a", Finding: "a", Severity: judge.Critical, Rule: "phq9-item-9", RuleVersion: "v", Group: "g", Safety: true,
		Patient: "p", Episode: "p", Title: "Safety item", Seen: "item 9 \"above\" <zero> & more — ä", Question: "q?", Phrase: "ph", Evidence: "e",
		Roles: []string{"physician"}, Feeds: []feed.Name{"team:x", "unassigned"}, Facts: []string{"f1", "f2"},
		Sources:   []ref.Resource{{Type: "QuestionnaireResponse", ID: "r", Version: 3}},
		Numbers:   []judge.Number{{Name: "phq-9 total", Value: 14, Reference: &reference, Unconfirmed: true}, {Name: "HEP", Value: 0, Unit: "%"}},
		Effective: at.Add(-time.Hour), Withheld: "something was said", Rated: rated, Routed: alert.ByRole, Partner: "ask",
		Recipients: []alert.Recipient{{Person: "Practitioner/1", Role: "physician", Team: "x", Reason: alert.ByRole}},
		EachRole:   []string{"physician", "nurse"}, Ladder: []judge.Rung{{After: time.Hour, Roles: []string{"nurse"}}}, Follows: "before",
		Proposal:     &judge.Proposal{Modality: "telephone", WithinDays: 2, Text: "Call."},
		Translations: map[string]judge.Wording{"de": {Title: "Titel", Seen: "Gesehen", Withheld: "etwas", Proposal: "Anrufen."}}, Language: "de",
	}
	a, _ = alert.Begin(a, at, "")
	var draft *feed.Draft
	for _, c := range []alert.Command{
		{Verb: alert.Acknowledge, Version: 1, Actor: "Practitioner/1", Role: "physician", Key: "k"},
		{Verb: alert.Comment, Actor: "Practitioner/1", Reason: "left-message", Note: "a text that names somebody"},
		{Verb: alert.Feedback, Actor: "Practitioner/1", Feedback: alert.AlreadyKnown},
		{Verb: alert.Reassign, Version: 4, Actor: "Practitioner/1", To: "Practitioner/2"},
		{Verb: alert.Snooze, Version: 5, Actor: "Practitioner/2", Until: at.Add(time.Hour), Reason: "visit-planned"},
	} {
		c.Alert, c.At = "a", at
		var err error
		if a, draft, err = alert.Lifecycle(a, c); err != nil {
			t.Fatal(err)
		}
	}
	return a, *draft
}

func TestTheDataOfAnEventIsTheJSONFormOfTheMessage(t *testing.T) {
	for _, rated := range []string{"", "Practitioner/9"} {
		theSame(t, rated)
	}
}

func theSame(t *testing.T, rated string) {
	t.Helper()
	a, draft := full(t, rated)
	event := thawed(t, feed.Event{Feed: feed.All, Seq: 7, TenantSeq: 7, ID: draft.ID, Type: draft.Type, Time: draft.Time, Subject: draft.Subject, Data: draft.Data})
	if want := wire.Alert(a.ForFeed().In(a.Language)); !proto.Equal(event.GetAlert(), want) {
		t.Errorf("event  %v\nalert  %v", event.GetAlert(), want)
	}
	if strings.Contains(string(draft.Data), "names somebody") || rated != "" && strings.Contains(string(draft.Data), "phq-9") {
		t.Errorf("the feed says %s", draft.Data)
	}
}

func TestEveryStatusAndSeverityHasItsMessage(t *testing.T) {
	for _, s := range alert.Statuses {
		m := wire.Alert(alert.Sight{Alert: alert.Alert{Status: s}})
		if m.GetStatus().String() != s.ProtoStatus() {
			t.Errorf("%s becomes %s", s, m.GetStatus())
		}
		if back, ok := wire.AlertStatus(m.GetStatus()); !ok || back != s {
			t.Errorf("%s comes back as %s", s, back)
		}
	}
	for s := judge.Info; s <= judge.Critical; s++ {
		if m := wire.Alert(alert.Sight{Alert: alert.Alert{Severity: s}}); m.GetSeverity() == rapportv1.Severity_SEVERITY_UNSPECIFIED {
			t.Errorf("%s has no message", s)
		}
	}
}

func TestFaultsBecomeStatusWithLocatedDetails(t *testing.T) {
	for kind, want := range map[fault.Kind]codes.Code{
		fault.Invalid: codes.InvalidArgument, fault.Unprocessable: codes.InvalidArgument, fault.NotFound: codes.NotFound,
		fault.Conflict: codes.Aborted, fault.Precondition: codes.FailedPrecondition, fault.TooLarge: codes.ResourceExhausted,
		fault.Unauthenticated: codes.Unauthenticated, fault.Forbidden: codes.PermissionDenied, fault.Unavailable: codes.Unavailable,
		fault.NotSupported: codes.Unimplemented,
	} {
		st := status.Convert(wire.Error(fault.New(kind, fault.Errorf("value", "items[3]", "is wrong"))))
		if st.Code() != want {
			t.Errorf("%s becomes %s", kind, st.Code())
		}
		if issue, ok := st.Details()[0].(*rapportv1.Issue); !ok || issue.GetExpression() != "items[3]" {
			t.Errorf("%s lost its place: %v", kind, st.Details())
		}
	}
}

func TestACursorThatIsTooOldNamesTheEarliest(t *testing.T) {
	f := fault.New(fault.TooOld, fault.Errorf("value", "cursor", "forgotten"))
	f.Earliest, f.Feed = 41, "team:x"
	st := status.Convert(wire.Error(f))
	if c, ok := st.Details()[1].(*rapportv1.Cursor); st.Code() != codes.OutOfRange || !ok || c.GetAfter() != 41 || c.GetFeed() != "team:x" {
		t.Errorf("%s %v", st.Code(), st.Details())
	}
}

func TestADyadSaysWhatOfItIsUnconfirmed(t *testing.T) {
	rate := func(instrument, code string, unconfirmed fact.Score) *rapportv1.Episode {
		d := &alliance.Dyad{Rater: "patient", Instrument: instrument}
		for n, value := range []float64{4.2, 4.3, 4.2, 3.2} {
			s := unconfirmed
			s.Code, s.Value = code, &value
			d = d.Rate(fact.Key{At: time.Unix(int64(n), 0)}, &fact.Scores{Instrument: instrument, Version: "1", Scores: []fact.Score{s}})
		}
		e, err := wire.Episode(&episode.State{Dyads: []*alliance.Dyad{d}})
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	band := rate("wai-sr", "total-mean", fact.Score{HigherBetter: true, ReliableUnconfirmed: true})
	if d := band.GetDyads()[0]; d.GetUnconfirmed() || !d.GetEventUnconfirmed() || band.GetReasons()[0] != "an alliance rupture is open (unconfirmed)" {
		t.Errorf("an error band: %v", band)
	}
	key := rate("wai-srt", "total", fact.Score{HigherBetter: true, Unconfirmed: true})
	if d := key.GetDyads()[0]; !d.GetUnconfirmed() || d.GetEventUnconfirmed() {
		t.Errorf("a key: %v", d)
	}
}

func TestTheLicenceNamesThoseWhoseCodesAnInstrumentCarries(t *testing.T) {
	r, err := instrument.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	d, err := r.Lookup("phq-9")
	if err != nil {
		t.Fatal(err)
	}
	if licence := wire.Instrument(d).GetLicence(); !strings.HasPrefix(licence, d.Licence.Notice) || !strings.Contains(licence, "LOINC") {
		t.Errorf("the licence says %q", licence)
	}
}

func TestTheTextOfInternalErrorsIsWithheld(t *testing.T) {
	for _, err := range []error{errors.New("patient Jane"), fault.Wrap(fault.Unavailable, errors.New("patient Jane"), "reading")} {
		if text := wire.Error(err).Error(); text == "" || strings.Contains(text, "Jane") {
			t.Errorf("the edge says %q", text)
		}
	}
}
