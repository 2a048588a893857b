package instrument_test

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/rapport-health/rapport/services/domain/instrument"
)

func TestTheBodyOfADefinitionIsAPackOfTheSameFacts(t *testing.T) {
	r, err := instrument.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range r.All() {
		body, err := d.Body()
		if err != nil {
			t.Fatal(err)
		}
		again, issues := instrument.Parse(d.ID+".json", body)
		if again == nil {
			t.Errorf("%s cannot be read back: %v", d.ID, issues)
			continue
		}
		if second, err := again.Body(); err != nil || !bytes.Equal(body, second) {
			t.Errorf("%s is another one when it is read back: %v", d.ID, err)
		}
	}
}

// builtinPack is the text of a pack that ships.
func builtinPack(t *testing.T, id string) []byte {
	t.Helper()
	text, err := os.ReadFile("packs/" + id + ".json")
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestVersionsAreAllOfThemOldestFirst(t *testing.T) {
	folder := fstest.MapFS{}
	for _, version := range []string{"1.10.0", "1.0.0", "1.2.0"} {
		text := strings.Replace(string(builtinPack(t, "gad-7")), `"version": "1.0.0"`, `"version": "`+version+`"`, 1)
		folder[version+".json"] = &fstest.MapFile{Data: []byte(text)}
	}
	folder["phq-9.json"] = &fstest.MapFile{Data: builtinPack(t, "phq-9")}
	r, err := instrument.Load(folder)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, d := range r.Versions() {
		found = append(found, d.ID+" "+d.Version)
	}
	if got := strings.Join(found, ", "); got != "gad-7 1.0.0, gad-7 1.2.0, gad-7 1.10.0, phq-9 1.0.0" {
		t.Errorf("versions: %s", got)
	}
}
