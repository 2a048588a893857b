package rest

import (
	"context"
	"slices"
	"strings"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/fhir/search"
)

// inclusion is one _include or _revinclude.
type inclusion struct {
	back, iterate bool
	// typ bears the param; no param means all of the type's.
	typ   string
	param *search.Param
	// target narrows where it leads; empty for everywhere.
	target string
}

// The bounds of what is included: how many resources, and over how many steps.
const (
	maxIncluded = 2_000
	maxSteps    = 4
)

// addInclusion reads `Type:param`, `Type:param:Target`, `Type:*` or `*`.
func (q *inquiry) addInclusion(key, value string) error {
	name, modifier, _ := strings.Cut(key, ":")
	i := inclusion{back: name == "_revinclude", iterate: modifier == "iterate" || modifier == "recurse"}
	wrong := func(text string) error {
		return fault.New(fault.Invalid, fault.Errorf("not-supported", "", "the search parameter %s %s", name, text))
	}
	if modifier != "" && !i.iterate {
		return wrong("has a modifier that is not supported")
	}
	parts := strings.Split(value, ":")
	if i.typ = parts[0]; i.typ == "*" && !i.back && len(parts) == 1 {
		i.typ = q.kind.name
		parts = []string{i.typ, "*"}
	}
	k, ok := kindOf(i.typ)
	if !ok || k.find == nil || len(parts) < 2 || len(parts) > 3 {
		return wrong("must be Type:parameter of a type that is searched here, such as Provenance:target")
	}
	if parts[1] != "*" {
		i.param = search.Find(i.typ, parts[1])
		if i.param == nil || i.param.Type != search.Reference || i.back && i.param.Canonical() {
			return wrong("names a parameter that is no reference which is supported")
		}
		if i.back && i.typ == "Provenance" && !slices.Contains(provenanceWays, i.param.Name) {
			return wrong("of Provenance must name target, entity or patient")
		}
	} else if i.back {
		return wrong("must name a parameter")
	}
	if len(parts) == 3 {
		i.target = parts[2]
	}
	q.used.Add(key, value)
	q.includes = append(q.includes, i)
	return nil
}

// include gives what the hits lead to and what leads to them, each once.
func (q *inquiry) include(ctx context.Context, v *sight, hits []hit) ([]hit, error) {
	if len(q.includes) == 0 {
		return nil, nil
	}
	b := basket{inquiry: q, v: v, seen: map[string]bool{}}
	for i := range hits {
		b.seen[hits[i].typ+"/"+hits[i].id] = true
	}
	from := hits
	for step := 0; step < maxSteps && len(from) > 0; step++ {
		before := len(b.hits)
		for _, i := range q.includes {
			if step > 0 && !i.iterate {
				continue
			}
			gather := b.forward
			if i.back {
				gather = b.backward
			}
			if err := gather(ctx, i, from); err != nil {
				return nil, err
			}
		}
		from = b.hits[before:]
	}
	for i := range b.hits {
		var err error
		if b.hits[i].served, err = b.hits[i].body(); err != nil {
			return nil, err
		}
	}
	return b.hits, nil
}

// basket gathers what is included.
type basket struct {
	*inquiry
	v    *sight
	seen map[string]bool
	hits []hit
}

func (b *basket) put(h hit) error {
	name := h.typ + "/" + h.id
	if b.seen[name] || h.hidden {
		return nil
	}
	if len(b.hits) >= maxIncluded {
		return fault.Newf(fault.Invalid, "too-costly", "more than %d resources would be included: ask for smaller pages with _count", maxIncluded)
	}
	b.seen[name] = true
	b.hits = append(b.hits, h)
	return nil
}

func (b *basket) forward(ctx context.Context, i inclusion, from []hit) error {
	for n := range from {
		h := &from[n]
		if h.typ != i.typ {
			continue
		}
		list := search.Params(h.typ)
		for p := range list {
			if i.param != nil && list[p].Name != i.param.Name || list[p].Type != search.Reference {
				continue
			}
			for _, to := range h.doc.Values(&list[p]) {
				if err := b.fetch(ctx, i, &list[p], to); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// fetch puts in what a value leads to, where it is here.
func (b *basket) fetch(ctx context.Context, i inclusion, p *search.Param, to search.Value) error {
	if p.Canonical() {
		return b.fetchCanonical(ctx, i, to.Text)
	}
	types := []string{to.Ref.Type}
	if to.Ref.Type == "" {
		types = p.Targets
	}
	for _, typ := range types {
		if to.Ref.ID == "" || i.target != "" && typ != i.target {
			continue
		}
		h, ok, err := b.v.hitOf(ref.Resource{Type: typ, ID: to.Ref.ID})
		if err != nil {
			return err
		}
		if ok {
			if err := b.put(h); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *basket) fetchCanonical(ctx context.Context, i inclusion, url string) error {
	k, _ := kindOf("Questionnaire")
	if i.target != "" && i.target != k.name {
		return nil
	}
	url, version, _ := strings.Cut(url, "|")
	inner := &inquiry{kind: k, count: maxLinked, uncounted: true, used: map[string][]string{}, asked: b.asked}
	for name, value := range map[string]string{"url": url, "version": version} {
		if value == "" {
			continue
		}
		p := search.Find(k.name, name)
		inner.conditions = append(inner.conditions, search.Condition{Param: p, Any: []search.Alternative{{Text: value, Code: value, AnySystem: true}}})
	}
	f, err := inner.runMatches(ctx, b.v)
	if err != nil {
		return err
	}
	for _, h := range f.hits {
		if err := b.put(h); err != nil {
			return err
		}
	}
	return nil
}

// hitOf is a resource that a reference leads to; ok is false when it is not here.
func (v *sight) hitOf(of ref.Resource) (h hit, ok bool, err error) {
	if of.Type == "DetectedIssue" {
		hits, err := v.alertsByID([]string{of.ID}, v.alertHit)
		if err != nil || len(hits) > 0 {
			return first(hits), len(hits) > 0, err
		}
	}
	if of.Type == "Observation" {
		o, derived, err := v.derived(of)
		if err != nil {
			return h, false, err
		}
		if derived {
			h, err = v.derivedHit(&inquiry{}, o)
			return h, err == nil, err
		}
	}
	rec, err := v.Record(of)
	switch {
	case err == nil:
		return v.recordHit(rec), true, nil
	case fault.Of(err) == fault.NotFound:
		return h, false, nil
	default:
		return h, false, err
	}
}

func first(hits []hit) hit {
	if len(hits) == 0 {
		return hit{}
	}
	return hits[0]
}

// backward asks who leads to the hits.
func (b *basket) backward(ctx context.Context, i inclusion, to []hit) error {
	k, _ := kindOf(i.typ)
	c := search.Condition{Param: i.param}
	for n := range to {
		if i.param.LeadsTo(to[n].typ) && (i.target == "" || i.target == to[n].typ) {
			c.Any = append(c.Any, search.Alternative{Ref: ref.Resource{Type: to[n].typ, ID: to[n].id}})
		}
	}
	// In parts, so that each is narrowed by what it names.
	for part := range slices.Chunk(c.Any, maxWays) {
		inner := &inquiry{kind: k, count: maxIncluded, uncounted: true, used: map[string][]string{}, asked: b.asked}
		inner.conditions = []search.Condition{{Param: i.param, Any: part}}
		f, err := inner.runMatches(ctx, b.v)
		if err != nil {
			return err
		}
		for _, h := range f.hits {
			if err := b.put(h); err != nil {
				return err
			}
		}
	}
	return nil
}
