package catalogue

import (
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/instrument"
)

// overlay is what a clinic adds to one instrument or form, and what it wants otherwise. What it does not name stays.
type overlay struct {
	// ID under which the scores of a form are kept; a pack has its own.
	ID string `json:"id"`
	// Title, Construct and Respondent replace those of the definition.
	Title      string `json:"title"`
	Construct  string `json:"construct"`
	Respondent string `json:"respondent"`
	// Strict requires every item; Enforce rejects responses that break the form, as those to our own forms.
	Strict  bool `json:"strict"`
	Enforce bool `json:"enforce"`
	// Recall and Cadence replace those of the definition.
	Recall  *instrument.Claim `json:"recall"`
	Cadence *instrument.Claim `json:"cadence"`
	// Scores by code: what is known about a score of the definition, or a new score.
	Scores map[string]*scoring `json:"scores"`
	// Alerts are added to those of the definition.
	Alerts []alert `json:"alerts"`

	page  *page
	node  *yaml.Node
	place string
	name  string
	// broken says that it could not be read in full, which has been told.
	broken bool
}

// scoring is what an overlay says of one score.
type scoring struct {
	// Kind, Items, Of, Reverse, Offset, Factor and Divisor make a new score of items or of other scores.
	Kind    string   `json:"kind"`
	Items   []itemOf `json:"items"`
	Reverse []itemOf `json:"reverse"`
	Of      []string `json:"of"`
	Offset  float64  `json:"offset"`
	Factor  float64  `json:"factor"`
	Divisor float64  `json:"divisor"`
	// Min, Max and Step of the score.
	Min  *float64 `json:"min"`
	Max  *float64 `json:"max"`
	Step *float64 `json:"step"`
	// Use chooses one of the score's alternative sets of bands by its name.
	Use string `json:"use"`
	// What is known about the score.
	Direction string               `json:"direction"`
	Missing   *instrument.Missing  `json:"missing"`
	Bands     *instrument.Bands    `json:"bands"`
	Cuts      []instrument.Cut     `json:"cuts"`
	Change    *instrument.Change   `json:"change"`
	Distress  *instrument.Distress `json:"distress"`
	Codes     []instrument.Coded   `json:"codes"`
	Evidence  instrument.Evidence  `json:"evidence"`
}

// alert is an answer to be looked at.
type alert struct {
	Items    []itemOf            `json:"items"`
	When     string              `json:"when"`
	Value    float64             `json:"value"`
	Severity string              `json:"severity"`
	Evidence instrument.Evidence `json:"evidence"`
}

// itemOf names an item by its number, its concept or a linkId.
type itemOf string

// find the item in a definition; nil when there is none.
func (i itemOf) find(d *instrument.Definition) *instrument.Item {
	if at, ok := d.ItemByLink(string(i), false); ok {
		return &d.Items[at]
	}
	for at := range d.Items {
		if d.Items[at].Concept == string(i) {
			return &d.Items[at]
		}
	}
	if n, err := strconv.Atoi(string(i)); err == nil {
		return d.Item(n)
	}
	return nil
}

// names by which the items of a definition may be called.
func names(d *instrument.Definition) []string {
	var out []string
	for i := range d.Items {
		out = append(out, d.Items[i].Concept)
	}
	return out
}

// maker applies one overlay to one definition.
type maker struct {
	*overlay
	base *instrument.Definition
	d    instrument.Definition
	// lines give the place in the file of a place in the definition.
	lines map[string]string
	bad   []fault.Issue
}

func (m *maker) fail(place, format string, args ...any) {
	m.bad = append(m.bad, fault.Errorf("invalid", m.page.where(m.place+place), format, args...))
}

// apply makes a new definition. Its version is that of the old one and a digest of what is new in it. The issues, located
// in the overlay's file, say why that cannot be.
func (o *overlay) apply(base *instrument.Definition) (*instrument.Definition, []fault.Issue) {
	if o.broken {
		return nil, nil
	}
	clone, err := base.Clone()
	if err != nil {
		return nil, fault.IssuesOf(err)
	}
	m := &maker{overlay: o, base: base, d: clone, lines: map[string]string{}}
	m.identity()
	m.scores()
	m.alerts()
	if len(m.bad) > 0 {
		return nil, m.bad
	}
	hash, err := m.d.Digest(base.Hash)
	if err != nil {
		return nil, fault.IssuesOf(err)
	}
	if before, err := base.Digest(base.Hash); err != nil || hash != before {
		m.d.Hash = hash
		m.d.Version += "+" + hash[:8]
	}
	made, problems := instrument.Make(m.d)
	for _, p := range problems {
		m.bad = append(m.bad, fault.Errorf("invalid", m.where(p.Place), "%s: %s", p.Place, p.Text))
	}
	if len(m.bad) > 0 {
		return nil, m.bad
	}
	if o.Strict {
		made = made.Strict()
	}
	return made, nil
}

// where a place of the definition stands in the overlay: at the part that changed it, else at the overlay itself.
func (m *maker) where(place string) string {
	for at := place; at != ""; at = at[:max(strings.LastIndexAny(at, ".["), 0)] {
		if line, ok := m.lines[at]; ok {
			return m.page.where(line + place[len(at):])
		}
	}
	return m.page.where(m.place)
}

func (m *maker) identity() {
	if m.ID != "" && m.ID != m.d.ID {
		if !m.d.Foreign {
			m.fail(".id", "%s has an id of its own: only a form takes one", m.base.ID)
		}
		m.d.ID = m.ID
	}
	replace(&m.d.Title, m.Title)
	replace(&m.d.Construct, m.Construct)
	replace(&m.d.Respondent, m.Respondent)
	if m.Recall != nil {
		m.d.Recall = *m.Recall
	}
	if m.Cadence != nil {
		m.d.Cadence = *m.Cadence
	}
	for _, name := range []string{"construct", "respondent", "recall", "cadence"} {
		m.lines[name] = m.place + "." + name
	}
	m.lines["id"] = m.place + ".id"
}

func replace(to *string, with string) {
	if with != "" {
		*to = with
	}
}

// scores enters what the overlay says of scores: first of those that there are, then the new ones in the order of the file.
func (m *maker) scores() {
	var fresh []string
	for _, code := range m.codes() {
		if i := slices.IndexFunc(m.d.Scores, func(s instrument.Score) bool { return s.Code == code }); i >= 0 && m.Scores[code].Kind == "" {
			m.lines["scores["+strconv.Itoa(i)+"]"] = m.place + ".scores." + code
			m.known(&m.d.Scores[i], m.Scores[code], ".scores."+code)
			continue
		}
		fresh = append(fresh, code)
	}
	if len(fresh) == 0 {
		return
	}
	if m.d.Foreign {
		// The sum that was taken for want of anything better gives way to what the clinic says.
		m.d.Scores = slices.DeleteFunc(m.d.Scores, func(s instrument.Score) bool {
			return s.Kind != instrument.KindFormula || slices.Contains(fresh, s.Code)
		})
	}
	for _, code := range fresh {
		m.fresh(code, m.Scores[code], ".scores."+code)
	}
	m.usage()
}

// codes of the scores named, in the order of the file.
func (m *maker) codes() []string {
	var codes []string
	n := m.page.places[m.place+".scores"]
	if n == nil {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if m.Scores[n.Content[i].Value] != nil {
			codes = append(codes, n.Content[i].Value)
		}
	}
	return codes
}

func (m *maker) known(s *instrument.Score, with *scoring, place string) {
	if len(with.Items)+len(with.Of)+len(with.Reverse) > 0 || with.Offset != 0 || with.Factor != 0 || with.Divisor != 0 {
		m.fail(place, "%s has a key already: only a new score, with a kind, is given one", s.Code)
	}
	replace(&s.Direction, with.Direction)
	if with.Use != "" {
		m.choose(s, with.Use, place)
	}
	if with.Missing != nil {
		s.Missing = with.Missing
	}
	m.statistics(s, with)
}

// choose one of the alternative sets of bands.
func (m *maker) choose(s *instrument.Score, name, place string) {
	var known []string
	for i := range s.Alternatives {
		known = append(known, s.Alternatives[i].Name)
	}
	if !s.Choose(name) {
		m.fail(place+".use", "%s has no bands called '%s'%s", s.Code, name, meant(name, known))
	}
}

// statistics enters what is known about a score beside its key.
func (m *maker) statistics(s *instrument.Score, with *scoring) {
	if with.Bands != nil {
		s.Bands = with.Bands
	}
	if with.Cuts != nil {
		s.Cuts = with.Cuts
	}
	if with.Change != nil {
		s.Change = with.Change
	}
	if with.Distress != nil {
		s.Distress = with.Distress
	}
	s.Codes = append(s.Codes, with.Codes...)
	for to, from := range map[*float64]*float64{&s.Min: with.Min, &s.Max: with.Max, &s.Step: with.Step} {
		if from != nil {
			*to = *from
		}
	}
	if with.Evidence != "" {
		s.Evidence = with.Evidence
	}
}

// fresh makes a new score.
func (m *maker) fresh(code string, with *scoring, place string) {
	if with.Kind == "" {
		var known []string
		for i := range m.d.Scores {
			known = append(known, m.d.Scores[i].Code)
		}
		m.fail(place, "there is no score %s%s; a new one needs a kind", code, meant(code, known))
		return
	}
	if !slices.Contains([]string{instrument.KindSum, instrument.KindMean, instrument.KindPercent, instrument.KindScores}, with.Kind) {
		m.fail(place+".kind", "a score of this kind needs a pack: sum, mean, percent or scores are made here")
		return
	}
	if !m.d.Foreign && len(with.Reverse) > 0 {
		m.fail(place+".reverse", "the items of %s are reversed by its own key", m.base.ID)
	}
	s := instrument.Score{
		Code: code, Kind: with.Kind, Of: with.Of, Offset: with.Offset, Factor: with.Factor, Divisor: with.Divisor,
		Direction: with.Direction, Missing: with.Missing, Evidence: with.Evidence,
	}
	for i, name := range with.Items {
		if item := m.item(name, place+".items["+strconv.Itoa(i)+"]"); item != nil {
			s.Items = append(s.Items, item.Number)
		}
	}
	for i, name := range with.Reverse {
		if item := m.item(name, place+".reverse["+strconv.Itoa(i)+"]"); item != nil {
			low, high := m.base.Items[item.Number-1].Answers().Bounds()
			m.d.Items[item.Number-1].Reverse = new(low + high)
		}
	}
	m.lines["scores["+strconv.Itoa(len(m.d.Scores))+"]"] = m.place + place
	m.statistics(&s, with)
	if with.Min == nil && with.Max == nil {
		m.span(&s)
	}
	m.d.Scores = append(m.d.Scores, s)
}

// item by its name in the definition that the overlay is laid over.
func (m *maker) item(name itemOf, place string) *instrument.Item {
	item := name.find(m.base)
	if item == nil {
		m.fail(place, "%s has no item '%s' that is answered by numbers%s", m.base.ID, name, meant(string(name), names(m.base)))
	}
	return item
}

// span gives a new score the range that its key gives.
func (m *maker) span(s *instrument.Score) {
	low, high := 0.0, 0.0
	for _, n := range s.Items {
		l, h := m.base.Items[n-1].Answers().Bounds()
		low, high = low+l, high+h
	}
	for _, code := range s.Of {
		for i := range m.d.Scores {
			if m.d.Scores[i].Code == code {
				low, high = low+m.d.Scores[i].Min, high+m.d.Scores[i].Max
			}
		}
	}
	switch n := float64(len(s.Items)); {
	case s.Kind == instrument.KindMean && n > 0:
		low, high = low/n, high/n
	case s.Kind == instrument.KindPercent:
		low, high = 0, 100
	}
	low, high = s.Rescale(low), s.Rescale(high)
	s.Min, s.Max = min(low, high), max(low, high)
}

// usage marks the items that no score uses.
func (m *maker) usage() {
	used := make([]bool, len(m.d.Items))
	for i := range m.d.Scores {
		for _, n := range m.d.Scores[i].Items {
			if n >= 1 && n <= len(used) {
				used[n-1] = true
			}
		}
	}
	for i := range m.d.Items {
		if used[i] {
			m.d.Items[i].Unscored = false
		} else if m.d.Foreign {
			m.d.Items[i].Unscored = true
		}
	}
}

func (m *maker) alerts() {
	for i, a := range m.Alerts {
		place := ".alerts[" + strconv.Itoa(i) + "]"
		made := instrument.Alert{When: a.When, Value: a.Value, Severity: a.Severity, Evidence: a.Evidence}
		for j, name := range a.Items {
			if item := m.item(name, place+".items["+strconv.Itoa(j)+"]"); item != nil {
				made.Items = append(made.Items, item.Number)
			}
		}
		m.lines["alerts["+strconv.Itoa(len(m.d.Alerts))+"]"] = m.place + place
		m.d.Alerts = append(m.d.Alerts, made)
	}
}

// readYAML reads an overlay and remembers where it stands.
func (o *overlay) readYAML(p *page, n *yaml.Node, place string) {
	before := len(p.issues)
	p.fields(n, reflect.ValueOf(o).Elem(), place)
	o.page, o.node, o.place, o.broken = p, n, place, len(p.issues) > before
}
