package server_test

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/known/timestamppb"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
	"github.com/rapport-health/rapport/services/server"
)

// canary stands in everything that the tenant north keeps, and in nothing that anybody asks.
const canary = "Northcanary"

// names are how the things of a tenant may be named from outside.
type names struct {
	// of is an id of each type.
	of map[string]string
	// alert is a live one, job a bulk job with its secret and file, identifier one of the patient, key one of idempotency.
	alert, job, secret, file, identifier, key string
	// cursor is the query of a page of a search, and page that of a list.
	cursor, page string
	version      int64
}

// nobodys are names of the same shape that nobody has.
func (n names) nobodys() names {
	out := n
	out.of = map[string]string{}
	for typ, id := range n.of {
		out.of[typ] = twist(id)
	}
	out.alert, out.job, out.secret = twist(n.alert), twist(n.job), twist(n.secret)
	out.identifier, out.key = twist(n.identifier), twist(n.key)
	out.cursor = strings.ReplaceAll(n.cursor, n.of["Patient"], out.of["Patient"])
	return out
}

// twist makes another name of the same shape.
func twist(name string) string {
	b := []byte(name)
	for i, c := range b {
		switch {
		case c >= '0' && c <= '8', c >= 'a' && c <= 'e', c >= 'g' && c <= 'y', c >= 'A' && c <= 'Y':
			b[i]++
		default:
			continue
		}
		break
	}
	return string(b)
}

// blind replaces the names by what they are called, and what is new in every answer.
func (n names) blind(text string) string {
	pairs := []string{}
	for _, typ := range slices.Sorted(maps.Keys(n.of)) {
		pairs = append(pairs, n.of[typ], "<"+typ+">")
	}
	pairs = append(pairs, n.alert, "<alert>", n.job, "<job>", n.secret, "<secret>", n.identifier, "<identifier>", n.key, "<key>")
	return random.ReplaceAllString(strings.NewReplacer(pairs...).Replace(text), "<random>")
}

var random = regexp.MustCompile(`[A-Z2-7]{26}|[a-z2-7]{26}|"tenantSeq":"[0-9]+"|urn:uuid:[0-9a-f-]{36}`)

// north is a tenant that keeps one of everything.
func (g *gated) north() (names, string) {
	g.t.Helper()
	_, token := g.full("north")
	n := names{of: map[string]string{
		"Patient": "north-p1", "Observation": "north-o1", "QuestionnaireResponse": "north-r1", "CareTeam": "north-t1", "Group": "north-g1",
	}, identifier: "north-mrn", key: "north-key", version: 1}
	hidden := `,"note":[{"text":"` + canary + `"}]`
	g.put(token, `{"resourceType":"Patient","id":"north-p1","identifier":[{"system":"urn:mrn","value":"north-mrn"}],"name":[{"family":"`+canary+`"}]}`,
		strings.NewReplacer(`"team1"`, `"north-t1"`, "Patient/p1", "Patient/north-p1", `"status"`, `"name":"`+canary+`","status"`).Replace(teamP1),
		pulse("north-o1", "north-p1", hidden), pulse("north-o2", "north-p1", hidden),
		strings.Replace(phq9("north-r1", "north-p1", monday, 3, 3, 3, 3, 3, 3, 3, 3, 3), `"status"`, `"identifier":{"value":"`+canary+`"},"status"`, 1),
		`{"resourceType":"Group","id":"north-g1","type":"person","actual":true,"name":"`+canary+`","member":[{"entity":{"reference":"Patient/north-p1"}}]}`)
	_, err := g.ingest.Ingest(as(g.t.Context(), token), &rapportv1.IngestRequest{Source: "ehr", Items: []*rapportv1.Item{
		{Body: []byte(pulse("north-o3", "north-p1", hidden)), Key: "north-key"}, {Body: []byte(pulse("north-o4", "north-p1", hidden)), Key: "north-key2"}, {Body: []byte(strings.Replace(phq9("north-r2", "north-p1", monday), "44249-1", canary, 1))},
	}})
	if err != nil {
		g.t.Fatal(err)
	}
	alerts, err := g.alerts.ListAlerts(as(g.t.Context(), token), &rapportv1.ListAlertsRequest{PageSize: 1})
	if err != nil || len(alerts.GetAlerts()) == 0 {
		g.t.Fatal(alerts, err)
	}
	n.alert, n.page, n.version = alerts.GetAlerts()[0].GetId(), alerts.GetNextPageToken(), alerts.GetAlerts()[0].GetVersion()
	n.of["DetectedIssue"], n.of["Task"], n.of["Flag"] = n.alert, n.alert, n.alert
	n.of["Provenance"] = g.ids("/fhir/Provenance?patient=north-p1", token)[0]
	n.of["Derived"] = slices.DeleteFunc(g.ids("/fhir/Observation?patient=north-p1", token), func(id string) bool { return strings.HasPrefix(id, "north") })[0]
	n.of["Subscription"] = g.subscription(token, "north")
	n.of["AuditEvent"] = "a1-0"
	n.cursor = g.next("/fhir/Observation?patient=north-p1&_count=1", token)
	m, at := g.exported(token)
	parts := strings.Split(m.Output[0].URL, "/")
	n.file, n.secret, n.job = parts[len(parts)-1], parts[len(parts)-2], at[strings.LastIndexByte(at, '/')+1:]
	return n, token
}

// subscription makes one and returns its id.
func (g *gated) subscription(token, of string) string {
	g.t.Helper()
	body := g.want(http.StatusCreated, "POST", "/fhir/Subscription", token, `{"resourceType":"Subscription","status":"requested","reason":"a test",
		"criteria":"Observation?patient=`+of+`-p1","channel":{"type":"rest-hook","endpoint":"http://127.0.0.1:9/`+canary+`","payload":"application/fhir+json"}}`)
	var made struct{ ID string }
	if err := json.Unmarshal([]byte(body), &made); err != nil || made.ID == "" {
		g.t.Fatal(body, err)
	}
	return made.ID
}

// next is the query of the second page of a search.
func (g *gated) next(path, token string) string {
	g.t.Helper()
	var b struct {
		Link []struct{ Relation, URL string }
	}
	if err := json.Unmarshal([]byte(g.want(http.StatusOK, "GET", path, token, "")), &b); err != nil {
		g.t.Fatal(err)
	}
	for _, l := range b.Link {
		if u, err := url.Parse(l.URL); err == nil && l.Relation == "next" {
			return u.RawQuery
		}
	}
	g.t.Fatal("there is no second page")
	return ""
}

// exported is an export of everything that is done, and where its status is asked for.
func (g *gated) exported(token string) (manifest, string) {
	g.t.Helper()
	bearer := []string{"Authorization", "Bearer " + token}
	at := g.kickOff(http.MethodGet, "/$export", "", bearer...)
	return g.finished(at, bearer...), at
}

// knock is one call at a door; a name of a gRPC method, or an HTTP method with a path.
type knock struct {
	door, path, body, kind string
	message                proto.Message
	// writes says that it may change something; more that it is a variant of another one.
	writes, more bool
}

// answer is what a caller can learn from a knock.
type answer struct {
	code, text string
}

// order puts those last that remove what the others name.
func (k knock) order() string {
	last := "0"
	if strings.HasPrefix(k.door, "DELETE") || strings.HasSuffix(k.door, "$import") {
		last = "1"
	}
	return last + k.door
}

// smuggled are other words by which a request might name a tenant.
var smuggled = []string{"X-Tenant", "X-Tenant-Id", "X-Rapport-Tenant", "Tenant", "X-Forwarded-Prefix", "X-Scope-Orgid"}

func (g *gated) knockAt(k knock, token string) answer {
	if k.message != nil {
		return g.knockGRPC(k, token)
	}
	method, _, _ := strings.Cut(k.door, " ")
	headers := []string{}
	for _, name := range smuggled {
		headers = append(headers, name, "north")
	}
	if k.kind != "" {
		headers = append(headers, "Content-Type", k.kind)
	}
	if strings.Contains(k.path, "$export") || strings.Contains(k.path, "$import") {
		headers = append(headers, "Prefer", "respond-async")
	}
	code, text, header := g.over(method, k.path, token, k.body, headers...)
	return answer{fmt.Sprint(code), header.Get("ETag") + header.Get("Location") + header.Get("Content-Location") + text}
}

// knockGRPC gives the first message that comes, or how the call ended.
func (g *gated) knockGRPC(k knock, token string) answer {
	ctx, cancel := context.WithTimeout(as(g.t.Context(), token), 20*time.Second)
	defer cancel()
	for _, name := range smuggled {
		ctx = metadata.AppendToOutgoingContext(ctx, strings.ToLower(name), "north")
	}
	stream, err := g.conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, k.door)
	if err != nil {
		return answer{status.Code(err).String(), status.Convert(err).Message()}
	}
	if stream.SendMsg(k.message) == nil { // else RecvMsg says why
		_ = stream.CloseSend()
	}
	got := answered(k.door)
	err = stream.RecvMsg(got)
	for err == nil && strings.HasSuffix(k.door, "Stream") { // a stream of answers, the last of which tells
		next := answered(k.door)
		if err = stream.RecvMsg(next); err == nil {
			got = next
		} else if errors.Is(err, io.EOF) {
			err = nil
			break
		}
	}
	if err != nil {
		return answer{status.Code(err).String(), status.Convert(err).Message() + fmt.Sprint(status.Convert(err).Details())}
	}
	text, err := protojson.Marshal(got)
	if err != nil {
		g.t.Error(err)
	}
	return answer{"OK", strings.ReplaceAll(string(text), `, "`, `,"`)}
}

// answered is an empty answer of a gRPC method.
func answered(door string) proto.Message {
	name := strings.ReplaceAll(strings.TrimPrefix(door, "/"), "/", ".")
	found, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(name))
	if err != nil {
		panic(err)
	}
	typ, err := protoregistry.GlobalTypes.FindMessageByName(found.(protoreflect.MethodDescriptor).Output().FullName())
	if err != nil {
		panic(err)
	}
	return typ.New().Interface()
}

// sameForAll are the doors that tell every tenant, or everybody, the same, and why.
var sameForAll = map[string]string{
	"/grpc.health.v1.Health/Check":                                   "the state of the server",
	"/grpc.health.v1.Health/Watch":                                   "the state of the server",
	"/grpc.health.v1.Health/List":                                    "the state of the server",
	"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo":      "the contract",
	"/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": "the contract",
	"/rapport.v1.ScoringService/ListInstruments":                     "the catalogue",
	"/rapport.v1.ScoringService/GetInstrument":                       "the catalogue",
	"/rapport.v1.ScoringService/Change":                              "numbers that the caller sent",
	"GET /metrics":                                                   "counters by door, none by tenant",
	"GET /healthz":                                                   "the state of the server",
	"POST /auth/token":                                               "the tenant of a token is that of its client's registration",
	"GET /auth/keys":                                                 "public keys",
	"GET /fhir/.well-known/smart-configuration":                      "addresses",
	"GET /fhir/metadata":                                             "what the server offers",
	"GET /cds-services":                                              "what the server offers",
	"POST /fhir/QuestionnaireResponse/$extract":                      "what is made of the form that the caller sent",
	"GET /fhir/Basic":                                                "the topics, which are the server's",
	"GET /fhir/Basic/{id}":                                           "the topics, which are the server's",
}

// methods are calls of every gRPC method that names something of a tenant.
var methods = map[string]func(n names) []proto.Message{
	"/rapport.v1.IngestService/Ingest": func(n names) []proto.Message {
		item := func(body, key string) *rapportv1.IngestRequest {
			return &rapportv1.IngestRequest{Source: "ehr", Items: []*rapportv1.Item{{Body: []byte(body), Key: key}}}
		}
		return []proto.Message{
			item(pulse(n.of["Observation"]+"-9", n.of["Patient"], ""), n.key), item(pulse(n.of["Observation"], n.of["Patient"], ""), ""),
			item(pulse(n.of["Observation"]+"-8", n.of["Patient"], `,"meta":{"tag":[{"code":"north"}]}`), ""),
		}
	},
	"/rapport.v1.IngestService/IngestStream": func(n names) []proto.Message {
		return one(&rapportv1.IngestStreamRequest{Source: "ehr", Sequence: 1, Item: &rapportv1.Item{Body: []byte(pulse(n.of["Observation"]+"-7", n.of["Patient"], "")), Key: n.key + "2"}})
	},
	"/rapport.v1.IngestService/Rescore": func(n names) []proto.Message { return one(&rapportv1.RescoreRequest{DryRun: true}) },
	"/rapport.v1.ScoringService/Score": func(n names) []proto.Message {
		return one(&rapportv1.ScoreRequest{Source: "ehr", Response: &rapportv1.ScoreRequest_QuestionnaireResponse{QuestionnaireResponse: []byte(phq9(n.of["QuestionnaireResponse"], n.of["Patient"], monday, 1))}})
	},
	"/rapport.v1.OutcomeService/GetEpisode": func(n names) []proto.Message {
		return []proto.Message{
			&rapportv1.GetEpisodeRequest{Patient: n.of["Patient"]}, &rapportv1.GetEpisodeRequest{Patient: "Patient/" + n.of["Patient"]},
			&rapportv1.GetEpisodeRequest{Patient: n.of["Patient"], AsOf: timestamppb.New(monday.Add(time.Hour))},
		}
	},
	"/rapport.v1.OutcomeService/ListScores": func(n names) []proto.Message { return one(&rapportv1.ListScoresRequest{Patient: n.of["Patient"]}) },
	"/rapport.v1.OutcomeService/ListUnscored": func(n names) []proto.Message {
		return []proto.Message{&rapportv1.ListUnscoredRequest{}, &rapportv1.ListUnscoredRequest{PageSize: 1, PageToken: n.page}}
	},
	"/rapport.v1.OutcomeService/Timeline": func(n names) []proto.Message {
		return []proto.Message{&rapportv1.TimelineRequest{Patient: n.of["Patient"], Superseded: true}, &rapportv1.TimelineRequest{Patient: n.of["Patient"], Kinds: []string{"alert"}}}
	},
	"/rapport.v1.OutcomeService/Explain": func(n names) []proto.Message {
		return []proto.Message{
			&rapportv1.ExplainRequest{Of: &rapportv1.ExplainRequest_Patient{Patient: n.of["Patient"]}},
			&rapportv1.ExplainRequest{Of: &rapportv1.ExplainRequest_Alert{Alert: n.alert}},
		}
	},
	"/rapport.v1.OutcomeService/WatchEpisode": func(n names) []proto.Message {
		return one(&rapportv1.WatchEpisodeRequest{Patient: n.of["Patient"], HeartbeatSeconds: 1})
	},
	"/rapport.v1.AlertService/Subscribe": func(n names) []proto.Message {
		return []proto.Message{
			&rapportv1.SubscribeRequest{Cursors: []*rapportv1.Cursor{{Feed: "team:" + n.of["CareTeam"]}}, HeartbeatSeconds: 1},
			&rapportv1.SubscribeRequest{Cursors: []*rapportv1.Cursor{{Feed: "all"}}, HeartbeatSeconds: 1},
		}
	},
	"/rapport.v1.AlertService/ListAlerts": func(n names) []proto.Message {
		return []proto.Message{&rapportv1.ListAlertsRequest{}, &rapportv1.ListAlertsRequest{Patient: n.of["Patient"]}, &rapportv1.ListAlertsRequest{PageToken: n.page}}
	},
	"/rapport.v1.AlertService/CountAlerts": func(n names) []proto.Message {
		return []proto.Message{&rapportv1.CountAlertsRequest{WithYields: true}, &rapportv1.CountAlertsRequest{Patient: n.of["Patient"]}}
	},
	"/rapport.v1.AlertService/GetAlert": func(n names) []proto.Message { return one(&rapportv1.GetAlertRequest{Id: n.alert}) },
	"/rapport.v1.AlertService/Acknowledge": func(n names) []proto.Message {
		return one(&rapportv1.AcknowledgeRequest{Id: n.alert, Version: n.version, Actor: "Practitioner/d1", Key: n.key})
	},
	"/rapport.v1.AlertService/Snooze": func(n names) []proto.Message {
		return one(&rapportv1.SnoozeRequest{Id: n.alert, Version: n.version, Actor: "Practitioner/d1", Until: timestamppb.New(monday.Add(time.Hour)), Key: n.key + "s"})
	},
	"/rapport.v1.AlertService/Resolve": func(n names) []proto.Message {
		return one(&rapportv1.ResolveRequest{Id: n.alert, Version: n.version, Actor: "Practitioner/d1", Reason: "done", Key: n.key + "r"})
	},
	"/rapport.v1.AlertService/Reassign": func(n names) []proto.Message {
		return one(&rapportv1.ReassignRequest{Id: n.alert, Version: n.version, Actor: "Practitioner/d1", To: "Practitioner/d2", Key: n.key + "a"})
	},
	"/rapport.v1.AlertService/Comment": func(n names) []proto.Message {
		return one(&rapportv1.CommentRequest{Id: n.alert, Version: n.version, Actor: "Practitioner/d1", Code: "called", Key: n.key + "c"})
	},
	"/rapport.v1.AlertService/Feedback": func(n names) []proto.Message {
		return one(&rapportv1.FeedbackRequest{Id: n.alert, Version: n.version, Actor: "Practitioner/d1", Verdict: rapportv1.FeedbackVerdict_FEEDBACK_VERDICT_USEFUL, Key: n.key + "f"})
	},
	"/rapport.v1.SubscriptionService/ListSubscriptions": func(names) []proto.Message { return one(&rapportv1.ListSubscriptionsRequest{}) },
	"/rapport.v1.SubscriptionService/GetSubscription": func(n names) []proto.Message {
		return one(&rapportv1.GetSubscriptionRequest{Id: n.of["Subscription"]})
	},
	"/rapport.v1.SubscriptionService/ListDeadLetters": func(n names) []proto.Message {
		return one(&rapportv1.ListDeadLettersRequest{Id: n.of["Subscription"]})
	},
	"/rapport.v1.SubscriptionService/Redrive": func(n names) []proto.Message {
		return one(&rapportv1.RedriveRequest{Id: n.of["Subscription"]})
	},
	"/rapport.v1.SubscriptionService/RotateSecret": func(n names) []proto.Message {
		return one(&rapportv1.RotateSecretRequest{Id: n.of["Subscription"]})
	},
}

func one(m proto.Message) []proto.Message { return []proto.Message{m} }

// changing are the gRPC methods that change something.
var changing = regexp.MustCompile(`IngestService|Acknowledge|Snooze|Resolve|Reassign|Comment|Feedback|Redrive|RotateSecret`)

// knocks are calls of every door that name things of a tenant. A door that is not known here is told of.
func knocks(t *testing.T, g *gated, n names) []knock {
	t.Helper()
	var out []knock
	for service, info := range g.Services() {
		for _, m := range info.Methods {
			door := "/" + service + "/" + m.Name
			make, known := methods[door]
			if _, same := sameForAll[door]; known == same {
				t.Errorf("%s: say in methods how it is called with names of a tenant, or in sameForAll why it tells everybody the same", door)
				continue
			}
			if known {
				for _, message := range make(n) {
					out = append(out, knock{door: door, message: message, writes: changing.MatchString(door)})
				}
			}
		}
	}
	routes := append(g.RESTRoutes(), g.HTTPRoutes()...)
	slices.Sort(routes)
	for _, door := range slices.Compact(routes) {
		if _, same := sameForAll[door]; same {
			continue
		}
		paths := n.paths(door)
		if len(paths) == 0 {
			t.Errorf("%s: say in paths how it is called with names of a tenant, or in sameForAll why it tells everybody the same", door)
		}
		for _, typ := range slices.Sorted(maps.Keys(paths)) {
			out = append(out, n.requests(door, typ, paths[typ])...)
		}
	}
	slices.SortStableFunc(out, func(a, b knock) int { return strings.Compare(a.order(), b.order()) })
	return out
}

var unfilled = regexp.MustCompile(`\{(?:type|id|tail|vid|n|job|file|secret|tenant)\}`)

// paths are those of a door, by the type that each is about.
func (n names) paths(door string) map[string]string {
	_, pattern, _ := strings.Cut(door, " ")
	below := strings.Split(strings.TrimPrefix(pattern, "/fhir"), "/")
	types := []string{""}
	switch {
	case strings.Contains(pattern, "{type}"):
		types = slices.Sorted(maps.Keys(n.of))
	case strings.HasPrefix(pattern, "/cds-services/{id}"):
		return map[string]string{"": strings.ReplaceAll(pattern, "{id}", "patient-view"), "other": strings.ReplaceAll(pattern, "{id}", "appointment-book")}
	case len(below) > 1 && below[1] != "" && below[1][0] >= 'A' && below[1][0] <= 'Z':
		types = []string{below[1]}
	}
	out := map[string]string{}
	for _, typ := range types {
		id, known := n.of[typ]
		if !known {
			id = n.of["Patient"]
		}
		as := strings.Replace(typ, "Derived", "Observation", 1)
		fill := func(tenant string) string {
			return strings.NewReplacer("{type}", as, "{id}", id, "{vid}", "1", "{n}", "1", "{tail}", "Observation", "{job}", n.job, "{file}", n.file,
				"{secret}", n.secret, "{tenant}", tenant, "{$}", "").Replace(pattern)
		}
		if leftover := strings.ContainsAny(unfilled.ReplaceAllString(strings.ReplaceAll(pattern, "{$}", ""), ""), "{}"); leftover {
			return nil
		}
		out[typ] = fill("south")
	}
	return out
}

// requests of one door with one path: with all that names something.
func (n names) requests(door, typ, path string) []knock {
	method, pattern, _ := strings.Cut(door, " ")
	typ = strings.Replace(typ, "Derived", "Observation", 1)
	const fhirJSON, form = "application/fhir+json", "application/x-www-form-urlencoded"
	ask := func(at, body, kind string, writes bool) knock {
		return knock{door: door, path: at, body: body, kind: kind, writes: writes, more: at != path || kind == form && body != n.cursor}
	}
	last := path[strings.LastIndexByte(path, '/')+1:]
	switch {
	case (method == "GET" || method == "HEAD") && (strings.Contains(pattern, "{id}") && !strings.Contains(pattern, "{tail}") || strings.Contains(pattern, "{job}")):
		return []knock{ask(path, "", "", false), ask(path+"?tenant=north&_tenant=north", "", "", false)}
	case last == "$get-ws-binding-token":
		return []knock{ask(path, "", "", false), ask(path+"?id="+n.of["Subscription"], "", "", false)}
	case method == "GET" && last == "$export":
		return []knock{ask(path, "", "", true), ask(path+"?_type=Patient&tenant=north", "", "", true), ask(path+"?patient="+n.of["Patient"], "", "", true)}
	case method == "GET":
		out := []knock{ask(path, "", "", false), ask(path+"?"+n.cursor, "", "", false)}
		for _, q := range n.queries(typ) {
			out = append(out, ask(path+"?"+q, "", "", false))
		}
		return out
	case last == "_search":
		var out []knock
		for _, q := range append(n.queries(typ), n.cursor) {
			out = append(out, ask(path, q, form, false))
		}
		return out
	case strings.HasPrefix(pattern, "/cds-services") && last == "feedback":
		return []knock{ask(path, fmt.Sprintf(`{"feedback":[{"card":%q,"outcome":"accepted","outcomeTimestamp":"2026-03-02T10:00:00Z"}]}`, n.alert), "application/json", true)}
	case strings.HasPrefix(pattern, "/cds-services"):
		return []knock{ask(path, fmt.Sprintf(`{"hook":%q,"hookInstance":"d1577c69-dfbe-44ad-ba6d-3e05e953b2ea","context":{"userId":"Practitioner/pt","patientId":%q,`+
			`"appointments":{"resourceType":"Bundle","entry":[]}}}`, last, n.of["Patient"]), "application/json", false)}
	case last == "$export":
		return []knock{ask(path, `{"resourceType":"Parameters","parameter":[{"name":"patient","valueReference":{"reference":"Patient/`+n.of["Patient"]+`"}}]}`, fhirJSON, true)}
	case last == "$import":
		return []knock{ask(path, pulse(n.of["Observation"]+"-6", n.of["Patient"], ""), "application/fhir+ndjson", true)}
	case last == "" || path == "/fhir":
		return []knock{ask(path, n.bundle("batch"), fhirJSON, true), ask(path, n.bundle("transaction"), fhirJSON, true)}
	case strings.HasPrefix(last, "$"):
		body := n.body(typ)
		return []knock{ask(path, "", "", false), ask(path, body, fhirJSON, last == "$rotate-key")}
	case method == "POST" || method == "PUT":
		out := []knock{ask(path, n.body(typ), fhirJSON, true)}
		if !strings.Contains(pattern, "{id}") {
			out = append(out, ask(path+"?identifier=urn:mrn|"+n.identifier, n.body(typ), fhirJSON, true), ask(path+"?_id="+n.of[typ], n.body(typ), fhirJSON, true))
		}
		return out
	case method == "PATCH":
		patch := `[{"op":"test","path":"/resourceType","value":"` + typ + `"},{"op":"add","path":"/language","value":"en"}]`
		return []knock{ask(path, patch, "application/json-patch+json", true), ask(path+"?_id="+n.of[typ], patch, "application/json-patch+json", true)}
	case method == "DELETE":
		return []knock{ask(path, "", "", true), ask(path+"?_id="+n.of[typ], "", "", true)}
	default:
		return []knock{ask(path, "{}", fhirJSON, true)}
	}
}

// queries that find things of a tenant.
func (n names) queries(typ string) []string {
	p := n.of["Patient"]
	return []string{
		"_id=" + n.of[typ], "patient=" + p, "patient=Patient/" + p, "subject=Patient/" + p, "identifier=urn:mrn|" + n.identifier, "patient.identifier=urn:mrn|" + n.identifier,
		"_has:Observation:patient:code=8867-4", "_id=" + p + "&_revinclude=Observation:patient", "patient=" + p + "&_summary=count", "tenant=north", "_count=1000",
	}
}

// body of a resource of a type.
func (n names) body(typ string) string {
	id, p := n.of[typ], n.of["Patient"]
	switch typ {
	case "Patient":
		return fmt.Sprintf(`{"resourceType":"Patient","id":%q,"identifier":[{"system":"urn:mrn","value":%q}]}`, p, n.identifier)
	case "Observation":
		return pulse(id, p, "")
	case "Subscription":
		return fmt.Sprintf(`{"resourceType":"Subscription","id":%q,"status":"requested","reason":"a test","criteria":"Observation?patient=%s",`+
			`"channel":{"type":"rest-hook","endpoint":"http://127.0.0.1:9/","payload":"application/fhir+json"}}`, id, p)
	case "QuestionnaireResponse":
		return phq9(id, p, monday, 1, 1, 1, 1, 1, 1, 1, 1, 0)
	default:
		return fmt.Sprintf(`{"resourceType":%q,"id":%q,"status":"active","subject":{"reference":"Patient/%s"},"participant":[{"member":{"reference":"Practitioner/d1"}}]}`, typ, id, p)
	}
}

func (n names) bundle(kind string) string {
	entry := func(method, at, body string) string {
		if body != "" {
			body = `"resource":` + body + ","
		}
		return fmt.Sprintf(`{%s"request":{"method":%q,"url":%q}}`, body, method, at)
	}
	entries := []string{
		entry("GET", "Patient/"+n.of["Patient"], ""), entry("GET", "Observation?patient="+n.of["Patient"], ""),
		entry("PUT", "Observation/"+n.of["Observation"], n.body("Observation")), entry("DELETE", "CareTeam/"+n.of["CareTeam"], ""),
	}
	return `{"resourceType":"Bundle","type":"` + kind + `","entry":[` + strings.Join(entries, ",") + `]}`
}

// kept is all that a tenant has, but for the audit, table by table.
func (g *gated) kept(tenant string) map[string]string {
	g.t.Helper()
	db, err := sql.Open("sqlite", "file:"+strings.TrimPrefix(g.config.Store, "sqlite:")+"?mode=ro")
	if err != nil {
		g.t.Fatal(err)
	}
	defer db.Close()
	out := map[string]string{}
	for _, table := range column(g.t, db, `SELECT m.name FROM sqlite_master m WHERE m.type='table' AND m.name NOT LIKE 'audit%' AND
		EXISTS (SELECT 1 FROM pragma_table_info(m.name) WHERE name='tenant')`) {
		rows, err := db.Query(`SELECT * FROM "`+table+`" WHERE tenant=?`, tenant)
		if err != nil {
			g.t.Fatal(err)
		}
		lines := scanned(g.t, rows)
		slices.Sort(lines)
		out[table] = fmt.Sprintf("%d rows, %x", len(lines), sha256.Sum256([]byte(strings.Join(lines, "\n"))))
	}
	return out
}

func column(t *testing.T, db *sql.DB, query string) (out []string) {
	t.Helper()
	rows, err := db.Query(query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var one string
		if err := rows.Scan(&one); err != nil {
			t.Fatal(err)
		}
		out = append(out, one)
	}
	return out
}

func scanned(t *testing.T, rows *sql.Rows) (lines []string) {
	t.Helper()
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		values := make([]any, len(columns))
		at := make([]any, len(columns))
		for i := range values {
			at[i] = &values[i]
		}
		if err := rows.Scan(at...); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, fmt.Sprintf("%v", values))
	}
	return lines
}

// strange are the words of the tenant that another must never read.
func (n names) strange() []string {
	return append([]string{canary, "full-north", n.identifier, n.alert, n.job, n.secret}, slices.Collect(maps.Values(n.of))...)
}

// brief is as much of an answer as a failure should show.
func brief(text string) string { return text[:min(len(text), 500)] }

func TestNoDoorLetsATenantTouchOrLearnOfTheThingsOfAnother(t *testing.T) {
	g := startGated(t, func(c *server.Config) {
		c.Access.Guests.PerSecond, c.Access.Rate.PerSecond = 0, 0
		c.Bulk.Jobs, c.Bulk.CapabilityURLs, c.AllowPrivateWebhooks = 10_000, true, true
	})
	n, own := g.north()
	nobody := n.nobodys()
	named, unnamed := knocks(t, g, n), knocks(t, g, nobody)
	tokens := map[string]string{}
	for _, r := range matrixRoles {
		if r.scopes != "" {
			tokens[r.name] = g.token(g.register("south-"+r.name, "south", r.scopes, r.change), r.scopes)
		}
	}
	before := g.kept("north")
	for _, writes := range []bool{false, true} {
		for _, role := range slices.Sorted(maps.Keys(tokens)) {
			each(named, writes, func(i int) {
				if named[i].writes != writes || named[i].more && role != "full" {
					return
				}
				got, other := g.knockAt(named[i], tokens[role]), g.knockAt(unnamed[i], tokens[role])
				audit := strings.Contains(named[i].path, "/AuditEvent") // it tells of these very knocks, and numbers entries in every tenant alike
				for _, word := range n.strange() {
					if !audit && strings.Contains(other.text, word) || (word == canary || word == "full-north") && strings.Contains(got.text, word) {
						t.Errorf("%s %s: %s of another tenant is told %s", named[i].door, named[i].path, role, word)
					}
				}
				if audit {
					return
				}
				if a, b := n.blind(got.text), nobody.blind(other.text); got.code != other.code || a != b {
					t.Errorf("%s %s %s: %s of another tenant can tell what is there from what is not:\n%s %s\n%s %s",
						named[i].door, named[i].path, named[i].body, role, got.code, brief(a), other.code, brief(b))
				}
			})
		}
		if after := g.kept("north"); !maps.Equal(before, after) {
			t.Fatalf("the tenant was changed by another:\n%v\n%v", before, after)
		}
	}
	all, _ := g.exported(tokens["full"])
	for _, f := range all.Output {
		if _, text := g.exchange(http.MethodGet, f.URL, "", "Authorization", "Bearer "+tokens["full"]); strings.Contains(string(text), canary) {
			t.Errorf("%s tells of another tenant", f.URL)
		}
	}
	g.everyDoorIsNamedRightly(named, unnamed, own, n, nobody)
}

// each does something with all, a few at once unless their order counts.
func each(of []knock, ordered bool, do func(i int)) {
	var all sync.WaitGroup
	next := make(chan int)
	abreast := 8
	if ordered {
		abreast = 1
	}
	for range abreast {
		all.Go(func() {
			for i := range next {
				do(i)
			}
		})
	}
	for i := range of {
		next <- i
	}
	close(next)
	all.Wait()
}

// namesNothing are the doors at which the own tenant sees no difference between its things and nobody's, and why.
var namesNothing = map[string]string{
	"/rapport.v1.IngestService/Rescore":                   "it names nobody; what it would change is counted by tenant",
	"/rapport.v1.ScoringService/Score":                    "what is made of the form that the caller sent",
	"GET /fhir/$export":                                   exportsNothing,
	"POST /fhir/$export":                                  exportsNothing,
	"GET /fhir/Patient/$export":                           exportsNothing,
	"POST /fhir/Patient/$export":                          exportsNothing,
	"POST /fhir/$import":                                  "it is accepted whatever it brings",
	"POST /fhir/Basic/_search":                            "the topics are everybody's",
	"POST /fhir/Subscription":                             "its id is the server's",
	"GET /websocket":                                      "what is bound is named within; access_socket_test.go",
	"HEAD /websocket":                                     "as GET",
	"DELETE /fhir/Subscription/{id}":                      "to delete what is not there is no error",
	"POST /cds-services/{id}/feedback":                    "a card that is not known is left out",
	"GET /fhir/bulk-file/{tenant}/{job}/{secret}/{file}":  capable,
	"HEAD /fhir/bulk-file/{tenant}/{job}/{secret}/{file}": capable,
}

const (
	exportsNothing = "it is accepted whatever it finds; what it found is read at the end of the test"
	capable        = "the URL is the secret, whoever asks: here it names the tenant that asks"
)

// everyDoorIsNamedRightly shows that the knocks do name what is there: the own tenant sees a difference at every door.
func (g *gated) everyDoorIsNamedRightly(named, unnamed []knock, own string, n, nobody names) {
	g.t.Helper()
	differs := map[string]bool{}
	for _, writes := range []bool{false, true} {
		for i := range named {
			if named[i].writes != writes {
				continue
			}
			got, other := g.knockAt(named[i], own), g.knockAt(unnamed[i], own)
			differs[named[i].door] = differs[named[i].door] || got.code != other.code || n.blind(got.text) != nobody.blind(other.text)
		}
	}
	for door, does := range differs {
		if _, excused := namesNothing[door]; does == (excused || strings.HasSuffix(door, "$validate")) {
			g.t.Errorf("%s: the own tenant sees a difference: %t; excused in namesNothing: %t", door, does, excused)
		}
	}
}
