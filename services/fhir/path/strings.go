package path

import (
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/gofhir/fhirpath/types"
)

var decimalForm = regexp.MustCompile(`^[+-]?\d+(\.\d+)?$`)

// wordFunctions holds the functions on strings; the engine's own count bytes.
var wordFunctions = map[string]ours{
	"startsWith": asked(strings.HasPrefix),
	"endsWith":   asked(strings.HasSuffix),
	"contains":   asked(strings.Contains),
	"matches": func(_ *run, in types.Collection, args []types.Collection, _ int) (types.Collection, error) {
		if len(in) == 0 {
			return in, nil
		}
		found := args[0][0].(pattern).expression.MatchString(wordOf(in))
		return types.Collection{types.NewBoolean(found)}, nil
	},
	"indexOf": worded(func(s string, args []string) types.Collection {
		at := strings.Index(s, args[0])
		if at > 0 {
			at = utf8.RuneCountInString(s[:at])
		}
		return types.Collection{types.NewInteger(int64(at))}
	}),
	"length": worded(func(s string, _ []string) types.Collection {
		return types.Collection{types.NewInteger(int64(utf8.RuneCountInString(s)))}
	}),
	"upper":     worded(func(s string, _ []string) types.Collection { return oneWord(strings.ToUpper(s)) }),
	"lower":     worded(func(s string, _ []string) types.Collection { return oneWord(strings.ToLower(s)) }),
	"trim":      worded(func(s string, _ []string) types.Collection { return oneWord(strings.TrimSpace(s)) }),
	"split":     worded(func(s string, args []string) types.Collection { return allWords(strings.Split(s, args[0])) }),
	"toChars":   worded(func(s string, _ []string) types.Collection { return allWords(strings.Split(s, "")) }),
	"replace":   replace,
	"substring": substring,
	"join":      join,
}

func oneWord(s string) types.Collection { return types.Collection{types.NewString(s)} }

func allWords(parts []string) types.Collection {
	out := make(types.Collection, len(parts))
	for i, part := range parts {
		out[i] = types.NewString(part)
	}
	return out
}

func wordOf(c types.Collection) string {
	if len(c) == 0 {
		return ""
	}
	s, _ := c[0].(types.String)
	return s.Value()
}

// worded is a function of one string and of strings; if one of them is empty, so is the result.
func worded(f func(s string, args []string) types.Collection) ours {
	return func(r *run, in types.Collection, args []types.Collection, column int) (types.Collection, error) {
		if len(in) == 0 {
			return in, nil
		}
		words := make([]string, len(args))
		for i, arg := range args {
			if len(arg) == 0 {
				return arg, nil
			}
			words[i] = wordOf(arg)
		}
		return guardMany(r, f(wordOf(in), words), nil, column)
	}
}

func asked(f func(s, part string) bool) ours {
	return worded(func(s string, args []string) types.Collection {
		return types.Collection{types.NewBoolean(f(s, args[0]))}
	})
}

func replace(_ *run, in types.Collection, args []types.Collection, column int) (types.Collection, error) {
	if len(in) == 0 || len(args[0]) == 0 || len(args[1]) == 0 {
		return types.Collection{}, nil
	}
	s, from, to := wordOf(in), wordOf(args[0]), wordOf(args[1])
	if (strings.Count(s, from)+1)*len(to)+len(s) > mostString {
		return nil, &failure{"too-costly", "the string grows too long here", column}
	}
	return oneWord(strings.ReplaceAll(s, from, to)), nil
}

func substring(_ *run, in types.Collection, args []types.Collection, _ int) (types.Collection, error) {
	start, ok := wholeOf(args[0])
	if len(in) == 0 || !ok {
		return types.Collection{}, nil
	}
	runes := []rune(wordOf(in))
	if start < 0 || start >= int64(len(runes)) {
		return types.Collection{}, nil
	}
	end := int64(len(runes))
	if len(args) == 2 {
		if length, ok := wholeOf(args[1]); ok {
			end = min(end, start+max(length, 0))
		}
	}
	return oneWord(string(runes[start:end])), nil
}

func join(r *run, in types.Collection, args []types.Collection, column int) (types.Collection, error) {
	if _, err := guardMany(r, in, nil, column); err != nil || len(in) == 0 {
		return types.Collection{}, err
	}
	between := ""
	if len(args) == 1 {
		between = wordOf(args[0])
	}
	var b strings.Builder
	for i, v := range in {
		s, ok := v.(types.String)
		if !ok {
			return nil, &failure{"value", "only strings can be joined", column}
		}
		if i > 0 {
			b.WriteString(between)
		}
		b.WriteString(s.Value())
		if b.Len() > mostString {
			return nil, &failure{"too-costly", "the string grows too long here", column}
		}
	}
	return oneWord(b.String()), nil
}

var truths = map[string]bool{
	"true": true, "t": true, "yes": true, "y": true, "1": true, "1.0": true,
	"false": false, "f": false, "no": false, "n": false, "0": false, "0.0": false,
}

func truthOf(text string) (types.Value, bool) {
	b, known := truths[strings.ToLower(text)]
	return types.NewBoolean(b), known
}

// pattern is a regular expression on its way to matches().
type pattern struct{ expression *regexp.Regexp }

// Type names it for the engine.
func (pattern) Type() string { return "pattern" }

// Equal is never asked.
func (pattern) Equal(types.Value) bool { return false }

// Equivalent is never asked.
func (pattern) Equivalent(types.Value) bool { return false }

// String is the pattern.
func (p pattern) String() string { return p.expression.String() }

// IsEmpty is false.
func (pattern) IsEmpty() bool { return false }
