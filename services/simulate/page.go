package simulate

import (
	"encoding/json"
	"strconv"
	"time"
)

// page is JSON being written. Its strings are appended as they are, except those of val and str, which are escaped when they must be.
type page struct{ b []byte }

// comma separates from what stands before.
func (p *page) comma() {
	if n := len(p.b); n > 0 {
		switch p.b[n-1] {
		case '{', '[', ':':
		default:
			p.b = append(p.b, ',')
		}
	}
}

// key begins a member.
func (p *page) key(k string) {
	p.comma()
	p.b = append(p.b, '"')
	p.b = append(p.b, k...)
	p.b = append(p.b, '"', ':')
}

// open begins an object: a member under a key, or an element when the key is empty.
func (p *page) open(key string) { p.begin(key, '{') }

// list begins an array, likewise.
func (p *page) list(key string) { p.begin(key, '[') }

func (p *page) begin(key string, bracket byte) {
	if key != "" {
		p.key(key)
	} else {
		p.comma()
	}
	p.b = append(p.b, bracket)
}

// end closes an object, close an array.
func (p *page) end()   { p.b = append(p.b, '}') }
func (p *page) close() { p.b = append(p.b, ']') }

// str writes a string member.
func (p *page) str(key, v string) {
	p.key(key)
	p.b = appendString(p.b, v)
}

// raw writes a member whose JSON is given.
func (p *page) raw(key, v string) {
	p.key(key)
	p.b = append(p.b, v...)
}

// int writes a number member.
func (p *page) int(key string, v int) {
	p.key(key)
	p.b = strconv.AppendInt(p.b, int64(v), 10)
}

// tenths writes a decimal member of v tenths with one decimal.
func (p *page) tenths(key string, v int) {
	p.key(key)
	p.b = strconv.AppendInt(p.b, int64(v/10), 10)
	p.b = append(p.b, '.', byte('0'+v%10))
}

// time writes a dateTime or instant member to the second, with its zone.
func (p *page) time(key string, t time.Time) {
	p.key(key)
	p.b = append(p.b, '"')
	p.b = t.AppendFormat(p.b, time.RFC3339)
	p.b = append(p.b, '"')
}

// date writes a date member.
func (p *page) date(key string, t time.Time) {
	p.key(key)
	p.b = append(p.b, '"')
	p.b = t.AppendFormat(p.b, time.DateOnly)
	p.b = append(p.b, '"')
}

// reference writes a member {"reference": r}.
func (p *page) reference(key, r string) {
	p.open(key)
	p.str("reference", r)
	p.end()
}

// coding writes {"system","code"} as an element.
func (p *page) coding(system, code string) {
	p.open("")
	if system != "" {
		p.str("system", system)
	}
	p.str("code", code)
	p.end()
}

// concept writes a CodeableConcept of one coding, with text unless it is empty.
func (p *page) concept(key, system, code, text string) {
	p.open(key)
	p.list("coding")
	p.coding(system, code)
	p.close()
	if text != "" {
		p.str("text", text)
	}
	p.end()
}

// concepts writes a list of CodeableConcepts of one coding each.
func (p *page) concepts(key string, codings ...[2]string) {
	p.list(key)
	for _, c := range codings {
		p.concept("", c[0], c[1], "")
	}
	p.close()
}

// appendString quotes; what is written here seldom needs escaping, what a caller names may.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= 0x7f {
			quoted, err := json.Marshal(s)
			if err != nil {
				quoted = []byte(`""`)
			}
			return append(b, quoted...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}
