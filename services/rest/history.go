package rest

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/fhir"
	"github.com/rapport-health/rapport/services/fhir/search"
)

// past is a reading of a history, newest version first.
type past struct {
	*call
	// types whose versions are told of, and the id when it is of one resource.
	types []string
	id    string
	since time.Time
	at    []search.Bound
	count int
	// shape of each resource, and ignored the parameters that do not count.
	shape   shape
	ignored []string
	// after is the last version of the page before; upto the event at which the first page stood.
	after record.Kept
	upto  *int64
	// total is what the first page counted; nil when it did not.
	total *int
	used  url.Values
}

// historyOf tells of one resource.
func (c *call) historyOf() error {
	of := ref.Resource{Type: c.r.PathValue("type"), ID: c.r.PathValue("id")}
	if shown(of.Type) != of.Type || !ref.ValidID(of.ID) {
		return unknownResource()
	}
	return c.history([]string{of.Type}, of.ID, of.String())
}

// historyOfType tells of all of a type.
func (c *call) historyOfType() error {
	typ := c.r.PathValue("type")
	if k, ok := kindOf(typ); !ok || !k.sent {
		return unknownKind(typ)
	}
	return c.history([]string{typ}, "", typ)
}

// historyOfAll tells of everything.
func (c *call) historyOfAll() error { return c.history(nil, "", "") }

func (c *call) history(types []string, id, path string) error {
	p, err := c.readPast(types, id)
	if err != nil {
		return err
	}
	var bundle []byte
	err = c.look(func(v *sight) (err error) {
		again := *p
		bundle, err = again.page(v, path)
		return err
	})
	if err != nil {
		return err
	}
	c.issueHeaders(p.ignoredIssues(fault.Warning))
	c.reply(http.StatusOK, bundle)
	return nil
}

func (c *call) readPast(types []string, id string) (*past, error) {
	values, err := url.ParseQuery(c.r.URL.RawQuery)
	if err != nil {
		return nil, badQuery()
	}
	p := &past{call: c, types: types, id: id, count: defaultCount, used: url.Values{}}
	now := c.config.Now().In(c.config.Zone)
	for name := range values {
		value := values.Get(name)
		var ok bool
		switch name {
		case "_since":
			p.since, _, ok = search.DateInterval(value, now.Location())
		case "_at":
			p.at, ok = search.DateBounds(value, now)
		case "_count":
			p.count, err = strconv.Atoi(value)
			ok = err == nil && p.count >= 0
			p.count = min(p.count, maxCount)
		case pageParam:
			ok = p.resume(value)
			if ok {
				continue
			}
		case "_format", "_pretty", "_summary", "_elements":
			continue
		default:
			p.ignored = append(p.ignored, shownParam(name))
			continue
		}
		if !ok {
			return nil, fault.New(fault.Invalid, fault.Errorf("value", "", "the parameter %s cannot be read", shownParam(name)))
		}
		p.used.Set(name, value)
	}
	slices.Sort(p.ignored)
	if c.prefer.strict && len(p.ignored) > 0 {
		return nil, fault.New(fault.Invalid, p.ignoredIssues(fault.Error)...)
	}
	return p, p.readShape(values)
}

// readShape reads how much of each resource is told.
func (p *past) readShape(values url.Values) error {
	q := &inquiry{kind: &kind{}, count: p.count, used: p.used}
	if len(p.types) == 1 {
		q.kind.name = p.types[0]
	}
	err := q.readShape(values)
	p.count, p.shape = q.count, q.shape
	return err
}

func (p *past) ignoredIssues(severity fault.Severity) []fault.Issue {
	var out []fault.Issue
	for _, name := range p.ignored {
		out = append(out, fault.Issue{Severity: severity, Code: "not-supported", Text: "the parameter " + name + " is not supported for a history and was not applied"})
	}
	return out
}

// resume goes on where a page ended: the cursor's place is a version.
func (p *past) resume(text string) bool {
	at, err := parseCursor(text)
	if err != nil || at.after.id == "" {
		return false
	}
	p.upto, p.total = at.upto, at.total
	p.after.ID, p.after.Version, p.after.Seq = at.after.id, int64(at.seen), at.after.at.UnixMicro()
	if p.id == "" && at.part > 0 {
		p.after.Type = strconv.Itoa(at.part - 1)
	}
	return true
}

// page is one page of it.
func (p *past) page(v *sight, path string) ([]byte, error) {
	if p.id != "" && p.types[0] == "Observation" {
		if body, ok, err := p.derived(v, path); ok || err != nil {
			return body, err
		}
	}
	first := p.upto == nil
	if first {
		extents, err := v.Extents(feed.All)
		if err != nil {
			return nil, err
		}
		p.upto = new(int64)
		if len(extents) > 0 {
			*p.upto = extents[0].Last
		}
		if p.total, err = p.counted(v); err != nil {
			return nil, err
		}
	}
	out := fhir.Chronicle{Self: p.link(path, p.used), Total: p.total}
	more, err := p.fill(v, &out)
	if err != nil {
		return nil, err
	}
	if nothing := p.count > 0 && p.after.ID == "" || p.count == 0 && p.at == nil && *p.total == 0; first && nothing && p.id != "" && p.since.IsZero() {
		return nil, unknownResource()
	}
	if more {
		at := cursor{after: place{at: time.UnixMicro(p.after.Seq), id: p.after.ID}, seen: int(p.after.Version), upto: p.upto, total: p.total}
		if at.part, err = p.partOf(v, p.after.Type); err != nil {
			return nil, err
		}
		out.Next = p.link(path, p.going(at))
	}
	return out.Bundle(), nil
}

// going are the parameters of the page that begins at a cursor.
func (p *past) going(at cursor) url.Values {
	values := url.Values{pageParam: {at.String()}}
	for name, list := range p.used {
		values[name] = list
	}
	return values
}

// fill reads on until the page is full, and says whether there may be more.
func (p *past) fill(v *sight, out *fhir.Chronicle) (more bool, err error) {
	for examined := 0; p.count > 0; {
		kept, err := p.versions(v)
		if err != nil {
			return false, err
		}
		more = len(kept) > p.count
		for i, one := range kept[:min(len(kept), p.count)] {
			rec, err := v.Record(one.Resource)
			if err != nil {
				return false, fault.Wrap(fault.Internal, err, "read a version that is there")
			}
			p.after = one
			examined++
			if p.at != nil && !p.stoodAt(v, rec) {
				continue
			}
			if out.Entries = append(out.Entries, p.entry(rec)); len(out.Entries) == p.count {
				return i+1 < len(kept), nil
			}
		}
		if !more || examined >= maxExamined {
			return more, nil
		}
	}
	return false, nil
}

// How many versions are counted for a total that nobody asked for: in all, and of those of which it must be read when they
// stood.
const (
	maxPast   = 10_000
	maxPastAt = 1_000
	pastChunk = 1_000
)

// counted counts all versions that are told of; nil when there are too many.
func (p *past) counted(v *sight) (*int, error) {
	all := *p
	all.count = pastChunk
	most := maxPast
	switch {
	case p.count == 0:
		most = maxCounted
	case p.at != nil:
		most = maxPastAt
	}
	for n, examined := 0, 0; ; {
		kept, err := all.versions(v)
		if err != nil {
			return nil, err
		}
		more := len(kept) > all.count
		for _, one := range kept[:min(len(kept), all.count)] {
			all.after = one
			if p.at != nil {
				rec, err := v.Record(one.Resource)
				if err != nil {
					return nil, fault.Wrap(fault.Internal, err, "read a version that is there")
				}
				if !p.stoodAt(v, rec) {
					continue
				}
			}
			n++
		}
		if !more {
			return &n, nil
		}
		if examined += pastChunk; examined >= most {
			return nil, p.uncountable()
		}
	}
}

// uncountable is why there is no total, where nothing but the total is wanted.
func (p *past) uncountable() error {
	if p.count > 0 {
		return nil
	}
	return fault.Newf(fault.Invalid, "too-costly", "there is too much to count: name a type or an id, or a _since")
}

func (p *past) link(path string, values url.Values) string {
	target := p.base
	if path != "" {
		target += "/" + path
	}
	return withQuery(target+"/_history", values)
}

// kinds are the types among which it is looked.
func (p *past) kinds(v *sight) ([]string, error) {
	if p.types != nil {
		return p.types, nil
	}
	return v.Types()
}

// partOf is the place of a type among those that are looked at, from 1.
func (p *past) partOf(v *sight, typ string) (int, error) {
	types, err := p.kinds(v)
	return slices.Index(types, typ) + 1, err
}

// versions lists what the page is made of, one more than it holds.
func (p *past) versions(v *sight) ([]record.Kept, error) {
	types, err := p.kinds(v)
	if err != nil {
		return nil, err
	}
	if n, err := strconv.Atoi(p.after.Type); err == nil && n < len(types) {
		p.after.Type = types[n]
	}
	var all []record.Kept
	for _, typ := range types {
		q := record.Past{Type: typ, ID: p.id, Since: p.since, Upto: p.upto, Max: p.count + 1}
		if p.after.ID != "" {
			q.After = p.after
			// Of what one event stored, types stand in their order.
			if p.id == "" && typ != p.after.Type && p.types == nil {
				q.After = record.Kept{}
				bound := p.after.Seq
				if typ < p.after.Type {
					bound--
				}
				q.Upto = &bound
			}
		}
		part, err := v.Versions(q)
		if err != nil {
			return nil, err
		}
		all = append(all, part...)
	}
	slices.SortStableFunc(all, func(a, b record.Kept) int {
		if a.Seq != b.Seq {
			return int(b.Seq - a.Seq)
		}
		return slices.Index(types, a.Type) - slices.Index(types, b.Type)
	})
	return all[:min(len(all), p.count+1)], nil
}

// stoodAt says whether a version was the current one at some moment of those asked for.
func (p *past) stoodAt(v *sight, rec record.Record) bool {
	to := time.Time{}
	if next, err := v.Record(ref.Resource{Type: rec.Type, ID: rec.ID, Version: rec.Version + 1}); err == nil {
		to = next.Received
	}
	return stood(p.at, rec.Received, to)
}

// stood says whether something that stood from one moment until another, open when it is zero, stood at some moment of those
// asked for. It stood for an interval, so each bound is an interval to overlap with.
func stood(asked []search.Bound, from, to time.Time) bool {
	begins := func(before time.Time) bool { return from.Before(before) }
	lasts := func(beyond time.Time) bool { return to.IsZero() || to.After(beyond) }
	for _, b := range asked {
		var ok bool
		switch b.Op {
		case "gt", "sa":
			ok = lasts(b.To)
		case "ge":
			ok = lasts(b.From)
		case "lt", "eb":
			ok = begins(b.From)
		case "le":
			ok = begins(b.To)
		case "ne":
			ok = begins(b.From) || lasts(b.To)
		default:
			ok = begins(b.To) && lasts(b.From)
		}
		if !ok {
			return false
		}
	}
	return true
}

// entry tells how a version came to be.
func (p *past) entry(rec record.Record) fhir.ChronicleEntry {
	e := fhir.ChronicleEntry{
		FullURL: p.base + "/" + rec.Unversioned().String(), Method: http.MethodPut, URL: rec.Unversioned().String(),
		Status: "200", ETag: etag(rec.Version), LastModified: rec.Received,
	}
	switch {
	case rec.Gone():
		e.Method, e.Status = http.MethodDelete, "204"
		return e
	case rec.Version == 1:
		e.Method, e.URL, e.Status = http.MethodPost, rec.Type, "201"
	}
	e.Resource = p.shape.of(rec.Type, fhir.Served(rec))
	return e
}

// derived tells of a derived Observation; false when the id is of none.
func (p *past) derived(v *sight, path string) ([]byte, bool, error) {
	of := ref.Resource{Type: "Observation", ID: p.id}
	key, stem, part, ok := ref.SplitDerived(p.id)
	if !ok {
		return nil, false, nil
	}
	taken, err := v.TakenFrom(key)
	if err != nil {
		return nil, false, err
	}
	taken = slices.DeleteFunc(taken, notOf(v.tenant, stem))
	history, err := v.history(taken)
	if err != nil {
		return nil, false, err
	}
	versions := history.Versions(part)
	if len(versions) == 0 {
		return nil, false, nil
	}
	var told []fhir.ChronicleEntry
	for i, until := len(versions)-1, (time.Time{}); i >= 0; i-- {
		page, err := v.observedPage(versions[i])
		if err != nil {
			return nil, true, err
		}
		ended := until
		until = page.updated
		if page.updated.Before(p.since) || p.at != nil && !stood(p.at, page.updated, ended) {
			continue
		}
		e := fhir.ChronicleEntry{
			FullURL: p.base + "/" + of.String(), Method: http.MethodPut, URL: of.String(), Status: "200",
			ETag: etag(page.version), LastModified: page.updated, Resource: p.shape.of(of.Type, page.body),
		}
		if i == 0 {
			e.Method, e.URL, e.Status = http.MethodPost, of.Type, "201"
		}
		told = append(told, e)
	}
	out := fhir.Chronicle{Self: p.link(path, p.used), Total: new(len(told))}
	from := min(int(p.after.Version), len(told)) // of these the cursor counts
	end := min(from+p.count, len(told))
	if out.Entries = told[from:end]; end < len(told) && p.count > 0 {
		out.Next = p.link(path, p.going(cursor{after: place{id: p.id}, seen: end, upto: new(int64)}))
	}
	return out.Bundle(), true, nil
}
