package catalogue

import (
	"container/list"
	"sync"
)

// The cache holds at most this many compiled Questionnaires, of this many bytes together.
const (
	mostCached  = 512
	cachedBytes = 32 << 20
)

// cache keeps what was compiled of the Questionnaires that were asked for last.
type cache struct {
	mu    sync.Mutex
	byKey map[string]*list.Element
	order *list.List
	bytes int
}

type cached struct {
	key   string
	bytes int
	once  sync.Once
	q     *questionnaire
}

func newCache() *cache { return &cache{byKey: map[string]*list.Element{}, order: list.New()} }

// of is what was compiled under a key, once.
func (c *cache) of(key string, bytes int, compile func() *questionnaire) *questionnaire {
	entry := c.entry(key, bytes)
	entry.once.Do(func() { entry.q = compile() })
	return entry.q
}

func (c *cache) entry(key string, bytes int) *cached {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at, ok := c.byKey[key]; ok {
		c.order.MoveToFront(at)
		return at.Value.(*cached)
	}
	entry := &cached{key: key, bytes: bytes}
	c.byKey[key] = c.order.PushFront(entry)
	c.bytes += bytes
	for last := c.order.Back(); (c.order.Len() > mostCached || c.bytes > cachedBytes) && c.order.Len() > 1; last = c.order.Back() {
		old := last.Value.(*cached)
		c.order.Remove(last)
		delete(c.byKey, old.key)
		c.bytes -= old.bytes
	}
	return entry
}
