package rules

import (
	"slices"
	"sync"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"

	"github.com/rapport-health/rapport/services/domain/distress"
	"github.com/rapport-health/rapport/services/domain/episode"
	"github.com/rapport-health/rapport/services/domain/instrument"
)

// The checker knows types and names of fields, but a word between quotes is any word to it: a rule that compares with
// `phq9` is well-formed and never speaks. So the words are held against those that there are. A clinic's own
// instruments are not known here, so it is a doubt and no fault.

// lexicon are the words that there are, by the field or function that gives them.
type lexicon struct {
	// fields that words are compared with.
	fields map[string][]string
	// codes of scores by instrument, and of all instruments under the empty id.
	codes map[string][]string
}

// Words of the vocabulary, beside those of the loader.
var (
	respondents = []string{"patient", "clinician", "care-partner"}
	verdicts    = []string{screenPositive, screenSevere}
	tiers       = []string{string(episode.Steady), string(episode.Watch), string(episode.Discuss), string(episode.ActNow)}
	profile     = []string{
		distress.Depression, distress.Anxiety, distress.Catastrophizing, distress.FearOfMovement, distress.LowSelfEfficacy,
		distress.Sleep, distress.General,
	}
)

var known = sync.OnceValues(func() (lexicon, error) {
	registry, err := instrument.Builtin()
	if err != nil {
		return lexicon{}, err
	}
	x := lexicon{codes: map[string][]string{}}
	var ids []string
	for _, d := range registry.All() {
		ids = append(ids, d.ID)
		for _, s := range d.Scores {
			x.codes[d.ID] = append(x.codes[d.ID], s.Code)
			x.codes[""] = append(x.codes[""], s.Code)
		}
	}
	x.fields = map[string][]string{
		"instrument": ids, "construct": constructs, "respondent": respondents, "rater": respondents,
		"screen": verdicts, "screen_before": verdicts, "tier": tiers,
	}
	return x, nil
})

// doubts are the words of an expression that nothing is called.
func doubts(of *cel.Ast) (found []problem) {
	x, err := known()
	if err != nil {
		return nil // the registry is a part of the build: whatever reads an instrument says so
	}
	native := of.NativeRep()
	doubt := func(at ast.Expr, what string, words []string) {
		text, ok := literal(at)
		if !ok || text == "" || slices.Contains(words, text) {
			return
		}
		place := native.SourceInfo().GetStartLocation(at.ID())
		found = append(found, problem{max(place.Line(), 1), max(place.Column(), 0), "no " + what + " is called '" + text + "'" + meant(text, words)})
	}
	ast.PreOrderVisit(native.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() != ast.CallKind {
			return
		}
		call := e.AsCall()
		switch args := call.Args(); {
		case slices.Contains([]string{operators.Equals, operators.NotEquals, operators.In}, call.FunctionName()) && len(args) == 2:
			for i, one := range args {
				what := gives(one)
				for _, word := range listed(args[1-i]) {
					if words := x.fields[what]; words != nil {
						doubt(word, what, words)
					}
				}
			}
		case call.FunctionName() == "score" && len(args) == 2:
			doubt(args[0], "instrument", x.fields["instrument"])
			if id, ok := literal(args[0]); ok && x.codes[id] != nil {
				doubt(args[1], "score of "+id, x.codes[id])
			}
		case call.FunctionName() == "score" && len(args) == 1:
			doubt(args[0], "score", x.codes[""])
		case call.FunctionName() == "part" && len(args) == 1:
			doubt(args[0], "part of the distress profile", profile)
		}
	}))
	return found
}

// gives is the field or function that an expression reads; empty for none.
func gives(e ast.Expr) string {
	switch e.Kind() {
	case ast.SelectKind:
		return e.AsSelect().FieldName()
	case ast.CallKind:
		return e.AsCall().FunctionName()
	}
	return ""
}

// listed are the members of a list that is written out, or the expression itself.
func listed(e ast.Expr) []ast.Expr {
	if e.Kind() == ast.ListKind {
		return e.AsList().Elements()
	}
	return []ast.Expr{e}
}

func literal(e ast.Expr) (text string, ok bool) {
	if e.Kind() != ast.LiteralKind {
		return "", false
	}
	text, ok = e.AsLiteral().Value().(string)
	return text, ok
}
