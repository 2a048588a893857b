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
)

// Redis is a private Redis server.
type Redis struct {
	process process
	home    string
	port    int
}

// RedisOptions say how a server is set up.
type RedisOptions struct {
	// AppendOnly keeps every write in a file, flushed every second, so that a killed server comes back with its data.
	// Without it, it comes back empty.
	AppendOnly bool
}

// StartRedis makes and starts a server. Stop it with Stop.
func StartRedis(o RedisOptions) (*Redis, error) {
	return tries(func() (*Redis, error) {
		program, err := exec.LookPath("redis-server")
		if err != nil {
			return nil, errMissing("redis-server")
		}
		port, err := freePort()
		if err != nil {
			return nil, err
		}
		home, err := os.MkdirTemp("", "rapport-redis-")
		if err != nil {
			return nil, err
		}
		appendOnly := "no"
		if o.AppendOnly {
			appendOnly = "yes"
		}
		r := &Redis{home: home, port: port}
		r.process = process{
			name: "Redis", log: filepath.Join(home, "log"), ready: r.ready, gentle: syscall.SIGTERM,
			command: func() *exec.Cmd {
				cmd := exec.Command(program, "--bind", "127.0.0.1", "--port", strconv.Itoa(port), "--dir", home, "--save", "",
					"--appendonly", appendOnly)
				cmd.SysProcAttr = attributes(nil)
				return cmd
			},
		}
		if err := r.process.start(); err != nil {
			r.Stop()
			return nil, err
		}
		return r, nil
	})
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
	if _, err := c.Write([]byte("PING\r\n")); err != nil {
		return err
	}
	answer, err := bufio.NewReader(c).ReadString('\n')
	if err == nil && !strings.HasPrefix(answer, "+PONG") {
		err = fmt.Errorf("Redis answers %q", strings.TrimSpace(answer))
	}
	return err
}

// Addr is host:port.
func (r *Redis) Addr() string { return "127.0.0.1:" + strconv.Itoa(r.port) }

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

// Stop ends the server and removes its data.
func (r *Redis) Stop() {
	r.process.stop()
	_ = os.RemoveAll(r.home) // What is left is left in a temporary folder.
}
