package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"sync"
	"time"
)

// MixedConfig of a run that mixes ingest, searches, exports and subscribers for a long time.
type MixedConfig struct {
	// Binary makes a command of the binary under test; `serve` is among its commands.
	Binary Command
	// Stores to measure, Postgres and SQLite.
	Stores []string
	// Probe is how long the capacity for the mix is measured, Lasting how long a share of it is then kept up.
	Probe, Lasting time.Duration
	// Share of the capacity, above 0 and at most 1.
	Share float64
	// Every is how often it says how it stands.
	Every time.Duration
	// Clients wait for their answers while the capacity is measured.
	Clients int
	// Patients answer in turn, at least as many as there are Clients.
	Patients int
	// Before is how many responses of each patient are there before anything is measured: a clinic has a history, and what it
	// costs to read grows with it.
	Before int
	// Subscribers follow over gRPC, each with a connection of its own: every fourth the tenant's own feed, the others that
	// of the clinic's team.
	Subscribers int
	// Profiles is a folder for a processor profile of the server under each store's load; empty for none.
	Profiles string
	// Progress takes a line before each phase and after each Every.
	Progress io.Writer
}

// Validate names everything that is wrong.
func (c MixedConfig) Validate() error {
	wrong := missing(c.Stores, c.Binary, c.Progress)
	if c.Probe < 200*time.Millisecond || c.Lasting < time.Second || c.Every < 100*time.Millisecond {
		wrong = append(wrong, errors.New("capacity must be measured for 0.2 s at least, the load last 1 s, and 0.1 s lie between two lines"))
	}
	if c.Share <= 0 || c.Share > 1 {
		wrong = append(wrong, errors.New("the share of the capacity must be above 0 and at most 1"))
	}
	if c.Before < 0 {
		wrong = append(wrong, errors.New("the responses that are there before must not be less than none"))
	}
	if c.Clients < 1 || c.Subscribers < 1 || c.Patients < c.Clients {
		wrong = append(wrong, errors.New("there must be a client, a subscriber, and a patient for each client"))
	}
	return errors.Join(wrong...)
}

func (c MixedConfig) say(format string, args ...any) { fmt.Fprintf(c.Progress, format+"\n", args...) }

// MixedReport is what was found.
type MixedReport struct {
	// Machine it ran on, and the binary that was measured.
	Machine Machine `json:"machine"`
	Binary  Binary  `json:"binary"`
	// Stores that were measured.
	Stores []MixedOfStore `json:"stores"`
}

// Good says whether every aim was met on every store.
func (r *MixedReport) Good() bool {
	for i := range r.Stores {
		for _, a := range r.Stores[i].Aims {
			if !a.Met {
				return false
			}
		}
	}
	return true
}

// MixedOfStore is what was found on one store.
type MixedOfStore struct {
	// Store is postgres or sqlite, Redis is redis-server or embedded.
	Store string `json:"store"`
	Redis string `json:"redis"`
	// Capacity is how many requests of the mix were answered per second when all clients sent without a pause, Asked the
	// share of it that was sent per second, Seconds for how long.
	Capacity float64 `json:"capacity_per_second"`
	Asked    float64 `json:"asked_per_second"`
	Seconds  float64 `json:"seconds"`
	// MostWaiting is how many requests at most were unanswered at once.
	MostWaiting int `json:"most_waiting"`
	// Whole is all of it, Windows its parts in order.
	Whole   Window   `json:"whole"`
	Windows []Window `json:"windows"`
	// Exports that were asked for one after another, those while the capacity was measured too.
	Exports Exported `json:"exports"`
	// Followed is what the subscribers got.
	Followed Followed `json:"followed"`
	// Acknowledged responses, and Stored those that the database holds in the end.
	Acknowledged int `json:"acknowledged"`
	Stored       int `json:"stored"`
	// Thirds of the run by what the server held.
	Thirds [3]Holding `json:"thirds"`
	// Others is the share of all processors that programs outside this run took meanwhile, 0 to 1.
	Others float64 `json:"others_share"`
	// Errors from the beginning, while the capacity was measured too. Wrong are the first of them.
	Errors int      `json:"errors"`
	Wrong  []string `json:"wrong"`
	// Aims are where it stands.
	Aims []Aim `json:"aims"`
}

// Mixed measures every store. Errors: a program that is missing, a server that does not start or ends. Whether the load
// was borne, the aims say.
func Mixed(ctx context.Context, c MixedConfig) (*MixedReport, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	r := &MixedReport{Machine: machine()}
	var err error
	if r.Binary, err = binaryOf(c.Binary); err != nil {
		return nil, err
	}
	for _, store := range c.Stores {
		measured, err := c.measure(ctx, store)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", store, err)
		}
		r.Stores = append(r.Stores, *measured)
	}
	return r, nil
}

// mixture is one store under mixed load.
type mixture struct {
	MixedConfig
	*site
	report   *MixedOfStore
	tally    *score
	deck     *deck
	exporter *exporter
	audience *audience
}

func (c MixedConfig) measure(ctx context.Context, store string) (*MixedOfStore, error) {
	_, missing := exec.LookPath("redis-server")
	c.say("%s: starting", store)
	s, err := newSite(ctx, c.Binary, siteOptions{engine: store, realRedis: store == Postgres || missing == nil, patients: c.Patients, ownBulk: true, profiled: c.Profiles != ""})
	if err != nil {
		return nil, err
	}
	defer s.close()
	s.panel.spread(24 * time.Hour / time.Duration(c.Patients))
	if err := s.sendTeams(ctx, c.Patients); err != nil {
		return nil, err
	}
	m := &mixture{MixedConfig: c, site: s, report: &MixedOfStore{Store: store, Redis: "redis-server"}, tally: newScore()}
	if s.redis == nil {
		m.report.Redis = "embedded"
	}
	door := newDoor(s.server.http)
	defer door.close()
	if m.deck, err = newDeck(s, door, c.Clients); err != nil {
		return nil, err
	}
	m.exporter = newExporter(door, s.panel, m.tally)
	if c.Before > 0 {
		c.say("%s: %d responses of each of %d patients come first", store, c.Before, c.Patients)
		if err := m.deck.fill(ctx, c.Before*c.Patients); err != nil {
			return nil, fmt.Errorf("sending what is there before: %w", err)
		}
	}
	return m.report, m.run(ctx)
}

// run lets subscribers follow and exports follow one another while the capacity is measured and a share of it is sent.
func (m *mixture) run(ctx context.Context) (err error) {
	follow, leave := context.WithCancel(ctx)
	m.audience, err = seat(follow, m.site, m.Subscribers, m.tally)
	defer func() {
		leave()
		err = errors.Join(err, m.audience.close())
	}()
	if err != nil {
		return err
	}
	exporting, endExports := context.WithCancel(ctx)
	defer endExports()
	var exports sync.WaitGroup
	defer exports.Wait()
	exports.Go(func() { m.exporter.run(exporting) })

	if err := m.probe(ctx); err != nil {
		return err
	}
	if err := m.keepUp(ctx); err != nil {
		return err
	}
	m.exporter.end()
	exports.Wait()
	return m.settle(ctx)
}

// probe measures the capacity: every client sends as soon as it has its answer.
func (m *mixture) probe(ctx context.Context) error {
	warming := min(m.Probe/4, 10*time.Second)
	m.say("%s: warming up for %v, then the capacity of %d clients for %v", m.engine, warming, m.Clients, m.Probe)
	if _, err := m.insist(ctx, warming); err != nil {
		return err
	}
	rate, err := m.insist(ctx, m.Probe)
	if err != nil {
		return err
	}
	m.report.Capacity = rate
	m.say("%s: %.0f requests/s; now %.0f %% of it, %.0f/s, for %v", m.engine, rate, 100*m.Share, m.Share*rate, m.Lasting)
	return nil
}

// insist sends from all clients for some time and gives the rate of answers.
func (m *mixture) insist(ctx context.Context, lasting time.Duration) (float64, error) {
	var clients sync.WaitGroup
	begun, before := time.Now(), m.tally.answered()
	for range m.Clients {
		clients.Go(func() {
			for ctx.Err() == nil && time.Since(begun) < lasting {
				t := m.deck.next()
				m.tally.note(t.kind, time.Now(), t.do(ctx))
			}
		})
	}
	clients.Wait()
	rate := perSecond(m.tally.answered()-before, time.Since(begun))
	if rate <= 0 && ctx.Err() == nil {
		return 0, fmt.Errorf("nothing was answered: %v", m.tally.wrong())
	}
	return rate, ctx.Err()
}

// keepUp sends at a constant rate, whether or not the server keeps up, and says how it stands now and then.
func (m *mixture) keepUp(ctx context.Context) error {
	m.report.Asked = m.Share * m.report.Capacity
	watched := m.watchOthers()
	m.tally.window() // what came before counts for the capacity
	m.tally.whole()
	m.audience.forget()
	begun := time.Now()
	scale := newScale(m.site)
	watching, stop := context.WithCancel(ctx)
	var told sync.WaitGroup
	told.Go(func() { m.tell(watching, begun, scale) })
	r := &run{Config: Config{Profiles: m.Profiles, Progress: m.Progress}, site: m.site}
	profiled := r.profile(ctx, "mixed", min(m.Lasting, profileFor))
	most, err := m.send(ctx, begun)
	profiled()
	stop()
	told.Wait()
	took := time.Since(begun)
	m.report.Seconds, m.report.MostWaiting = took.Seconds(), most
	m.report.Whole = m.window(ctx, m.tally.whole(), took, took, scale.mean())
	m.report.Thirds = scale.thirds(took)
	m.report.Others = watched()
	return err
}

// profileFor is how long a profile is taken at most.
const profileFor = 30 * time.Second

// tell notes a window each time, until ctx ends; the last one may be short.
func (m *mixture) tell(ctx context.Context, begun time.Time, scale *scale) {
	from := begun
	for n := 1; ctx.Err() == nil; n++ {
		until := begun.Add(time.Duration(n) * m.Every)
		for ctx.Err() == nil && time.Now().Before(until) {
			scale.weigh(ctx, time.Since(begun))
			_ = sleepUntil(ctx, earlier(until, time.Now().Add(weighEvery))) // the loop looks at ctx itself
		}
		now := time.Now()
		if now.Sub(from) < m.Every/2 {
			return
		}
		w := m.window(context.WithoutCancel(ctx), m.tally.window(), now.Sub(begun), now.Sub(from), scale.since(from.Sub(begun)))
		m.report.Windows = append(m.report.Windows, w)
		m.say("%s: %s", m.engine, w.line())
		from = now
	}
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// window makes one of what was counted, how long the run has lasted and the window itself, and what the server held.
func (m *mixture) window(ctx context.Context, counted []counted, at, lasting time.Duration, h Holding) Window {
	w := Window{Until: at.Seconds(), Seconds: lasting.Seconds(), Holding: h, Database: m.size(ctx)}
	for kind, c := range counted {
		w.Work = append(w.Work, Work{
			Kind: workKinds[kind], Answered: len(c.samples), Errors: c.errors, PerSecond: perSecond(len(c.samples), lasting), Latency: latencyOf(c.samples),
		})
	}
	return w
}

// send begins each request when it is due and gives how many were unanswered at once at most. Latencies count from when a
// request was due, so a server that stands still is not flattered.
func (m *mixture) send(ctx context.Context, begun time.Time) (most int, err error) {
	waiting := make(chan struct{}, mostUnderWay)
	var requests sync.WaitGroup
	defer requests.Wait()
	for n := 0; ; n++ {
		due := begun.Add(time.Duration(float64(n) / m.report.Asked * float64(time.Second)))
		if due.After(begun.Add(m.Lasting)) {
			return most, nil
		}
		t := m.deck.next()
		if err := sleepUntil(ctx, due); err != nil {
			return most, err
		}
		select {
		case waiting <- struct{}{}:
		case <-m.server.exited:
			return most, fmt.Errorf("the server ended by itself: %s", m.server.output)
		}
		most = max(most, len(waiting))
		requests.Go(func() {
			defer func() { <-waiting }()
			m.tally.note(t.kind, due, t.do(ctx))
		})
	}
}

// settle waits for the subscribers, lets a last export close the chain, and looks into the database.
func (m *mixture) settle(ctx context.Context) error {
	m.say("%s: waiting for the subscribers and the last export", m.engine)
	if err := m.audience.await(ctx); err != nil {
		return err
	}
	m.exporter.chain(ctx)
	m.exporter.compare(m.deck.acknowledged())
	m.report.Exports = m.exporter.report()
	m.report.Followed = m.audience.report()
	m.report.Acknowledged = len(m.deck.acknowledged())
	stored, err := m.db.count(ctx, "SELECT count(*) FROM resource WHERE type = 'QuestionnaireResponse'")
	if err != nil {
		return err
	}
	m.report.Stored = int(stored)
	m.report.Errors, m.report.Wrong = m.tally.failures(), m.tally.wrong()
	m.report.Aims = m.report.aims()
	return ctx.Err()
}

// watchOthers begins to look at what other programs take of the processors; the function it returns says their share.
func (m *mixture) watchOthers() (share func() float64) {
	r := &run{site: m.site}
	return r.watchOthers()
}

// bulkFolder is where a server under test keeps what it exports.
func (s *site) bulkFolder() string { return filepath.Join(s.folder, "bulk") }
