package rows

import (
	"context"
	"strconv"
	"strings"

	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/store"
	"github.com/rapport-health/rapport/services/store/sealed"
)

// ParseSealed opens a column of JSON and reads it, as Parse does. Errors: those of Box.Open and of Parse.
func ParseSealed(ctx context.Context, b *sealed.Box, of sealed.About, column []byte, into any) error {
	plain, err := b.Open(ctx, column, of)
	if err != nil {
		return err
	}
	return Parse(plain, into)
}

// RestoreSealed is the record as it was given to the store, from its columns. Errors: those of Box.Open and of Parse.
func (r Resource) RestoreSealed(ctx context.Context, b *sealed.Box, t ref.Tenant) (record.Record, error) {
	raw, err := b.Open(ctx, r.Raw, sealed.Resource(t, r.Type, r.ID, r.Version))
	if err != nil {
		return r.Record, err
	}
	r.Raw = raw
	return r.restore()
}

// SealedTable is a table with one sealed column.
type SealedTable struct {
	name, data string
	// key are the columns of the primary key, in its order.
	key   []string
	about func(key []any) sealed.About
}

// SealedTables are all of them, in the order in which they are sealed anew.
var SealedTables = []SealedTable{
	{"resource", "raw", []string{"tenant", "id", "type", "version"}, func(k []any) sealed.About {
		return sealed.Resource(ref.Tenant(text(k[0])), text(k[2]), text(k[1]), number(k[3]))
	}},
	{"fact", "data", []string{"tenant", "episode", "id", "version"}, func(k []any) sealed.About {
		return sealed.Fact(ref.Tenant(text(k[0])), text(k[2]), number(k[3]))
	}},
	{"episode", "state", []string{"tenant", "id"}, func(k []any) sealed.About {
		return sealed.State(ref.Tenant(text(k[0])), text(k[1]))
	}},
	{"alert", "data", []string{"tenant", "id"}, func(k []any) sealed.About {
		return sealed.Alert(ref.Tenant(text(k[0])), text(k[1]))
	}},
	{"event", "data", []string{"tenant", "feed", "seq"}, func(k []any) sealed.About {
		return sealed.Event(ref.Tenant(text(k[0])), text(k[1]), number(k[2]))
	}},
	{"subscription", "data", []string{"tenant", "id"}, func(k []any) sealed.About {
		return sealed.Other("subscription", ref.Tenant(text(k[0])), text(k[1]))
	}},
	{"job", "data", []string{"tenant", "id"}, func(k []any) sealed.About { return aboutJob(ref.Tenant(text(k[0])), text(k[1])) }},
}

func aboutJob(t ref.Tenant, id string) sealed.About { return sealed.Other("job", t, id) }

// SealJob is the data of a job as it is stored: it names patients, and holds the key of its files.
func SealJob(b *sealed.Box, j store.Job) []byte { return b.Seal(j.Data, aboutJob(j.Tenant, j.ID)) }

// OpenJob opens the data of a job that was read. Errors: those of Box.Open.
func OpenJob(ctx context.Context, b *sealed.Box, j *store.Job) (err error) {
	j.Data, err = b.Open(ctx, j.Data, aboutJob(j.Tenant, j.ID))
	return err
}

func text(v any) string {
	s, _ := v.(string)
	return s
}

func number(v any) int64 {
	n, _ := v.(int64)
	return n
}

// Stale is a stored row that is to be sealed anew: its key, its column, and what to put in its place.
type Stale struct {
	Tenant  ref.Tenant
	Key     []any
	Was, Is []byte
}

// Look is the statement for the next rows of a table behind a key, with its arguments. Each row is the key, and the column where
// it is not sealed with the data key of that number.
func (t SealedTable) Look(m Mark, after []any, current uint32, max int) (string, []any) {
	q := &query{mark: m}
	keys := strings.Join(t.key, ", ")
	q.add("SELECT ", keys, ", CASE WHEN substr(", t.data, ", 1, 7) = ", q.arg(sealed.Header(current)), " THEN NULL ELSE ", t.data, " END FROM ", t.name)
	if after != nil {
		q.add(" WHERE (", keys, ") > (")
		for i, v := range after {
			if i > 0 {
				q.add(", ")
			}
			q.add(q.arg(v))
		}
		q.add(")")
	}
	q.add(" ORDER BY ", keys, " LIMIT ", strconv.Itoa(max))
	return q.sql.String(), q.args
}

// Columns is how many columns Look gives.
func (t SealedTable) Columns() int { return len(t.key) + 1 }

// Anew seals a column that Look gave; false when there is nothing to do.
func (t SealedTable) Anew(ctx context.Context, b *sealed.Box, key []any, column []byte) (Stale, bool, error) {
	if len(column) == 0 {
		return Stale{}, false, nil
	}
	of := t.about(key)
	plain, err := b.Open(ctx, column, of)
	if err != nil {
		return Stale{}, false, err
	}
	return Stale{ref.Tenant(text(key[0])), key, column, b.Seal(plain, of)}, true, nil
}

// Replace is the statement that puts a sealed column in the place of the one that was looked at, as long as it is still there.
func (t SealedTable) Replace(m Mark, s Stale) (string, []any) {
	q := &query{mark: m}
	q.add("UPDATE ", t.name, " SET ", t.data, " = ", q.arg(s.Is), " WHERE ", t.data, " = ", q.arg(s.Was))
	for i, column := range t.key {
		q.add(" AND ", column, " = ", q.arg(s.Key[i]))
	}
	q.add(" RETURNING 1")
	return q.sql.String(), q.args
}

// Onward is the place after a page of a table: in it while it goes on, at the next one's beginning otherwise.
func Onward(at store.SealPlace, last []any, full bool) store.SealPlace {
	if full {
		return store.SealPlace{Table: at.Table, Key: last}
	}
	return store.SealPlace{Table: at.Table + 1, Done: at.Table+1 >= len(SealedTables)}
}
