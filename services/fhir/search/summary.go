package search

import (
	_ "embed"
	"slices"
	"strings"
	"sync"
)

// summaryLines have, for each type, the top-level elements that R4 requires and those that it puts into a summary.
//
//go:embed summary.txt
var summaryLines string

type told struct{ required, summary []string }

var summaries = sync.OnceValue(func() map[string]told {
	out := map[string]told{}
	for line := range strings.Lines(summaryLines) {
		if fields := strings.Split(strings.TrimSuffix(line, "\n"), "|"); len(fields) == 3 {
			out[fields[0]] = told{strings.Fields(fields[1]), strings.Fields(fields[2])}
		}
	}
	return out
})

// Required says whether R4 demands a top-level element of a type.
func Required(typ, name string) bool { return among(summaries()[typ].required, name) }

// InSummary says whether R4 puts a top-level element of a type into its summary.
func InSummary(typ, name string) bool { return among(summaries()[typ].summary, name) }

// among finds a name, also that of a primitive's twin, and of a choice by any of its types.
func among(names []string, name string) bool {
	name = strings.TrimPrefix(name, "_")
	return slices.ContainsFunc(names, func(n string) bool {
		stem, choice := strings.CutSuffix(n, "*")
		return n == name || choice && strings.HasPrefix(name, stem)
	})
}
