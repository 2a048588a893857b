package score_test

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rapport-health/rapport/services/domain/instrument"
	"github.com/rapport-health/rapport/services/domain/response"
	"github.com/rapport-health/rapport/services/domain/score"
)

type vectorFile struct {
	Instrument string
	Vectors    []struct {
		Name    string
		Answers []*float64
		Expect  struct {
			Scores   map[string]vectorScore
			Critical []vectorCritical
		}
	}
}

type vectorScore struct {
	Value       *float64
	Band        string
	Prorated    bool
	NotScorable string
}

type vectorCritical struct {
	Item  int
	Value float64
}

// The golden vectors are given; those in further were worked from the fact sheet by other code than ours: every item
// alone, every reversal, both sides of every band edge, and every missing rule.
func TestGoldenVectors(t *testing.T) {
	r := registry(t)
	for _, file := range vectorFiles(t, "*") {
		v := readVectors(t, file)
		def := lookup(t, r, v.Instrument)
		for _, vector := range v.Vectors {
			t.Run(v.Instrument+"/"+vector.Name, func(t *testing.T) {
				resp, issues := response.FromOrdinals(def, vector.Answers, "")
				if len(issues) > 0 {
					t.Fatal(issues)
				}
				scores, critical := published(score.Score(def, resp))
				if diff := cmp.Diff(vector.Expect.Scores, scores); diff != "" {
					t.Errorf("scores (-want +got):\n%s", diff)
				}
				if diff := cmp.Diff(vector.Expect.Critical, critical); diff != "" {
					t.Errorf("critical (-want +got):\n%s", diff)
				}
			})
		}
	}
}

func TestEveryBuiltInInstrumentHasVectors(t *testing.T) {
	var covered []string
	for _, file := range vectorFiles(t, "vectors") {
		covered = append(covered, strings.TrimSuffix(filepath.Base(file), ".json"))
	}
	for _, def := range registry(t).All() {
		if !slices.Contains(covered, def.ID) {
			t.Errorf("%s is in the catalogue without vectors in testdata/vectors", def.ID)
		}
	}
}

// published is the sheet in the shape of the vectors, values to three decimals.
func published(sheet score.Sheet) (map[string]vectorScore, []vectorCritical) {
	scores := map[string]vectorScore{}
	for _, r := range sheet.Scores {
		s := vectorScore{Band: r.Band, Prorated: r.Prorated, NotScorable: r.NotScorable}
		if r.Scorable() {
			s.Value = new(math.Round(r.Value*1000) / 1000)
		}
		scores[r.Key.Code] = s
	}
	critical := []vectorCritical{}
	for _, c := range sheet.Critical {
		critical = append(critical, vectorCritical{c.Item, c.Value})
	}
	return scores, critical
}

func vectorFiles(t testing.TB, folder string) []string {
	files, err := filepath.Glob("testdata/" + folder + "/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal("no vectors", err)
	}
	return files
}

func readVectors(t testing.TB, file string) vectorFile {
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var v vectorFile
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(file, err)
	}
	return v
}

// builtin is read once for all tests: it does not change.
var builtin = sync.OnceValues(instrument.Builtin)

func registry(t testing.TB) *instrument.Registry {
	r, err := builtin()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func lookup(t testing.TB, r *instrument.Registry, name string) *instrument.Definition {
	def, err := r.Lookup(name)
	if err != nil {
		t.Fatal(name, err)
	}
	return def
}
