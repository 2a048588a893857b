package rest

import (
	"bytes"
	"slices"
	"strings"

	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/fhir"
	"github.com/rapport-health/rapport/services/fhir/tree"
)

// references finds what conditional references, and those to entries that are there already, lead to.
func (p *plan) references(s decision.Submission) error {
	for i := range p.steps {
		st, e := &p.steps[i], p.entries[i]
		if st.of.ID != "" && e.FullURL != "" && (st.found || st.place.ID != "") {
			p.targets[e.FullURL] = st.of.String()
		}
		if !bytes.Contains(st.body, []byte("?")) || st.found {
			continue
		}
		if err := p.conditionalReferences(e, s); err != nil {
			return err
		}
	}
	return nil
}

// conditionalReferences looks up those of one entry whose types are searched here.
func (p *plan) conditionalReferences(e fhir.Request, s decision.Submission) error {
	for _, text := range conditionsIn(e.Resource) {
		if _, known := p.targets[text]; known {
			continue
		}
		typ, query, _ := strings.Cut(text, "?")
		k, ok := kindOf(typ)
		if !ok || !k.sent {
			continue // kept as it was sent, as is what it leads to
		}
		q, err := p.conditional(k, query)
		if err != nil {
			return at(e.Path, err)
		}
		of, err := p.find(q)
		if err == nil && of.ID == "" {
			err = fault.Newf(fault.Precondition, "not-found", "a conditional reference leads to no %s", typ)
		}
		if err != nil {
			return at(e.Path, err)
		}
		p.holds = append(p.holds, p.still(q, of))
		name, ok, err := p.nameFor(of, s.Source)
		if err != nil {
			return err
		}
		if ok {
			p.targets[text], p.plain = name, false
		}
	}
	return nil
}

// nameFor is how a source calls a resource; false when it has no name of its own for it.
func (p *plan) nameFor(of ref.Resource, source ref.Source) (string, bool, error) {
	rec, err := p.current(of)
	switch {
	case err != nil:
		return "", false, err
	case rec.Source == source && rec.SourceID != "":
		return of.Type + "/" + rec.SourceID, true, nil
	}
	return of.String(), p.config.Namer.ID(source, of.ID) == of.ID, nil
}

// conditionsIn are the conditional references in a resource, each once.
func conditionsIn(n tree.Node) []string {
	var out []string
	for c := n.First(); c.Exists(); c = c.Next() {
		if text := c.Text(); c.Key() == "reference" && whereForm.MatchString(text) && !slices.Contains(out, text) {
			out = append(out, text)
		}
		for _, more := range conditionsIn(c) {
			if !slices.Contains(out, more) {
				out = append(out, more)
			}
		}
	}
	return out
}
