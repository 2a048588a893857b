package form

import "github.com/rapport-health/rapport/services/domain/response"

// Unasked are the linkIds of the questions that the form does not ask after the answers of a response, whether they were
// answered all the same or not; nil when it asks all. A question that occurs several times is asked if it is asked once.
func (f *Form) Unasked(d response.Draft, p Policy) map[string]bool {
	if !f.conditional {
		return nil
	}
	c := checker{Form: f, Policy: p, status: d.Status}
	c.place(d.Items)
	c.index()
	var out map[string]bool
	for n := range c.nodes {
		if !c.nodes[n].item.Type.Question() || c.asks(int32(n)) {
			continue
		}
		if out == nil {
			out = map[string]bool{}
		}
		out[c.nodes[n].item.LinkID] = true
	}
	return out
}

// asks says whether a question is asked: where it stands in the response, else where it would stand.
func (c *checker) asks(n int32) bool {
	places := c.byNode[c.starts[n]:c.starts[n+1]]
	for _, at := range places {
		if c.enabled(at) {
			return true
		}
	}
	if len(places) > 0 {
		return false
	}
	for at := n; at >= 0; at = c.nodes[at].parent {
		within := int32(-1)
		if above := c.nodes[at].parent; above >= 0 && c.starts[above] < c.starts[above+1] {
			within = c.byNode[c.starts[above]]
		}
		if !c.enabledIn(at, within) {
			return false
		}
	}
	return true
}
