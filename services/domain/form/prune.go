package form

import (
	"cmp"
	"slices"

	"github.com/rapport-health/rapport/services/domain/response"
)

// prune leaves out what does not count. Nothing of the draft that came is written to; where nothing changes it is
// given back itself.
func (c *checker) prune(items []response.Item) []response.Item {
	for i := int32(0); i < int32(len(c.occs)); i = c.occs[i].end {
		if c.occs[i].changed {
			p := pruner{checker: c}
			return p.level(items)
		}
	}
	return items
}

// pruner copies what changes, in the order of the walk.
type pruner struct {
	*checker
	at int32
}

func (p *pruner) level(items []response.Item) []response.Item {
	if len(items) == 0 {
		return items
	}
	out := make([]response.Item, 0, len(items))
	for i := range items {
		o := &p.occs[p.at]
		switch {
		case o.without:
			p.at = o.end
		case !o.changed:
			out = append(out, items[i])
			p.at = o.end
		default:
			out = append(out, p.item(items[i]))
		}
	}
	return out
}

func (p *pruner) item(item response.Item) response.Item {
	at := p.at
	p.at++
	item.Items = p.level(item.Items)
	given := item.Answers
	item.Answers = nil
	for i := range given {
		a := given[i]
		a.Items = p.level(a.Items)
		if p.occs[at].dropped || p.isLost(lostAnswer{at, int32(i)}) {
			a = response.Answer{Path: a.Path, Items: a.Items}
			if len(a.Items) == 0 {
				continue
			}
		}
		item.Answers = append(item.Answers, a)
	}
	return item
}

// isLost says whether an answer was taken away by itself; they are listed in order.
func (p *pruner) isLost(one lostAnswer) bool {
	_, found := slices.BinarySearchFunc(p.lost, one, func(a, b lostAnswer) int {
		return cmp.Or(cmp.Compare(a.occ, b.occ), cmp.Compare(a.answer, b.answer))
	})
	return found
}
