package fhir

import (
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/domain/subscription"
	"github.com/rapport-health/rapport/services/testbed"
)

func TestTheWorkOfAnAlertIsWrittenWhole(t *testing.T) {
	a := anAlert()
	a.Safety, a.Feeds = true, nil
	golden(t, "task-resolved", Task(a))
	flag, is := Flag(a)
	if !is {
		t.Fatal("a safety alert is no Flag")
	}
	golden(t, "flag-inactive", flag)
	a.Status, a.Due, a.Assignee = alert.Open, march2.AddDate(0, 0, 1), "Practitioner/dr2"
	golden(t, "task-open", Task(a))
	a.Safety = false
	if _, is := Flag(a); is {
		t.Error("an alert that is none of safety is a Flag")
	}
}

// sent is a Subscription as the backport's own guide writes one.
const sent = `{"resourceType":"Subscription","id":"s1","meta":{"profile":["` + Backport + `backport-subscription"]},"status":"requested","reason":"to be told",
 "criteria":"https://github.com/rapport-health/rapport/fhir/SubscriptionTopic/care-alert",
 "_criteria":{"extension":[{"url":"` + Backport + `backport-filter-criteria","valueString":"DetectedIssue?patient=Patient/123,https://rapport.example.org/fhir/Patient/4"},
  {"url":"` + Backport + `backport-filter-criteria","valueString":"DetectedIssue?severity=http://hl7.org/fhir/detectedissue-severity|high&code=a\\,b"}]},
 "channel":{"extension":[{"url":"` + Backport + `backport-heartbeat-period","valueUnsignedInt":86400},
   {"url":"` + Backport + `backport-timeout","valueUnsignedInt":60},{"url":"` + Backport + `backport-max-count","valuePositiveInt":20}],
  "type":"rest-hook","endpoint":"https://ehr.example.org/hook?a=b","header":["Authorization: Bearer opensesame"],"payload":"application/fhir+json",
  "_payload":{"extension":[{"url":"` + Backport + `backport-payload-content","valueCode":"id-only"}]}}}`

func terms() SubscriptionTerms {
	return SubscriptionTerms{
		Base: "https://rapport.example.org/fhir", Endpoint: func(*url.URL) error { return nil },
		MinHeartbeat: 10 * time.Second, MaxTimeout: time.Minute, MaxCount: 100, Now: march2,
	}
}

func TestASubscriptionIsReadAsTheBackportWritesIt(t *testing.T) {
	s, err := ReadSubscription([]byte(sent), terms())
	if err != nil {
		t.Fatal(err)
	}
	if s.Topic != subscription.CareAlert || s.Content != subscription.IDOnly || s.Heartbeat != 24*time.Hour || s.Timeout != time.Minute || s.MaxCount != 20 || s.ID != "s1" {
		t.Errorf("read is %+v", s)
	}
	if len(s.Filters) != 2 || !slices.Equal(s.Filters[0].Tests[0].Patients, []ref.Patient{"123", "4"}) {
		t.Errorf("filters are %+v", s.Filters)
	}
	code := s.Filters[1].Tests[0]
	if code.Param != "code" || len(code.Tokens) != 1 || code.Tokens[0].Code != "a,b" {
		t.Errorf("the code is %+v", code)
	}
	if strings.Contains(string(s.Raw), "opensesame") || s.Headers[0] != "Authorization: Bearer opensesame" {
		t.Errorf("headers are %v, raw is %s", s.Headers, s.Raw)
	}
	s.Version, s.Updated, s.Status, s.Error = 3, march2, subscription.Failed, "given up: status 502"
	golden(t, "subscription-error", Subscription(s))
}

func TestOfASubscriptionEverythingThatIsWrongIsSaid(t *testing.T) {
	body := strings.NewReplacer(`"requested"`, `"active"`, `"rest-hook"`, `"sms"`, `86400`, `1`, `"id-only"`, `"all"`, `severity=`, `weight=`).Replace(sent)
	_, err := ReadSubscription([]byte(body), terms())
	if fault.Of(err) != fault.Unprocessable || len(fault.IssuesOf(err)) != 5 {
		t.Errorf("%v", err)
	}
	for _, issue := range fault.IssuesOf(err) {
		if !strings.HasPrefix(issue.Path, "Subscription.") {
			t.Errorf("an issue has no place: %+v", issue)
		}
	}
}

func FuzzASubscriptionNeverBringsItsReaderDown(f *testing.F) {
	f.Add([]byte(sent))
	f.Add([]byte(`{"resourceType":"Subscription","channel":[],"criteria":{},"_criteria":"x","end":1}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		s, err := ReadSubscription(body, terms())
		if err != nil {
			return
		}
		s.Version, s.ID = 1, "s1"
		if shown := Subscription(s); len(shown) == 0 {
			t.Error("it is shown as nothing")
		}
	})
}

func TestNotificationsAreWrittenAsTheBackportAsks(t *testing.T) {
	s, err := ReadSubscription([]byte(sent), terms())
	if err != nil {
		t.Fatal(err)
	}
	n := Notification{Base: terms().Base, Subscription: s, Told: ToldEvents, Content: subscription.Full, Since: 7, At: march2, Events: []Noted{
		{Number: 6, At: march2, Focus: "DetectedIssue/a1", Context: []string{"Task/a1"}, Created: true, Bodies: map[string][]byte{"DetectedIssue/a1": DetectedIssue(open("a1", 3)), "Task/a1": Task(open("a1", 3))}},
		{Number: 7, At: march2, Focus: "DetectedIssue/gone"},
	}}
	full := n.Bundle()
	golden(t, "notification-full", full)
	n.Content = subscription.IDOnly
	golden(t, "notification-id-only", n.Bundle())
	n.Content = subscription.Empty
	golden(t, "notification-empty", n.Bundle())
	n.Told, n.Events = ToldHandshake, nil
	golden(t, "notification-handshake", n.Bundle())
	n.Subscription.Error, n.Told = "status 502", ToldStatus
	flag, _ := Flag(alert.Alert{ID: "f1", Safety: true, Rule: "r", Patient: "p", Opened: march2})
	testbed.Valid(t, map[string][]byte{
		"full": full, "status": n.Status(), "subscription": Subscription(s), "task": Task(open("a1", 3)), "flag": flag,
		"secret": SecretParameters("k", march2),
	})
}

func TestParametersAreReadAsAQuery(t *testing.T) {
	got, err := ReadParameters([]byte(`{"resourceType":"Parameters","parameter":[{"name":"id","valueId":"a"},{"name":"id","valueId":"b"},{"name":"eventsSinceNumber","valueInteger":7}]}`))
	if err != nil || !slices.Equal(got["id"], []string{"a", "b"}) || got.Get("eventsSinceNumber") != "7" {
		t.Errorf("%v, %v", got, err)
	}
	for _, wrong := range []string{`{}`, `[`, `{"resourceType":"Patient"}`} {
		if _, err := ReadParameters([]byte(wrong)); err == nil {
			t.Errorf("%s is read", wrong)
		}
	}
}
