package main

import (
	"debug/buildinfo"
	"debug/elf"
)

// checkStatic says what keeps a program from running on an empty base.
func checkStatic(name string) ([]string, error) {
	info, err := buildinfo.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var problems []string
	for _, setting := range info.Settings {
		if setting.Key == "CGO_ENABLED" && setting.Value != "0" {
			problems = append(problems, name+": built with cgo")
		}
	}
	program, err := elf.Open(name)
	if err != nil {
		return nil, err
	}
	defer program.Close()
	for _, part := range program.Progs {
		if part.Type == elf.PT_INTERP {
			problems = append(problems, name+": asks for a dynamic loader")
		}
	}
	libraries, err := program.ImportedLibraries()
	if err != nil {
		return nil, err
	}
	for _, library := range libraries {
		problems = append(problems, name+": asks for "+library)
	}
	return problems, nil
}
