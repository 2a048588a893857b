package rest

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/fhir/search"
)

// inquiry is one search as it was understood. Each condition must hold; any alternative in it will do.
type inquiry struct {
	kind       *kind
	conditions []search.Condition
	// ids are groups of _id.
	ids [][]string
	// updated are groups of alternatives of _lastUpdated.
	updated [][][]search.Bound
	// linked are conditions on other resources, which become conditions and ids once the store is at hand.
	linked []link
	// patients whom a match is about, when narrowed says that it is about one of them.
	patients []ref.Patient
	narrowed bool

	count int
	// counted asks for the total even where it costs reading on, uncounted for none at all.
	counted, uncounted bool
	order              []orderBy
	shape              shape
	includes           []inclusion
	cursor             cursor
	asked              search.Asked
	// used are the parameters that count, for the link self.
	used url.Values
	// ignored are those that do not.
	ignored []string
}

// link is a condition on a resource that a match leads to, or that leads to a match.
type link struct {
	// param of the match, or of what leads to it.
	param *search.Param
	// back says that the other resource leads to the match.
	back bool
	// types of the other resource.
	types []string
	// key and value of its own condition.
	key, value string
}

// The number of matches on a page, and how deep links may go.
const (
	defaultCount = 50
	maxCount     = 1000
	maxLinks     = 3
)

// pageParam holds the cursor in a `next` link.
const pageParam = "_page"

// controls are the parameters that say how to answer, not what to find.
var controls = map[string]bool{
	"_format": true, "_pretty": true, "_count": true, "_total": true, "_summary": true, "_elements": true, "_sort": true, pageParam: true,
	"_contained": true,
}

// readInquiry reads all parameters, in the order of their names, so that the same search always reads the same.
func readInquiry(k *kind, values url.Values, base string, now time.Time) (*inquiry, error) {
	q := &inquiry{kind: k, count: defaultCount, cursor: cursor{now: now}, used: url.Values{}, asked: search.Asked{Base: base, Now: now}}
	if err := q.readControls(values); err != nil {
		return nil, err
	}
	q.asked.Now = q.cursor.now
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
			if err := q.add(key, value, 0); err != nil {
				return nil, err
			}
		}
	}
	return q, nil
}

// add takes one occurrence of a parameter, or notes that it is ignored.
func (q *inquiry) add(key, value string, depth int) error {
	name, modifier, _ := strings.Cut(key, ":")
	switch {
	case name == "_id" || name == "_lastUpdated":
		return q.addOwn(key, name, modifier, value)
	case name == "_include" || name == "_revinclude":
		return q.addInclusion(key, value)
	case name == "_has":
		return q.addBack(key, modifier, value, depth)
	case strings.Contains(key, "."):
		return q.addChain(key, value, depth)
	}
	p := search.Find(q.kind.name, name)
	if p == nil {
		q.ignored = append(q.ignored, shownParam(key))
		return nil
	}
	c, err := search.Parse(p, modifier, value, q.asked)
	if err != nil {
		return err
	}
	q.used.Add(key, value)
	q.conditions = append(q.conditions, c)
	return nil
}

// addOwn reads what the server itself sets.
func (q *inquiry) addOwn(key, name, modifier, value string) error {
	switch {
	case modifier == "missing" && (value == "true" || value == "false"):
		q.used.Add(key, value)
		if value == "true" { // every resource has both
			q.ids = append(q.ids, []string{})
		}
		return nil
	case modifier != "":
		return fault.New(fault.Invalid, fault.Errorf("not-supported", "", "the search parameter %s has a modifier that is not supported", name))
	}
	q.used.Add(key, value)
	var dates [][]search.Bound
	for _, one := range search.Split(value, ',') {
		bounds, ok := search.DateBounds(one, q.asked.Now)
		switch {
		case name == "_id" && !ref.ValidID(one):
			return fault.New(fault.Invalid, fault.Errorf("value", "", "the search parameter _id is not an id"))
		case name != "_id" && !ok:
			return fault.New(fault.Invalid, fault.Errorf("value", "", "the search parameter _lastUpdated must be a date or time such as ge2026-03"))
		}
		dates = append(dates, bounds)
	}
	if name == "_id" {
		q.ids = append(q.ids, search.Split(value, ','))
	} else {
		q.updated = append(q.updated, dates)
	}
	return nil
}

// addChain reads `param.key` and `param:Type.key`.
func (q *inquiry) addChain(key, value string, depth int) error {
	first, rest, _ := strings.Cut(key, ".")
	name, typ, _ := strings.Cut(first, ":")
	p := search.Find(q.kind.name, name)
	if p == nil {
		q.ignored = append(q.ignored, shownParam(key))
		return nil
	}
	var types []string
	for i := range kinds {
		if k := &kinds[i]; k.find != nil && (typ == "" || typ == k.name) && leadsTo(p, k.name) {
			types = append(types, k.name)
		}
	}
	if typ != "" && len(types) == 0 || p.Type != search.Reference || rest == "" {
		return fault.New(fault.Invalid, fault.Errorf("not-supported", "", "the chain behind the search parameter %s leads to nothing that is searched here", name))
	}
	return q.addLink(key, value, depth, link{param: p, types: types, key: rest, value: value})
}

// leadsTo says whether a parameter may lead to a type; a canonical leads to what it is the canonical of.
func leadsTo(p *search.Param, typ string) bool {
	if p.Canonical() {
		return slices.Contains(p.Targets, typ)
	}
	return p.LeadsTo(typ)
}

// addBack reads `_has:Type:param:key`.
func (q *inquiry) addBack(key, rest, value string, depth int) error {
	parts := strings.SplitN(rest, ":", 3)
	wrong := fault.New(fault.Invalid, fault.Errorf("value", "", "the search parameter _has must be _has:Type:parameter:parameter of types that are searched here"))
	if len(parts) != 3 {
		return wrong
	}
	k, ok := kindOf(parts[0])
	p := search.Find(parts[0], parts[1])
	if !ok || k.find == nil || p == nil || !p.LeadsTo(q.kind.name) || p.Canonical() {
		return wrong
	}
	return q.addLink(key, value, depth, link{param: p, back: true, types: []string{k.name}, key: parts[2], value: value})
}

// addLink tries the inner condition on each type and keeps those that have it: it is the same as if each were asked.
func (q *inquiry) addLink(key, value string, depth int, l link) error {
	if depth >= maxLinks {
		return fault.New(fault.Invalid, fault.Errorf("too-costly", "", "a search goes over %d other resources at most", maxLinks))
	}
	var known []string
	var wrong error
	for _, typ := range l.types {
		k, _ := kindOf(typ)
		inner := &inquiry{kind: k, used: url.Values{}, asked: q.asked}
		err := inner.add(l.key, l.value, depth+1)
		switch {
		case err != nil:
			wrong = err
		case len(inner.ignored) == 0 && len(inner.includes) == 0:
			known = append(known, typ)
		}
	}
	if len(known) == 0 {
		if wrong != nil {
			return wrong
		}
		// To ignore it would widen the search, so it is refused.
		return fault.New(fault.Invalid, fault.Errorf("not-supported", "", "the search parameter %s names a parameter that is not supported there", shownParam(key)))
	}
	l.types = known
	q.used.Add(key, value)
	q.linked = append(q.linked, l)
	return nil
}

// asks says whether one of the parameters is among the conditions.
func (q *inquiry) asks(names ...string) bool {
	return slices.ContainsFunc(q.conditions, func(c search.Condition) bool { return slices.Contains(names, c.Param.Name) })
}

// asksFor gives the condition on a parameter without modifier; nil when there is none.
func (q *inquiry) asksFor(name string) *search.Condition {
	for i := range q.conditions {
		if c := &q.conditions[i]; c.Param.Name == name && c.Modifier == "" {
			return c
		}
	}
	return nil
}

// shownParam is a parameter's name as it may stand in an answer.
func shownParam(name string) string {
	odd := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r != '_' && r != '-' && r != '.' && r != ':'
	}
	if name == "" || len(name) > 60 || strings.ContainsFunc(name, odd) {
		return "with an odd name"
	}
	return name
}

func (q *inquiry) readControls(values url.Values) error {
	if text := values.Get("_count"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			return fault.New(fault.Invalid, fault.Errorf("value", "", "the search parameter _count must be a whole number, 0 or more"))
		}
		q.count = min(n, maxCount)
		q.used.Set("_count", strconv.Itoa(q.count))
	}
	switch total := values.Get("_total"); total {
	case "":
	case "accurate", "estimate", "none":
		q.counted, q.uncounted = total != "none", total == "none"
		q.used.Set("_total", total)
	default:
		return fault.New(fault.Invalid, fault.Errorf("value", "", "the search parameter _total must be none, estimate or accurate"))
	}
	if values.Get("_contained") != "" && values.Get("_contained") != "false" {
		q.ignored = append(q.ignored, "_contained")
	}
	if err := q.readShape(values); err != nil {
		return err
	}
	if err := q.readOrder(values.Get("_sort")); err != nil {
		return err
	}
	text := values.Get(pageParam)
	if text == "" {
		return nil
	}
	at, err := parseCursor(text)
	if err != nil {
		return err
	}
	at.now = at.now.In(q.cursor.now.Location())
	q.cursor = at
	return nil
}

// later says that it goes on where an earlier page ended.
func (q *inquiry) later() bool { return q.cursor.upto != nil }
