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
func (c *checker) missing() {
	if c.own != nil {
		return // the missing rules of the instrument decide
	}
	m := absences{checker: c, counts: make([]tally, len(c.nodes))}
	if c.strays {
		m.gather()
	}
	m.level(-1, 0, int32(len(c.occs)), "QuestionnaireResponse")
	for i := range c.occs {
		m.below(int32(i))
	}
}

// absences counts, level by level, what stands there.
type absences struct {
	*checker
	// counts say of each node how often it stands at the level that is looked at.
	counts []tally
	now    int32
	// astray are the strays by their home; upTo is how many nodes before one stand somewhere in the response.
	astray map[int32][]int32
	upTo   []int32
}

// tally is a count at one level.
type tally struct{ level, count int32 }

// gather prepares what only strays need.
func (m *absences) gather() {
	m.astray = map[int32][]int32{}
	m.upTo = make([]int32, len(m.nodes)+1)
	for i := range m.occs {
		o := &m.occs[i]
		if o.node == unknown {
			continue
		}
		m.upTo[o.node+1] = 1
		if o.stray {
			m.astray[o.home] = append(m.astray[o.home], int32(i))
		}
	}
	for n := range m.nodes {
		m.upTo[n+1] += m.upTo[n]
	}
}

// below checks the levels below one occurrence: one of a group, one for each answer of a question.
func (m *absences) below(at int32) {
	o := &m.occs[at]
	if o.node == unknown || len(m.nodes[o.node].item.Items) == 0 || o.dropped || !m.enabled(at) {
		return
	}
	if !m.nodes[o.node].item.Type.Question() {
		m.level(at, at+1, o.end, o.item.Path)
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
			m.level(at, first, next, a.Path)
		}
	}
}

// level compares the occurrences from first to end with the items that the form has there.
func (m *absences) level(at, first, end int32, path string) {
	m.now++
	for i := first; i < end; i = m.occs[i].end {
		if o := &m.occs[i]; o.node != unknown {
			m.note(o)
		}
	}
	for _, i := range m.astray[at] {
		m.note(&m.occs[i])
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
	t := &m.counts[o.node]
	if t.level != m.now {
		*t = tally{level: m.now}
	}
	if !m.nodes[o.node].item.Type.Question() || answered(o.item) {
		t.count++
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
	if t := m.counts[n]; t.level == m.now {
		count = t.count
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
	return m.strays && m.nodes[group].item.Type == Group && m.upTo[m.nodes[group].end] > m.upTo[group+1]
}
