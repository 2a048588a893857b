package path

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/fhir/tree"
)

// prove tries each expression on full responses and on the fixtures. One that has a result on none of them is refused:
// a misspelt path is no error to FHIRPath, it only finds nothing.
func (f *Formulas) prove(ctx context.Context, fixtures [][]byte) error {
	docs, err := f.trials(fixtures)
	if err != nil {
		return err
	}
	proved := map[*formula]bool{}
	reasons := map[*formula]string{}
	for _, doc := range docs {
		s, err := f.start(doc)
		if err != nil {
			return err
		}
		for _, c := range f.computed {
			r := s.compute(ctx, c)
			f.note(proved, reasons, c, r.Value != nil, r.Reason)
			s.answer(c, r)
		}
		if err := s.renew(); err != nil {
			return err
		}
		for _, c := range f.enabled {
			holds, why := s.tried(ctx, c)
			f.note(proved, reasons, c, holds, why)
		}
		if err := ctx.Err(); err != nil {
			return explained(err)
		}
	}
	var issues []fault.Issue
	for _, c := range slices.Concat(f.computed, f.enabled) {
		if !proved[c] && c.unsupported == "" {
			issues = append(issues, fault.Errorf("business-rule", c.path, "the expression has no result on any fully answered response: %s", reasons[c]))
		}
	}
	if len(issues) > 0 {
		return fault.New(fault.Invalid, issues...)
	}
	return nil
}

// trials are the responses that expressions are tried on.
func (f *Formulas) trials(fixtures [][]byte) ([]*tree.Doc, error) {
	questions := f.questions()
	var docs []*tree.Doc
	for _, p := range f.variants(questions) {
		if doc := f.synthetic(questions, p); doc != nil {
			docs = append(docs, doc)
		}
	}
	for i, raw := range fixtures {
		doc, err := tree.Parse(raw, tree.Limits{})
		if err != nil {
			return nil, fmt.Errorf("reading fixture %d: %w", i, err)
		}
		docs = append(docs, doc)
	}
	return docs, nil
}

func (f *Formulas) note(proved map[*formula]bool, reasons map[*formula]string, c *formula, ok bool, why string) {
	proved[c] = proved[c] || ok
	if reasons[c] == "" {
		reasons[c] = why
	}
}

// tried says whether a condition has a result, true or false.
func (s *state) tried(ctx context.Context, c *formula) (bool, string) {
	r := s.condition(ctx, c)
	if r.Reason != "" || r.Enabled {
		return r.Enabled, r.Reason
	}
	out, _, err := s.evaluate(ctx, c.on, c.of, c.uses)
	return err == nil && len(out) == 1, "it finds nothing"
}

// reads says which other computed items each formula reads: those whose answer changes its result.
func (f *Formulas) reads(ctx context.Context) (map[*formula][]*formula, error) {
	out := map[*formula][]*formula{}
	questions := f.questions()
	variants := f.variants(questions)
	for _, p := range []picks{variants[0], variants[len(variants)-1]} {
		s, err := f.start(f.synthetic(questions, p))
		if err != nil {
			return nil, err
		}
		for i, c := range f.computed {
			s.overlay.answers[c.on.linkID] = madeUp(c.on, i)
		}
		if err := s.readers(ctx, out); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// readers finds the formulas that change when all computed answers do, and then, for these, which answers it is.
func (s *state) readers(ctx context.Context, out map[*formula][]*formula) error {
	before, err := s.all(ctx, s.f.computed)
	if err != nil {
		return err
	}
	kept := maps.Clone(s.overlay.answers)
	suspects := map[*formula]bool{}
	for _, other := range []int{-1, len(s.f.computed)} {
		for i, o := range s.f.computed {
			s.overlay.answers[o.on.linkID] = replacement(o.on, i, other)
		}
		after, err := s.all(ctx, s.f.computed)
		if err != nil {
			return err
		}
		for c, text := range after {
			suspects[c] = suspects[c] || text != before[c]
		}
	}
	for i, o := range s.f.computed {
		for _, other := range []int{-1, len(s.f.computed)} {
			s.overlay.answers = maps.Clone(kept)
			s.overlay.answers[o.on.linkID] = replacement(o.on, i, other)
			after, err := s.all(ctx, chosenOf(suspects))
			if err != nil {
				return err
			}
			for c, text := range after {
				if before[c] != text && !slices.Contains(out[c], o) {
					out[c] = append(out[c], o)
				}
			}
		}
	}
	return nil
}

// replacement is no answer (-1), or one that is made up anew.
func replacement(it *item, number, other int) []byte {
	if other < 0 {
		return nil
	}
	return madeUp(it, number+other)
}

func chosenOf(set map[*formula]bool) (out []*formula) {
	for c, in := range set {
		if in {
			out = append(out, c)
		}
	}
	return out
}

// all are the results of formulas on the response as it stands, as texts to compare.
func (s *state) all(ctx context.Context, formulas []*formula) (map[*formula]string, error) {
	out := map[*formula]string{}
	if len(formulas) == 0 {
		return out, nil
	}
	s.stale = true
	if err := s.renew(); err != nil {
		return nil, err
	}
	for _, c := range formulas {
		out[c] = s.compute(ctx, c).text()
	}
	if err := ctx.Err(); err != nil {
		return nil, explained(err)
	}
	return out, nil
}

// text is a result to compare.
func (r Result) text() string {
	if r.Value == nil {
		return "none: " + r.Reason
	}
	return fmt.Sprint(*r.Value)
}

// madeUp is some answer of a computed item, another for each number.
func madeUp(it *item, number int) []byte {
	if c := it.candidates(); len(it.choices) > 0 && len(c.answers) > 0 {
		return []byte(c.answers[number%len(c.answers)])
	}
	switch it.kind {
	case "boolean":
		return answerJSON(Value{Kind: Truth, Truth: number%2 == 0}, it.kind)
	case "integer", "decimal", "quantity":
		return answerJSON(NumberOf(float64(3+2*number)), it.kind)
	}
	return answerJSON(Value{Kind: Text, Text: fmt.Sprintf("word %d", number)}, it.kind)
}

// computing finds a formula by the item it stands on.
func (f *Formulas) computing(linkID string) (*formula, error) {
	for _, c := range f.computed {
		if c.on.linkID == linkID {
			return c, nil
		}
	}
	return nil, fault.Newf(fault.NotFound, "not-found", "no item with this linkId has a formula")
}

// result computes one formula on a response with all that it rests on.
func (f *Formulas) result(ctx context.Context, c *formula, doc *tree.Doc) (Result, error) {
	s, err := f.start(doc)
	if err != nil {
		return Result{}, err
	}
	for _, o := range f.computed {
		if o != c && !f.rest[c][o] {
			continue
		}
		r := s.compute(ctx, o)
		if err := ctx.Err(); err != nil {
			return Result{}, explained(err)
		}
		if o == c {
			return r, nil
		}
		s.answer(o, r)
	}
	return Result{}, nil
}

// Depends gives the linkIds of the questions whose answers the formula of an item rests on, in the order of the
// questionnaire: those whose removal from a full response changes its result. It tries several full responses, so
// that an answer that counts nothing in one counts in another. It fails with fault.NotFound when the item has no formula.
func (f *Formulas) Depends(ctx context.Context, linkID string) ([]string, error) {
	c, err := f.computing(linkID)
	if err != nil {
		return nil, err
	}
	items, err := f.depends(ctx, c)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, it := range items {
		out = append(out, it.linkID)
	}
	return out, nil
}

func (f *Formulas) depends(ctx context.Context, c *formula) ([]*item, error) {
	questions := f.questions()
	found := map[*item]bool{}
	variants := f.variants(questions)
	slices.Reverse(variants) // the highest answers count most
	for _, p := range variants {
		before, err := f.result(ctx, c, f.synthetic(questions, p))
		if err != nil {
			return nil, err
		}
		for it := range questions {
			if found[it] {
				continue
			}
			without := maps.Clone(p)
			without[it] = -1
			after, err := f.result(ctx, c, f.synthetic(questions, without))
			if err != nil {
				return nil, err
			}
			found[it] = before.text() != after.text()
		}
	}
	var out []*item
	for _, it := range f.form.items {
		if found[it] {
			out = append(out, it)
		}
	}
	return out, nil
}

// Range gives the lowest and the highest number that the formula of an item reaches on full responses. It moves one
// answer at a time to where the result is most extreme until none moves it further; for sums, means and all else that
// each answer moves one way that is the true range. It is not ok where there is none: the result is no number, or rests
// on answers without bounds. It fails with fault.NotFound when the item has no formula.
func (f *Formulas) Range(ctx context.Context, linkID string) (low, high float64, ok bool, err error) {
	c, err := f.computing(linkID)
	if err != nil {
		return 0, 0, false, err
	}
	questions := f.questions()
	rests, err := f.depends(ctx, c)
	if err != nil || len(rests) == 0 {
		return 0, 0, false, err
	}
	for _, it := range rests {
		if !questions[it].bounded {
			return 0, 0, false, nil
		}
	}
	low, lowest, err := f.extreme(ctx, c, questions, rests, -1)
	if err != nil || !lowest {
		return 0, 0, false, err
	}
	high, highest, err := f.extreme(ctx, c, questions, rests, 1)
	return low, high, highest, err
}

// mostSweeps is how often the search goes over all items.
const mostSweeps = 4

// extreme climbs from the middle of the variants towards the greater (sign 1) or the smaller (sign -1).
func (f *Formulas) extreme(ctx context.Context, c *formula, questions map[*item]candidates, rests []*item, sign float64) (best float64, ok bool, err error) {
	variants := f.variants(questions)
	at := variants[len(variants)/2]
	try := func(p picks) (float64, bool, error) {
		r, err := f.result(ctx, c, f.synthetic(questions, p))
		if err != nil || r.Value == nil {
			return 0, false, err
		}
		number, isNumber := r.Value.Float()
		return number, isNumber, nil
	}
	if best, ok, err = try(at); err != nil {
		return 0, false, err
	}
	for moved, sweep := true, 0; moved && sweep < mostSweeps; sweep++ {
		moved = false
		for _, it := range rests {
			for i := range questions[it].answers {
				if i == at[it] {
					continue
				}
				p := maps.Clone(at)
				p[it] = i
				number, isNumber, err := try(p)
				if err != nil {
					return 0, false, err
				}
				if isNumber && (!ok || (number-best)*sign > 0) {
					best, ok, at, moved = number, true, p, true
				}
			}
		}
	}
	return best, ok, nil
}
