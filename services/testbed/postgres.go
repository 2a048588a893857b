package testbed

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// Postgres is a private PostgreSQL server.
type Postgres struct {
	process   process
	bin, home string
	port      int
	password  string
	as        *syscall.Credential
	databases atomic.Int64
}

// PostgresOptions say how a server is set up.
type PostgresOptions struct {
	// Sync makes commits wait for the disk. Tests that only kill the process do not need it; benchmarks do.
	Sync bool
	// Settings are further lines of postgresql.conf, by name.
	Settings map[string]string
}

// StartPostgres makes and starts a server. Stop it with Stop.
func StartPostgres(o PostgresOptions) (*Postgres, error) {
	return tries(func() (*Postgres, error) {
		p, err := newPostgres(o)
		if err != nil {
			return nil, err
		}
		if err := p.process.start(); err != nil {
			p.Stop()
			return nil, err
		}
		return p, nil
	})
}

func newPostgres(o PostgresOptions) (*Postgres, error) {
	bin, err := postgresBin()
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	home, err := os.MkdirTemp("", "rapport-postgres-")
	if err != nil {
		return nil, err
	}
	p := &Postgres{bin: bin, home: home, port: port, password: rand.Text()}
	if err := p.setUp(o); err != nil {
		return nil, errors.Join(err, os.RemoveAll(home))
	}
	p.process = process{
		name: "PostgreSQL", log: filepath.Join(home, "log"), command: func() *exec.Cmd { return p.program("postgres", "-D", p.data()) },
		ready: p.ready, gentle: syscall.SIGINT,
	}
	return p, nil
}

func (p *Postgres) data() string { return filepath.Join(p.home, "data") }

// setUp makes the data folder, for another user when we are root: PostgreSQL refuses to run as root.
func (p *Postgres) setUp(o PostgresOptions) error {
	secret := filepath.Join(p.home, "password")
	if err := os.WriteFile(secret, []byte(p.password), 0o600); err != nil {
		return err
	}
	if os.Geteuid() == 0 {
		as, err := unprivileged()
		if err != nil {
			return err
		}
		p.as = as
		for _, path := range []string{p.home, secret} {
			if err := os.Chown(path, int(as.Uid), int(as.Gid)); err != nil {
				return err
			}
		}
	}
	out, err := p.program("initdb", "-D", p.data(), "-U", "rapport", "--pwfile", secret, "-A", "md5",
		"--encoding=UTF8", "--locale=C.UTF-8", "--no-sync", "--no-instructions").CombinedOutput()
	if err != nil {
		return fmt.Errorf("initdb: %w: %s", err, out)
	}
	return p.configure(o)
}

func (p *Postgres) configure(o PostgresOptions) error {
	settings := map[string]string{
		"listen_addresses": "'127.0.0.1'", "port": strconv.Itoa(p.port), "unix_socket_directories": "''",
		"fsync": "off", "max_connections": "100", "shared_buffers": "'128MB'", "log_min_messages": "warning",
	}
	if o.Sync {
		settings["fsync"] = "on"
	}
	for name, value := range o.Settings {
		settings[name] = value
	}
	var conf strings.Builder
	for name, value := range settings {
		fmt.Fprintf(&conf, "%s = %s\n", name, value)
	}
	f, err := os.OpenFile(filepath.Join(p.data(), "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(conf.String())
	return errors.Join(err, f.Close())
}

func (p *Postgres) program(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(p.bin, name), args...)
	cmd.Dir = p.home
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C.UTF-8", "TZ=UTC"}
	cmd.SysProcAttr = attributes(p.as)
	return cmd
}

func (p *Postgres) ready(ctx context.Context) error {
	c, err := pgx.Connect(ctx, p.URL("postgres"))
	if err != nil {
		return err
	}
	return c.Close(ctx)
}

// URL of a database on the server.
func (p *Postgres) URL(database string) string {
	address := url.URL{
		Scheme: "postgres", User: url.UserPassword("rapport", p.password),
		Host: "127.0.0.1:" + strconv.Itoa(p.port), Path: database, RawQuery: "sslmode=disable",
	}
	return address.String()
}

// Fresh makes an empty database for a test and drops it when the test ends. It returns its URL.
func (p *Postgres) Fresh(t T) string {
	t.Helper()
	name := fmt.Sprintf("test%d", p.databases.Add(1))
	if err := p.Exec("CREATE DATABASE " + name); err != nil {
		t.Fatalf("making a database: %v", err)
	}
	t.Cleanup(func() {
		if err := p.Exec("DROP DATABASE IF EXISTS " + name + " WITH (FORCE)"); err != nil {
			t.Errorf("dropping a database: %v", err)
		}
	})
	return p.URL(name)
}

// Exec runs statements in the database `postgres` as superuser.
func (p *Postgres) Exec(statements ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	c, err := pgx.Connect(ctx, p.URL("postgres"))
	if err != nil {
		return err
	}
	defer c.Close(ctx)
	for _, s := range statements {
		if _, err := c.Exec(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// PID of the server, the parent of its backends; 0 before it runs.
func (p *Postgres) PID() int { return p.process.pid() }

// Kill ends the server and all its backends by kill -9.
func (p *Postgres) Kill() { p.process.kill() }

// Pause makes the server stand still with its connections open; Resume lets it go on.
func (p *Postgres) Pause() { p.process.pause() }

// Resume ends a Pause.
func (p *Postgres) Resume() { p.process.resume() }

// Restart starts the server after Kill, on the same port and data, and waits until it answers; a server that
// still runs is killed first.
func (p *Postgres) Restart() error {
	p.process.kill()
	deadline := time.Now().Add(startLimit)
	for {
		err := p.process.start()
		// Backends that outlive the kill for a moment hold on to the shared memory.
		if err == nil || time.Now().After(deadline) || !strings.Contains(err.Error(), "shared memory block") {
			return err
		}
	}
}

// Stop ends the server and removes its data.
func (p *Postgres) Stop() {
	p.process.stop()
	_ = os.RemoveAll(p.home) // What is left is left in a temporary folder.
}

// postgresBin is the folder of the newest installed server programs.
func postgresBin() (string, error) {
	if path, err := exec.LookPath("initdb"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			return filepath.Dir(path), nil
		}
	}
	var found []string
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin/initdb", "/usr/pgsql-*/bin/initdb", "/opt/homebrew/opt/postgresql@*/bin/initdb",
		"/usr/local/opt/postgresql@*/bin/initdb",
	} {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			return "", err
		}
		found = append(found, paths...)
	}
	if len(found) == 0 {
		return "", errMissing("PostgreSQL")
	}
	slices.Sort(found)
	return filepath.Dir(found[len(found)-1]), nil
}

// unprivileged is the user that PostgreSQL runs as when the tests run as root.
func unprivileged() (*syscall.Credential, error) {
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err1 == nil && err2 == nil {
			return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
		}
	}
	return nil, errors.New("PostgreSQL does not run as root, and there is no user postgres or nobody to run it as")
}
