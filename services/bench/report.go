package bench

import (
	"debug/buildinfo"
	"fmt"
	"os"
	"runtime"
)

// Report is what a measuring run found.
type Report struct {
	// Machine it ran on.
	Machine Machine `json:"machine"`
	// Binary that was measured.
	Binary Binary `json:"binary"`
	// Slice is how long each load lasted, in seconds, and Patients how many answered in turn.
	Slice    float64 `json:"slice_seconds"`
	Patients int     `json:"patients"`
	// Stores that were measured.
	Stores []StoreReport `json:"stores"`
	// Aims are where it stands.
	Aims []Aim `json:"aims"`
}

// Machine is what the figures depend on.
type Machine struct {
	// System such as `linux/amd64`, Processors the number of logical ones that load and servers shared.
	System     string `json:"system"`
	Processors int    `json:"processors"`
}

// Binary is the program under test.
type Binary struct {
	// MiB is its size.
	MiB float64 `json:"mib"`
	// Static says that it was built without cgo.
	Static bool `json:"static"`
	// Go that built it.
	Go string `json:"go"`
}

// StoreReport is what was found on one store.
type StoreReport struct {
	// Store is postgres or sqlite, Redis is redis-server or embedded.
	Store string `json:"store"`
	Redis string `json:"redis"`
	// Responses that were acknowledged and found in the database, each once.
	Responses int `json:"responses"`
	// BytesPerResponse is what one response writes, without indexes.
	BytesPerResponse float64 `json:"bytes_per_response"`
	// Floors by connections and indexes.
	Floors []Floor `json:"floors"`
	// Loads through the gRPC door.
	Loads []Load `json:"loads"`
	// Half is single calls at half of the capacity at 128 clients, at a constant rate.
	Half Load `json:"half_of_capacity"`
	// Screens are the ways to the subscribers at 200/s and at half of capacity.
	Screens []Screen `json:"to_the_subscriber"`
	// Others is the share of all processors that programs outside this run took meanwhile, 0 to 1. Much of it means
	// that the figures are too low.
	Others float64 `json:"others_share"`
	// PeakMemory of the server over the whole run, in MiB.
	PeakMemory float64 `json:"peak_memory_mib"`
	// Starts are times from exec to ready on a new database, Restarts on the filled one; in milliseconds, ascending.
	Starts   []float64 `json:"starts_ms,omitempty"`
	Restarts []float64 `json:"restarts_ms"`
}

// Kind of a load.
type Kind string

// The kinds.
const (
	// Calls are unary.
	Calls Kind = "calls"
	// Streams are bidirectional.
	Streams Kind = "streams"
)

// Load is what one load reached.
type Load struct {
	// Kind of the load, Clients at once (0: a constant rate), Items of each call.
	Kind    Kind `json:"kind"`
	Clients int  `json:"clients"`
	Items   int  `json:"items"`
	// PerSecond is responses that were stored durably, scored, judged and acknowledged per second.
	PerSecond float64 `json:"per_second"`
	// Acknowledged is from sending a response to its acknowledgement.
	Acknowledged Latency `json:"acknowledged"`
	// Processor time per response.
	Processor Processor `json:"processor_ms_per_response"`
}

// Processor is processor time in milliseconds.
type Processor struct {
	Server    float64 `json:"server"`
	Postgres  float64 `json:"postgres"`
	Redis     float64 `json:"redis"`
	Generator float64 `json:"load_generator"`
}

// All is what the service costs, without the load generator.
func (p Processor) All() float64 { return p.Server + p.Postgres + p.Redis }

func loadOf(l load, m *measured) Load {
	n := float64(max(1, len(m.samples)))
	return Load{
		Kind: l.kind, Clients: l.clients, Items: l.items, PerSecond: m.rate(), Acknowledged: latencyOf(m.samples),
		Processor: Processor{
			Server: milliseconds(m.used.server) / n, Postgres: milliseconds(m.used.postgres) / n,
			Redis: milliseconds(m.used.redis) / n, Generator: milliseconds(m.used.self) / n,
		},
	}
}

// String is the load in words.
func (l load) String() string { return Load{Kind: l.kind, Clients: l.clients, Items: l.items}.Words() }

// Words for the load.
func (l Load) Words() string {
	switch {
	case l.Kind == Streams && l.Clients == 1:
		return "1 stream"
	case l.Kind == Streams:
		return fmt.Sprintf("%d streams", l.Clients)
	case l.Clients == 0:
		return "single calls at a constant rate"
	case l.Items > 1:
		return fmt.Sprintf("%d clients, batches of %d", l.Clients, l.Items)
	case l.Clients == 1:
		return "1 client, single calls"
	}
	return fmt.Sprintf("%d clients, single calls", l.Clients)
}

// capacity is what single calls of 128 clients reached per second.
func (s *StoreReport) capacity() float64 {
	for _, l := range s.Loads {
		if l.Kind == Calls && l.Items == 1 && l.Clients == mostClients {
			return l.PerSecond
		}
	}
	return 0
}

// bulk is the best of streams and batches per second.
func (s *StoreReport) bulk() float64 {
	best := 0.0
	for _, l := range s.Loads {
		if l.Kind == Streams || l.Items > 1 {
			best = max(best, l.PerSecond)
		}
	}
	return best
}

// floorOf is the best floor with or without secondary indexes.
func (s *StoreReport) floorOf(indexed bool) Floor {
	var best Floor
	for _, f := range s.Floors {
		if f.Indexed == indexed && f.PerSecond > best.PerSecond {
			best = f
		}
	}
	return best
}

func median(sorted []float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[len(sorted)/2]
}

func machine() Machine {
	return Machine{System: runtime.GOOS + "/" + runtime.GOARCH, Processors: runtime.GOMAXPROCS(0)}
}

// binaryOf looks at the program under test.
func binaryOf(command Command) (Binary, error) {
	path := command().Path
	info, err := os.Stat(path)
	if err != nil {
		return Binary{}, fmt.Errorf("the binary under test: %w", err)
	}
	built, err := buildinfo.ReadFile(path)
	if err != nil {
		return Binary{}, fmt.Errorf("the binary under test: %w", err)
	}
	b := Binary{MiB: float64(info.Size()) / (1 << 20), Go: built.GoVersion}
	for _, setting := range built.Settings {
		if setting.Key == "CGO_ENABLED" {
			b.Static = setting.Value == "0"
		}
	}
	return b, nil
}
