package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/alecthomas/kong"
	"go.yaml.in/yaml/v3"
)

// configFile resolves flags from a YAML file. It yields to a set environment variable, and refuses keys that are no flag.
type configFile struct{ values map[string]configValue }

type configValue struct {
	line int
	text string
}

// configLoader reads a YAML file of flags.
func configLoader(r io.Reader) (kong.Resolver, error) {
	var root yaml.Node
	if err := yaml.NewDecoder(r).Decode(&root); err != nil {
		if errors.Is(err, io.EOF) {
			return configFile{}, nil
		}
		return nil, fmt.Errorf("the configuration cannot be read: %w", err)
	}
	f := configFile{values: map[string]configValue{}}
	mapping := root.Content[0]
	if mapping.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("line %d: the configuration is not a list of `key: value`", mapping.Line)
	}
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		key, value := mapping.Content[i], mapping.Content[i+1]
		if value.Kind != yaml.ScalarNode {
			return nil, fmt.Errorf("line %d: %s wants one value", value.Line, key.Value)
		}
		if _, twice := f.values[key.Value]; twice {
			return nil, fmt.Errorf("line %d: %s stands twice", key.Line, key.Value)
		}
		f.values[key.Value] = configValue{key.Line, value.Value}
	}
	return f, nil
}

// Validate refuses keys that no flag of serve has.
func (f configFile) Validate(app *kong.Application) error {
	known := map[string]bool{}
	for _, command := range app.Children {
		if command.Name != "serve" {
			continue
		}
		for _, flag := range command.Flags {
			known[flag.Name] = flag.Name != "config"
		}
	}
	var wrong []error
	for key, value := range f.values {
		if !known[key] {
			wrong = append(wrong, fmt.Errorf("configuration, line %d: no setting is called %q", value.line, key))
		}
	}
	return errors.Join(wrong...)
}

// Resolve gives the value of a flag that neither the command line nor the environment sets.
func (f configFile) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	for _, name := range flag.Envs {
		if _, set := os.LookupEnv(strings.TrimSpace(name)); set {
			return nil, nil
		}
	}
	if value, ok := f.values[flag.Name]; ok {
		return value.text, nil
	}
	return nil, nil
}
