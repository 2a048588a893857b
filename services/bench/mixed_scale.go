package bench

import (
	"bytes"
	"context"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Holding is what the server held, on average over some time.
type Holding struct {
	// Resident memory and Heap of live and not yet collected objects, in MiB.
	Resident float64 `json:"resident_mib"`
	Heap     float64 `json:"heap_mib"`
	// Goroutines and open Files.
	Goroutines float64 `json:"goroutines"`
	Files      float64 `json:"files"`
}

// weighing is what the server held at a moment.
type weighing struct {
	at time.Duration
	Holding
}

// weighEvery is how often the server is weighed.
const weighEvery = time.Second

// scale weighs the server under test.
type scale struct {
	site *site
	door *door
	all  []weighing
}

func newScale(s *site) *scale { return &scale{site: s, door: newDoor(s.server.http)} }

// weigh notes what the server holds now, at a time since the beginning.
func (s *scale) weigh(ctx context.Context, at time.Duration) {
	_, body, err := s.door.ask(ctx, http.MethodGet, "http://"+s.site.server.http+"/metrics", nil, nil, http.StatusOK)
	if err != nil {
		return // a server that is too busy for this shows in the requests
	}
	w := weighing{at: at}
	w.Resident, w.Files = residentMemory(s.site.server.pid()), float64(openFiles(s.site.server.pid()))
	w.Heap = metric(body, "go_memstats_heap_alloc_bytes") / (1 << 20)
	w.Goroutines = metric(body, "go_goroutines")
	s.all = append(s.all, w)
}

// metric is the value of one without labels, in the text of a scrape; 0 when it is not there.
func metric(text []byte, name string) float64 {
	for line := range bytes.Lines(text) {
		rest, found := bytes.CutPrefix(line, []byte(name+" "))
		if !found {
			continue
		}
		v, err := strconv.ParseFloat(string(bytes.TrimSpace(rest)), 64)
		if err != nil {
			return 0
		}
		return v
	}
	return 0
}

// since is the average from a time on.
func (s *scale) since(from time.Duration) Holding { return averageOf(s.all, from, 1<<62) }

// mean is the average of all.
func (s *scale) mean() Holding { return s.since(0) }

// thirds of a run that lasted so long, each by its medians: what leaks is held on to all the time, while a server that stood
// still for a second holds more for a minute.
func (s *scale) thirds(took time.Duration) (t [3]Holding) {
	for n := range t {
		t[n] = medianOf(s.all, took*time.Duration(n)/3, took*time.Duration(n+1)/3)
	}
	return t
}

// medianOf the weighings from a time up to another, each quantity by itself.
func medianOf(all []weighing, from, until time.Duration) Holding {
	median := func(of func(Holding) float64) float64 {
		var found []float64
		for _, w := range all {
			if w.at >= from && w.at < until {
				found = append(found, of(w.Holding))
			}
		}
		if len(found) == 0 {
			return 0
		}
		slices.Sort(found)
		return (found[(len(found)-1)/2] + found[len(found)/2]) / 2
	}
	return Holding{
		median(func(h Holding) float64 { return h.Resident }), median(func(h Holding) float64 { return h.Heap }),
		median(func(h Holding) float64 { return h.Goroutines }), median(func(h Holding) float64 { return h.Files }),
	}
}

// averageOf the weighings from a time up to another.
func averageOf(all []weighing, from, until time.Duration) (h Holding) {
	n := 0.0
	for _, w := range all {
		if w.at < from || w.at >= until {
			continue
		}
		n++
		h.Resident += w.Resident
		h.Heap += w.Heap
		h.Goroutines += w.Goroutines
		h.Files += w.Files
	}
	if n == 0 {
		return Holding{}
	}
	return Holding{h.Resident / n, h.Heap / n, h.Goroutines / n, h.Files / n}
}

// openFiles of a process; 0 where there is no /proc.
func openFiles(pid int) int {
	entries, err := os.ReadDir(filepath.Join("/proc", strconv.Itoa(pid), "fd"))
	if err != nil {
		return 0
	}
	return len(entries)
}

// size of the database, in MiB: of SQLite with its log.
func (s *site) size(ctx context.Context) float64 {
	var bytes int64
	if s.engine == Postgres {
		n, err := s.db.count(ctx, "SELECT pg_database_size(current_database())")
		if err != nil {
			return 0 // it is only told
		}
		bytes = n
	} else {
		for _, suffix := range []string{"", "-wal"} {
			bytes += sizeOf(strings.TrimPrefix(s.store, "sqlite:") + suffix)
		}
	}
	return float64(bytes) / (1 << 20)
}

func sizeOf(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}
