package main

import (
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// parsedServe is what serve would run with.
func parsedServe(t *testing.T, args ...string) (serveCmd, error) {
	t.Helper()
	var c cli
	parser, err := kong.New(&c, kong.Name("rapport"), kong.DefaultEnvars("RAPPORT"), kong.WithBeforeResolve(withConfig),
		kong.Writers(io.Discard, io.Discard))
	if err != nil {
		t.Fatal(err)
	}
	_, err = parser.Parse(append([]string{"serve"}, args...))
	return c.Serve, err
}

func TestAFlagWinsOverTheEnvironmentAndThatOverTheFile(t *testing.T) {
	path := file(t, "rapport.yaml", "store: sqlite:file.db\nhome-source: file\ntenant: file\n")
	t.Setenv("RAPPORT_HOME_SOURCE", "environment")
	t.Setenv("RAPPORT_TENANT", "environment")
	for name, args := range map[string][]string{"by its flag": {"--config", path}, "by the environment": nil} {
		t.Run(name, func(t *testing.T) {
			if args == nil {
				t.Setenv("RAPPORT_CONFIG", path)
			}
			got, err := parsedServe(t, append(args, "--tenant", "flag")...)
			if err != nil {
				t.Fatal(err)
			}
			if got.Store != "sqlite:file.db" || got.HomeSource != "environment" || got.Tenant != "flag" || got.Listen != "127.0.0.1:7401" {
				t.Errorf("store %s, home-source %s, tenant %s, listen %s", got.Store, got.HomeSource, got.Tenant, got.Listen)
			}
		})
	}
}

func TestAConfigurationThatIsWrongIsToldWithFileAndLine(t *testing.T) {
	for name, c := range map[string]struct{ text, said string }{
		"a misspelt key":          {"# a comment\nstore: sqlite:x\nlingr: 5ms\n", `line 3: no setting is called "lingr"`},
		"a flag that is no key":   {"config: other.yaml\n", `line 1: no setting is called "config"`},
		"a value of another kind": {"tenant: a\nsweep: soon\n", "line 2: --sweep: expected duration"},
		"a list":                  {"- store\n", "line 1: want lines of `key: value`"},
		"a list for a value":      {"store: [a, b]\n", "line 1: store wants one value"},
		"an empty value":          {"store:\n", "line 1: store wants one value"},
		"a key that stands twice": {"store: sqlite:a\nstore: sqlite:b\n", "line 2"},
		"no YAML":                 {"store: 'a\n", "yaml: "},
	} {
		t.Run(name, func(t *testing.T) {
			path := file(t, "rapport.yaml", c.text)
			rapport(t, "serve", "--config", path).want(t, exitUsage, path, c.said)
		})
	}
	t.Run("all misspelt keys at once", func(t *testing.T) {
		rapport(t, "serve", "--config", file(t, "c.yaml", "stor: a\nredi: b\n")).want(t, exitUsage, `line 1: no setting is called "stor"`, `line 2: no setting is called "redi"`)
	})
}

// example is the configuration that is shipped.
var example = filepath.Join("..", "..", "deploy", "rapport.example.yaml")

func TestTheExampleConfigurationIsTakenAndNamesEverySetting(t *testing.T) {
	got, err := parsedServe(t, "--config", example)
	if err != nil {
		t.Fatal(err)
	}
	if err := got.config(slog.New(slog.DiscardHandler)).Validate(); err != nil {
		t.Error(err)
	}
	text, err := os.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	for _, leaf := range leaves(t) {
		if leaf.Name != "serve" {
			continue
		}
		for _, flag := range leaf.Flags {
			if flag.Name == "config" || flag.Name == "help" || flag.Hidden {
				continue
			}
			if !strings.Contains(string(text), "\n"+flag.Name+":") && !strings.Contains(string(text), "\n# "+flag.Name+":") {
				t.Errorf("%s does not show %s", example, flag.Name)
			}
		}
	}
}
