package response

import (
	"slices"
	"strconv"
	"strings"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/instrument"
)

// Bind reads a form of an EHR as answers to an instrument: by linkId, item code or concept at any depth, never by
// position. What cannot be used is an issue with its FHIRPath, of severity warning or information, and the item counts
// as unanswered: nothing is clamped, rounded or picked. A tenant's map of foreign linkIds is applied to the draft first.
func Bind(def *instrument.Definition, d Draft) (Response, []fault.Issue) {
	b := binder{
		def:      def,
		numbered: def.Numbered(d.Questionnaire),
		resp:     Response{Ordinals: make([]Ordinal, len(def.Items)), Variant: d.Variant, Computed: d.Computed},
		seen:     make([]bool, len(def.Items)),
	}
	if b.resp.Variant == "" {
		b.resp.Variant = def.VariantOf(d.Questionnaire)
	}
	if shift, ok := shiftOf(def, b.resp.Variant); ok {
		b.shift = shift
	} else {
		b.resp.Unscored = UnknownVariant
		b.warn("not-found", "QuestionnaireResponse.questionnaire", "%s has no variant of the name that the map of this source gives: not scored", def.ID)
	}
	b.items(d.Items)
	b.unasked(d.Unasked)
	if b.matched == 0 && len(d.Items) > 0 {
		b.unmatched()
	}
	b.status(d.Status)
	if b.resp.Unscored == "" {
		b.unanswered()
	}
	return b.resp, b.issues
}

// binder is one walk over a draft.
type binder struct {
	def      *instrument.Definition
	numbered bool
	shift    float64
	resp     Response
	seen     []bool
	matched  int
	issues   []fault.Issue
}

func (b *binder) warn(code, path, format string, args ...any) {
	b.issues = append(b.issues, fault.Warnf(code, path, format, args...))
}

func (b *binder) inform(code, path, format string, args ...any) {
	b.issues = append(b.issues, fault.Infof(code, path, format, args...))
}

func (b *binder) status(status string) {
	const path = "QuestionnaireResponse.status"
	switch status {
	case "completed", "amended":
		return
	case InProgress, Stopped:
		b.warn("business-rule", path, "a form that is %s is not scored; its critical items are", status)
	case EnteredInError:
		b.inform("business-rule", path, "withdrawn as entered in error: not scored")
	default:
		status = UnknownStatus
		b.warn("code-invalid", path, "no status of a response: not scored")
	}
	if b.resp.Unscored == "" {
		b.resp.Unscored = status
	}
}

// unasked marks the items that the form leaves out.
func (b *binder) unasked(links map[string]bool) {
	for link := range links {
		if place, ok := b.def.ItemByLink(link, b.numbered); ok {
			if b.resp.Unasked == nil {
				b.resp.Unasked = make([]bool, len(b.def.Items))
			}
			b.resp.Unasked[place] = true
		}
	}
}

// unmatched replaces a warning per item by the one that matters.
func (b *binder) unmatched() {
	b.resp.Unscored = UnmatchedForm
	b.issues = nil
	b.warn("not-supported", "QuestionnaireResponse.item",
		"no linkId or item code of this form belongs to %s, so it is not scored: map its linkIds, or use those of %s "+
			"(bare item numbers count under that canonical only)", b.def.ID, b.def.Canonical())
}

// unanswered names the items whose absence the missing rules must decide on.
func (b *binder) unanswered() {
	var numbers []string
	for i, a := range b.resp.Ordinals {
		if item := &b.def.Items[i]; !a.Given && !item.Unscored && !item.Optional && !b.shut(item.Number) {
			numbers = append(numbers, strconv.Itoa(item.Number))
		}
	}
	if len(numbers) > 0 {
		b.warn("required", "QuestionnaireResponse.item",
			"unanswered, the missing rule decides: item %s", strings.Join(numbers, ", "))
	}
}

// shut says that a gate keeps an item out of every score that would use it: left unanswered it is not missed.
func (b *binder) shut(number int) bool {
	shut := false
	for i := range b.def.Scores {
		key := &b.def.Scores[i]
		if !slices.Contains(key.Items, number) {
			continue
		}
		if key.Gate == nil {
			return false
		}
		if gate := b.resp.Ordinals[key.Gate.Item-1]; !gate.Given || key.Gate.Opens(gate.Value) {
			return false
		}
		shut = true
	}
	return shut
}

func (b *binder) items(items []Item) {
	for i := range items {
		b.item(&items[i])
		b.items(items[i].Items)
		for j := range items[i].Answers {
			b.items(items[i].Answers[j].Items)
		}
	}
}

func (b *binder) item(item *Item) {
	place, found := b.def.ItemByLink(item.LinkID, b.numbered)
	for _, code := range item.Codes {
		coded, ok := b.def.ItemByCode(code)
		if ok && found && coded != place {
			b.contradiction(item, place, coded)
			return
		}
		if ok {
			place, found = coded, true
		}
	}
	if found {
		b.answer(item, place)
		return
	}
	if score, ok := b.def.ScoreByLink(item.LinkID); ok {
		b.submitted(item, score)
		return
	}
	switch {
	case len(item.Answers) > 0:
		b.warn("not-found", item.Path, "the linkId is none of %s: ignored", b.def.ID)
	case len(item.Items) == 0:
		b.inform("not-found", item.Path, "the linkId is none of %s", b.def.ID)
	}
}

// contradiction leaves both items unanswered: to pick one would be a guess.
func (b *binder) contradiction(item *Item, places ...int) {
	b.warn("conflict", item.Path, "the linkId and the codes name different items: both count as unanswered")
	for _, place := range places {
		b.matched++
		b.doubt(place, b.resp.Ordinals[place])
		b.doubtAll(place, item.Answers)
		b.seen[place], b.resp.Ordinals[place] = true, Ordinal{}
	}
}

// doubt keeps an answer that does not count, where it may be critical.
func (b *binder) doubt(place int, answer Ordinal) {
	number := b.def.Items[place].Number
	if answer.Given && b.def.Watches(number) {
		b.resp.Doubted = append(b.resp.Doubted, Doubted{number, answer.Value})
	}
}

// doubtAll does so for whatever answers can be read. What is wrong with each of them is not told: none counts.
func (b *binder) doubtAll(place int, answers []Answer) {
	item := &b.def.Items[place]
	if !b.def.Watches(item.Number) {
		return
	}
	told := len(b.issues)
	for i := range answers {
		b.doubt(place, b.ordinal(item, &answers[i]))
	}
	b.issues = b.issues[:told]
}

func (b *binder) answer(item *Item, place int) {
	b.matched++
	number := b.def.Items[place].Number
	if b.seen[place] {
		b.doubt(place, b.resp.Ordinals[place])
		b.doubtAll(place, item.Answers)
		b.resp.Ordinals[place] = Ordinal{}
		b.warn("duplicate", item.Path, "item %d occurs more than once: it counts as unanswered", number)
		return
	}
	b.seen[place] = true
	switch len(item.Answers) {
	case 0:
	case 1:
		b.resp.Ordinals[place] = b.ordinal(&b.def.Items[place], &item.Answers[0])
	default:
		b.doubtAll(place, item.Answers)
		b.warn("multiple-matches", item.Path, "item %d has several answers: it counts as unanswered", number)
	}
}

func (b *binder) submitted(item *Item, score int) {
	for i := range item.Answers {
		a := &item.Answers[i]
		value, ok := number(literal(a))
		if !ok {
			value, ok = number(a.Weight)
		}
		if !ok {
			b.inform("value", valuePath(a), "the submitted score is no number: ignored")
			continue
		}
		b.resp.Submitted = append(b.resp.Submitted, Submitted{b.def.Scores[score].Code, value})
	}
}

func index(list string, i int) string { return list + "[" + strconv.Itoa(i) + "]" }

func valuePath(a *Answer) string { return a.Path + ".value" }
