package storetest

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/episode"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/judge"
	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/store"
)

// oddTexts are valid UTF-8 that tends to break things.
var oddTexts = []string{
	"ünïcödé", "\u202eright to left", "👩🏽‍⚕️", "e\u0301 and \u00e9", "\ufeffmark", "\uffff", "\U0010fffd", "quote ' and \" and \\ and %_?$1",
	"tab\tnewline\nreturn\r", "\x01\x1f\x7f", "{}[],NULL", " leading and trailing ",
}

var oddPromises = []promise{
	{"odd but valid text comes back as it was", func(t *testing.T, e Engine) {
		s := e.Open(t)
		for i, text := range oddTexts {
			r := response("r"+string(rune('a'+i)), 1, ref.Patient(text), monday)
			r.SourceID, r.SourceVersion, r.Codes = text, text, []string{text + "|" + text}
			f := scored(text, r, 1)
			a := finding(text, ref.Patient(text), judge.Info, monday)
			d := &decision.Decision{
				Records: []record.Record{r}, Aliases: []record.Alias{{Name: text, Patient: ref.Patient(text), Source: "ehr"}},
				Keys:  []record.Key{{Source: "ehr", Name: text, Resource: r.Resource}},
				Facts: []decision.Fact{f}, Episodes: []*episode.State{state(ref.Patient(text), 1, time.Time{})}, Alerts: []alert.Alert{a},
			}
			commit(t, s, clinic, d)
			same(t, "found by code", len(found(t, s, record.Query{Type: r.Type, Codes: r.Codes, Max: 3})), 1)
			same(t, "found by patient", len(found(t, s, record.Query{Type: r.Type, Patient: r.Patient, Max: 3})), 1)
			view(t, s, clinic, func(rd store.Reader) error {
				back, err1 := rd.Record(r.Resource)
				same(t, "record", back, r)
				aliases, err2 := rd.Patients([]string{text})
				same(t, "alias", aliases[text], d.Aliases[0])
				keys, err3 := rd.Keys("ehr", []string{text})
				same(t, "key", keys[text], d.Keys[0])
				facts, err4 := rd.Facts([]ref.Episode{ref.Episode(text)})
				same(t, "fact", len(facts[ref.Episode(text)]), 1)
				states, err5 := rd.States([]ref.Episode{ref.Episode(text)})
				same(t, "state", states[ref.Episode(text)], d.Episodes[0])
				one, err6 := rd.Alert(text)
				same(t, "alert", one, a)
				return errors.Join(err1, err2, err3, err4, err5, err6)
			})
		}
	}},
	{"names that hold NUL or broken UTF-8 are refused wherever they stand", func(t *testing.T, e Engine) {
		s := e.Open(t)
		for _, bad := range []string{"a\x00b", "\xff\xfe", "\xed\xa0\x80"} {
			r := response("r1", 1, "p1", monday)
			for _, spoil := range []func(d *decision.Decision){
				func(d *decision.Decision) { d.Records[0].ID = bad },
				func(d *decision.Decision) { d.Records[0].SourceID = bad },
				func(d *decision.Decision) { d.Records[0].Codes = []string{"ok|ok", bad} },
				func(d *decision.Decision) { d.Records[0].Patient = ref.Patient(bad) },
				func(d *decision.Decision) { d.Aliases[0].Name = bad },
				func(d *decision.Decision) { d.Keys[0].Name = bad },
				func(d *decision.Decision) { d.Facts[0].ID = bad },
				func(d *decision.Decision) { d.Facts[0].Source.ID = bad },
				func(d *decision.Decision) { d.Superseded = []ref.Resource{{Type: "Goal", ID: bad}} },
				func(d *decision.Decision) { d.Episodes[0].Episode = ref.Episode(bad) },
				func(d *decision.Decision) { d.Alerts[0].Rule = bad },
				func(d *decision.Decision) { d.Events[0].Subject = bad },
			} {
				d := full()
				d.Records = []record.Record{r}
				spoil(d)
				refused(t, s, Submission(3, 3), d)
			}
		}
		nothing(t, s, clinic)
	}},
	{"names too long for an index are refused, and the longest that fit are kept", func(t *testing.T, e Engine) {
		s := e.Open(t)
		for _, n := range []int{1000, 1001} {
			long := filler(n, n)
			d := full()
			d.Records[0].Codes = []string{long[:500] + "|" + long[501:]}
			d.Records[0].ID, d.Records[0].Patient = long, ref.Patient(long)
			d.Aliases[0].Name, d.Keys[0].Name, d.Facts[0].Episode, d.Alerts[0].Patient = long, long, ref.Episode(long), ref.Patient(long)
			if n > 1000 {
				refused(t, s, d)
				continue
			}
			commit(t, s, clinic, d)
			same(t, "found", len(found(t, s, record.Query{Type: d.Records[0].Type, Codes: d.Records[0].Codes, Max: 3})), 1)
		}
	}},
	{"asking for names that cannot exist finds nothing and does not fail", func(t *testing.T, e Engine) {
		s := e.Open(t)
		d := full()
		d.Aliases[0].Name = "\ufffd"
		commit(t, s, clinic, d)
		for _, bad := range []string{"a\x00b", "\xff"} {
			view(t, s, clinic, func(r store.Reader) error {
				heads, err1 := r.Heads([]ref.Resource{{Type: "Patient", ID: bad}, {Type: bad, ID: "x"}, d.Records[0].Unversioned()})
				same(t, "heads", len(heads), 1)
				aliases, err2 := r.Patients([]string{bad, d.Aliases[0].Name})
				same(t, "aliases", len(aliases), 1)
				keys, err3 := r.Keys(ref.Source(bad), []string{bad, "k"})
				same(t, "keys", len(keys), 0)
				states, err4 := r.States([]ref.Episode{ref.Episode(bad), d.Episodes[0].Episode})
				same(t, "states", len(states), 1)
				facts, err5 := r.Facts([]ref.Episode{ref.Episode(bad)})
				same(t, "facts", len(facts), 0)
				alerts, err6 := r.AlertsOf([]ref.Episode{ref.Episode(bad)})
				same(t, "alerts", len(alerts), 0)
				return errors.Join(err1, err2, err3, err4, err5, err6)
			})
			for _, q := range []record.Query{
				{Type: bad}, {Type: "Patient", Patient: ref.Patient(bad)}, {Type: "Patient", Codes: []string{bad}}, {Type: "Patient", Codes: []string{"a|b", bad}, Patient: "p"},
			} {
				q.Max = 5
				same(t, "search", found(t, s, q), []string{})
			}
			same(t, "alerts of a patient", listed(t, s, alert.Query{Patient: ref.Patient(bad), Max: 5}), []string{})
			same(t, "alerts of a rule", listed(t, s, alert.Query{Rule: bad, Max: 5}), []string{})
			nothing(t, s, ref.Tenant(bad))
			same(t, "events", since(t, s, feed.Cursor{Tenant: ref.Tenant(bad), Feed: feed.All}, 5), []feed.Event{})
		}
	}},
	{"a body of a megabyte and one of any bytes come back as they were", func(t *testing.T, e Engine) {
		s := e.Open(t)
		big, wild, none := response("big", 1, "p1", monday), response("wild", 1, "p1", monday), response("none", 1, "p1", monday)
		big.Raw = bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
		wild.Raw = []byte("\x00\xff\xfe\"\\\x00")
		none.Raw = nil
		commit(t, s, clinic, &decision.Decision{Records: []record.Record{big, wild, none}})
		for _, want := range []record.Record{big, wild, none} {
			same(t, want.ID, ask(t, s, clinic, func(r store.Reader) (record.Record, error) { return r.Record(want.Resource) }), want)
		}
	}},
	{"text inside facts, states, alerts and events may hold anything", func(t *testing.T, e Engine) {
		s := e.Open(t)
		d := full()
		d.Alerts[0].Seen = "a\x00b"
		d.Facts[0].Scores.Instrument = "a\x00b"
		d.Episodes[0].Last.ID = "a\x00b"
		d.Events[0].Data = json.RawMessage(`{"a":"\u0000"}`)
		commit(t, s, clinic, d)
		same(t, "alert", ask(t, s, clinic, func(r store.Reader) (alert.Alert, error) { return r.Alert("a") }), d.Alerts[0])
		same(t, "state", states(t, s, clinic, d.Episodes[0].Episode)[d.Episodes[0].Episode], d.Episodes[0])
		same(t, "fact", facts(t, s, clinic, d.Episodes[0].Episode)[d.Episodes[0].Episode][0], d.Facts[0].Fact)
		same(t, "event", since(t, s, feed.Cursor{Tenant: clinic, Feed: feed.All}, 1)[0].Data, d.Events[0].Data)
	}},
	{"what has no JSON form is refused", func(t *testing.T, e Engine) {
		s := e.Open(t)
		d := full()
		d.Episodes[0].Deadline = time.Date(20000, 1, 1, 0, 0, 0, 0, time.UTC)
		refused(t, s, d)
		d = full()
		d.Records[0].Version = 0
		refused(t, s, d)
		nothing(t, s, clinic)
	}},
	{"times far away keep their order", func(t *testing.T, e Engine) {
		s := e.Open(t)
		var records []record.Record
		for i, year := range []int{1, 1582, 1899, 1970, 2038, 9999} {
			r := response(string(rune('a'+i)), 1, "p1", time.Date(year, 2, 1, 0, 0, 0, 0, time.UTC))
			records = append(records, r)
		}
		commit(t, s, clinic, &decision.Decision{Records: records})
		same(t, "order", found(t, s, record.Query{Type: records[0].Type, Max: 9}), []string{"f/1", "e/1", "d/1", "c/1", "b/1", "a/1"})
	}},
}
