package rows

import (
	"strconv"
	"strings"

	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/ref"
)

// Columns of a record, in the order in which both engines scan them.
const Columns = `r.type, r.id, r.version, r.source, r.source_id, r.source_version, r.hash, r.patient,
	r.from_us, r.to_us, r.outcome, r.stub, r.received_us, r.codes, r.issues, r.raw, r.seq`

// IsCurrent picks the newest version of a resource that is sought by its id. Said as plain "current" it would tempt
// planners to the indexes of current versions, which do not begin with the id, instead of the primary key.
const IsCurrent = "CAST(r.current AS integer) = 1"

// Mark is how an engine names its n-th parameter: Mark followed by n.
type Mark byte

// The marks.
const (
	Postgres Mark = '$'
	SQLite   Mark = '?'
)

type query struct {
	mark Mark
	sql  strings.Builder
	args []any
}

func (q *query) add(parts ...string) {
	for _, p := range parts {
		q.sql.WriteString(p)
	}
}

func (q *query) arg(v any) string {
	q.args = append(q.args, v)
	return string(q.mark) + strconv.Itoa(len(q.args))
}

// any writes (one OR another …).
func (q *query) any(alternatives []string) {
	q.add(" AND (", strings.Join(alternatives, " OR "), ")")
}

// Search is the statement for a page of current records, with its arguments. The size of the page is part of its
// text, so that a planner that does not look at arguments knows it too.
func Search(m Mark, t ref.Tenant, s record.Query) (string, []any) {
	q := &query{mark: m}
	// A single code of no single patient is read in the order of its own index; everything else is filtered by it.
	byCode := len(s.Codes) == 1 && s.Patient == ""
	byMark := s.Key != 0 && s.Patient == "" && len(s.Codes) == 0
	tenant := q.arg(string(t))
	q.add("SELECT ", Columns, " FROM ")
	switch {
	case byMark:
		q.led(m, "search_mark", "r.tenant = "+tenant+" AND r.type = "+q.arg(s.Type))
		q.add(" AND c.key = ", q.arg(MarkKey(t, s.Key)))
	case byCode:
		typ := q.arg(s.Type)
		q.led(m, "resource_code", "r.tenant = "+tenant+" AND r.type = "+typ)
		q.add(" AND c.tenant = ", tenant, " AND c.type = ", typ, " AND ", q.code(s.Codes[0], true))
	default:
		q.add("resource r WHERE r.tenant = ", tenant, " AND r.current")
		if s.Type != "" {
			q.add(" AND r.type = ", q.arg(s.Type))
		}
	}
	if s.Patient != "" {
		q.add(" AND r.patient = ", q.arg(string(s.Patient)))
	}
	if s.Unused {
		q.add(" AND r.outcome = ", strconv.Itoa(int(record.Stored)), " AND r.issues IS NOT NULL")
	}
	q.add(" AND r.outcome <> ", strconv.Itoa(int(record.Gone)))
	if s.Until != nil {
		q.add(" AND r.seq <= ", q.arg(*s.Until))
	}
	if len(s.Codes) > 0 && !byCode {
		q.codes(s.Codes)
	}
	for _, bits := range s.Sieves {
		q.add(" AND (r.sieve & ", q.arg(bits), ") <> 0")
	}
	for _, d := range s.Dates {
		q.date(d)
		if byCode || byMark {
			q.before(d)
		}
	}
	table := "r"
	if byCode || byMark {
		table = "c"
	}
	if byMark {
		q.place("c", s.After)
		q.add(" ORDER BY c.from_us DESC, c.id LIMIT ", strconv.Itoa(max(s.Max, 1)))
		return q.sql.String(), q.args
	}
	if (s.After != record.Place{}) {
		from, typ, id := q.arg(lower(s.After.From)), q.arg(s.After.Resource.Type), q.arg(s.After.Resource.ID)
		q.add(" AND ", table, ".from_us <= ", from, " AND (", table, ".from_us < ", from,
			" OR (", table, ".type, ", table, ".id) > (", typ, ", ", id, "))")
	}
	q.add(" ORDER BY ", table, ".from_us DESC, ", table, ".type, ", table, ".id LIMIT ", strconv.Itoa(max(s.Max, 1)))
	return q.sql.String(), q.args
}

// place bounds marks by the last record of the previous page.
func (q *query) place(table string, after record.Place) {
	if (after == record.Place{}) {
		return
	}
	from, id := q.arg(lower(after.From)), q.arg(after.Resource.ID)
	q.add(" AND ", table, ".from_us <= ", from, " AND (", table, ".from_us < ", from, " OR ", table, ".id > ", id, ")")
}

// Marked is the statement for a page of what bears a mark, newest first, with its arguments.
func Marked(m Mark, t ref.Tenant, key int64, after record.Marked, max int) (string, []any) {
	q := &query{mark: m}
	q.add("SELECT c.from_us, c.id FROM search_mark c WHERE c.key = ", q.arg(MarkKey(t, key)))
	if after.ID != "" {
		q.place("c", record.Place{From: after.At, Resource: ref.Resource{ID: after.ID}})
	}
	q.add(" ORDER BY c.from_us DESC, c.id LIMIT ", strconv.Itoa(atLeastOne(max)))
	return q.sql.String(), q.args
}

// Versions is the statement for a page of versions, newest first, with its arguments.
func Versions(m Mark, t ref.Tenant, p record.Past) (string, []any) {
	q := &query{mark: m}
	q.add("SELECT r.id, r.version, r.seq, r.current FROM resource r WHERE ")
	if p.ID == "" && m == Postgres {
		q.add("r.tenant || '' = ", q.arg(string(t))) // as its index of versions has it
	} else {
		q.add("r.tenant = ", q.arg(string(t)))
	}
	q.add(" AND r.type = ", q.arg(p.Type))
	if p.ID != "" {
		q.add(" AND r.id = ", q.arg(p.ID))
	}
	if len(p.Patients) > 0 {
		alternatives := []string{"r.patient = ''"}
		for _, patient := range p.Patients {
			alternatives = append(alternatives, "r.patient = "+q.arg(string(patient)))
		}
		q.any(alternatives)
	}
	if p.Above != nil {
		q.add(" AND r.seq > ", q.arg(*p.Above))
	}
	if p.Upto != nil {
		q.add(" AND r.seq <= ", q.arg(*p.Upto))
	}
	if !p.Since.IsZero() {
		q.add(" AND r.received_us >= ", q.arg(p.Since.UnixMicro()))
	}
	after := p.After
	switch {
	case after.ID == "":
	case p.ID != "":
		q.add(" AND r.version < ", q.arg(after.Version))
	default:
		seq, id := q.arg(after.Seq), q.arg(after.ID)
		q.add(" AND r.seq <= ", seq, " AND (r.seq < ", seq, " OR r.id > ", id, " OR (r.id = ", id, " AND r.version < ", q.arg(after.Version), "))")
	}
	if p.ID != "" {
		q.add(" ORDER BY r.version DESC")
	} else {
		q.add(" ORDER BY r.seq DESC, r.id, r.version DESC")
	}
	q.add(" LIMIT ", strconv.Itoa(atLeastOne(p.Max)))
	return q.sql.String(), q.args
}

func atLeastOne(n int) int { return max(n, 1) }

// code is the condition that row c of resource_code bears the token. A resource that bears the code in several
// systems counts once.
func (q *query) code(token string, once bool) string {
	system, code := SplitCode(token)
	cond := "c.code = " + q.arg(code)
	if system != "" || !strings.HasPrefix(token, "|") {
		return cond + " AND c.system = " + q.arg(system)
	}
	if once {
		cond += ` AND NOT EXISTS (SELECT 1 FROM resource_code d WHERE d.tenant = c.tenant AND d.type = c.type
			AND d.code = c.code AND d.from_us = c.from_us AND d.id = c.id AND d.system < c.system)`
	}
	return cond
}

func (q *query) codes(tokens []string) {
	var alternatives []string
	for _, token := range tokens {
		alternatives = append(alternatives, `EXISTS (SELECT 1 FROM resource_code c WHERE c.tenant = r.tenant AND c.type = r.type
			AND c.from_us = r.from_us AND c.id = r.id AND `+q.code(token, false)+")")
	}
	q.any(alternatives)
}

// date adds one condition by the FHIR R4 rules for ranges: eq and ne ask for containment, gt lt ge le for overlap
// beyond the bound, sa and eb for no overlap. A record without any date never matches.
// Where an end of from_us or to_us follows from that, it is said too, for the sake of the index.
func (q *query) date(d record.DateBound) {
	q.add(" AND (r.from_us > ", q.arg(Never), " OR r.to_us < ", q.arg(Ever), ") AND ")
	from := func() string { return q.arg(lower(d.From)) }
	to := func() string { return q.arg(upper(d.To)) }
	within := func() string { return "(r.from_us >= " + from() + " AND r.to_us <= " + to() + ")" }
	switch d.Op {
	case "ne":
		q.add("NOT ", within())
	case "gt":
		q.add("r.to_us > ", to())
	case "lt":
		q.add("r.from_us < ", from())
	case "ge":
		q.add("(r.to_us > ", to(), " OR ", within(), ") AND r.to_us > ", from())
	case "le":
		q.add("(r.from_us < ", from(), " OR ", within(), ") AND r.from_us < ", to())
	case "sa":
		q.add("r.from_us >= ", to())
	case "eb":
		q.add("r.to_us <= ", from(), " AND r.from_us < ", from())
	default:
		q.add(within(), " AND r.from_us < ", to())
	}
}

// led reads from a table in whose order a search comes, and the current record of each row. The order of the two is said,
// and fenced, for a planner without statistics might begin with the records.
func (q *query) led(m Mark, table, which string) {
	match := which + " AND r.id = c.id AND " + IsCurrent
	if m == Postgres {
		q.add(table, " c CROSS JOIN LATERAL (SELECT * FROM resource r WHERE ", match, " OFFSET 0) r")
	} else {
		q.add(table, " c CROSS JOIN resource r ON ", match)
	}
	q.add(" WHERE r.from_us = c.from_us")
}

// before says of the table whose order is that of the search what an end of the date means for it: its from_us is that of
// the record.
func (q *query) before(d record.DateBound) {
	switch d.Op {
	case "lt", "eb":
		q.add(" AND c.from_us < ", q.arg(lower(d.From)))
	case "eq", "le":
		q.add(" AND c.from_us < ", q.arg(upper(d.To)))
	}
}

// ListAlerts is the statement for a page of alerts (id, JSON), with its arguments.
func ListAlerts(m Mark, t ref.Tenant, s alert.Query) (string, []any) {
	q := &query{mark: m}
	q.add("SELECT id, data FROM alert")
	q.alerts(t, s)
	if (s.After != alert.Place{}) {
		severity, effective := q.arg(int64(s.After.Severity)), q.arg(s.After.Effective.UnixMicro())
		q.add(" AND severity <= ", severity, " AND (severity < ", severity, " OR effective_us < ", effective,
			" OR (effective_us = ", effective, " AND id > ", q.arg(s.After.ID), "))")
	}
	q.add(" ORDER BY severity DESC, effective_us DESC, id LIMIT ", strconv.Itoa(max(s.Max, 1)))
	return q.sql.String(), q.args
}

// CountAlerts is the statement that counts alerts by rule, status and reason, with its arguments.
func CountAlerts(m Mark, t ref.Tenant, s alert.Query) (string, []any) {
	q := &query{mark: m}
	q.add("SELECT rule, status, because, count(*) FROM alert")
	q.alerts(t, s)
	q.add(" GROUP BY rule, status, because ORDER BY rule, status, because")
	return q.sql.String(), q.args
}

// alerts adds which ones are selected.
func (q *query) alerts(t ref.Tenant, s alert.Query) {
	q.add(" WHERE tenant = ", q.arg(string(t)))
	for _, equal := range []struct{ column, value string }{
		{"patient", string(s.Patient)}, {"rule", s.Rule}, {"cause", s.Cause}, {"because", string(s.Because)}, {"assignee", s.Assignee},
	} {
		if equal.value != "" {
			q.add(" AND ", equal.column, " = ", q.arg(equal.value))
		}
	}
	for _, listed := range []struct{ column, value string }{{"roles", s.Role}, {"told", s.Recipient}} {
		if listed.value != "" {
			q.add(" AND ", q.within(), "(", listed.column, ", ", q.arg("|"+listed.value+"|"), ") > 0")
		}
	}
	if s.AtLeast > 0 {
		q.add(" AND severity >= ", q.arg(int64(s.AtLeast)))
	}
	if len(s.Statuses) > 0 {
		q.statuses(s.Statuses)
	}
	if !s.From.IsZero() {
		q.add(" AND effective_us >= ", q.arg(s.From.UnixMicro()))
	}
	if !s.To.IsZero() {
		q.add(" AND effective_us < ", q.arg(s.To.UnixMicro()))
	}
}

// within is the function that says where one text stands in another.
func (q *query) within() string {
	if q.mark == Postgres {
		return "strpos"
	}
	return "instr"
}

func (q *query) statuses(statuses []alert.Status) {
	live := true
	var alternatives []string
	for _, s := range statuses {
		live = live && (s == alert.Waiting || alert.Alert{Status: s}.Live())
		alternatives = append(alternatives, "status = "+q.arg(string(s)))
	}
	if live {
		// Said once more as the index of those that are not done with says it, so that it can be used.
		q.add(" AND status IN ('waiting', 'open', 'acknowledged', 'snoozed')")
	}
	q.any(alternatives)
}

// FactsBy is the statement for a page of the facts of an episode (id, version, JSON), with its arguments. What is large is read
// of the page alone.
func FactsBy(m Mark, t ref.Tenant, of ref.Episode, p fact.Page) (string, []any) {
	q := &query{mark: m}
	order, beyond := " ORDER BY at_us, id", ">"
	if p.Newest {
		order, beyond = " ORDER BY at_us DESC, id DESC", "<"
	}
	tenant, episode := q.arg(string(t)), q.arg(string(of))
	q.add("SELECT f.id, f.version, f.data FROM (SELECT id, version FROM fact WHERE tenant = ", tenant, " AND episode = ", episode, " AND NOT superseded")
	if len(p.Kinds) > 0 {
		var alternatives []string
		for _, kind := range p.Kinds {
			alternatives = append(alternatives, "kind = "+q.arg(string(kind)))
		}
		q.any(alternatives)
	}
	if !p.From.IsZero() {
		q.add(" AND at_us >= ", q.arg(p.From.UnixMicro()))
	}
	if !p.Until.IsZero() {
		q.add(" AND at_us < ", q.arg(p.Until.UnixMicro()))
	}
	if p.After != nil {
		at := q.arg(p.After.At.UnixMicro())
		q.add(" AND (at_us ", beyond, " ", at, " OR at_us = ", at, " AND id ", beyond, " ", q.arg(p.After.ID), ")")
	}
	q.add(order, " LIMIT ", strconv.Itoa(max(p.Max, 1)), ") p JOIN fact f ON f.tenant = ", tenant, " AND f.episode = ", episode,
		" AND f.id = p.id AND f.version = p.version")
	return q.sql.String(), q.args
}
