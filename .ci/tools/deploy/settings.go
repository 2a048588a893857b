package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// checkFiles checks a deploy folder.
func checkFiles(folder string) ([]string, error) {
	problems, err := checkParses(folder)
	if err != nil {
		return nil, err
	}
	for _, check := range []func() ([]string, error){
		func() ([]string, error) { return checkCompose(filepath.Join(folder, "compose.yaml")) },
		func() ([]string, error) { return checkContainer(filepath.Join(folder, "Containerfile")) },
		func() ([]string, error) { return checkSettings(folder) },
	} {
		found, err := check()
		if err != nil {
			return nil, err
		}
		problems = append(problems, found...)
	}
	return problems, nil
}

// checkParses says which YAML files do not parse; a repeated key does not.
func checkParses(folder string) ([]string, error) {
	var problems []string
	err := filepath.WalkDir(folder, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(name) != ".yaml" {
			return err
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		var any map[string]any
		if err := yaml.Unmarshal(text, &any); err != nil {
			problems = append(problems, fmt.Sprintf("%s: %v", name, err))
		}
		return nil
	})
	return problems, err
}

var (
	// variable is a setting of serve in the environment.
	variable = regexp.MustCompile(`\bRAPPORT_[A-Z_]+`)
	// key is a key of the example, in use or offered behind a comment sign.
	key = regexp.MustCompile(`(?m)^(?:# )?([a-z][a-z-]*): \S`)
	// ofCompose are variables that Compose itself reads, not serve.
	ofCompose = []string{"RAPPORT_CONFIG", "RAPPORT_BIND"}
)

// checkSettings checks that each variable set for serve is a key of the example configuration.
func checkSettings(folder string) ([]string, error) {
	example, err := os.ReadFile(filepath.Join(folder, "rapport.example.yaml"))
	if err != nil {
		return nil, err
	}
	var known []string
	for _, found := range key.FindAllStringSubmatch(string(example), -1) {
		known = append(known, "RAPPORT_"+strings.ToUpper(strings.ReplaceAll(found[1], "-", "_")))
	}
	var problems []string
	for _, name := range []string{"compose.yaml", "rapport.service", "Containerfile"} {
		text, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			return nil, err
		}
		for _, found := range variable.FindAllString(string(text), -1) {
			if !slices.Contains(known, found) && !slices.Contains(ofCompose, found) {
				problems = append(problems, fmt.Sprintf("%s: %s is no key of rapport.example.yaml", name, found))
			}
		}
	}
	return problems, nil
}
