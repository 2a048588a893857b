package testbed

import (
	"os"
	"path/filepath"
	"strings"
)

// Examples is the folder of the files of an official FHIR package, such as hl7.fhir.r4.examples, as .ci/examples has
// fetched it. A package that is not there fails the test.
func Examples(t T, name string) string {
	t.Helper()
	top, err := os.Getwd()
	if err != nil {
		t.Fatalf("finding the examples: %v", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(top, "go.mod")); err == nil {
			break
		}
		if top == filepath.Dir(top) {
			t.Fatalf("finding the examples: the test does not run within the module")
		}
		top = filepath.Dir(top)
	}
	home := filepath.Join(top, ".cache", "fhir", name)
	if _, err := os.Stat(filepath.Join(home, "sha256")); err != nil {
		t.Fatalf("the FHIR examples %s are not here: run `make test`, or .ci/examples, which fetches them", name)
	}
	return filepath.Join(home, "package")
}

// NodeModules is the folder in which node finds the packages that .ci/examples has fetched, by their names. One of those
// named that is not there fails the test.
func NodeModules(t T, names ...string) string {
	t.Helper()
	home := ""
	for _, name := range names {
		home = strings.TrimSuffix(Examples(t, name), filepath.Join(filepath.FromSlash(name), "package"))
	}
	return filepath.Join(home, "node_modules")
}
