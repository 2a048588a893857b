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
	r := rapportWith(t, streams{in: strings.NewReader(""), screen: true}, "score", "--instrument", "phq-2|1.0.0", "--answers", "1,2")
	r.want(t, exitDone, "phq-2 1.0.0\n  total            3 of 0-6")
}

func TestTheListFitsATerminalAndMarksWhatIsUnconfirmed(t *testing.T) {
	r := rapport(t, "instruments").want(t, exitDone, "phq-9", "wai-sr", "TITLE")
	for line := range strings.Lines(r.out) {
		if n := length(strings.TrimRight(line, "\n")); n > width {
			t.Errorf("a line of %d: %s", n, line)
		}
		if name, rest, _ := strings.Cut(line, " "); name == "tsk-11" && !strings.Contains(rest, " ? ") {
			t.Errorf("an unconfirmed key is not marked: %s", line)
		}
	}
}

func TestANegativeNumberNeedsNoSpecialForm(t *testing.T) {
	rapport(t, "score", "--instrument", "phq-9", "--score", "total", "--change", "-7", "-3").
		want(t, exitFailed, "from: phq-9 total goes from 0 to 27; to: phq-9 total goes from 0 to 27")
	rapport(t, "score", "--instrument", "phq-9", "--score", "total", "--change=-7", "3").want(t, exitFailed, "from: phq-9 total")
	rapport(t, "score", "--instrument", "phq-9", "--answers", "-1,1,1,1,1,1,1,1,1").want(t, exitFailed, "no answer to item 1, which takes 0 to 3")
}

// changeFile is the file of golden vectors of change.
type changeFile struct {
	Vectors []struct {
		Name, Instrument, Score string
		From, To                float64
		Expect                  struct {
			Reliable, MIC *bool
			Direction     string
		}
	}
}

func TestEveryChangeVectorComesOutOfTheCommand(t *testing.T) {
	var v changeFile
	golden(t, "trend/testdata/change.json", &v)
	for _, vector := range v.Vectors {
		t.Run(vector.Name, func(t *testing.T) {
			r := rapport(t, "score", "--instrument", vector.Instrument, "--score", vector.Score, "--change", number(vector.From), number(vector.To)).want(t, exitDone)
			var got map[string]any
			if err := json.Unmarshal([]byte(r.out), &got); err != nil {
				t.Fatal(err)
			}
			for name, want := range map[string]any{
				"reliable": truth(vector.Expect.Reliable), "mic": truth(vector.Expect.MIC), "direction": vector.Expect.Direction,
			} {
				if have, ok := got[name]; !ok || have != want {
					t.Errorf("%s is %v, not %v", name, have, want)
				}
			}
		})
	}
}

func TestEveryRuptureVectorComesOutOfTheCommand(t *testing.T) {
	var v struct {
		Vectors []struct {
			Name, Instrument, Score string
			Series                  []*float64
			Expect                  []plainEvent
		}
	}
	golden(t, "alliance/testdata/rupture.json", &v)
	for _, vector := range v.Vectors {
		t.Run(vector.Name, func(t *testing.T) {
			r := rapport(t, "score", "--instrument", vector.Instrument, "--score", vector.Score, "--series", written(vector.Series)).want(t, exitDone)
			var got struct{ Events []plainEvent }
			if err := json.Unmarshal([]byte(r.out), &got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(vector.Expect, got.Events); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
		})
	}
}

// golden reads a file of vectors of the core.
func golden(t *testing.T, name string, into any) {
	t.Helper()
	data, err := os.ReadFile("../../services/domain/" + name)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatal(err)
	}
}

func number(x float64) string { return strconv.FormatFloat(x, 'f', -1, 64) }

// truth is a verdict as JSON holds it: true, false or null.
func truth(holds *bool) any {
	if holds == nil {
		return nil
	}
	return *holds
}
