package server_test

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const (
	module = "github.com/rapport-health/rapport"
	root   = "../.."
)

// libraries are the third-party modules that a row may name, by the word used for them there.
var libraries = map[string]string{
	"cel":           "cel.dev/cel-go",
	"cmp":           "github.com/google/go-cmp",
	"go-jose":       "github.com/go-jose/go-jose/v4",
	"go-oidc":       "github.com/coreos/go-oidc/v3",
	"go-redis":      "github.com/redis/go-redis/v9",
	"gofhir":        "github.com/gofhir/fhirpath",
	"websocket":     "github.com/coder/websocket",
	"goose":         "github.com/pressly/goose/v3",
	"grpc":          "google.golang.org/grpc",
	"grpc/codes":    "google.golang.org/grpc/codes",
	"grpc/encoding": "google.golang.org/grpc/encoding",
	"grpc/mem":      "google.golang.org/grpc/mem",
	"grpc/status":   "google.golang.org/grpc/status",
	"jsontext":      "github.com/go-json-experiment/json",
	"kong":          "github.com/alecthomas/kong",
	"miniredis":     "github.com/alicebob/miniredis/v2",
	"modernc":       "modernc.org/sqlite",
	"otelgrpc":      "go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc",
	"parquet":       "github.com/parquet-go/parquet-go",
	"pgx":           "github.com/jackc/pgx/v5",
	"plot":          "gonum.org/v1/plot",
	"puddle":        "github.com/jackc/puddle/v2",
	"prometheus":    "github.com/prometheus/client_golang",
	"protobuf":      "google.golang.org/protobuf",
	"rapid":         "pgregory.net/rapid",
	"samply":        "github.com/samply/golang-fhir-models/fhir-models",
	"x/sys":         "golang.org/x/sys",
	"yaml":          "go.yaml.in/yaml/v3",
}

// room is one row of the law: a package and what it may import besides the standard library.
type room struct {
	// name is the package's path: below services/, or from the top for api and cmd.
	name string
	// may holds words: a room, a room with all rooms below it ("domain/..."), or a library.
	may string
	// tests holds the libraries that only its tests may import.
	tests string
	// testOnly rooms are imported by tests and by each other alone.
	testOnly bool
}

// law has the rooms in order: a row names only rows above it, hence no circle.
var law = []room{
	{name: "services"},
	{name: "api"},
	{name: "api/rapport/v1", may: "protobuf grpc"},
	{name: "api/fhir"},
	{name: "api/client", may: "api/rapport/v1 protobuf grpc go-redis"},

	// The staircase. A room of the core may import every room of the core above it; see allowed.
	{name: "domain/fault"},
	{name: "domain/ref"},
	{name: "domain/record"},
	{name: "domain/feed"},
	{name: "domain/access"},
	{name: "domain/audit"},
	{name: "domain/instrument"},
	{name: "domain/response"},
	{name: "domain/form"},
	{name: "domain/score"},
	{name: "domain/fact"},
	{name: "domain/trend"},
	{name: "domain/adherence"},
	{name: "domain/alliance"},
	{name: "domain/distress"},
	{name: "domain/function"},
	{name: "domain/engagement"},
	{name: "domain/episode"},
	{name: "domain/judge"},
	{name: "domain/alert"},
	{name: "domain/subscription"},
	{name: "domain/decision"},
	{name: "domain/packet"},
	{name: "domain/measure"},

	{name: "fhir/tree", may: "domain/... jsontext"},
	{name: "fhir/path", may: "domain/... fhir/tree gofhir"},
	{name: "fhir", may: "domain/... fhir/tree fhir/path samply"},
	{name: "fhir/search", may: "domain/... fhir fhir/tree"},
	{name: "rules", may: "domain/... cel yaml"},
	{name: "wire", may: "domain/... jsontext api/rapport/v1 protobuf grpc/codes grpc/status grpc/encoding grpc/mem"},
	{name: "store", may: "domain/..."},
	{name: "store/sealed", may: "domain/... store"},
	{name: "testbed", may: "domain/... store pgx go-redis"},
	{name: "store/storetest", may: "domain/... store store/sealed cmp rapid", testOnly: true},
	{name: "store/rows", may: "domain/... store store/sealed"},
	{name: "store/postgres", may: "domain/... store store/sealed store/rows goose pgx puddle"},
	{name: "store/sqlite", may: "domain/... store store/sealed store/rows goose modernc x/sys"},
	{name: "catalogue", may: "domain/... store fhir fhir/tree fhir/path yaml"},
	{name: "auth", may: "domain/... store grpc go-oidc go-jose fhir"},
	{name: "commit", may: "domain/... store"},
	{name: "watch", may: "domain/... store"},
	{name: "watch/watchtest", may: "domain/... store watch cmp rapid", testOnly: true},
	{name: "relay/embedded", may: "miniredis"},
	{name: "relay", may: "domain/... store watch api/client go-redis", tests: "miniredis"},
	{name: "deadlines", may: "domain/... store commit"},
	{name: "ingest", may: "domain/... store auth wire api/rapport/v1 protobuf grpc fhir fhir/tree fhir/path fhir/search catalogue commit"},
	{name: "scoring", may: "domain/... store auth wire api/rapport/v1 protobuf grpc fhir fhir/tree fhir/path catalogue"},
	{name: "outcomes", may: "domain/... store auth wire api/rapport/v1 protobuf grpc watch"},
	{name: "alerts", may: "domain/... store auth wire api/rapport/v1 protobuf grpc commit watch"},
	{name: "conference", may: "domain/... store auth wire api/rapport/v1 protobuf grpc commit"},
	{name: "analytics/export", may: "domain/... store parquet"},
	{name: "analytics", may: "domain/... store auth wire api/rapport/v1 protobuf grpc analytics/export"},
	{name: "subscriptions", may: "domain/... store auth wire api/rapport/v1 api/fhir protobuf grpc fhir fhir/tree fhir/path fhir/search watch websocket"},
	{name: "cds", may: "domain/... store auth fhir fhir/tree fhir/path"},
	{name: "rest", may: "domain/... store auth fhir fhir/tree fhir/path fhir/search api/fhir"},
	{name: "bulk", may: "domain/... store auth fhir fhir/tree"},
	{name: "board/chart", may: "domain/... plot"},
	{name: "board", may: "domain/... store auth watch board/chart"},
	{name: "simulate", may: "domain/... fhir fhir/tree fhir/path"},
	{name: "rehearse", may: "domain/... store fhir catalogue ingest simulate"},
	{name: "server", may: "services/... api/... protobuf grpc otelgrpc go-redis", tests: "go-jose pgx websocket"},
	{name: "server/servertest", may: "services/... api/... protobuf grpc go-redis cmp", testOnly: true},
	{name: "bench", may: "domain/... simulate testbed api/rapport/v1 api/client protobuf grpc pgx modernc go-redis"},
	{name: "cmd/rapport", may: "server auth catalogue scoring bench simulate rehearse rules fhir fhir/tree fhir/path wire domain/... api/... protobuf grpc go-redis prometheus kong yaml"},
}

// Tests may use these beside what their room may import.
const testLibraries = "cmp rapid"

// Rooms above the core may register metrics on a registry that they are given.
const metrics = "prometheus"

// listed is what `go list -json` says of a package.
type listed struct {
	ImportPath, Dir, Name, Doc         string
	GoFiles                            []string
	Imports, TestImports, XTestImports []string
}

func TestEveryRoomImportsOnlyWhatItsRowNames(t *testing.T) {
	packages := list(t)
	if len(packages) < 10 {
		t.Fatalf("go list found %d packages: the law was not tried", len(packages))
	}
	for _, p := range packages {
		at := rowOf(p.ImportPath)
		if at < 0 {
			t.Errorf("%s has no row in the law: add one, in its place, with its line in services/doc.go", p.ImportPath)
			continue
		}
		for _, imported := range p.Imports {
			if !allowed(at, imported) {
				t.Errorf("%s imports %s, which its row does not name", p.ImportPath, imported)
			}
			if to := rowOf(imported); to >= 0 && law[to].testOnly && !law[at].testOnly {
				t.Errorf("%s imports %s, which is for tests alone", p.ImportPath, imported)
			}
		}
	}
}

func TestATestImportsRoomsAndTheLibrariesOfItsRow(t *testing.T) {
	for _, p := range list(t) {
		at := rowOf(p.ImportPath)
		if at < 0 {
			continue // the law itself reports it
		}
		for _, imported := range slices.Concat(p.TestImports, p.XTestImports) {
			if !allowedInTest(at, imported) {
				t.Errorf("a test of %s imports %s: neither a room nor a library that a row names", p.ImportPath, imported)
			}
		}
	}
}

func TestARowNamesOnlyRowsAboveItAndKnownLibraries(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range law {
		if seen[r.name] {
			t.Errorf("%s has two rows", r.name)
		}
		for word := range strings.FieldsSeq(r.may) {
			tree, isTree := strings.CutSuffix(word, "/...")
			_, isLibrary := libraries[word]
			isAbove := seen[word] || isTree && anyBelow(seen, tree)
			if !isLibrary && !isAbove {
				t.Errorf("the row of %s names %s, which is neither a library nor a row above", r.name, word)
			}
		}
		seen[r.name] = true
	}
}

func TestTheLawRefusesWhatItShould(t *testing.T) {
	tests := []struct {
		room, imports string
		want          bool
	}{
		{"services/domain/feed", module + "/services/domain/ref", true},
		{"services/domain/ref", module + "/services/domain/feed", false},
		{"services/domain/fact", module + "/services/store", false},
		{"services/domain/fact", "google.golang.org/protobuf/proto", false},
		{"services/domain/fact", "github.com/prometheus/client_golang/prometheus", false},
		{"services/watch", "github.com/prometheus/client_golang/prometheus", true},
		{"services/relay", module + "/services/watch", true},
		{"services/watch", module + "/services/relay", false},
		{"services/alerts", module + "/services/ingest", false},
		{"services/wire", "google.golang.org/grpc/codes", true},
		{"services/wire", "google.golang.org/grpc", false},
		{"services/store/postgres", "github.com/jackc/pgx/v5/pgxpool", true},
		{"services/store/postgres", "github.com/jackc/pgx/v55", false},
		{"api/client", module + "/services/domain/ref", false},
		{"services/server", module + "/services/store/sqlite", true},
		{"cmd/rapport", module + "/services/store/sqlite", false},
		{"services/domain/fact", "sort", true},
	}
	for _, test := range tests {
		at := rowOf(module + "/" + test.room)
		if got := allowed(at, test.imports); got != test.want {
			t.Errorf("%s imports %s: allowed is %t, want %t", test.room, test.imports, got, test.want)
		}
	}
	if at := rowOf(module + "/services/intake"); at >= 0 {
		t.Errorf("services/intake, which does not exist, has the row %q", law[at].name)
	}
}

func TestEveryPackageSaysInASentenceWhatItIs(t *testing.T) {
	for _, p := range list(t) {
		if len(p.GoFiles) == 0 || generated(t, p) {
			continue
		}
		want := "Package " + p.Name + " "
		if p.Name == "main" {
			want = "Command " + path.Base(p.ImportPath) + " "
		}
		if !strings.HasPrefix(p.Doc, want) || !strings.HasSuffix(p.Doc, ".") {
			t.Errorf("%s: its package comment is %q; want a sentence that starts with %q and ends with a period", p.ImportPath, p.Doc, want)
		}
	}
}

func TestEveryRoomHasItsLineOnTheMap(t *testing.T) {
	services, err := os.ReadFile(filepath.Join(root, "services/doc.go"))
	if err != nil {
		t.Fatal(err)
	}
	onMap := map[string]bool{}
	for line := range strings.Lines(string(services)) {
		if entry, ok := strings.CutPrefix(line, "//\t"); ok {
			onMap[strings.Fields(entry)[0]] = true
		}
	}
	for _, p := range list(t) {
		name, inServices := strings.CutPrefix(p.ImportPath, module+"/services/")
		at := rowOf(p.ImportPath)
		if !inServices || at < 0 || strings.Contains(name, "/") && law[at].testOnly {
			continue
		}
		if !onMap[name] {
			t.Errorf("%s has no line in services/doc.go", p.ImportPath)
		}
	}
}

// list is every package of the module, as the go command sees it.
func list(t *testing.T) []listed {
	t.Helper()
	walkSources(t)
	command := exec.Command("go", "list", "-json=ImportPath,Dir,Name,Doc,GoFiles,Imports,TestImports,XTestImports", "./...")
	command.Dir = root
	var problems strings.Builder
	command.Stderr = &problems
	out, err := command.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, problems.String())
	}
	var packages []listed
	for decoder := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return packages
		} else if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
}

// walkSources opens every folder of source, for a test's result is kept only as long as what it opened stays the same,
// and what the go command opens on its behalf does not count.
func walkSources(t *testing.T) {
	t.Helper()
	for _, top := range []string{"api", "cmd", "services"} {
		err := filepath.WalkDir(filepath.Join(root, top), func(_ string, _ fs.DirEntry, err error) error { return err })
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
	}
}

// rowOf is the index of a package's row in the law, or -1.
func rowOf(importPath string) int {
	name, ok := strings.CutPrefix(importPath, module+"/")
	if !ok {
		return -1
	}
	name = strings.TrimPrefix(name, "services/")
	return slices.IndexFunc(law, func(r room) bool { return r.name == name })
}

// allowed says whether the row names the import.
func allowed(at int, importPath string) bool {
	if standard(importPath) {
		return true
	}
	to := rowOf(importPath)
	if to < 0 {
		return inLibraries(law[at].may, importPath) || aboveCore(at) && inLibraries(metrics, importPath)
	}
	if to >= at {
		return false
	}
	if inCore(at) {
		return inCore(to)
	}
	for word := range strings.FieldsSeq(law[at].may) {
		tree, isTree := strings.CutSuffix(word, "/...")
		if word == law[to].name || isTree && inTree(law[to].name, tree) {
			return true
		}
	}
	return false
}

// allowedInTest also lets a test reach any room (Go itself refuses a circle), its room's libraries and the test libraries.
func allowedInTest(at int, importPath string) bool {
	if to := rowOf(importPath); to >= 0 {
		return !inCore(at) || inCore(to)
	}
	return allowed(at, importPath) || inLibraries(testLibraries+" "+law[at].tests, importPath)
}

// inTree says whether a room lies in a tree; services holds all rooms that are in neither api nor cmd.
func inTree(name, tree string) bool {
	if tree == "services" {
		return !inTree(name, "api") && !inTree(name, "cmd")
	}
	return name == tree || strings.HasPrefix(name, tree+"/")
}

func inCore(at int) bool { return inTree(law[at].name, "domain") }

func aboveCore(at int) bool { return inTree(law[at].name, "services") && !inCore(at) }

func anyBelow(seen map[string]bool, tree string) bool {
	for name := range seen {
		if inTree(name, tree) {
			return true
		}
	}
	return false
}

// inLibraries says whether a package belongs to one of the libraries among the words.
func inLibraries(words, importPath string) bool {
	for word := range strings.FieldsSeq(words) {
		library, ok := libraries[word]
		if ok && (importPath == library || strings.HasPrefix(importPath, library+"/")) {
			return true
		}
	}
	return false
}

// standard says whether a package is of the standard library: only there the first element has no dot.
func standard(importPath string) bool {
	first, _, _ := strings.Cut(importPath, "/")
	return !strings.Contains(first, ".")
}

// generated says whether all files of a package are generated.
func generated(t *testing.T, p listed) bool {
	t.Helper()
	for _, name := range p.GoFiles {
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil, parser.ParseComments|parser.PackageClauseOnly)
		if err != nil {
			t.Fatal(err)
		}
		if !ast.IsGenerated(file) {
			return false
		}
	}
	return true
}
