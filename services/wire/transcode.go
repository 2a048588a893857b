package wire

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// A stored event is the protojson of its message, and a follower that was long away gets a million of them. So JSON is
// written as protobuf token by token, without a message between: a fifth of the time.

// shape is what the fields of a message are called in JSON.
type shape map[string]field

// field is how one of them stands in protobuf.
type field struct {
	number   protowire.Number
	kind     protoreflect.Kind
	repeated bool
	// moment: google.protobuf.Timestamp, which JSON writes as text.
	moment bool
	// names of an enum.
	names map[string]protoreflect.EnumNumber
	// inner is the shape of a message.
	inner shape
}

const timestamp protoreflect.FullName = "google.protobuf.Timestamp"

// shapeOf reads a message's descriptor. Errors: a field of a kind that append cannot write; recursive messages have none.
func shapeOf(m protoreflect.MessageDescriptor) (shape, error) {
	s := shape{}
	for i := range m.Fields().Len() {
		d := m.Fields().Get(i)
		f := field{number: d.Number(), kind: d.Kind(), repeated: d.IsList()}
		switch d.Kind() {
		case protoreflect.StringKind, protoreflect.BoolKind, protoreflect.Int32Kind, protoreflect.Int64Kind, protoreflect.DoubleKind:
		case protoreflect.EnumKind:
			f.names = map[string]protoreflect.EnumNumber{}
			for j := range d.Enum().Values().Len() {
				v := d.Enum().Values().Get(j)
				f.names[string(v.Name())] = v.Number()
			}
		case protoreflect.MessageKind:
			f.moment = d.Message().FullName() == timestamp
			var err error
			if f.inner, err = shapeOf(d.Message()); err != nil {
				return nil, err
			}
		default:
			return nil, fmt.Errorf("%s is a %s", d.FullName(), d.Kind())
		}
		if d.IsMap() {
			return nil, fmt.Errorf("%s is a map", d.FullName())
		}
		s[d.JSONName()] = f
	}
	return s, nil
}

// scribe writes the JSON form of messages as protobuf. It may be used again and again, by one goroutine at a time.
type scribe struct {
	json jsontext.Decoder
	// text is the last string that JSON wrote with escapes, without them.
	text []byte
}

var scribes = sync.Pool{New: func() any { return &scribe{} }}

// appendMessage appends data, the protojson of a message of a shape. What the shape does not know is left out.
// Errors: data that is not JSON, or not such a message.
func appendMessage(out []byte, data []byte, s shape) ([]byte, error) {
	w := scribes.Get().(*scribe)
	defer scribes.Put(w)
	w.json.Reset(bytes.NewBuffer(data), jsontext.AllowDuplicateNames(true))
	return w.message(out, s)
}

func (w *scribe) message(out []byte, s shape) ([]byte, error) {
	if err := w.begin(jsontext.KindBeginObject); err != nil {
		return out, err
	}
	for w.json.PeekKind() == jsontext.KindString {
		name, err := w.string()
		if err != nil {
			return out, err
		}
		f, known := s[string(name)]
		switch {
		case !known || w.json.PeekKind() == jsontext.KindNull:
			err = w.json.SkipValue()
		case f.repeated:
			out, err = w.list(out, f)
		default:
			out, err = w.value(out, f)
		}
		if err != nil {
			return out, err
		}
	}
	_, err := w.json.ReadToken()
	return out, err
}

func (w *scribe) list(out []byte, f field) ([]byte, error) {
	if err := w.begin(jsontext.KindBeginArray); err != nil {
		return out, err
	}
	for kind := w.json.PeekKind(); kind != jsontext.KindEndArray && kind != jsontext.KindInvalid; kind = w.json.PeekKind() {
		var err error
		if out, err = w.value(out, f); err != nil {
			return out, err
		}
	}
	_, err := w.json.ReadToken()
	return out, err
}

func (w *scribe) begin(want jsontext.Kind) error {
	token, err := w.json.ReadToken()
	if err == nil && token.Kind() != want {
		err = fmt.Errorf("%s where %s is due", token.Kind(), want)
	}
	return err
}

// value writes one value of a field.
func (w *scribe) value(out []byte, f field) ([]byte, error) {
	switch {
	case f.moment:
		return w.moment(out, f.number)
	case f.inner != nil:
		return nested(out, f.number, func(out []byte) ([]byte, error) { return w.message(out, f.inner) })
	case f.kind == protoreflect.StringKind:
		text, err := w.string()
		return protowire.AppendBytes(protowire.AppendTag(out, f.number, protowire.BytesType), text), err
	}
	text, err := w.scalar()
	if err != nil {
		return out, err
	}
	if f.kind == protoreflect.DoubleKind {
		number, err := strconv.ParseFloat(string(text), 64)
		return protowire.AppendFixed64(protowire.AppendTag(out, f.number, protowire.Fixed64Type), math.Float64bits(number)), err
	}
	bits, known, err := f.bits(text)
	if err != nil || !known {
		return out, err
	}
	return protowire.AppendVarint(protowire.AppendTag(out, f.number, protowire.VarintType), bits), nil
}

// bits are those of a number, a truth or a name; known is false for a name that the enum does not have.
func (f field) bits(text []byte) (bits uint64, known bool, err error) {
	switch f.kind {
	case protoreflect.BoolKind:
		truth, err := strconv.ParseBool(string(text))
		return protowire.EncodeBool(truth), true, err
	case protoreflect.EnumKind:
		number, known := f.names[string(text)]
		return uint64(number), known, nil
	case protoreflect.Int32Kind:
		number, err := strconv.ParseInt(string(text), 10, 32)
		return uint64(number), true, err
	default:
		number, err := strconv.ParseInt(string(text), 10, 64)
		return uint64(number), true, err
	}
}

func (w *scribe) moment(out []byte, number protowire.Number) ([]byte, error) {
	text, err := w.string()
	if err != nil {
		return out, err
	}
	t, err := time.Parse(time.RFC3339Nano, string(text))
	if err != nil {
		return out, errors.New("not a moment")
	}
	return appendMoment(out, number, t), nil
}

func appendMoment(out []byte, number protowire.Number, t time.Time) []byte {
	out, _ = nested(out, number, func(out []byte) ([]byte, error) { // it cannot fail
		out = protowire.AppendVarint(protowire.AppendTag(out, 1, protowire.VarintType), uint64(t.Unix()))
		if nanos := t.Nanosecond(); nanos != 0 {
			out = protowire.AppendVarint(protowire.AppendTag(out, 2, protowire.VarintType), uint64(nanos))
		}
		return out, nil
	})
	return out
}

// nested appends a message within a message: its length is known when it is written.
func nested(out []byte, number protowire.Number, write func([]byte) ([]byte, error)) ([]byte, error) {
	out = protowire.AppendTag(out, number, protowire.BytesType)
	start := len(out)
	out, err := write(out)
	size := len(out) - start
	out = slices.Grow(out, protowire.SizeVarint(uint64(size)))
	out = out[:len(out)+protowire.SizeVarint(uint64(size))]
	copy(out[len(out)-size:], out[start:start+size])
	protowire.AppendVarint(out[:start], uint64(size))
	return out, err
}

// string reads a string; it holds until the next one is read.
func (w *scribe) string() ([]byte, error) {
	raw, err := w.json.ReadValue()
	if err == nil && raw.Kind() != jsontext.KindString {
		err = fmt.Errorf("%s where a string is due", raw.Kind())
	}
	if err != nil {
		return nil, err
	}
	return w.unquoted(raw)
}

// scalar reads a number, a truth or a string, as text; it holds until the next one is read.
func (w *scribe) scalar() ([]byte, error) {
	raw, err := w.json.ReadValue()
	if err != nil || raw.Kind() != jsontext.KindString {
		return raw, err
	}
	return w.unquoted(raw)
}

func (w *scribe) unquoted(raw jsontext.Value) (text []byte, err error) {
	if text = raw[1 : len(raw)-1]; bytes.IndexByte(text, '\\') < 0 {
		return text, nil
	}
	w.text, err = jsontext.AppendUnquote(w.text[:0], raw)
	return w.text, err
}
