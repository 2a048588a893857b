package server_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The core takes time, ids and everything else as arguments: it has no way to the world.
// A path ending in /... means it and all below it.
var forbiddenInCore = []string{
	"context", "crypto/rand", "database/sql/...", "io/ioutil", "log/...", "math/rand/...",
	"net/...", "os/...", "plugin", "syscall/...", "unsafe", "C",
}

// What the core may not use of packages that it may import: clocks, timers, zone files, the terminal.
var forbiddenNamesInCore = map[string][]string{
	"time": {
		"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTicker", "NewTimer",
		"Local", "LoadLocation",
	},
	"fmt": {"Print", "Printf", "Println", "Scan", "Scanf", "Scanln"},
}

func TestTheCoreHasNoWayToTheWorld(t *testing.T) {
	files := 0
	err := filepath.WalkDir(filepath.Join(root, "services/domain"), func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return err
		}
		files++
		source, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		for _, breach := range breaches(t, name, source) {
			t.Error(breach)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files == 0 {
		t.Fatal("no file of the core was read")
	}
}

func TestABreachOfTheCoreIsSeen(t *testing.T) {
	tests := map[string]struct {
		source string
		want   int
	}{
		"the clock":                 {"package p\nimport \"time\"\nvar t = time.Now()", 1},
		"the clock as a value":      {"package p\nimport \"time\"\nvar now = time.Now", 1},
		"the clock by another name": {"package p\nimport clock \"time\"\nvar t = clock.Since(clock.Time{})", 1},
		"the clock without a name":  {"package p\nimport . \"time\"\nvar t = Now()", 1},
		"context":                   {"package p\nimport \"context\"\nvar c context.Context", 1},
		"a subpackage of net":       {"package p\nimport \"net/http\"\nvar c http.Client", 1},
		"a random source":           {"package p\nimport \"math/rand/v2\"\nvar r = rand.Int()", 1},
		"unused but imported":       {"package p\nimport _ \"os\"", 1},
		"time as a value":           {"package p\nimport \"time\"\nvar t = time.Unix(0, 0).UTC()", 0},
		"a time of another package": {"package p\nimport \"example.org/time\"\nvar t = time.Now()", 0},
		"a package like net":        {"package p\nimport \"networks\"\nvar n = networks.N", 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := breaches(t, "p.go", []byte(test.source)); len(got) != test.want {
				t.Errorf("saw %q, want %d", got, test.want)
			}
		})
	}
}

// breaches are the ways in which a file of the core reaches for the world.
func breaches(t *testing.T, name string, source []byte) []string {
	t.Helper()
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, name, source, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	refuse := func(at token.Pos, what string) {
		found = append(found, files.Position(at).String()+": the core may not use "+what)
	}
	local := map[string]string{} // what the file calls a package that it may use in part
	for _, spec := range file.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		if slices.ContainsFunc(forbiddenInCore, func(pattern string) bool { return covers(pattern, imported) }) {
			refuse(spec.Pos(), imported)
		}
		if _, inPart := forbiddenNamesInCore[imported]; !inPart {
			continue
		}
		switch {
		case spec.Name == nil:
			local[path.Base(imported)] = imported
		case spec.Name.Name == ".":
			refuse(spec.Pos(), imported+" without its name")
		default:
			local[spec.Name.Name] = imported
		}
	}
	ast.Inspect(file, func(node ast.Node) bool {
		selector, ok := node.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if of, ok := selector.X.(*ast.Ident); ok && slices.Contains(forbiddenNamesInCore[local[of.Name]], selector.Sel.Name) {
			refuse(selector.Pos(), local[of.Name]+"."+selector.Sel.Name)
		}
		return true
	})
	return found
}

// covers says whether a pattern with an optional /... at its end names the package.
func covers(pattern, imported string) bool {
	tree, isTree := strings.CutSuffix(pattern, "/...")
	return imported == tree || isTree && strings.HasPrefix(imported, tree+"/")
}
