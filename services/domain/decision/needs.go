package decision

import (
	"slices"

	"github.com/rapport-health/rapport/services/domain/ref"
)

// Needs are the things to read before a group of inputs can be judged.
type Needs struct {
	// Resources whose heads are needed.
	Resources []ref.Resource
	// Names of patients.
	Names []string
	// Keys by source.
	Keys map[ref.Source][]string
}

// NeedsOf collects what judging the inputs will look up.
func NeedsOf(inputs []Input) Needs {
	n := Needs{Keys: map[ref.Source][]string{}}
	for i := range inputs {
		in := &inputs[i]
		n.Resources = append(n.Resources, in.Record.Unversioned())
		if in.Twin.ID != "" {
			n.Resources = append(n.Resources, in.Twin)
		}
		if in.Key != "" {
			n.Keys[in.Record.Source] = append(n.Keys[in.Record.Source], in.Key)
		}
		if in.Record.Type == "Patient" {
			n.Names = append(n.Names, nameOf(ref.Patient(in.Record.ID)))
		}
		n.Names = append(n.Names, in.Identifiers...)
		for _, s := range slices.Concat(in.Replaces, in.ReplacedBy) {
			n.patient(s)
		}
		if in.settled() {
			continue
		}
		n.patient(in.Subject)
	}
	return n
}

func (n *Needs) patient(s Subject) {
	if s.Patient != "" {
		n.Resources = append(n.Resources, patientResource(s.Patient))
		n.Names = append(n.Names, nameOf(s.Patient))
	}
	if s.Identifier != "" {
		n.Names = append(n.Names, s.Identifier)
	}
}

// Episodes are those that judging an input will look up, once heads and names lie on the desk.
func (d *Desk) Episodes(in *Input) []ref.Episode {
	var found []ref.Episode
	if head, ok := d.head(in.Record.Unversioned()); ok {
		if known(head, in) {
			return nil
		}
		if hadFacts(head) {
			found = append(found, ref.EpisodeOf(head.Patient))
		}
	}
	if p := d.patientOf(in); p != "" && len(in.Facts) > 0 {
		found = append(found, ref.EpisodeOf(p))
	}
	return append(found, d.united(in)...)
}

// History names the episodes whose whole history is needed before the input can be judged: those in which
// it corrects something, comes late, or is judged again.
func (d *Desk) History(in *Input) []ref.Episode {
	var needed []ref.Episode
	head, stored := d.head(in.Record.Unversioned())
	if stored && known(head, in) {
		return nil
	}
	if stored && hadFacts(head) {
		needed = append(needed, ref.EpisodeOf(head.Patient))
	}
	if p := d.patientOf(in); p != "" && len(in.Facts) > 0 {
		e := ref.EpisodeOf(p)
		if k, _ := d.episode(e); in.Again || k.late(d.terms, in.Facts) {
			needed = append(needed, e)
		}
	}
	needed = append(needed, d.united(in)...)
	slices.Sort(needed)
	return slices.DeleteFunc(slices.Compact(needed), func(e ref.Episode) bool { k, _ := d.episode(e); return k.Complete })
}
