package fhir

import (
	"bytes"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/subscription"
	"github.com/rapport-health/rapport/services/fhir/tree"
)

// Backport is the base of the profiles and extensions of the R5 subscriptions backport, of which 1.1.0 is spoken.
const Backport = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/"

// The extensions of a Subscription that are read.
const (
	extFilter    = Backport + "backport-filter-criteria"
	extHeartbeat = Backport + "backport-heartbeat-period"
	extTimeout   = Backport + "backport-timeout"
	extMaxCount  = Backport + "backport-max-count"
	extContent   = Backport + "backport-payload-content"
	extChannel   = Backport + "backport-channel-type"
	// crossVersion begins the extensions by which other servers say in R4 what R5 has.
	crossVersion = "http://hl7.org/fhir/5.0/"
)

// TopicURL is the canonical URL of a topic.
func TopicURL(t subscription.Topic) string { return Canonical + "/SubscriptionTopic/" + string(t) }

// topics that can be subscribed to.
var topics = []subscription.Topic{subscription.CareAlert, subscription.Score}

// Topics that can be subscribed to, as canonical URLs.
func Topics() []string {
	var out []string
	for _, t := range topics {
		out = append(out, TopicURL(t))
	}
	return out
}

// The MIME type of what is sent.
const mimeFHIR = "application/fhir+json"

// SubscriptionTerms are what a server is ready to do for a subscription.
type SubscriptionTerms struct {
	// Base of the server's own URLs.
	Base string
	// Endpoint says why a URL may not be called; nil when it may.
	Endpoint func(*url.URL) error
	// MinHeartbeat is the shortest period between heartbeats, MaxTimeout the longest time for a call.
	MinHeartbeat, MaxTimeout time.Duration
	// MaxCount is the most events of one notification.
	MaxCount int
	// Now is the moment.
	Now time.Time
}

// ReadSubscription reads a Subscription that a client sent, and says everything that is not supported: nothing that was
// asked for is left out silently. Its filters name patients as the client does. Raw holds no header's value.
// Errors: Invalid for what is no Subscription, Unprocessable for what is not supported.
func ReadSubscription(body []byte, terms SubscriptionTerms) (subscription.Subscription, error) {
	doc, err := tree.Parse(body, tree.Limits{Bytes: 1 << 20})
	if err != nil {
		return subscription.Subscription{}, err
	}
	root := doc.Root()
	if !root.Child("resourceType").Is("Subscription") {
		return subscription.Subscription{}, fault.New(fault.Invalid,
			fault.Errorf("structure", root.Child("resourceType").Path(), "resourceType must be Subscription"))
	}
	r := wishReader{terms: terms}
	r.read(root)
	if len(r.issues) > 0 {
		return subscription.Subscription{}, fault.New(fault.Unprocessable, r.issues...)
	}
	r.s.Raw = withoutSecrets(root)
	return r.s, nil
}

// wishReader reads one Subscription.
type wishReader struct {
	terms  SubscriptionTerms
	s      subscription.Subscription
	issues []fault.Issue
}

func (r *wishReader) refuse(code string, at tree.Node, path, format string, args ...any) {
	if at.Exists() {
		path = at.Path()
	}
	r.issues = append(r.issues, fault.Errorf(code, path, format, args...))
}

func (r *wishReader) read(root tree.Node) {
	r.strangers(root)
	r.s.ID = root.Child("id").Text()
	switch status := root.Child("status"); status.Text() {
	case "requested":
		r.s.Status = subscription.Requested
	case "active":
		if !root.Child("channel").Child("type").Is(subscription.Websocket.String()) {
			r.refuse("value", status, "", "the status is the server's to set: ask with requested, or end it with off")
		}
		r.s.Status = subscription.Active // as clients of websockets ask, where nobody is shaken hands with
	case "off":
		r.s.Status = subscription.Off
	case "":
		r.refuse("required", status, "Subscription.status", "status is missing: ask with requested")
	default:
		r.refuse("value", status, "", "the status is the server's to set: ask with requested, or end it with off")
	}
	if root.Child("reason").Text() == "" {
		r.refuse("required", root.Child("reason"), "Subscription.reason", "reason is missing: say what it is for")
	}
	r.end(root.Child("end"))
	r.criteria(root)
	r.channel(root.Child("channel"))
}

// strangers refuses what would have to be understood to be obeyed.
func (r *wishReader) strangers(n tree.Node) {
	for child := range n.Children() {
		switch {
		case child.Key() == "modifierExtension":
			r.refuse("not-supported", child, "", "modifier extensions are not supported")
			continue
		case child.Key() == "url" && strings.HasPrefix(child.Text(), crossVersion):
			r.refuse("not-supported", child, "", "R5 cross-version extensions are not supported: use those of the subscriptions backport 1.1.0")
		}
		if child.Kind() == tree.Object || child.Kind() == tree.Array {
			r.strangers(child)
		}
	}
}

func (r *wishReader) end(n tree.Node) {
	if !n.Exists() {
		return
	}
	at, err := time.Parse(time.RFC3339, n.Text())
	switch {
	case err != nil:
		r.refuse("value", n, "", "end must be an instant such as 2026-12-31T00:00:00Z")
	case !at.After(r.terms.Now):
		r.refuse("value", n, "", "end has passed already")
	}
	r.s.End = at.UTC().Truncate(time.Microsecond)
}

// onlyChannels refuses another channel.
const onlyChannels = "only the channels rest-hook and websocket are supported"

// backport gives the extensions of the backport on an element by their urls, and refuses those that do not belong there.
func (r *wishReader) backport(n tree.Node, known ...string) map[string][]tree.Node {
	found := map[string][]tree.Node{}
	for e := range n.Child("extension").Children() {
		name := e.Child("url").Text()
		switch {
		case !strings.HasPrefix(name, Backport):
		case name == extChannel:
			r.refuse("not-supported", e, "", onlyChannels)
		case !slices.Contains(known, name):
			r.refuse("not-supported", e, "", "this extension of the backport is not supported here")
		default:
			found[name] = append(found[name], e)
		}
	}
	return found
}

func (r *wishReader) criteria(root tree.Node) {
	criteria := root.Child("criteria")
	text := criteria.Text()
	filters := r.backport(root.Child("_criteria"), extFilter)[extFilter]
	r.backport(root)
	if i := slices.IndexFunc(topics, func(t subscription.Topic) bool { return TopicURL(t) == text }); i >= 0 {
		r.s.Topic = topics[i]
		for _, e := range filters {
			value := e.Child("valueString")
			r.filter(value, value.Text(), topicFilters[r.s.Topic])
		}
		if len(filters) == 0 { // a topic speaks of its own type alone
			r.s.Filters = []subscription.Filter{{Type: topicTypes[r.s.Topic]}}
		}
		return
	}
	switch {
	case text == "":
		r.refuse("required", criteria, "Subscription.criteria", "criteria is missing: a topic's canonical URL, or a search")
	case strings.Contains(text, "://"):
		r.refuse("not-supported", criteria, "", "there is no such topic; there are %s", strings.Join(Topics(), " and "))
	case len(filters) > 0:
		r.refuse("not-supported", filters[0], "", "filters go with a topic; put the search into criteria")
	default:
		r.filter(criteria, text, searchFilters)
	}
}

// topicTypes are the types of which topics speak.
var topicTypes = map[subscription.Topic]string{subscription.CareAlert: "DetectedIssue", subscription.Score: "Observation"}

// params says by which parameters a type can be filtered.
type params map[string][]string

// topicFilters are the filters of each topic.
var topicFilters = map[subscription.Topic]params{
	subscription.CareAlert: {"DetectedIssue": {"patient", "code", "severity", "status"}},
	subscription.Score:     {"Observation": {"patient", "subject"}},
}

// searchFilters are the criteria of plain R4. Observations are those that were sent.
var searchFilters = params{
	"Appointment": {"_id", "patient"}, "CareTeam": {"_id", "patient", "subject"},
	"DetectedIssue": {"_id", "patient", "code", "severity", "status"},
	"Encounter":     {"_id", "patient", "subject"}, "EpisodeOfCare": {"_id", "patient"},
	"Goal": {"_id", "patient", "subject"}, "Observation": {"_id", "patient", "subject", "code"},
	"Patient": {"_id"}, "Practitioner": {"_id"}, "PractitionerRole": {"_id"}, "RelatedPerson": {"_id", "patient"},
	"QuestionnaireResponse": {"_id", "patient", "subject", "questionnaire"}, "ServiceRequest": {"_id", "patient", "subject"},
	"Task": {"_id", "patient", "status", "owner", "focus"},
}

// filter reads a search as a filter.
func (r *wishReader) filter(at tree.Node, text string, known params) {
	typ, query, _ := strings.Cut(text, "?")
	names, ok := known[typ]
	if !ok {
		r.refuse("not-supported", at, "", "resources of this type cannot be subscribed to here; there are %s", strings.Join(sortedKeys(known), ", "))
		return
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		r.refuse("value", at, "", "the search is not correctly URL-encoded")
		return
	}
	f := subscription.Filter{Type: typ}
	for _, key := range sortedKeys(values) {
		if !slices.Contains(names, key) {
			r.refuse("not-supported", at, "", "%s cannot be filtered by this parameter or modifier; there are %s", typ, strings.Join(names, ", "))
			continue
		}
		for _, value := range values[key] {
			if test, ok := r.test(at, key, value); ok {
				f.Tests = append(f.Tests, test)
			}
		}
	}
	r.s.Filters = append(r.s.Filters, f)
}

func sortedKeys[V any](of map[string]V) []string {
	keys := make([]string, 0, len(of))
	for key := range of {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// maxHeader is the longest header, in bytes.
const maxHeader = 4096

var headerForm = regexp.MustCompile("^([!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}): ?([\\x20-\\x7e]*)$")

// ownHeaders are the server's to set.
var ownHeaders = []string{
	"connection", "content-length", "content-type", "expect", "host", "keep-alive", "proxy-authorization", "proxy-connection",
	"rapport-signature", "te", "trailer", "transfer-encoding", "upgrade",
}

func (r *wishReader) channel(n tree.Node) {
	if n.Kind() != tree.Object {
		r.refuse("required", n, "Subscription.channel", "channel is missing")
		return
	}
	ext := r.backport(n, extHeartbeat, extTimeout, extMaxCount)
	r.backport(n.Child("_type"))
	switch typ := n.Child("type"); {
	case typ.Text() == "":
		r.refuse("required", typ, n.Path()+".type", "type is missing: rest-hook or websocket")
	case typ.Is(subscription.RestHook.String()):
		r.endpoint(n)
		for header := range n.Child("header").Children() {
			r.header(header)
		}
	case typ.Is(subscription.Websocket.String()):
		r.websocket(n)
	default:
		r.refuse("not-supported", typ, "", onlyChannels)
	}
	r.s.Heartbeat = time.Duration(r.whole(ext[extHeartbeat], "valueUnsignedInt", int(r.terms.MinHeartbeat/time.Second), 30*24*3600, 0)) * time.Second
	r.s.Timeout = time.Duration(r.whole(ext[extTimeout], "valueUnsignedInt", 1, int(r.terms.MaxTimeout/time.Second), 0)) * time.Second
	r.s.MaxCount = r.whole(ext[extMaxCount], "valuePositiveInt", 1, r.terms.MaxCount, 1)
	r.payload(n)
}

func (r *wishReader) endpoint(n tree.Node) {
	endpoint := n.Child("endpoint")
	u, err := url.Parse(endpoint.Text())
	switch {
	case endpoint.Text() == "":
		r.refuse("required", endpoint, n.Path()+".endpoint", "endpoint is missing: the URL to be called")
	case err != nil || u.Host == "" || u.User != nil || u.Fragment != "" || u.Opaque != "":
		r.refuse("value", endpoint, "", "endpoint must be an absolute URL without user name and fragment")
	default:
		if err := r.terms.Endpoint(u); err != nil {
			for _, issue := range fault.IssuesOf(err) {
				r.refuse(issue.Code, endpoint, "", "%s", issue.Text)
			}
		}
	}
	r.s.Endpoint = endpoint.Text()
}

// websocket reads a channel that its subscriber opens: nothing is called, and plain R4 is told without a payload.
func (r *wishReader) websocket(n tree.Node) {
	r.s.Channel = subscription.Websocket
	for _, name := range []string{"endpoint", "header"} {
		if one := n.Child(name); one.Exists() {
			r.refuse("not-supported", one, "", "a websocket is opened by the client, so there is no %s: leave it out", name)
		}
	}
	if payload := n.Child("payload"); r.s.Topic == subscription.Criteria && payload.Exists() {
		r.refuse("not-supported", payload, "", "with a search as criteria a websocket is told that something happened, without a payload: leave it out")
	}
}

func (r *wishReader) header(n tree.Node) {
	parts := headerForm.FindStringSubmatch(n.Text())
	switch {
	case parts == nil || len(n.Text()) > maxHeader:
		r.refuse("value", n, "", "a header must be Name: value, in printable ASCII")
	case slices.Contains(ownHeaders, strings.ToLower(parts[1])):
		r.refuse("not-supported", n, "", "this header is the server's to set")
	default:
		r.s.Headers = append(r.s.Headers, parts[1]+": "+parts[2])
	}
}

// whole reads the number of an extension that may stand once.
func (r *wishReader) whole(of []tree.Node, member string, least, most, absent int) int {
	if len(of) == 0 {
		return absent
	}
	value := of[0].Child(member)
	n, err := strconv.Atoi(value.Number())
	if len(of) > 1 || err != nil || n < least || n > most {
		r.refuse("value", of[len(of)-1], "", "must stand once, as a %s from %d to %d", member, least, most)
		return absent
	}
	return n
}

func (r *wishReader) payload(n tree.Node) {
	payload := n.Child("payload")
	content := r.backport(n.Child("_payload"), extContent)[extContent]
	switch {
	case payload.Exists() && !payload.Is(mimeFHIR):
		r.refuse("not-supported", payload, "", "only the payload "+mimeFHIR+" is supported")
		return
	case r.s.Topic == subscription.Criteria && len(content) > 0:
		r.refuse("not-supported", content[0], "", "payload content goes with a topic, not with a search as criteria")
		return
	case r.s.Topic != subscription.Criteria && !payload.Exists():
		r.refuse("required", payload, n.Path()+".payload", "payload is missing: "+mimeFHIR)
		return
	}
	r.s.Payload = payload.Text()
	if r.s.Topic == subscription.Criteria {
		return
	}
	if len(content) != 1 {
		r.refuse("required", tree.Node{}, n.Path()+".payload", "the extension backport-payload-content must stand once: empty, id-only or full-resource")
		return
	}
	value := content[0].Child("valueCode")
	switch c := subscription.Content(value.Text()); c {
	case subscription.Empty, subscription.IDOnly, subscription.Full:
		r.s.Content = c
	default:
		r.refuse("code-invalid", value, content[0].Path(), "valueCode must be empty, id-only or full-resource")
	}
}

// Masked is what stands for the value of a header.
const Masked = "********"

// HeaderName is the name in `Name: value`.
func HeaderName(header string) string {
	name, _, _ := strings.Cut(header, ":")
	return name
}

// withoutSecrets is the resource as it was sent, but for the values of headers.
func withoutSecrets(root tree.Node) []byte {
	return rewritten(root, map[string]func(tree.Node) []byte{"channel": func(channel tree.Node) []byte {
		return rewritten(channel, map[string]func(tree.Node) []byte{"header": maskedHeaders})
	}})
}

func maskedHeaders(n tree.Node) []byte {
	out := []byte{'['}
	for header := range n.Children() {
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = appendString(out, HeaderName(header.Text())+": "+Masked)
	}
	return append(out, ']')
}

// rewritten is an object with some members made anew; those made to nothing are left out.
func rewritten(object tree.Node, by map[string]func(tree.Node) []byte) []byte {
	out := []byte{'{'}
	for child := range object.Children() {
		value := child.Raw()
		if anew, ok := by[child.Key()]; ok {
			value = anew(child)
		}
		if value == nil {
			continue
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(append(appendString(out, child.Key()), ':'), value...)
	}
	return append(out, '}')
}

// Subscription is a subscription as its readers see it: as it was sent, with what the server has made of it, and without
// any secret.
func Subscription(s subscription.Subscription) []byte {
	doc, err := tree.Parse(s.Raw, tree.Limits{Bytes: 1 << 21})
	if err != nil {
		return Outcome(fault.Errorf("exception", "", "the subscription cannot be shown")) // cannot be: it was read before it was stored
	}
	none := func(tree.Node) []byte { return nil }
	body := rewritten(doc.Root(), map[string]func(tree.Node) []byte{
		"status": func(tree.Node) []byte { return appendString(nil, string(s.Status)) },
		"error":  none, "_error": none,
	})
	if s.Error != "" {
		body = append(bytes.TrimSuffix(body, []byte("}")), `,"error":`...)
		body = append(appendString(body, s.Error), '}')
	}
	return tree.Splice(body, s.ID, strconv.FormatInt(s.Version, 10), s.Updated)
}

// FilterTexts are the criteria of a subscription of plain R4, or the filters of a topic, as they were sent.
func FilterTexts(s subscription.Subscription) []string {
	doc, err := tree.Parse(s.Raw, tree.Limits{Bytes: 1 << 21})
	if err != nil {
		return nil
	}
	if s.Topic == subscription.Criteria {
		return []string{doc.Root().Child("criteria").Text()}
	}
	var out []string
	for e := range doc.Root().Child("_criteria").Child("extension").Children() {
		if e.Child("url").Is(extFilter) {
			out = append(out, e.Child("valueString").Text())
		}
	}
	return out
}
