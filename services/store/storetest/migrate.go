package storetest

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/store"
)

// Earlier is what a database of the first schema holds: a form that was corrected once and then withdrawn, and another.
func Earlier() []fact.Taken {
	first, second := scored("f", response("r1", 1, "p1", monday), 1), scored("f", response("r1", 2, "p1", monday), 2)
	other := scored("g", response("r2", 1, "p1", monday), 3)
	return []fact.Taken{
		{Fact: first.Fact, Episode: "p1", Superseded: true},
		{Fact: second.Fact, Episode: "p1", Superseded: true},
		{Fact: other.Fact, Episode: "p1"},
	}
}

// EarlierRows are the rows of Earlier in the table fact, by the names of EarlierColumns.
func EarlierRows(t testing.TB) [][]any {
	t.Helper()
	var out [][]any
	for _, f := range Earlier() {
		data, err := json.Marshal(f.Fact)
		if err != nil {
			t.Fatal(err)
		}
		source := f.Source.Unversioned().String()
		out = append(out, []any{
			string(clinic), string(f.Episode), f.ID, source, f.Source.Version, ref.SourceKey(clinic, source), string(f.Kind),
			f.At.UnixMicro(), f.Recorded.UnixMicro(), f.Superseded, data,
		})
	}
	return out
}

// EarlierRecordRows are resources of the first schema, by the names of EarlierRecordColumns.
func EarlierRecordRows() [][]any {
	var out [][]any
	for n, r := range earlierRecords() {
		out = append(out, []any{
			string(clinic), r.Type, r.ID, r.Version, n != 0, string(r.Source), r.SourceID, r.SourceVersion, r.Hash[:], string(r.Patient),
			r.From.UnixMicro(), r.To.UnixMicro(), int64(r.Outcome), r.Stub, r.Received.UnixMicro(), r.Raw,
		})
	}
	return out
}

// EarlierRecordColumns of the table resource in the first schema.
const EarlierRecordColumns = "tenant, type, id, version, current, source, source_id, source_version, hash, patient, " +
	"from_us, to_us, outcome, stub, received_us, raw"

// earlierRecords are a form with its correction, and two others, in the order in which they were stored.
func earlierRecords() []record.Record {
	out := []record.Record{response("e1", 1, "p1", monday), response("e1", 2, "p1", monday), response("e2", 1, "p1", monday), response("e3", 1, "p2", monday)}
	for n := range out {
		out[n].Received, out[n].Codes = monday.Add(time.Duration(n)*time.Minute), nil
	}
	return out
}

// marked checks that what was there before the index is entered into it, once, going on where it was interrupted.
func marked(t testing.TB, s Store) {
	t.Helper()
	all := earlierRecords()
	same(t, "versions", versions(t, s, record.Past{Type: all[0].Type, Max: 9}), []string{"e3/1@0", "e2/1@-1", "e1/2@-2", "e1/1@-3"})
	for _, want := range []string{"e1", "e2", "e3", ""} {
		left, err := s.Unmarked(t.Context(), clinic, 1)
		if err != nil {
			t.Fatal(err)
		}
		if want == "" {
			same(t, "left", len(left), 0)
			break
		}
		same(t, "next", left[0].ID, want)
		left[0].Marks = []record.Mark{{Key: 7}}
		if err := s.Mark(t.Context(), clinic, left); err != nil {
			t.Fatal(err)
		}
	}
	same(t, "found", found(t, s, record.Query{Type: all[0].Type, Key: 7, Max: 9}), []string{"e1/2", "e2/1", "e3/1"})
}

// EarlierColumns of the table fact in the first schema.
const EarlierColumns = "tenant, episode, id, source, version, source_key, kind, at_us, recorded_us, superseded, data"

// EarlierAlerts are rows of the table alert, by the names of EarlierAlertColumns: as they were written before an alert could
// wait, be put off or climb a ladder.
func EarlierAlerts() [][]any {
	row := func(id, status, data string) []any {
		return []any{string(clinic), id, "p1", "p1", "hep-low", status, 2, monday.UnixMicro(), 1, []byte(data)}
	}
	const common = `"finding":"f","severity":2,"rule":"hep-low","ruleVersion":"v","patient":"p1","episode":"p1","title":"T","seen":"S",` +
		`"facts":["f"],"effective":"2026-03-02T09:00:00Z","opened":"2026-03-02T09:00:00Z",`
	return [][]any{
		row("e1", "open", `{"id":"e1","version":1,"status":"open",`+common+`"roles":["nurse","physician"],"feeds":["team:x"],`+
			`"history":[{"version":1,"status":"open","time":"2026-03-02T09:00:00Z","actor":"rapport"}]}`),
		row("e2", "suppressed", `{"id":"e2","version":1,"status":"suppressed",`+common+
			`"suppressedBecause":"grouped: alert e1 of the same rule is still open",`+
			`"history":[{"version":1,"status":"suppressed","time":"2026-03-02T09:00:00Z","actor":"rapport"}]}`),
	}
}

// EarlierAlertColumns of the table alert in the first schema.
const EarlierAlertColumns = "tenant, id, episode, patient, rule, status, severity, effective_us, version, data"

// Migrated checks that a database that held Earlier holds it still, and goes on.
func Migrated(t testing.TB, s Store) {
	t.Helper()
	same(t, "what a nurse was told", listed(t, s, alert.Query{Role: "nurse", Max: 5}), []string{"e1"})
	same(t, "what was grouped", listed(t, s, alert.Query{Because: alert.Grouped, Max: 5}), []string{"e2"})
	open := ask(t, s, clinic, func(r store.Reader) (alert.Alert, error) { return r.Alert("e1") })
	taken, _, err := alert.Lifecycle(open, alert.Command{
		Alert: "e1", Verb: alert.Acknowledge, Version: 1, Actor: "Practitioner/1", At: monday.Add(time.Hour),
	})
	if err != nil {
		t.Error(err)
	}
	commit(t, s, clinic, &decision.Decision{Alerts: []alert.Alert{taken}})
	same(t, "what somebody has in hand", listed(t, s, alert.Query{Assignee: "Practitioner/1", Max: 5}), []string{"e1"})
	marked(t, s)
	earlier := Earlier()
	same(t, "what counts", facts(t, s, clinic, "p1")["p1"], []fact.Fact{earlier[2].Fact})
	same(t, "what was ever taken", takenIn(t, s, "p1", fact.KindScores), earlier)
	same(t, "what was taken from a form", takenFrom(t, s, clinic, earlier[0].Source), earlier[:2])
	third := scored("f", response("r1", 3, "p1", monday.Add(time.Hour)), 4)
	commit(t, s, clinic, &decision.Decision{Superseded: []ref.Resource{third.Source.Unversioned()}, Facts: []decision.Fact{third}})
	same(t, "once it was corrected", len(takenFrom(t, s, clinic, third.Source)), 3)
	if _, err := s.Update(t.Context(), clinic, func(tx store.Tx) error {
		return tx.Commit(&decision.Decision{Facts: []decision.Fact{third}})
	}); err == nil {
		t.Error("a fact that is there already was taken")
	}
}
