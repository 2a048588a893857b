package catalogue

import (
	"context"
	"slices"
	"time"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/form"
	"github.com/rapport-health/rapport/services/domain/instrument"
	"github.com/rapport-health/rapport/services/domain/response"
	"github.com/rapport-health/rapport/services/fhir/path"
	"github.com/rapport-health/rapport/services/fhir/tree"
)

// formulas are the expressions of one Questionnaire.
type formulas struct {
	of *path.Formulas
	// scores are those that give a number.
	scores []formula
	// broken says that there are formulas that cannot be used: then nothing may stand in for them.
	broken bool
}

// formula is one calculated item that is a score.
type formula struct {
	code, linkID string
	// needs are the linkIds that it rests on.
	needs []string
	// low and high bound it, where both are known.
	low, high float64
	bounded   bool
}

// mostTrials bounds how often the formulas of one Questionnaire are tried to find out what they rest on, and again how far
// they reach. A trial takes some tenths of a millisecond.
const mostTrials = 3_000

// trials are how often each question is left out, and how often each answer is tried for the lowest and the highest.
const (
	leftOut  = 4
	climbing = 4
)

// These bound the time that the formulas of one form may take when they are tried out, and answering those of one
// response. A form of a clinic takes a hundredth of it; nothing else keeps a page of nested loops from taking hours.
const (
	triedWithin    = 10 * time.Second
	answeredWithin = 5 * time.Second
)

func tooSlow(path string) fault.Issue {
	return fault.Warnf("too-costly", path, "the formulas take too long to evaluate: not scored by them")
}

// expressions compiles those of a Questionnaire, and finds out what each score rests on and how far it reaches. What is
// wrong with them joins the issues of the Questionnaire.
func (c *Catalogue) expressions(n tree.Node, q *questionnaire) formulas {
	ctx, stop := context.WithTimeout(context.Background(), c.within) // compiled once and kept, whoever asked first
	defer stop()
	known := slices.Clone(c.terms)
	for sibling := n.Parent().First(); sibling.Exists(); sibling = sibling.Next() {
		known = append(known, slices.Clone(sibling.Raw())) // a Questionnaire contained in a response may share its value sets
	}
	of, err := path.Load(ctx, slices.Clone(n.Raw()), path.Options{Known: known})
	if err != nil && ctx.Err() != nil {
		q.issues = append(q.issues, tooSlow("Questionnaire"))
		return formulas{broken: true}
	}
	if err != nil {
		q.issues = append(q.issues, fault.IssuesOf(err)...)
		return formulas{broken: true}
	}
	q.issues = append(q.issues, of.Issues()...)
	f := formulas{of: of, broken: len(of.Issues()) > 0}
	taken := map[string]bool{}
	links := of.LinkIDs()
	questions, options := sizeOf(q.form)
	if len(links)*questions*leftOut > mostTrials {
		q.issues = append(q.issues, fault.Warnf("too-costly", "Questionnaire", "so many formulas over so many questions are not tried out: not scored"))
		return formulas{of: of, broken: true}
	}
	ranged := len(links)*options*climbing <= mostTrials
	for _, linkID := range links {
		if !numeric(q.form.Item(linkID)) {
			continue
		}
		one := formula{code: codeOf(linkID, taken), linkID: linkID}
		if one.needs, err = of.Depends(ctx, linkID); err != nil || len(one.needs) == 0 {
			f.broken = true
			continue
		}
		if ranged {
			one.low, one.high, one.bounded, err = of.Range(ctx, linkID)
			one.bounded = one.bounded && err == nil
		}
		f.scores = append(f.scores, one)
	}
	if ctx.Err() != nil {
		q.issues = append(q.issues, tooSlow("Questionnaire"))
		return formulas{of: of, broken: true}
	}
	return f
}

// sizeOf is how many questions a form has, and how many options these have together.
func sizeOf(f *form.Form) (questions, options int) {
	for item := range f.All() {
		if item.Type.Question() {
			questions++
			options += max(len(item.Options), 2)
		}
	}
	return questions, options
}

// numeric says whether a calculated item is a score.
func numeric(item *form.Item) bool {
	return item != nil && (item.Type == form.Integer || item.Type == form.Decimal)
}

// unproven is the evidence of a formula.
const unproven = instrument.Evidence("unconfirmed: the form's own formula")

// enter makes the scores of a definition whose items are in place: calculated items are no items but scores.
func (f formulas) enter(d *instrument.Definition) {
	if len(f.scores) == 0 {
		return
	}
	var calculated []string
	for _, one := range f.scores {
		calculated = append(calculated, one.linkID)
	}
	drop(d, calculated)
	d.Forms[0].Scores = map[string]string{}
	for _, one := range f.scores {
		s := instrument.Score{Code: one.code, Kind: instrument.KindFormula, Evidence: unproven}
		for i, link := range d.Forms[0].Items {
			if slices.Contains(one.needs, link) {
				s.Items = append(s.Items, d.Items[i].Number)
			}
		}
		if one.bounded && one.low <= one.high {
			s.Min, s.Max = one.low, one.high
		}
		d.Scores = append(d.Scores, s)
		d.Forms[0].Scores[one.code] = one.linkID
	}
}

// enabled evaluates the enableWhenExpressions on a response; nil when there are none.
func (f formulas) enabled(ctx context.Context, doc *tree.Doc) func(linkID string) (bool, error) {
	if f.of == nil || len(f.of.Conditions()) == 0 {
		return nil
	}
	within, stop := context.WithTimeout(ctx, answeredWithin)
	defer stop()
	conditions, err := f.of.EnabledDoc(within, doc)
	return func(linkID string) (bool, error) {
		if err != nil {
			return false, err
		}
		for _, c := range conditions {
			if c.LinkID == linkID && c.Reason == "" {
				return c.Enabled, nil
			}
		}
		return false, fault.Newf(fault.Unprocessable, "not-supported", "the expression has no result on this response")
	}
}

// compute gives the scores on a response, without the answers that do not count. A formula of which a question is asked
// and unanswered gives none, since it would take a half-filled form for a low score.
func (f formulas) compute(ctx context.Context, doc *tree.Doc, d *response.Draft) (map[string]float64, error) {
	if len(f.scores) == 0 {
		return nil, nil
	}
	within, stop := context.WithTimeout(ctx, answeredWithin)
	defer stop()
	results, err := f.of.EvaluateDoc(within, doc)
	if within.Err() != nil && ctx.Err() == nil {
		return nil, fault.New(fault.Unprocessable, tooSlow("QuestionnaireResponse"))
	}
	if err != nil {
		return nil, err
	}
	answered := map[string]bool{}
	links(d.Items, answered)
	out := map[string]float64{}
	for _, one := range f.scores {
		open := slices.ContainsFunc(one.needs, func(link string) bool { return !answered[link] && !d.Unasked[link] })
		i := slices.IndexFunc(results, func(r path.Result) bool { return r.LinkID == one.linkID })
		if open || i < 0 || results[i].Value == nil {
			continue
		}
		if x, ok := results[i].Value.Float(); ok {
			out[one.code] = x
		}
	}
	return out, nil
}

// links enters the linkIds of the items that have an answer.
func links(items []response.Item, to map[string]bool) {
	for i := range items {
		for j := range items[i].Answers {
			if items[i].Answers[j].Kind != "" {
				to[items[i].LinkID] = true
			}
			links(items[i].Answers[j].Items, to)
		}
		links(items[i].Items, to)
	}
}
