package alerts_test

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/timestamppb"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
	"github.com/rapport-health/rapport/services/alerts"
	"github.com/rapport-health/rapport/services/auth"
	"github.com/rapport-health/rapport/services/commit"
	"github.com/rapport-health/rapport/services/domain/access"
	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/judge"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/store"
	"github.com/rapport-health/rapport/services/store/sqlite"
	"github.com/rapport-health/rapport/services/watch"
	"github.com/rapport-health/rapport/services/wire"
)

var monday = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// desk is the service over a database of its own, with a clock that stands until it is moved.
type desk struct {
	*alerts.Server
	t       *testing.T
	store   *sqlite.Store
	metrics *prometheus.Registry
	clock   atomic.Int64
}

func open(t *testing.T) *desk {
	t.Helper()
	s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "desk.db"), sqlite.Options{Migrate: true})
	if err != nil {
		t.Fatal(err)
	}
	d := &desk{t: t, store: s, metrics: prometheus.NewRegistry()}
	d.clock.Store(monday.UnixMicro())
	log := watch.New(s, watch.Default())
	counted, err := alerts.NewMetrics(d.metrics)
	if err != nil {
		t.Fatal(err)
	}
	config := commit.Default()
	config.Store, config.Now, config.Rules = s, d.now, func() ([]judge.Rule, alert.Policy) { return nil, alert.Policy{} }
	config.Committed = counted.After(log.Moved)
	group, err := commit.New(config)
	if err != nil {
		t.Fatal(err)
	}
	d.Server = &alerts.Server{Store: s, Group: group, Log: log, Now: d.now, Stopping: make(chan struct{})}
	t.Cleanup(func() {
		if err := group.Stop(context.Background()); err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func (d *desk) now() time.Time         { return time.UnixMicro(d.clock.Load()).UTC() }
func (d *desk) later(by time.Duration) { d.clock.Add(by.Microseconds()) }

// as is a call by somebody; nobody is a system.
func as(person string) context.Context {
	return auth.With(context.Background(), access.Principal{Tenant: "default", Person: person})
}

// raise stores an alert that was just opened, or suppressed for a reason.
func (d *desk) raise(id string, because string, change func(*alert.Alert)) {
	d.t.Helper()
	a := alert.Alert{
		ID: id, Finding: id, Severity: judge.High, Rule: "screening-severe", Patient: "p1", Episode: "p1", Title: "Worth a look",
		Seen: "PHQ-9 total 22 of 27", Feeds: []feed.Name{"team:spine"}, Roles: []string{"psychologist"}, Effective: monday,
		Recipients: []alert.Recipient{{Person: "Practitioner/psy", Role: "psychologist", Team: "spine", Reason: alert.ByRole}},
		Numbers:    []judge.Number{{Name: "phq-9 total", Value: 22}}, Facts: []string{"f1"},
		Sources: []ref.Resource{{Type: "QuestionnaireResponse", ID: "r1", Version: 1}},
	}
	if change != nil {
		change(&a)
	}
	a, event := alert.Begin(a, d.now(), because)
	_, err := d.store.Update(d.t.Context(), "default", func(tx store.Tx) error {
		return tx.Commit(&decision.Decision{Alerts: []alert.Alert{a}, Events: []feed.Draft{event}})
	})
	if err != nil {
		d.t.Fatal(err)
	}
}

func rating(clinician string) func(*alert.Alert) {
	return func(a *alert.Alert) {
		a.Rule, a.Rated, a.Seen, a.Withheld = "alliance-rupture", clinician, "SECRET 12 of 60", "Please speak with the lead."
		a.Numbers, a.Facts = []judge.Number{{Name: "SECRET", Value: 12}}, []string{"SECRET"}
		a.Recipients = []alert.Recipient{{Person: "Practitioner/lead", Role: "care-coordinator", Reason: alert.ByLead}}
	}
}

func (d *desk) list(ctx context.Context, req *rapportv1.ListAlertsRequest) []string {
	d.t.Helper()
	resp, err := d.ListAlerts(ctx, req)
	if err != nil {
		d.t.Fatal(err)
	}
	ids := []string{}
	for _, a := range resp.GetAlerts() {
		ids = append(ids, a.GetId())
	}
	return ids
}

func wantCode(t *testing.T, err error, code codes.Code, fields ...string) {
	t.Helper()
	st := status.Convert(err)
	if st.Code() != code {
		t.Fatalf("the error is %v, want %s", err, code)
	}
	var named []string
	for _, detail := range st.Details() {
		if issue, ok := detail.(*rapportv1.Issue); ok {
			named = append(named, issue.GetExpression())
		}
	}
	for _, field := range fields {
		if !slices.Contains(named, field) {
			t.Errorf("%v names %q, not %s", err, named, field)
		}
	}
}

func TestAnAlertIsListedByWhatItIsAndByWhoHasIt(t *testing.T) {
	d := open(t)
	d.raise("a", "", nil)
	d.raise("b", "", func(a *alert.Alert) { a.Severity, a.Patient, a.Episode = judge.Critical, "p2", "p2" })
	d.raise("c", "cool-down", func(a *alert.Alert) { a.Rule = "hep-low" })
	d.raise("d", "", func(a *alert.Alert) {
		a.Severity, a.Effective, a.Roles = judge.Info, monday.Add(24*time.Hour), []string{"nurse"}
		a.Recipients = []alert.Recipient{{Person: "Practitioner/n", Role: "nurse", Reason: alert.ByRole}}
	})
	if _, err := d.Acknowledge(as(""), &rapportv1.AcknowledgeRequest{Id: "b", Version: 1, Actor: "Practitioner/psy"}); err != nil {
		t.Fatal(err)
	}
	suppressed := []rapportv1.AlertStatus{rapportv1.AlertStatus_ALERT_STATUS_SUPPRESSED}
	for _, test := range []struct {
		req  *rapportv1.ListAlertsRequest
		want string
	}{
		{&rapportv1.ListAlertsRequest{}, "b a d"},
		{&rapportv1.ListAlertsRequest{Patient: "Patient/p2"}, "b"},
		{&rapportv1.ListAlertsRequest{MinSeverity: rapportv1.Severity_SEVERITY_HIGH}, "b a"},
		{&rapportv1.ListAlertsRequest{Role: "nurse"}, "d"},
		{&rapportv1.ListAlertsRequest{Recipient: "Practitioner/psy"}, "b a"},
		{&rapportv1.ListAlertsRequest{Assignee: "Practitioner/psy"}, "b"},
		{&rapportv1.ListAlertsRequest{From: timestamppb.New(monday.Add(time.Hour))}, "d"},
		{&rapportv1.ListAlertsRequest{To: timestamppb.New(monday.Add(time.Hour))}, "b a"},
		{&rapportv1.ListAlertsRequest{Statuses: suppressed}, "c"},
		{&rapportv1.ListAlertsRequest{SuppressedBecause: "cool-down"}, "c"},
		{&rapportv1.ListAlertsRequest{SuppressedBecause: "grouped"}, ""},
		{&rapportv1.ListAlertsRequest{Rule: "hep-low"}, ""},
	} {
		if got := strings.Join(d.list(as(""), test.req), " "); got != test.want {
			t.Errorf("%v: %s, want %s", test.req, got, test.want)
		}
	}
}

func TestEveryFilterThatCannotBeIsNamed(t *testing.T) {
	d := open(t)
	_, err := d.ListAlerts(as(""), &rapportv1.ListAlertsRequest{
		Patient: "no id", PageSize: -1, PageToken: "?", MinSeverity: 99, Statuses: []rapportv1.AlertStatus{1},
		From: timestamppb.New(monday), To: timestamppb.New(monday), SuppressedBecause: "cool-down",
	})
	wantCode(t, err, codes.InvalidArgument, "patient", "page_size", "page_token", "min_severity", "to", "suppressed_because")
	_, err = d.CountAlerts(as(""), &rapportv1.CountAlertsRequest{Patient: "no id", From: &timestamppb.Timestamp{Seconds: -1 << 60}})
	wantCode(t, err, codes.InvalidArgument, "patient", "from")
}

// sent is a stream that keeps what is sent, up to a number of messages.
type sent struct {
	grpc.ServerStream
	ctx  context.Context
	end  context.CancelFunc
	text strings.Builder
	left int
}

func (s *sent) Context() context.Context { return s.ctx }

func (s *sent) Send(r *rapportv1.SubscribeResponse) error { return s.SendMsg(r) }

func (s *sent) SendMsg(m any) error {
	sent, err := wire.Codec().Marshal(m)
	if err != nil {
		return err
	}
	r := &rapportv1.SubscribeResponse{}
	if err := wire.Codec().Unmarshal(sent, r); err != nil {
		return err
	}
	s.text.WriteString(protojson.Format(r))
	if s.left--; s.left == 0 {
		s.end()
	}
	return nil
}

func TestTheRatedClinicianLearnsNothingOfTheRatingByAnyCall(t *testing.T) {
	d := open(t)
	d.raise("r", "", rating("Practitioner/pt"))
	if _, err := d.Comment(as("Practitioner/lead"), &rapportv1.CommentRequest{Id: "r", Text: "SECRET on the phone", Code: "called"}); err != nil {
		t.Fatal(err)
	}
	pt := as("Practitioner/pt")
	var read strings.Builder
	got, err := d.GetAlert(pt, &rapportv1.GetAlertRequest{Id: "r", Language: "de"})
	if err != nil {
		t.Fatal(err)
	}
	read.WriteString(protojson.Format(got))
	listed, err := d.ListAlerts(pt, &rapportv1.ListAlertsRequest{})
	if err != nil || len(listed.GetAlerts()) != 1 {
		t.Fatal(listed, err)
	}
	read.WriteString(protojson.Format(listed))
	said, err := d.Feedback(pt, &rapportv1.FeedbackRequest{Id: "r", Verdict: rapportv1.FeedbackVerdict_FEEDBACK_VERDICT_USEFUL})
	if err != nil {
		t.Fatal(err)
	}
	read.WriteString(protojson.Format(said))
	ctx, end := context.WithCancel(pt)
	stream := &sent{ctx: ctx, end: end, left: 3}
	err = d.Subscribe(&rapportv1.SubscribeRequest{Cursors: []*rapportv1.Cursor{{Feed: "team:spine"}}}, stream)
	if status.Code(err) != codes.Canceled || strings.Count(stream.text.String(), "tenantSeq") != 3 {
		t.Fatalf("%v %s", err, stream.text.String())
	}
	read.WriteString(stream.text.String())
	if strings.Contains(read.String(), "SECRET") || !strings.Contains(read.String(), "Please speak with the lead.") {
		t.Error(read.String())
	}
	if lead, err := d.GetAlert(as("Practitioner/lead"), &rapportv1.GetAlertRequest{Id: "r"}); err != nil || !strings.Contains(protojson.Format(lead), "SECRET") {
		t.Errorf("the lead reads %v (%v)", lead, err)
	}
}

func TestTheRatedClinicianDoesNotHandleTheAlertAboutIt(t *testing.T) {
	d := open(t)
	d.raise("r", "", rating("Practitioner/pt"))
	for _, ctx := range []context.Context{as("Practitioner/pt"), as("")} {
		_, err := d.Acknowledge(ctx, &rapportv1.AcknowledgeRequest{Id: "r", Version: 1, Actor: "Practitioner/pt"})
		wantCode(t, err, codes.PermissionDenied)
		_, err = d.Resolve(ctx, &rapportv1.ResolveRequest{Id: "r", Version: 1, Actor: "Practitioner/pt", Reason: "not-relevant"})
		wantCode(t, err, codes.PermissionDenied)
	}
	_, err := d.Reassign(as("Practitioner/lead"), &rapportv1.ReassignRequest{Id: "r", Version: 1, To: "Practitioner/pt"})
	wantCode(t, err, codes.PermissionDenied)
	if a := d.one("r"); a.GetVersion() != 1 {
		t.Errorf("%v", a)
	}
}

func (d *desk) one(id string) *rapportv1.Alert {
	d.t.Helper()
	resp, err := d.GetAlert(as(""), &rapportv1.GetAlertRequest{Id: id})
	if err != nil {
		d.t.Fatal(err)
	}
	return resp.GetAlert()
}

func TestACarePartnerSeesTheirOwnAlertsInTheirOwnWordsAndNothingElse(t *testing.T) {
	d := open(t)
	d.raise("a", "", nil)
	d.raise("b", "", func(a *alert.Alert) {
		a.Partner = "Please ask about the exercises."
		a.Recipients = append(a.Recipients, alert.Recipient{Person: "RelatedPerson/r1", Role: alert.CarePartner, Reason: alert.ByRole})
		a.Feeds = []feed.Name{"partner:r1", "team:spine"}
	})
	partner := as("RelatedPerson/r1")
	if got := d.list(partner, &rapportv1.ListAlertsRequest{}); !slices.Equal(got, []string{"b"}) {
		t.Errorf("listed %v", got)
	}
	for _, req := range []*rapportv1.ListAlertsRequest{{Recipient: "Practitioner/psy"}} {
		if got := d.list(partner, req); len(got) > 0 {
			t.Errorf("%v lists %v", req, got)
		}
	}
	if got := d.list(as("Patient/p1"), &rapportv1.ListAlertsRequest{}); len(got) > 0 {
		t.Errorf("the patient lists %v", got)
	}
	_, err := d.GetAlert(partner, &rapportv1.GetAlertRequest{Id: "a"})
	wantCode(t, err, codes.NotFound)
	got, err := d.GetAlert(partner, &rapportv1.GetAlertRequest{Id: "b"})
	if err != nil || got.GetAlert().GetSeen() != "Please ask about the exercises." || strings.Contains(protojson.Format(got), "22") {
		t.Errorf("%v %v", got, err)
	}
	_, err = d.Acknowledge(partner, &rapportv1.AcknowledgeRequest{Id: "b", Version: 1})
	wantCode(t, err, codes.PermissionDenied, "actor")
	_, err = d.CountAlerts(partner, &rapportv1.CountAlertsRequest{})
	wantCode(t, err, codes.PermissionDenied)
	for _, name := range []string{"all", "team:spine", "unassigned", "partner:r2"} {
		err := d.Subscribe(&rapportv1.SubscribeRequest{Cursors: []*rapportv1.Cursor{{Feed: name}}}, &sent{ctx: partner})
		wantCode(t, err, codes.PermissionDenied, "cursors")
	}
	ctx, end := context.WithCancel(partner)
	stream := &sent{ctx: ctx, end: end, left: 1}
	_ = d.Subscribe(&rapportv1.SubscribeRequest{Cursors: []*rapportv1.Cursor{{Feed: "partner:r1"}}}, stream) // ends as its caller ends it
	if text := stream.text.String(); !strings.Contains(text, "Please ask about the exercises.") || strings.Contains(text, "22") {
		t.Errorf("the feed says %s", text)
	}
}

func TestNobodyActsInTheNameOfAnother(t *testing.T) {
	d := open(t)
	d.raise("a", "", nil)
	_, err := d.Acknowledge(as("Practitioner/x"), &rapportv1.AcknowledgeRequest{Id: "a", Version: 1, Actor: "Practitioner/psy"})
	wantCode(t, err, codes.PermissionDenied, "actor")
	resp, err := d.Acknowledge(as("Practitioner/psy"), &rapportv1.AcknowledgeRequest{Id: "a", Version: 1})
	if err != nil {
		t.Fatal(err)
	}
	last := resp.GetAlert().GetHistory()[1]
	if last.GetActor() != "Practitioner/psy" || last.GetRole() != "psychologist" || resp.GetAlert().GetAssignee() != "Practitioner/psy" {
		t.Errorf("%v", resp)
	}
}

func TestNobodyAcknowledgesForARoleInWhichTheyAreNotTold(t *testing.T) {
	d := open(t)
	d.raise("a", "", func(a *alert.Alert) {
		a.Roles, a.EachRole = []string{"psychologist", "physical-therapist"}, []string{"psychologist", "physical-therapist"}
		a.Recipients = append(a.Recipients, alert.Recipient{Person: "Practitioner/pt", Role: "physical-therapist", Reason: alert.ByRole})
	})
	take := func(ctx context.Context, actor, role string) (*rapportv1.Alert, error) {
		now, err := d.GetAlert(ctx, &rapportv1.GetAlertRequest{Id: "a"})
		if err != nil {
			t.Fatal(err)
		}
		resp, err := d.Acknowledge(ctx, &rapportv1.AcknowledgeRequest{Id: "a", Version: now.GetAlert().GetVersion(), Actor: actor, Role: role})
		return resp.GetAlert(), err
	}
	if a, err := take(as(""), "Practitioner/psy", ""); err != nil || !slices.Equal(a.GetAwaitedRoles(), []string{"physical-therapist"}) {
		t.Fatalf("%v %v", a, err)
	}
	for _, actor := range []string{"Practitioner/psy", "Practitioner/nobody"} {
		_, err := take(as(""), actor, "physical-therapist")
		wantCode(t, err, codes.PermissionDenied, "role")
	}
	if a, err := take(as(""), "Practitioner/nobody", ""); err != nil || !slices.Equal(a.GetAwaitedRoles(), []string{"physical-therapist"}) {
		t.Errorf("somebody who is not told: %v %v", a, err)
	}
	locum := auth.With(context.Background(), access.Principal{Tenant: "default", Person: "Practitioner/locum", Role: "pt"})
	if a, err := take(locum, "", "physical-therapist"); err != nil || len(a.GetAwaitedRoles()) != 0 {
		t.Errorf("a locum with the role in the token: %v %v", a, err)
	}
}

func TestTheWholeLifeOfAnAlertOverTheService(t *testing.T) {
	d := open(t)
	d.raise("a", "", func(a *alert.Alert) {
		a.Translations = map[string]judge.Wording{"de": {Title: "Einen Blick wert"}}
	})
	ctx := as("Practitioner/psy")
	if _, err := d.Snooze(ctx, &rapportv1.SnoozeRequest{Id: "a", Version: 1, Until: timestamppb.New(monday.Add(time.Hour)), Reason: "visit-planned"}); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Acknowledge(ctx, &rapportv1.AcknowledgeRequest{Id: "a", Version: 2, Key: "k"}); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Reassign(ctx, &rapportv1.ReassignRequest{Id: "a", Version: 3, To: "Practitioner/other", Reason: "on-leave"}); err != nil {
		t.Fatal(err)
	}
	again, err := d.Acknowledge(ctx, &rapportv1.AcknowledgeRequest{Id: "a", Version: 2, Key: "k"})
	if err != nil || again.GetAlert().GetVersion() != 4 {
		t.Fatalf("the same command again: %v %v", again, err)
	}
	if _, err := d.Comment(ctx, &rapportv1.CommentRequest{Id: "a", Text: "left a message", Code: "left-message"}); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Resolve(as("Practitioner/other"), &rapportv1.ResolveRequest{Id: "a", Version: 5, Reason: "contacted"}); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Feedback(ctx, &rapportv1.FeedbackRequest{Id: "a", Verdict: rapportv1.FeedbackVerdict_FEEDBACK_VERDICT_ALREADY_KNOWN, Reason: "in-notes"}); err != nil {
		t.Fatal(err)
	}
	a, err := d.GetAlert(as(""), &rapportv1.GetAlertRequest{Id: "a", Language: "de-CH"})
	if err != nil || a.GetAlert().GetTitle() != "Einen Blick wert" || a.GetAlert().GetLanguage() != "de" {
		t.Fatal(a, err)
	}
	var verbs []string
	for _, step := range a.GetAlert().GetHistory()[1:] {
		verbs = append(verbs, fmt.Sprint(step.GetVerb(), " ", step.GetReason(), step.GetTo(), step.GetText()))
	}
	want := "snooze visit-planned, acknowledge , reassign on-leavePractitioner/other, comment left-messageleft a message, resolve contacted, feedback in-notes"
	if got := strings.Join(verbs, ", "); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

func TestEveryFieldOfACommandThatCannotBeIsNamedAsTheContractNamesIt(t *testing.T) {
	d := open(t)
	d.raise("a", "", nil)
	ctx := as("")
	_, err := d.Snooze(ctx, &rapportv1.SnoozeRequest{Id: "a", Version: 1, Actor: "me", Until: timestamppb.New(monday), Reason: "Free text"})
	wantCode(t, err, codes.InvalidArgument, "actor", "until", "reason")
	_, err = d.Snooze(ctx, &rapportv1.SnoozeRequest{Id: "a", Version: 1, Actor: "Practitioner/x"})
	wantCode(t, err, codes.InvalidArgument, "until")
	_, err = d.Reassign(ctx, &rapportv1.ReassignRequest{Id: "a", Version: 1, Actor: "Practitioner/x", To: "the other one"})
	wantCode(t, err, codes.InvalidArgument, "to")
	_, err = d.Comment(ctx, &rapportv1.CommentRequest{Id: "a", Actor: "Practitioner/x", Code: "Free text", Text: strings.Repeat("x", 2001)})
	wantCode(t, err, codes.InvalidArgument, "code", "text")
	_, err = d.Feedback(ctx, &rapportv1.FeedbackRequest{Id: "a", Actor: "Practitioner/x"})
	wantCode(t, err, codes.InvalidArgument, "verdict")
	_, err = d.Resolve(ctx, &rapportv1.ResolveRequest{Id: "a", Version: 1, Actor: "Practitioner/x"})
	wantCode(t, err, codes.InvalidArgument, "reason")
	_, err = d.Resolve(ctx, &rapportv1.ResolveRequest{Id: "b", Version: 1, Actor: "Practitioner/x", Reason: "contacted"})
	wantCode(t, err, codes.NotFound)
	_, err = d.Resolve(ctx, &rapportv1.ResolveRequest{Id: "a", Version: 7, Actor: "Practitioner/x", Reason: "contacted"})
	wantCode(t, err, codes.Aborted)
	if v := d.one("a").GetVersion(); v != 1 {
		t.Errorf("the alert is at version %d", v)
	}
}

func TestSuppressedAlertsAreCountedByReasonAndYieldsByRule(t *testing.T) {
	d := open(t)
	d.raise("a", "", nil)
	d.raise("b", "", nil)
	for i, because := range []string{"cool-down", "cool-down", "same-cause: alert a"} {
		d.raise(fmt.Sprint("s", i), because, nil)
	}
	d.raise("other", "", func(a *alert.Alert) { a.Rule = "hep-low" })
	d.later(10 * time.Minute)
	if _, err := d.Acknowledge(as("Practitioner/psy"), &rapportv1.AcknowledgeRequest{Id: "a", Version: 1}); err != nil {
		t.Fatal(err)
	}
	d.later(20 * time.Minute)
	if _, err := d.Resolve(as("Practitioner/x"), &rapportv1.ResolveRequest{Id: "b", Version: 1, Reason: "contacted"}); err != nil {
		t.Fatal(err)
	}
	for _, v := range []rapportv1.FeedbackVerdict{rapportv1.FeedbackVerdict_FEEDBACK_VERDICT_NOT_USEFUL, rapportv1.FeedbackVerdict_FEEDBACK_VERDICT_USEFUL} {
		if _, err := d.Feedback(as("Practitioner/psy"), &rapportv1.FeedbackRequest{Id: "a", Verdict: v}); err != nil {
			t.Fatal(err)
		}
	}
	resp, err := d.CountAlerts(as(""), &rapportv1.CountAlertsRequest{WithYields: true})
	if err != nil {
		t.Fatal(err)
	}
	var counts []string
	for _, c := range resp.GetCounts() {
		counts = append(counts, fmt.Sprintf("%s %s %s %d", c.GetRule(), strings.TrimPrefix(c.GetStatus().String(), "ALERT_STATUS_"), c.GetReason(), c.GetCount()))
	}
	want := "hep-low OPEN  1, screening-severe ACKNOWLEDGED  1, screening-severe RESOLVED  1, " +
		"screening-severe SUPPRESSED cool-down 2, screening-severe SUPPRESSED same-cause 1"
	if got := strings.Join(counts, ", "); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	y := resp.GetYields()[1]
	if len(resp.GetYields()) != 2 || y.GetRaised() != 2 || y.GetSuppressed() != 3 || y.GetTaken() != 2 || y.GetUseful() != 1 || y.GetNotUseful() != 0 || y.GetMedianSecondsToTake() != 20*60 {
		t.Errorf("%v", resp.GetYields())
	}
	d.counted(map[string]float64{
		`rapport_alert_acknowledge_seconds{role="psychologist",severity="high"}`:     600,
		`rapport_alert_acknowledge_seconds{role="other",severity="high"}`:            1800,
		`rapport_alert_feedback_total{rule="screening-severe",verdict="useful"}`:     1,
		`rapport_alert_feedback_total{rule="screening-severe",verdict="not-useful"}`: 1,
		`rapport_alerts_ended_total{rule="screening-severe",status="resolved"}`:      1,
	})
}

// counted compares metrics: the sum of a histogram, the value of a counter.
func (d *desk) counted(want map[string]float64) {
	d.t.Helper()
	families, err := d.metrics.Gather()
	if err != nil {
		d.t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, fmt.Sprintf("%s=%q", l.GetName(), l.GetValue()))
			}
			got[f.GetName()+"{"+strings.Join(labels, ",")+"}"] = m.GetHistogram().GetSampleSum() + m.GetCounter().GetValue()
		}
	}
	for name, value := range want {
		if got[name] != value {
			d.t.Errorf("%s is %v, want %v (of %v)", name, got[name], value, got)
		}
	}
}

func TestWhatAServerCommittedIsCountedByRuleAndReason(t *testing.T) {
	registry := prometheus.NewRegistry()
	counted, err := alerts.NewMetrics(registry)
	if err != nil {
		t.Fatal(err)
	}
	var told int
	commit := counted.After(func(_ ref.Tenant, _ []feed.Cursor, events ...feed.Draft) { told += len(events) })
	fresh := alert.Alert{
		ID: "a", Rule: "silence", Severity: judge.Moderate, Roles: []string{"nurse"}, Effective: monday,
		Ladder: []judge.Rung{{After: time.Hour, Roles: []string{"physician"}}},
	}
	opened, first := alert.Begin(fresh, monday, "")
	_, second := alert.Begin(fresh, monday, "same-cause: alert b")
	_, third := alert.BeginWaiting(fresh, monday, alert.QuietHours, monday.Add(time.Hour))
	_, fourth, err := alert.Lifecycle(opened, alert.Command{
		Alert: "a", Verb: alert.Escalate, Version: 1, Actor: alert.Service, At: monday.Add(time.Hour),
	})
	if err != nil {
		t.Fatal(err)
	}
	commit("default", nil, first, second, third, *fourth, feed.Draft{Type: feed.Recorded, Data: []byte(`{}`)})
	if told != 5 {
		t.Errorf("%d events were told", told)
	}
	(&desk{t: t, metrics: registry}).counted(map[string]float64{
		`rapport_alerts_opened_total{rule="silence",severity="moderate"}`:     1,
		`rapport_alerts_suppressed_total{reason="same-cause",rule="silence"}`: 1,
		`rapport_alerts_waiting_total{reason="quiet-hours",rule="silence"}`:   1,
		`rapport_alert_escalations_total{rule="silence",severity="moderate"}`: 1,
	})
}
