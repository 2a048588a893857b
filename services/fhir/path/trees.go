package path

import (
	"strings"

	"github.com/gofhir/fhirpath/types"
)

// trees holds the functions that go down a resource, weight(), and those on truth values. The engine's own children()
// forgets the types, and its repeat() does nothing.
var trees = map[string]ours{
	"rapportItems": func(r *run, in types.Collection, args []types.Collection, column int) (types.Collection, error) {
		return walked(r, in, column, stepsOf(wordOf(args[0])), true)
	},
	"children": func(r *run, in types.Collection, _ []types.Collection, column int) (types.Collection, error) {
		return guardMany(r, childrenOf(in), nil, column)
	},
	"descendants": func(r *run, in types.Collection, _ []types.Collection, column int) (types.Collection, error) {
		return walked(r, in, column, childrenOf, false)
	},
	"weight":  weigh,
	"ordinal": weigh,
	"hasValue": func(_ *run, in types.Collection, _ []types.Collection, _ int) (types.Collection, error) {
		has := false
		if len(in) == 1 {
			_, object := in[0].(*types.ObjectValue)
			has = !object
		}
		return types.Collection{types.NewBoolean(has)}, nil
	},
	"allTrue":  truthsThat(true, true),
	"anyTrue":  truthsThat(true, false),
	"allFalse": truthsThat(false, true),
	"anyFalse": truthsThat(false, false),
}

// truthsThat asks whether all or any of the values are what is wanted.
func truthsThat(want, all bool) ours {
	return func(_ *run, in types.Collection, _ []types.Collection, column int) (types.Collection, error) {
		found := all
		for _, v := range in {
			b, ok := v.(types.Boolean)
			if !ok {
				return nil, &failure{"value", "all values must be true or false here", column}
			}
			if (b.Bool() == want) != all {
				found = !all
			}
		}
		return types.Collection{types.NewBoolean(found)}, nil
	}
}

// walked goes down level by level, as repeat() is specified. With once each value comes once, by equality.
func walked(r *run, in types.Collection, column int, step func(types.Collection) types.Collection, once bool) (types.Collection, error) {
	out := types.Collection{}
	for level := step(in); len(level) > 0; level = step(level) {
		fresh := level
		if once {
			fresh = fresh[:0:0]
			for _, v := range level {
				if !out.Contains(v) {
					out, fresh = append(out, v), append(fresh, v)
				}
			}
		} else {
			out = append(out, level...)
		}
		if _, err := guardMany(r, out, nil, column); err != nil {
			return nil, err
		}
		level = fresh
	}
	return out, nil
}

// stepsOf is one step of a form of repeat().
func stepsOf(form string) func(types.Collection) types.Collection {
	return func(in types.Collection) types.Collection {
		var out types.Collection
		for _, v := range in {
			out = append(out, member(v, "item")...)
			switch form {
			case "item|answer":
				out = append(out, member(v, "answer")...)
			case "item|answer.item":
				for _, answer := range member(v, "answer") {
					out = append(out, member(answer, "item")...)
				}
			}
		}
		return out
	}
}

// member steps into an element with its type.
func member(v types.Value, name string) types.Collection {
	object, ok := v.(*types.ObjectValue)
	if !ok {
		return nil
	}
	m := loadModel()
	path := m.ResolvePath(object.Type() + "." + name)
	if typ := m.TypeOf(path); typ != "" {
		return object.GetCollectionWithType(name, typ)
	}
	return object.GetCollection(name)
}

func childrenOf(in types.Collection) types.Collection {
	var out types.Collection
	for _, v := range in {
		object, ok := v.(*types.ObjectValue)
		if !ok {
			continue
		}
		for _, name := range object.Keys() {
			if name != "resourceType" && !strings.HasPrefix(name, "_") {
				out = append(out, member(v, name)...)
			}
		}
	}
	return out
}
