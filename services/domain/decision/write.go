package decision

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/ref"
)

// store writes the admitted input down and advances the episodes it touches.
func (d *Desk) store(in *Input, a admitted) (*Decision, Receipt) {
	r := in.Record
	r.Patient = a.patient
	r.Version = 1
	if a.previous != nil {
		r.Version = a.previous.Version + 1
	}
	r.Issues = append(slices.Clip(r.Issues), a.issues...)
	r.Outcome = record.Stored
	if slices.ContainsFunc(in.Facts, tells) {
		r.Outcome = record.Scored
	}
	dec := &Decision{Aliases: a.aliases, Muted: in.BackFill}
	if a.stub != nil {
		dec.Records = append(dec.Records, *a.stub)
		d.heads[a.stub.Unversioned()] = a.stub.Head()
	}
	dec.Records = append(dec.Records, r)
	dec.Events = append(dec.Events, recorded(&r, in.Facts, d.now))
	d.heads[r.Unversioned()] = r.Head()
	for _, alias := range a.aliases {
		d.names[alias.Name] = alias
	}
	if in.Key != "" {
		key := record.Key{Source: r.Source, Name: in.Key, Hash: r.Hash, Resource: r.Resource}
		dec.Keys = append(dec.Keys, key)
		d.keys[keyName{r.Source, in.Key}] = key
	}
	for _, u := range a.unions {
		d.unite(dec, u)
	}
	d.spread(dec, &r, a.previous, in)
	return dec, Receipt{Outcome: r.Outcome, Resource: r.Resource, Received: r.Received, Patient: r.Patient, Issues: r.Issues}
}

// tells says whether a fact is more than a form on which nothing could be scored.
func tells(f fact.Fact) bool { return f.Scores == nil || f.Scores.Any() }

// hadFacts says whether facts may have been taken from a version. An unscorable form leaves one too, for its safety items.
func hadFacts(h record.Head) bool {
	return h.Patient != "" && !h.Gone() && (h.Outcome == record.Scored || h.Type == "QuestionnaireResponse")
}

// spread carries the record's facts, and the end of those of the version before, to the episodes.
func (d *Desk) spread(dec *Decision, r *record.Record, previous *record.Head, in *Input) {
	advance, facts := d.advance, in.Facts
	if in.Again {
		advance = d.hold
	}
	var taken []ref.Resource
	if previous != nil {
		previous.Patient = d.resolve(previous.Patient)
	}
	if previous != nil && hadFacts(*previous) {
		taken = []ref.Resource{r.Unversioned()}
		dec.Superseded = taken
		if previous.Patient != r.Patient || len(facts) == 0 {
			advance(dec, previous.Patient, taken, nil)
		}
	}
	if len(facts) == 0 {
		return
	}
	if taken != nil && previous.Patient == r.Patient {
		facts = d.carry(in, r)
	}
	own := make([]fact.Fact, len(facts))
	for i, f := range facts {
		f.Source, f.Recorded = r.Resource, d.now
		own[i] = f
		dec.Facts = append(dec.Facts, Fact{Episode: ref.EpisodeOf(r.Patient), Fact: f})
	}
	if previous != nil && previous.Patient != r.Patient {
		taken = nil
	}
	advance(dec, r.Patient, taken, own)
}

func recorded(r *record.Record, facts []fact.Fact, now time.Time) feed.Draft {
	kinds := make([]string, 0, len(facts))
	for _, f := range facts {
		if !slices.Contains(kinds, string(f.Kind)) {
			kinds = append(kinds, string(f.Kind))
		}
	}
	data, _ := json.Marshal(struct {
		Reference string     `json:"reference"`
		Outcome   string     `json:"outcome"`
		Source    ref.Source `json:"source"`
		Facts     []string   `json:"facts,omitempty"`
	}{r.String(), protoOutcome[r.Outcome], r.Source, kinds})
	draft := feed.Draft{ID: ref.Digest("event", r.String()), Type: feed.Recorded, Time: now, Data: data}
	if r.Patient != "" {
		draft.Subject = r.Patient.Reference()
	}
	return draft
}

var protoOutcome = map[record.Outcome]string{record.Scored: "OUTCOME_SCORED", record.Stored: "OUTCOME_STORED", record.Gone: "OUTCOME_GONE"}
