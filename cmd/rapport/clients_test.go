package main

import (
	"crypto/ecdh"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestClientsAreAddedShownRotatedAndRevoked(t *testing.T) {
	folder := t.TempDir()
	store, keys := "sqlite:"+filepath.Join(folder, "r.db"), filepath.Join(folder, "keys.json")
	if err := os.WriteFile(keys, validKeys(t), 0o600); err != nil {
		t.Fatal(err)
	}
	rapport(t, "clients", "list", "--store", store).want(t, exitDone, "No client is registered.")
	add := []string{"clients", "add", "ehr", "--store", store, "--scope", "system/*.rs", "--feed", "team:t1,role:physio", "--purpose", "TREAT,BTG"}
	rapport(t, append(add, "--jwks", keys)...).want(t, exitDone, "ehr is registered.")
	rapport(t, append(add, "--jwks", keys)...).want(t, exitFailed, "there is one of that id already")
	rapport(t, "clients", "list", "--store", store).want(t, exitDone, "ehr", "active", "system/*.rs")
	rapport(t, "clients", "show", "ehr", "--store", store).want(t, exitDone, "k1", "team:t1 role:physio", "TREAT BTG")
	rapport(t, "clients", "rotate", "ehr", "--store", store).want(t, exitUsage, "--jwks")
	rapport(t, "clients", "rotate", "ehr", "--store", store, "--jwks-url", "https://ehr.example/jwks").want(t, exitDone, "new keys")
	rapport(t, "clients", "revoke", "ehr", "--store", store).want(t, exitDone, "ehr is revoked.")
	rapport(t, "clients", "show", "ehr", "--store", store).want(t, exitDone, "revoked", "https://ehr.example/jwks")
	rapport(t, "clients", "revoke", "nobody", "--store", store).want(t, exitFailed, "no client of that id")
	for _, wrong := range [][]string{
		{"--scope", "everything", "--jwks", keys},
		{"--scope", "system/*.rs"},
		{"--scope", "system/*.rs", "--jwks-url", "http://ehr.example/jwks"},
		{"--scope", "system/*.rs", "--jwks", keys, "--feed", "nonsense"},
		{"--scope", "system/*.rs", "--jwks", keys, "--person", "somebody"},
	} {
		rapport(t, append([]string{"clients", "add", "bad", "--store", store}, wrong...)...).want(t, exitUsage)
	}
}

// validKeys is a JWKS of one fresh P-384 key.
func validKeys(t *testing.T) []byte {
	t.Helper()
	key, err := ecdh.P384().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point := key.PublicKey().Bytes()[1:]
	x, y := base64.RawURLEncoding.EncodeToString(point[:48]), base64.RawURLEncoding.EncodeToString(point[48:])
	return fmt.Appendf(nil, `{"keys":[{"kty":"EC","crv":"P-384","kid":"k1","alg":"ES384","use":"sig","x":%q,"y":%q}]}`, x, y)
}

func TestTheAuditOfANewStoreIsWholeAndEmpty(t *testing.T) {
	store := "sqlite:" + filepath.Join(t.TempDir(), "r.db")
	rapport(t, "audit", "verify", "--store", store).want(t, exitDone, "Nobody has changed the audit.")
	if r := rapport(t, "audit", "list", "--store", store, "-o", "json").want(t, exitDone); strings.TrimSpace(r.out) != "" {
		t.Errorf("listed %s", r.out)
	}
	gone := filepath.Join(t.TempDir(), "audit.ndjson")
	if err := os.WriteFile(gone, []byte(`{"tenant":"default","seq":3,"hash":"ab"}`+"\n"+`{"cut`), 0o600); err != nil {
		t.Fatal(err)
	}
	rapport(t, "audit", "verify", "--store", store, "--against", gone).want(t, exitFailed, "record 3 was exported and is not there")
}
