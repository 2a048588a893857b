package testbed

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Redis is a private Redis server.
type Redis struct {
	process process
	home    string
	port    int
	tlsPort int
	busPort int
}

// RedisOptions say how a server is set up.
type RedisOptions struct {
	// AppendOnly keeps every write in a file, flushed every second, so that a killed server comes back with its data.
	// Without it, it comes back empty.
	AppendOnly bool
	// Cluster makes it a Redis Cluster of one node, which refuses commands over several hash slots as every cluster does.
	Cluster bool
	// CA, Cert and Key are PEM files. With them it serves TLS too, at TLSAddr, and asks for no certificate of its clients.
	CA, Cert, Key string
	// Settings are further arguments of redis-server, such as "--requirepass", "secret" or "--user", "…".
	Settings []string

	// member leaves a server in cluster mode without slots, for others to join.
	member bool
}

// arguments of redis-server.
func (o RedisOptions) arguments(home string, port, tlsPort, bus int) []string {
	appendOnly := "no"
	if o.AppendOnly {
		appendOnly = "yes"
	}
	args := []string{
		"--bind", "127.0.0.1", "--port", strconv.Itoa(port), "--dir", home, "--save", "", "--appendonly", appendOnly,
	}
	if o.Cluster || o.member {
		args = append(args, "--cluster-enabled", "yes", "--cluster-port", strconv.Itoa(bus), "--cluster-announce-ip", "127.0.0.1",
			"--cluster-node-timeout", "1000")
	}
	if o.Cert != "" {
		args = append(args, "--tls-port", strconv.Itoa(tlsPort), "--tls-ca-cert-file", o.CA, "--tls-cert-file", o.Cert,
			"--tls-key-file", o.Key, "--tls-auth-clients", "no")
	}
	return append(args, o.Settings...)
}

// StartRedis makes and starts a server. Stop it with Stop.
func StartRedis(o RedisOptions) (*Redis, error) {
	return tries(func() (*Redis, error) {
		program, err := exec.LookPath("redis-server")
		if err != nil {
			return nil, errMissing("redis-server")
		}
		port, tlsPort, bus, err := freePorts()
		if err != nil {
			return nil, err
		}
		home, err := os.MkdirTemp("", "rapport-redis-")
		if err != nil {
			return nil, err
		}
		r := &Redis{home: home, port: port, tlsPort: tlsPort, busPort: bus}
		r.process = process{
			name: "Redis", log: filepath.Join(home, "log"), ready: r.ready, gentle: syscall.SIGTERM,
			command: func() *exec.Cmd {
				cmd := exec.Command(program, o.arguments(home, port, tlsPort, bus)...)
				cmd.SysProcAttr = attributes(nil)
				return cmd
			},
		}
		err = r.process.start()
		if err == nil && o.Cluster {
			err = r.takeAllSlots()
		}
		if err != nil {
			r.Stop()
			return nil, err
		}
		return r, nil
	})
}

// freePorts are ports for plain text, for TLS and for the bus of a cluster.
func freePorts() (port, tls, bus int, err error) {
	for _, p := range []*int{&port, &tls, &bus} {
		if *p, err = freePort(); err != nil {
			return 0, 0, 0, err
		}
	}
	return port, tls, bus, nil
}

// FreshRedis starts an empty server for a test and stops it when the test ends.
func FreshRedis(t T, o RedisOptions) *Redis {
	t.Helper()
	r, err := StartRedis(o)
	if err != nil {
		t.Fatalf("starting Redis: %v", err)
	}
	t.Cleanup(r.Stop)
	return r
}

func (r *Redis) ready(ctx context.Context) error {
	return r.say(ctx, "PING", "+PONG")
}

// takeAllSlots makes a cluster of one node whole, and waits until it knows that it is.
func (r *Redis) takeAllSlots() error {
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	if err := r.say(ctx, "CLUSTER ADDSLOTSRANGE 0 16383", "+OK"); err != nil {
		return err
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		err := r.say(ctx, "EXISTS x", ":0")
		if err == nil || ctx.Err() != nil {
			return err
		}
		<-tick.C
	}
}

// say sends one command, whose answer must begin as expected.
func (r *Redis) say(ctx context.Context, command, want string) error {
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", r.Addr())
	if err != nil {
		return err
	}
	defer c.Close()
	if deadline, ok := ctx.Deadline(); ok {
		if err := c.SetDeadline(deadline); err != nil {
			return err
		}
	}
	if _, err := c.Write([]byte(command + "\r\n")); err != nil {
		return err
	}
	answer, err := bufio.NewReader(c).ReadString('\n')
	if err == nil && !strings.HasPrefix(answer, want) {
		err = fmt.Errorf("Redis answers %q", strings.TrimSpace(answer))
	}
	return err
}

// Addr is host:port.
func (r *Redis) Addr() string { return "127.0.0.1:" + strconv.Itoa(r.port) }

// TLSAddr is host:port of the port that serves TLS.
func (r *Redis) TLSAddr() string { return "127.0.0.1:" + strconv.Itoa(r.tlsPort) }

// URL is the address as redis://host:port.
func (r *Redis) URL() string { return "redis://" + r.Addr() }

// PID of the server; 0 before it runs.
func (r *Redis) PID() int { return r.process.pid() }

// Kill ends the server by kill -9.
func (r *Redis) Kill() { r.process.kill() }

// Pause makes the server stand still with its connections open; Resume lets it go on.
func (r *Redis) Pause() { r.process.pause() }

// Resume ends a Pause.
func (r *Redis) Resume() { r.process.resume() }

// Restart starts the server after Kill, on the same port, and waits until it answers; a server that still runs is
// killed first.
func (r *Redis) Restart() error {
	r.process.kill()
	return r.process.start()
}

// Flush empties the server, as FLUSHALL does.
func (r *Redis) Flush() error {
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	return r.say(ctx, "FLUSHALL", "+OK")
}

// Stop ends the server and removes its data.
func (r *Redis) Stop() {
	r.process.stop()
	_ = os.RemoveAll(r.home) // What is left is left in a temporary folder.
}
