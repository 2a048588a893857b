package instrument

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
)

// maxDepth of a pack; none needs half of it.
const maxDepth = 16

// Problem is something wrong at a place of a definition.
type Problem struct {
	// Place such as `scores[0].bands.list[1]`, Text what is wrong there.
	Place, Text string
}

// outline is the shape of a pack: the line of every value, and what encoding/json would let pass in silence
// (a name twice, a name in the wrong case, a name that no field has, null).
type outline struct {
	data     []byte
	dec      *json.Decoder
	lines    map[string]int
	problems []Problem
	line     int
	counted  int64
}

// read walks the whole document. The error is one of syntax, with its line.
func readOutline(data []byte, form reflect.Type) (*outline, error) {
	o := &outline{data: data, dec: json.NewDecoder(bytes.NewReader(data)), lines: map[string]int{}, line: 1}
	o.dec.UseNumber()
	err := o.value("", form, 0)
	if err == nil {
		err = o.end()
	}
	if err != nil {
		return nil, fmt.Errorf("line %d: %w", o.here(), err)
	}
	return o, nil
}

func (o *outline) end() error {
	if _, err := o.dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the end of the document")
	}
	return nil
}

// here is the line at which the decoder stands.
func (o *outline) here() int {
	offset := min(o.dec.InputOffset(), int64(len(o.data)))
	o.line += bytes.Count(o.data[o.counted:offset], []byte{'\n'})
	o.counted = offset
	return o.line
}

func (o *outline) value(place string, form reflect.Type, depth int) error {
	if depth > maxDepth {
		return errors.New("nested too deeply")
	}
	token, err := o.dec.Token()
	if err != nil {
		return errors.New("not valid JSON")
	}
	o.lines[place] = o.here()
	switch token {
	case json.Delim('{'):
		return o.object(place, form, depth)
	case json.Delim('['):
		return o.array(place, form, depth)
	case nil:
		o.problems = append(o.problems, Problem{place, "null is no value: leave the name out"})
	}
	return nil
}

func (o *outline) object(place string, form reflect.Type, depth int) error {
	names := map[string]bool{}
	for o.dec.More() {
		token, err := o.dec.Token()
		name, ok := token.(string)
		if err != nil || !ok {
			return errors.New("not valid JSON")
		}
		inner := join(place, name)
		o.lines[inner] = o.here()
		if names[name] {
			o.problems = append(o.problems, Problem{inner, "the name occurs twice"})
		}
		names[name] = true
		member, known := memberOf(form, name)
		if !known {
			o.problems = append(o.problems, Problem{inner, "unknown field"})
		}
		if err := o.value(inner, member, depth+1); err != nil {
			return err
		}
	}
	return o.closing()
}

func (o *outline) array(place string, form reflect.Type, depth int) error {
	var element reflect.Type
	if form != nil && form.Kind() == reflect.Slice {
		element = form.Elem()
	}
	for i := 0; o.dec.More(); i++ {
		if err := o.value(at(place, i), element, depth+1); err != nil {
			return err
		}
	}
	return o.closing()
}

func (o *outline) closing() error {
	if _, err := o.dec.Token(); err != nil {
		return errors.New("not valid JSON")
	}
	return nil
}

// memberOf is the type that a form expects under a name. A form that is nil expects anything.
func memberOf(form reflect.Type, name string) (reflect.Type, bool) {
	for form != nil && form.Kind() == reflect.Pointer {
		form = form.Elem()
	}
	switch {
	case form == nil:
		return nil, true
	case form.Kind() == reflect.Map:
		return form.Elem(), true
	case form.Kind() != reflect.Struct:
		return nil, true
	}
	for i := range form.NumField() {
		tag, _, _ := strings.Cut(form.Field(i).Tag.Get("json"), ",")
		if tag == name && tag != "" && tag != "-" {
			return form.Field(i).Type, true
		}
	}
	return nil, false
}

// lineOf is the line of a place, or of the nearest one around it.
func (o *outline) lineOf(place string) int {
	for place != "" {
		if line, ok := o.lines[place]; ok {
			return line
		}
		place = place[:max(strings.LastIndexAny(place, ".["), 0)]
	}
	return 1
}

// lineAt is the line of a byte offset.
func lineAt(data []byte, offset int64) int {
	return 1 + bytes.Count(data[:min(offset, int64(len(data)))], []byte{'\n'})
}

// at is the place of an element, join that of a member.
func at(place string, i int) string { return place + "[" + strconv.Itoa(i) + "]" }

func join(place, name string) string {
	if place == "" {
		return name
	}
	return place + "." + name
}
