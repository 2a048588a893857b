package catalogue

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/form"
	"github.com/rapport-health/rapport/services/domain/instrument"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/fhir"
	"github.com/rapport-health/rapport/services/fhir/tree"
)

// questionnaire is one version of a FHIR Questionnaire, made ready to check responses and to score them.
type questionnaire struct {
	// url, version, status and date as it names itself; said is a digest of what it says beside its id and meta, and of
	// the answers that it offers, since value sets and weights may stand elsewhere and change there.
	url, version, status, date, said string
	// form is nil when nobody can say what it asks.
	form *form.Form
	// def is nil when nothing in it can be scored.
	def *instrument.Definition
	// formulas are its expressions.
	formulas formulas
	// enforce rejects responses that break it.
	enforce bool
	// issues are its own faults, at the FHIRPath of the Questionnaire; unmade those that keep it from being an instrument,
	// unlaid those of its overlay, located in the overlay's file.
	issues, unmade, unlaid []fault.Issue
}

// compile makes a Questionnaire ready. Fallback names it when it has no url.
func (c *Catalogue) compile(n tree.Node, fallback string) *questionnaire {
	q := &questionnaire{
		url: n.Child("url").Text(), version: n.Child("version").Text(),
		status: n.Child("status").Text(), date: n.Child("date").Text(), said: contentOf(n),
	}
	q.form, q.issues = fhir.ReadForm(n, c.sets)
	if q.form == nil {
		return q
	}
	q.said = ref.Digest(q.said, offersOf(q.form))
	q.formulas = c.expressions(n, q)
	o := c.overlays[q.url]
	q.enforce = c.enforced[q.url]
	d, ok := c.derive(q, fallback)
	if !ok {
		return q
	}
	if doubts := append(c.contradictions(&d, q.form), unweighed(&d, q.form)...); len(doubts) > 0 && !c.scoresAnew(q.url) {
		q.unmade = doubts
		return q
	}
	made, problems := instrument.Make(d)
	for _, p := range problems {
		q.unmade = append(q.unmade, fault.Errorf("not-supported", "Questionnaire", "no instrument can be made of it: %s: %s", p.Place, p.Text))
	}
	if made == nil || o == nil {
		q.def = made
		return q
	}
	q.def, q.unlaid = o.apply(made)
	return q
}

// why is the first reason why it is no instrument, for a sentence; empty when there is none.
func (q *questionnaire) why() string {
	for i, issue := range slices.Concat(q.unmade, q.unlaid, q.issues) {
		if i < len(q.unmade) || issue.Severity == fault.Error {
			return " (" + issue.Path + ": " + issue.Text + ")"
		}
	}
	return ""
}

// told are all issues, as they are told of a Questionnaire that is kept whatever is wrong with it.
func (q *questionnaire) told() []fault.Issue {
	issues := slices.Concat(q.issues, q.unmade)
	for _, issue := range q.unlaid {
		issues = append(issues, fault.Warnf("not-supported", "Questionnaire", "the overlay at %s does not fit: %s", issue.Path, issue.Text))
	}
	for i := range issues {
		issues[i].Severity = min(issues[i].Severity, fault.Warning)
	}
	return issues
}

// unformulated is why a sum of the weights is no more than a guess.
const unformulated = instrument.Evidence("unconfirmed: the form gives weights and no formula")

// derive makes the definition: the items of the form, and a score for each of its formulas, or else the sum of its
// weights. It is false when neither gives anything.
func (c *Catalogue) derive(q *questionnaire, fallback string) (instrument.Definition, bool) {
	f := *q.form
	f.URL = cmp.Or(f.URL, "urn:"+fallback)
	d, issues := form.Instrument(&f)
	q.issues = append(q.issues, issues...)
	if q.url == "" {
		d.ID = "form"
	}
	d.Foreign, d.Status, d.ID = true, "ready", idOf(d.ID, cmp.Or(q.url, fallback))
	// A sender may change its form and keep its version. Ours names the content.
	d.Version = cmp.Or(q.version, "0.0.0") + "+" + q.said[:8]
	d.Forms[0].URL = q.url
	d.Hash = ref.Digest("questionnaire", q.said)
	q.formulas.enter(&d)
	anew := c.scoresAnew(q.url)
	if len(d.Scores) == 0 && (anew || !q.formulas.broken) {
		if sum, ok := sumOfItems(&d, anew); ok {
			d.Scores = []instrument.Score{sum}
		}
	}
	used := usedBy(d.Scores, len(d.Items))
	for i := range d.Items {
		d.Items[i].Unscored = !used[i]
	}
	return d, len(d.Scores) > 0
}

// scoresAnew says whether an overlay brings scores of its own for a form.
func (c *Catalogue) scoresAnew(url string) bool {
	o := c.overlays[url]
	if o == nil {
		return false
	}
	for _, s := range o.Scores {
		if s.Kind != "" {
			return true
		}
	}
	return false
}

// idOf is the id under which the scores of a form are kept: its name, and a digest of its canonical, so that it is never
// taken for an instrument of the same name.
func idOf(slug, canonical string) string { return slug + "-" + ref.Digest("form", canonical)[:6] }

var formID = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*-[a-z2-7]{6}$`)

// IsForm says whether an id may be that of a form that somebody has sent: the catalogue alone cannot tell.
func IsForm(id string) bool { return formID.MatchString(id) }

// contentOf is a digest of what a Questionnaire says, without the id and the meta that a server gave it.
func contentOf(n tree.Node) string {
	parts := []string{"questionnaire"}
	for m := n.First(); m.Exists(); m = m.Next() {
		if key := m.Key(); key != "id" && key != "meta" {
			parts = append(parts, key, string(m.Raw()))
		}
	}
	return ref.Digest(parts...)
}

// offersOf is every answer that a form offers, with its weight.
func offersOf(f *form.Form) string {
	var b strings.Builder
	for item := range f.All() {
		for i := range item.Options {
			o := &item.Options[i]
			fmt.Fprintf(&b, "%q %q %q %q", item.LinkID, o.System, o.Code, o.Display)
			if o.Weight != nil {
				b.WriteString(" " + number(*o.Weight))
			}
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// sumOfItems adds the items whose options all have weights, or, as a mere place for what an overlay says, all items; false
// when there is none.
func sumOfItems(d *instrument.Definition, all bool) (instrument.Score, bool) {
	s := instrument.Score{
		Code: "total", Kind: instrument.KindSum, Direction: "", Evidence: unformulated,
		Missing: &instrument.Missing{Rule: instrument.MissingNone, Evidence: "design: nothing is known of missing answers"},
	}
	for i := range d.Items {
		scale := d.Scales[d.Items[i].Scale]
		if !all && (d.Items[i].Unscored || len(scale.Options) == 0) {
			continue
		}
		low, high := scale.Bounds()
		s.Items, s.Min, s.Max = append(s.Items, d.Items[i].Number), s.Min+low, s.Max+high
	}
	return s, len(s.Items) > 0
}

func usedBy(scores []instrument.Score, items int) []bool {
	used := make([]bool, items)
	for i := range scores {
		for _, n := range scores[i].Items {
			used[n-1] = true
		}
	}
	return used
}

// drop takes items out of a definition, those that follow move up.
func drop(d *instrument.Definition, linkIDs []string) {
	links := d.Forms[0].Items
	var items []instrument.Item
	var kept []string
	for i := range d.Items {
		if slices.Contains(linkIDs, links[i]) {
			continue
		}
		item := d.Items[i]
		item.Number = len(items) + 1
		items, kept = append(items, item), append(kept, links[i])
	}
	d.Items, d.Forms[0].Items = items, kept
}

// codeOf is a score code made of a linkId, unlike those that are taken.
func codeOf(linkID string, taken map[string]bool) string {
	var b strings.Builder
	for _, r := range strings.ToLower(linkID) {
		switch {
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
	}
	base := cmp.Or(strings.TrimRight(b.String(), "-"), "score")
	code := base
	for n := 2; taken[code]; n++ {
		code = base + "-" + strconv.Itoa(n)
	}
	taken[code] = true
	return code
}

func hashKey(source ref.Source, hash [32]byte) string {
	return string(source) + " " + hex.EncodeToString(hash[:])
}
