package subscriptions

import (
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/rapport-health/rapport/services/domain/access"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/domain/subscription"
	"github.com/rapport-health/rapport/services/fhir"
)

// maxBody bounds a Subscription, in bytes.
const maxBody = 64 << 10

// HeaderSecret holds, in the answer to the request that made a subscription, the secret that signs its notifications. It
// is shown there and nowhere else.
const HeaderSecret = "Rapport-Webhook-Secret"

// prefix of every path.
const prefix = "/fhir"

// Patterns are the paths that the Room answers, for a mux.
func Patterns() []string {
	return []string{prefix + "/Subscription", prefix + "/Subscription/", prefix + "/Basic", prefix + "/Basic/", access.SocketPath}
}

// request is one request on its way through a handler.
type request struct {
	*Room
	w         http.ResponseWriter
	r         *http.Request
	principal access.Principal
	// base is where the caller reaches FHIR REST.
	base string
}

func (r *Room) routes() {
	r.mux = http.NewServeMux()
	base := prefix + "/Subscription"
	r.answer("GET "+access.SocketPath, func(c *request) error { return c.connect() })
	for pattern, handle := range map[string]func(*request) error{
		"POST " + base:                       (*request).create,
		"GET " + base:                        (*request).search,
		"POST " + base + "/_search":          (*request).search,
		"GET " + base + "/{id}":              (*request).read,
		"GET " + base + "/{id}/_history/{n}": (*request).readVersion,
		"PUT " + base + "/{id}":              (*request).update,
		"DELETE " + base + "/{id}":           (*request).delete,
		"GET " + base + "/$status":           (*request).statuses,
		"POST " + base + "/$status":          (*request).statuses,
		"GET " + base + "/{id}/$status":      (*request).status,
		"POST " + base + "/{id}/$status":     (*request).status,
		"GET " + base + "/{id}/$events":      (*request).events,
		"POST " + base + "/{id}/$events":     (*request).events,
		"POST " + base + "/{id}/$resend":     (*request).resend,
		"GET " + base + tokenFor:             (*request).bindingToken,
		"POST " + base + tokenFor:            (*request).bindingToken,
		"GET " + base + "/{id}" + tokenFor:   (*request).bindingToken,
		"POST " + base + "/{id}" + tokenFor:  (*request).bindingToken,
		"POST " + base + "/{id}/$rotate-key": (*request).rotateKey,
		"GET " + prefix + "/Basic":           (*request).searchTopics,
		"POST " + prefix + "/Basic/_search":  (*request).searchTopics,
		"GET " + prefix + "/Basic/{id}":      (*request).readTopic,
	} {
		r.answer(pattern, func(c *request) (err error) {
			if c.principal, err = c.config.Principal(c.r); err != nil {
				return err
			}
			return handle(c)
		})
	}
}

// answer answers one pattern.
func (r *Room) answer(pattern string, handle func(*request) error) {
	r.patterns = append(r.patterns, pattern)
	r.mux.HandleFunc(pattern, func(w http.ResponseWriter, req *http.Request) {
		c := &request{Room: r, w: w, r: req, base: r.config.Base(req)}
		if err := handle(c); err != nil {
			c.problem(err)
		}
	})
}

// Routes are the patterns of what is answered, in order.
func (r *Room) Routes() []string { return slices.Sorted(slices.Values(r.patterns)) }

// ServeHTTP answers with FHIR JSON, whatever happens.
func (r *Room) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	handler, pattern := r.mux.Handler(req)
	name, operation := strings.CutPrefix(path.Base(req.URL.Path), "$")
	known := slices.ContainsFunc(r.patterns, func(p string) bool { return strings.HasSuffix(p, "/$"+name) })
	c := &request{Room: r, w: w, r: req}
	switch {
	case operation && !known:
		c.problem(fault.Newf(fault.NotFound, "not-supported", "there is no such operation here; see [base]/metadata for those there are"))
	case pattern != "" && operation == strings.Contains(pattern, "$"):
		r.mux.ServeHTTP(w, req)
	default:
		said := heard{http.Header{}} // the mux knows what is allowed instead
		handler.ServeHTTP(said, req)
		allow := said.Header().Get("Allow")
		if operation {
			allow = r.methodsOf(req.URL.Path, name)
		}
		if allow != "" {
			w.Header().Set("Allow", allow)
			c.reply(http.StatusMethodNotAllowed, fhir.Outcome(fault.Errorf("not-supported", "", "the method is not supported here; allowed are %s", allow)))
			return
		}
		c.problem(fault.Newf(fault.NotFound, "not-found", "there is no such endpoint; see [base]/metadata for those there are"))
	}
}

// methodsOf are those by which an operation is called on a type, or on one resource.
func (r *Room) methodsOf(at, operation string) string {
	var out []string
	for _, pattern := range r.patterns {
		method, known, _ := strings.Cut(pattern, " ")
		if !strings.HasSuffix(known, "/$"+operation) || strings.Count(known, "/") != strings.Count(at, "/") {
			continue
		}
		if out = append(out, method); method == http.MethodGet {
			out = append(out, http.MethodHead)
		}
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

// heard keeps the headers of an answer, and nothing else of it.
type heard struct{ header http.Header }

// Header is kept.
func (h heard) Header() http.Header { return h.header }

// WriteHeader is not.
func (heard) WriteHeader(int) {}

// Write is not.
func (heard) Write(b []byte) (int, error) { return len(b), nil }

func (c *request) problem(err error) {
	kind := fault.Of(err)
	switch kind {
	case fault.Unauthenticated:
		c.w.Header().Set("WWW-Authenticate", "Bearer")
	case fault.Unavailable:
		c.w.Header().Set("Retry-After", "2")
	case fault.Internal:
		c.config.Logger.Error("a request failed", slog.String("route", c.r.Pattern), slog.Any("error", err))
	}
	c.reply(fhir.Status(kind), fhir.OutcomeOf(err))
}

func (c *request) reply(status int, body []byte) {
	h := c.w.Header()
	h.Set("Cache-Control", "private, no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if body != nil {
		h.Set("Content-Type", "application/fhir+json; charset=utf-8")
	}
	c.w.WriteHeader(status)
	_, _ = c.w.Write(body) // a client that is gone needs no answer
}

func (c *request) body() ([]byte, error) {
	t, _, err := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	if err != nil || t != "application/fhir+json" && t != "application/json" {
		return nil, fault.Newf(fault.Invalid, "not-supported", "send application/fhir+json")
	}
	body, err := io.ReadAll(http.MaxBytesReader(c.w, c.r.Body, maxBody))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, fault.Newf(fault.TooLarge, "too-long", "a Subscription has %d bytes at most", maxBody)
	}
	if err != nil {
		return nil, fault.Newf(fault.Invalid, "incomplete", "the body broke off")
	}
	return body, nil
}

func (c *request) create() error {
	body, err := c.body()
	if err != nil {
		return err
	}
	wanted, err := fhir.ReadSubscription(body, c.terms(c.base))
	if err != nil {
		return err
	}
	wanted.ID = strings.ToLower(c.config.Secret())
	return c.put(wanted, 0)
}

func (c *request) update() error {
	id := c.r.PathValue("id")
	if !ref.ValidID(id) {
		return fault.New(fault.Invalid, fault.Errorf("value", "Subscription.id", "an id has 1 to 64 letters, digits, '-' and '.'"))
	}
	body, err := c.body()
	if err != nil {
		return err
	}
	wanted, err := fhir.ReadSubscription(body, c.terms(c.base))
	if err != nil {
		return err
	}
	if wanted.ID != "" && wanted.ID != id {
		return fault.New(fault.Invalid, fault.Errorf("value", "Subscription.id", "the id differs from the one in the URL"))
	}
	wanted.ID = id
	version, err := ifMatch(c.r.Header.Get("If-Match"))
	if err != nil {
		return err
	}
	return c.put(wanted, version)
}

// ifMatch is the version that a client has seen; 0 when it does not say.
func ifMatch(header string) (int64, error) {
	if header == "" {
		return 0, nil
	}
	version, err := strconv.ParseInt(strings.Trim(strings.TrimPrefix(header, "W/"), `"`), 10, 64)
	if err != nil || version < 1 {
		return 0, fault.Newf(fault.Precondition, "conflict", "If-Match names no version of this subscription")
	}
	return version, nil
}

func (c *request) put(wanted subscription.Subscription, version int64) error {
	s, created, secret, err := c.Room.put(c.r.Context(), c.principal, wanted, version)
	if err != nil {
		return err
	}
	status := http.StatusOK
	if created {
		status = http.StatusCreated
	}
	if created && s.Channel == subscription.RestHook {
		c.w.Header().Set(HeaderSecret, secret)
	}
	c.w.Header().Set("Location", c.base+"/Subscription/"+s.ID+"/_history/"+strconv.FormatInt(s.Version, 10))
	c.give(status, s)
	return nil
}

func (c *request) give(status int, s subscription.Subscription) {
	c.w.Header().Set("ETag", `W/"`+strconv.FormatInt(s.Version, 10)+`"`)
	c.w.Header().Set("Last-Modified", s.Updated.UTC().Format(http.TimeFormat))
	c.reply(status, fhir.Subscription(s))
}

func (c *request) read() error {
	s, err := c.one()
	if err != nil {
		return err
	}
	c.give(http.StatusOK, s)
	return nil
}

// one is the subscription that the path names, or why there is none: one that was deleted is said to be gone.
func (c *request) one() (subscription.Subscription, error) {
	s, err := c.view(c.r.Context(), c.principal.Tenant, c.r.PathValue("id"))
	if err != nil && s.Deleted {
		err = fault.Newf(fault.TooOld, "deleted", "the subscription was deleted")
	}
	return s, err
}

// readVersion reads the current version alone: earlier ones held what their client has taken back, headers among it.
func (c *request) readVersion() error {
	s, err := c.one()
	if err != nil {
		return err
	}
	if c.r.PathValue("n") != strconv.FormatInt(s.Version, 10) {
		return fault.Newf(fault.NotFound, "not-supported", "of a Subscription only the current version, %d, is kept", s.Version)
	}
	c.give(http.StatusOK, s)
	return nil
}

func (c *request) delete() error {
	if err := c.remove(c.r.Context(), c.principal.Tenant, c.r.PathValue("id")); err != nil {
		return err
	}
	c.reply(http.StatusNoContent, nil)
	return nil
}

func (c *request) rotateKey() error {
	secret, until, err := c.rotate(c.r.Context(), c.principal.Tenant, c.r.PathValue("id"))
	if err != nil {
		return err
	}
	c.reply(http.StatusOK, fhir.SecretParameters(secret, until))
	return nil
}

// found are the search parameters of Subscription, and what a subscription is found by.
var found = map[string]func(*subscription.Subscription) string{
	"_id":    func(s *subscription.Subscription) string { return s.ID },
	"status": func(s *subscription.Subscription) string { return string(s.Status) },
	"type":   func(s *subscription.Subscription) string { return s.Channel.String() },
	"url":    func(s *subscription.Subscription) string { return s.Endpoint },
	"topic": func(s *subscription.Subscription) string {
		if s.Topic == subscription.Criteria {
			return ""
		}
		return fhir.TopicURL(s.Topic)
	},
	"criteria": func(s *subscription.Subscription) string {
		if s.Topic == subscription.Criteria {
			return strings.Join(fhir.FilterTexts(*s), " ")
		}
		return fhir.TopicURL(s.Topic)
	},
	"payload": func(s *subscription.Subscription) string { return s.Payload },
}

func (c *request) search() error {
	values, err := c.values()
	if err != nil {
		return err
	}
	all, err := c.list(c.r.Context(), c.principal.Tenant)
	if err != nil {
		return err
	}
	of := make([]member, len(all))
	for i := range all {
		of[i] = member{all[i].ID, fhir.Subscription(all[i]), func(name string) string { return found[name](&all[i]) }}
	}
	return c.giveFound("Subscription", slices.Collect(maps.Keys(found)), values, of)
}

// values are the parameters of the URL and of a form, or of a Parameters resource.
func (c *request) values() (url.Values, error) {
	values, err := url.ParseQuery(c.r.URL.RawQuery)
	if err != nil {
		return nil, fault.Newf(fault.Invalid, "invalid", "the parameters are not correctly URL-encoded")
	}
	if c.r.Method != http.MethodPost || c.r.ContentLength == 0 {
		return values, nil
	}
	body, err := io.ReadAll(http.MaxBytesReader(c.w, c.r.Body, maxBody))
	if err != nil {
		return nil, fault.Newf(fault.Invalid, "incomplete", "the body broke off, or is too large")
	}
	more, err := url.ParseQuery(string(body))
	if t, _, _ := mime.ParseMediaType(c.r.Header.Get("Content-Type")); t != "application/x-www-form-urlencoded" {
		more, err = fhir.ReadParameters(body)
	}
	if err != nil {
		return nil, fault.Newf(fault.Invalid, "invalid", "the body holds no parameters that can be read")
	}
	for name, list := range more {
		values[name] = append(values[name], list...)
	}
	return values, nil
}

// readTopics reads the topics that can be subscribed to, by id.
func readTopics(files fs.FS) (map[string][]byte, error) {
	paths, err := fs.Glob(files, "subscriptiontopic/*.json")
	out := map[string][]byte{}
	for _, path := range paths {
		body, readErr := fs.ReadFile(files, path)
		err = errors.Join(err, readErr)
		id := strings.TrimSuffix(strings.TrimPrefix(path, "subscriptiontopic/"), ".json")
		out["rapport-"+id] = body
	}
	return out, err
}

func (c *request) readTopic() error {
	body, ok := c.topics[c.r.PathValue("id")]
	if !ok {
		return fault.Newf(fault.NotFound, "not-found", "there is no such resource; of Basic there are the topics alone")
	}
	c.reply(http.StatusOK, body)
	return nil
}

func (c *request) searchTopics() error {
	values, err := c.values()
	if err != nil {
		return err
	}
	of := make([]member, 0, len(c.topics))
	for _, id := range slices.Sorted(maps.Keys(c.topics)) {
		of = append(of, member{id, c.topics[id], func(name string) string {
			if name == "code" {
				return topicCode
			}
			return id
		}})
	}
	return c.giveFound("Basic", []string{"_id", "code"}, values, of)
}
