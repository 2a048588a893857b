package instrument

import (
	"strconv"
	"strings"
)

// Canonical is our own URL of the instrument, under which linkIds may be bare item numbers.
func (d *Definition) Canonical() string { return Base + "/Questionnaire/" + d.ID }

// Numbered says whether a response that names this questionnaire may use bare item numbers as linkIds:
// only under our own canonical or the bare instrument id, since elsewhere a number is a position or somebody's key.
func (d *Definition) Numbered(questionnaire string) bool {
	name, _, _ := strings.Cut(questionnaire, "|")
	return name == d.ID || name == d.Canonical()
}

// ItemByLink is the place in Items of a linkId: of any published form, `<instrument>-<number>`, the concept id,
// `/<LOINC code>`, and the bare number where numbered says so.
func (d *Definition) ItemByLink(linkID string, numbered bool) (int, bool) {
	if i, ok := d.links[linkID]; ok {
		return i, true
	}
	if !numbered {
		return 0, false
	}
	i, ok := d.numbers[linkID]
	return i, ok
}

// ItemByCode is the place in Items of an item code as `system|code`.
func (d *Definition) ItemByCode(systemCode string) (int, bool) {
	i, ok := d.codes[systemCode]
	return i, ok && i >= 0
}

// ScoreByLink is the place in Scores of the linkId under which a form submits a score.
func (d *Definition) ScoreByLink(linkID string) (int, bool) {
	i, ok := d.scoreLinks[linkID]
	return i, ok
}

// LinkOf is a linkId under which the item of a number is known, whatever questionnaire is named; empty when there is none.
func (d *Definition) LinkOf(number int) string {
	switch {
	case d.Item(number) == nil:
		return ""
	case !d.Foreign:
		return d.ID + "-" + strconv.Itoa(number)
	}
	for i := range d.Forms {
		if links := d.Forms[i].Items; len(links) > 0 {
			return links[number-1]
		}
	}
	return ""
}

// ScoreLinkOf is a linkId under which a form submits a score; empty when there is none.
func (d *Definition) ScoreLinkOf(code string) string {
	if !d.Foreign {
		return d.ID + "-" + code
	}
	for i := range d.Forms {
		if link := d.Forms[i].Scores[code]; link != "" {
			return link
		}
	}
	return ""
}

// ScoreCode is our own code of a score, as `system|code`.
func (d *Definition) ScoreCode(score string) string { return ScoreSystem + "|" + d.ID + "-" + score }

// VariantOf is the variant in which a form, named by its canonical, numbers the answers; empty for the instrument's own.
func (d *Definition) VariantOf(questionnaire string) string {
	url, _, _ := strings.Cut(questionnaire, "|")
	for i := range d.Forms {
		if d.Forms[i].URL == url {
			return d.Forms[i].Variant
		}
	}
	return ""
}
