package server_test

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
	"github.com/rapport-health/rapport/services/domain/access"
	"github.com/rapport-health/rapport/services/server"
)

// authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key := newKey(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{cert, key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}
}

// issue makes a certificate for a name, as PEM.
func (a *authority) issue(t *testing.T, name string, serial int64) (cert, key []byte) {
	t.Helper()
	own := newKey(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{name},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, own.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(own)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})
}

func write(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestCertificatesAreReloadedAndClientsComeInByTheirs(t *testing.T) {
	folder, servers, clients := t.TempDir(), newAuthority(t), newAuthority(t)
	file := func(name string) string { return filepath.Join(folder, name) }
	cert, key := servers.issue(t, "first", 11)
	write(t, file("cert"), cert)
	write(t, file("key"), key)
	write(t, file("ca"), clients.pem)
	g := startGated(t, func(c *server.Config) {
		c.TLSCert, c.TLSKey, c.Access.ClientCA = file("cert"), file("key"), file("ca")
	})
	g.register("ehr", "default", "system/Observation.rs", func(c *access.Client) { c.Keys, c.Certificate = nil, "CN=ehr.example" })
	if err := g.RefreshClients(t.Context()); err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(servers.cert)
	// connect asks on a new connection, and returns the status and the serial number of the server's certificate.
	connect := func(config *tls.Config) (int, int64, error) {
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}}
		resp, err := client.Get("https://" + g.HTTPAddr() + "/fhir/Observation?patient=p1")
		if err != nil {
			return 0, 0, err
		}
		_ = resp.Body.Close()
		return resp.StatusCode, resp.TLS.PeerCertificates[0].SerialNumber.Int64(), nil
	}
	plain := &tls.Config{RootCAs: roots}
	if code, serial, err := connect(plain); err != nil || code != http.StatusUnauthorized || serial != 11 {
		t.Errorf("without a certificate: %d %d %v", code, serial, err)
	}
	if _, _, err := connect(&tls.Config{RootCAs: roots, MaxVersion: tls.VersionTLS11}); err == nil {
		t.Error("TLS 1.1 is spoken")
	}
	shown := func(by *authority, name string) *tls.Config {
		cert, key := by.issue(t, name, 77)
		pair, err := tls.X509KeyPair(cert, key)
		if err != nil {
			t.Fatal(err)
		}
		return &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}}
	}
	if code, _, err := connect(shown(clients, "ehr.example")); err != nil || code != http.StatusOK {
		t.Errorf("by certificate: %d %v", code, err)
	}
	if code, _, err := connect(shown(clients, "other.example")); err != nil || code != http.StatusUnauthorized {
		t.Errorf("by a certificate that is not registered: %d %v", code, err)
	}
	if _, _, err := connect(shown(servers, "ehr.example")); err == nil {
		t.Error("a certificate of another authority is taken")
	}
	conn, err := grpc.NewClient(g.Addr(), grpc.WithTransportCredentials(credentials.NewTLS(shown(clients, "ehr.example"))))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if _, err := rapportv1.NewOutcomeServiceClient(conn).ListScores(t.Context(), &rapportv1.ListScoresRequest{Patient: "p1"}); status.Code(err) != codes.NotFound {
		t.Errorf("by certificate over gRPC: %v", err)
	}
	if _, err := rapportv1.NewAlertServiceClient(conn).ListAlerts(t.Context(), &rapportv1.ListAlertsRequest{}); status.Code(err) != codes.PermissionDenied {
		t.Errorf("beyond its scopes over gRPC: %v", err)
	}

	write(t, file("cert"), []byte("broken"))
	g.Reload()
	if _, serial, err := connect(plain); err != nil || serial != 11 {
		t.Errorf("after a broken certificate: %d %v", serial, err)
	}
	cert, key = servers.issue(t, "second", 12)
	write(t, file("cert"), cert)
	g.Reload() // the key does not go with it yet
	if _, serial, err := connect(plain); err != nil || serial != 11 {
		t.Errorf("with half of a new pair: %d %v", serial, err)
	}
	write(t, file("key"), key)
	g.Reload()
	if _, serial, err := connect(plain); err != nil || serial != 12 {
		t.Errorf("after the reload: %d %v", serial, err)
	}
}

func TestAServerThatOthersCanReachWantsTLSAndToKnowItsCallers(t *testing.T) {
	for what, change := range map[string]func(*server.Config){
		"nothing":                func(*server.Config) {},
		"TLS alone":              func(c *server.Config) { c.TLSCert, c.TLSKey = "c", "k" },
		"clients alone":          func(c *server.Config) { c.Access.Registered = true },
		"an issuer without TLS":  func(c *server.Config) { c.Access.Issuer.Issuer = "https://issuer.example" },
		"a token file alone":     func(c *server.Config) { c.Tokens = "t" },
		"authorities of clients": func(c *server.Config) { c.Access.ClientCA = "ca" },
	} {
		c := server.Default()
		c.Listen = "0.0.0.0:7401"
		change(&c)
		if c.Validate() == nil {
			t.Errorf("with %s it listens for all", what)
		}
	}
	c := server.Default()
	c.Listen, c.TLSCert, c.TLSKey, c.Access.Registered = "0.0.0.0:7401", "c", "k", true
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
}
