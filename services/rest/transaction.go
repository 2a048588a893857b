package rest

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/fhir"
	"github.com/rapport-health/rapport/services/fhir/tree"
	"github.com/rapport-health/rapport/services/store"
)

// transaction stores all entries or none.
func (c *call) transaction(s decision.Submission, entries []fhir.Request) error {
	if err := allAllowed(entries); err != nil {
		return err
	}
	var answers []fhir.Answer
	err := decided(func() (again bool, err error) {
		p := &plan{call: c, entries: entries, steps: make([]step, len(entries)), targets: map[string]string{}}
		if err := p.make(s); err != nil {
			return false, err
		}
		receipt, err := p.commit(s)
		if err != nil || moved(receipt) {
			return moved(receipt), err
		}
		answers, err = p.answers(receipt)
		return false, err
	})
	if err != nil {
		return err
	}
	c.reply(http.StatusOK, fhir.ResponseBundle(fhir.TransactionResponse, answers))
	return nil
}

func allAllowed(entries []fhir.Request) error {
	var issues []fault.Issue
	kind := fault.Invalid
	for _, e := range entries {
		if err := entryAllowed(e); err != nil {
			issues = append(issues, fault.IssuesOf(err)...)
			if fault.Of(err) == fault.NotSupported {
				kind = fault.Unprocessable
			}
		}
	}
	if issues != nil {
		return fault.New(kind, issues...)
	}
	return nil
}

// step is what an entry of a transaction comes to, once it is known what it leads to.
type step struct {
	// of is the resource that is changed, or found instead; the zero one is new.
	of ref.Resource
	// found says that it is there already, so that nothing is done.
	found bool
	// body that is sent; nil when none is.
	body  []byte
	place decision.Place
	gone  bool
	// existed says that the resource was there, and new that it must not be.
	existed, new bool
	// at is which of the receipts is its own; -1 for none.
	at int
}

// plan is a transaction that is being decided.
type plan struct {
	*call
	entries []fhir.Request
	steps   []step
	// holds must all be true of the state that it is committed to.
	holds []func(store.Reader) error
	// targets are what references of the Bundle become.
	targets map[string]string
	// plain says that it can go through the door as it was sent.
	plain bool
}

// make looks up what the entries lead to.
func (p *plan) make(s decision.Submission) error {
	p.plain = true
	taken := map[ref.Resource]string{}
	for i, e := range p.entries {
		st := &p.steps[i]
		st.at = -1
		if err := p.step(st, e, s); err != nil {
			return at(e.Path, err)
		}
		if e.Method != http.MethodGet && e.Method != http.MethodHead && !st.found && st.of.ID != "" {
			if before, twice := taken[st.of]; twice && (!plainly(e) || st.gone) {
				return fault.New(fault.Invalid, fault.Errorf("duplicate", e.Path, "%s has this resource already: a transaction names each resource once", before))
			}
			taken[st.of] = e.Path
		}
	}
	if err := p.references(s); err != nil {
		return err
	}
	return p.reads()
}

// at locates what is wrong with an entry.
func at(path string, err error) error {
	issues := slices.Clone(fault.IssuesOf(err))
	for i := range issues {
		if !strings.HasPrefix(issues[i].Path, "Bundle.") {
			issues[i].Path = strings.TrimSuffix(path+"."+issues[i].Path, ".")
		}
	}
	if issues == nil {
		return err
	}
	return fault.New(fault.Of(err), issues...)
}

// step looks up what one entry leads to.
func (p *plan) step(st *step, e fhir.Request, s decision.Submission) error {
	typ, query, where := strings.Cut(strings.TrimPrefix(e.URL, "/"), "?")
	switch e.Method {
	case http.MethodGet, http.MethodHead:
		p.plain = false
		return nil
	case http.MethodPost:
		if isOperation(e) {
			return fault.New(fault.Unprocessable, fault.Errorf("not-supported", "request.url", "an operation cannot stand in a transaction; send a batch"))
		}
		st.body = e.Resource.Raw()
		if e.IfNoneExist == "" {
			return nil
		}
		p.plain = false
		return p.lookUp(st, e.Type, strings.TrimPrefix(e.IfNoneExist, "?"), true)
	case http.MethodPut:
		st.body = e.Resource.Raw()
		if e.Condition == "" && !where {
			of, err := ref.ParseResource(typ)
			st.of = of
			return err
		}
	}
	p.plain = false
	if where {
		if err := p.lookUp(st, typ, query, false); err != nil {
			return err
		}
	} else {
		of, err := ref.ParseResource(typ)
		if err != nil {
			return err
		}
		if _, err := p.changeable(of.Type); err != nil {
			kept := false
			if _, known := kindOf(of.Type); !known && e.Method == http.MethodDelete {
				var failed error
				if kept, failed = p.kept(of); failed != nil {
					return failed
				}
			}
			if !kept {
				return err
			}
		}
		st.of = of
	}
	return p.change(st, e, s)
}

// lookUp finds the one resource that meets a condition, and makes it a condition of the commit that it still is.
func (p *plan) lookUp(st *step, typ, query string, instead bool) error {
	k, err := p.changeable(typ)
	if err != nil {
		return err
	}
	q, err := p.conditional(k, query)
	if err != nil {
		return err
	}
	if st.of, err = p.find(q); err != nil {
		return err
	}
	st.found = instead && st.of.ID != ""
	p.holds = append(p.holds, p.still(q, st.of))
	return nil
}

// change prepares a PUT, PATCH or DELETE of what was found.
func (p *plan) change(st *step, e fhir.Request, s decision.Submission) error {
	if st.of.ID == "" {
		switch e.Method {
		case http.MethodDelete:
			st.found = true
		case http.MethodPatch:
			return fault.New(fault.NotFound, fault.Errorf("not-found", "request.url", "no resource meets the condition"))
		case http.MethodPut:
			if e.ID != "" {
				st.of, st.new = ref.Resource{Type: e.Type, ID: e.ID}, true
			}
		}
		if st.of.ID == "" {
			return nil
		}
	} else if e.Method == http.MethodPut && e.ID != "" && e.ID != st.of.ID {
		return fault.New(fault.Invalid, fault.Errorf("value", "resource.id", "the id of the resource is not that of the one that meets the condition"))
	}
	if err := p.own(st.of); err != nil {
		return err
	}
	g, err := guardOf(e)
	if err != nil {
		return err
	}
	var head record.Head
	var there bool
	err = p.config.Store.View(p.r.Context(), p.tenant, func(r store.Reader) (err error) {
		if head, there, err = headOf(r, st.of); err == nil && st.new {
			err = free(st.of)(r)
		}
		return err
	})
	if err == nil {
		err = g.holds(head, there)
	}
	if err != nil {
		return err
	}
	st.existed = there && !head.Gone()
	p.holds = append(p.holds, g.guarded(st.of))
	if st.new {
		p.holds = append(p.holds, free(st.of))
	}
	switch e.Method {
	case http.MethodDelete:
		st.gone = true
		return nil
	case http.MethodPatch:
		return p.patch(st, e)
	}
	p.placed(&s, st.of, head, there)
	st.place, st.body = s.Place, tree.Named(st.body, st.of.ID)
	return nil
}

func guardOf(e fhir.Request) (guard, error) {
	lines := func(text string) []string {
		if text == "" {
			return nil
		}
		return []string{text}
	}
	match, err := readTags(lines(e.IfMatch))
	if err != nil {
		return guard{}, err
	}
	none, err := readTags(lines(e.IfNoneMatch))
	return guard{match, none}, err
}

func (p *plan) patch(st *step, e fhir.Request) error {
	body, contentType, err := entryBody(e)
	if err != nil {
		return err
	}
	if mediaType, _, _ := strings.Cut(contentType, ";"); strings.TrimSpace(mediaType) != "application/json-patch+json" {
		return fault.New(fault.Invalid, fault.Errorf("not-supported", "resource.contentType", "a patch must be a JSON Patch: application/json-patch+json"))
	}
	rec, err := p.current(st.of)
	if err != nil {
		return err
	}
	s, err := p.patchOf(rec, body)
	if err != nil {
		return err
	}
	st.place, st.body = s.Place, s.Body
	p.holds = append(p.holds, unmoved(rec.Resource))
	return nil
}

// commit sends what is to be stored, all or none of it.
func (p *plan) commit(s decision.Submission) (decision.Receipt, error) {
	if p.plain && len(p.holds) == 0 {
		for i := range p.steps {
			p.steps[i].at = i
		}
		return p.config.Accept.Accept(p.r.Context(), s)
	}
	var bundle []byte
	sent := 0
	s.Places = nil
	given := fhir.GivenTo(p.entries, s.Source)
	for i := range p.steps {
		st := &p.steps[i]
		if st.found || st.gone || st.body == nil {
			continue
		}
		bundle = p.append(bundle, sent, p.entries[i], st)
		st.place.Given = given[i]
		s.Places = append(s.Places, st.place)
		st.at, sent = sent, sent+1
	}
	s.Body, s.Gone, s.Type = nil, nil, "Bundle"
	if sent > 0 {
		s.Body = append([]byte(`{"resourceType":"Bundle","type":"transaction","entry":[`), append(bundle, "]}"...)...)
	}
	for i := range p.steps {
		if st := &p.steps[i]; st.gone {
			st.at = sent + len(s.Gone)
			s.Gone = append(s.Gone, st.of)
		}
	}
	if sent+len(s.Gone) == 0 {
		return decision.Receipt{Outcome: record.Unchanged}, nil
	}
	return p.config.Accept.AcceptIf(p.r.Context(), s, every(p.holds))
}

// append writes an entry as it is sent: with what its references lead to.
func (p *plan) append(bundle []byte, n int, e fhir.Request, st *step) []byte {
	body := st.body
	if len(p.targets) > 0 {
		if doc, err := tree.Parse(body, tree.Limits{Bytes: len(body) + 1}); err == nil {
			body = tree.Rewrite(doc, p.targets)
		}
	}
	if n > 0 {
		bundle = append(bundle, ',')
	}
	bundle = append(bundle, '{')
	if e.FullURL != "" {
		bundle = append(append(append(bundle, `"fullUrl":`...), strconv.Quote(e.FullURL)...), ',')
	}
	method, url := http.MethodPost, e.Type
	if st.of.ID != "" {
		method, url = http.MethodPut, st.of.String()
	}
	bundle = append(append(bundle, `"resource":`...), body...)
	return append(bundle, fmt.Sprintf(`,"request":{"method":%q,"url":%q}}`, method, url)...)
}

// answers are those of all entries, those that read come last.
func (p *plan) answers(receipt decision.Receipt) ([]fhir.Answer, error) {
	if receipt.Outcome == record.Rejected {
		return nil, p.rejected(receipt)
	}
	receipts := make([]decision.Receipt, len(p.entries))
	for i, st := range p.steps {
		switch {
		case st.at >= len(receipt.Entries):
			return nil, fmt.Errorf("a transaction was answered with %d receipts", len(receipt.Entries))
		case st.at >= 0:
			receipts[i] = receipt.Entries[st.at]
			receipts[i].Issues = movedIssues(receipts[i].Issues, st.at, i)
		case st.found && st.of.ID != "":
			rec, err := p.current(st.of)
			if err != nil {
				return nil, err
			}
			receipts[i] = decision.Receipt{Outcome: record.Unchanged, Resource: rec.Resource, Received: rec.Received}
		default:
			receipts[i] = decision.Receipt{Outcome: record.Gone} // nothing was there to be deleted
		}
	}
	answers, err := p.call.answers(p.entries, receipts)
	if err != nil {
		return nil, err
	}
	for i, e := range p.entries {
		if e.Method == http.MethodGet || e.Method == http.MethodHead {
			if answers[i], err = p.alone(e); err != nil {
				return nil, err
			}
		} else if st := &p.steps[i]; st.at >= 0 && (e.Method == http.MethodPatch || st.existed) && !st.gone {
			answers[i].Status = statusLine(http.StatusOK)
		}
	}
	return answers, nil
}

// rejected names the entries at fault by their places in what the client sent.
func (p *plan) rejected(receipt decision.Receipt) error {
	for i := range receipt.Issues {
		receipt.Issues[i] = p.located(receipt.Issues[i])
	}
	for n := range receipt.Entries {
		for i := range receipt.Entries[n].Issues {
			receipt.Entries[n].Issues[i] = p.located(receipt.Entries[n].Issues[i])
		}
	}
	return rejected(receipt)
}

func (p *plan) located(issue fault.Issue) fault.Issue {
	rest, ok := strings.CutPrefix(issue.Path, "Bundle.entry[")
	number, rest, closed := strings.Cut(rest, "]")
	n, err := strconv.Atoi(number)
	if !ok || !closed || err != nil {
		return issue
	}
	for i := range p.steps {
		if p.steps[i].at == n {
			issue.Path = "Bundle.entry[" + strconv.Itoa(i) + "]" + rest
			break
		}
	}
	return issue
}
