package server_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/rapport-health/rapport/api/client"
	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
	"github.com/rapport-health/rapport/services/catalogue"
	"github.com/rapport-health/rapport/services/domain/instrument"
	"github.com/rapport-health/rapport/services/server"
	"github.com/rapport-health/rapport/services/testbed"
)

// The environment of a server in a process of its own, which can be killed or run out of disk.
const (
	childStore = "RAPPORT_TEST_STORE"
	childDrain = "RAPPORT_TEST_DRAIN"
	childFiles = "RAPPORT_TEST_FILES"
	childPacks = "RAPPORT_TEST_PACKS"
)

func TestMain(m *testing.M) {
	if os.Getenv(childStore) != "" {
		os.Exit(serveAsChild())
	}
	if os.Getenv(server.FeedsStore) != "" {
		os.Exit(server.ServeFeeds())
	}
	os.Exit(testbed.Main(m))
}

// serveAsChild runs a server until SIGTERM, as `rapport serve` does. SIGUSR1 gives the disk its space back.
func serveAsChild() int {
	signal.Ignore(syscall.SIGXFSZ)
	var limit syscall.Rlimit
	if n, err := strconv.ParseUint(os.Getenv(childFiles), 10, 64); err == nil {
		_ = syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit)
		full := syscall.Rlimit{Cur: n, Max: limit.Max}
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &full); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 3
		}
	}
	more := make(chan os.Signal, 1)
	signal.Notify(more, syscall.SIGUSR1)
	go func() {
		for range more {
			_ = syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit)
		}
	}()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	c := server.Default()
	c.Listen, c.HTTPListen, c.Redis, c.Store = "127.0.0.1:0", "127.0.0.1:0", "none", os.Getenv(childStore)
	c.Drain, _ = time.ParseDuration(os.Getenv(childDrain))
	c.Log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	if folder := os.Getenv(childPacks); folder != "" {
		known, err := instrument.Load(os.DirFS(folder))
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 3
		}
		c.Catalogue = catalogue.Of(known)
	}
	s, err := server.New(ctx, c)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 3
	}
	s.Start()
	fmt.Println(s.Addr(), s.HTTPAddr())
	<-ctx.Done()
	if err := s.Stop(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// child is a server in a process of its own.
type child struct {
	*exec.Cmd
	http   string
	ingest rapportv1.IngestServiceClient
	log    strings.Builder
}

func startChild(t *testing.T, env ...string) *child {
	t.Helper()
	c := &child{Cmd: exec.Command(os.Args[0])}
	c.Env = append(append(os.Environ(), childDrain+"=10s"), env...)
	c.Stderr = &c.log
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		_ = c.Wait()
		t.Fatalf("the server did not start: %v %s", err, c.log.String())
	}
	addresses := strings.Fields(line)
	c.http = addresses[1]
	conn, err := grpc.NewClient(addresses[0], grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	c.ingest = rapportv1.NewIngestServiceClient(conn)
	return c
}

// load sends numbered responses, one after another, from several callers, until the first failure of each.
type load struct {
	callers sync.WaitGroup
	acked   sync.Map
	count   atomic.Int64
	// moved has something in it after an acknowledgement.
	moved chan struct{}
}

func (l *load) run(t *testing.T, to rapportv1.IngestServiceClient, callers int, name string) {
	l.moved = make(chan struct{}, 1)
	for n := range callers {
		l.callers.Go(func() {
			for i := 0; ; i++ {
				id := fmt.Sprintf("%s-%d-%d", name, n, i)
				body := phq9(id, fmt.Sprint("p", n), monday.Add(time.Duration(i)*time.Minute), 1, 1, 1, 1, 1, 1, 1, 1, 0)
				resp, err := to.Ingest(t.Context(), &rapportv1.IngestRequest{Source: "ehr", Items: []*rapportv1.Item{{Body: []byte(body)}}})
				if err != nil {
					if status.Code(err) != codes.Unavailable {
						t.Errorf("a call ended as %v", err)
					}
					return
				}
				if resp.GetResults()[0].GetOutcome() != rapportv1.Outcome_OUTCOME_SCORED {
					t.Errorf("%v", resp)
				}
				l.acked.Store(id, body)
				l.count.Add(1)
				select {
				case l.moved <- struct{}{}:
				default:
				}
			}
		})
	}
}

// until waits for a number of acknowledgements.
func (l *load) until(t *testing.T, n int64) {
	patience := time.NewTimer(20 * time.Second)
	defer patience.Stop()
	for l.count.Load() < n {
		select {
		case <-l.moved:
		case <-patience.C:
			t.Fatalf("%d acknowledgements in 20 s", l.count.Load())
		}
	}
}

// kept checks that everything acknowledged is stored, and the database in order.
func (l *load) kept(t *testing.T, store string) {
	t.Helper()
	c := start(t, func(c *server.Config) { c.Store = store })
	l.acked.Range(func(id, body any) bool {
		if r := c.send(body.(string))[0]; r.GetOutcome() != rapportv1.Outcome_OUTCOME_UNCHANGED {
			t.Errorf("%s was acknowledged and is lost: %v", id, r)
			return false
		}
		return true
	})
	verified(t, store)
}

func verified(t *testing.T, store string) *server.Report {
	t.Helper()
	report, err := server.Verify(context.Background(), store, func(string) {})
	if err != nil || len(report.Problems) > 0 {
		t.Fatalf("verify: %+v %v", report, err)
	}
	return report
}

func TestSIGTERMUnderLoadLosesNothingAcknowledgedAndEndsWithZero(t *testing.T) {
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			store := newStore(t, engine)
			c := startChild(t, childStore+"="+store)
			var l load
			l.run(t, c.ingest, 8, "term")
			l.until(t, 100)
			begun := time.Now()
			if err := c.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			if err := c.Wait(); err != nil {
				t.Errorf("it ended with %v: %s", err, c.log.String())
			}
			if took := time.Since(begun); took > 10*time.Second {
				t.Errorf("it took %v", took)
			}
			l.callers.Wait()
			l.kept(t, store)
		})
	}
}

func newStore(t *testing.T, engine string) string {
	if engine == "postgres" {
		return testbed.Database(t)
	}
	return "sqlite:" + filepath.Join(t.TempDir(), "day.db")
}

func TestKillNineUnderLoadLosesNothingAcknowledged(t *testing.T) {
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			store := newStore(t, engine)
			var l load
			for round := range 3 {
				c := startChild(t, childStore+"="+store)
				l.run(t, c.ingest, 8, fmt.Sprint("kill", round))
				l.until(t, l.count.Load()+100)
				if err := c.Process.Kill(); err != nil {
					t.Fatal(err)
				}
				_ = c.Wait() // It was killed, which is an error.
				l.callers.Wait()
			}
			l.kept(t, store)
		})
	}
}

func TestAClientThatStopsSendingDoesNotKeepTheServerFromStopping(t *testing.T) {
	store := newStore(t, "sqlite")
	c := startChild(t, childStore+"="+store, childDrain+"=2s")
	slow, err := net.Dial("tcp", c.http)
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	fmt.Fprintf(slow, "POST /fhir/Patient HTTP/1.1\r\nHost: %s\r\nContent-Type: application/fhir+json\r\nContent-Length: 1000\r\nExpect: 100-continue\r\n\r\n", c.http)
	if line, err := bufio.NewReader(slow).ReadString('\n'); err != nil || !strings.Contains(line, "100") {
		t.Fatalf("%q %v", line, err)
	}
	var l load
	l.run(t, c.ingest, 2, "slow")
	l.until(t, 20)
	begun := time.Now()
	if err := c.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := c.Wait(); err != nil {
		t.Errorf("it ended with %v: %s", err, c.log.String())
	}
	if took := time.Since(begun); took > 4*time.Second {
		t.Errorf("it took %v", took)
	}
	l.callers.Wait()
	l.kept(t, store)
}

func TestAFullDiskRefusesEverybodyAndLosesNothing(t *testing.T) {
	store := newStore(t, "sqlite")
	c := startChild(t, childStore+"="+store, childFiles+"=1500000")
	var l load
	l.run(t, c.ingest, 4, "full")
	l.callers.Wait() // every caller was refused with Unavailable
	if l.count.Load() == 0 {
		t.Fatal("the disk was full from the start")
	}
	resp, err := http.Post("http://"+c.http+"/fhir/Patient", "application/fhir+json",
		strings.NewReader(`{"resourceType":"Patient","id":"p1","name":[{"text":"`+strings.Repeat(strings.Repeat("x", 1_000_000)+`"},{"text":"`, 2)+`x"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	answer, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	if resp.StatusCode != http.StatusServiceUnavailable || !strings.Contains(string(answer), "OperationOutcome") {
		t.Errorf("REST answers a full disk with %d %s", resp.StatusCode, answer)
	}
	if err := c.Process.Signal(syscall.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	again := &rapportv1.IngestRequest{Source: "ehr", Items: []*rapportv1.Item{{Body: []byte(phq9("again", "p1", monday, 1, 1, 1, 1, 1, 1, 1, 1, 0))}}}
	deadline := time.Now().Add(10 * time.Second)
	for {
		_, err := c.ingest.Ingest(t.Context(), again)
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("it does not recover: %v\n%s", err, c.log.String())
		}
	}
	if err := c.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := c.Wait(); err != nil {
		t.Errorf("it ended with %v: %s", err, c.log.String())
	}
	l.kept(t, store)
}

func TestPostgresGoneIsSaidAndItsReturnNoticed(t *testing.T) {
	p, err := testbed.StartPostgres(testbed.PostgresOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	if err := p.Exec("CREATE DATABASE day"); err != nil {
		t.Fatal(err)
	}
	store := p.URL("day")
	c := start(t, func(c *server.Config) { c.Store = store })
	var l load
	l.run(t, c.ingest, 4, "gone")
	l.until(t, 50)
	p.Kill()
	l.callers.Wait()
	resp, err := http.Get("http://" + c.HTTPAddr() + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("healthz says %d", resp.StatusCode)
	}
	if err := p.Restart(); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(20 * time.Second)
	for {
		_, err := c.ingest.Ingest(t.Context(), &rapportv1.IngestRequest{Source: "ehr", Items: []*rapportv1.Item{{Body: []byte(patientP1)}}})
		if err == nil {
			break
		}
		if status.Code(err) != codes.Unavailable || time.Now().After(deadline) {
			t.Fatalf("after its return: %v", err)
		}
	}
	l.acked.Range(func(id, body any) bool {
		if r := c.send(body.(string))[0]; r.GetOutcome() != rapportv1.Outcome_OUTCOME_UNCHANGED {
			t.Errorf("%s was acknowledged and is lost: %v", id, r)
		}
		return true
	})
	verified(t, store)
}

func TestAPostgresThatHangsDoesNotKeepTheServerFromStopping(t *testing.T) {
	p, err := testbed.StartPostgres(testbed.PostgresOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	if err := p.Exec("CREATE DATABASE day"); err != nil {
		t.Fatal(err)
	}
	c := startChild(t, childStore+"="+p.URL("day"), childDrain+"=2s")
	var l load
	l.run(t, c.ingest, 4, "hang")
	l.until(t, 50)
	p.Pause()
	begun := time.Now()
	if err := c.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	err = c.Wait()
	took := time.Since(begun)
	p.Resume()
	if ended, ok := errors.AsType[*exec.ExitError](err); !ok || ended.ExitCode() != 1 {
		t.Errorf("what could not be committed goes unsaid: %v", err)
	}
	if took > 5*time.Second {
		t.Errorf("it took %v: %s", took, c.log.String())
	}
	l.callers.Wait()
	l.kept(t, p.URL("day"))
}

func TestRedisMayBeAwayAndComeBackEmpty(t *testing.T) {
	r := testbed.FreshRedis(t, testbed.RedisOptions{})
	r.Kill()
	c := start(t, func(c *server.Config) { c.Redis = "redis://" + r.Addr() + "/0" })
	c.send(patientP1, phq9("r1", "p1", monday, 0, 0, 0, 0, 0, 0, 0, 0, 1))
	all := client.StreamKey("default", "all")
	full := func(n int64) {
		t.Helper()
		rdb := redis.NewClient(&redis.Options{Addr: r.Addr()})
		defer rdb.Close()
		last := "0"
		for seen := int64(0); seen < n; {
			read, err := rdb.XRead(t.Context(), &redis.XReadArgs{Streams: []string{all, last}, Block: 20 * time.Second}).Result()
			if err != nil {
				t.Fatalf("after %d of %d entries: %v", seen, n, err)
			}
			for _, m := range read[0].Messages {
				if seen++; m.ID != fmt.Sprintf("%d-0", seen) {
					t.Fatalf("entry %d has the id %s", seen, m.ID)
				}
				last = m.ID
			}
		}
	}
	if err := r.Restart(); err != nil {
		t.Fatal(err)
	}
	full(3)
	r.Kill()
	c.send(phq9("r2", "p1", monday.Add(time.Hour), 0, 0, 0, 0, 0, 0, 0, 0, 0))
	if err := r.Restart(); err != nil {
		t.Fatal(err)
	}
	full(4)
}

func TestACrowdAtBothDoorsOfTwoServersHasOneEffectEach(t *testing.T) {
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			store := newStore(t, engine)
			doors := []*clinic{start(t, func(c *server.Config) { c.Store = store })}
			if engine == "postgres" {
				doors = append(doors, start(t, func(c *server.Config) { c.Store = store }))
			}
			bodies := make([]string, 100)
			for i := range bodies {
				bodies[i] = phq9(fmt.Sprint("r", i), fmt.Sprint("p", i%7), monday.Add(time.Duration(i%13)*time.Hour), i%4, 1, 2, 1, 0, 1, 1, 1, i%3)
			}
			var effects [100]atomic.Int64
			var crowd sync.WaitGroup
			for n := range 20 {
				crowd.Go(func() {
					for i := range bodies {
						at := (i*7 + n*13) % len(bodies)
						if doors[n/2%len(doors)].first(n%2 == 0, bodies[at]) {
							effects[at].Add(1)
						}
					}
				})
			}
			crowd.Wait()
			for i := range effects {
				if n := effects[i].Load(); n != 1 {
					t.Errorf("item %d had %d effects", i, n)
				}
			}
			if report := verified(t, store); report.Facts != len(bodies) {
				t.Errorf("%+v", report)
			}
			quarrel(t, doors, bodies)
			verified(t, store)
		})
	}
}

// first sends a body through one of the doors and says whether it was the first time.
func (c *clinic) first(overREST bool, body string) bool {
	if overREST {
		code, answer := c.rest("/fhir/QuestionnaireResponse", body)
		if code != http.StatusCreated && code != http.StatusOK {
			c.t.Errorf("%d %s", code, answer)
		}
		return code == http.StatusCreated
	}
	resp, err := c.ingest.Ingest(c.t.Context(), &rapportv1.IngestRequest{Source: "ehr", Items: []*rapportv1.Item{{Body: []byte(body)}}})
	if err != nil {
		c.t.Error(err)
		return false
	}
	outcome := resp.GetResults()[0].GetOutcome()
	if outcome != rapportv1.Outcome_OUTCOME_SCORED && outcome != rapportv1.Outcome_OUTCOME_UNCHANGED {
		c.t.Errorf("%v", resp)
	}
	return outcome == rapportv1.Outcome_OUTCOME_SCORED
}

// quarrel acknowledges and resolves every alert while what lies behind them is withdrawn and moved to other patients.
func quarrel(t *testing.T, doors []*clinic, bodies []string) {
	a, b := doors[0], doors[len(doors)-1]
	var crowd sync.WaitGroup
	for i, found := range a.listAlerts(&rapportv1.ListAlertsRequest{}) {
		id, version := found.GetId(), found.GetVersion()
		var acknowledged, resolved error
		crowd.Go(func() {
			var pair sync.WaitGroup
			pair.Go(func() {
				_, acknowledged = a.alerts.Acknowledge(t.Context(), &rapportv1.AcknowledgeRequest{Id: id, Version: version, Actor: "Practitioner/d1"})
			})
			pair.Go(func() {
				_, resolved = b.alerts.Resolve(t.Context(), &rapportv1.ResolveRequest{Id: id, Version: version, Actor: "Practitioner/d2", Reason: "contacted"})
			})
			pair.Wait()
			if acknowledged == nil && resolved == nil {
				t.Errorf("alert %s was changed twice from version %d", id, version)
			}
		})
		crowd.Go(func() {
			body := bodies[i%len(bodies)]
			withdrawn, moved := strings.Replace(body, `"completed"`, `"entered-in-error"`, 1), strings.ReplaceAll(body, "Patient/p", "Patient/q")
			for _, r := range append(a.send(withdrawn), b.send(moved)...) {
				if r.GetOutcome() == rapportv1.Outcome_OUTCOME_REJECTED {
					t.Errorf("%v", r)
				}
			}
		})
	}
	crowd.Wait()
}

func TestAServerThatSleptAMonthCatchesUpOnce(t *testing.T) {
	store := newStore(t, "sqlite")
	c := start(t, func(c *server.Config) { c.Store = store })
	const patients = 300
	var bodies []string
	for i := range patients {
		bodies = append(bodies, phq9(fmt.Sprint("r", i), fmt.Sprint("p", i), monday, 0, 0, 0, 0, 0, 0, 0, 0, 0),
			fmt.Sprintf(`{"resourceType":"CareTeam","id":"t%d","status":"active","subject":{"reference":"Patient/p%d"}}`, i, i))
	}
	c.send(bodies...)
	c.later(30 * 24 * time.Hour)
	if n, err := c.Sweep(t.Context()); err != nil || n != patients {
		t.Fatalf("%d episodes moved, %v", n, err)
	}
	if n, err := c.Sweep(t.Context()); err != nil || n != 0 {
		t.Errorf("a second look moved %d, %v", n, err)
	}
	if alerts := c.listAlerts(&rapportv1.ListAlertsRequest{PageSize: 500, Rule: "silence"}); len(alerts) != patients {
		t.Errorf("%d alerts for %d silent patients", len(alerts), patients)
	}
	verified(t, store)
}

func TestAReaderThatDoesNotReadHoldsNobodyUpAndCatchesUp(t *testing.T) {
	c := start(t, nil)
	all := &rapportv1.SubscribeRequest{Cursors: []*rapportv1.Cursor{{Feed: "all"}}}
	lazy, err := c.alerts.Subscribe(t.Context(), all)
	if err != nil {
		t.Fatal(err)
	}
	own, err := grpc.NewClient(c.Addr(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	eager, err := rapportv1.NewAlertServiceClient(own).Subscribe(t.Context(), all)
	if err != nil {
		t.Fatal(err)
	}
	const events = 10_000
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		for n := range events / 1000 {
			req := &rapportv1.IngestRequest{Source: "ehr"}
			for i := range 1000 {
				req.Items = append(req.Items, &rapportv1.Item{Body: []byte(fmt.Sprintf(`{"resourceType":"Patient","id":"e%d"}`, n*1000+i))})
			}
			if _, err := c.ingest.Ingest(t.Context(), req); err != nil {
				t.Error(err)
			}
		}
	}()
	dense := func(stream grpc.ServerStreamingClient[rapportv1.SubscribeResponse]) {
		t.Helper()
		for n := int64(1); n <= events; {
			m, err := stream.Recv()
			if err != nil {
				t.Fatalf("after %d events: %v", n-1, err)
			}
			if e := m.GetEvent(); e != nil {
				if e.GetSeq() != n {
					t.Fatalf("event %d follows event %d", e.GetSeq(), n-1)
				}
				n++
			}
		}
	}
	dense(eager)
	<-sent
	dense(lazy)
	if err := c.Stop(context.Background()); err != nil {
		t.Error(err)
	}
	for {
		if _, err = lazy.Recv(); err != nil {
			break
		}
	}
	if status.Code(err) != codes.Unavailable {
		t.Errorf("the stop ended the stream with %v", err)
	}
}

func TestAStreamWhoseCommitsFailEndsAlthoughItsClientIsSilent(t *testing.T) {
	p, err := testbed.StartPostgres(testbed.PostgresOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	if err := p.Exec("CREATE DATABASE silent"); err != nil {
		t.Fatal(err)
	}
	c := start(t, func(config *server.Config) { config.Store, config.Redis = p.URL("silent"), "none" })
	stream, err := c.ingest.IngestStream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	p.Kill()
	if err := stream.Send(&rapportv1.IngestStreamRequest{Source: "ehr", Sequence: 1, Item: &rapportv1.Item{Body: []byte(patientP1)}}); err != nil {
		t.Fatal(err)
	}
	if ack, err := stream.Recv(); status.Code(err) != codes.Unavailable {
		t.Errorf("the stream went on with %v, %v", ack, err)
	}
}
