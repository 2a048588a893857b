package form

import "github.com/rapport-health/rapport/services/domain/response"

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
	at   int32
	lost int
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
			p.skip(o.end)
		case !o.changed:
			out = append(out, items[i])
			p.skip(o.end)
		default:
			out = append(out, p.item(items[i]))
		}
	}
	return out
}

// skip passes over occurrences up to end, and over what is lost in them.
func (p *pruner) skip(end int32) {
	p.at = end
	for p.lost < len(p.checker.lost) && p.checker.lost[p.lost].occ < end {
		p.lost++
	}
}

func (p *pruner) item(item response.Item) response.Item {
	at := p.at
	p.at++
	item.Items = p.level(item.Items)
	given := item.Answers
	item.Answers = make([]response.Answer, 0, len(given))
	for i := range given {
		a := given[i]
		a.Items = p.level(a.Items)
		if p.occs[at].dropped || p.isLost(at, int32(i)) {
			a = response.Answer{Path: a.Path, Items: a.Items}
			if len(a.Items) == 0 {
				continue
			}
		}
		item.Answers = append(item.Answers, a)
	}
	if len(item.Answers) == 0 {
		item.Answers = nil
	}
	return item
}

func (p *pruner) isLost(at, answer int32) bool {
	for ; p.lost < len(p.checker.lost); p.lost++ {
		l := p.checker.lost[p.lost]
		if l.occ > at || l.occ == at && l.answer >= answer {
			return l.occ == at && l.answer == answer
		}
	}
	return false
}
