package catalogue

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/form"
	"github.com/rapport-health/rapport/services/domain/instrument"
	"github.com/rapport-health/rapport/services/fhir"
	"github.com/rapport-health/rapport/services/fhir/tree"
)

// asked is one Questionnaire of a folder.
type asked struct {
	file string
	doc  *tree.Doc
	q    *questionnaire
}

// resource takes in a Questionnaire, or a ValueSet or CodeSystem that Questionnaires may need.
func (l *loader) resource(file string, raw []byte) {
	doc, err := tree.Parse(raw, tree.Limits{})
	if err != nil {
		for _, issue := range fault.IssuesOf(err) {
			l.fail(placeOf(file, issue.Text), "%s", strings.TrimPrefix(issue.Path+": "+issue.Text, ": "))
		}
		return
	}
	switch typ := doc.Root().Child("resourceType").Text(); typ {
	case questionnaireType:
		l.asked = append(l.asked, &asked{file: file, doc: doc})
	case "ValueSet", "CodeSystem":
		l.shared, l.terms = append(l.shared, doc.Root()), append(l.terms, doc.Raw())
	default:
		l.fail(fmt.Sprintf("%s:%d", file, doc.Root().Child("resourceType").Line()),
			"a Questionnaire, ValueSet or CodeSystem was expected")
	}
}

var lineText = regexp.MustCompile(`line (\d+)`)

// placeOf is the line that a message of the JSON reader names.
func placeOf(file, text string) string {
	if m := lineText.FindStringSubmatch(text); m != nil {
		return file + ":" + m[1]
	}
	return file
}

// questionnaires compiles those of the folder. What is an error in them is refused with its line.
func (l *loader) questionnaires(packs *instrument.Registry) {
	sets := fhir.AnswerLists(packs.All())
	l.lists = answerLists(packs.All())
	l.sets = oneAtATime(fhir.NewTerminology(sets, l.shared...).ValueSet)
	for _, a := range l.asked {
		root := a.doc.Root()
		if !root.Child("url").Exists() {
			l.fail(fmt.Sprintf("%s:%d", a.file, root.Line()), "Questionnaire.url: is missing: responses name a Questionnaire by it")
			continue
		}
		a.q = l.compile(root, a.file)
		l.issues = append(l.issues, a.q.unlaid...)
		for _, issue := range slices.Concat(a.q.issues, a.q.unmade) {
			if issue.Severity == fault.Error {
				l.fail(fmt.Sprintf("%s:%d", a.file, lineOf(root, issue.Path)), "%s: %s", issue.Path, issue.Text)
			}
		}
		l.shelve(packs, a)
	}
}

// oneAtATime lets many submissions ask for the value sets of the folder at once: what they come to is remembered there.
func oneAtATime(sets fhir.ValueSets) fhir.ValueSets {
	var mu sync.Mutex
	return func(canonical string) ([]form.Option, bool) {
		mu.Lock()
		defer mu.Unlock()
		return sets(canonical)
	}
}

// shelve enters a Questionnaire under its names. One that a pack claims is only held against.
func (l *loader) shelve(packs *instrument.Registry, a *asked) {
	at := fmt.Sprintf("%s:%d", a.file, a.doc.Root().Child("url").Line())
	exact := a.q.url + "|" + a.q.version
	if other := l.forms[exact]; other != nil {
		if other.said != a.q.said {
			l.fail(at, "%s is another file's already, with other content", exact)
		}
		return
	}
	l.forms[exact] = a.q
	if current := l.forms[a.q.url]; current == nil || instrument.CompareVersions(current.version, a.q.version) < 0 {
		l.forms[a.q.url] = a.q
	}
	if _, err := packs.Lookup(a.q.url); err == nil {
		return
	}
	if a.q.def != nil {
		root := a.doc.Root()
		l.entries = append(l.entries, instrument.Entry{Definition: a.q.def, Where: func(string) string {
			return fmt.Sprintf("%s:%d", a.file, root.Child("url").Line())
		}})
	}
}

var step = regexp.MustCompile(`^([A-Za-z_]+)(?:\[(\d+)\])?$`)

// lineOf is the line of a FHIRPath such as `Questionnaire.item[2].linkId`, or of the nearest element around it.
func lineOf(n tree.Node, path string) int {
	steps := strings.Split(path, ".")
	for _, s := range steps[1:] {
		m := step.FindStringSubmatch(s)
		if m == nil {
			break
		}
		child := n.Child(m[1])
		if m[2] != "" {
			i, _ := strconv.Atoi(m[2])
			child = child.At(i)
		}
		if !child.Exists() {
			break
		}
		n = child
	}
	return n.Line()
}
