package bench

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"time"
)

// block is how many submissions' rows the floor writes in one transaction.
const block = 256

// table is what one submission writes to one table, by real rows of it.
type table struct {
	name    string
	columns []string
	// rows are samples, and perBlock is how many of them a block writes.
	rows     [][]any
	perBlock int
	// unique is the column that tells new rows apart, replace the key by which a row is replaced instead.
	unique, replace string
}

// shape is everything that a block of scored PHQ-9 submissions writes, read from a database that the server has filled.
type shape struct {
	tables []table
	// bytes is how much of it one submission is.
	bytes float64
}

// sampled are the tables with the rows that responses brought.
var sampled = []struct {
	name, where, unique, replace string
	// besides is how many rows each response brings that the condition leaves out.
	besides int64
}{
	{name: "resource", where: "type = 'QuestionnaireResponse'", unique: "id"},
	{name: "resource_code", where: "type = 'QuestionnaireResponse'", unique: "id"},
	{name: "fact", where: "source LIKE 'QuestionnaireResponse/%'", unique: "id"},
	{name: "episode", where: "1 = 1", replace: "id"},
	{name: "alert", where: "1 = 1", unique: "id"},
	{name: "event", where: "type <> 'submission.recorded'", unique: "seq", besides: 1},
}

// shapeOf samples what the server wrote for the responses it was sent.
func shapeOf(ctx context.Context, db *database) (*shape, error) {
	responses, err := db.count(ctx, "SELECT count(*) FROM resource WHERE type = 'QuestionnaireResponse'")
	if err != nil {
		return nil, err
	}
	if responses < block {
		return nil, fmt.Errorf("the database holds %d responses: too few to learn the floor from", responses)
	}
	s := &shape{}
	for _, from := range sampled {
		t := table{name: from.name, unique: from.unique, replace: from.replace}
		where := from.where
		if from.besides > 0 {
			where = "1 = 1"
		}
		if err := t.sample(ctx, db, where); err != nil {
			return nil, err
		}
		n, err := db.count(ctx, "SELECT count(*) FROM "+t.name+" WHERE "+from.where)
		if err != nil {
			return nil, err
		}
		t.perBlock = int(math.Round(block * float64(n+from.besides*responses) / float64(responses)))
		if t.replace != "" {
			t.perBlock = min(block, len(t.rows)) // each submission writes its patient's state anew
		}
		if t.perBlock == 0 || len(t.rows) == 0 {
			continue
		}
		s.tables = append(s.tables, t)
		s.bytes += t.bytes() * float64(t.perBlock) / block
	}
	return s, nil
}

// sample reads some rows as the driver gives them.
func (t *table) sample(ctx context.Context, db *database, where string) error {
	rows, err := db.QueryContext(ctx, fmt.Sprintf("SELECT * FROM %s WHERE %s LIMIT %d", t.name, where, 4*block))
	if err != nil {
		return fmt.Errorf("sampling %s: %w", t.name, err)
	}
	defer rows.Close()
	if t.columns, err = rows.Columns(); err != nil {
		return err
	}
	for rows.Next() {
		row, into := make([]any, len(t.columns)), make([]any, len(t.columns))
		for i := range row {
			into[i] = &row[i]
		}
		if err := rows.Scan(into...); err != nil {
			return fmt.Errorf("sampling %s: %w", t.name, err)
		}
		t.rows = append(t.rows, row)
	}
	return rows.Err()
}

// bytes of an average row.
func (t *table) bytes() float64 {
	sum := 0
	for _, row := range t.rows {
		for _, value := range row {
			switch v := value.(type) {
			case string:
				sum += len(v)
			case []byte:
				sum += len(v)
			default:
				sum += 8
			}
		}
	}
	return float64(sum) / float64(len(t.rows))
}

// values are the arguments of rows from to to of a block. The writer's name and the block's number make them new.
func (t *table) values(writer string, number, from, to int) []any {
	args := make([]any, 0, (to-from)*len(t.columns))
	for i := from; i < to; i++ {
		row := t.rows[(number*t.perBlock+i)%len(t.rows)]
		for c, name := range t.columns {
			switch {
			case name == "tenant":
				args = append(args, writer)
			case name != t.unique:
				args = append(args, row[c])
			case name == "seq":
				args = append(args, int64(number*t.perBlock+i+1))
			default:
				args = append(args, fmt.Sprintf("%v-%d-%d", row[c], number, i))
			}
		}
	}
	return args
}

// insert is the statement that writes n rows; mark names a parameter by its place, from 1.
func (t *table) insert(into string, n int, mark func(int) string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "INSERT INTO %s (%s) VALUES ", into, strings.Join(t.columns, ","))
	place := 0
	for row := range n {
		if row > 0 {
			b.WriteByte(',')
		}
		b.WriteByte('(')
		for c := range t.columns {
			if c > 0 {
				b.WriteByte(',')
			}
			place++
			b.WriteString(mark(place))
		}
		b.WriteByte(')')
	}
	if t.replace != "" {
		fmt.Fprintf(&b, " ON CONFLICT (tenant, %s) DO UPDATE SET ", t.replace)
		first := true
		for _, name := range t.columns {
			if name == "tenant" || name == t.replace {
				continue
			}
			if !first {
				b.WriteByte(',')
			}
			first = false
			fmt.Fprintf(&b, "%s = excluded.%s", name, name)
		}
	}
	return b.String()
}

// floor writes the rows of submissions without a server: what the database could do at most with the same rows.
type floor interface {
	// turn writes for some time over one or more connections, into tables with or without the secondary indexes, and
	// returns how many submissions per second the rows were of.
	turn(ctx context.Context, connections int, indexed bool, lasting time.Duration) (float64, error)
	// Close gives up its connections.
	Close() error
}

// counter is the statement that raises a feed's number, by the place of its parameters.
func counter(into string, mark func(int) string) string {
	return fmt.Sprintf("INSERT INTO %s (tenant, name, first, last) VALUES (%s, 'all', 1, %s) ON CONFLICT (tenant, name) "+
		"DO UPDATE SET last = excluded.last", into, mark(1), mark(2))
}

// Floor is what bare inserts of the same rows reached.
type Floor struct {
	// Connections that wrote at once: the better of one and two.
	Connections int `json:"connections"`
	// Indexed says whether the tables had the service's secondary indexes, or primary keys alone.
	Indexed bool `json:"indexed"`
	// PerSecond is submissions whose rows were written and flushed per second.
	PerSecond float64 `json:"per_second"`
}

// writer is one connection of a floor.
type writer struct {
	// name is its tenant, so that two writers never meet at a row; number counts its blocks.
	name   string
	number int
	// write commits the rows of one block.
	write func(ctx context.Context, name string, number int) error
}

// lower lets writers write block after block until the time is over, and returns how many submissions per second.
func lower(ctx context.Context, writers []*writer, lasting time.Duration) (float64, error) {
	var working sync.WaitGroup
	errs := make([]error, len(writers))
	written := make([]int, len(writers))
	begun := time.Now()
	for i, w := range writers {
		working.Go(func() {
			for time.Since(begun) < lasting && errs[i] == nil {
				errs[i] = w.write(ctx, w.name, w.number)
				w.number++
				written[i] += block
			}
		})
	}
	working.Wait()
	took, n := time.Since(begun), 0
	for _, w := range written {
		n += w
	}
	return perSecond(n, took), errors.Join(errs...)
}

// ddl are the texts that a query answers, such as the statements that made a table.
func ddl(ctx context.Context, db *database, query string) ([]string, error) {
	var statements []string
	err := db.each(ctx, query, func(scan func(...any) error) error {
		var text sql.NullString
		err := scan(&text)
		if text.Valid {
			statements = append(statements, text.String)
		}
		return err
	})
	return statements, err
}
