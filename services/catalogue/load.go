package catalogue

import (
	"cmp"
	"encoding/json"
	"io/fs"
	"os"
	"path"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/instrument"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/fhir/tree"
)

// maxFile bounds one file of a folder, in bytes.
const maxFile = 16 << 20

// Builtin is the catalogue that ships. It fails only with a defect of the packs.
func Builtin() (*Catalogue, error) { return Load(nil) }

// Open is Load of a folder by its path; an empty path gives the built-in catalogue.
func Open(folder string) (*Catalogue, error) {
	if folder == "" {
		return Load(nil)
	}
	info, err := os.Stat(folder)
	switch {
	case err != nil:
		return nil, fault.Wrap(fault.Unavailable, err, "open the folder of instruments")
	case !info.IsDir():
		return nil, fault.Newf(fault.Invalid, "invalid", "%s is no folder of instruments", folder)
	}
	return Load(os.DirFS(folder))
}

// Load is the built-in catalogue with what a clinic's folder adds: packs (`*.json` with an id and scores), FHIR
// Questionnaires, ValueSets and CodeSystems (`*.json` with a resourceType), and overlays and source maps (`*.yaml`,
// `*.yml`), at any depth. A nil folder adds nothing. Everything that is wrong in any file is refused at once, with
// fault.Invalid and one issue for each, located as `file:line` or `file:line:column`.
func Load(folder fs.FS) (*Catalogue, error) {
	builtin, err := instrument.Builtin()
	if err != nil {
		return nil, err
	}
	l := &loader{Catalogue: newCatalogue(), entries: builtin.Entries()}
	if folder != nil {
		if err := l.read(folder); err != nil {
			return nil, err
		}
	}
	l.settle()
	if err := l.fault(); err != nil {
		return nil, err
	}
	return l.Catalogue, nil
}

// fault is everything that is wrong, in the order of files and lines; nil when nothing is.
func (l *loader) fault() error {
	if len(l.issues) == 0 {
		return nil
	}
	slices.SortStableFunc(l.issues, func(a, b fault.Issue) int { return compareLines(a.Path, b.Path) })
	return fault.New(fault.Invalid, l.issues...)
}

// loader collects what a folder holds and what is wrong with it.
type loader struct {
	*Catalogue
	entries []instrument.Entry
	asked   []*asked
	shared  []tree.Node
	pages   []*settings
	issues  []fault.Issue
}

// settings is what one YAML file says.
type settings struct {
	// Instruments are overlays by the id or canonical of what they lie over.
	Instruments map[string]*overlay `json:"instruments"`
	// Sources are maps by the name of the sending system.
	Sources map[string]*source `json:"sources"`

	page *page
}

// read takes in every file, by name.
func (l *loader) read(folder fs.FS) error {
	err := fs.WalkDir(folder, ".", func(file string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && hidden(file):
			return fs.SkipDir
		case entry.IsDir() || hidden(file) || !readable(file):
			return nil
		}
		return l.file(folder, file, file)
	})
	return fault.Wrap(fault.Unavailable, err, "read the folder of instruments")
}

func hidden(file string) bool { return file != "." && strings.HasPrefix(path.Base(file), ".") }

// readable says whether a file of this name means anything here.
func readable(file string) bool {
	return slices.Contains([]string{".json", ".yaml", ".yml"}, strings.ToLower(path.Ext(file)))
}

// file takes in one file. Shown is its name in messages.
func (l *loader) file(folder fs.FS, file, shown string) error {
	raw, err := readFile(folder, file)
	switch {
	case err != nil:
		return err
	case strings.ToLower(path.Ext(file)) == ".json":
		l.json(shown, raw)
	default:
		l.yaml(shown, raw)
	}
	return nil
}

func readFile(folder fs.FS, file string) ([]byte, error) {
	info, err := fs.Stat(folder, file)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxFile {
		return nil, fault.New(fault.TooLarge, fault.Errorf("too-long", file, "a file may have %d MiB", maxFile>>20))
	}
	return fs.ReadFile(folder, file)
}

func (l *loader) fail(place, format string, args ...any) {
	l.issues = append(l.issues, fault.Errorf("invalid", place, format, args...))
}

// json takes in a pack or a resource.
func (l *loader) json(file string, raw []byte) {
	var top map[string]json.RawMessage
	if err := json.Unmarshal(raw, &top); err != nil {
		// The readers of packs say where.
		l.pack(file, raw)
		return
	}
	_, isResource := top["resourceType"]
	_, hasID := top["id"]
	_, hasScores := top["scores"]
	switch {
	case isResource:
		l.resource(file, raw)
	case hasID || hasScores:
		l.pack(file, raw)
	default:
		l.fail(file+":1", "neither an instrument (with id and scores) nor a FHIR resource (with resourceType)")
	}
}

func (l *loader) pack(file string, raw []byte) {
	e, issues := instrument.ParseEntry(file, raw)
	l.issues = append(l.issues, issues...)
	if e.Definition != nil {
		l.entries = append(l.entries, e)
	}
}

func (l *loader) yaml(file string, raw []byte) {
	p, root := readPage(file, raw)
	s := &settings{page: p}
	if root != nil {
		p.fields(root, reflect.ValueOf(s).Elem(), "")
	}
	if len(p.issues) == 0 && len(s.Instruments)+len(s.Sources) == 0 {
		l.fail(file+":1", "says nothing: want `instruments:` or `sources:`")
	}
	l.issues = append(l.issues, p.issues...)
	p.issues = nil
	l.pages = append(l.pages, s)
}

// settle makes one catalogue of what was read.
func (l *loader) settle() {
	packs, issues := instrument.Register(l.entries)
	l.issues = append(l.issues, issues...)
	for _, s := range l.pages {
		for _, name := range sorted(s.Instruments) {
			l.overlay(packs, name, s.Instruments[name])
		}
	}
	l.questionnaires(packs)
	l.registry, issues = instrument.Register(l.entries)
	if len(l.issues) == 0 {
		l.issues = append(l.issues, issues...)
	}
	for _, s := range l.pages {
		for _, name := range sorted(s.Sources) {
			l.source(s, name)
		}
	}
}

// overlay lays an overlay over a pack, or keeps it for a form.
func (l *loader) overlay(packs *instrument.Registry, name string, o *overlay) {
	o.name = name
	base, err := packs.Lookup(name)
	target := name
	if err == nil {
		target = base.ID
	}
	if first := l.overlays[target]; first != nil {
		l.fail(o.page.at(o.node), "%s is laid over already at %s: one place says all of it", target, first.page.at(first.node))
		return
	}
	l.overlays[target] = o
	if o.Enforce {
		l.enforced[name] = true
		for i := 0; err == nil && i < len(base.Forms); i++ {
			l.enforced[base.Forms[i].URL] = true
		}
	}
	switch {
	case err == nil:
		made, issues := o.apply(base)
		l.issues = append(l.issues, issues...)
		if made != nil {
			l.entries = append(l.entries, instrument.Entry{Definition: made, Where: func(string) string { return o.page.at(o.node) }})
		}
	case !strings.ContainsAny(name, ":/"):
		l.fail(o.page.at(o.node), "there is no instrument '%s'%s", name, meant(name, idsOf(packs)))
	}
}

func idsOf(r *instrument.Registry) []string {
	var ids []string
	for _, d := range r.All() {
		ids = append(ids, d.ID)
	}
	return ids
}

func (l *loader) source(s *settings, name string) {
	place := ".sources." + name
	switch {
	case !ref.ValidSource(name):
		s.page.failAt(place, "a source has 1 to 64 letters, digits, dots or hyphens")
	case s.Sources[name].broken:
	case l.sources[ref.Source(name)] != nil:
		s.page.failAt(place, "the source %s has a map already: one place says all of it", name)
	default:
		l.sources[ref.Source(name)] = s.Sources[name]
		s.Sources[name].settle(s.page, place, func(id string) (*instrument.Definition, []string) {
			def, err := l.registry.Lookup(id)
			if err != nil {
				return nil, idsOf(l.registry)
			}
			return def, nil
		})
	}
	l.issues = append(l.issues, s.page.issues...)
	s.page.issues = nil
}

func sorted[T any](m map[string]T) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// compareLines orders `file:line:column` by its numbers.
func compareLines(a, b string) int {
	split := func(s string) (file string, numbers [2]int) {
		parts := strings.Split(s, ":")
		n := len(parts)
		for k := 0; k < 2 && n > 1; k++ {
			x, err := strconv.Atoi(parts[n-1])
			if err != nil {
				break
			}
			numbers = [2]int{x, numbers[0]}
			n--
		}
		return strings.Join(parts[:n], ":"), numbers
	}
	fileA, at := split(a)
	fileB, bt := split(b)
	return cmp.Or(cmp.Compare(fileA, fileB), slices.Compare(at[:], bt[:]))
}
