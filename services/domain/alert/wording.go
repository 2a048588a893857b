package alert

import (
	"cmp"
	"slices"
	"strings"

	"github.com/rapport-health/rapport/services/domain/judge"
)

// Words are the wording in a language, as a BCP 47 tag, and the tag of the language it is in: the one asked for, or the one
// without its region, or empty for that of the rules when there is neither.
func (a Alert) Words(language string) (judge.Wording, string) {
	own := judge.Wording{
		Title: a.Title, Seen: a.Seen, Withheld: a.Withheld, Partner: a.Partner, Question: a.Question, Phrase: a.Phrase,
	}
	base, _, _ := strings.Cut(language, "-")
	for _, wanted := range []string{language, base} {
		for tag, w := range a.Translations {
			if wanted == "" || !strings.EqualFold(tag, wanted) {
				continue
			}
			w.Title = cmp.Or(w.Title, own.Title)
			return w, tag
		}
	}
	return own, ""
}

// Languages are the tags of the further languages it can be read in, in order.
func (a Alert) Languages() []string {
	var tags []string
	for tag := range a.Translations {
		tags = append(tags, tag)
	}
	slices.Sort(tags)
	return tags
}
