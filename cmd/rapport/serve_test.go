package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// certificate writes a self-signed certificate and its key, good for the names and addresses.
func certificate(t *testing.T, addresses ...net.IP) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, IPAddresses: addresses, DNSNames: []string{"rapport.example.org"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return file(t, "tls.crt", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))),
		file(t, "tls.key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})))
}

var readyAt = regexp.MustCompile(`msg=ready grpc=(\S+)`)

// served starts `rapport serve` as a program and returns it with its address.
func served(t *testing.T, args ...string) (*child, string) {
	t.Helper()
	c := launch(t, append([]string{"serve", "--listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0", "--redis", "none"}, args...)...)
	eventually(t, "serve is ready", func() bool { return readyAt.MatchString(c.err.String()) })
	return c, readyAt.FindStringSubmatch(c.err.String())[1]
}

func TestTheCommandsReachAServerWithTLSAndTokensOnlyWithBoth(t *testing.T) {
	cert, key := certificate(t, net.IPv4(127, 0, 0, 1))
	tokens := filepath.Join(t.TempDir(), "tokens")
	token := strings.TrimSpace(rapport(t, "token", "ehr-main", "--file", tokens).want(t, exitDone).out)
	if text, err := os.ReadFile(tokens); err != nil || strings.Contains(string(text), token) {
		t.Fatalf("the file holds the token itself, or nothing: %s %v", text, err)
	}
	c, addr := served(t, "--store", "sqlite:"+filepath.Join(t.TempDir(), "x.db"), "--tls-cert", cert, "--tls-key", key, "--tokens", tokens)
	other, _ := certificate(t, net.IPv4(127, 0, 0, 1))
	bundle := "testdata/fhir/bundle.json"

	rapport(t, "ingest", "--addr", addr, "--ca-cert", cert, "--bearer", token, bundle).want(t, exitDone, "2 resources")
	rapport(t, "ingest", "--addr", addr, "--tls-cert", cert, "--bearer", token, bundle).want(t, exitDone, "2  unchanged")
	rapport(t, "watch", "--addr", addr, "--tls-cert", cert, "--bearer", token, "--max", "1").want(t, exitDone, "all@1 ")
	rapport(t, "ingest", "--addr", addr, "--ca-cert", cert, bundle).want(t, exitFailed, "RAPPORT_BEARER")
	rapport(t, "alerts", "--addr", addr, "--ca-cert", cert, "--bearer", "wrong").want(t, exitFailed, "does not know this token")
	rapport(t, "ingest", "--addr", addr, "--bearer", token, bundle).want(t, exitFailed, "it may want TLS")
	rapport(t, "health", "--addr", addr, "--ca-cert", other).want(t, exitFailed, "certificate")
	rapport(t, "health", "--addr", addr, "--tls-cert", other).want(t, exitFailed, "another certificate")
	rapport(t, "health", "--addr", addr, "--ca-cert", cert).want(t, exitDone, "serving")
	t.Run("health finds the certificate where serve has it", func(t *testing.T) {
		t.Setenv("RAPPORT_TLS_CERT", cert)
		rapport(t, "health", "--addr", addr).want(t, exitDone, "serving")
	})
	c.signal(syscall.SIGTERM)
	if code := c.code(); code != exitDone || !strings.Contains(c.err.String(), "stopped") {
		t.Errorf("exit code %d: %s", code, c.err.String())
	}
	rapport(t, "health", "--addr", addr, "--tls-cert", cert, "--within", "2s").want(t, exitFailed, "no server answers at "+addr)
}

func TestAPinnedCertificateIsTrustedWhateverNamesItHas(t *testing.T) {
	cert, key := certificate(t)
	_, addr := served(t, "--store", "sqlite:"+filepath.Join(t.TempDir(), "x.db"), "--tls-cert", cert, "--tls-key", key)
	rapport(t, "health", "--addr", addr, "--ca-cert", cert).want(t, exitFailed)
	rapport(t, "health", "--addr", addr, "--tls-cert", cert).want(t, exitDone, "serving")
}

func TestMigrateAndVerifyADatabase(t *testing.T) {
	store := "sqlite:" + filepath.Join(t.TempDir(), "x.db")
	rapport(t, "migrate", "--store", store).want(t, exitDone, "The schema went from version 0 to ")
	rapport(t, "migrate", "--store", store).want(t, exitDone, "already")
	var versions struct{ From, To int64 }
	r := rapport(t, "migrate", "--store", store, "-o", "json").want(t, exitDone)
	if err := json.Unmarshal([]byte(r.out), &versions); err != nil || versions.From != versions.To || versions.To == 0 {
		t.Errorf("%q: %v", r.out, err)
	}
	rapport(t, "verify", "--store", store).want(t, exitDone, "0 tenants", "Everything is as it must be.")
	rapport(t, "verify", "--store", store, "-o", "json").want(t, exitDone, `"tenants":0`)
	rapport(t, "verify", "--store", "sqlite:"+file(t, "text.db", "no database")).want(t, exitFailed)
}

func TestWatchFollowsUntilItIsInterrupted(t *testing.T) {
	startClinic(t, nil)
	c := launch(t, "watch", "all", "-o", "json")
	rapport(t, "ingest", "-q", "testdata/fhir/bundle.json").want(t, exitDone)
	eventually(t, "both events arrive", func() bool { return strings.Count(c.out.String(), "\n") == 2 })
	rapport(t, "ingest", "-q", "testdata/fhir/first.json").want(t, exitDone)
	eventually(t, "the third arrives live", func() bool { return strings.Count(c.out.String(), "\n") == 3 })
	c.signal(os.Interrupt)
	if code := c.code(); code != exitDone || c.err.String() != "" {
		t.Errorf("exit code %d: %s", code, c.err.String())
	}
}

func TestWatchEndsQuietlyWhenItsReaderHasEnough(t *testing.T) {
	startClinic(t, nil)
	rapport(t, "ingest", "-q", "testdata/fhir/bundle.json").want(t, exitDone)
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	c := prepare(t, "watch")
	c.cmd.Stdout = write
	c.start()
	write.Close()
	if n, err := read.Read(make([]byte, 1)); n != 1 {
		t.Fatal(err)
	}
	read.Close()
	rapport(t, "ingest", "-q", "testdata/fhir/first.json").want(t, exitDone)
	if code := c.code(); code != exitDone || c.err.String() != "" {
		t.Errorf("exit code %d: %s", code, c.err.String())
	}
}

func TestAFullDiskIsNoSuccess(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	c := prepare(t, "instruments")
	c.cmd.Stdout = full
	c.start()
	if code := c.code(); code != exitFailed || !strings.Contains(c.err.String(), "no space left") {
		t.Errorf("exit code %d: %s", code, c.err.String())
	}
}
