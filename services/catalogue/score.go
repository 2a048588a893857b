package catalogue

import (
	"context"
	"strings"

	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/form"
	"github.com/rapport-health/rapport/services/domain/instrument"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/domain/response"
	"github.com/rapport-health/rapport/services/domain/score"
	"github.com/rapport-health/rapport/services/fhir"
	"github.com/rapport-health/rapport/services/fhir/tree"
)

// Case is one response as read.
type Case struct {
	// Source sent it; its map is applied.
	Source ref.Source
	// Doc is the body.
	Doc *tree.Doc
	// Reading of the body, with a Draft.
	Reading *fhir.Reading
}

// Outcome is what a response comes to.
type Outcome struct {
	// Definition that scored it; nil when none is known for its questionnaire.
	Definition *instrument.Definition
	// Sheet of its scores.
	Sheet score.Sheet
	// Scores are the sheet as a fact keeps it; nil when there is nothing to keep: neither a score nor a critical item.
	Scores *fact.Scores
	// Issues say what was wrong with the response, and why something is not scored.
	Issues []fault.Issue
}

const (
	pathQuestionnaire = "QuestionnaireResponse.questionnaire"
	pathItem          = "QuestionnaireResponse.item"
)

// Score takes a response to its scores: the map of its source, the definition that its questionnaire names, the check
// against its form, binding and scoring. It is the one way there. Errors: Unprocessable, with all issues, for a response
// to one of our own forms or to an enforced one that breaks it; Unavailable when the store is away.
func (s *Shelf) Score(ctx context.Context, c Case) (Outcome, error) {
	w := work{Shelf: s, Case: c, draft: *c.Reading.Draft, sent: *c.Reading.Draft}
	if w.mapped = s.sources[c.Source].questionnaire(w.draft.Questionnaire); w.mapped != nil {
		w.draft.Variant = w.mapped.Variant
	}
	if err := w.find(ctx); err != nil {
		return Outcome{}, err
	}
	if err := w.check(ctx); err != nil {
		return Outcome{}, err
	}
	if w.def == nil {
		return w.unscored(), nil
	}
	return w.score(), nil
}

// Refuse completes the reasons why the reading of a response was refused by those that its form has, where the answers
// could be read: everything that is wrong is told at once. It returns err as it is where the form has nothing to say.
func (s *Shelf) Refuse(ctx context.Context, c Case, err error) error {
	if c.Reading.Draft == nil || fault.Of(err) != fault.Unprocessable {
		return err
	}
	out, broken := s.Score(ctx, c)
	switch {
	case broken == nil:
		return fault.New(fault.Unprocessable, append(fault.IssuesOf(err), out.Issues...)...)
	case fault.Of(broken) == fault.Unprocessable:
		return fault.New(fault.Unprocessable, append(fault.IssuesOf(err), fault.IssuesOf(broken)...)...)
	default:
		return err
	}
}

// work is one response on its way.
type work struct {
	*Shelf
	Case
	// draft is what counts of the response, sent what came.
	draft, sent response.Draft
	// mapped is what the map of the source says of the questionnaire; nil for nothing.
	mapped *feed
	// def scores it, asked is the form it is held against; either may be nil.
	def     *instrument.Definition
	asked   *form.Form
	q       *questionnaire
	enforce bool
	assumed bool
	issues  []fault.Issue
}

func (w *work) warn(code, path, format string, args ...any) {
	w.issues = append(w.issues, fault.Warnf(code, path, format, args...))
}

func (w *work) inform(code, path, format string, args ...any) {
	w.issues = append(w.issues, fault.Infof(code, path, format, args...))
}

// find the definition and the form.
func (w *work) find(ctx context.Context) error {
	named := w.draft.Questionnaire
	if named == "" && w.mapped == nil {
		w.warn("required", pathQuestionnaire, "the response names no questionnaire: stored, not scored")
		return nil
	}
	def, err := w.registry.Lookup(named)
	if err != nil && own(named) {
		return fault.New(fault.Unprocessable, fault.Errorf("not-found", pathQuestionnaire, "%s", textOf(err)))
	}
	if w.mapped != nil {
		def = w.mapped.def
	}
	if def != nil && w.mapped == nil && def.Numbered(named) && !def.Foreign {
		w.def, w.asked, w.enforce = def, w.ownForm(def), true
		w.assume(named)
		return nil
	}
	if err := w.findForm(ctx, def != nil); err != nil {
		return err
	}
	w.def = def
	if def == nil && w.q != nil {
		w.def = w.q.def
	}
	if url, _, _ := strings.Cut(named, "|"); w.def == nil && w.q == nil && w.enforced[url] {
		return fault.New(fault.Unprocessable, fault.Errorf("not-found", pathQuestionnaire, "%s", textOf(err)))
	}
	if w.q != nil {
		w.asked, w.enforce = w.q.form, w.q.enforce
		w.unreadable()
	}
	if w.def == nil {
		w.unknown(err)
		return nil
	}
	w.assume(named)
	return nil
}

// own says whether a canonical lies under our own base.
func own(named string) bool { return strings.HasPrefix(named, instrument.Base+"/") }

func textOf(err error) string {
	for _, issue := range fault.IssuesOf(err) {
		return issue.Text
	}
	return "the questionnaire is not known"
}

// findForm looks for the Questionnaire itself: contained, in the folder, or stored. Static says that the definition is
// known without it.
func (w *work) findForm(ctx context.Context, static bool) (err error) {
	named := w.draft.Questionnaire
	if id, ok := strings.CutPrefix(named, "#"); ok {
		w.q = w.contained(id)
		return nil
	}
	if w.q = w.forms[named]; w.q != nil {
		return nil
	}
	want := wantedOf(w.Source, named, w.draft.Authored)
	if static {
		w.q, err = w.known(ctx, want)
		return err
	}
	w.q, err = w.foreign(ctx, want)
	if err != nil && fault.Of(err) == fault.Conflict {
		w.warn("multiple-matches", pathQuestionnaire, "%s", textOf(err))
		return nil
	}
	return err
}

// contained is the Questionnaire that the response brings along.
func (w *work) contained(id string) *questionnaire {
	for n := w.Doc.Root().Child("contained").First(); n.Exists(); n = n.Next() {
		if !n.Child("id").Is(id) || !n.Child("resourceType").Is(questionnaireType) {
			continue
		}
		key := "contained " + string(w.Source) + " " + meaningOf(n)
		return w.compiled.of(key, len(n.Parent().Raw()), func() *questionnaire {
			return w.compile(n, "questionnaire-"+ref.Digest("contained", string(w.Source), contentOf(n)))
		})
	}
	return nil
}

// meaningOf is a digest of a contained Questionnaire and of the value sets beside it.
func meaningOf(n tree.Node) string {
	parts := []string{n.Child("id").Text(), contentOf(n)}
	for beside := n.Parent().First(); beside.Exists(); beside = beside.Next() {
		if typ := beside.Child("resourceType"); typ.Is("ValueSet") || typ.Is("CodeSystem") {
			parts = append(parts, string(beside.Raw()))
		}
	}
	return ref.Digest(parts...)
}

// unreadable says that a Questionnaire is there but cannot be used.
func (w *work) unreadable() {
	if w.q.form != nil {
		return
	}
	w.warn("not-supported", pathQuestionnaire, "the Questionnaire of this name cannot be used: %s", reasonsOf(w.q.issues))
}

// reasonsOf are the first few errors of a Questionnaire, in a sentence.
func reasonsOf(issues []fault.Issue) string {
	var said []string
	for _, issue := range issues {
		if issue.Severity == fault.Error && len(said) < 3 {
			said = append(said, issue.Path+": "+issue.Text)
		}
	}
	return strings.Join(said, "; ")
}

// unknown says why no definition is there.
func (w *work) unknown(err error) {
	switch {
	case len(w.issues) > 0:
	case w.q != nil:
		w.warn("not-supported", pathQuestionnaire, "the Questionnaire has neither weights nor formulas that can be used: stored, not scored%s", w.q.why())
	default:
		w.warn("not-found", pathQuestionnaire, "%s", textOf(err))
	}
}

// assume says which version was taken when none was named.
func (w *work) assume(named string) {
	if strings.Contains(named, "|") || strings.HasPrefix(named, "#") {
		return
	}
	w.assumed = true
	w.inform("informational", pathQuestionnaire, "names no version: scored by %s %s, the current one", w.def.ID, w.def.Version)
}

// check holds the response against its form, if there is one.
func (w *work) check(ctx context.Context) error {
	if w.asked == nil {
		return nil
	}
	policy := form.Policy{Enforce: w.enforce}
	if w.def != nil && !w.enforce {
		policy.Mapping = mapping{w.sources[w.Source], w.mapped, form.Key(w.def, &w.draft)}
	}
	if w.q != nil {
		policy.Enabled = w.q.formulas.enabled(ctx, w.Doc)
	}
	pruned, issues := w.asked.Check(w.draft, policy)
	w.issues = append(w.issues, issues...)
	if fault.Any(issues) && w.enforce {
		return fault.New(fault.Unprocessable, append(w.Reading.Issues, w.issues...)...)
	}
	if w.def != nil && w.def.Foreign {
		pruned.Unasked = w.asked.Unasked(w.draft, policy)
		if err := w.compute(ctx, &pruned); err != nil {
			return err
		}
	}
	w.draft = pruned
	return nil
}

// compute evaluates the form's own formulas on what counts of the response.
func (w *work) compute(ctx context.Context, pruned *response.Draft) error {
	if w.q == nil || w.draft.Status == response.EnteredInError || len(w.q.formulas.scores) == 0 {
		return nil
	}
	doc, err := without(w.Doc, w.draft.Items, pruned.Items)
	if err == nil {
		pruned.Computed, err = w.q.formulas.compute(ctx, doc, pruned)
	}
	switch {
	case err == nil || fault.Of(err) == fault.Unavailable:
		return err
	default:
		w.warn("processing", "QuestionnaireResponse", "the formulas of the form cannot be evaluated: %s", textOf(err))
		return nil
	}
}

// score binds and scores.
func (w *work) score() Outcome {
	draft := w.sources[w.Source].translate(w.draft, w.mapped)
	if w.mapped != nil && len(w.mapped.absent) > 0 {
		w.warn("incomplete", pathItem, "the map of this source names no linkId for item %s of %s: unanswered, the missing rule decides",
			strings.Join(w.mapped.absent, ", "), w.def.ID)
	}
	bound, issues := response.Bind(w.def, draft)
	for _, issue := range issues {
		if w.asked == nil || issue.Code != "not-found" { // else the check has told of strange linkIds; a form may ask more
			w.issues = append(w.issues, issue)
		}
	}
	w.doubt(&bound)
	sheet := score.Score(w.def, bound)
	sheet.Assumed = w.assumed
	sheet = sheet.By(w.respondent())
	out := Outcome{Definition: w.def, Sheet: sheet}
	if bound.Unscored == "" || len(sheet.Critical) > 0 {
		out.Scores = w.fact(sheet)
	}
	out.Issues = w.issues
	return out
}

// respondent is who answered, as far as the response or the map says.
func (w *work) respondent() string {
	if w.Reading.Respondent == "" && w.mapped != nil {
		return w.mapped.Respondent
	}
	return w.Reading.Respondent
}

// fact is what is kept of a sheet.
func (w *work) fact(sheet score.Sheet) *fact.Scores {
	scores := fact.FromSheet(sheet)
	scores.Clinician, scores.Encounter = w.Reading.Clinician, w.Reading.Encounter
	if !scores.Any() {
		w.warn("incomplete", "QuestionnaireResponse", "no score of %s could be computed: %s", scores.Instrument, scores.Scores[0].NotScorable)
	}
	for _, theirs := range sheet.Submitted {
		w.warn("conflict", "QuestionnaireResponse", "the submitted %s of %s differs from the one computed: both are kept", theirs.Score, scores.Instrument)
	}
	if w.draft.Authored.IsZero() {
		w.warn("required", "QuestionnaireResponse.authored", "without a date the answers count from when they were received")
	}
	return scores
}

// mapping knows the items and answers of a form by the map of its source and by the key of its instrument.
type mapping struct {
	source *source
	feed   *feed
	key    form.Mapping
}

// Item says whether an item that is not in the form has a meaning.
func (m mapping) Item(item *response.Item) bool {
	return m.key.Item(m.translated(item, nil))
}

// Answer says whether an answer that the form does not offer has a meaning.
func (m mapping) Answer(item *response.Item, a *response.Answer) bool {
	sent := m.translated(item, a)
	return m.key.Answer(sent, &sent.Answers[0])
}

// translated is one item, with one answer, in the words of the instrument.
func (m mapping) translated(item *response.Item, a *response.Answer) *response.Item {
	sent := response.Item{LinkID: item.LinkID, Codes: item.Codes}
	if a != nil {
		alone := *a
		alone.Items = nil
		sent.Answers = []response.Answer{alone}
	}
	if m.source == nil {
		return &sent
	}
	d := m.source.translate(response.Draft{Items: []response.Item{sent}}, m.feed)
	return &d.Items[0]
}

// without is the response without the answers that were pruned from its draft, and without items of which nothing is left.
func without(doc *tree.Doc, all, kept []response.Item) (*tree.Doc, error) {
	lost := map[string]bool{}
	answers(all, func(path string) { lost[path] = true })
	answers(kept, func(path string) { delete(lost, path) })
	if len(lost) == 0 {
		return doc, nil
	}
	return tree.Parse(tree.Without(doc, func(n tree.Node) bool {
		switch string(n.Parent().KeyBytes()) {
		case "answer":
			return lost[n.Path()]
		case "item":
			return gone(n, lost)
		default:
			return false
		}
	}), tree.Limits{})
}

// gone says whether everything below an item is lost.
func gone(item tree.Node, lost map[string]bool) bool {
	answers, items := item.Child("answer"), item.Child("item")
	for a := answers.First(); a.Exists(); a = a.Next() {
		if !lost[a.Path()] {
			return false
		}
	}
	for below := items.First(); below.Exists(); below = below.Next() {
		if !gone(below, lost) {
			return false
		}
	}
	return answers.Exists() || items.Exists()
}

// answers calls visit with the path of every answer that has a value.
func answers(items []response.Item, visit func(path string)) {
	for i := range items {
		answers(items[i].Items, visit)
		for j := range items[i].Answers {
			if a := &items[i].Answers[j]; a.Kind != "" || len(a.Items) == 0 {
				visit(a.Path)
			}
			answers(items[i].Answers[j].Items, visit)
		}
	}
}
