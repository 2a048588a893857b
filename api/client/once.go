package client

import "sync"

// Once makes of handle one that passes over an event which it handled before, as long as it remembers its id: it keeps the
// last so many in memory. That covers repetitions while a consumer runs; over a restart, or among several consumers, keep
// the ids with a unique key in your own database, in the transaction that handles the event.
func Once(remember int, handle func(Entry) error) func(Entry) error {
	var mu sync.Mutex
	ring := make([]string, max(1, remember))
	known := make(map[string]struct{}, len(ring))
	next := 0
	return func(e Entry) error {
		mu.Lock()
		_, before := known[e.ID]
		mu.Unlock()
		if before {
			return nil
		}
		if err := handle(e); err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		delete(known, ring[next])
		ring[next], known[e.ID] = e.ID, struct{}{}
		next = (next + 1) % len(ring)
		return nil
	}
}
