package bench

import (
	"strings"
	"testing"
)

// sound is a run in which nothing went wrong: two responses, the second amended, with its safety item answered.
func sound() Evidence {
	own := []Entry{
		{1, 1, "e1", "submission.recorded", "QuestionnaireResponse/a/_history/1"},
		{2, 2, "e2", "submission.recorded", "QuestionnaireResponse/b/_history/1"},
		{3, 3, "e3", "submission.recorded", "QuestionnaireResponse/b/_history/2"},
		{4, 4, "e4", "alert.opened", "alert1"},
		{5, 5, "e5", "alert.acknowledged", "alert1"},
	}
	team := []Entry{{1, 4, "e4", "alert.opened", "alert1"}, {2, 5, "e5", "alert.acknowledged", "alert1"}}
	return Evidence{
		Promised: []Promise{
			{"QuestionnaireResponse/a/_history/1", "A", false},
			{"QuestionnaireResponse/b/_history/1", "B", false},
			{"QuestionnaireResponse/b/_history/2", "B2", true},
		},
		Commands: []Acknowledgement{{"alert1", "k1"}},
		Stored: []Version{
			{"QuestionnaireResponse/a", 1, true, "A"},
			{"QuestionnaireResponse/b", 1, false, "B"},
			{"QuestionnaireResponse/b", 2, true, "B2"},
		},
		Facts: []Fact{
			{"p1", "f1", "QuestionnaireResponse/a", 1, false},
			{"p2", "f2", "QuestionnaireResponse/b", 1, true},
			{"p2", "f2", "QuestionnaireResponse/b", 2, false},
		},
		Alerts: []Alert{{"alert1", "finding1", true, false, []string{"QuestionnaireResponse/b"}, []string{"k1"}}},
		Feeds:  []Feed{{all, 5, own}, {"team:t", 2, team}},
		Readings: []Reading{
			{"gRPC", all, false, append([]Entry(nil), own...)},
			{"gRPC", "team:t", false, append([]Entry(nil), team...)},
			{"Redis", all, false, append([]Entry(nil), own...)},
			{"group", all, true, append(append([]Entry(nil), own[:3]...), own...)},
		},
	}
}

func TestASoundRunHasNothingToCount(t *testing.T) {
	if v := Count(sound()); !v.Good() {
		t.Errorf("a sound run is counted as %+v", v)
	}
}

func TestAnAlertThatGaveWayMayOpenAgain(t *testing.T) {
	e := sound()
	for _, typ := range []string{"alert.suppressed", "alert.opened"} {
		n := int64(len(e.Feeds[0].Entries) + 1)
		e.Feeds[0].Entries = append(e.Feeds[0].Entries, Entry{n, n, "again" + typ, typ, "alert1"})
		e.Feeds[0].Last = n
	}
	for i := range e.Readings {
		if e.Readings[i].Feed == all {
			e.Readings[i].Entries = append(e.Readings[i].Entries, e.Feeds[0].Entries[5:]...)
		}
	}
	if v := Count(e); !v.Good() {
		t.Errorf("counted as %+v", v)
	}
}

func TestEveryPlantedFaultIsCountedAsWhatItIs(t *testing.T) {
	tests := map[string]struct {
		plant               func(*Evidence)
		lost, doubled, gaps string
	}{
		"an acknowledged response is not stored": {
			plant: func(e *Evidence) { e.Stored, e.Facts = e.Stored[1:], e.Facts[1:] },
			lost:  "QuestionnaireResponse/a/_history/1 was acknowledged and is not stored",
		},
		"another body is stored": {
			plant: func(e *Evidence) { e.Stored[0].Body = "else" },
			lost:  "another body",
		},
		"an amendment was swallowed": {
			plant: func(e *Evidence) { e.Stored, e.Facts = e.Stored[:2], e.Facts[:2] },
			lost:  "QuestionnaireResponse/b/_history/2 was acknowledged and is not stored",
		},
		"a fact is missing": {
			plant: func(e *Evidence) { e.Facts = e.Facts[1:] },
			lost:  "QuestionnaireResponse/a/_history/1 is stored without its fact",
		},
		"no event tells of a response": {
			plant: func(e *Evidence) {
				e.Promised = append(e.Promised, Promise{"QuestionnaireResponse/c/_history/1", "C", false})
			},
			lost: "QuestionnaireResponse/c/_history/1 was acknowledged, and no event",
		},
		"a command is not in the history": {
			plant: func(e *Evidence) { e.Alerts[0].Keys = nil },
			lost:  "the command k1 to alert alert1",
		},
		"a safety item has no alert": {
			plant: func(e *Evidence) { e.Alerts[0].Safety = false },
			lost:  "answers the safety item",
		},
		"a safety alert was retracted though it stands": {
			plant: func(e *Evidence) { e.Alerts[0].Retracted = true },
			lost:  "answers the safety item",
		},
		"a safety alert was never told of": {
			plant: func(e *Evidence) { e.Feeds[0].Entries[3].Type = "alert.amended" },
			lost:  "answers the safety item",
		},
		"a replay made a version": {
			plant: func(e *Evidence) {
				e.Stored[0].Current = false
				e.Facts[0].Superseded = true
				e.Stored = append(e.Stored, Version{"QuestionnaireResponse/a", 2, true, "A"})
			},
			doubled: "QuestionnaireResponse/a was stored twice",
		},
		"a version that nobody was told of": {
			plant:   func(e *Evidence) { e.Promised = e.Promised[1:] },
			doubled: "no client was told",
		},
		"a fact was taken twice": {
			plant: func(e *Evidence) {
				e.Facts = append(e.Facts, Fact{"p1", "f9", "QuestionnaireResponse/a", 1, false})
			},
			doubled: "more than one fact was taken from QuestionnaireResponse/a/_history/1",
		},
		"the fact of an older version still counts": {
			plant:   func(e *Evidence) { e.Facts[1].Superseded = false; e.Facts[1].ID = "f0" },
			doubled: "still counts beside",
		},
		"two facts with one id count": {
			plant:   func(e *Evidence) { e.Facts[1].Superseded = false },
			doubled: "are the same",
		},
		"a response is told of twice": {
			plant:   func(e *Evidence) { e.Feeds[0].Entries[1].About = "QuestionnaireResponse/a/_history/1" },
			doubled: "2 events: submission.recorded QuestionnaireResponse/a/_history/1",
		},
		"an alert is opened twice": {
			plant:   func(e *Evidence) { e.Feeds[0].Entries[4].Type = "alert.opened" },
			doubled: "2 events: alert.opened alert1",
		},
		"a finding has two alerts": {
			plant: func(e *Evidence) {
				e.Alerts = append(e.Alerts, Alert{"alert2", "finding1", true, false, nil, nil})
			},
			doubled: "the finding finding1 has the alerts alert1 and alert2",
		},
		"a command was carried out twice": {
			plant:   func(e *Evidence) { e.Alerts[0].Keys = []string{"k1", "k1"} },
			doubled: "took the command k1 twice",
		},
		"an event has two numbers": {
			plant:   func(e *Evidence) { e.Feeds[0].Entries[2].ID = "e2" },
			doubled: "event e2 has the numbers 2 and 3",
		},
		"a feed has a hole": {
			plant: func(e *Evidence) { e.Feeds[0].Entries = append(e.Feeds[0].Entries[:2], e.Feeds[0].Entries[3:]...) },
			gaps:  "feed all: after 2 comes 4",
		},
		"a feed lost its end": {
			plant: func(e *Evidence) { e.Feeds[1].Entries = e.Feeds[1].Entries[:1] },
			gaps:  "feed team:t: the counter says 2, the last event is 1",
		},
		"a team's event is not the tenant's": {
			plant: func(e *Evidence) { e.Feeds[1].Entries[0].TenantSeq = 3 },
			gaps:  "feed team:t: event 1 is not number 3",
		},
		"a subscriber missed the first": {
			plant: func(e *Evidence) { e.Readings[0].Entries = e.Readings[0].Entries[1:] },
			gaps:  "gRPC: number 1 of all did not come",
		},
		"a subscriber missed the last": {
			plant: func(e *Evidence) { e.Readings[1].Entries = e.Readings[1].Entries[:1] },
			gaps:  "gRPC: number 2 of team:t did not come",
		},
		"a subscriber got two in the wrong order": {
			plant: func(e *Evidence) {
				r := e.Readings[0].Entries
				r[1], r[2] = r[2], r[1]
			},
			gaps: "gRPC: after 1 of all came 3",
		},
		"a subscriber got one twice": {
			plant: func(e *Evidence) {
				r := &e.Readings[0]
				r.Entries = append(r.Entries, r.Entries[4])
			},
			doubled: "gRPC: number 5 of all came again",
		},
		"a group never got one": {
			plant: func(e *Evidence) { e.Readings[3].Entries = e.Readings[3].Entries[:7] },
			gaps:  "group: number 5 of all did not come",
		},
		"a group got another event under a number": {
			plant:   func(e *Evidence) { e.Readings[3].Entries[0].ID = "e9" },
			doubled: "group: number 1 of all was e9 and then e1",
		},
		"Redis holds another event": {
			plant:   func(e *Evidence) { e.Readings[2].Entries[0].ID = "e9" },
			doubled: "number 1 of all is e1, and was e9",
		},
		"Redis holds what the database does not": {
			plant: func(e *Evidence) {
				r := &e.Readings[2]
				r.Entries = append(r.Entries, Entry{6, 6, "e6", "", ""})
			},
			doubled: "number 6 of all came and is not in the database",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			e := sound()
			test.plant(&e)
			v := Count(e)
			for _, kind := range []struct {
				name, want string
				got        []string
			}{{"lost", test.lost, v.Lost}, {"doubled", test.doubled, v.Doubled}, {"gaps", test.gaps, v.Gaps}} {
				if kind.want != "" && !strings.Contains(strings.Join(kind.got, "\n"), kind.want) {
					t.Errorf("%s: want %q among %q", kind.name, kind.want, kind.got)
				}
			}
			if v.Good() {
				t.Error("the run counts as good")
			}
		})
	}
}
