// Package testbed gives tests the official FHIR examples and private PostgreSQL and Redis servers, on free loopback
// ports and in temporary folders, and stops only what it started.
package testbed

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// startLimit and stopLimit bound how long a server may take.
const (
	startLimit = 60 * time.Second
	stopLimit  = 20 * time.Second
)

// process is a server program that can be started again and again on the same data.
type process struct {
	name string
	// log collects what it prints, for when it does not start.
	log string
	// command makes the command afresh.
	command func() *exec.Cmd
	// ready succeeds once the server answers.
	ready func(context.Context) error
	// gentle is the signal that asks it to end.
	gentle syscall.Signal

	mu     sync.Mutex
	cmd    *exec.Cmd
	exited chan struct{}
}

// start runs the program and waits until it answers.
func (p *process) start() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running() {
		return nil
	}
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := p.command()
	cmd.Stdout, cmd.Stderr = log, log
	exited := make(chan struct{})
	started := make(chan error)
	go func() {
		// The kernel ties "die with your parent" to the thread that started the child, so that thread is kept.
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // How it ended shows in its log.
		}
		close(exited)
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("starting %s: %w", p.name, err)
	}
	p.cmd, p.exited = cmd, exited
	return p.wait()
}

func (p *process) wait() error {
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	for {
		err := p.ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.exited:
			return fmt.Errorf("%s ended at once: %s", p.name, p.tail())
		case <-ctx.Done():
			p.signal(syscall.SIGKILL)
			return fmt.Errorf("%s did not answer within %v (%w): %s", p.name, startLimit, err, p.tail())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (p *process) tail() string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(text[max(0, len(text)-2000):]))
}

func (p *process) pid() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return 0
	}
	return p.cmd.Process.Pid
}

func (p *process) running() bool {
	if p.exited == nil {
		return false
	}
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// signal sends to the program and all that it started. The parent comes first, so that it replaces nobody meanwhile.
func (p *process) signal(s syscall.Signal) {
	family := append([]int{p.cmd.Process.Pid}, children(p.cmd.Process.Pid)...)
	for _, pid := range family {
		_ = syscall.Kill(pid, s) // One that is gone already needs no signal.
	}
}

// kill ends it as a power cut would: nobody gets to say anything.
func (p *process) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.running() {
		return
	}
	p.signal(syscall.SIGKILL)
	<-p.exited
}

func (p *process) pause() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running() {
		p.signal(syscall.SIGSTOP)
	}
}

func (p *process) resume() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running() {
		p.signal(syscall.SIGCONT)
	}
}

// stop asks it to end, and ends it when it does not.
func (p *process) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.running() {
		return
	}
	p.signal(syscall.SIGCONT)
	_ = p.cmd.Process.Signal(p.gentle) // It may just have ended by itself.
	select {
	case <-p.exited:
	case <-time.After(stopLimit):
		p.signal(syscall.SIGKILL)
		<-p.exited
	}
}

// freePort finds a loopback port that nobody uses at the moment.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	port := l.Addr().(*net.TCPAddr).Port
	return port, l.Close()
}

// errNotInstalled is within the errors of errMissing.
var errNotInstalled = errors.New("not installed")

// errMissing tells how to get a program.
func errMissing(program string) error {
	return fmt.Errorf("%s is %w; the tests and the benchmark need it: apt-get install postgresql redis-server", program, errNotInstalled)
}

// tries starts a server on another port when somebody else took the one that was free a moment ago.
func tries[T any](start func() (T, error)) (T, error) {
	var errs []error
	for range 3 {
		started, err := start()
		if err == nil {
			return started, nil
		}
		errs = append(errs, err)
		if errors.Is(err, errNotInstalled) {
			break
		}
	}
	var none T
	return none, errors.Join(errs...)
}
