package rest

import (
	"cmp"
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/instrument"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/fhir"
)

// taskKind and flagKind are what else an alert is in FHIR, beside a DetectedIssue: the work it asks for, and the banner of
// a safety alert. Both are made from the stored alert when they are read, under its id and its versions.
var (
	taskKind = kind{
		name: "Task", find: []finder{findTasks},
		doc: "The work that an alert asks for, made by the server under the alert's id: who has it in hand, and until when " +
			"somebody has to act. businessStatus tells the handling in Rapport's own words.",
		params: []param{
			{name: "_id", typ: "token", definition: hl7 + "Resource-id", read: readID},
			{name: "authored-on", typ: "date", definition: hl7 + "Task-authored-on", read: readDate},
			{name: "business-status", typ: "token", definition: hl7 + "Task-business-status", read: readToken},
			{name: "code", typ: "token", definition: hl7 + "Task-code", read: readToken},
			{name: "focus", typ: "reference", definition: hl7 + "Task-focus", read: readLink("DetectedIssue")},
			{name: "owner", typ: "reference", definition: hl7 + "Task-owner", read: readLink("")},
			{name: "patient", typ: "reference", definition: hl7 + "Task-patient", read: readPatient},
			{name: "priority", typ: "token", definition: hl7 + "Task-priority", read: readToken},
			{name: "status", typ: "token", definition: hl7 + "Task-status", read: readToken},
			{name: "subject", typ: "reference", definition: hl7 + "Task-subject", read: readPatient},
		},
	}
	flagKind = kind{
		name: "Flag", find: []finder{findFlags},
		doc: "The banner of a safety alert, made by the server under the alert's id: active until the alert is closed.",
		params: []param{
			{name: "_id", typ: "token", definition: hl7 + "Resource-id", read: readID},
			{name: "date", typ: "date", definition: hl7 + "clinical-date", read: readDate},
			{name: "patient", typ: "reference", definition: hl7 + "clinical-patient", read: readPatient},
			{name: "subject", typ: "reference", definition: hl7 + "Flag-subject", read: readPatient},
		},
	}
)

// readLink reads a reference to a resource of any type, or with the type given of that one by its id alone.
func readLink(typ string) func(*criteria, argument) error {
	return func(c *criteria, a argument) error {
		var group []token
		for _, value := range a.values {
			value = strings.TrimPrefix(unescaped(value), a.base+"/")
			if !strings.Contains(value, "/") && (typ != "" || a.modifier != "") {
				value = cmp.Or(a.modifier, typ) + "/" + value
			}
			of, err := ref.ParseResource(value)
			if err != nil || of.Version != 0 || a.modifier != "" && a.modifier != of.Type {
				return a.wrong("must be Type/id of this server")
			}
			group = append(group, token{anySystem: true, code: of.String()})
		}
		c.addTokens(a.name, group)
		return nil
	}
}

func findTasks(v *sight, _ string, c *criteria, patient ref.Patient) lookup {
	return findWork(v, c, patient, taskHit)
}

func findFlags(v *sight, _ string, c *criteria, patient ref.Patient) lookup {
	return findWork(v, c, patient, flagHit)
}

// findWork looks among the alerts that were raised.
func findWork(v *sight, c *criteria, patient ref.Patient, hitOf func(alert.Alert) hit) lookup {
	if ids := workIDs(c); ids != nil {
		return listed(func() ([]hit, error) { return alertsByID(v, ids, patient, hitOf) })
	}
	q := alert.Query{Patient: patient, Statuses: raised}
	return func(after place, max int) ([]hit, error) {
		q.Max, q.After = max, alertPlace(after)
		alerts, err := v.ListAlerts(q)
		return hitsOf(alerts, hitOf), err
	}
}

// workIDs are the ids to look for, by _id or by focus; nil when neither is asked for.
func workIDs(c *criteria) []string {
	if len(c.ids) > 0 {
		return c.ids[0]
	}
	groups := c.tokens["focus"]
	if len(groups) == 0 {
		return nil
	}
	ids := []string{}
	for _, t := range groups[0] {
		if id, ok := strings.CutPrefix(t.code, "DetectedIssue/"); ok {
			ids = append(ids, id)
		}
	}
	return ids
}

// The systems of FHIR's own codes in a Task.
const (
	systemTaskStatus = "http://hl7.org/fhir/task-status"
	systemPriority   = "http://hl7.org/fhir/request-priority"
)

func taskHit(a alert.Alert) hit {
	h := workHit(a, !a.Raised(), func() ([]byte, error) { return fhir.Task(a), nil })
	h.coded = func(param string) []string {
		switch param {
		case "business-status":
			return []string{fhir.SystemAlertStatus + "|" + string(a.Status)}
		case "code":
			return []string{fhir.SystemRule + "|" + a.Rule}
		case "focus":
			return []string{"DetectedIssue/" + a.ID}
		case "owner":
			return []string{a.TaskOwner()}
		case "priority":
			return []string{systemPriority + "|" + a.TaskPriority()}
		default:
			return []string{systemTaskStatus + "|" + a.TaskStatus()}
		}
	}
	return h
}

func flagHit(a alert.Alert) hit {
	body, is := fhir.Flag(a)
	return workHit(a, !is, func() ([]byte, error) { return body, nil })
}

func workHit(a alert.Alert, hidden bool, body func() ([]byte, error)) hit {
	opened := a.Opened.Truncate(time.Millisecond)
	return hit{
		hidden: hidden, place: placeOf(a), from: opened, to: opened.Add(time.Millisecond), size: alertSize,
		coded: func(string) []string { return nil }, body: body,
	}
}

func placeOf(a alert.Alert) place {
	return place{severity: uint8(a.Severity), at: a.Effective, id: a.ID}
}

// workPage reads a Task or a Flag that stands for an alert; false when the id is of none.
func (v *sight) workPage(of ref.Resource) (page, bool, error) {
	a, err := v.Alert(of.ID)
	switch {
	case err != nil && fault.Of(err) == fault.NotFound:
		return page{}, false, nil
	case err != nil:
		return page{}, false, err
	}
	body, is := fhir.Flag(a)
	if of.Type == "Task" {
		body, is = fhir.Task(a), a.Raised()
	}
	if !is {
		return page{}, false, nil
	}
	return page{version: a.Version, updated: fhir.IssueUpdated(a), body: body}, true, currentAlone(of.Type, a, of.Version)
}

// currentAlone refuses an earlier version of what stands for an alert: those are steps in its history, not pages.
func currentAlone(typ string, a alert.Alert, version int64) error {
	if version == 0 || version == a.Version {
		return nil
	}
	return fault.Newf(fault.NotFound, "not-supported", "of a %s only the current version, %d, is kept as a page", typ, a.Version)
}

// issue renders an alert with the scores behind it.
func (v *sight) issue(a alert.Alert) ([]byte, error) {
	scores, err := fhir.ScoresBehind(v.tenant, a, func(of ref.Resource) ([]fact.Taken, error) {
		return v.TakenFrom(ref.SourceKey(v.tenant, of.String()))
	})
	return fhir.DetectedIssue(a, scores...), err
}

// Resource is the current version of a resource of a tenant as it is served; for rooms that send resources on.
// Errors: NotFound.
func (s *Server) Resource(ctx context.Context, t ref.Tenant, of ref.Resource) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, Prefix+"/"+of.String(), nil)
	if err != nil {
		return nil, fault.Newf(fault.NotFound, "not-found", "there is no such resource")
	}
	c := &call{Server: s, r: r, tenant: t, base: s.config.BaseURL, fetched: map[defined]*instrument.Definition{}}
	var p page
	err = c.look(func(v *sight) (err error) {
		p, err = v.page(of.Unversioned())
		return err
	})
	return p.body, err
}

// subscriptionCapabilities are what the room of subscriptions answers under the same base.
func subscriptionCapabilities() []fhir.ResourceCapability {
	codes := func(names ...string) (out []fhir.InteractionCapability) {
		for _, name := range names {
			out = append(out, fhir.InteractionCapability{Code: name})
		}
		return out
	}
	operation := func(name, definition, doc string) fhir.OperationCapability {
		return fhir.OperationCapability{Name: name, Definition: definition, Documentation: doc}
	}
	const defined = "http://hl7.org/fhir/uv/subscriptions-backport/OperationDefinition/backport-subscription-"
	return []fhir.ResourceCapability{
		{
			Type: "Subscription", Profiles: []string{fhir.Backport + "backport-subscription"}, Versioning: "versioned-update", UpdateCreate: true,
			Documentation: "rest-hook alone. With a topic of the subscriptions backport 1.1.0 (content empty, id-only or full-resource), or " +
				"with a search as criteria as in plain R4. The answer that makes one holds, once, the secret that signs its notifications. " +
				"What is not supported is refused.",
			Extensions:   topicExtensions(),
			Interactions: codes("read", "create", "update", "delete", "search-type"),
			SearchParams: []fhir.SearchParamCapability{
				{Name: "_id", Type: "token", Definition: hl7 + "Resource-id"},
				{Name: "criteria", Type: "string", Definition: hl7 + "Subscription-criteria"},
				{Name: "payload", Type: "token", Definition: hl7 + "Subscription-payload"},
				{Name: "status", Type: "token", Definition: hl7 + "Subscription-status"},
				{Name: "topic", Type: "uri", Documentation: "The canonical URL of a topic."},
				{Name: "type", Type: "token", Definition: hl7 + "Subscription-type"},
				{Name: "url", Type: "uri", Definition: hl7 + "Subscription-url"},
			},
			Operations: []fhir.OperationCapability{
				operation("status", defined+"status", "How subscriptions stand."),
				operation("events", defined+"events", "The events that a subscriber missed, by number."),
				operation("rotate-key", fhir.Canonical+"/OperationDefinition/rotate-key", "A new secret; the one before goes on signing for a while."),
			},
		},
		{
			Type: "Basic", Versioning: "no-version", Documentation: "The topics that can be subscribed to.",
			Interactions: codes("read", "search-type"), SearchParams: []fhir.SearchParamCapability{{Name: "code", Type: "token", Definition: hl7 + "Basic-code"}},
		},
	}
}

// topicExtensions name each topic that can be subscribed to.
func topicExtensions() []fhir.CapabilityExtension {
	var out []fhir.CapabilityExtension
	for _, url := range fhir.Topics() {
		out = append(out, fhir.CapabilityExtension{URL: fhir.Backport + "capabilitystatement-subscriptiontopic-canonical", ValueCanonical: url})
	}
	return out
}
