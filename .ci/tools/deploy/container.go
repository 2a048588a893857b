package main

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
)

// instruction is one instruction of a Containerfile, its continued lines joined.
type instruction struct{ verb, rest string }

// stage is what follows one FROM.
type stage struct {
	from, name   string
	instructions []instruction
}

// readStages reads a Containerfile.
func readStages(name string) ([]stage, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var stages []stage
	for _, line := range joined(string(text)) {
		verb, rest, _ := strings.Cut(line, " ")
		rest = strings.TrimSpace(rest)
		if verb == "FROM" {
			fields := strings.Fields(rest)
			s := stage{from: fields[0]}
			if len(fields) == 3 && strings.EqualFold(fields[1], "as") {
				s.name = fields[2]
			}
			stages = append(stages, s)
			continue
		}
		if len(stages) == 0 {
			return nil, fmt.Errorf("%s: %s before FROM", name, verb)
		}
		last := &stages[len(stages)-1]
		last.instructions = append(last.instructions, instruction{verb, rest})
	}
	return stages, nil
}

// joined are the lines of a Containerfile without comments and empty lines, continuations joined.
func joined(text string) []string {
	var lines []string
	var open strings.Builder
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		part, goesOn := strings.CutSuffix(line, "\\")
		open.WriteString(part)
		if !goesOn {
			lines = append(lines, open.String())
			open.Reset()
		}
	}
	if open.Len() > 0 {
		lines = append(lines, open.String())
	}
	return lines
}

// printRuns prints what the first stage runs.
func printRuns(name string) error {
	stages, err := readStages(name)
	if err != nil {
		return err
	}
	for _, i := range stages[0].instructions {
		if i.verb == "RUN" {
			fmt.Println(i.rest)
		}
	}
	return nil
}

var (
	verbs = strings.Fields("ADD ARG CMD COPY ENTRYPOINT ENV EXPOSE HEALTHCHECK LABEL RUN SHELL STOPSIGNAL USER VOLUME WORKDIR")
	// withoutShell are the verbs whose command must be a JSON list, for on an empty base there is no shell.
	withoutShell = []string{"ENTRYPOINT", "CMD", "HEALTHCHECK"}
	nonRoot      = regexp.MustCompile(`^[1-9][0-9]*:[1-9][0-9]*$`)
	fromStage    = regexp.MustCompile(`--from=(\S+)`)
)

// checkContainer checks a Containerfile: stages that exist, and a last one that is empty, without root and without shell.
func checkContainer(name string) ([]string, error) {
	stages, err := readStages(name)
	if err != nil {
		return nil, err
	}
	if len(stages) == 0 {
		return []string{name + ": no stage"}, nil
	}
	var problems []string
	report := func(format string, args ...any) {
		problems = append(problems, name+": "+fmt.Sprintf(format, args...))
	}
	var names []string
	for _, s := range stages {
		if s.from != "scratch" && !hasTag(s.from) {
			report("image %s has no version", s.from)
		}
		for _, i := range s.instructions {
			if !slices.Contains(verbs, i.verb) {
				report("unknown instruction %s", i.verb)
			}
			if from := fromStage.FindStringSubmatch(i.rest); from != nil && !slices.Contains(names, from[1]) {
				report("%s copies from %s, which is no stage above", i.verb, from[1])
			}
		}
		names = append(names, s.name)
	}
	last := stages[len(stages)-1]
	if last.from != "scratch" {
		report("the last stage starts from %s, not from scratch", last.from)
	}
	for _, verb := range slices.Concat(withoutShell, []string{"USER"}) {
		at := slices.IndexFunc(last.instructions, func(i instruction) bool { return i.verb == verb })
		if at < 0 {
			report("the last stage has no %s", verb)
			continue
		}
		rest := last.instructions[at].rest
		if verb == "USER" && !nonRoot.MatchString(rest) {
			report("USER %s is not the number of a user and a group without privileges", rest)
		}
		if slices.Contains(withoutShell, verb) && !isCommand(rest) {
			report("%s needs a list in JSON: there is no shell", verb)
		}
	}
	return problems, nil
}

// isCommand says whether the text is a JSON list of strings, after the options and the CMD of a health check.
func isCommand(text string) bool {
	at := strings.IndexByte(text, '[')
	var command []string
	return at >= 0 && json.Unmarshal([]byte(text[at:]), &command) == nil && len(command) > 0
}

// hasTag says whether an image is named with a version.
func hasTag(image string) bool {
	_, tag, ok := strings.Cut(image[strings.LastIndexByte(image, '/')+1:], ":")
	return ok && tag != "" && tag != "latest"
}
