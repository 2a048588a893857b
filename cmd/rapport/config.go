package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	"go.yaml.in/yaml/v3"
)

// configFile resolves flags from a YAML file. It yields to a set environment variable, and refuses keys that are no flag.
type configFile struct {
	path   string
	values map[string]configValue
}

type configValue struct {
	line int
	text string
}

// configPath is the flag that names the file; kong's own does not look into the environment.
type configPath string

// withConfig reads the file that --config or RAPPORT_CONFIG names, before flags are resolved.
func withConfig(ctx *kong.Context) error {
	for _, flag := range ctx.Flags() {
		if _, ok := flag.Target.Interface().(configPath); !ok {
			continue
		}
		path, _ := ctx.FlagValue(flag).(configPath)
		for _, name := range flag.Envs {
			if path == "" {
				path = configPath(os.Getenv(name))
			}
		}
		if path == "" {
			return nil
		}
		file, err := readConfig(string(path))
		if err != nil {
			return err
		}
		if err := file.check(ctx.Flags()); err != nil {
			return err
		}
		ctx.AddResolver(file)
	}
	return nil
}

// check reads every value once, since kong would tell of a wrong one without its place.
func (f configFile) check(flags []*kong.Flag) error {
	for _, flag := range flags {
		value, ok := f.values[flag.Name]
		if !ok {
			continue
		}
		if err := flag.Parse(kong.Scan().PushTyped(value.text, kong.FlagValueToken), reflect.New(flag.Target.Type()).Elem()); err != nil {
			return fmt.Errorf("%s, line %d: %w", f.path, value.line, err)
		}
	}
	return nil
}

func readConfig(path string) (configFile, error) {
	f, err := os.Open(path)
	if err != nil {
		return configFile{}, fmt.Errorf("--config: %w", plainPath(err))
	}
	defer f.Close()
	values, err := configValues(f)
	if err != nil {
		return configFile{}, fmt.Errorf("%s: %w", path, err)
	}
	return configFile{path, values}, nil
}

// configValues reads a list of `key: value`.
func configValues(r io.Reader) (map[string]configValue, error) {
	var root yaml.Node
	if err := yaml.NewDecoder(r).Decode(&root); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, nil
		}
		return nil, err
	}
	mapping := root.Content[0]
	if mapping.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("line %d: want lines of `key: value`", mapping.Line)
	}
	values := map[string]configValue{}
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		key, value := mapping.Content[i], mapping.Content[i+1]
		if value.Kind != yaml.ScalarNode || value.Tag == "!!null" {
			return nil, fmt.Errorf("line %d: %s wants one value", key.Line, key.Value)
		}
		if _, twice := values[key.Value]; twice {
			return nil, fmt.Errorf("line %d: %s stands twice", key.Line, key.Value)
		}
		values[key.Value] = configValue{key.Line, value.Value}
	}
	return values, nil
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
	var wrong []string
	for key, value := range f.values {
		if !known[key] {
			wrong = append(wrong, fmt.Sprintf("%s, line %d: no setting is called %q", f.path, value.line, key))
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	slices.Sort(wrong)
	return errors.New(strings.Join(wrong, "\n"))
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
