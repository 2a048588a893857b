package subscription

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/ref"
)

// Audience is every subscription of a tenant for which events are numbered.
type Audience struct{ listening []Subscription }

// NewAudience leaves out those that do not listen.
func NewAudience(all []Subscription) Audience {
	return Audience{slices.DeleteFunc(slices.Clone(all), func(s Subscription) bool { return !s.Listens() })}
}

// Empty says that nobody listens.
func (a Audience) Empty() bool { return len(a.listening) == 0 }

// Address adds to the events of one decision the feeds of those who want to be told of them. The drafts are changed in
// place, but not the slices that they share with alerts.
func (a Audience) Address(events []feed.Draft, records []record.Record, alerts []alert.Alert) {
	for i := range events {
		forms := see(&events[i], records, alerts)
		if len(forms) == 0 {
			continue
		}
		for j := range a.listening {
			if s := &a.listening[j]; s.Wants(forms...) {
				events[i].Feeds = append(slices.Clip(events[i].Feeds), s.Feed())
			}
		}
	}
}

// Unite is every subscription of the audience that follows a patient who turned out to be another.
func (a Audience) Unite(from, into ref.Patient) []Subscription {
	var moved []Subscription
	for i := range a.listening {
		if a.listening[i].Unite(from, into) {
			moved = append(moved, a.listening[i])
		}
	}
	return moved
}

// see gives the resources that an event stands for; none for what no subscription is told of.
func see(event *feed.Draft, records []record.Record, alerts []alert.Alert) []Seen {
	switch {
	case event.Type == feed.Recorded:
		return seeRecord(event, records)
	case strings.HasPrefix(string(event.Type), "alert."):
		return seeAlert(event, alerts)
	default:
		return nil
	}
}

func seeRecord(event *feed.Draft, records []record.Record) []Seen {
	of, ok := Recorded(event.Data)
	if !ok {
		return nil
	}
	i := slices.IndexFunc(records, func(r record.Record) bool { return r.Resource == of.Resource })
	if i < 0 {
		return nil
	}
	r := &records[i]
	coded := map[string][]string{"code": r.Codes}
	if r.Type == "QuestionnaireResponse" {
		coded = map[string][]string{"questionnaire": r.Codes}
	}
	seen := Seen{Type: r.Type, ID: r.ID, Patient: r.Patient, Coded: coded}
	if of.Scored {
		return []Seen{seen, {Topic: Score, Type: "Observation", ID: r.ID, Patient: r.Patient}}
	}
	return []Seen{seen}
}

// Record is what an event of type Recorded says.
type Record struct {
	// Resource that was stored, with its version.
	Resource ref.Resource
	// Scored says that scores were taken from it.
	Scored bool
}

// Recorded reads the data of an event of type feed.Recorded; false when it is none.
func Recorded(data []byte) (Record, bool) {
	var m struct {
		Reference string   `json:"reference"`
		Facts     []string `json:"facts"`
	}
	if json.Unmarshal(data, &m) != nil {
		return Record{}, false
	}
	of, err := ref.ParseResource(m.Reference)
	return Record{of, of.Type == "QuestionnaireResponse" && slices.Contains(m.Facts, string(fact.KindScores))}, err == nil
}

// AlertID reads from the data of an alert's event whose it is; empty when it is none.
func AlertID(data []byte) string {
	var m struct {
		ID string `json:"id"`
	}
	if json.Unmarshal(data, &m) != nil {
		return ""
	}
	return m.ID
}

func seeAlert(event *feed.Draft, alerts []alert.Alert) []Seen {
	id := AlertID(event.Data)
	var found *alert.Alert
	for i := range alerts { // the last one counts
		if alerts[i].ID == id {
			found = &alerts[i]
		}
	}
	if found == nil || !found.Raised() {
		return nil
	}
	return SeeAlert(*found)
}

// The code systems that searches on alerts name.
const (
	systemIssueStatus   = "http://hl7.org/fhir/observation-status"
	systemIssueSeverity = "http://hl7.org/fhir/detectedissue-severity"
	systemTaskStatus    = "http://hl7.org/fhir/task-status"
	// SystemRule is the code system of rules, the code of a DetectedIssue.
	SystemRule = "https://github.com/rapport-health/rapport/fhir/CodeSystem/alert-rule"
)

// SeeAlert is an alert that was raised as a DetectedIssue and as a Task.
func SeeAlert(a alert.Alert) []Seen {
	issue := Seen{Topic: CareAlert, Type: "DetectedIssue", ID: a.ID, Patient: a.Patient, Coded: map[string][]string{
		"code":     {SystemRule + "|" + a.Rule},
		"severity": {systemIssueSeverity + "|" + a.IssueSeverity()},
		"status":   {systemIssueStatus + "|" + a.IssueStatus()},
	}}
	task := Seen{Type: "Task", ID: a.ID, Patient: a.Patient, Coded: map[string][]string{
		"status": {systemTaskStatus + "|" + a.TaskStatus()},
		"focus":  {"DetectedIssue/" + a.ID},
	}}
	if owner := a.TaskOwner(); owner != "" {
		task.Coded["owner"] = []string{owner}
	}
	return []Seen{issue, task}
}
