package access

import (
	"regexp"
	"slices"
	"strings"
)

// Need is one permission that a call wants: a verb on a type.
type Need struct {
	Type string
	Verb Verbs
}

// Rule is what one method of one door wants of its caller. The zero Rule wants everything.
type Rule struct {
	// Open says that anybody may call it: it tells nothing of patients.
	Open bool
	// Known says that any authenticated caller may call it.
	Known bool
	// Needs all must be met. A call without any that is neither Open nor Known wants every verb on every type.
	Needs []Need
	// Free says that the needs must be met without restrictions but by patient: what is answered cannot be told apart by
	// them.
	Free bool
	// Socket says that the connection stays open, and that its caller may say only within who they are.
	Socket bool
	// Body says that what is sent must be looked into: it names types of its own (a Bundle), or feeds.
	Body bool
	// Action is what the audit calls it: C, R, U, D or E.
	Action string
	// Interaction is its code in http://hl7.org/fhir/restful-interaction.
	Interaction string
	// Patients says that patient data goes out or comes in, so that the audit is durable before the answer leaves.
	Patients bool
}

// Decide says whether a principal meets the rule, as far as that can be said before looking into what is sent and what is
// answered.
func (r Rule) Decide(p Principal) bool {
	if r.Open {
		return true
	}
	if p.Tenant == "" {
		return false
	}
	if r.Known {
		return true
	}
	if len(r.Needs) == 0 {
		return p.AllowAll(AllVerbs)
	}
	for _, n := range r.Needs {
		if n.Type == Any {
			// What of it is seen is decided one by one.
			if !slices.ContainsFunc(p.Scopes, func(s Scope) bool { return p.inForce(s) && s.Verbs&n.Verb != 0 }) {
				return false
			}
			continue
		}
		if r.Free && !p.AllowFreely(n.Type, n.Verb) || !p.Allow(n.Type, n.Verb) {
			return false
		}
	}
	return true
}

func reads(types ...string) Rule {
	r := Rule{Free: true, Action: "R", Interaction: "read", Patients: true}
	for _, t := range types {
		r.Needs = append(r.Needs, Need{t, Read})
	}
	return r
}

func lists(types ...string) Rule {
	r := Rule{Free: true, Action: "E", Interaction: "search-type", Patients: true}
	for _, t := range types {
		r.Needs = append(r.Needs, Need{t, Search})
	}
	return r
}

func changes(typ string) Rule {
	return Rule{Needs: []Need{{typ, Update}}, Free: true, Body: true, Action: "U", Interaction: "update", Patients: true}
}

// Methods is the rule of every gRPC method, by its full name. A method that is not here wants everything.
var Methods = map[string]Rule{
	"/grpc.health.v1.Health/Check":                                   {Open: true},
	"/grpc.health.v1.Health/Watch":                                   {Open: true},
	"/grpc.health.v1.Health/List":                                    {Open: true},
	"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo":      {Open: true},
	"/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": {Open: true},

	"/rapport.v1.IngestService/Ingest":       {Needs: []Need{{Any, Create}, {Any, Update}}, Body: true, Action: "C", Interaction: "create", Patients: true},
	"/rapport.v1.IngestService/IngestStream": {Needs: []Need{{Any, Create}, {Any, Update}}, Body: true, Action: "C", Interaction: "create", Patients: true},
	"/rapport.v1.IngestService/Rescore":      changes("QuestionnaireResponse"),

	"/rapport.v1.ScoringService/ListInstruments": {Known: true, Action: "R", Interaction: "search-type"},
	"/rapport.v1.ScoringService/GetInstrument":   {Known: true, Action: "R", Interaction: "read"},
	"/rapport.v1.ScoringService/Score":           {Known: true, Action: "E", Interaction: "operation", Patients: true},
	"/rapport.v1.ScoringService/Change":          {Known: true, Action: "E", Interaction: "operation"},

	"/rapport.v1.OutcomeService/GetEpisode":   reads("EpisodeOfCare", "Observation"),
	"/rapport.v1.OutcomeService/ListScores":   lists("Observation"),
	"/rapport.v1.OutcomeService/ListUnscored": lists("QuestionnaireResponse"),
	"/rapport.v1.OutcomeService/Timeline":     reads("EpisodeOfCare", "Observation", "DetectedIssue"),
	"/rapport.v1.OutcomeService/Explain":      reads("EpisodeOfCare", "Observation", "DetectedIssue"),
	"/rapport.v1.OutcomeService/WatchEpisode": reads("EpisodeOfCare", "Observation", "DetectedIssue"),

	"/rapport.v1.AlertService/Subscribe":   {Needs: []Need{{"DetectedIssue", Read}}, Free: true, Body: true, Action: "R", Interaction: "read", Patients: true},
	"/rapport.v1.AlertService/ListAlerts":  lists("DetectedIssue"),
	"/rapport.v1.AlertService/CountAlerts": lists("DetectedIssue"),
	"/rapport.v1.AlertService/GetAlert":    reads("DetectedIssue"),
	"/rapport.v1.AlertService/Acknowledge": changes("DetectedIssue"),
	"/rapport.v1.AlertService/Snooze":      changes("DetectedIssue"),
	"/rapport.v1.AlertService/Resolve":     changes("DetectedIssue"),
	"/rapport.v1.AlertService/Reassign":    changes("DetectedIssue"),
	"/rapport.v1.AlertService/Comment":     changes("DetectedIssue"),
	"/rapport.v1.AlertService/Feedback":    changes("DetectedIssue"),

	"/rapport.v1.SubscriptionService/ListSubscriptions": lists("Subscription"),
	"/rapport.v1.SubscriptionService/GetSubscription":   reads("Subscription"),
	"/rapport.v1.SubscriptionService/ListDeadLetters":   lists("Subscription"),
	"/rapport.v1.SubscriptionService/Redrive":           changes("Subscription"),
	"/rapport.v1.SubscriptionService/RotateSecret":      changes("Subscription"),
}

// Prefix of FHIR REST.
const Prefix = "/fhir"

// TokenPath and KeysPath are where tokens are given out, and where the keys lie by which they can be checked.
const (
	TokenPath = "/auth/token"
	KeysPath  = "/auth/keys"
)

// SocketPath is where websockets are opened, over which subscriptions are told.
const SocketPath = "/websocket"

// SocketURL is SocketPath for whoever reaches FHIR REST at base.
func SocketURL(base string) string {
	return "ws" + strings.TrimPrefix(strings.TrimSuffix(base, Prefix), "http") + SocketPath
}

// The methods of HTTP. The core names no package of the network.
const (
	get, head, post, put, patch, remove, options = "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"
)

// openPaths tell nothing of patients.
var openPaths = []string{
	"/healthz", Prefix + "/metadata", Prefix + "/.well-known/smart-configuration", "/cds-services", KeysPath,
}

// Door is the rule of an HTTP request, by its method and path alone.
func Door(method, path string) Rule {
	if method == head {
		method = get
	}
	switch {
	case method == get && slices.Contains(openPaths, path), method == post && path == TokenPath:
		return Rule{Open: true}
	case method == get && path == SocketPath:
		rule := reads("Subscription")
		rule.Socket = true
		return rule
	case method == get && path == "/metrics":
		return Rule{Known: true, Action: "R"}
	case path == Prefix || strings.HasPrefix(path, Prefix+"/"):
		return rest(method, strings.Split(strings.Trim(strings.TrimPrefix(path, Prefix), "/"), "/"))
	case method == options && (path == "/cds-services" || strings.HasPrefix(path, "/cds-services/")):
		return Rule{Open: true} // a browser asks without a token whether it may call
	case method == post && strings.HasPrefix(path, "/cds-services/") && strings.HasSuffix(path, "/feedback"):
		rule := changes("DetectedIssue")
		rule.Body = false
		return rule
	case method == post && strings.HasPrefix(path, "/cds-services/"):
		rule := reads("EpisodeOfCare", "Observation", "DetectedIssue")
		rule.Action, rule.Interaction = "E", "operation"
		return rule
	case method == get:
		rule := reads("EpisodeOfCare", "Observation", "DetectedIssue", "CareTeam") // the board
		return rule
	case method == post && strings.HasPrefix(path, "/board/"):
		return changes("DetectedIssue")
	default:
		return Rule{}
	}
}

var typeForm = regexp.MustCompile(`^[A-Z][A-Za-z]{1,63}$`)

// rest is the rule of a request below Prefix; parts are those of the path, one empty one for the base itself.
func rest(method string, parts []string) Rule {
	top := parts[0]
	switch {
	case strings.HasPrefix(top, "$") && len(parts) == 1:
		return operation(method, "", strings.TrimPrefix(top, "$"))
	case top == "" || top == "_history" || top == "_search":
		return whole(method, top)
	case top == "$bulk" || top == "bulk":
		return Rule{Needs: []Need{{Any, Read}}, Action: "R", Interaction: "operation", Patients: true}
	case top == "bulk-file" && method == get:
		return Rule{Open: true} // the URL is the secret, where the server gives out such URLs at all
	case !typeForm.MatchString(top):
		return Rule{}
	case len(parts) > 1 && strings.HasPrefix(parts[len(parts)-1], "$"):
		return operation(method, top, strings.TrimPrefix(parts[len(parts)-1], "$"))
	case len(parts) == 1:
		return onType(method, top)
	default:
		return onInstance(method, top, parts[1:])
	}
}

// whole is the rule of what is asked of all types at once.
func whole(method, part string) Rule {
	switch {
	case part == "" && method == post:
		return Rule{Needs: []Need{{Any, AllVerbs}}, Body: true, Action: "E", Interaction: "batch", Patients: true}
	case part == "" && method == get, part == "_search" && method == post:
		return Rule{Needs: []Need{{Any, Search}}, Action: "E", Interaction: "search-system", Patients: true}
	case part == "_history" && method == get:
		return Rule{Needs: []Need{{Any, Search}}, Action: "R", Interaction: "history-system", Patients: true}
	default:
		return Rule{}
	}
}

func one(typ string, verb Verbs, action, interaction string) Rule {
	return Rule{Needs: []Need{{typ, verb}}, Action: action, Interaction: interaction, Patients: true}
}

func onType(method, typ string) Rule {
	switch method {
	case get:
		return one(typ, Search, "E", "search-type")
	case post:
		rule := one(typ, Create, "C", "create")
		rule.Body = true
		return rule
	case put:
		rule := one(typ, Update|Search, "U", "update")
		rule.Body = true
		return rule
	case patch:
		return one(typ, Update|Search, "U", "patch")
	case remove:
		return one(typ, Delete|Search, "D", "delete")
	default:
		return Rule{}
	}
}

func onInstance(method, typ string, rest []string) Rule {
	switch {
	case rest[0] == "_search" && len(rest) == 1 && method == post:
		return one(typ, Search, "E", "search-type")
	case rest[0] == "_history" && len(rest) == 1 && method == get:
		return one(typ, Search, "R", "history-type")
	case len(rest) == 1:
		return onOne(method, typ)
	case rest[1] == "_history" && len(rest) == 2 && method == get:
		return one(typ, Read, "R", "history-instance")
	case rest[1] == "_history" && len(rest) == 3 && method == get:
		return one(typ, Read, "R", "vread")
	case len(rest) == 2 && typeForm.MatchString(rest[1]) && method == get,
		len(rest) == 3 && typeForm.MatchString(rest[1]) && rest[2] == "_search" && method == post:
		return one(rest[1], Search, "E", "search-type") // the compartment
	default:
		return Rule{}
	}
}

func onOne(method, typ string) Rule {
	switch method {
	case get:
		return one(typ, Read, "R", "read")
	case put:
		rule := one(typ, Update, "U", "update")
		rule.Body = true
		return rule
	case patch:
		return one(typ, Update, "U", "patch")
	case remove:
		return one(typ, Delete, "D", "delete")
	default:
		return Rule{}
	}
}

// operations are what each wants on its type; `*` stands for any type. An operation that is not here wants everything.
var operations = map[string]Verbs{
	"*/validate": Read, "Patient/everything": Read, "QuestionnaireResponse/extract": Read, "Composition/document": Read,
	"/export": Search, "Patient/export": Search, "Group/export": Search, "/import": Create | Update, "Measure/evaluate-measure": Read,
	"Measure/care-gaps": Read, "/care-gaps": Read, "Subscription/status": Read, "Subscription/events": Read,
	"Subscription/get-ws-binding-token": Read, "Subscription/resend": Update, "Subscription/rotate-key": Update, "Questionnaire/populate": Read,
}

// KnownOperation says whether a part of a path, such as `$everything`, is an operation that has a rule.
func KnownOperation(part string) bool {
	name, ok := strings.CutPrefix(part, "$")
	for known := range operations {
		if ok && strings.HasSuffix(known, "/"+name) {
			return true
		}
	}
	return false
}

// operation is the rule of a FHIR operation. One on every type is decided for each type as it is met.
func operation(method, typ, name string) Rule {
	if method != get && method != post && (method != remove || name != "export") || method == get && name == "import" {
		return Rule{}
	}
	verb, ok := operations[typ+"/"+name]
	if !ok {
		verb, ok = operations["*/"+name]
	}
	if !ok {
		return Rule{}
	}
	on := typ
	if on == "" || name == "export" {
		on = Any
	}
	return Rule{Needs: []Need{{on, verb}}, Action: "E", Interaction: "operation", Patients: true}
}
