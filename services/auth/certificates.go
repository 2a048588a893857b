package auth

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"
)

// Files are what is read at the start and again whenever one of them changes.
type Files struct {
	paths []string
	load  func() error
	log   *slog.Logger
	seen  [][]byte
}

// rereadEvery is how soon a changed file counts.
const rereadEvery = 10 * time.Second

// NewFiles loads once. Errors: those of load.
func NewFiles(log *slog.Logger, load func() error, paths ...string) (*Files, error) {
	f := &Files{paths: paths, load: load, log: log}
	f.seen = f.read()
	return f, load()
}

// read is what the files hold now; nil for one that cannot be read.
func (f *Files) read() [][]byte {
	out := make([][]byte, len(f.paths))
	for i, p := range f.paths {
		out[i], _ = os.ReadFile(p) // load says what is wrong with one that cannot be read
	}
	return out
}

// Look loads the files again if one of them has changed. What cannot be loaded leaves everything as it was, and is tried
// again once it has changed again.
func (f *Files) Look() {
	now := f.read()
	same := true
	for i := range now {
		same = same && bytes.Equal(now[i], f.seen[i])
	}
	if same {
		return
	}
	f.seen = now
	if err := f.load(); err != nil {
		f.log.Error("a changed file cannot be used; the old one still counts", "error", err)
		return
	}
	f.log.Info("changed files were loaded", "files", f.paths)
}

// Run looks again and again, and at once whenever told to, until ctx ends.
func (f *Files) Run(ctx context.Context, now <-chan os.Signal) {
	ticker := time.NewTicker(rereadEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-now:
		case <-ctx.Done():
			return
		}
		f.Look()
	}
}

// Certificates are the certificate to show and the authorities of clients, as they were last loaded. New connections get
// them; those that are open keep theirs.
type Certificates struct {
	cert, key, authorities string
	current                atomic.Pointer[tls.Config]
}

// NewCertificates is over PEM files; without authorities no client is asked for a certificate.
func NewCertificates(cert, key, authorities string) *Certificates {
	return &Certificates{cert: cert, key: key, authorities: authorities}
}

// Paths of the files.
func (c *Certificates) Paths() []string {
	paths := []string{c.cert, c.key}
	if c.authorities != "" {
		paths = append(paths, c.authorities)
	}
	return paths
}

// Load reads the files, all or none.
func (c *Certificates) Load() error {
	pair, err := tls.LoadX509KeyPair(c.cert, c.key)
	if err != nil {
		return fmt.Errorf("--tls-cert, --tls-key: %w", err)
	}
	next := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}
	if c.authorities != "" {
		text, err := os.ReadFile(c.authorities)
		if err != nil {
			return fmt.Errorf("--client-ca: %w", err)
		}
		next.ClientCAs = x509.NewCertPool()
		if !next.ClientCAs.AppendCertsFromPEM(text) {
			return fmt.Errorf("--client-ca %s: no certificate in it", c.authorities)
		}
		next.ClientAuth = tls.VerifyClientCertIfGiven
	}
	c.current.Store(next)
	return nil
}

// TLS is the configuration for a listener.
func (c *Certificates) TLS() *tls.Config {
	config := c.current.Load().Clone()
	config.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return c.current.Load(), nil }
	return config
}
