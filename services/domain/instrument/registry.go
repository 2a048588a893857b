package instrument

import (
	"cmp"
	"embed"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/rapport-health/rapport/services/domain/fault"
)

//go:embed packs/*.json
var builtin embed.FS

// Registry finds definitions by what responses and observations call them. It does not change once loaded.
type Registry struct {
	entries  []Entry                // by id, oldest version first
	current  []*Definition          // by id
	versions map[string]*Definition // by `id|version`
	names    map[string]*Definition // by id, canonical and relative reference: the current version
	forms    map[string]*Definition // by `canonical|version` of published forms
	scores   map[string]scored      // by `system|code`
}

type scored struct {
	def  *Definition
	code string
}

// Builtin is the catalogue that ships. It fails only with a defect of the packs.
func Builtin() (*Registry, error) {
	packs, err := fs.Sub(builtin, "packs")
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "open the built-in instruments")
	}
	return Load(packs)
}

// Load reads every *.json in the root of a folder. It refuses the whole folder with fault.Invalid and one issue for
// each thing wrong in any of its files, located as `file:line`.
func Load(folder fs.FS) (*Registry, error) {
	files, err := fs.Glob(folder, "*.json")
	if err != nil || len(files) == 0 {
		return nil, fault.Newf(fault.Invalid, "not-found", "the folder holds no instrument (*.json)")
	}
	var entries []Entry
	var issues []fault.Issue
	for _, file := range files {
		data, err := fs.ReadFile(folder, file)
		if err != nil {
			return nil, fault.Wrap(fault.Unavailable, err, "read an instrument")
		}
		e, wrong := ParseEntry(file, data)
		issues = append(issues, wrong...)
		if e.Definition != nil {
			entries = append(entries, e)
		}
	}
	r, wrong := Register(entries)
	if issues = append(issues, wrong...); len(issues) > 0 {
		return nil, fault.New(fault.Invalid, issues...)
	}
	return r, nil
}

// Register makes a registry. Of several versions of an instrument the newest is the current one. The issues, located as
// the entries are, say what the definitions contradict each other in; with any, the registry is not to be used. A
// definition that comes twice counts once.
func Register(entries []Entry) (*Registry, []fault.Issue) {
	entries = slices.Clone(entries)
	slices.SortStableFunc(entries, func(a, b Entry) int {
		return cmp.Or(strings.Compare(a.ID, b.ID), CompareVersions(a.Version, b.Version))
	})
	r := &Registry{
		versions: map[string]*Definition{}, names: map[string]*Definition{},
		forms: map[string]*Definition{}, scores: map[string]scored{},
	}
	var issues []fault.Issue
	for _, e := range entries {
		issues = append(issues, r.add(e)...)
	}
	for i, e := range r.entries {
		if i+1 == len(r.entries) || r.entries[i+1].ID != e.ID {
			r.current = append(r.current, e.Definition)
		}
	}
	return r, issues
}

// Entries are all definitions, by id and the oldest version first. The slice is the caller's.
func (r *Registry) Entries() []Entry { return slices.Clone(r.entries) }

func (r *Registry) add(p Entry) (issues []fault.Issue) {
	d := p.Definition
	if same, taken := r.versions[d.ID+"|"+d.Version]; taken && same.Hash == d.Hash {
		return nil
	} else if taken {
		return []fault.Issue{p.issue("version", "%s version %s is defined already, with other content: a version never changes", d.ID, d.Version)}
	}
	r.entries = append(r.entries, p)
	r.versions[d.ID+"|"+d.Version] = d
	name := func(place, key string) {
		if other := r.names[key]; other != nil && other.ID != d.ID {
			issues = append(issues, p.issue(place, "%s already means %s", key, other.ID))
			return
		}
		r.names[key] = d
	}
	name("id", d.ID)
	if !d.Foreign {
		name("id", d.Canonical())
	}
	for i, alias := range d.Aliases {
		name(at("aliases", i), "Questionnaire/"+alias)
	}
	for i := range d.Forms {
		name(at("forms", i)+".url", d.Forms[i].URL)
		for _, v := range d.Forms[i].Versions {
			r.forms[d.Forms[i].URL+"|"+v] = d
		}
	}
	return append(issues, r.addScores(p)...)
}

func (r *Registry) addScores(p Entry) (issues []fault.Issue) {
	d := p.Definition
	claim := func(place, key, code string) {
		if other, taken := r.scores[key]; taken && (other.def.ID != d.ID || other.def == d && other.code != code) {
			issues = append(issues, p.issue(place, "%s already is %s of %s", key, other.code, other.def.ID))
			return
		}
		r.scores[key] = scored{d, code}
	}
	for i := range d.Scores {
		s := &d.Scores[i]
		claim(at("scores", i), d.ScoreCode(s.Code), s.Code)
		for j := range s.Codes {
			if s.Codes[j].Shared {
				continue
			}
			claim(at(at("scores", i)+".codes", j), s.Codes[j].Code, s.Code)
		}
	}
	return issues
}

// Lookup finds what a response names: a canonical with or without `|version`, a bare instrument id, or a relative
// reference `Questionnaire/<alias>` that a pack declares. Without a version it is the current one. An unknown name,
// and a version that nobody declared, is fault.NotFound: never the nearest.
func (r *Registry) Lookup(canonical string) (*Definition, error) {
	name, version, versioned := strings.Cut(canonical, "|")
	current, known := r.names[name]
	switch {
	case !known:
		return nil, fault.Newf(fault.NotFound, "not-found", "no instrument is known under this questionnaire")
	case !versioned:
		return current, nil
	}
	if d, ok := r.forms[canonical]; ok {
		return d, nil
	}
	// Our own versions count under our own names only: a foreign form's version 1.0.0 is another thing.
	if d, ok := r.versions[current.ID+"|"+version]; ok && current.Numbered(name) {
		return d, nil
	}
	return nil, fault.Newf(fault.NotFound, "not-found", "this version of the questionnaire is not known as %s", current.ID)
}

// ByScoreCode finds the score that an Observation with this `system|code` carries, in the current definitions.
func (r *Registry) ByScoreCode(systemCode string) (def *Definition, scoreCode string, ok bool) {
	s, ok := r.scores[systemCode]
	return s.def, s.code, ok
}

// All are the current definitions by id. The slice is the caller's.
func (r *Registry) All() []*Definition { return slices.Clone(r.current) }

// CompareVersions orders versions part by part, numbers as numbers and before whatever is no number; one with a suffix
// `+…` comes after the same without.
func CompareVersions(a, b string) int {
	a, after, _ := strings.Cut(a, "+")
	b, before, _ := strings.Cut(b, "+")
	parts := slices.CompareFunc(strings.Split(a, "."), strings.Split(b, "."), func(x, y string) int {
		m, errX := strconv.Atoi(x)
		n, errY := strconv.Atoi(y)
		switch {
		case errX != nil && errY != nil:
			return cmp.Compare(x, y)
		case errX != nil:
			return 1
		case errY != nil:
			return -1
		}
		return cmp.Compare(m, n)
	})
	return cmp.Or(parts, cmp.Compare(after, before))
}
