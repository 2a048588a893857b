package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
)

// Command makes a command of the binary under test, such as `rapport serve --store …`.
type Command func(args ...string) *exec.Cmd

// child is a server under test in a process of its own, at addresses that stay the same when it is started again.
type child struct {
	command Command
	flags   []string
	// Addresses: gRPC, HTTP, and profiles when they are asked for.
	grpc, http, pprof string
	conn              *grpc.ClientConn

	mu     sync.Mutex
	cmd    *exec.Cmd
	output *tail
	exited chan struct{}
}

// newChild takes free addresses for a server with the given flags. It starts nothing yet.
func newChild(command Command, flags ...string) (*child, error) {
	addresses, err := freeAddresses(3)
	if err != nil {
		return nil, err
	}
	c := &child{command: command, flags: flags, grpc: addresses[0], http: addresses[1], pprof: addresses[2]}
	c.conn, err = dial(c.grpc)
	return c, err
}

// dial connects to a server that may go away and come back.
func dial(address string) (*grpc.ClientConn, error) {
	return grpc.NewClient(address,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 20 * time.Millisecond, Multiplier: 1.5, Jitter: 0.2, MaxDelay: 200 * time.Millisecond},
			MinConnectTimeout: time.Second,
		}))
}

// The ports that servers under test listen at: below those that systems give to outgoing connections, so that a port
// is still free when a killed server comes back.
const (
	lowestPort  = 15000
	highestPort = 32000
)

// freeAddresses are loopback addresses that nobody listens at for the moment.
func freeAddresses(n int) ([]string, error) {
	var addresses []string
	var last error
	for tries := 0; len(addresses) < n; tries++ {
		if tries > 100 {
			return nil, fmt.Errorf("no port is free between %d and %d: %w", lowestPort, highestPort, last)
		}
		address := fmt.Sprintf("127.0.0.1:%d", lowestPort+rand.IntN(highestPort-lowestPort))
		l, err := net.Listen("tcp", address)
		if err != nil {
			last = err
			continue
		}
		defer l.Close()
		addresses = append(addresses, address)
	}
	return addresses, nil
}

// start runs the server. It is not ready yet.
func (c *child) start() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	args := append([]string{"serve", "--listen", c.grpc, "--http-listen", c.http, "--log-level", "warn"}, c.flags...)
	cmd := c.command(args...)
	output := &tail{}
	cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = output, output, alone()
	exited, started := make(chan struct{}), make(chan error)
	go func() {
		runtime.LockOSThread() // the child ends when the thread that started it ends
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // how it ended shows in its output
		}
		close(exited)
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("starting the server: %w", err)
	}
	c.cmd, c.output, c.exited = cmd, output, exited
	return nil
}

// readyWithin bounds how long a server may take to be ready.
const readyWithin = 60 * time.Second

// ready waits until the server says that it serves.
func (c *child) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	if err := c.listening(ctx); err != nil {
		return err
	}
	c.conn.ResetConnectBackoff()
	for {
		answer, err := grpc_health_v1.NewHealthClient(c.conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{}, grpc.WaitForReady(true))
		if err == nil && answer.GetStatus() == grpc_health_v1.HealthCheckResponse_SERVING {
			return nil
		}
		if err := c.wait(ctx, time.Millisecond); err != nil {
			return err
		}
	}
}

// listening waits until somebody listens at the address.
func (c *child) listening(ctx context.Context) error {
	for {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", c.grpc)
		if err == nil {
			return conn.Close()
		}
		if err := c.wait(ctx, time.Millisecond); err != nil {
			return err
		}
	}
}

// wait is a short pause, cut short when the server or ctx ends.
func (c *child) wait(ctx context.Context, d time.Duration) error {
	select {
	case <-c.exited:
		return fmt.Errorf("the server ended by itself: %s", c.output)
	case <-ctx.Done():
		return errors.Join(fmt.Errorf("the server was not ready within %v: %s", readyWithin, c.output), ctx.Err())
	case <-time.After(d):
		return nil
	}
}

// pid of the running server.
func (c *child) pid() int { return c.cmd.Process.Pid }

// kill ends the server as a power cut would.
func (c *child) kill() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cmd == nil {
		return
	}
	_ = c.cmd.Process.Kill() // it may have ended by itself
	<-c.exited
}

// stopWithin bounds a graceful stop.
const stopWithin = 30 * time.Second

// stop asks the server to end, and kills it when it does not.
func (c *child) stop() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cmd == nil {
		return nil
	}
	select {
	case <-c.exited:
		return nil
	default:
	}
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-c.exited:
		return nil
	case <-time.After(stopWithin):
		_ = c.cmd.Process.Kill() // it may end just now
		<-c.exited
		return fmt.Errorf("the server did not stop within %v: %s", stopWithin, c.output)
	}
}

// close ends the server, however it stands, and the connection to it.
func (c *child) close() {
	c.kill()
	_ = c.conn.Close() // nothing is under way any more
}

// tail keeps the end of what a process prints.
type tail struct {
	mu   sync.Mutex
	text []byte
}

const tailBytes = 4 << 10

// Write keeps the end.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	t.text = t.text[max(0, len(t.text)-tailBytes):]
	return len(p), nil
}

// String is what was kept.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.text) == 0 {
		return "it printed nothing"
	}
	return string(bytes.TrimSpace(t.text))
}

// Environment is an environment without the settings of a server, so that a server under test has its defaults.
func Environment(of []string) []string {
	return slices.DeleteFunc(slices.Clone(of), func(setting string) bool { return strings.HasPrefix(setting, "RAPPORT_") })
}
