package fhir

import (
	"slices"
)

// History is all that was ever derived from one response.
type History struct {
	// states, oldest first: what the response said from a version of it on.
	states []state
}

// state is the sheet that speaks from a version of the response on; none where the response says nothing.
type state struct {
	version int64
	sheet   *Sheet
	parts   []Part
}

// Past is a sheet of one version of a response.
type Past struct {
	*Sheet
	// Superseded says that the next version of the response replaced it, by another sheet or by none.
	Superseded bool
}

// NewHistory puts the sheets of one response, by version, into a history.
func NewHistory(sheets []Past) History {
	var h History
	for i, past := range sheets {
		version := past.Fact.Source.Version
		s := state{version: version, sheet: past.Sheet}
		if Derivable(past.Fact) {
			s.parts = past.Parts()
		}
		h.states = append(h.states, s)
		last := i == len(sheets)-1
		if last && past.Superseded || !last && sheets[i+1].Fact.Source.Version > version+1 {
			h.states = append(h.states, state{version: version + 1})
		}
	}
	return h
}

// Observed is one version of one derived Observation.
type Observed struct {
	Part
	// Sheet that says it; of a withdrawn one the last that did.
	Sheet *Sheet
	// Version is the number of the version of the response, and Standing where it stands.
	Version  int64
	Standing Standing
}

// Current are the newest versions of all derived Observations, withdrawn ones too.
func (h History) Current() []Observed {
	var out []Observed
	for i := range h.states {
		for _, p := range h.states[i].parts {
			if !slices.ContainsFunc(out, func(o Observed) bool { return o.Name == p.Name }) {
				out = append(out, last(h.of(p.Name)))
			}
		}
	}
	return out
}

// Find one derived Observation by the name of its part, in one version, or the newest when version is 0. ok is false
// when there is none.
func (h History) Find(part string, version int64) (found Observed, ok bool) {
	versions := h.of(part)
	if version == 0 && len(versions) > 0 {
		return last(versions), true
	}
	i := slices.IndexFunc(versions, func(o Observed) bool { return o.Version == version })
	if i < 0 {
		return Observed{}, false
	}
	return versions[i], true
}

// Extract are the newest versions of what the newest form gives; nothing when it was withdrawn or has no result.
func (h History) Extract() []Observed {
	var out []Observed
	for _, o := range h.Current() {
		if o.Standing != Withdrawn {
			out = append(out, o)
		}
	}
	return out
}

// Versions of one derived Observation, by the name of its part, oldest first.
func (h History) Versions(part string) []Observed { return h.of(part) }

// of are the versions of one part, oldest first: one for each state that has it, and one where it went.
func (h History) of(part string) []Observed {
	var out []Observed
	for i := range h.states {
		s := &h.states[i]
		at := slices.IndexFunc(s.parts, func(p Part) bool { return p.Name == part })
		switch {
		case at >= 0 && len(out) == 0:
			out = append(out, Observed{s.parts[at], s.sheet, s.version, First})
		case at >= 0:
			out = append(out, Observed{s.parts[at], s.sheet, s.version, Later})
		case len(out) > 0 && last(out).Standing != Withdrawn:
			gone := last(out)
			gone.Version, gone.Standing = s.version, Withdrawn
			out = append(out, gone)
		}
	}
	return out
}

func last[T any](of []T) T { return of[len(of)-1] }
