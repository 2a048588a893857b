package ingest

import (
	"strings"

	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/fhir"
	"github.com/rapport-health/rapport/services/fhir/tree"
)

// prepareBundle reads the entries of a Bundle. A transaction stands or falls together; any other type is a set of
// independent entries.
func (i *Ingest) prepareBundle(s decision.Submission, doc *tree.Doc) *part {
	bundle, err := fhir.ReadBundle(doc)
	if err != nil {
		return refused(err)
	}
	if len(bundle.Entries) > MaxEntries {
		return refused(fault.New(fault.TooLarge, fault.Errorf("too-long", "Bundle.entry", "a Bundle may have %d entries at most: send several", MaxEntries)))
	}
	p := &part{bundle: true, atomic: bundle.Type == "transaction"}
	if len(bundle.Entries) == 0 {
		p.note = []fault.Issue{fault.Infof("informational", "Bundle.entry", "the Bundle has no entries: nothing to do")}
	}
	names := bundle.References()
	for n := range bundle.Entries {
		in, err := i.entry(s, &bundle.Entries[n], names)
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
		for n, known := range p.entries {
			if known == nil {
				p.entries[n] = &decision.Receipt{Outcome: record.Unchanged}
			}
		}
	}
	return p
}

// entry reads one entry. Its key is its own, so that a replayed Bundle is recognised entry by entry.
func (i *Ingest) entry(s decision.Submission, e *fhir.Entry, names map[string]string) (decision.Input, error) {
	if method := e.Method; method != "" && method != "POST" && method != "PUT" {
		return decision.Input{}, fault.New(fault.NotSupported, fault.Errorf("not-supported", e.Path+".request.method",
			"only POST and PUT are taken in a Bundle"))
	}
	if e.Resource == nil {
		return decision.Input{}, fault.New(fault.Invalid, fault.Errorf("required", e.Path+".resource", "the entry has no resource"))
	}
	doc, err := tree.Rewrite(e.Resource, names)
	if err != nil {
		return decision.Input{}, err
	}
	if doc.Root().Child("resourceType").Text() == "Bundle" {
		return decision.Input{}, fault.New(fault.NotSupported, fault.Errorf("not-supported", e.Path+".resource",
			"a Bundle within a Bundle is not taken: send it by itself"))
	}
	s.Key = ""
	logical := logicalID(e)
	in, err := i.read(s, doc, logical)
	if notSupported(err) {
		in, err = i.unused(s, doc, logical)
	}
	return in, within(err, e.Path)
}

// logicalID is the id of an entry whose resource has none: that of its PUT, else that of its urn:uuid.
func logicalID(e *fhir.Entry) string {
	if _, id, ok := strings.Cut(e.URL, "/"); ok && e.Method == "PUT" && !strings.ContainsAny(id, "/?") {
		return id
	}
	if id, ok := strings.CutPrefix(e.FullURL, "urn:uuid:"); ok {
		return id
	}
	return ""
}

// within puts the path of the entry before the paths of what is wrong in its resource.
func within(err error, path string) error {
	issues := fault.IssuesOf(err)
	if len(issues) == 0 {
		return err
	}
	located := make([]fault.Issue, len(issues))
	for n, issue := range issues {
		issue.Path = strings.TrimSuffix(path+".resource."+strings.TrimPrefix(issue.Path, "."), ".")
		located[n] = issue
	}
	return fault.New(fault.Of(err), located...)
}
