// Package instrument holds questionnaires with a scoring key as data, and finds the one that a response names.
//
// A Definition is read from one JSON pack. Every fact in it carries its Evidence, so that a clinician can lay the
// pack beside the paper, and so that what nobody has confirmed says so in every output that rests on it.
// Definitions are shared and must not be changed once loaded.
package instrument

import "slices"

// Base is the canonical base of Rapport's own FHIR artefacts, without a trailing slash.
const Base = "https://github.com/rapport-health/rapport/fhir"

// Code systems of our own: CodeSystem/answers holds the ordinals as codes, CodeSystem/scores the score codes as
// `<instrument>-<score>`, CodeSystem/items the item concepts as `<instrument>-<concept>`.
const (
	AnswerSystem = Base + "/CodeSystem/answers"
	ScoreSystem  = Base + "/CodeSystem/scores"
	ItemSystem   = Base + "/CodeSystem/items"
)

// The statuses of a definition.
const (
	Ready = "ready"
	// Provisional: the key or the bands are unconfirmed, and so is every score.
	Provisional = "provisional"
	// LicenceReview: the key is known; a lawyer has yet to look at the licence.
	LicenceReview = "licence-review"
)

// Definition is one version of one instrument.
type Definition struct {
	// ID in kebab case, such as `phq-9`.
	ID string `json:"id"`
	// Version of this definition, as major.minor.patch.
	Version string `json:"version"`
	// Title for people.
	Title string `json:"title"`
	// Construct: alliance, distress, adherence, function, pain, sleep, beliefs, risk, change, fatigue or
	// other.
	Construct string `json:"construct"`
	// Respondent: patient, clinician or care-partner.
	Respondent string `json:"respondent"`
	// Status: ready, provisional (every score is unconfirmed) or licence-review.
	Status string `json:"status"`
	// Licence says whether the wording may ship and whom to name.
	Licence Licence `json:"licence"`
	// Recall is the span that the form asks about, Cadence how often it is usually given.
	Recall  Claim `json:"recall"`
	Cadence Claim `json:"cadence"`
	// Aliases are the ids under which a relative reference `Questionnaire/<alias>` means this instrument.
	Aliases []string `json:"aliases,omitempty"`
	// Panels are the codes of the instrument as a whole, as `system|code`.
	Panels []Coded `json:"panels,omitempty"`
	// Forms are the published FHIR questionnaires of this instrument.
	Forms []Form `json:"forms,omitempty"`
	// Scales are the answer scales by name.
	Scales map[string]*Scale `json:"scales"`
	// Items in the order of the printed form; item n is Items[n-1].
	Items []Item `json:"items"`
	// ItemEvidence backs the order, the codes and the reversals of the items; the concept ids are ours.
	ItemEvidence Evidence `json:"itemEvidence"`
	// Scores in the instrument's own order; a score made of others comes after them.
	Scores []Score `json:"scores"`
	// Decisions by counting answers.
	Decisions []Decision `json:"decisions,omitempty"`
	// Variants are other numberings of the same answers.
	Variants []Variant `json:"variants,omitempty"`
	// Alerts are the answers that must be looked at whatever the total says.
	Alerts []Alert `json:"alerts,omitempty"`
	// Notes are further facts worth knowing.
	Notes []Claim `json:"notes,omitempty"`
	// References are the sources named in the evidence.
	References []string `json:"references,omitempty"`

	// Foreign says that it was made of somebody's form: its items are known by the linkIds and codes of that form alone,
	// and nothing is published under its codes.
	Foreign bool `json:"foreign,omitempty"`

	// Hash of the content: the same facts, the same hash.
	Hash string `json:"-"`
	// Canonicals are all URLs under which a response may name it, our own first.
	Canonicals []string `json:"-"`
	// Unconfirmed says that the key or the bands of at least one score are not confirmed by a source that was read.
	Unconfirmed bool `json:"-"`
	// Doubts are all facts of the definition that are not confirmed.
	Doubts []Doubt `json:"-"`

	links      map[string]int
	numbers    map[string]int
	codes      map[string]int
	scoreLinks map[string]int
}

// Licence of an instrument.
type Licence struct {
	// Wording says whether the item text may ship; Rapport scores the others without it.
	Wording bool `json:"wording"`
	// Notice for those who use it, Attribution for those whose codes it carries.
	Notice      string   `json:"notice"`
	Attribution string   `json:"attribution,omitempty"`
	Evidence    Evidence `json:"evidence"`
}

// Claim is a sentence with its evidence.
type Claim struct {
	Text     string   `json:"text"`
	Evidence Evidence `json:"evidence"`
}

// Coded is a code with its evidence.
type Coded struct {
	// Code as `system|code`.
	Code string `json:"code"`
	// Shared codes mean the same score of several instruments: the score is published under them, but one that arrives
	// ready-made is not recognised by them.
	Shared   bool     `json:"shared,omitempty"`
	Evidence Evidence `json:"evidence"`
}

// Form is one published FHIR questionnaire of the instrument.
type Form struct {
	// URL is its canonical without a version.
	URL string `json:"url"`
	// Versions that are known to be this form. A response that names another one is not scored by it.
	Versions []string `json:"versions,omitempty"`
	// Items are its linkIds in item order, "" for an item that is not on it; none where its linkIds follow the rule
	// `/<LOINC code>`.
	Items []string `json:"items,omitempty"`
	// Variant in which it numbers the answers; empty for the instrument's own.
	Variant string `json:"variant,omitempty"`
	// Scores are its linkIds of submitted scores, by score code.
	Scores   map[string]string `json:"scores,omitempty"`
	Evidence Evidence          `json:"evidence"`
}

// Item is one question.
type Item struct {
	// Number on the printed form, from 1.
	Number int `json:"number"`
	// Concept id, unique in the instrument; a label, never the wording.
	Concept string `json:"concept"`
	// Scale names the answer scale.
	Scale string `json:"scale"`
	// Codes as `system|code`.
	Codes []string `json:"codes,omitempty"`
	// Recode gives the value that counts for ranges of the ordinal; it must cover the whole scale. Absent: as printed.
	Recode []Recode `json:"recode,omitempty"`
	// Reverse is the base from which the (recoded) ordinal is taken: x becomes base - x. Absent: not reversed.
	Reverse *float64 `json:"reverse,omitempty"`
	// Unscored items are kept, never summed. Optional ones, at the end of the form, may be left out of a list of ordinals.
	Unscored bool `json:"unscored,omitempty"`
	Optional bool `json:"optional,omitempty"`

	scale *Scale
}

// Answers is the scale of the item.
func (i *Item) Answers() *Scale { return i.scale }

// Used is the value with which a printed ordinal enters the scores: recoded, then reversed.
func (i *Item) Used(ordinal float64) float64 {
	ordinal = i.Recoded(ordinal)
	if i.Reverse == nil {
		return ordinal
	}
	return *i.Reverse - ordinal
}

// Recoded is the value that counts for a printed ordinal before any reversal.
func (i *Item) Recoded(ordinal float64) float64 {
	for k := range i.Recode {
		if r := &i.Recode[k]; ordinal >= r.From-Tolerance && ordinal <= r.To+Tolerance {
			return r.Value
		}
	}
	return ordinal
}

// Bounds are the lowest and the highest value with which the item can enter the scores.
func (i *Item) Bounds() (low, high float64) {
	low, high = i.scale.Bounds()
	for k := range i.Recode {
		if k == 0 {
			low, high = i.Recode[k].Value, i.Recode[k].Value
		}
		low, high = min(low, i.Recode[k].Value), max(high, i.Recode[k].Value)
	}
	if i.Reverse != nil {
		low, high = *i.Reverse-high, *i.Reverse-low
	}
	return low, high
}

// Recode gives one value to the ordinals from From to To, both included.
type Recode struct {
	From  float64 `json:"from"`
	To    float64 `json:"to"`
	Value float64 `json:"value"`
}

// Variant is another numbering of the same answers, as 0 to 4 for 1 to 5. It is never guessed: a form, a map of a
// source or the caller names it, and it is kept with the score.
type Variant struct {
	// Code such as `0-4`.
	Code string `json:"code"`
	// Text says who uses it.
	Text string `json:"text"`
	// Shift is added to a number of the variant to make it one of ours. Codes and displays of answers do not shift.
	Shift    float64  `json:"shift"`
	Evidence Evidence `json:"evidence"`
}

// Alert is an answer that must be looked at whatever the total says.
type Alert struct {
	// Items that it watches.
	Items []int `json:"items"`
	// When is `>=` or `<=`; Value is the printed ordinal it compares with.
	When  string  `json:"when"`
	Value float64 `json:"value"`
	// Severity is safety or discuss.
	Severity string   `json:"severity"`
	Evidence Evidence `json:"evidence"`
}

// Fires says whether a printed ordinal is at or beyond the threshold.
func (a *Alert) Fires(ordinal float64) bool {
	if a.When == "<=" {
		return ordinal <= a.Value+Tolerance
	}
	return ordinal >= a.Value-Tolerance
}

// Worse says whether a printed ordinal lies further beyond the threshold than another.
func (a *Alert) Worse(ordinal, than float64) bool {
	if a.When == "<=" {
		return ordinal < than
	}
	return ordinal > than
}

// Watches says whether an item of a number on the printed form is critical.
func (d *Definition) Watches(number int) bool {
	for i := range d.Alerts {
		if slices.Contains(d.Alerts[i].Items, number) {
			return true
		}
	}
	return false
}

// Item of a number on the printed form; nil when there is none.
func (d *Definition) Item(number int) *Item {
	if number < 1 || number > len(d.Items) {
		return nil
	}
	return &d.Items[number-1]
}

// Score of a code; nil when there is none.
func (d *Definition) Score(code string) *Score {
	for i := range d.Scores {
		if d.Scores[i].Code == code {
			return &d.Scores[i]
		}
	}
	return nil
}

// Variant of a code; nil when there is none.
func (d *Definition) Variant(code string) *Variant {
	for i := range d.Variants {
		if d.Variants[i].Code == code {
			return &d.Variants[i]
		}
	}
	return nil
}
