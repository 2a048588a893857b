package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// vectorFile is a file of golden vectors of the scoring room.
type vectorFile struct {
	Instrument string
	Vectors    []struct {
		Name    string
		Answers []*float64
		Expect  struct {
			Scores   map[string]vectorScore
			Critical []plainCritical
		}
	}
}

type vectorScore struct {
	Value       *float64
	Band        string
	Prorated    bool
	NotScorable string
}

func TestEveryGoldenVectorComesOutOfTheCommand(t *testing.T) {
	files, err := filepath.Glob("../../services/domain/score/testdata/vectors/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal("no vectors", err)
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var v vectorFile
		if err := json.Unmarshal(data, &v); err != nil {
			t.Fatal(name, err)
		}
		for _, vector := range v.Vectors {
			t.Run(v.Instrument+"/"+vector.Name, func(t *testing.T) {
				r := rapport(t, "score", "--instrument", v.Instrument, "--answers="+written(vector.Answers)).want(t, exitDone)
				var got struct {
					Instrument string
					Scores     map[string]vectorScore
					Critical   []plainCritical
				}
				if err := json.Unmarshal([]byte(r.out), &got); err != nil || got.Instrument != v.Instrument {
					t.Fatalf("%v: %s", err, r.out)
				}
				if diff := cmp.Diff(vector.Expect.Scores, got.Scores); diff != "" {
					t.Errorf("scores (-want +got):\n%s", diff)
				}
				if diff := cmp.Diff(vector.Expect.Critical, got.Critical); diff != "" {
					t.Errorf("critical (-want +got):\n%s", diff)
				}
			})
		}
	}
}

// written is the list as a person types it.
func written(answers []*float64) string {
	words := make([]string, len(answers))
	for n, a := range answers {
		words[n] = "-"
		if a != nil {
			words[n] = strconv.FormatFloat(*a, 'f', -1, 64)
		}
	}
	return strings.Join(words, ",")
}

func TestAListThatBeginsUnansweredNeedsNoSpecialForm(t *testing.T) {
	rapport(t, "score", "--instrument", "phq-9", "--answers", "-,1,1,1,1,1,1,1,1").want(t, exitDone, `"prorated":true`)
}

func TestScoreIsTextOnATerminal(t *testing.T) {
	r := rapportWith(t, streams{in: strings.NewReader(""), screen: true}, "score", "--instrument", "phq-2", "--answers", "1,2")
	r.want(t, exitDone, "phq-2 1.0.0\n  total            3 of 0-6")
}

func TestTheScoringSheetReadsLikeThePaper(t *testing.T) {
	rapport(t, "instruments").want(t, exitDone, "phq-9", "wai-sr", "TITLE")
	rapport(t, "instruments", "phq-9").want(t, exitDone, "Items", "   9  self-harm                    0 1 2 3", "moderately-severe      15-19", "Sources")
}
