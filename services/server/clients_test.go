package server_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/rapport-health/rapport/services/domain/access"
	"github.com/rapport-health/rapport/services/server"
	"github.com/rapport-health/rapport/services/testbed"
)

func TestUnmodifiedClientsWorkTheFirstTime(t *testing.T) {
	scripts, flags := scriptsOfClients(t), flagsOfNode(t)
	for _, c := range []struct{ script, algorithm, host string }{
		{"fhir-kit-client.mjs", "RS384", "localhost"},
		{"fhirclient.mjs", "ES384", "127.0.0.1"},
		{"medplum.mjs", "ES384", "127.0.0.1"},
		{"conformance.mjs", "RS384", "127.0.0.1"},
		{"websocket.mjs", "ES384", "127.0.0.1"},
	} {
		t.Run(strings.TrimSuffix(c.script, ".mjs"), func(t *testing.T) {
			g := startGated(t, func(config *server.Config) { config.Now = time.Now })
			private, public := keyOf(t, c.algorithm)
			g.register("backend", "default", "system/*.cruds", func(client *access.Client) { client.Keys, client.Feeds = public, access.Grants{"*"} })
			node := exec.CommandContext(t.Context(), "node", append(flags, c.script)...)
			node.Dir = scripts
			_, port, _ := strings.Cut(g.HTTPAddr(), ":")
			node.Env = append(os.Environ(), "FHIR_BASE=http://"+c.host+":"+port+access.Prefix, "CLIENT_ID=backend", "CLIENT_KEY="+string(private))
			out, err := node.CombinedOutput()
			t.Logf("%s", out)
			if err != nil {
				t.Errorf("%s, which needs node, did not end well: %v", c.script, err)
			}
		})
	}
}

// flagsOfNode let it have WebSocket where it has it only when asked.
func flagsOfNode(t *testing.T) []string {
	t.Helper()
	const flag = "--experimental-websocket"
	has, err := exec.CommandContext(t.Context(), "node", "-p", "process.allowedNodeEnvironmentFlags.has('"+flag+"')").Output()
	if err != nil {
		t.Fatalf("these tests need node: %v", err)
	}
	if strings.TrimSpace(string(has)) == "true" {
		return []string{flag}
	}
	return nil
}

// scriptsOfClients is a copy of the scripts beside the packages that they import.
func scriptsOfClients(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	files, err := filepath.Glob("testdata/clients/*.mjs")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, filepath.Base(file)), text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(testbed.NodeModules(t, "fhir-kit-client", "fhirclient", "@medplum/core"), filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	return dir
}

// keyOf is a new key for an algorithm: as a private JWK, and as the JWKS that is registered.
func keyOf(t *testing.T, algorithm string) (private, public []byte) {
	t.Helper()
	var key any
	var err error
	if algorithm == "RS384" {
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	} else {
		key, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	}
	if err != nil {
		t.Fatal(err)
	}
	jwk := jose.JSONWebKey{Key: key, KeyID: "k1", Algorithm: algorithm, Use: "sig"}
	if private, err = json.Marshal(jwk); err != nil {
		t.Fatal(err)
	}
	if public, err = json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{jwk.Public()}}); err != nil {
		t.Fatal(err)
	}
	return private, public
}

func TestAMethodThatIsNotOfferedIsToldWithThoseThatAre(t *testing.T) {
	c := start(t, nil)
	for path, want := range map[string]string{
		"PUT /AuditEvent/a1-0": "GET, HEAD", "POST /AuditEvent": "GET, HEAD", "PUT /AuditEvent/_search": "POST", "PATCH /Subscription/1": "DELETE, GET, HEAD, PUT",
		"DELETE /metadata": "GET, HEAD", "DELETE /Patient/p1/_history/1": "GET, HEAD",
	} {
		method, path, _ := strings.Cut(path, " ")
		if got := c.must(http.StatusMethodNotAllowed, method, path, "{}").header.Get("Allow"); got != want {
			t.Errorf("%s %s: allowed are %q, want %q", method, path, got, want)
		}
	}
	c.must(http.StatusNotFound, "PUT", "/AuditEvent/a1-0/Goal", "{}")
	c.must(http.StatusNotFound, "PUT", "/Subscription/1/nothing", "{}")
}
