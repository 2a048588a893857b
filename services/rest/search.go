package rest

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/fhir"
)

// pageParam holds the cursor in a `next` link.
const pageParam = "_page"

// The number of matches on a page.
const (
	defaultCount = 50
	maxCount     = 1000
)

// search is one search as it was understood.
type search struct {
	kind     kind
	criteria criteria
	count    int
	// counted asks for the total even where it costs reading on.
	counted bool
	cursor  cursor
	// used are the parameters that count, for the link self.
	used url.Values
	// ignored are those that do not.
	ignored []string
}

// searchURL searches by the query of a GET.
func (c *call) searchURL() error {
	values, err := url.ParseQuery(c.r.URL.RawQuery)
	if err != nil {
		return badQuery()
	}
	return c.search(values)
}

func badQuery() error {
	return fault.Newf(fault.Invalid, "invalid", "the parameters are not correctly URL-encoded")
}

// searchForm searches by the form of a POST, to which those of the URL are added.
func (c *call) searchForm() error {
	if t, _, err := mime.ParseMediaType(c.r.Header.Get("Content-Type")); c.r.ContentLength != 0 && (err != nil || t != "application/x-www-form-urlencoded") {
		return unsupported("a _search must be sent as application/x-www-form-urlencoded")
	}
	var form bytes.Buffer
	_, err := io.Copy(&form, http.MaxBytesReader(c.w, c.r.Body, maxForm))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return tooLarge(maxForm)
	}
	values, err := url.ParseQuery(form.String())
	if err != nil {
		return badQuery()
	}
	more, err := url.ParseQuery(c.r.URL.RawQuery)
	if err != nil {
		return badQuery()
	}
	for name, list := range more {
		values[name] = append(values[name], list...)
	}
	return c.search(values)
}

func (c *call) search(values url.Values) error {
	name := c.r.PathValue("type")
	k, ok := kindOf(name)
	if !ok {
		return unknownKind(name)
	}
	if k.params == nil {
		return fault.Newf(fault.Invalid, "not-supported", "%s cannot be searched, only read by id; searched can be %s",
			name, names(func(k kind) bool { return k.params != nil }))
	}
	s, err := readSearch(k, values, c.base, c.config.Now().In(c.config.Zone))
	if err != nil {
		return err
	}
	if refused := append(s.ignoredIssues(fault.Error), s.limits(fault.Error)...); c.prefer.strict && len(refused) > 0 {
		return fault.New(fault.Invalid, refused...)
	}
	var found found
	err = c.look(func(v *sight) (err error) {
		found, err = s.run(c.r.Context(), v)
		return err
	})
	if err != nil {
		return err
	}
	c.issueHeaders(append(s.ignoredIssues(fault.Warning), s.limits(fault.Warning)...))
	c.reply(http.StatusOK, s.bundle(c.base, found))
	return nil
}

func (s *search) ignoredIssues(severity fault.Severity) []fault.Issue {
	var out []fault.Issue
	for _, name := range s.ignored {
		out = append(out, fault.Issue{
			Severity: severity, Code: "not-supported",
			Text: "the search parameter " + name + " is not supported for " + s.kind.name + " and was not applied",
		})
	}
	return out
}

// limits says what the search does not look at.
func (s *search) limits(severity fault.Severity) []fault.Issue {
	c := &s.criteria
	if s.kind.name != "Observation" || len(c.patients) > 0 || len(c.ids) > 0 || len(c.sources) > 0 {
		return nil
	}
	return []fault.Issue{{
		Severity: severity, Code: "incomplete",
		Text: "Observations that are derived from answered forms are found by patient, subject, derived-from or _id; " +
			"this search looks only among those that were sent",
	}}
}

// readSearch reads all parameters, in the order of their names, so that the same search always reads the same.
func readSearch(k kind, values url.Values, base string, now time.Time) (search, error) {
	s := search{kind: k, count: defaultCount, cursor: cursor{now: now}, used: url.Values{}}
	if err := s.readControls(values); err != nil {
		return s, err
	}
	keys := make([]string, 0, len(values))
	for key := range values {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		if controls[key] {
			continue
		}
		for _, value := range values[key] {
			if err := s.add(key, value, base); err != nil {
				return s, err
			}
		}
	}
	return s, nil
}

// add takes one occurrence of a parameter, or notes that it is ignored.
func (s *search) add(key, value, base string) error {
	name, _, _ := strings.Cut(key, ":")
	i := slices.IndexFunc(s.kind.params, func(p param) bool { return p.name == name })
	if i < 0 {
		if chained(s.kind, name) {
			return fault.New(fault.Invalid, fault.Errorf("not-supported", "", "chained search parameters are not supported"))
		}
		s.ignored = append(s.ignored, shownParam(name))
		return nil
	}
	a, err := newArgument(key, value)
	if err != nil {
		return err
	}
	a.base, a.now = base, s.cursor.now
	s.used.Add(key, value)
	return s.kind.params[i].read(&s.criteria, a)
}

// chained says whether a name goes on behind a parameter that is known. To ignore it would widen the search to every
// patient, so it is refused.
func chained(k kind, name string) bool {
	first, _, dotted := strings.Cut(name, ".")
	return dotted && slices.ContainsFunc(k.params, func(p param) bool { return p.name == first })
}

// shownParam is a parameter's name as it may stand in an answer.
func shownParam(name string) string {
	odd := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r != '_' && r != '-' && r != '.'
	}
	if name == "" || len(name) > 40 || strings.ContainsFunc(name, odd) {
		return "with an odd name"
	}
	return name
}

// controls are the parameters that say how to answer, not what to find.
var controls = map[string]bool{"_format": true, "_count": true, "_total": true, "_summary": true, "_sort": true, pageParam: true}

// first value of a parameter; a client that adds one to a `next` link means the first.
func first(values url.Values, name string) string { return values.Get(name) }

func (s *search) readControls(values url.Values) error {
	if text := first(values, "_count"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			return fault.New(fault.Invalid, fault.Errorf("value", "", "the search parameter _count must be a whole number, 0 or more"))
		}
		s.count = min(n, maxCount)
		s.used.Set("_count", strconv.Itoa(s.count))
	}
	switch summary := first(values, "_summary"); summary {
	case "", "false":
	case "count":
		s.count = 0
		s.used.Set("_summary", "count")
	default:
		s.ignored = append(s.ignored, "_summary")
	}
	if total := first(values, "_total"); total != "" {
		s.counted = total == "accurate"
		s.used.Set("_total", total)
	}
	if sort := first(values, "_sort"); sort != "" {
		if s.kind.sorted(sort) {
			s.used.Set("_sort", sort)
		} else {
			s.ignored = append(s.ignored, "_sort")
		}
	}
	if text := first(values, pageParam); text != "" {
		at, err := parseCursor(text)
		if err != nil {
			return err
		}
		at.now = at.now.In(s.cursor.now.Location())
		s.cursor = at
	}
	return nil
}

// sorted says whether results stand in that order anyway: newest first by the type's own date. Alerts do not, since
// the most severe come first.
func (k kind) sorted(by string) bool {
	name, descending := strings.CutPrefix(by, "-")
	return descending && k.created && slices.ContainsFunc(k.params, func(p param) bool { return p.name == name && p.typ == "date" })
}

// bundle is the answer to a search.
func (s *search) bundle(base string, f found) []byte {
	target := base + "/" + s.kind.name
	out := fhir.Searchset{Self: withQuery(target, s.used), Total: f.total}
	if s.cursor.after.id != "" {
		out.Self = s.pageURL(target, s.cursor)
	}
	if f.more && s.count > 0 {
		out.Next = s.pageURL(target, cursor{after: f.reached, seen: s.cursor.seen + len(f.hits), now: s.cursor.now})
	}
	for _, h := range f.hits {
		out.Matches = append(out.Matches, fhir.Match{FullURL: target + "/" + h.id, Resource: h.served})
	}
	if limits := s.limits(fault.Warning); limits != nil && s.count > 0 {
		out.Outcome = fhir.Outcome(limits...)
	}
	return out.Bundle()
}

func (s *search) pageURL(target string, at cursor) string {
	values := url.Values{pageParam: {at.String()}}
	for name, list := range s.used {
		values[name] = list
	}
	return withQuery(target, values)
}

func withQuery(target string, values url.Values) string {
	if len(values) == 0 {
		return target
	}
	return target + "?" + values.Encode()
}
