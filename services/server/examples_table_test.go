package server_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
	"github.com/rapport-health/rapport/services/fhir"
)

const tableHead = `What becomes of the official FHIR examples, sent through the gRPC door of a server that starts empty: per type how many
were sent, scored (a score or another fact was taken), stored without being scored, there already, and refused. Below a
type stand the reasons and notes, each with how many have it; one may have several. A Bundle ends as its worst entry did;
its entries are counted under their own types.
`

// table counts outcomes and reasons by type.
type table map[string]*row

type row struct {
	outcomes map[rapportv1.Outcome]int
	reasons  map[rapportv1.Outcome]map[string]int
	types    map[string]bool
}

// otherTypes is the row of what Rapport does not read.
const otherTypes = "other types"

func tabulate(all []*example) table {
	rows := table{}
	for _, e := range all {
		rows.enter(e.typ, e.result)
		var bundle struct {
			Entry []struct{ Resource struct{ ResourceType string } }
		}
		if len(e.result.GetEntries()) == 0 || json.Unmarshal(e.body, &bundle) != nil {
			continue
		}
		for n, r := range e.result.GetEntries() {
			rows.enter(bundle.Entry[n].Resource.ResourceType, r)
		}
	}
	return rows
}

// numbered is a place in a text that differs from one example to the next.
var numbered = regexp.MustCompile(`\[\d+\]`)

func (rows table) enter(typ string, r *rapportv1.Result) {
	name := typ
	switch {
	case typ == "":
		name = "no resource"
	case !fhir.Readable(typ) && typ != "Bundle":
		name = otherTypes
	}
	to := rows[name]
	if to == nil {
		to = &row{outcomes: map[rapportv1.Outcome]int{}, reasons: map[rapportv1.Outcome]map[string]int{}, types: map[string]bool{}}
		rows[name] = to
	}
	to.types[typ] = true
	to.outcomes[r.GetOutcome()]++
	if len(r.GetEntries()) > 0 {
		return // the reasons stand with the entries
	}
	seen := map[string]bool{}
	for _, i := range r.GetIssues() {
		text := numbered.ReplaceAllString(i.GetText(), "[n]")
		if r.GetOutcome() == rapportv1.Outcome_OUTCOME_REJECTED && name != otherTypes {
			text = numbered.ReplaceAllString(i.GetExpression(), "[n]") + ": " + text
		}
		if name == otherTypes {
			text = strings.ReplaceAll(text, typ+" resources", "resources of this type")
		}
		if to.reasons[r.GetOutcome()] == nil {
			to.reasons[r.GetOutcome()] = map[string]int{}
		}
		if !seen[text] {
			to.reasons[r.GetOutcome()][text]++
		}
		seen[text] = true
	}
}

// columns are the outcomes in the order of the table.
var columns = []struct {
	outcome rapportv1.Outcome
	name    string
}{
	{rapportv1.Outcome_OUTCOME_SCORED, "scored"},
	{rapportv1.Outcome_OUTCOME_STORED, "stored"},
	{rapportv1.Outcome_OUTCOME_UNCHANGED, "unchanged"},
	{rapportv1.Outcome_OUTCOME_REJECTED, "refused"},
}

func (rows table) String() string {
	names := make([]string, 0, len(rows))
	for name := range rows {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		if (a == otherTypes) != (b == otherTypes) {
			return map[bool]int{true: 1, false: -1}[a == otherTypes]
		}
		return strings.Compare(a, b)
	})
	var b strings.Builder
	fmt.Fprintf(&b, "\n%-24s%7s", "", "sent")
	for _, c := range columns {
		fmt.Fprintf(&b, "%11s", c.name)
	}
	b.WriteString("\n")
	for _, name := range names {
		rows[name].print(&b, name)
	}
	return b.String()
}

func (r *row) print(b *strings.Builder, name string) {
	if name == otherTypes {
		name = fmt.Sprintf("%d %s", len(r.types), name)
	}
	sent := 0
	for _, n := range r.outcomes {
		sent += n
	}
	fmt.Fprintf(b, "%-24s%7d", name, sent)
	for _, c := range columns {
		fmt.Fprintf(b, "%11d", r.outcomes[c.outcome])
	}
	b.WriteString("\n")
	for _, c := range columns {
		texts := make([]string, 0, len(r.reasons[c.outcome]))
		for text := range r.reasons[c.outcome] {
			texts = append(texts, text)
		}
		slices.SortFunc(texts, func(x, y string) int {
			if n := r.reasons[c.outcome][y] - r.reasons[c.outcome][x]; n != 0 {
				return n
			}
			return strings.Compare(x, y)
		})
		for _, text := range texts {
			fmt.Fprintf(b, "    %-9s %6d  %s\n", c.name, r.reasons[c.outcome][text], text)
		}
	}
}
