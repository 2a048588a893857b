package catalogue

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/instrument"
)

// Lint reads a file, or every file of a folder, as a part of a clinic's folder, together with what ships and what is in
// the folder, which may be empty. It gives the files that can be used. Errors: Invalid, with everything that is wrong in
// them or between them and the rest, located as `path:line`; Unavailable for what cannot be opened.
func Lint(folder, path string) ([]string, error) {
	builtin, err := instrument.Builtin()
	if err != nil {
		return nil, err
	}
	l := &loader{Catalogue: newCatalogue(), entries: builtin.Entries()}
	if folder != "" {
		if err := l.read(os.DirFS(folder)); err != nil {
			return nil, err
		}
	}
	files, err := l.from(path)
	if err != nil {
		return nil, err
	}
	l.settle()
	files = slices.DeleteFunc(files, func(file string) bool {
		return slices.ContainsFunc(l.issues, func(issue fault.Issue) bool { return within(issue.Path, file) })
	})
	return files, l.fault()
}

// from reads a file or a folder under the names that the caller uses for them.
func (l *loader) from(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "open what is to be checked")
	}
	var files []string
	if !info.IsDir() {
		return []string{path}, l.file(os.DirFS(filepath.Dir(path)), filepath.Base(path), path)
	}
	folder := os.DirFS(path)
	err = fs.WalkDir(folder, ".", func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !readable(file) {
			return err
		}
		shown := filepath.Join(path, filepath.FromSlash(file))
		files = append(files, shown)
		return l.file(folder, file, shown)
	})
	return files, fault.Wrap(fault.Unavailable, err, "read what is to be checked")
}

// within says whether a place such as `file:3:1` lies in a file.
func within(place, file string) bool {
	return place == file || len(place) > len(file) && place[:len(file)] == file && place[len(file)] == ':'
}
