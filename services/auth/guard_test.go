package auth

import (
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"testing"

	"github.com/rapport-health/rapport/services/store"
)

// passingReadings are those that tell a caller nothing they may not know: names and numbers, by which records are then
// asked for.
var passingReadings = map[string]string{
	"Heads":         "identity and hash, no content; what follows it is Record",
	"Patients":      "leads from a name that the caller has to an id",
	"Keys":          "the caller's own keys",
	"Due":           "ids of episodes",
	"EpisodesAfter": "ids of episodes",
	"Extents":       "numbers of feeds; following one is granted at the gate",
	"Marked":        "ids of records; what follows it is Record",
	"Types":         "names of types",
	"DueAlerts":     "ids of alerts, for the scheduler",
	"Told":          "how many a team was told of on a day",

	"Subscription":         "about no patient; the gate asks for the scope",
	"ListSubscriptions":    "about no patient; the gate asks for the scope",
	"SubscriptionsVersion": "a number",
}

func TestEveryReadingOfTheStoreIsGuardedOrPassesForAReason(t *testing.T) {
	reader := reflect.TypeFor[store.Reader]()
	own := map[string]bool{}
	for _, name := range []string{
		"Record", "Records", "Having", "Search", "Versions", "PatientsAfter", "States", "Facts", "FactsAt", "FactsBy", "TakenFrom", "TakenIn", "AlertsOf", "Alert", "ListAlerts", "CountAlerts",
	} {
		own[name] = true
	}
	for i := range reader.NumMethod() {
		name := reader.Method(i).Name
		if _, passes := passingReadings[name]; passes == own[name] {
			t.Errorf("store.Reader.%s is neither guarded by sight nor known to pass: decide which", name)
		}
	}
	declared := methodsOf(t, "guard.go", "sight")
	for name := range own {
		if !declared[name] {
			t.Errorf("sight does not guard %s", name)
		}
	}
}

// methodsOf are the methods that a file declares on a type.
func methodsOf(t *testing.T, file, typ string) map[string]bool {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, d := range parsed.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || f.Recv == nil {
			continue
		}
		if star, ok := f.Recv.List[0].Type.(*ast.StarExpr); ok {
			if name, ok := star.X.(*ast.Ident); ok && name.Name == typ {
				found[f.Name.Name] = true
			}
		}
	}
	return found
}
