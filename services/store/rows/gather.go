// Package rows is the flat form in which both engines keep what was decided: columns, their order, and the queries over them.
package rows

import (
	"encoding/json"
	"hash/fnv"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/ref"
)

// Batch is everything that one commit writes, ready to be sent column by column.
type Batch struct {
	// Resources to insert, in order.
	Resources []Resource
	// Replaced are stored resources of which a newer version is among Resources.
	Replaced []ref.Resource
	// Codes of the current versions among Resources.
	Codes []Code
	// Marks of the current versions among Resources, to insert where they are not there yet.
	Marks []MarkRow
	// Aliases to insert or replace, each name once.
	Aliases []record.Alias
	// Keys to insert.
	Keys []record.Key
	// Unions to apply in order, after all rows are written.
	Unions []decision.Union
	// Superseded are resources whose stored facts no longer count; to be applied before Facts.
	Superseded []string
	// SupersededKeys are their ref.SourceKeys, in the same order.
	SupersededKeys []int64
	// Facts to insert.
	Facts []Fact
	// Episodes to insert or replace, each once.
	Episodes []Episode
	// Alerts to insert or replace, each once.
	Alerts []Alert
	// Told are rows of alert_told to insert or replace, each once.
	Told []alert.Told
	// Drafts are the events to number, in order.
	Drafts []feed.Draft
	// Subscriptions to insert or replace, each once.
	Subscriptions []Subscription
}

// Resource is a row of the table resource.
type Resource struct {
	record.Record
	// Current says whether it is the newest version.
	Current bool
	// From and To are microseconds; Never and Ever where the record has none.
	From, To int64
	// Sieve is that of the record, with all bits where that was not looked at.
	Sieve int64
	// Codes and Issues are JSON arrays; nil when there are none.
	Codes, Issues []byte
	// draft is how many events of the batch come before its own.
	draft int
}

// MarkRow is a row of search_mark.
type MarkRow struct {
	// Key as MarkKey makes it.
	Key int64
	// From is microseconds.
	From int64
	ID   string
}

// MarkKey is the number under which a key of a tenant is kept.
func MarkKey(t ref.Tenant, key int64) int64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(t)) // A hash never fails.
	return key ^ int64(h.Sum64())
}

// Marks of a record of a tenant, each once; none of a deletion.
func Marks(t ref.Tenant, r *record.Record) []MarkRow {
	if r.Gone() {
		return nil
	}
	out := make([]MarkRow, 0, len(r.Marks))
	for _, m := range r.Marks {
		row := MarkRow{MarkKey(t, m.Key), lower(r.From), r.ID}
		if !m.At.IsZero() {
			row.From = m.At.UnixMicro()
		}
		if !slices.Contains(out, row) {
			out = append(out, row)
		}
	}
	return out
}

// Code is a row of resource_code.
type Code struct {
	// Type and ID of the resource, From its effective time.
	Type, ID string
	From     int64
	// System and Code by which it can be found.
	System, Code string
}

// Fact is a row of fact.
type Fact struct {
	Episode, ID, Kind string
	// Source is `Type/id` without version; empty for the clock.
	Source  string
	Version int64
	// SourceKey is the number by which the rows of a source are found; nil for the clock.
	SourceKey *int64
	// At and Recorded are microseconds.
	At, Recorded int64
	Superseded   bool
	// Data is its JSON.
	Data []byte
}

// Episode is a row of episode.
type Episode struct {
	ID, Patient string
	// Deadline in microseconds and the Slot it falls in; nil when there is none.
	Deadline, Slot *int64
	// State is its JSON.
	State []byte
}

// Alert is a row of alert.
type Alert struct {
	ID, Episode, Patient, Rule, Status string
	Severity                           int64
	// Effective is microseconds.
	Effective int64
	Version   int64
	// Cause, Because and Assignee by which it is listed.
	Cause, Because, Assignee string
	// Roles and Told are lists with a bar before, between and after their items; empty when there are none.
	Roles, Told string
	// Due is microseconds; nil when time alone does not change it.
	Due *int64
	// Data is its JSON.
	Data []byte
}

// Gather flattens the decisions of a tenant. What cannot be stored on either engine is refused here, so that both refuse the same.
// Errors: Unprocessable.
func Gather(t ref.Tenant, decisions []*decision.Decision) (*Batch, error) {
	g := gatherer{
		tenant:   t,
		batch:    &Batch{},
		newest:   map[ref.Resource]int{},
		aliases:  map[string]int{},
		episodes: map[string]int{},
		alerts:   map[string]int{},
		told:     map[alert.Ration]int{},
		wishes:   map[string]int{},
	}
	for _, d := range decisions {
		if err := g.add(d); err != nil {
			return nil, err
		}
	}
	for i := range g.batch.Resources {
		g.index(&g.batch.Resources[i])
	}
	return g.batch, nil
}

// Empty says whether there is nothing to write.
func (b *Batch) Empty() bool {
	return len(b.Resources) == 0 && len(b.Aliases) == 0 && len(b.Keys) == 0 && len(b.Unions) == 0 && len(b.Superseded) == 0 &&
		len(b.Facts) == 0 && len(b.Episodes) == 0 && len(b.Alerts) == 0 && len(b.Told) == 0 && len(b.Drafts) == 0 &&
		len(b.Subscriptions) == 0
}

type gatherer struct {
	tenant ref.Tenant
	batch  *Batch
	// Where the last row of the same name lies in its slice.
	newest                    map[ref.Resource]int
	aliases, episodes, alerts map[string]int
	told                      map[alert.Ration]int
	wishes                    map[string]int
}

func (g *gatherer) add(d *decision.Decision) error {
	for _, step := range []func(*decision.Decision) error{g.records, g.names, g.facts, g.states, g.findings, g.rations, g.events, g.subscriptions} {
		if err := step(d); err != nil {
			return err
		}
	}
	return nil
}

func (g *gatherer) records(d *decision.Decision) error {
	for _, r := range d.Records {
		if r.Version < 1 || r.Type == "" || r.ID == "" {
			return fault.Newf(fault.Unprocessable, "invalid", "a record needs a type, an id and a version of at least 1")
		}
		texts := []string{r.Type, r.ID, string(r.Source), r.SourceID, r.SourceVersion, string(r.Patient)}
		if err := storable("record", append(texts, r.Codes...)...); err != nil {
			return err
		}
		row := Resource{Record: r, Current: true, From: lower(r.From), To: upper(r.To), Sieve: r.Sieve, draft: len(g.batch.Drafts)}
		if r.Sieve == 0 {
			row.Sieve = -1
		}
		var err error
		if row.Codes, err = list(r.Codes); err != nil {
			return err
		}
		if row.Issues, err = list(r.Issues); err != nil {
			return err
		}
		g.replace(r.Resource)
		g.newest[r.Unversioned()] = len(g.batch.Resources)
		g.batch.Resources = append(g.batch.Resources, row)
	}
	return nil
}

// replace takes the flag from the version before, here or in the database.
func (g *gatherer) replace(r ref.Resource) {
	name := r.Unversioned()
	if before, ok := g.newest[name]; ok {
		g.batch.Resources[before].Current = false
		return
	}
	if r.Version > 1 {
		g.batch.Replaced = append(g.batch.Replaced, name)
	}
}

func (g *gatherer) index(r *Resource) {
	if !r.Current {
		return
	}
	g.batch.Marks = append(g.batch.Marks, Marks(g.tenant, &r.Record)...)
	seen := make(map[string]bool, len(r.Record.Codes))
	for _, token := range r.Record.Codes {
		if seen[token] {
			continue
		}
		seen[token] = true
		system, code := SplitCode(token)
		g.batch.Codes = append(g.batch.Codes, Code{r.Type, r.ID, r.From, system, code})
	}
}

func (g *gatherer) names(d *decision.Decision) error {
	for _, a := range d.Aliases {
		if err := storable("alias", a.Name, string(a.Patient), string(a.Source)); err != nil {
			return err
		}
		put(&g.batch.Aliases, g.aliases, a.Name, a)
	}
	for _, k := range d.Keys {
		if err := storable("idempotency key", string(k.Source), k.Name, k.Resource.Type, k.Resource.ID); err != nil {
			return err
		}
		g.batch.Keys = append(g.batch.Keys, k)
	}
	for _, u := range d.Unions {
		if err := storable("union", string(u.From), string(u.Into)); err != nil {
			return err
		}
		if u.From == u.Into || u.From == "" || u.Into == "" {
			return fault.Newf(fault.Unprocessable, "invalid", "a union needs two patients")
		}
		g.batch.Unions = append(g.batch.Unions, u)
	}
	return nil
}

func (g *gatherer) facts(d *decision.Decision) error {
	for _, s := range d.Superseded {
		name := s.Unversioned().String()
		if err := storable("resource", name); err != nil {
			return err
		}
		g.batch.Superseded = append(g.batch.Superseded, name)
		g.batch.SupersededKeys = append(g.batch.SupersededKeys, ref.SourceKey(g.tenant, name))
		for i := range g.batch.Facts {
			if g.batch.Facts[i].Source == name {
				g.batch.Facts[i].Superseded = true
			}
		}
	}
	for _, f := range d.Facts {
		source := f.Source.Unversioned().String()
		if err := storable("fact", string(f.Episode), f.ID, string(f.Kind), source); err != nil {
			return err
		}
		data, err := marshal("fact", f.Fact)
		if err != nil {
			return err
		}
		g.batch.Facts = append(g.batch.Facts, Fact{
			Episode: string(f.Episode), ID: f.ID, Kind: string(f.Kind), Source: source, Version: f.Source.Version,
			SourceKey: g.sourceKey(source), At: f.At.UnixMicro(), Recorded: f.Recorded.UnixMicro(), Data: data,
		})
	}
	return nil
}

func (g *gatherer) sourceKey(source string) *int64 {
	if source == "" {
		return nil
	}
	return new(ref.SourceKey(g.tenant, source))
}

func (g *gatherer) states(d *decision.Decision) error {
	for _, s := range d.Episodes {
		if err := storable("episode", string(s.Episode), string(s.Patient)); err != nil {
			return err
		}
		data, err := marshal("episode state", s)
		if err != nil {
			return err
		}
		row := Episode{ID: string(s.Episode), Patient: string(s.Patient), State: data}
		if !s.Deadline.IsZero() {
			at := s.Deadline.UnixMicro()
			row.Deadline, row.Slot = &at, new(Slot(at))
		}
		put(&g.batch.Episodes, g.episodes, row.ID, row)
	}
	return nil
}

func (g *gatherer) findings(d *decision.Decision) error {
	for _, a := range d.Alerts {
		err := storable("alert", a.ID, string(a.Episode), string(a.Patient), a.Rule, string(a.Status), a.Cause, string(a.Because()), a.Assignee)
		if err != nil {
			return err
		}
		data, err := marshal("alert", a)
		if err != nil {
			return err
		}
		row := Alert{
			ID: a.ID, Episode: string(a.Episode), Patient: string(a.Patient), Rule: a.Rule, Status: string(a.Status),
			Severity: int64(a.Severity), Effective: a.Effective.UnixMicro(), Version: a.Version, Data: data,
			Cause: a.Cause, Because: string(a.Because()), Assignee: a.Assignee, Roles: barred(a.Roles),
		}
		told := make([]string, len(a.Recipients))
		for i, r := range a.Recipients {
			told[i] = r.Person
		}
		row.Told = barred(told)
		if !Storable(row.Roles) || !Storable(row.Told) {
			return fault.Newf(fault.Unprocessable, "value", "a role or a recipient of the alert holds a NUL character or is not valid UTF-8")
		}
		if !a.Due.IsZero() {
			row.Due = new(a.Due.UnixMicro())
		}
		put(&g.batch.Alerts, g.alerts, a.ID, row)
	}
	return nil
}

// barred is a list with a bar before, between and after its items, so that one of them is found as |item|.
func barred(items []string) string {
	if len(items) == 0 {
		return ""
	}
	return "|" + strings.Join(items, "|") + "|"
}

func (g *gatherer) rations(d *decision.Decision) error {
	for _, r := range d.Told {
		if err := storable("ration", string(r.Team), r.Role); err != nil {
			return err
		}
		put(&g.batch.Told, g.told, r.Ration, r)
	}
	return nil
}

// rationDays is for how many days after the latest one written a count of what was told is kept.
const rationDays = 7

// Forgotten is the day before which counts of what was told are no longer kept, once the batch is written.
func (b *Batch) Forgotten() alert.Day {
	var latest alert.Day
	for _, r := range b.Told {
		latest = max(latest, r.Day)
	}
	return latest - rationDays
}

func (g *gatherer) events(d *decision.Decision) error {
	for _, e := range d.Events {
		if err := storable("event", e.ID, string(e.Type), e.Subject); err != nil {
			return err
		}
		for _, name := range e.Feeds {
			if !name.Valid() {
				return fault.Newf(fault.Unprocessable, "invalid", "an event names a feed of no known form")
			}
		}
		g.batch.Drafts = append(g.batch.Drafts, e)
	}
	return nil
}

// put keeps one row per name: the last one counts.
func put[K comparable, T any](rows *[]T, at map[K]int, name K, row T) {
	if i, ok := at[name]; ok {
		(*rows)[i] = row
		return
	}
	at[name] = len(*rows)
	*rows = append(*rows, row)
}

func list[T any](of []T) ([]byte, error) {
	if len(of) == 0 {
		return nil, nil
	}
	return marshal("list", of)
}

// appender writes its own JSON, which json.Marshal would only check and copy.
type appender interface {
	AppendJSON(to []byte) ([]byte, error)
}

func marshal(what string, v any) (data []byte, err error) {
	if own, ok := v.(appender); ok {
		data, err = own.AppendJSON(nil)
	} else {
		data, err = json.Marshal(v)
	}
	if err != nil {
		// The cause is left out: it can quote what it could not write.
		return nil, fault.Newf(fault.Unprocessable, "invalid", "the %s cannot be written as JSON", what)
	}
	return data, nil
}

// longest is how many bytes a name or code may have: one index row of PostgreSQL holds 2,700 bytes of them together.
const longest = 1000

func storable(what string, texts ...string) error {
	for _, s := range texts {
		if len(s) > longest {
			return fault.Newf(fault.Unprocessable, "too-long", "a name or code of the %s is longer than %d bytes", what, longest)
		}
		if !Storable(s) {
			return fault.Newf(fault.Unprocessable, "value",
				"a name or code of the %s holds a NUL character or is not valid UTF-8", what)
		}
	}
	return nil
}

// Storable says whether both engines can keep s in a text column: PostgreSQL keeps neither NUL nor broken UTF-8.
func Storable(s string) bool {
	return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0
}

// SplitCode parts `system|code` at the first bar; without one all of it is the code.
func SplitCode(token string) (system, code string) {
	system, code, found := strings.Cut(token, "|")
	if !found {
		return "", token
	}
	return system, code
}

// slotWidth is how many microseconds share a slot: 15 minutes.
const slotWidth = int64(15 * time.Minute / time.Microsecond)

// Slot rounds a deadline down. The index holds the slot, not the deadline, so that a deadline that moves a little
// rewrites no index.
func Slot(deadline int64) int64 {
	slot := deadline / slotWidth
	if deadline%slotWidth < 0 {
		slot--
	}
	return slot
}
