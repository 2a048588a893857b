package path

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/rapport-health/rapport/services/domain/fault"
)

// tokenKind of the FHIRPath grammar.
type tokenKind uint8

const (
	endToken tokenKind = iota
	nameToken
	quotedNameToken // `name`
	numberToken
	stringToken
	temporalToken // @2026-01-31
	variableToken // %name
	specialToken  // $this
	signToken
)

// token is one word of an expression, with its column from 1 in characters.
type token struct {
	kind   tokenKind
	text   string
	column int
}

// refusal is why an expression is not taken, with its column; 0 when it is about the whole.
type refusal struct {
	code   string
	text   string
	column int
}

// Error is the reason.
func (r *refusal) Error() string { return r.text }

func refuse(code string, column int, text string) error { return &refusal{code, text, column} }

// invalid turns a refusal into a fault.
func (r *refusal) invalid() error {
	text := r.text
	if r.column > 0 {
		text += " (column " + strconv.Itoa(r.column) + ")"
	}
	return fault.New(fault.Invalid, fault.Errorf(r.code, "", "%s", text))
}

// lexer cuts an expression into tokens.
type lexer struct {
	text   string
	at     int
	column int
}

// tokens are the words of an expression, an end last.
func tokens(text string) ([]token, error) {
	if len(text) > mostText {
		return nil, refuse("too-costly", 0, "the expression is longer than "+strconv.Itoa(mostText)+" bytes")
	}
	if !utf8.ValidString(text) {
		return nil, refuse("value", 0, "the expression is not UTF-8")
	}
	l := lexer{text: text, column: 1}
	var out []token
	for {
		if err := l.space(); err != nil {
			return nil, err
		}
		t, err := l.next()
		if err != nil {
			return nil, err
		}
		out = append(out, t)
		if t.kind == endToken {
			return out, nil
		}
	}
}

// skip moves on by n bytes.
func (l *lexer) skip(n int) {
	l.column += utf8.RuneCountInString(l.text[l.at : l.at+n])
	l.at += n
}

func (l *lexer) rest() string { return l.text[l.at:] }

// space passes white space and comments.
func (l *lexer) space() error {
	for l.at < len(l.text) {
		rest := l.rest()
		switch {
		case strings.ContainsRune(" \t\r\n", rune(rest[0])):
			l.skip(1)
		case strings.HasPrefix(rest, "//"):
			end := strings.IndexByte(rest, '\n')
			if end < 0 {
				end = len(rest)
			}
			l.skip(end)
		case strings.HasPrefix(rest, "/*"):
			end := strings.Index(rest[2:], "*/")
			if end < 0 {
				return refuse("structure", l.column, "the comment does not end")
			}
			l.skip(end + 4)
		default:
			return nil
		}
	}
	return nil
}

func (l *lexer) next() (token, error) {
	start := l.column
	rest := l.rest()
	if rest == "" {
		return token{endToken, "", start}, nil
	}
	switch c := rest[0]; {
	case nameStart(c):
		return l.take(nameToken, nameLength(rest)), nil
	case c >= '0' && c <= '9':
		return l.take(numberToken, numberLength(rest)), nil
	case c == '\'':
		text, err := l.quoted('\'')
		return token{stringToken, text, start}, err
	case c == '`':
		text, err := l.quoted('`')
		return token{quotedNameToken, text, start}, err
	case c == '@':
		return l.take(temporalToken, temporalLength(rest)), nil
	case c == '%':
		return l.variable()
	case c == '$':
		return l.take(specialToken, 1+nameLength(rest[1:])), nil
	}
	for _, sign := range signs {
		if strings.HasPrefix(rest, sign) {
			return l.take(signToken, len(sign)), nil
		}
	}
	return token{}, refuse("structure", start, "this character means nothing here")
}

// signs of the grammar, longer before shorter.
var signs = []string{"<=", ">=", "!=", "!~", "<", ">", "=", "~", "|", "+", "-", "*", "/", "&", ".", ",", "(", ")", "[", "]", "{", "}"}

func (l *lexer) take(kind tokenKind, n int) token {
	t := token{kind, l.rest()[:n], l.column}
	l.skip(n)
	return t
}

func (l *lexer) variable() (token, error) {
	start := l.column
	l.skip(1)
	rest := l.rest()
	switch {
	case rest == "":
	case nameStart(rest[0]):
		return token{variableToken, l.take(nameToken, nameLength(rest)).text, start}, nil
	case rest[0] == '\'' || rest[0] == '`':
		text, err := l.quoted(rest[0])
		return token{variableToken, text, start}, err
	}
	return token{}, refuse("structure", start, "a name must follow the %")
}

// quoted reads a string or a delimited name and decodes its escapes.
func (l *lexer) quoted(quote byte) (string, error) {
	start := l.column
	l.skip(1)
	var b strings.Builder
	for l.at < len(l.text) {
		rest := l.rest()
		switch rest[0] {
		case quote:
			l.skip(1)
			return b.String(), nil
		case '\\':
			n, text, ok := unescape(rest)
			if !ok {
				return "", refuse("structure", l.column, "this escape is not one of FHIRPath's")
			}
			b.WriteString(text)
			l.skip(n)
		default:
			_, n := utf8.DecodeRuneInString(rest)
			b.WriteString(rest[:n])
			l.skip(n)
		}
	}
	return "", refuse("structure", start, "the closing quote is missing")
}

var escapes = map[byte]string{
	'\'': "'", '"': `"`, '`': "`", '\\': `\`, '/': "/", 'f': "\f", 'n': "\n", 'r': "\r", 't': "\t",
}

// unescape decodes the escape that s begins with and says how many bytes it takes.
func unescape(s string) (n int, text string, ok bool) {
	if len(s) < 2 {
		return 0, "", false
	}
	if s[1] != 'u' {
		text, ok = escapes[s[1]]
		return 2, text, ok
	}
	if len(s) < 6 {
		return 0, "", false
	}
	code, err := strconv.ParseUint(s[2:6], 16, 16)
	if err != nil || code >= 0xD800 && code <= 0xDFFF {
		return 0, "", false
	}
	return 6, string(rune(code)), true
}

func nameStart(c byte) bool { return c == '_' || c|0x20 >= 'a' && c|0x20 <= 'z' }

func digits(s string) int {
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return n
}

func nameLength(s string) int {
	n := 0
	for n < len(s) && (nameStart(s[n]) || s[n] >= '0' && s[n] <= '9') {
		n++
	}
	return n
}

func numberLength(s string) int {
	n := digits(s)
	if n+1 < len(s) && s[n] == '.' {
		if fraction := digits(s[n+1:]); fraction > 0 {
			return n + 1 + fraction
		}
	}
	return n
}

func temporalLength(s string) int {
	n := 1
	for n < len(s) && (s[n] >= '0' && s[n] <= '9' || strings.IndexByte("-:TZ+", s[n]) >= 0 ||
		s[n] == '.' && n+1 < len(s) && digits(s[n+1:]) > 0) {
		n++
	}
	return n
}

// plainName says whether a name is one that FHIR or SDC could give.
func plainName(name string) bool {
	return name != "" && nameStart(name[0]) && nameLength(name) == len(name)
}
