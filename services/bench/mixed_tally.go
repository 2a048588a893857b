package bench

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// counted is what one kind of work came to.
type counted struct {
	samples []time.Duration
	errors  int
}

// score counts answers by kind, for the window under way and for the whole run. Its methods may be called at once from
// anywhere.
type score struct {
	mu      sync.Mutex
	now     []counted
	all     []counted
	sum     int
	failed  int
	strange []string
}

func newScore() *score {
	return &score{now: make([]counted, kindsOfWork), all: make([]counted, kindsOfWork)}
}

// note counts an answer to a request that was due at a moment. What was cut off at the end of the run does not count.
func (t *score) note(kind kindOfWork, due time.Time, err error) {
	took := time.Since(due)
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range []*counted{&t.now[kind], &t.all[kind]} {
		switch {
		case errors.Is(err, context.Canceled):
		case err != nil:
			c.errors++
		default:
			c.samples = append(c.samples, took)
		}
	}
	switch {
	case errors.Is(err, context.Canceled):
	case err != nil:
		t.complained(workKinds[kind] + ": " + err.Error())
	case kind != exports:
		t.sum++
	}
}

// mostStrange bounds how many errors are told of.
const mostStrange = 20

func (t *score) complained(text string) {
	t.failed++
	if len(t.strange) < mostStrange {
		t.strange = append(t.strange, text)
	}
}

// complain counts an error that is no answer's.
func (t *score) complain(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.complained(err.Error())
}

// answered counts the requests of the mix that were answered as they should, from the beginning; exports are none.
func (t *score) answered() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.sum
}

// failures counts all errors from the beginning.
func (t *score) failures() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.failed
}

// wrong are the first errors.
func (t *score) wrong() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.strange)
}

// window takes what was counted since the last one.
func (t *score) window() []counted { return t.take(&t.now) }

// whole takes what was counted since it was last taken.
func (t *score) whole() []counted { return t.take(&t.all) }

func (t *score) take(from *[]counted) []counted {
	t.mu.Lock()
	defer t.mu.Unlock()
	taken := *from
	*from = make([]counted, kindsOfWork)
	return taken
}
