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
// Members are read in the order in which they are written, which costs one comparison each; in another order they
// are read too, in more rounds, and unknown ones are passed over.
type coder struct {
	buf     []byte
	writing bool
	err     error
	// pos is how far buf has been read; key the name of the member that comes next, nil at the end of its object.
	pos int
	key []byte
}

var errStored = errors.New("not a stored state")

func (c *coder) fail() {
	if c.err == nil {
		c.err = errStored
	}
}

// member begins a member: always when writing; when reading, if it is the one that comes next.
func (c *coder) member(name string) bool {
	if !c.writing {
		return c.err == nil && c.key != nil && string(c.key) == name
	}
	if c.buf[len(c.buf)-1] != '{' {
		c.buf = append(c.buf, ',')
	}
	c.buf = append(append(append(c.buf, '"'), name...), '"', ':')
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
	if c.peek() == '}' {
		c.pos++
		c.key = nil
		return
	}
	c.name()
}

func (c *coder) next() {
	switch c.peek() {
	case ',':
		c.pos++
		c.name()
	case '}':
		c.pos++
		c.key = nil
	default:
		c.fail()
	}
}

func (c *coder) name() {
	c.key = nil
	raw, plain := c.quoted()
	if !plain {
		raw = []byte(unquote(raw))
	} else if raw != nil {
		raw = raw[1 : len(raw)-1]
	}
	c.expect(':')
	if c.err == nil {
		c.key = raw
	}
}

// quoted is the next string with its quotes; plain says that it stands for itself.
func (c *coder) quoted() (raw []byte, plain bool) {
	c.expect('"')
	plain = true
	for start := c.pos - 1; c.err == nil && c.pos < len(c.buf); c.pos++ {
		switch b := c.buf[c.pos]; {
		case b == '"':
			c.pos++
			return c.buf[start:c.pos], plain
		case b == '\\':
			plain = false
			c.pos++
		case b < ' ' || b >= 0x80:
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
		c.buf = append(t.AppendFormat(append(c.buf, '"'), time.RFC3339Nano), '"')
		return
	}
	raw, _ := c.quoted()
	if c.err == nil {
		var err error
		if *t, err = time.Parse(time.RFC3339Nano, string(raw[1:len(raw)-1])); err != nil {
			c.fail()
		}
	}
	c.next()
}

// object is a value with members of its own.
func object[T any](c *coder, x *T, members func(*coder, *T)) {
	if c.writing {
		c.buf = append(c.buf, '{')
		members(c, x)
		c.buf = append(c.buf, '}')
		return
	}
	outer := c.key
	c.enter()
	for c.err == nil && c.key != nil {
		before := c.pos
		if members(c, x); c.pos == before && c.err == nil {
			c.skip()
			c.next()
		}
	}
	c.key = outer
}

func inner[T any](c *coder, name string, x *T, members func(*coder, *T)) {
	if !c.member(name) {
		return
	}
	object(c, x, members)
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
		*xs = append(slices.Grow(*xs, 1), *new(T))
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
