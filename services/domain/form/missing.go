package form

import (
	"github.com/rapport-health/rapport/services/domain/response"
)

// finished says whether the response claims to be whole.
func (c *checker) finished() bool { return c.status == "completed" || c.status == "amended" }

// unfinished is for what is missing: a warning also on our own forms while they are being filled in.
func (c *checker) unfinished(code, path, format string, args ...any) {
	if c.finished() {
		c.fail(code, path, format, args...)
		return
	}
	c.warn(code, path, format, args...)
}

// missing looks for required items that are absent, and counts the occurrences of groups.
func (c *checker) missing(items []response.Item) {
	if c.own != nil {
		return // the missing rules of the instrument decide
	}
	m := absences{c, make([]int32, len(c.nodes)), make([]int32, len(c.nodes)), 0}
	m.level(-1, -1, 0, int32(len(c.occs)), "QuestionnaireResponse")
	for i := range c.occs {
		m.below(int32(i))
	}
}

// absences counts, level by level, what stands there.
type absences struct {
	*checker
	// stamp is the level at which a node was last counted, count how often.
	stamp, count []int32
	now          int32
}

// below checks the levels below one occurrence: one of a group, one for each answer of a question.
func (m *absences) below(at int32) {
	o := &m.occs[at]
	if o.node == unknown || len(m.nodes[o.node].item.Items) == 0 || o.dropped || !m.enabled(at) {
		return
	}
	if !m.nodes[o.node].item.Type.Question() {
		m.level(at, -1, at+1, o.end, o.item.Path)
		return
	}
	next := at + 1
	for i := range o.item.Answers {
		a := &o.item.Answers[i]
		first := next
		for next < o.end && m.occs[next].answer == int32(i) {
			next = m.occs[next].end
		}
		if a.Kind != "" {
			m.level(at, int32(i), first, next, a.Path)
		}
	}
}

// level compares the occurrences from first to end with the items that the form has there.
func (m *absences) level(at, answer, first, end int32, path string) {
	m.now++
	for i := first; i < end; i = m.occs[i].end {
		if o := &m.occs[i]; o.node != unknown {
			m.note(o)
		}
	}
	if m.strays {
		for i := range m.occs {
			if o := &m.occs[i]; o.stray && o.home == at && o.node != unknown {
				m.note(o)
			}
		}
	}
	node, last := int32(-1), int32(len(m.nodes))
	if at >= 0 {
		node = m.occs[at].node
		last = m.nodes[node].end
	}
	for n := node + 1; n < last; n = m.nodes[n].end {
		m.expect(n, at, path)
	}
}

// note counts an occurrence, when it is answered or a group.
func (m *absences) note(o *occurrence) {
	if m.stamp[o.node] != m.now {
		m.stamp[o.node], m.count[o.node] = m.now, 0
	}
	if !m.nodes[o.node].item.Type.Question() || answered(o.item) {
		m.count[o.node]++
	}
}

func answered(item *response.Item) bool {
	for i := range item.Answers {
		if item.Answers[i].Kind != "" {
			return true
		}
	}
	return false
}

// expect checks that an item of the form stands at a level as often as it must.
func (m *absences) expect(n, at int32, path string) {
	item := m.nodes[n].item
	count := int32(0)
	if m.stamp[n] == m.now {
		count = m.count[n]
	}
	if count == 0 {
		if item.Required && m.enabledIn(n, at) && !m.scattered(n) {
			m.unfinished("required", path, "an item that the form requires is not answered: %s", item.Path)
		}
		return
	}
	if item.Type == Group {
		m.occurs(item, int(count), path, "occurrences of a group")
	}
}

// scattered says that items of a group stand in the response, though not in the group.
func (m *absences) scattered(group int32) bool {
	if !m.strays || m.nodes[group].item.Type != Group {
		return false
	}
	for i := range m.occs {
		if n := m.occs[i].node; n > group && n < m.nodes[group].end {
			return true
		}
	}
	return false
}
