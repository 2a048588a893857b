package decision_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/episode"
	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/judge"
	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/ref"
)

// house is what a store would hold of several patients.
type house struct {
	heads  map[ref.Resource]record.Head
	names  map[string]record.Alias
	states map[ref.Episode]*episode.State
	facts  map[ref.Episode][]fact.Fact
	alerts map[string]alert.Alert
	events []string
}

func newHouse() *house {
	return &house{
		heads: map[ref.Resource]record.Head{}, names: map[string]record.Alias{}, states: map[ref.Episode]*episode.State{},
		facts: map[ref.Episode][]fact.Fact{}, alerts: map[string]alert.Alert{},
	}
}

// of are the alerts of an episode.
func (h *house) of(e ref.Episode) (found []alert.Alert) {
	for _, a := range h.alerts {
		if a.Episode == e {
			found = append(found, a)
		}
	}
	slices.SortFunc(found, func(a, b alert.Alert) int { return strings.Compare(a.ID, b.ID) })
	return found
}

// send judges inputs as one group, so that each sees what those before it decided, and writes it all down.
func (h *house) send(inputs ...*decision.Input) []decision.Receipt {
	desk := decision.NewDesk([]judge.Rule{high}, now)
	desk.PutHeads(h.heads)
	desk.PutNames(h.names)
	var made []*decision.Decision
	var receipts []decision.Receipt
	for _, in := range inputs {
		for _, e := range desk.Episodes(in) {
			if !desk.HasEpisode(e) {
				desk.PutEpisode(e, h.states[e])
			}
		}
		for _, e := range desk.History(in) {
			desk.PutHistory(e, h.facts[e])
		}
		dec, receipt := desk.Decide(in)
		if dec != nil {
			made = append(made, dec)
		}
		receipts = append(receipts, receipt)
	}
	for _, e := range desk.Unalerted() {
		desk.PutAlerts(e, h.of(e))
	}
	desk.Settle()
	for _, d := range made {
		h.write(d)
	}
	for _, d := range made {
		for _, u := range d.Unions {
			h.unite(u)
		}
	}
	return receipts
}

func (h *house) write(d *decision.Decision) {
	for _, r := range d.Records {
		h.heads[r.Unversioned()] = r.Head()
	}
	for _, a := range d.Aliases {
		h.names[a.Name] = a
	}
	for e := range h.facts {
		h.facts[e] = slices.DeleteFunc(h.facts[e], func(f fact.Fact) bool { return slices.Contains(d.Superseded, f.Source.Unversioned()) })
	}
	for _, f := range d.Facts {
		h.facts[f.Episode] = append(h.facts[f.Episode], f.Fact)
	}
	for _, s := range d.Episodes {
		h.states[s.Episode] = s
	}
	for _, a := range d.Alerts {
		h.alerts[a.ID] = a
	}
	for _, e := range d.Events {
		h.events = append(h.events, string(e.Type))
	}
	h.sort()
}

func (h *house) sort() {
	for e := range h.facts {
		slices.SortFunc(h.facts[e], func(a, b fact.Fact) int { return a.Key().Compare(b.Key()) })
	}
}

func (h *house) unite(u decision.Union) {
	from, into := ref.EpisodeOf(u.From), ref.EpisodeOf(u.Into)
	for r, head := range h.heads {
		if head.Patient == u.From {
			head.Patient = u.Into
			h.heads[r] = head
		}
	}
	for n, a := range h.names {
		if a.Patient == u.From {
			a.Patient = u.Into
			h.names[n] = a
		}
	}
	h.facts[into] = append(h.facts[into], h.facts[from]...)
	delete(h.facts, from)
	delete(h.states, from)
	h.sort()
}

// person is a Patient resource; links are such as `replaced-by q`.
func person(id string, links ...string) *decision.Input {
	in := &decision.Input{
		Record: record.Record{
			Resource: ref.Resource{Type: "Patient", ID: id}, Source: "ehr", SourceID: id, Received: now,
			Hash: [32]byte([]byte(fmt.Sprintf("%-32.32s", id+strings.Join(links, ",")))),
		},
		Subject: decision.Subject{Patient: ref.Patient(id)}, Identifiers: []string{"urn:mrn|" + id},
	}
	for _, l := range links {
		kind, other, _ := strings.Cut(l, " ")
		s := decision.Subject{Patient: ref.Patient(other)}
		if strings.Contains(other, "|") {
			s = decision.Subject{Identifier: other}
		}
		if kind == "replaces" {
			in.Replaces = append(in.Replaces, s)
		} else {
			in.ReplacedBy = append(in.ReplacedBy, s)
		}
	}
	return in
}

func about(patient, id string, day int, total float64) *decision.Input {
	in := response(id, day, total)
	in.Subject.Patient = ref.Patient(patient)
	return in
}

// standing says on which facts alerts of an episode stand, and how many facts its state holds.
func (h *house) standing(e ref.Episode) string {
	count := int64(0)
	if s := h.states[e]; s != nil {
		count = s.Facts
	}
	return fmt.Sprintf("%s of %d, %d folded", standing(h.of(e)), len(h.facts[e]), count)
}

func TestFactsAlertsAndNamesFollowTheSurvivingPatient(t *testing.T) {
	for _, link := range []*decision.Input{person("q", "replaced-by p"), person("p", "replaces q"), person("p", "replaces urn:mrn|q")} {
		for _, together := range []bool{false, true} {
			h := newHouse()
			story := []*decision.Input{
				person("q"), about("p", "a", 1, 12), about("q", "b", 2, 11), about("q", "c", 3, 4), link,
				about("q", "d", 4, 13), about("p", "e", 5, 3),
			}
			if together {
				h.send(story...)
			} else {
				for _, in := range story {
					h.send(in)
				}
			}
			if got := h.standing("p"); got != "fa,fb,fd of 5, 5 folded" {
				t.Errorf("%v together %v: %s", link.Record.Resource, together, got)
			}
			if got := h.standing("q"); got != " of 0, 0 folded" {
				t.Errorf("%v together %v: still under the old name: %s", link.Record.Resource, together, got)
			}
			for _, a := range h.of("p") {
				if a.Patient != "p" || a.Finding != judge.FindingID(a.Rule, a.Group, a.Facts[0], "p") {
					t.Errorf("%+v", a)
				}
			}
			if opened := strings.Count(strings.Join(h.events, " "), "alert.opened"); opened != 3 {
				t.Errorf("%d alerts were opened: %v", opened, h.events)
			}
			h.send(about("q", "b", 2, 5)) // corrected under the old name
			if got := h.standing("p"); got != "fa,fd of 5, 5 folded" {
				t.Errorf("after a correction: %s", got)
			}
		}
	}
}

func TestAUnionIsMadeOnceAndNeverInACircle(t *testing.T) {
	h := newHouse()
	h.send(about("p", "a", 1, 12))
	h.send(about("q", "b", 2, 12))
	h.send(person("q", "replaced-by p"))
	for _, in := range []*decision.Input{person("p", "replaces q"), person("p", "replaced-by q"), person("q", "replaced-by p", "replaced-by r")} {
		h.send(in)
		if got := h.standing("p"); got != "fa,fb of 2, 2 folded" {
			t.Fatalf("%s", got)
		}
	}
	h.send(person("p", "replaced-by r"))
	h.send(about("q", "c", 3, 12))
	if got := h.standing("r"); got != "fa,fb,fc of 3, 3 folded" {
		t.Errorf("after a further union: %s", got)
	}
	if h.heads[ref.Resource{Type: "Patient", ID: "r"}].Patient != "r" {
		t.Error("nobody is known as r")
	}
}

func TestThePatientOfAnotherSourceIsNotTakenAway(t *testing.T) {
	h := newHouse()
	h.send(person("p"))
	h.send(about("p", "a", 1, 12))
	foreign := person("lab.x", "replaces p")
	foreign.Record.Source = "lab"
	receipts := h.send(foreign)
	if len(receipts[0].Issues) != 1 || h.standing("p") != "fa of 1, 1 folded" {
		t.Errorf("%v %s", receipts[0].Issues, h.standing("p"))
	}
	if receipts := h.send(person("p", "replaced-by urn:mrn|nobody")); len(receipts[0].Issues) != 1 || h.standing("p") != "fa of 1, 1 folded" {
		t.Errorf("%v %s", receipts[0].Issues, h.standing("p"))
	}
}

func TestADeathOfAPatientKnownElsewhereIsTheirs(t *testing.T) {
	h := newHouse()
	h.send(person("p"))
	h.send(about("p", "a", 1, 12))
	other := person("lab.x")
	other.Record.Source, other.Identifiers = "lab", []string{"urn:mrn|p"}
	other.Facts = []fact.Fact{{ID: "dead", Kind: fact.KindDeath, At: now, Death: &fact.Death{}}}
	h.send(other)
	if got := h.standing("p"); got != "fa of 2, 2 folded" {
		t.Errorf("%s", got)
	}
	alive := person("lab.x")
	alive.Record.Source, alive.Identifiers = "lab", []string{"urn:mrn|p", "urn:other|1"}
	alive.Record.Hash[0]++
	h.send(alive)
	if got := h.standing("p"); got != "fa of 1, 1 folded" {
		t.Errorf("alive after all: %s", got)
	}
}

func TestAUnionIsNotTakenBackAndSaysSo(t *testing.T) {
	h := newHouse()
	h.send(person("p"))
	h.send(person("q"))
	h.send(about("q", "a", 1, 12))
	issues := h.send(person("q", "replaced-by p"))[0].Issues
	if len(issues) != 1 || !strings.Contains(issues[0].Text, "for good") {
		t.Errorf("united: %v", issues)
	}
	if issues := h.send(person("q", "replaced-by p"))[0].Issues; len(issues) > 1 {
		t.Errorf("sent again: %v", issues)
	}
	issues = h.send(person("q"))[0].Issues
	if len(issues) != 1 || !strings.Contains(issues[0].Text, "stays there") {
		t.Errorf("without its link: %v", issues)
	}
	h.send(about("q", "b", 2, 12))
	if got := h.standing("p"); got != "fa,fb of 2, 2 folded" {
		t.Errorf("%s", got)
	}
}

func TestUnitedAtAnyMomentTheSameStandsAsIfTheyHadAlwaysBeenOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		split, one := newHouse(), newHouse()
		length := rapid.IntRange(1, 15).Draw(t, "submissions")
		union := rapid.IntRange(0, length).Draw(t, "union")
		var group []*decision.Input
		flush := func() {
			split.send(group...)
			group = nil
		}
		for n := range length + 1 {
			if n == union {
				group = append(group, rapid.SampledFrom([]*decision.Input{person("q", "replaced-by p"), person("p", "replaces q")}).Draw(t, "link"))
			}
			id := rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(t, "id")
			day, total := int(id[0]-'a')+1, float64(rapid.IntRange(5, 15).Draw(t, "total"))
			group = append(group, about(rapid.SampledFrom([]string{"p", "q"}).Draw(t, "patient"), id, day, total))
			one.send(about("p", id, day, total))
			if rapid.Bool().Draw(t, "commit") {
				flush()
			}
		}
		flush()
		if diff := cmp.Diff(one.standing("p"), split.standing("p")); diff != "" {
			t.Fatal(diff)
		}
		if got := split.standing("q"); got != " of 0, 0 folded" {
			t.Fatalf("left behind: %s", got)
		}
	})
}
