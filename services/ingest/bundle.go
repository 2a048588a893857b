package ingest

import (
	"context"
	"strings"

	"github.com/rapport-health/rapport/services/catalogue"
	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/fhir"
	"github.com/rapport-health/rapport/services/fhir/tree"
)

// prepareBundle reads the entries of a Bundle. A transaction stands or falls together; any other type is a set of
// independent entries. Its Questionnaires are read first, so that its responses can be scored by them wherever they stand.
// Errors, but for Unavailable, are why all of it is refused.
func (i *Ingest) prepareBundle(ctx context.Context, shelf *catalogue.Shelf, s decision.Submission, doc *tree.Doc) (*part, error) {
	if err := fhir.FewEnough(doc); err != nil {
		return nil, err
	}
	bundle, err := fhir.ReadBundle(doc)
	if err != nil {
		return nil, err
	}
	p := &part{bundle: true, atomic: bundle.Type == "transaction"}
	if len(bundle.Entries) == 0 {
		p.note = []fault.Issue{fault.Infof("informational", "Bundle.entry", "the Bundle has no entries: nothing to do")}
	}
	p.note = append(p.note, bundle.Issues...)
	before := shelf.Len()
	read, err := i.readEntries(ctx, shelf, s, &bundle)
	if err != nil {
		return nil, err
	}
	seen := map[ref.Resource]string{}
	for n := range bundle.Entries {
		in, err := read[n].in, read[n].err
		if err == nil && p.atomic {
			err = once(seen, &in, bundle.Entries[n].Path)
		}
		if err != nil {
			r := decision.Receipt{Outcome: record.Rejected, Issues: fault.IssuesOf(err), Kind: fault.Of(err)}
			p.entries = append(p.entries, &r)
			continue
		}
		p.entries = append(p.entries, nil)
		p.inputs = append(p.inputs, in)
	}
	if p.atomic && len(p.inputs) < len(p.entries) {
		p.inputs = nil
		shelf.Truncate(before)
		for n, known := range p.entries {
			if known == nil {
				p.entries[n] = &decision.Receipt{Outcome: record.Unchanged}
			}
		}
		return p, nil
	}
	p.inputs = append(p.inputs, i.deletions(s)...)
	p.entries = append(p.entries, make([]*decision.Receipt, len(s.Gone))...)
	return p, nil
}

// readEntry is one entry as read, or why it cannot be.
type readEntry struct {
	in  decision.Input
	err error
}

// readEntries reads first the Questionnaires, then the others. Errors: Unavailable when the store is away.
func (i *Ingest) readEntries(ctx context.Context, shelf *catalogue.Shelf, s decision.Submission, bundle *fhir.Bundle) ([]readEntry, error) {
	given := make([]string, len(s.Places))
	for n := range s.Places {
		given[n] = s.Places[n].Given
	}
	taken := bundle.Take(s.Source, s.Creates, given)
	targets := bundle.Targets(taken)
	read := make([]readEntry, len(bundle.Entries))
	for _, questionnaires := range []bool{true, false} {
		for n := range bundle.Entries {
			e := &bundle.Entries[n]
			if (e.Resource != nil && e.Type() == "Questionnaire") != questionnaires {
				continue
			}
			placed := s
			if n < len(s.Places) && s.Places[n].ID != "" {
				placed.Place, placed.Source = s.Places[n], s.Places[n].Source
			}
			read[n].in, read[n].err = i.entry(ctx, shelf, placed, e, taken[n], targets)
			if err := read[n].err; err != nil && fault.Of(err) == fault.Unavailable {
				return nil, err
			}
		}
	}
	return read, nil
}

// once refuses a resource that an earlier entry of the same transaction names: FHIR leaves open which would win. Bodies
// without an id of their own that happen to be the same are one resource, and no contradiction.
func once(seen map[ref.Resource]string, in *decision.Input, path string) error {
	if in.New {
		return nil
	}
	resource := in.Record.Unversioned()
	if before, twice := seen[resource]; twice {
		return fault.New(fault.Invalid, fault.Errorf("duplicate", path,
			"%s has this resource already: a transaction names each resource once", before))
	}
	seen[resource] = path
	return nil
}

// entry reads one entry. Its references to other entries become those entries' ids in the source.
func (i *Ingest) entry(
	ctx context.Context, shelf *catalogue.Shelf, s decision.Submission, e *fhir.Entry, taken fhir.Taken, targets map[string]string,
) (decision.Input, error) {
	if fault.Any(e.Issues) {
		return decision.Input{}, fault.New(fault.Invalid, e.Issues...)
	}
	if e.Method != "" && e.Method != "POST" && e.Method != "PUT" {
		return decision.Input{}, fault.New(fault.NotSupported, fault.Errorf("not-supported", e.Path+".request.method",
			"only POST and PUT are taken in a Bundle"))
	}
	if e.Resource == nil {
		return decision.Input{}, fault.New(fault.Invalid, fault.Errorf("required", e.Path+".resource", "the entry has no resource"))
	}
	if e.Type() == "Bundle" {
		return decision.Input{}, fault.New(fault.NotSupported, fault.Errorf("not-supported", e.Path+".resource",
			"a Bundle within a Bundle is not taken: send it by itself"))
	}
	if e.Method == "PUT" && !strings.Contains(e.URL, "?") && !strings.HasSuffix("/"+e.URL, "/"+e.Type()+"/"+e.Resource.Root().Child("id").Text()) {
		return decision.Input{}, fault.New(fault.Invalid, fault.Errorf("value", e.Path+".request.url",
			"the url of a PUT must name the type and the id that the resource has"))
	}
	s.Key = ""
	doc, err := e.Settled(taken, targets)
	if err != nil {
		return decision.Input{}, err
	}
	in, err := i.read(ctx, shelf, s, doc)
	if notSupported(err) {
		in, err = i.unused(s, doc)
	}
	switch {
	case taken.Given:
		i.given(&in, e.Resource)
	case s.Place.ID == "" && e.Method != "PUT" && doc == e.Resource: // linked with others it was not sent alone
		i.keptElsewhere(&in, in.Record.Hash)
	}
	in.Record.Issues = append(in.Record.Issues, e.Issues...)
	return in, err
}

// given notes of a resource that its id was given to it here: what was sent, whose own id may be another one, is stored
// already if it is there under either.
func (i *Ingest) given(in *decision.Input, sent *tree.Doc) {
	in.New, in.Record.SourceVersion = true, ""
	if own := sent.Root().Child("id").Text(); ref.ValidID(own) {
		in.Twin = ref.Resource{Type: in.Record.Type, ID: i.Namer.ID(in.Record.Source, own)}
		in.TwinHash = sent.Content()
	}
}

// keptElsewhere notes where what was sent under its own id may have been stored before under one that was given to it. That
// matters for what is counted; what others refer to is stored under the id by which they do.
func (i *Ingest) keptElsewhere(in *decision.Input, hash [32]byte) {
	if t := in.Record.Type; t == "QuestionnaireResponse" || t == "Observation" {
		id := fhir.ContentID(in.Record.Source, t, "", hash)
		in.Twin = ref.Resource{Type: t, ID: i.Namer.ID(in.Record.Source, id)}
	}
}
