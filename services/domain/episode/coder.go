package episode

import (
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strconv"
	"time"
)

// coder writes or reads the stored form of a state. The state of an episode is read and written for every
// submission, and encoding/json takes ten times as long for it, so each type says once, in stored.go, which members
// it has, and that serves for both ways.
//
// Members are read in the order and spelling in which they are written, which costs one comparison each; otherwise
// they are read too, in more rounds, and unknown ones are passed over.
type coder struct {
	buf     []byte
	writing bool
	err     error
	// pos is how far buf has been read, and more says whether the object being read has another member.
	pos  int
	more bool
	// key is the name of the next member once it had to be read by itself, and nil before.
	key []byte
}

var errStored = errors.New("a value that has no stored form, or bytes that are none")

func (c *coder) fail() {
	if c.err == nil {
		c.err = errStored
	}
}

// member begins a member: always when writing; when reading, if it is the one that comes next.
func (c *coder) member(name string) bool {
	if !c.writing {
		return c.more && c.comes(name)
	}
	if c.buf[len(c.buf)-1] != '{' {
		c.buf = append(c.buf, ',')
	}
	c.buf = append(append(append(c.buf, '"'), name...), '"', ':')
	return true
}

func (c *coder) comes(name string) bool {
	if c.err != nil {
		return false
	}
	if c.key != nil {
		if string(c.key) != name {
			return false
		}
		c.key = nil
		return true
	}
	ahead, n := c.buf[c.pos:], len(name)
	if len(ahead) < n+3 || ahead[0] != '"' || ahead[n+1] != '"' || ahead[n+2] != ':' || string(ahead[1:n+1]) != name {
		return false
	}
	c.pos += n + 3
	return true
}

// peek is the next byte that is no blank; 0 at the end.
func (c *coder) peek() byte {
	for ; c.pos < len(c.buf); c.pos++ {
		if b := c.buf[c.pos]; b > ' ' {
			return b
		}
	}
	return 0
}

func (c *coder) expect(b byte) {
	if c.peek() != b {
		c.fail()
		return
	}
	c.pos++
}

// enter begins to read an object, next goes on to its next member.
func (c *coder) enter() {
	c.expect('{')
	c.key, c.more = nil, c.err == nil
	if c.peek() == '}' {
		c.pos++
		c.more = false
	}
}

func (c *coder) next() {
	c.more = false
	switch c.peek() {
	case ',':
		c.pos++
		c.peek()
		c.more = c.err == nil
	case '}':
		c.pos++
	default:
		c.fail()
	}
}

// name reads the name of the next member by itself.
func (c *coder) name() {
	raw, plain := c.quoted()
	c.expect(':')
	switch {
	case c.err != nil:
	case plain:
		c.key = raw[1 : len(raw)-1]
	default:
		c.key = append([]byte{}, unquote(raw)...)
	}
}

// quoted is the next string with its quotes; plain says that it stands for itself.
func (c *coder) quoted() (raw []byte, plain bool) {
	c.expect('"')
	plain = true
	buf, start := c.buf, c.pos-1
	for i := c.pos; c.err == nil && i < len(buf); i++ {
		switch b := buf[i]; {
		case b != '"' && b != '\\' && b >= ' ' && b < 0x80:
		case b == '"':
			c.pos = i + 1
			return buf[start:c.pos], plain
		case b == '\\':
			plain = false
			i++
		default:
			plain = false
		}
	}
	c.fail()
	return nil, true
}

func unquote(raw []byte) (s string) {
	if json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

func (c *coder) appendString(s string) {
	for i := range len(s) {
		if b := s[i]; b < ' ' || b >= 0x7f || b == '"' || b == '\\' || b == '<' || b == '>' || b == '&' {
			quoted, err := json.Marshal(s)
			if err != nil {
				c.fail()
			}
			c.buf = append(c.buf, quoted...)
			return
		}
	}
	c.buf = append(append(append(c.buf, '"'), s...), '"')
}

func (c *coder) readString() string {
	raw, plain := c.quoted()
	if !plain {
		return unquote(raw)
	}
	if len(raw) <= 2 {
		return ""
	}
	raw = raw[1 : len(raw)-1]
	if s, ok := words[string(raw)]; ok {
		return s
	}
	return string(raw)
}

// literal is the next number, true, false or null.
func (c *coder) literal() []byte {
	c.peek()
	start := c.pos
	for c.pos < len(c.buf) {
		if b := c.buf[c.pos]; b <= ' ' || b == ',' || b == '}' || b == ']' {
			break
		}
		c.pos++
	}
	return c.buf[start:c.pos]
}

// skip passes over a value of any kind.
func (c *coder) skip() {
	for depth := 0; c.err == nil; {
		switch c.peek() {
		case '{', '[':
			depth++
			c.pos++
		case '}', ']':
			depth--
			c.pos++
		case '"':
			c.quoted()
		case ',', ':':
			c.pos++
		case 0:
			c.fail()
		default:
			c.literal()
		}
		if depth <= 0 {
			return
		}
	}
}

// The kinds of values. With omit a zero value is not written.

func text[T ~string](c *coder, name string, x *T, omit bool) {
	if c.writing && omit && *x == "" || !c.member(name) {
		return
	}
	if c.writing {
		c.appendString(string(*x))
		return
	}
	*x = T(c.readString())
	c.next()
}

func whole[T ~int | ~int64 | ~uint8](c *coder, name string, x *T, omit bool) {
	if c.writing && omit && *x == 0 || !c.member(name) {
		return
	}
	if c.writing {
		c.buf = strconv.AppendInt(c.buf, int64(*x), 10)
		return
	}
	*x = T(c.readInt())
	c.next()
}

func (c *coder) readInt() int64 {
	n, err := strconv.ParseInt(string(c.literal()), 10, 64)
	if err != nil {
		c.fail()
	}
	return n
}

func (c *coder) float(name string, x *float64, omit bool) {
	if c.writing && omit && *x == 0 || !c.member(name) {
		return
	}
	if c.writing {
		c.appendFloat(*x)
		return
	}
	*x = c.readFloat()
	c.next()
}

// optional is a number that may not be known.
func (c *coder) optional(name string, x **float64) {
	if c.writing && *x == nil || !c.member(name) {
		return
	}
	if c.writing {
		c.appendFloat(**x)
		return
	}
	if c.peek() == 'n' {
		c.literal()
	} else {
		*x = new(c.readFloat())
	}
	c.next()
}

func (c *coder) appendFloat(x float64) {
	switch {
	case math.IsNaN(x) || math.IsInf(x, 0):
		c.fail()
	case x == math.Trunc(x) && math.Abs(x) < 1e15:
		if x == 0 && math.Signbit(x) {
			c.buf = append(c.buf, '-')
		}
		c.buf = strconv.AppendInt(c.buf, int64(x), 10)
	default:
		c.buf = strconv.AppendFloat(c.buf, x, 'g', -1, 64)
	}
}

func (c *coder) readFloat() float64 {
	x, err := strconv.ParseFloat(string(c.literal()), 64)
	if err != nil || math.IsInf(x, 0) || math.IsNaN(x) {
		c.fail()
	}
	return x
}

func (c *coder) flag(name string, x *bool) {
	if c.writing && !*x || !c.member(name) {
		return
	}
	if c.writing {
		c.buf = append(c.buf, "true"...)
		return
	}
	*x = string(c.literal()) == "true"
	c.next()
}

func (c *coder) moment(name string, t *time.Time, omit bool) {
	if c.writing && omit && t.IsZero() || !c.member(name) {
		return
	}
	if c.writing {
		if year := t.Year(); year < 0 || year > 9999 {
			c.fail() // it has no text
		}
		c.buf = append(t.AppendFormat(append(c.buf, '"'), time.RFC3339Nano), '"')
		return
	}
	*t = c.readMoment()
	c.next()
}

// readMoment reads whole seconds of UTC by itself, since most moments are such, and leaves others to time.Parse.
func (c *coder) readMoment() time.Time {
	const form = `"2006-01-02T15:04:05Z"`
	c.peek()
	if raw := c.buf[c.pos:]; len(raw) > len(form) && raw[0] == '"' && raw[20] == 'Z' && raw[21] == '"' {
		year, month, day := digits(raw[1:5]), digits(raw[6:8]), digits(raw[9:11])
		hour, minute, second := digits(raw[12:14]), digits(raw[15:17]), digits(raw[18:20])
		if year|month|day|hour|minute|second >= 0 && month <= 12 && day <= 31 && hour < 24 && minute < 60 && second < 60 {
			c.pos += len(form)
			return time.Date(year, time.Month(month), day, hour, minute, second, 0, time.UTC)
		}
	}
	raw, _ := c.quoted()
	if c.err != nil {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339Nano, string(raw[1:len(raw)-1]))
	if err != nil {
		c.fail()
	}
	return t
}

// digits is the number written; negative when it is none.
func digits(raw []byte) (n int) {
	for _, b := range raw {
		if b < '0' || b > '9' {
			return -1
		}
		n = 10*n + int(b-'0')
	}
	return n
}

// object is a value with members of its own.
func object[T any](c *coder, x *T, members func(*coder, *T)) {
	if c.writing {
		c.buf = append(c.buf, '{')
		members(c, x)
		c.buf = append(c.buf, '}')
		return
	}
	c.enter()
	for c.err == nil && c.more {
		at := c.pos
		members(c, x)
		if c.pos != at || c.err != nil {
			continue
		}
		c.name()
		at = c.pos
		if members(c, x); c.pos == at && c.err == nil {
			c.key = nil
			c.skip()
			c.next()
		}
	}
}

// inner is a member that one function writes and reads.
func inner[T any](c *coder, name string, x *T, one func(*coder, *T)) {
	if !c.member(name) {
		return
	}
	one(c, x)
	if !c.writing {
		c.next()
	}
}

// list is a list of values that one function writes and reads. An empty one is not written.
func list[T any](c *coder, name string, xs *[]T, one func(*coder, *T)) {
	if c.writing && len(*xs) == 0 || !c.member(name) {
		return
	}
	if c.writing {
		c.buf = append(c.buf, '[')
		for i := range *xs {
			if i > 0 {
				c.buf = append(c.buf, ',')
			}
			one(c, &(*xs)[i])
		}
		c.buf = append(c.buf, ']')
		return
	}
	*xs = (*xs)[:0]
	for c.expect('['); c.err == nil && c.peek() != ']'; {
		if len(*xs) > 0 {
			c.expect(',')
		}
		if len(*xs) == 1 {
			*xs = slices.Grow(*xs, 3)
		}
		*xs = append(*xs, *new(T))
		one(c, &(*xs)[len(*xs)-1])
	}
	c.expect(']')
	c.next()
}

// objects makes a list entry of an object, refs of a pointer to one.
func objects[T any](members func(*coder, *T)) func(*coder, *T) {
	return func(c *coder, x *T) { object(c, x, members) }
}

func refs[T any](members func(*coder, *T)) func(*coder, **T) {
	return func(c *coder, x **T) {
		if !c.writing {
			*x = new(T)
		}
		object(c, *x, members)
	}
}
