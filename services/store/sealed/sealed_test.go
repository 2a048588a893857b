package sealed

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/store"
)

// The vectors of https://c2sp.org/XAES-256-GCM; the two keys cover both cases of the subkey.
func TestItIsXAES256GCM(t *testing.T) {
	for _, v := range []struct {
		key          byte
		about, wants string
	}{
		{1, "", "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271"},
		{3, "c2sp.org/XAES-256-GCM", "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d"},
	} {
		s, err := newSealer(bytes.Repeat([]byte{v.key}, keySize))
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.seal(nil, []byte("ABCDEFGHIJKLMNOPQRSTUVWX"), []byte("XAES-256-GCM"), []byte(v.about))
		if err != nil || hex.EncodeToString(got[nonceSize:]) != v.wants {
			t.Errorf("key %d: %x, %v", v.key, got[nonceSize:], err)
		}
	}
	if _, err := newSealer(make([]byte, 16)); err == nil {
		t.Error("a short key was taken")
	}
}

type port = store.DataKeys

// table keeps data keys in memory; it does nothing else of the port.
type table struct {
	port
	rows []store.DataKey
}

func (t *table) DataKeys(context.Context) ([]store.DataKey, error) {
	return append([]store.DataKey{}, t.rows...), nil
}

func (t *table) KeepDataKey(_ context.Context, k store.DataKey) error {
	if int(k.ID) != len(t.rows)+1 {
		return fault.Newf(fault.Conflict, "conflict", "another was first")
	}
	t.rows = append(t.rows, k)
	return nil
}

func (t *table) RewrapDataKey(_ context.Context, was, becomes store.DataKey) error {
	if !bytes.Equal(t.rows[was.ID-1].Wrapped, was.Wrapped) {
		return fault.Newf(fault.Conflict, "conflict", "another was first")
	}
	t.rows[was.ID-1] = becomes
	return nil
}

// keyFile is a file of master keys, the last one current.
func keyFile(t testing.TB, keys ...string) Master {
	t.Helper()
	path := filepath.Join(t.TempDir(), "master.key")
	if err := os.WriteFile(path, []byte("# keys\n"+strings.Join(keys, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	m, err := ParseMaster("file:" + path)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func box(t testing.TB, m Master, keys *table) *Box {
	t.Helper()
	b, err := New(t.Context(), m, keys)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestWhatWasSealedOpensInItsOwnPlaceAlone(t *testing.T) {
	b := box(t, keyFile(t, NewMaster()), &table{})
	about := rapid.Custom(func(t *rapid.T) About {
		text := rapid.StringN(0, 3, -1)
		return About{
			rapid.SampledFrom([]string{"fact", "alert", "resource"}).Draw(t, "kind"), "clinic", text.Draw(t, "a"), text.Draw(t, "b"),
			rapid.Int64Range(0, 2).Draw(t, "n"),
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		plain := rapid.SliceOf(rapid.Byte()).Draw(t, "plain")
		here, there := about.Draw(t, "here"), about.Draw(t, "there")
		column := b.Seal(plain, here)
		if len(plain) > 8 && bytes.Contains(column, plain) {
			t.Fatal("it can be read")
		}
		got, err := b.Open(t.Context(), column, here)
		if err != nil || !bytes.Equal(got, plain) {
			t.Fatalf("%x became %x, %v", plain, got, err)
		}
		if _, err := b.Open(t.Context(), column, there); (err == nil) != (here == there || len(plain) == 0) {
			t.Fatalf("sealed about %+v, opened about %+v: %v", here, there, err)
		}
		if len(plain) == 0 {
			return
		}
		at := rapid.IntRange(headerSize, len(column)-1).Draw(t, "at")
		column[at] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		if _, err := b.Open(t.Context(), column, here); fault.Of(err) != fault.Internal || err == nil {
			t.Fatalf("a changed byte: %v", err)
		}
	})
}

func TestRowsOfDifferentPlacesAreNeverAboutTheSame(t *testing.T) {
	seen := map[string]About{}
	for _, a := range []About{
		Resource("t", "Patient", "1", 1), Resource("t", "Patient", "1", 2), Resource("tP", "atient", "1", 1), Fact("t", "1", 1), State("t", "1"),
		Alert("t", "1"), Event("t", "1", 1), Event("t", "1", 2), Other("x", "t", "1"), Fact("t", "1", 2), Resource("u", "Patient", "1", 1),
	} {
		name := string(a.bytes(nil))
		if other, there := seen[name]; there {
			t.Errorf("%+v and %+v", a, other)
		}
		seen[name] = a
	}
}

func TestPlainRowsAreReadAsTheyAre(t *testing.T) {
	b := box(t, keyFile(t, NewMaster()), &table{})
	for _, plain := range []string{`{"id":"1"}`, "[]", "", "x"} {
		for _, one := range []*Box{b, nil} {
			if got, err := one.Open(t.Context(), []byte(plain), Alert("t", "1")); err != nil || string(got) != plain {
				t.Errorf("%q became %q, %v", plain, got, err)
			}
		}
		if got := (*Box)(nil).Seal([]byte(plain), Alert("t", "1")); string(got) != plain {
			t.Errorf("without a box %q became %q", plain, got)
		}
	}
	var none *Box
	if _, err := none.Open(t.Context(), b.Seal([]byte("{}"), Alert("t", "1")), Alert("t", "1")); fault.Of(err) != fault.Precondition ||
		!strings.Contains(err.Error(), "--master-key") {
		t.Errorf("without a master key: %v", err)
	}
}

func TestTheMasterKeyIsRotatedWhileServersRun(t *testing.T) {
	keys := &table{}
	first, second := NewMaster(), NewMaster()
	early := box(t, keyFile(t, first), keys)
	both := keyFile(t, first, second)
	running := box(t, both, keys)
	old := running.Seal([]byte("{1}"), Alert("t", "1"))

	rewrapped, err := Rotate(t.Context(), both, keys)
	if err != nil || rewrapped != 1 || len(keys.rows) != 2 {
		t.Fatal(rewrapped, err)
	}
	if running.Current() != 1 {
		t.Error("it took note by itself")
	}
	if err := running.Refresh(t.Context()); err != nil || running.Current() != 2 {
		t.Fatal(running.Current(), err)
	}
	fresh := running.Seal([]byte("{2}"), Alert("t", "1"))
	started := box(t, keyFile(t, second), keys)
	for name, b := range map[string]*Box{"that ran": running, "that started": started} {
		for n, column := range [][]byte{old, fresh} {
			if got, err := b.Open(t.Context(), column, Alert("t", "1")); err != nil || string(got) != fmt.Sprintf("{%d}", n+1) {
				t.Errorf("the server %s reads %q, %v", name, got, err)
			}
		}
	}
	if got, err := early.Open(t.Context(), old, Alert("t", "1")); err != nil || string(got) != "{1}" {
		t.Errorf("a server without the new master key reads the old rows: %q, %v", got, err)
	}
	if _, err := early.Open(t.Context(), fresh, Alert("t", "1")); fault.Of(err) != fault.Precondition {
		t.Errorf("a server without the new master key: %v", err)
	}
	_, err = New(t.Context(), keyFile(t, first), keys)
	if fault.Of(err) != fault.Precondition || !strings.Contains(err.Error(), "wrong master key") {
		t.Errorf("the former master key alone: %v", err)
	}
	if _, err := Rotate(t.Context(), keyFile(t, NewMaster()), keys); fault.Of(err) != fault.Precondition {
		t.Errorf("a stranger rotates: %v", err)
	}
}

func TestAKeyCommandIsAKeyManagementService(t *testing.T) {
	script := filepath.Join(t.TempDir(), "kms")
	// It wraps by turning base 64 round: enough to see that what it answers is used.
	text := `#!/bin/sh
read line
case "$line" in
*'"operation":"wrap","purpose":"rapport data key 1"'*)
	key=$(echo "$line" | sed 's/.*"key":"\([^"]*\)=".*/\1/')
	echo "{\"master\":\"kms-1\",\"wrapped\":\"$(echo "$key" | tr A-Za-z N-ZA-Mn-za-m)=\"}" ;;
*'"operation":"unwrap"'*'"master":"kms-1"'*)
	key=$(echo "$line" | sed 's/.*"wrapped":"\([^"]*\)=".*/\1/')
	echo "{\"key\":\"$(echo "$key" | tr A-Za-z N-ZA-Mn-za-m)=\"}" ;;
*) echo "access denied for this role" >&2; exit 3 ;;
esac
`
	if err := os.WriteFile(script, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	m, err := ParseMaster("exec:" + script)
	if err != nil {
		t.Fatal(err)
	}
	keys := &table{}
	sealed := box(t, m, keys).Seal([]byte("{}"), Alert("t", "1"))
	if got, err := box(t, m, keys).Open(t.Context(), sealed, Alert("t", "1")); err != nil || string(got) != "{}" || keys.rows[0].Master != "kms-1" {
		t.Errorf("%q %v %+v", got, err, keys.rows)
	}
	if err := Add(t.Context(), m, keys); fault.Of(err) != fault.Precondition || !strings.Contains(err.Error(), "exit status 3: access denied") {
		t.Errorf("refused: %v", err)
	}
	for command, says := range map[string]string{"/nowhere/kms": "no such file", "/bin/echo x": "one JSON object", "/bin/echo {}": "without"} {
		m, err := ParseMaster("exec:" + command)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := New(t.Context(), m, &table{}); fault.Of(err) != fault.Precondition || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", command, err)
		}
	}
}

func TestAMasterKeyThatIsNoneIsToldWithoutTellingIt(t *testing.T) {
	t.Setenv("TEST_MASTER", hex.EncodeToString(bytes.Repeat([]byte{7}, keySize)))
	m, err := ParseMaster("env:TEST_MASTER")
	if err != nil {
		t.Fatal(err)
	}
	if _, name, err := m.Wrap(t.Context(), "p", make([]byte, keySize)); err != nil || name != MasterName(bytes.Repeat([]byte{7}, keySize)) {
		t.Error(name, err)
	}
	t.Setenv("TEST_SHORT", "c2VjcmV0")
	for named, says := range map[string]string{
		"env:TEST_SHORT": "not 32 bytes", "env:TEST_UNSET": "not set", "file:/nowhere/key": "no such file",
	} {
		m, err := ParseMaster(named)
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = m.Wrap(t.Context(), "p", make([]byte, keySize))
		if fault.Of(err) != fault.Precondition || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "c2VjcmV0") {
			t.Errorf("%s: %v", named, err)
		}
	}
	for _, named := range []string{"key", "file:", "kms:x", "env:"} {
		if CheckMaster(named) == nil {
			t.Errorf("%q was taken", named)
		}
	}
	if m, err := ParseMaster(""); m != nil || err != nil {
		t.Error(m, err)
	}
}

func BenchmarkSealAndOpen(b *testing.B) {
	sealing := box(b, keyFile(b, NewMaster()), &table{})
	of := Resource("clinic", "QuestionnaireResponse", "0123456789abcdefghijklmnop", 1)
	for _, size := range []int{200, 700, 2700, 16 << 10} {
		plain := bytes.Repeat([]byte{'x'}, size)
		column := sealing.Seal(plain, of)
		b.Run(fmt.Sprintf("seal %d bytes", size), func(b *testing.B) {
			b.SetBytes(int64(size))
			for b.Loop() {
				sealing.Seal(plain, of)
			}
		})
		b.Run(fmt.Sprintf("open %d bytes", size), func(b *testing.B) {
			b.SetBytes(int64(size))
			for b.Loop() {
				if _, err := sealing.Open(b.Context(), column, of); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
