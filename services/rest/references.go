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
		if err := p.standsFor(st, e, s.Source); err != nil {
			return err
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

// standsFor notes what references to an entry become that leads to what is there already, or goes to a place of ours.
func (p *plan) standsFor(st *step, e fhir.Request, source ref.Source) error {
	name := ""
	switch {
	case st.found && st.of.ID != "":
		called, _, err := p.nameFor(st.of, source)
		if err != nil {
			return err
		}
		name = called
	case st.place.ID != "" && st.place.Source == source && st.place.SourceID != "":
		name = st.of.Type + "/" + st.place.SourceID
	case st.place.ID != "":
		name = st.of.String()
	}
	if name == "" {
		return nil
	}
	if e.FullURL != "" {
		p.targets[e.FullURL] = name
	}
	if own := e.Type + "/" + e.ID; st.found && e.ID != "" && own != name {
		p.targets[own] = name
	}
	return nil
}

// conditionalReferences looks up those of one entry. Errors: Invalid for what is no type, Precondition unless there is exactly
// one resource.
func (p *plan) conditionalReferences(e fhir.Request, s decision.Submission) error {
	for _, text := range conditionsIn(e.Resource) {
		if _, known := p.targets[text]; known {
			continue
		}
		typ, query, _ := strings.Cut(text, "?")
		k, ok := kindOf(typ)
		switch {
		case !fhir.ResourceType(typ):
			return fault.New(fault.Invalid, fault.Errorf("value", e.Path+".resource", "a conditional reference names no type of FHIR R4"))
		case !ok || !k.sent:
			return fault.New(fault.Precondition, fault.Errorf("not-found", e.Path+".resource",
				"a conditional reference leads to no %s: none can be sent here", typ))
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
