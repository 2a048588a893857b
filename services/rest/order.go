package rest

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/fhir/search"
)

// orderBy is one part of _sort.
type orderBy struct {
	param   *search.Param // nil for _id and _lastUpdated
	name    string
	falling bool
}

// readOrder reads _sort. What is sorted by nothing known is ignored, and said so.
func (q *inquiry) readOrder(text string) error {
	if text == "" {
		return nil
	}
	parts := strings.Split(text, ",")
	if len(parts) > 4 {
		return fault.New(fault.Invalid, fault.Errorf("too-costly", "", "the search parameter _sort may have 4 parts at most"))
	}
	for _, part := range parts {
		o := orderBy{}
		o.name, o.falling = strings.CutPrefix(part, "-")
		if o.name != "_id" && o.name != "_lastUpdated" {
			o.param = search.Find(q.kind.name, o.name)
			if o.param == nil || o.param.Type == search.Composite {
				q.ignored = append(q.ignored, "_sort")
				q.order = nil
				return nil
			}
		}
		q.order = append(q.order, o)
	}
	q.used.Set("_sort", text)
	if first := q.order[0]; len(q.order) == 1 && first.falling && q.kind.date != "" && first.name == q.kind.date {
		q.order = nil // the order in which candidates come anyway
	}
	return nil
}

// rank is what a hit is sorted by, for one part of the order.
type rank struct {
	none bool
	text string
	at   time.Time
	n    float64
}

func (r rank) compare(other rank) int {
	return cmp.Or(cmp.Compare(r.text, other.text), r.at.Compare(other.at), cmp.Compare(r.n, other.n))
}

// rank of a hit: the lowest of its values going up, the highest going down.
func (o *orderBy) rank(h *hit) rank {
	switch {
	case o.name == "_id":
		return rank{text: h.id}
	case o.param == nil:
		return rank{at: h.updated()}
	}
	best := rank{none: true}
	for _, v := range h.doc.Values(o.param) {
		r := ranked(o.param, &v, o.falling)
		if best.none || (r.compare(best) > 0) == o.falling {
			best = r
		}
	}
	return best
}

func ranked(p *search.Param, v *search.Value, falling bool) rank {
	switch p.Type {
	case search.Date:
		if falling && !v.To.IsZero() {
			return rank{at: v.To}
		}
		return rank{at: v.From}
	case search.Quantity, search.Number:
		return rank{n: v.Low}
	case search.Reference:
		return rank{text: v.Ref.String() + v.Text}
	case search.Token:
		return rank{text: search.Fold(v.Code + " " + v.Text)}
	default:
		return rank{text: search.Fold(v.Text)}
	}
}

// sorted puts hits into the order asked for; those without a value stand last either way, and equals stay as they stood.
func (q *inquiry) sorted(hits []hit) {
	ranks := make(map[string][]rank, len(hits))
	for i := range hits {
		for j := range q.order {
			ranks[hits[i].id] = append(ranks[hits[i].id], q.order[j].rank(&hits[i]))
		}
	}
	slices.SortStableFunc(hits, func(a, b hit) int {
		for j, o := range q.order {
			x, y := ranks[a.id][j], ranks[b.id][j]
			switch c := x.compare(y); {
			case x.none != y.none && x.none:
				return 1
			case x.none != y.none:
				return -1
			case c != 0 && o.falling:
				return -c
			case c != 0:
				return c
			}
		}
		return 0
	})
}
