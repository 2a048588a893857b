package decision

import (
	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/ref"
)

// Deletion is the input that deletes a resource.
func Deletion(of ref.Resource) Input {
	return Input{Gone: true, Record: record.Record{Resource: of.Unversioned(), Outcome: record.Gone}}
}

// gone deletes a resource: a further version says so, and what was taken from it no longer counts, as when it was entered
// in error. What is not there, or not any more, is left as it is.
func (d *Desk) gone(in *Input) (*Decision, Receipt) {
	head, ok := d.head(in.Record.Unversioned())
	if !ok || head.Gone() {
		return nil, Receipt{Outcome: record.Unchanged, Resource: head.Resource, Patient: head.Patient}
	}
	r := record.Record{
		Resource: head.Resource, Source: head.Source, SourceID: head.SourceID, SourceVersion: head.SourceVersion,
		Patient: head.Patient, Received: in.Record.Received, Outcome: record.Gone,
	}
	r.Version++
	dec := &Decision{Records: []record.Record{r}}
	dec.Events = append(dec.Events, recorded(&r, nil, d.now))
	d.heads[r.Unversioned()] = r.Head()
	if hadFacts(head) {
		dec.Superseded = []ref.Resource{r.Unversioned()}
		d.advance(dec, head.Patient, dec.Superseded, nil)
	}
	return dec, Receipt{Outcome: record.Gone, Resource: r.Resource, Received: r.Received, Patient: r.Patient}
}
