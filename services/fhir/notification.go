package fhir

import (
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/subscription"
	"github.com/rapport-health/rapport/services/fhir/tree"
)

// Told is what a notification is for, in the words of the backport.
type Told string

// The kinds of notification.
const (
	ToldHandshake Told = "handshake"
	ToldHeartbeat Told = "heartbeat"
	ToldEvents    Told = "event-notification"
	ToldStatus    Told = "query-status"
	ToldQuery     Told = "query-event"
)

// Notification is one message to a subscriber of a topic.
type Notification struct {
	// Base is the URL that clients of the server use.
	Base string
	// Subscription it is for.
	Subscription subscription.Subscription
	// Told is what it is for.
	Told Told
	// Content is how much it says; that of the subscription unless somebody asked for another.
	Content subscription.Content
	// Since is how many events there were since the subscription was made.
	Since int64
	// Events it tells of.
	Events []Noted
	// At is the moment.
	At time.Time
}

// Noted is one event of a notification.
type Noted struct {
	// Number in the feed of the subscription.
	Number int64
	// At is when it happened.
	At time.Time
	// Focus is what it is about, and Context what else belongs to it, as `Type/id`.
	Focus   string
	Context []string
	// Created says that the focus is new.
	Created bool
	// Bodies are the resources as served, by `Type/id`. They go along with Full content.
	Bodies map[string][]byte
}

// parameter is one parameter of a Parameters resource, as far as Rapport writes them.
type parameter struct {
	Name           string           `json:"name"`
	ValueReference *referenceJSON   `json:"valueReference,omitempty"`
	ValueCanonical string           `json:"valueCanonical,omitempty"`
	ValueCode      string           `json:"valueCode,omitempty"`
	ValueString    string           `json:"valueString,omitempty"`
	ValueInstant   string           `json:"valueInstant,omitempty"`
	ValueDateTime  string           `json:"valueDateTime,omitempty"`
	ValueURL       string           `json:"valueUrl,omitempty"`
	ValueCodeable  *json.RawMessage `json:"valueCodeableConcept,omitempty"`
	Part           []parameter      `json:"part,omitempty"`
}

type referenceJSON struct {
	Reference string `json:"reference"`
}

type metaJSON struct {
	Profile     []string `json:"profile,omitempty"`
	LastUpdated string   `json:"lastUpdated,omitempty"`
}

type parametersJSON struct {
	ResourceType string      `json:"resourceType"`
	Meta         *metaJSON   `json:"meta,omitempty"`
	Parameter    []parameter `json:"parameter,omitempty"`
}

type noticeEntry struct {
	FullURL  string          `json:"fullUrl,omitempty"`
	Resource json.RawMessage `json:"resource,omitempty"`
	Request  *noticeRequest  `json:"request,omitempty"`
	Response *noticeResponse `json:"response,omitempty"`
}

type noticeRequest struct {
	Method string `json:"method"`
	URL    string `json:"url"`
}

type noticeResponse struct {
	Status string `json:"status"`
}

// Status is the Parameters resource that begins a notification, and answers $status.
func (n Notification) Status() []byte {
	s := &n.Subscription
	out := parametersJSON{ResourceType: "Parameters", Meta: &metaJSON{Profile: []string{Backport + "backport-subscription-status-r4"}}}
	add := func(p parameter) { out.Parameter = append(out.Parameter, p) }
	add(parameter{Name: "subscription", ValueReference: &referenceJSON{n.Base + "/Subscription/" + s.ID}})
	if s.Topic != subscription.Criteria && n.Content != subscription.Empty {
		add(parameter{Name: "topic", ValueCanonical: TopicURL(s.Topic)})
	}
	add(parameter{Name: "status", ValueCode: string(s.Status)})
	add(parameter{Name: "type", ValueCode: string(n.Told)})
	add(parameter{Name: "events-since-subscription-start", ValueString: strconv.FormatInt(n.Since, 10)})
	for _, e := range n.Events {
		add(n.event(e))
	}
	if s.Error != "" {
		text := json.RawMessage(encode(struct {
			Text string `json:"text"`
		}{s.Error}))
		add(parameter{Name: "error", ValueCodeable: &text})
	}
	return encode(out)
}

func (n Notification) event(e Noted) parameter {
	p := parameter{Name: "notification-event", Part: []parameter{
		{Name: "event-number", ValueString: strconv.FormatInt(e.Number, 10)},
		{Name: "timestamp", ValueInstant: Instant(e.At)},
	}}
	if n.Content == subscription.Empty {
		return p
	}
	p.Part = append(p.Part, parameter{Name: "focus", ValueReference: &referenceJSON{n.Base + "/" + e.Focus}})
	for _, c := range e.Context {
		p.Part = append(p.Part, parameter{Name: "additional-context", ValueReference: &referenceJSON{n.Base + "/" + c}})
	}
	return p
}

// Bundle is the notification itself.
func (n Notification) Bundle() []byte {
	status := "Subscription/" + n.Subscription.ID + "/$status"
	entries := []noticeEntry{{
		FullURL: urnUUID(n.Subscription.ID + string(n.Told) + Instant(n.At)), Resource: n.Status(),
		Request: &noticeRequest{"GET", n.Base + "/" + status}, Response: &noticeResponse{"200"},
	}}
	if n.Content != subscription.Empty {
		entries = append(entries, n.entries()...)
	}
	return encode(struct {
		ResourceType string        `json:"resourceType"`
		Meta         metaJSON      `json:"meta"`
		Type         string        `json:"type"`
		Timestamp    string        `json:"timestamp"`
		Entry        []noticeEntry `json:"entry"`
	}{"Bundle", metaJSON{[]string{Backport + "backport-subscription-notification-r4"}, Instant(n.At)}, "history", Instant(n.At), entries})
}

// entries are what the events are about, each once.
func (n Notification) entries() []noticeEntry {
	var out []noticeEntry
	seen := map[string]bool{}
	for _, e := range n.Events {
		for i, name := range append([]string{e.Focus}, e.Context...) {
			if seen[name] {
				continue
			}
			seen[name] = true
			out = append(out, n.entry(name, e.Created && i == 0, e.Bodies[name]))
		}
	}
	return out
}

func (n Notification) entry(name string, created bool, body []byte) noticeEntry {
	out := noticeEntry{FullURL: n.Base + "/" + name, Request: &noticeRequest{"PUT", name}, Response: &noticeResponse{"200"}}
	if created {
		out.Response.Status = "201"
	}
	if n.Content != subscription.Full {
		return out
	}
	if body == nil {
		out.Response.Status = "404" // it is there no more
		return out
	}
	out.Resource = body
	return out
}

// SecretParameters tell a new secret, and until when the one before signs beside it.
func SecretParameters(secret string, until time.Time) []byte {
	out := parametersJSON{ResourceType: "Parameters", Parameter: []parameter{{Name: "secret", ValueString: secret}}}
	if !until.IsZero() {
		out.Parameter = append(out.Parameter, parameter{Name: "previous-until", ValueInstant: Instant(until)})
	}
	return encode(out)
}

// BindingParameters answer $get-ws-binding-token: a token, until when it binds, the ids of the subscriptions that it binds,
// and where to open the websocket.
func BindingParameters(token string, until time.Time, ids []string, url string) []byte {
	out := parametersJSON{ResourceType: "Parameters", Parameter: []parameter{
		{Name: "token", ValueString: token}, {Name: "expiration", ValueDateTime: Instant(until)},
	}}
	for _, id := range ids {
		out.Parameter = append(out.Parameter, parameter{Name: "subscription", ValueString: id})
	}
	out.Parameter = append(out.Parameter, parameter{Name: "websocket-url", ValueURL: url})
	return encode(out)
}

// ReadParameters reads a Parameters resource as if its primitive values stood in a URL.
func ReadParameters(body []byte) (url.Values, error) {
	doc, err := tree.Parse(body, tree.Limits{Bytes: 1 << 20})
	if err != nil {
		return nil, err
	}
	if !doc.Root().Child("resourceType").Is("Parameters") {
		return nil, fault.Newf(fault.Invalid, "structure", "resourceType must be Parameters")
	}
	out := url.Values{}
	for p := range doc.Root().Child("parameter").Children() {
		for member := range p.Children() {
			if !strings.HasPrefix(member.Key(), "value") {
				continue
			}
			value := member.Text()
			if member.Kind() == tree.Number {
				value = member.Number()
			}
			out.Add(p.Child("name").Text(), value)
		}
	}
	return out, nil
}
