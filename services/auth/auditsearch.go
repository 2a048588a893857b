package auth

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rapport-health/rapport/services/domain/access"
	"github.com/rapport-health/rapport/services/domain/audit"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/fhir"
)

// auditParam is a search parameter of AuditEvent.
type auditParam struct {
	kind string
	// values that one event of a record, told by its index, is found by.
	values func(e audit.Entry, index int) []string
}

func given(text string) []string {
	if text == "" {
		return nil
	}
	return []string{text}
}

// auditParams are all but _id, which every event has.
var auditParams = map[string]auditParam{
	"action":     {"token", func(e audit.Entry, _ int) []string { return given(e.Action) }},
	"agent":      {"reference", func(e audit.Entry, _ int) []string { return given(e.Person) }},
	"agent-name": {"string", func(e audit.Entry, _ int) []string { return given(e.Client) }},
	"date":       {"date", func(e audit.Entry, _ int) []string { return given(e.At.Format(time.RFC3339)) }},
	"entity": {"reference", func(e audit.Entry, _ int) []string {
		out := slices.Clone(e.Things)
		for _, p := range e.Patients {
			out = append(out, p.Reference())
		}
		return out
	}},
	"outcome": {"token", func(e audit.Entry, _ int) []string { return given(string(e.Outcome)) }},
	"patient": {"reference", func(e audit.Entry, index int) []string {
		if index >= len(e.Patients) {
			return nil
		}
		return given(e.Patients[index].Reference())
	}},
	"subtype": {"token", func(e audit.Entry, _ int) []string { return given(e.Interaction) }},
}

// inquiry is what a search asks for.
type inquiry struct {
	query   audit.Query
	id      string
	matches []func(e audit.Entry, index int) bool
	count   int
	// from is the place in the record at which the page begins, and total what an earlier page has counted; -1 when it has not.
	from, total int
	// later says that there was an earlier page; uncounted and counted that no total is wanted, or one even if it costs.
	later, uncounted, counted bool
	// used are the parameters that count, and ignored those that do not.
	used    url.Values
	ignored []fault.Issue
}

func (f *AuditFace) search(r *http.Request, p access.Principal, params url.Values) (object, error) {
	q, err := readInquiry(params)
	if err != nil {
		return nil, err
	}
	if len(q.ignored) > 0 && strictly(r.Header) {
		for i := range q.ignored {
			q.ignored[i].Severity = fault.Error
		}
		return nil, fault.New(fault.Invalid, q.ignored...)
	}
	found, err := f.page(r.Context(), p, q)
	if err != nil {
		return nil, err
	}
	base := f.Base(r) + "/AuditEvent"
	links := []object{{"relation": "self", "url": base + queryOf(q.used, "")}}
	if found.next != "" {
		links = append(links, object{"relation": "next", "url": base + queryOf(q.used, found.next)})
	}
	bundle := object{"resourceType": "Bundle", "type": "searchset", "link": links}
	if found.total >= 0 {
		bundle["total"] = found.total
	}
	var list []object
	for _, e := range found.events {
		list = append(list, object{
			"fullUrl": base + "/" + e["id"].(string), "resource": e, "search": object{"mode": "match"},
		})
	}
	if len(q.ignored) > 0 {
		list = append(list, object{"resource": json.RawMessage(fhir.Outcome(q.ignored...)), "search": object{"mode": "outcome"}})
	}
	if list != nil {
		bundle["entry"] = list
	}
	return bundle, nil
}

// strictly says whether the client wants refused what would be ignored.
func strictly(h http.Header) bool {
	return strings.Contains(strings.ReplaceAll(strings.Join(h.Values("Prefer"), ","), " ", ""), "handling=strict")
}

func queryOf(params url.Values, next string) string {
	kept := url.Values{}
	for name, values := range params {
		kept[name] = values
	}
	if next != "" {
		kept.Set("_page", next)
	}
	if len(kept) == 0 {
		return ""
	}
	return "?" + kept.Encode()
}

// auditPage is a page of events, and where the next one begins; total is -1 where it is not known.
type auditPage struct {
	events []object
	next   string
	total  int

	matches int
}

// take puts those events of a record on the page that are asked for and may be seen, while there is room.
func (g *auditPage) take(p access.Principal, q *inquiry, r audit.Record) error {
	e, err := r.Entry()
	if err != nil {
		return err
	}
	for i := range max(1, len(e.Patients)) {
		if q.from > i && q.query.Before == r.Seq+1 || !q.wants(r.Seq, i, e) || !p.Sees(thingOf(e, i), access.Search) {
			continue
		}
		g.matches++
		switch {
		case g.matches <= q.count:
			g.events = append(g.events, eventsOf(r.Seq, e)[i])
		case g.next == "" && q.count > 0:
			g.next = place(r.Seq, i)
		}
	}
	return nil
}

// page reads on until it is full; the first one reads on a little for the total. Its end is the place of the next event: the
// record's number and the patient's in it.
func (f *AuditFace) page(ctx context.Context, p access.Principal, q inquiry) (auditPage, error) {
	page := auditPage{total: q.total}
	q.query.Max = auditMost
	if q.count > 0 {
		q.query.Max = min(q.count+1, auditMost)
	}
	for examined := 0; ; {
		found, err := f.Store.FindAudit(ctx, p.Tenant, q.query)
		if err != nil {
			return page, err
		}
		for _, r := range found {
			if err := page.take(p, &q, r); err != nil {
				return page, err
			}
		}
		examined += len(found)
		switch ended := len(found) < q.query.Max; {
		case ended && !q.later && !q.uncounted:
			page.total = page.matches
			fallthrough
		case ended, page.next != "" && examined >= q.reads():
			if page.next != "" {
				page.next += "." + strconv.Itoa(page.total)
			}
			return page, nil
		case examined >= auditExamined && q.count == 0:
			return page, fault.Newf(fault.Invalid, "too-costly", "there is too much to count: name a patient or a date")
		case examined >= auditExamined:
			page.next = place(found[len(found)-1].Seq-1, 0) + "." + strconv.Itoa(page.total)
			return page, nil
		}
		q.query.Before, q.from = found[len(found)-1].Seq, 0
		if page.next != "" {
			q.query.Max = auditMost
		}
	}
}

// reads is how many records are read for a page that is full already: those behind it count for the total alone.
func (q *inquiry) reads() int {
	switch {
	case q.later || q.uncounted:
		return 0
	case q.counted:
		return auditExamined
	default:
		return auditTold
	}
}

// place is where the next page begins.
func place(seq int64, index int) string {
	return strconv.FormatInt(seq, 10) + "." + strconv.Itoa(index)
}

func (q inquiry) wants(seq int64, index int, e audit.Entry) bool {
	if q.id != "" && q.id != eventID(seq, index) {
		return false
	}
	if q.query.Patient != "" && (index >= len(e.Patients) || e.Patients[index] != q.query.Patient) {
		return false
	}
	return !slices.ContainsFunc(q.matches, func(m func(audit.Entry, int) bool) bool { return !m(e, index) })
}

func wrongParam(name string) error {
	return fault.New(fault.Invalid, fault.Errorf("value", "", "the search parameter %s cannot be read", name))
}

// readInquiry reads the parameters, in the order of their names.
func readInquiry(params url.Values) (inquiry, error) {
	q := inquiry{count: auditCount, total: -1, used: url.Values{}}
	names := make([]string, 0, len(params))
	for name := range params {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for _, value := range params[name] {
			if err := q.read(name, value); err != nil {
				return q, err
			}
		}
	}
	return q, nil
}

func (q *inquiry) read(key, value string) error {
	name, modifier, _ := strings.Cut(key, ":")
	param, known := auditParams[name]
	switch {
	case key == "_id:missing" && (value == "true" || value == "false"):
		q.matches = append(q.matches, func(audit.Entry, int) bool { return value == "false" }) // every event has one
	case strings.HasPrefix(name, "_"):
		return q.control(key, value)
	case !known:
		q.ignore(key)
		return nil
	case modifier == "missing" && (value == "true" || value == "false"):
		q.matches = append(q.matches, func(e audit.Entry, i int) bool { return (len(param.values(e, i)) == 0) == (value == "true") })
	case modifier == "missing":
		return wrongParam(name)
	case modifier != "":
		return fault.New(fault.Invalid, fault.Errorf("not-supported", "", "the search parameter %s has a modifier that is not supported", name))
	case name == "date":
		if err := q.date(value); err != nil {
			return err
		}
	case name == "patient" && !strings.Contains(value, ",") && q.query.Patient == "":
		q.query.Patient = ref.Patient(value[strings.LastIndex(value, "/")+1:])
	default:
		words := strings.Split(value, ",")
		q.matches = append(q.matches, func(e audit.Entry, i int) bool {
			return slices.ContainsFunc(param.values(e, i), func(has string) bool {
				return slices.ContainsFunc(words, func(w string) bool {
					return has == w[strings.LastIndex(w, "|")+1:] || name == "patient" && has == "Patient/"+w
				})
			})
		})
	}
	q.used.Add(key, value)
	return nil
}

// control reads what says how to answer.
func (q *inquiry) control(name, value string) error {
	switch name {
	case "_format", "_pretty":
		return nil
	case "_total":
		if !slices.Contains([]string{"none", "estimate", "accurate"}, value) {
			return wrongParam(name)
		}
		q.uncounted, q.counted = value == "none", value == "accurate"
	case "_summary":
		switch value {
		case "false":
		case "count":
			q.count = 0
		default:
			q.ignore(name)
			return nil
		}
	case "_sort":
		if value != "-date" && value != "-_lastUpdated" { // the order in which they come
			q.ignore(name)
			return nil
		}
	case "_id":
		seq, _, ok := parseEventID(value)
		if !ok {
			seq = 1 << 60 // nothing has it
		}
		q.id, q.query.Before = value, seq+1
	case "_count":
		n, err := strconv.Atoi(value)
		if err != nil || n < 0 {
			return wrongParam(name)
		}
		q.count = min(n, auditMost-1)
	case "_page":
		return q.resume(value)
	default:
		q.ignore(name)
		return nil
	}
	q.used.Add(name, value)
	return nil
}

// resume goes on where a page ended.
func (q *inquiry) resume(value string) error {
	parts := strings.Split(value, ".")
	if len(parts) != 3 {
		return wrongParam("_page")
	}
	seq, err := strconv.ParseInt(parts[0], 10, 64)
	from, err2 := strconv.Atoi(parts[1])
	total, err3 := strconv.Atoi(parts[2])
	if err != nil || err2 != nil || err3 != nil || seq < 0 || total < -1 {
		return wrongParam("_page")
	}
	q.query.Before, q.from, q.total, q.later = seq+1, from, total, true
	return nil
}

// ignore notes a parameter that is not applied.
func (q *inquiry) ignore(name string) {
	if len(name) > 60 || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' }) {
		name = "with an odd name"
	}
	q.ignored = append(q.ignored, fault.Warnf("not-supported", "", "the search parameter %s is not supported for AuditEvent and was not applied", name))
}

// date takes one bound; several must all hold.
func (q *inquiry) date(value string) error {
	op, rest := "eq", value
	if len(value) > 2 && value[0] >= 'a' {
		op, rest = value[:2], value[2:]
	}
	begin, end := from(rest), until(rest)
	if begin.IsZero() {
		return wrongParam("date")
	}
	later := func(t time.Time) {
		if t.After(q.query.From) {
			q.query.From = t
		}
	}
	earlier := func(t time.Time) {
		if q.query.To.IsZero() || t.Before(q.query.To) {
			q.query.To = t
		}
	}
	switch op {
	case "eq":
		later(begin)
		earlier(end)
	case "ge":
		later(begin)
	case "gt", "sa":
		later(end)
	case "lt", "eb":
		earlier(begin)
	case "le":
		earlier(end)
	default:
		return wrongParam("date")
	}
	return nil
}
