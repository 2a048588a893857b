package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
)

// ingestReport tells what became of the items.
type ingestReport struct {
	streams
	json, quiet bool
	in          *inputs
	items       int
	unreadable  int
	outcomes    map[rapportv1.Outcome]int
	drawn       time.Time
}

func (r *ingestReport) add(i item, result *rapportv1.Result) {
	r.items++
	r.count(result)
	switch {
	case r.json:
		r.addJSON(i, result)
	case !r.quiet:
		r.addText(i, result)
	}
	r.progress()
}

// count counts resources: of a Bundle its entries.
func (r *ingestReport) count(result *rapportv1.Result) {
	if len(result.GetEntries()) == 0 {
		r.outcomes[result.GetOutcome()]++
		return
	}
	for _, entry := range result.GetEntries() {
		r.count(entry)
	}
}

// ingestLine is one line of JSON output: the result, or why the item could not be read.
type ingestLine struct {
	File   string          `json:"file"`
	Item   int             `json:"item,omitempty"`
	Result json.RawMessage `json:"result,omitempty"`
	Error  string          `json:"error,omitempty"`
}

func (r *ingestReport) addJSON(i item, result *rapportv1.Result) {
	text, err := protoLine(result)
	if err == nil {
		err = json.NewEncoder(r.out).Encode(ingestLine{File: i.file, Item: i.number, Result: text})
	}
	if err != nil {
		fmt.Fprintln(r.err, "rapport:", err)
	}
}

// addText tells of what was rejected, and of what was stored but not scored for a reason.
func (r *ingestReport) addText(i item, result *rapportv1.Result) {
	if len(result.GetEntries()) == 0 {
		r.tell(i.String(), result)
	}
	for n, entry := range result.GetEntries() {
		r.tell(fmt.Sprintf("%s entry %d", i, n+1), entry)
	}
}

func (r *ingestReport) tell(place string, result *rapportv1.Result) {
	switch result.GetOutcome() {
	case rapportv1.Outcome_OUTCOME_REJECTED:
	case rapportv1.Outcome_OUTCOME_STORED:
		if !slices.ContainsFunc(result.GetIssues(), matters) {
			return
		}
	default:
		return
	}
	r.clear()
	fmt.Fprintf(r.err, "%s: %s%s\n", place, outcomeWord(result.GetOutcome()), prefixed(" ", result.GetReference()))
	for _, issue := range result.GetIssues() {
		fmt.Fprintf(r.err, "  %s\n", issueWords(issue))
	}
}

// matters leaves out what was kept for reference, and of which more was not expected.
func matters(i *rapportv1.Issue) bool { return i.GetCode() != "success" }

// unread tells of what could not be read. It is counted as a failure, and what follows is still sent.
func (r *ingestReport) unread(i item, err error) {
	r.unreadable++
	r.clear()
	fmt.Fprintln(r.err, "rapport:", err)
	if r.json {
		if err := json.NewEncoder(r.out).Encode(ingestLine{File: i.file, Item: i.number, Error: err.Error()}); err != nil {
			fmt.Fprintln(r.err, "rapport:", err)
		}
	}
}

func (r *ingestReport) retrying(err error) {
	r.clear()
	fmt.Fprintln(r.err, "rapport: the connection was lost, trying again:", describe(err))
}

var outcomeWords = []struct {
	outcome rapportv1.Outcome
	word    string
}{
	{rapportv1.Outcome_OUTCOME_SCORED, "stored and scored"},
	{rapportv1.Outcome_OUTCOME_STORED, "stored, not scored"},
	{rapportv1.Outcome_OUTCOME_UNCHANGED, "unchanged"},
	{rapportv1.Outcome_OUTCOME_REJECTED, "rejected"},
}

func outcomeWord(o rapportv1.Outcome) string {
	for _, w := range outcomeWords {
		if w.outcome == o {
			return w.word
		}
	}
	return o.String()
}

// drawEvery is how long the line at the bottom stands.
const drawEvery = 100 * time.Millisecond

// progress draws a line at the bottom of a terminal: a bar when it is known how much there is to read.
func (r *ingestReport) progress() {
	if !r.terminal || time.Since(r.drawn) < drawEvery {
		return
	}
	r.drawn = time.Now()
	text := fmt.Sprintf("%d items", r.items)
	if n := r.outcomes[rapportv1.Outcome_OUTCOME_REJECTED]; n > 0 {
		text += fmt.Sprintf(", %d rejected", n)
	}
	if r.in.size > 0 {
		text = bar(r.in.read.Load(), r.in.size) + "  " + text
	}
	fmt.Fprintf(r.err, "\r%s\x1b[K", text)
}

// bar shows how much of all is done.
func bar(done, all int64) string {
	const wide = 30
	done = min(done, all)
	full := int(done * wide / all)
	return fmt.Sprintf("%s%s %3d %%", strings.Repeat("━", full), strings.Repeat("─", wide-full), done*100/all)
}

func (r *ingestReport) clear() {
	if r.terminal {
		fmt.Fprint(r.err, "\r\x1b[K")
	}
}

func (r *ingestReport) finish(failed bool) {
	r.clear()
	if r.json || failed && r.items == 0 {
		return
	}
	total := 0
	for _, n := range r.outcomes {
		total += n
	}
	fmt.Fprintf(r.out, "%s in %s\n", plural(total, "resource"), plural(r.items, "item"))
	for _, o := range outcomeWords {
		fmt.Fprintf(r.out, "%8d  %s\n", r.outcomes[o.outcome], o.word)
	}
	if r.unreadable > 0 {
		fmt.Fprintf(r.out, "%8d  could not be read\n", r.unreadable)
	}
}
