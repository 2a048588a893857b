package instrument

import "strings"

// Evidence says how a fact is known: a tag (cited, standard, unconfirmed, design or computed), and after a colon the
// source or a remark, such as `cited: US-Core, KTC`.
type Evidence string

// Tag is the word before the colon.
func (e Evidence) Tag() string {
	tag, _, _ := strings.Cut(string(e), ":")
	return strings.TrimSpace(tag)
}

// Source is what follows the colon; empty when nothing does.
func (e Evidence) Source() string {
	_, source, _ := strings.Cut(string(e), ":")
	return strings.TrimSpace(source)
}

// Confirmed says that a source was read, that it is established literature, or that it is our own decision.
func (e Evidence) Confirmed() bool { return e.Tag() != "unconfirmed" }

// problem says what is wrong with the evidence; empty when nothing is.
func (e Evidence) problem() string {
	switch e.Tag() {
	case "cited":
		if e.Source() == "" {
			return "cited evidence must name its source, as in `cited: US-Core`"
		}
		return ""
	case "standard", "unconfirmed", "design", "computed":
		return ""
	case "":
		return "every fact needs evidence: cited, standard, unconfirmed, design or computed"
	default:
		return "the evidence tag must be cited, standard, unconfirmed, design or computed"
	}
}

// Doubt is a fact that nobody has confirmed.
type Doubt struct {
	// Fact is its place in the pack, such as `scores[0].missing`.
	Fact     string
	Evidence Evidence
}

// evidence calls visit for every fact of the definition with its place in the pack.
func (d *Definition) evidence(visit func(place string, e Evidence)) {
	visit("licence", d.Licence.Evidence)
	visit("recall", d.Recall.Evidence)
	visit("cadence", d.Cadence.Evidence)
	for i := range d.Panels {
		visit(at("panels", i), d.Panels[i].Evidence)
	}
	for i := range d.Forms {
		visit(at("forms", i), d.Forms[i].Evidence)
	}
	for _, name := range d.scaleNames() {
		visit("scales."+name, d.Scales[name].Evidence)
	}
	visit("itemEvidence", d.ItemEvidence)
	for i := range d.Scores {
		d.Scores[i].evidence(at("scores", i), visit)
	}
	for i := range d.Decisions {
		visit(at("decisions", i), d.Decisions[i].Evidence)
	}
	for i := range d.Variants {
		visit(at("variants", i), d.Variants[i].Evidence)
	}
	for i := range d.Alerts {
		visit(at("alerts", i), d.Alerts[i].Evidence)
	}
	for i := range d.Notes {
		visit(at("notes", i), d.Notes[i].Evidence)
	}
}

func (s *Score) evidence(place string, visit func(string, Evidence)) {
	visit(place, s.Evidence)
	for i := range s.Codes {
		visit(at(place+".codes", i), s.Codes[i].Evidence)
	}
	if s.Table != nil {
		visit(place+".table", s.Table.Evidence)
	}
	if s.Linear != nil {
		visit(place+".linear", s.Linear.Evidence)
	}
	if s.Gate != nil {
		visit(place+".gate", s.Gate.Evidence)
	}
	if s.Missing != nil {
		visit(place+".missing", s.Missing.Evidence)
	}
	if s.Bands != nil {
		visit(place+".bands", s.Bands.Evidence)
	}
	for i := range s.Alternatives {
		visit(at(place+".alternatives", i), s.Alternatives[i].Evidence)
	}
	for i := range s.Cuts {
		visit(at(place+".cuts", i), s.Cuts[i].Evidence)
	}
	if s.Change != nil && s.Change.Reliable != nil {
		visit(place+".change.reliable", s.Change.Reliable.Evidence)
	}
	if s.Change != nil && s.Change.Important != nil {
		visit(place+".change.important", s.Change.Important.Evidence)
	}
	if s.Change != nil && s.Change.Cutoff != nil {
		visit(place+".change.cutoff", s.Change.Cutoff.Evidence)
	}
	if s.Distress != nil {
		visit(place+".distress", s.Distress.Evidence)
	}
}
