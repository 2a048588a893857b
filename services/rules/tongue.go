package rules

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// glossary gives the words for codes, by code and language.
type glossary map[string]map[string]string

// glossary reads words for codes: `code: {en: words, de: Worte}`.
func (l *loader) glossary(n *yaml.Node) glossary {
	g := glossary{}
	l.entries(n, func(code, said *yaml.Node) {
		g[code.Value] = map[string]string{}
		l.entries(said, func(tag, words *yaml.Node) {
			if !tagForm.MatchString(tag.Value) {
				l.fail(l.at(tag), "a language is a tag such as de or pt-BR")
			}
			g[code.Value][tag.Value] = strings.Join(strings.Fields(l.scalar(words)), " ")
		})
	})
	return g
}

// over lays words of one's own over those of a base; neither is changed.
func (g glossary) over(base glossary) glossary {
	all := glossary{}
	for _, from := range []glossary{base, g} {
		for code, said := range from {
			merged := map[string]string{}
			for tag, words := range all[code] {
				merged[tag] = words
			}
			for tag, words := range said {
				merged[tag] = words
			}
			all[code] = merged
		}
	}
	return all
}

// unconfirmed is the code of the sentence that follows where a number is confirmed by no source.
const unconfirmed = "unconfirmed"

// tongue writes in one language.
type tongue struct {
	tag      string
	glossary glossary
}

func (leaf *Leaf) tongue(tag string) *tongue { return &tongue{tag, leaf.glossary} }

// commas are the languages in which a comma divides a number.
var commas = []string{"cs", "da", "de", "es", "fi", "fr", "it", "nb", "nl", "pl", "pt", "ru", "sv", "uk"}

// number for reading.
func (t *tongue) number(x float64) string {
	said := show(x)
	if slices.Contains(commas, t.base()) {
		return strings.Replace(said, ".", ",", 1)
	}
	return said
}

// base is the language without its region.
func (t *tongue) base() string {
	base, _, _ := strings.Cut(t.tag, "-")
	return base
}

// word for a code: in the language, else in English, else the code itself.
func (t *tongue) word(code string) string {
	said := t.glossary[code]
	for _, tag := range []string{t.tag, t.base(), english} {
		if words := said[tag]; words != "" {
			return words
		}
	}
	return code
}

func (t *tongue) join(codes []string) string {
	if len(codes) == 1 {
		return t.word(codes[0])
	}
	said := make([]string, len(codes))
	for i, code := range codes {
		said[i] = t.word(code)
	}
	return strings.Join(said, "; ")
}

// doubt follows what was seen where one of its numbers is unconfirmed.
func (t *tongue) doubt() string { return " " + t.word(unconfirmed) }
