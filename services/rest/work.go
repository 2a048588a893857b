package rest

import (
	"context"
	"net/http"

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
	}
	flagKind = kind{
		name: "Flag", find: []finder{findFlags},
		doc: "The banner of a safety alert, made by the server under the alert's id: active until the alert is closed.",
	}
)

func findTasks(v *sight, q *inquiry) ([]lookup, error) { return v.findRaised(q, v.taskHit) }

func (v *sight) taskHit(a alert.Alert) hit {
	return v.madeHit("Task", a, !a.Raised(), func() ([]byte, error) { return fhir.Task(a), nil })
}

func findFlags(v *sight, q *inquiry) ([]lookup, error) { return v.findRaised(q, v.flagHit) }

func (v *sight) flagHit(a alert.Alert) hit {
	body, is := fhir.Flag(a)
	return v.madeHit("Flag", a, !is, func() ([]byte, error) { return body, nil })
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
	return fault.Newf(fault.NotFound, "not-supported", "of any %s only the current version, %d, is kept as a page", typ, a.Version)
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
			Documentation: "By rest-hook or websocket. With a topic of the subscriptions backport 1.1.0 (content empty, id-only or full-resource), or " +
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
				operation("get-ws-binding-token", defined+"get-ws-binding-token", "A token by which a websocket is bound to subscriptions; it counts for an hour."),
				operation("resend", defined+"resend", "Tells events of an active subscription once more: eventsSinceNumber, eventsUntilNumber, eventsSinceInstant, eventsUntilInstant."),
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
