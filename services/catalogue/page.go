package catalogue

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/rapport-health/rapport/services/domain/fault"
)

// page is one YAML file: what is wrong with it, and where its parts stand.
type page struct {
	name   string
	places map[string]*yaml.Node
	issues []fault.Issue
}

// readPage parses one YAML document; nil when it is empty or cannot be read.
func readPage(name string, raw []byte) (*page, *yaml.Node) {
	p := &page{name: name, places: map[string]*yaml.Node{}}
	var document yaml.Node
	decoder := yaml.NewDecoder(bytes.NewReader(raw))
	err := decoder.Decode(&document)
	if err != nil {
		if !errors.Is(err, io.EOF) {
			p.unreadable(err)
		}
		return p, nil
	}
	if second := decoder.Decode(&yaml.Node{}); !errors.Is(second, io.EOF) {
		p.issues = append(p.issues, fault.Errorf("structure", name, "one YAML document was expected"))
	}
	if p.aliases(&document) || len(document.Content) == 0 {
		return p, nil
	}
	return p, document.Content[0]
}

var yamlLine = regexp.MustCompile(`^yaml: line (\d+): (.*)$`)

func (p *page) unreadable(err error) {
	if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
		p.issues = append(p.issues, fault.Errorf("structure", p.name+":"+m[1], "%s", m[2]))
		return
	}
	p.issues = append(p.issues, fault.Errorf("structure", p.name, "%s", strings.TrimPrefix(err.Error(), "yaml: ")))
}

// aliases refuses them: a reviewer should read a thing in one place, and some never end.
func (p *page) aliases(n *yaml.Node) (found bool) {
	if n.Kind == yaml.AliasNode {
		p.fail(n, "an alias: write out what it stands for")
		return true
	}
	for _, child := range n.Content {
		found = p.aliases(child) || found
	}
	return found
}

func (p *page) fail(n *yaml.Node, format string, args ...any) {
	p.issues = append(p.issues, fault.Errorf("invalid", p.at(n), format, args...))
}

// failAt is fail at the place that was read under a name, or at the nearest one around it.
func (p *page) failAt(place, format string, args ...any) {
	p.issues = append(p.issues, fault.Errorf("invalid", p.where(place), format, args...))
}

// at is `file:line:column` of a node.
func (p *page) at(n *yaml.Node) string { return fmt.Sprintf("%s:%d:%d", p.name, n.Line, n.Column) }

// where is `file:line:column` of a place, or of the nearest place around it.
func (p *page) where(place string) string {
	for place != "" {
		if n := p.places[place]; n != nil {
			return p.at(n)
		}
		place = place[:max(strings.LastIndexAny(place, ".["), 0)]
	}
	return p.name
}

// read fills a value from a node: structs by the names of their JSON tags, unknown and repeated names refused. What is
// read is remembered by its place.
func (p *page) read(n *yaml.Node, into reflect.Value, place string) {
	p.places[place] = n
	if own, ok := into.Addr().Interface().(interface {
		readYAML(p *page, n *yaml.Node, place string)
	}); ok {
		own.readYAML(p, n, place)
		return
	}
	switch into.Kind() {
	case reflect.Pointer:
		into.Set(reflect.New(into.Type().Elem()))
		p.read(n, into.Elem(), place)
	case reflect.Struct:
		p.fields(n, into, place)
	case reflect.Map:
		p.entries(n, into, place)
	case reflect.Slice:
		p.list(n, into, place)
	default:
		p.scalar(n, into)
	}
}

// pairs calls visit for each entry of a mapping; a name that comes twice is refused.
func (p *page) pairs(n *yaml.Node, visit func(key, value *yaml.Node)) {
	if n.Kind != yaml.MappingNode {
		p.fail(n, "names with values were expected, as in `name: value`")
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		switch {
		case key.Kind != yaml.ScalarNode || key.Value == "":
			p.fail(key, "a name was expected")
		case seen[key.Value]:
			p.fail(key, "'%s' is given twice", key.Value)
		default:
			seen[key.Value] = true
			visit(key, value)
		}
	}
}

func (p *page) fields(n *yaml.Node, into reflect.Value, place string) {
	var known []string
	byName := map[string]int{}
	for i := range into.NumField() {
		if tag, _, _ := strings.Cut(into.Type().Field(i).Tag.Get("json"), ","); tag != "" && tag != "-" {
			known, byName[tag] = append(known, tag), i
		}
	}
	p.pairs(n, func(key, value *yaml.Node) {
		i, ok := byName[key.Value]
		if !ok {
			p.fail(key, "unknown field '%s'%s", key.Value, meant(key.Value, known))
			return
		}
		p.read(value, into.Field(i), place+"."+key.Value)
	})
}

func (p *page) entries(n *yaml.Node, into reflect.Value, place string) {
	into.Set(reflect.MakeMap(into.Type()))
	p.pairs(n, func(key, value *yaml.Node) {
		element := reflect.New(into.Type().Elem()).Elem()
		p.read(value, element, place+"."+key.Value)
		into.SetMapIndex(reflect.ValueOf(key.Value), element)
	})
}

func (p *page) list(n *yaml.Node, into reflect.Value, place string) {
	if n.Kind != yaml.SequenceNode {
		p.fail(n, "a list was expected")
		return
	}
	into.Set(reflect.MakeSlice(into.Type(), len(n.Content), len(n.Content)))
	for i, element := range n.Content {
		p.read(element, into.Index(i), place+"["+strconv.Itoa(i)+"]")
	}
}

func (p *page) scalar(n *yaml.Node, into reflect.Value) {
	if n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
		p.fail(n, "%s was expected", expected(into.Kind()))
		return
	}
	ok := false
	switch into.Kind() {
	case reflect.String:
		into.SetString(n.Value)
		ok = strings.TrimSpace(n.Value) != ""
	case reflect.Bool:
		b, err := strconv.ParseBool(n.Value)
		into.SetBool(b)
		ok = err == nil && n.Tag == "!!bool"
	case reflect.Int:
		i, err := strconv.Atoi(n.Value)
		into.SetInt(int64(i))
		ok = err == nil
	case reflect.Float64:
		x, err := strconv.ParseFloat(n.Value, 64)
		into.SetFloat(x)
		ok = err == nil && x-x == 0
	}
	if !ok {
		p.fail(n, "%s was expected", expected(into.Kind()))
	}
}

func expected(k reflect.Kind) string {
	switch k {
	case reflect.Bool:
		return "true or false"
	case reflect.Int:
		return "a whole number"
	case reflect.Float64:
		return "a number"
	default:
		return "text"
	}
}

// meant suggests the known name nearest to one that is not known; nothing when none is near.
func meant(name string, known []string) string {
	if nearest := fault.Nearest(name, slices.Sorted(slices.Values(known))); nearest != "" {
		return fmt.Sprintf(": did you mean '%s'?", nearest)
	}
	return ""
}
