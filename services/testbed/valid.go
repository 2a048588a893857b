package testbed

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
)

//go:embed validate.mjs
var validate string

// Medplum is the npm package whose validator is used, and definitions the one that has HL7's definitions of R4.
const (
	medplum     = "@medplum/core"
	definitions = "hl7.fhir.r4.examples"
)

// Problems holds FHIR resources against R4 by a validator that is not ours, in one process of node, and returns for
// each, in order, what is wrong with it: nothing for a valid one.
func Problems(t T, resources ...[]byte) [][]string {
	t.Helper()
	var lines bytes.Buffer
	for _, r := range resources {
		if err := json.Compact(&lines, r); err != nil {
			t.Fatalf("a resource to be validated is no JSON: %v\n%s", err, r)
		}
		lines.WriteByte('\n')
	}
	node := exec.Command("node", "--input-type=module", "--eval", validate,
		filepath.Join(Examples(t, medplum), "dist", "cjs", "index.cjs"), Examples(t, definitions))
	var trouble strings.Builder
	node.Stdin, node.Stderr = &lines, &trouble
	out, err := node.Output()
	if err != nil {
		t.Fatalf("the validator, which needs node, did not run: %v\n%s", err, lastLines(trouble.String()))
	}
	answers := json.NewDecoder(bytes.NewReader(out))
	problems := make([][]string, len(resources))
	for i := range problems {
		if err := answers.Decode(&problems[i]); err != nil {
			t.Fatalf("the validator answered %d of %d resources: %v", i, len(resources), err)
		}
	}
	return problems
}

// Valid fails for each of the resources, by name, that is no valid R4.
func Valid(t T, resources map[string][]byte) {
	t.Helper()
	var names []string
	var bodies [][]byte
	for name, body := range resources {
		names, bodies = append(names, name), append(bodies, body)
	}
	const most = 10
	told := 0
	for i, problems := range Problems(t, bodies...) {
		if told += min(len(problems), 1); len(problems) > 0 && told <= most {
			t.Errorf("%s is no valid R4: %s", names[i], strings.Join(problems, "; "))
		}
	}
	if told > most {
		t.Errorf("... and %d more", told-most)
	}
}

// lastLines are the end of what a program printed: minified sources stand before it.
func lastLines(text string) string {
	const most = 2000
	if len(text) > most {
		return "..." + text[len(text)-most:]
	}
	return text
}
