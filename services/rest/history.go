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
	// after is the last version of the page before; upto the event at which the first page stood.
	after record.Kept
	upto  *int64
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
			ok = err == nil && p.count > 0
			p.count = min(p.count, maxCount)
		case pageParam:
			ok = p.resume(value)
			if ok {
				continue
			}
		case "_format", "_pretty":
			continue
		default:
			if c.prefer.strict {
				return nil, fault.New(fault.Invalid, fault.Errorf("not-supported", "", "the parameter %s is not supported", shownParam(name)))
			}
			continue
		}
		if !ok {
			return nil, fault.New(fault.Invalid, fault.Errorf("value", "", "the parameter %s cannot be read", shownParam(name)))
		}
		p.used.Set(name, value)
	}
	return p, nil
}

// resume goes on where a page ended: the cursor's place is a version.
func (p *past) resume(text string) bool {
	at, err := parseCursor(text)
	if err != nil || at.after.id == "" {
		return false
	}
	p.upto = at.upto
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
	}
	kept, types, err := p.versions(v)
	if err != nil {
		return nil, err
	}
	if len(kept) == 0 && first && p.id != "" && p.since.IsZero() {
		return nil, unknownResource()
	}
	more := len(kept) > p.count
	kept = kept[:min(len(kept), p.count)]
	out := fhir.Chronicle{Self: p.link(path, p.used)}
	for _, one := range kept {
		rec, err := v.Record(one.Resource)
		if err != nil {
			return nil, fault.Wrap(fault.Internal, err, "read a version that is there")
		}
		if p.at != nil && !p.stoodAt(v, rec) {
			continue
		}
		out.Entries = append(out.Entries, p.entry(rec))
	}
	if more {
		last := kept[len(kept)-1]
		at := cursor{after: place{at: time.UnixMicro(last.Seq), id: last.ID}, seen: int(last.Version), upto: p.upto}
		at.part = slices.Index(types, last.Type) + 1
		values := url.Values{pageParam: {at.String()}}
		for name, list := range p.used {
			values[name] = list
		}
		out.Next = p.link(path, values)
	} else if first && p.at == nil {
		out.Total = new(len(out.Entries))
	}
	return out.Bundle(), nil
}

func (p *past) link(path string, values url.Values) string {
	target := p.base
	if path != "" {
		target += "/" + path
	}
	return withQuery(target+"/_history", values)
}

// versions lists what the page is made of, one more than it holds, and the types among which it was looked.
func (p *past) versions(v *sight) ([]record.Kept, []string, error) {
	types := p.types
	if types == nil {
		var err error
		if types, err = v.Types(); err != nil {
			return nil, nil, err
		}
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
			return nil, nil, err
		}
		all = append(all, part...)
	}
	slices.SortStableFunc(all, func(a, b record.Kept) int {
		if a.Seq != b.Seq {
			return int(b.Seq - a.Seq)
		}
		return slices.Index(types, a.Type) - slices.Index(types, b.Type)
	})
	return all[:min(len(all), p.count+1)], types, nil
}

// stoodAt says whether a version was the current one at some moment of those asked for.
func (p *past) stoodAt(v *sight, rec record.Record) bool {
	to := time.Time{}
	if next, err := v.Record(ref.Resource{Type: rec.Type, ID: rec.ID, Version: rec.Version + 1}); err == nil {
		to = next.Received
	}
	return !slices.ContainsFunc(p.at, func(b search.Bound) bool {
		// It stood for an interval: they must overlap.
		return !rec.Received.Before(b.To) || !to.IsZero() && !to.After(b.From)
	})
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
	e.Resource = fhir.Served(rec)
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
	out := fhir.Chronicle{Self: p.link(path, p.used)}
	for i := len(versions) - 1; i >= 0; i-- {
		page, err := v.observedPage(versions[i])
		if err != nil {
			return nil, true, err
		}
		if page.updated.Before(p.since) {
			continue
		}
		e := fhir.ChronicleEntry{
			FullURL: p.base + "/" + of.String(), Method: http.MethodPut, URL: of.String(), Status: "200",
			ETag: etag(page.version), LastModified: page.updated, Resource: page.body,
		}
		if i == 0 {
			e.Method, e.URL, e.Status = http.MethodPost, of.Type, "201"
		}
		out.Entries = append(out.Entries, e)
	}
	out.Total = new(len(out.Entries))
	return out.Bundle(), true, nil
}
