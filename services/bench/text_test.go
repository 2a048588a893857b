package bench

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// filled is a report whose every field is as wide as it may get.
func filled(store string) StoreReport {
	wide := Latency{Samples: 123456, P50: 9999.9, P99: 9999.9, Max: 9999.9}
	s := StoreReport{
		Store: store, Redis: "redis-server", Responses: 1234567, BytesPerResponse: 12345, PeakMemory: 1234,
		Starts: []float64{100, 200, 300}, Restarts: []float64{100, 200, 300},
		Floors: []Floor{{1, false, 100_000}, {2, false, 123_456}, {1, true, 99_999}},
		Half:   Load{Kind: Calls, Items: 1, PerSecond: 12345, Acknowledged: wide},
		Screens: []Screen{
			{Rate: 200, Acknowledged: wide, GRPC: wide, Redis: wide, CommitGRPC: wide, CommitRedis: wide, AlertGRPC: wide, AlertRedis: wide},
		},
	}
	for _, l := range loads {
		s.Loads = append(s.Loads, Load{
			Kind: l.kind, Clients: l.clients, Items: l.items, PerSecond: 123_456, Acknowledged: wide,
			Processor: Processor{Server: 99, Postgres: 99, Redis: 99},
		})
	}
	return s
}

func TestTheReportFitsEightyColumns(t *testing.T) {
	r := &Report{
		Machine: Machine{"linux/amd64", 16}, Binary: Binary{60, true, "go1.26.8"}, Slice: 5, Patients: 20_000,
		Stores: []StoreReport{filled(Postgres), filled(SQLite)},
	}
	r.Aims = aims(r)
	var b strings.Builder
	if err := r.Text(&b); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(b.String()) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 80 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
}

func TestTheMarkdownTablesHaveAsManyCellsInEveryRow(t *testing.T) {
	r := &Report{Stores: []StoreReport{filled(Postgres), filled(SQLite)}}
	r.Aims = aims(r)
	var b strings.Builder
	if err := r.Markdown(&b); err != nil {
		t.Fatal(err)
	}
	cells := 0
	for line := range strings.Lines(b.String()) {
		if !strings.HasPrefix(line, "|") {
			cells = 0
			continue
		}
		n := strings.Count(line, "|")
		if cells != 0 && n != cells {
			t.Errorf("%d instead of %d bars: %s", n, cells, line)
		}
		cells = n
	}
}

func TestAnAimIsMetExactlyWhenItIsReached(t *testing.T) {
	s := filled(Postgres)
	for i := range s.Loads {
		if s.Loads[i].Clients == mostClients {
			s.Loads[i].PerSecond = 2000
		}
	}
	s.Floors = []Floor{{1, false, 4000}}
	s.Half.Acknowledged.P99 = 25.1
	s.PeakMemory = 200
	met := map[string]bool{}
	for _, a := range aims(&Report{Stores: []StoreReport{s}}) {
		met[a.What] = a.Met
	}
	for what, want := range map[string]bool{
		"PostgreSQL: 128 clients, single calls, /s":       true,
		"PostgreSQL: 128 clients, single calls, × floor":  true,
		"PostgreSQL: p99 at half of capacity":             false,
		"PostgreSQL: memory of the server, peak":          true,
		"PostgreSQL: commit to subscriber, p99, at 200/s": false,
		"PostgreSQL: best of streams and batches, /s":     true,
	} {
		got, ok := met[what]
		if !ok || got != want {
			t.Errorf("%s: met is %t (known: %t), want %t", what, got, ok, want)
		}
	}
}
