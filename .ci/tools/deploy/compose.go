package main

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// compose is the part of the Compose Specification that deploy/compose.yaml uses; another key is refused as a misspelling.
type compose struct {
	Name     string
	Services map[string]service
	Networks map[string]struct {
		Internal bool
	}
	Volumes map[string]struct{}
	Secrets map[string]struct {
		File string
	}
}

type service struct {
	Image string
	Build struct {
		Context, Dockerfile string
	}
	Command     []string
	Environment map[string]string
	Secrets     []string
	Volumes     []string
	Tmpfs       []string
	Networks    []string
	Ports       []string
	DependsOn   map[string]struct {
		Condition string
	} `yaml:"depends_on"`
	HealthCheck struct {
		Test              []string
		Interval, Timeout string
		StartPeriod       string `yaml:"start_period"`
		Retries           int
	} `yaml:"healthcheck"`
	ReadOnly        bool     `yaml:"read_only"`
	CapDrop         []string `yaml:"cap_drop"`
	SecurityOpt     []string `yaml:"security_opt"`
	Restart         string
	StopGracePeriod string `yaml:"stop_grace_period"`
}

// checkCompose checks that a Compose file has no unknown key and no name that leads nowhere.
func checkCompose(name string) ([]string, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	var c compose
	if err := decoder.Decode(&c); err != nil {
		return []string{fmt.Sprintf("%s: %v", name, err)}, nil
	}
	var problems []string
	for _, at := range slices.Sorted(maps.Keys(c.Services)) {
		for _, problem := range c.check(c.Services[at], filepath.Dir(name)) {
			problems = append(problems, name+": "+at+": "+problem)
		}
	}
	return problems, nil
}

// check says what is wrong with one service of the file in a folder.
func (c compose) check(s service, folder string) []string {
	var problems []string
	report := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	if !hasTag(s.Image) {
		report("image %q has no version", s.Image)
	}
	if len(s.HealthCheck.Test) == 0 || s.Restart == "" {
		report("has no health check or no restart policy")
	}
	for other, on := range s.DependsOn {
		if _, ok := c.Services[other]; !ok || on.Condition != "service_healthy" {
			report("depends on %s being %q", other, on.Condition)
		}
	}
	for _, network := range s.Networks {
		if _, ok := c.Networks[network]; !ok {
			report("network %s is not declared", network)
		}
	}
	for _, secret := range s.Secrets {
		if _, ok := c.Secrets[secret]; !ok {
			report("secret %s is not declared", secret)
		}
	}
	for key, value := range s.Environment {
		if secret, ok := strings.CutPrefix(value, "/run/secrets/"); ok && !slices.Contains(s.Secrets, secret) {
			report("%s names the secret %s, which the service is not given", key, secret)
		}
	}
	for _, volume := range s.Volumes {
		source := sourceOf(volume)
		_, declared := c.Volumes[source]
		if strings.HasPrefix(source, ".") {
			_, err := os.Stat(filepath.Join(folder, source))
			declared = err == nil
		}
		if !declared {
			report("volume %s is neither declared nor a file", source)
		}
	}
	if s.Build.Dockerfile != "" {
		if _, err := os.Stat(filepath.Join(folder, s.Build.Context, s.Build.Dockerfile)); err != nil {
			report("%v", err)
		}
	}
	return problems
}

// sourceOf is what a volume is made of; for ${NAME:-default} its default.
func sourceOf(volume string) string {
	if inner, ok := strings.CutPrefix(volume, "${"); ok {
		inner, _, _ = strings.Cut(inner, "}")
		_, volume, _ = strings.Cut(inner, ":-")
		return volume
	}
	source, _, _ := strings.Cut(volume, ":")
	return source
}
