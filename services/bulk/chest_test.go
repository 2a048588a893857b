package bulk

import (
	"bytes"
	"context"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"github.com/rapport-health/rapport/services/domain/access"
)

func TestAFileReadsAsItWasWrittenFromAnyPlace(t *testing.T) {
	folder := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		c, err := chestOf(folder, newKey(), "f")
		if err != nil {
			t.Fatal(err)
		}
		var disk, plain bytes.Buffer
		f := &filler{chest: c, into: &disk}
		for range rapid.IntRange(0, 6).Draw(t, "pieces") {
			piece := bytes.Repeat([]byte{byte(rapid.IntRange(0, 255).Draw(t, "byte"))}, rapid.IntRange(0, frameBytes).Draw(t, "size"))
			plain.Write(piece)
			if _, err := f.Write(piece); err != nil {
				t.Fatal(err)
			}
			if rapid.Bool().Draw(t, "flushed") && f.flush() != nil {
				t.Fatal("flush")
			}
		}
		if err := f.flush(); err != nil {
			t.Fatal(err)
		}
		disk.WriteString("\x00half")
		if err := os.WriteFile(c.path, disk.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		o, err := c.open()
		if err != nil {
			t.Fatal(err)
		}
		defer o.Close()
		from := rapid.IntRange(0, plain.Len()).Draw(t, "from")
		got, err := io.ReadAll(io.NewSectionReader(o, int64(from), int64(plain.Len()-from)))
		if err != nil || !bytes.Equal(got, plain.Bytes()[from:]) || f.plain != int64(plain.Len()) {
			t.Fatalf("%d bytes of %d from %d: %v", len(got), plain.Len(), from, err)
		}
	})
}

func TestAFileThatWasChangedOrMovedIsNotRead(t *testing.T) {
	folder, key := t.TempDir(), newKey()
	whole := func(name, text string) []byte {
		if err := writeWhole(folder, key, name, text); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	a, b := whole("a", "one"), whole("b", "two")
	changed := bytes.Clone(a)
	changed[len(changed)-1] ^= 1
	for what, bytes := range map[string][]byte{"a bit": changed, "another file": b, "cut off": a[:len(a)-1]} {
		if err := os.WriteFile(filepath.Join(folder, "a"), bytes, 0o600); err != nil {
			t.Fatal(err)
		}
		var text string
		if err := readWhole(folder, key, "a", &text); err == nil {
			t.Errorf("%s: read as %q", what, text)
		}
	}
	if err := os.WriteFile(filepath.Join(folder, "a"), a, 0o600); err != nil {
		t.Fatal(err)
	}
	var text string
	if err := readWhole(folder, newKey(), "a", &text); err == nil {
		t.Error("another key opens it")
	}
	if err := readWhole(folder, key, "a", &text); err != nil || text != "one" {
		t.Errorf("%q, %v", text, err)
	}
}

// onDisk says whether a word stands in any file below a folder.
func onDisk(t *testing.T, folder, word string) (files int, stands bool) {
	t.Helper()
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		files++
		text, err := os.ReadFile(path)
		stands = stands || bytes.Contains(text, []byte(word))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files, stands
}

func TestWhatIsExportedLiesOnNoDiskInPlainAndIsReadInPieces(t *testing.T) {
	c := open(t, &shown{patients: 300, bodies: func(n int) string { return strings.Replace(patient(n), `{`, `{"name":"CANARY",`, 1) }})
	m := c.done(c.begin("/$export"))
	if files, stands := onDisk(t, c.Dir, "CANARY"); files == 0 || stands {
		t.Errorf("%d files; one holds what was exported: %t", files, stands)
	}
	at := strings.TrimPrefix(m.Output[0].URL, "http://example.org/fhir")
	whole := c.ask(http.MethodGet, at, "").Body.String()
	if strings.Count(whole, "CANARY") != 300 {
		t.Fatalf("%d lines", strings.Count(whole, "CANARY"))
	}
	part := c.ask(http.MethodGet, at, "", "Range", "bytes=100-299")
	if part.Code != http.StatusPartialContent || part.Body.String() != whole[100:300] {
		t.Errorf("%d %q", part.Code, part.Body)
	}
}

func TestTheJobsOfARevokedClientEndAndTheirFilesAreClosed(t *testing.T) {
	var revoked atomic.Bool
	c := open(t, &shown{patients: 3, bodies: patient}, func(config *Config) {
		config.Capability = true
		config.Revoked = func(access.Principal) bool { return revoked.Load() }
	})
	at := strings.TrimPrefix(c.done(c.begin("/$export")).Output[0].URL, "http://example.org/fhir")
	if w := c.ask(http.MethodGet, at, ""); w.Code != http.StatusOK {
		t.Fatalf("before: %d", w.Code)
	}
	revoked.Store(true)
	if w := c.ask(http.MethodGet, at, ""); w.Code != http.StatusNotFound {
		t.Errorf("after: %d", w.Code)
	}
	c.sweep(context.Background())
	if files, _ := onDisk(t, c.Dir, "x"); files != 0 {
		t.Errorf("%d files are left", files)
	}
}
