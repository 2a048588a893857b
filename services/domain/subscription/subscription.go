// Package subscription is who wants to be told by FHIR subscription, of what and how: filters as data, matched purely
// against what a commit makes true.
package subscription

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/ref"
)

// Status is where a subscription stands, in FHIR's words.
type Status string

// The statuses.
const (
	// Requested: the endpoint has not been spoken to yet.
	Requested Status = "requested"
	// Active: it is told.
	Active Status = "active"
	// Failed: it is told no more until its client asks again; its events go on being numbered.
	Failed Status = "error"
	// Off: it wants to hear no more; nothing is numbered for it.
	Off Status = "off"
)

// Statuses in the order of a life.
func Statuses() []Status { return []Status{Requested, Active, Failed, Off} }

// Content is how much a notification of a topic says.
type Content string

// The contents.
const (
	// Empty says that something happened.
	Empty Content = "empty"
	// IDOnly says what it is about.
	IDOnly Content = "id-only"
	// Full brings the resources along.
	Full Content = "full-resource"
)

// Topic is what a subscription is about. Its canonical URL is known to the fhir room.
type Topic string

// The topics.
const (
	// CareAlert is every step in the life of an alert that was raised.
	CareAlert Topic = "care-alert"
	// Score is every form from which something was scored.
	Score Topic = "score"
	// Criteria is no topic: the subscription is of plain R4, with a search as its criteria.
	Criteria Topic = ""
)

// Channel is how it is told.
type Channel string

// The channels, in FHIR's words.
const (
	// RestHook calls an endpoint of the subscriber; it is what a stored subscription without a channel has.
	RestHook Channel = ""
	// Websocket tells whoever has opened a websocket to this server and bound it.
	Websocket Channel = "websocket"
)

// String is the code in http://hl7.org/fhir/subscription-channel-type.
func (c Channel) String() string {
	if c == RestHook {
		return "rest-hook"
	}
	return string(c)
}

// Subscription is one wish to be told. The JSON names are a stored form. Headers and Secrets are never shown or logged.
type Subscription struct {
	ID string `json:"id"`
	// Version counts the changes, from 1.
	Version int64  `json:"version"`
	Status  Status `json:"status"`
	Topic   Topic  `json:"topic,omitempty"`
	// Filters must all hold.
	Filters []Filter `json:"filters,omitempty"`
	// Channel is how it is told.
	Channel Channel `json:"channel,omitempty"`
	// Endpoint is the URL that is called; empty for a Websocket.
	Endpoint string `json:"endpoint"`
	// Headers go with every call, as `Name: value`.
	Headers []string `json:"headers,omitempty"`
	// Payload is the MIME type of what is sent; empty where nothing is.
	Payload string  `json:"payload,omitempty"`
	Content Content `json:"content,omitempty"`
	// Heartbeat is after how long without a word one is sent; 0 is never.
	Heartbeat time.Duration `json:"heartbeat,omitempty"`
	// Timeout bounds one call; 0 leaves it to the server.
	Timeout time.Duration `json:"timeout,omitempty"`
	// MaxCount is how many events one notification carries at most, at least 1.
	MaxCount int `json:"maxCount"`
	// End is when it turns off by itself; zero is never.
	End time.Time `json:"end,omitzero"`
	// Secrets sign what is sent, the newest first.
	Secrets []Secret `json:"secrets,omitempty"`
	// Error says why it is Failed.
	Error string `json:"error,omitempty"`
	// Owner is the name of the client that made it.
	Owner string `json:"owner,omitempty"`
	// Raw is the resource as its client sent it, without the values of its headers.
	Raw json.RawMessage `json:"raw"`
	// Created and Updated are when it was made and changed last.
	Created time.Time `json:"created"`
	Updated time.Time `json:"updated"`
	// Deleted says that its client deleted it.
	Deleted bool `json:"deleted,omitempty"`
}

// Secret signs what is sent.
type Secret struct {
	// Key is the shared secret.
	Key string `json:"key"`
	// Until is when it stops to sign; zero is never.
	Until time.Time `json:"until,omitzero"`
}

// Feed is where the events of a subscription are numbered.
func (s *Subscription) Feed() feed.Name { return feed.Subscription(s.ID) }

// Listens says whether events are numbered for it.
func (s *Subscription) Listens() bool { return !s.Deleted && s.Status != Off }

// First is the status in which it begins, or begins anew. Over a websocket the subscriber speaks first, so there is nobody
// to shake hands with before it is Active.
func (s *Subscription) First() Status {
	if s.Channel == Websocket {
		return Active
	}
	return Requested
}

// Keys are the secrets that sign at a moment, the newest first.
func (s *Subscription) Keys(at time.Time) []string {
	var keys []string
	for _, secret := range s.Secrets {
		if secret.Until.IsZero() || at.Before(secret.Until) {
			keys = append(keys, secret.Key)
		}
	}
	return keys
}

// Rotate puts a new secret before the others, of which the newest goes on signing for the overlap; the rest end.
func (s *Subscription) Rotate(key string, at time.Time, overlap time.Duration) {
	next := []Secret{{Key: key}}
	if len(s.Secrets) > 0 && overlap > 0 {
		next = append(next, Secret{Key: s.Secrets[0].Key, Until: at.Add(overlap)})
	}
	s.Secrets = next
}

// Become is the subscription one version on, in another status.
func (s Subscription) Become(to Status, because string, at time.Time) Subscription {
	s.Status, s.Error, s.Updated = to, because, at
	s.Version++
	return s
}

// Unite lets filters follow a patient who turned out to be another. It says whether any did.
func (s *Subscription) Unite(from, into ref.Patient) bool {
	moved := false
	filters := slices.Clone(s.Filters)
	for i := range filters {
		tests := slices.Clone(filters[i].Tests)
		for j := range tests {
			if at := slices.Index(tests[j].Patients, from); at >= 0 {
				tests[j].Patients = slices.Clone(tests[j].Patients)
				tests[j].Patients[at], moved = into, true
			}
		}
		filters[i].Tests = tests
	}
	if moved {
		s.Filters = filters
	}
	return moved
}

// Delivery is how far a subscription was told, and how the telling goes.
type Delivery struct {
	// ID of the subscription.
	ID string
	// Delivered is the number of the last event that it needs no more to be told.
	Delivered int64
	// Attempts is how often in a row telling it failed.
	Attempts int
	// Next is before when it is not told again; zero is at once.
	Next time.Time
	// Told is when it last took anything; zero is never.
	Told time.Time
	// Failure says how the last attempt went wrong, without patient data; empty when it went well.
	Failure string
}

// Letter is an event that an endpoint would not take, kept for a person to look at.
type Letter struct {
	// ID of the subscription.
	ID string
	// Seq is the number of the event in the subscription's feed.
	Seq int64
	// At is when it was given up.
	At time.Time
	// Attempts is how often it was tried.
	Attempts int
	// Failure says what the endpoint answered.
	Failure string
	// Again asks for it to be told once more.
	Again bool
}
