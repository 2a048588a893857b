package bench

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// postgresFloor writes into schemas of the same database, with statements of a whole block, pipelined in one transaction.
type postgresFloor struct {
	shape *shape
	conns []*pgx.Conn
	// writers by schema, then by connection.
	writers map[string][]*writer
}

// The schemas of the floor's tables: with primary keys alone, and with the secondary indexes of the service.
const (
	bareSchema    = "floor_bare"
	indexedSchema = "floor_indexed"
)

// floorConnections is how many connections are tried at most.
const floorConnections = 2

func newPostgresFloor(ctx context.Context, store string, db *database, s *shape) (*postgresFloor, error) {
	f := &postgresFloor{shape: s, writers: map[string][]*writer{}}
	for range floorConnections {
		conn, err := pgx.Connect(ctx, store)
		if err != nil {
			return nil, err
		}
		f.conns = append(f.conns, conn)
	}
	for schema, including := range map[string]string{bareSchema: "STORAGE", indexedSchema: "ALL"} {
		if err := f.create(ctx, db, schema, including); err != nil {
			return nil, fmt.Errorf("making the tables of the floor: %w", err)
		}
		for i, conn := range f.conns {
			f.writers[schema] = append(f.writers[schema], &writer{name: "writer-" + strconv.Itoa(i), write: f.write(conn, schema)})
		}
	}
	return f, nil
}

// create makes tables like the service's own, with the same storage settings.
func (f *postgresFloor) create(ctx context.Context, db *database, schema, including string) error {
	statements := []string{"CREATE SCHEMA " + schema}
	names := []string{"feed"}
	for _, t := range f.shape.tables {
		names = append(names, t.name)
	}
	for _, name := range names {
		into := schema + "." + name
		statements = append(statements, fmt.Sprintf("CREATE TABLE %s (LIKE public.%s INCLUDING DEFAULTS INCLUDING %s)", into, name, including))
		settings, err := ddl(ctx, db, "SELECT array_to_string(reloptions, ', ') FROM pg_class WHERE oid = 'public."+name+"'::regclass")
		if err != nil {
			return err
		}
		for _, setting := range settings {
			statements = append(statements, fmt.Sprintf("ALTER TABLE %s SET (%s)", into, setting))
		}
		if including == "ALL" {
			continue
		}
		keys, err := ddl(ctx, db, `SELECT string_agg(quote_ident(a.attname), ',' ORDER BY k.place) FROM pg_index i,
			unnest(i.indkey::int[]) WITH ORDINALITY k (attnum, place), pg_attribute a
			WHERE i.indrelid = 'public.`+name+`'::regclass AND i.indisunique AND a.attrelid = i.indrelid AND a.attnum = k.attnum
			GROUP BY i.indexrelid`)
		if err != nil {
			return err
		}
		for _, columns := range keys {
			statements = append(statements, fmt.Sprintf("ALTER TABLE %s ADD PRIMARY KEY (%s)", into, columns))
		}
	}
	_, err := f.conns[0].Exec(ctx, strings.Join(statements, ";\n"))
	return err
}

// write sends the statements of a block together; they are one transaction and one round trip.
func (f *postgresFloor) write(conn *pgx.Conn, schema string) func(context.Context, string, int) error {
	mark := func(n int) string { return "$" + strconv.Itoa(n) }
	texts := make([]string, len(f.shape.tables))
	for i, t := range f.shape.tables {
		texts[i] = t.insert(schema+"."+t.name, t.perBlock, mark)
	}
	raise := counter(schema+".feed", mark)
	return func(ctx context.Context, name string, number int) error {
		batch := &pgx.Batch{}
		for i := range f.shape.tables {
			t := &f.shape.tables[i]
			batch.Queue(texts[i], t.values(name, number, 0, t.perBlock)...)
		}
		batch.Queue(raise, name, int64(number+1)*block)
		return conn.SendBatch(ctx, batch).Close()
	}
}

func (f *postgresFloor) turn(ctx context.Context, connections int, indexed bool, lasting time.Duration) (float64, error) {
	schema := bareSchema
	if indexed {
		schema = indexedSchema
	}
	return lower(ctx, f.writers[schema][:connections], lasting)
}

// Close ends the connections.
func (f *postgresFloor) Close() error {
	for _, conn := range f.conns {
		if err := conn.Close(context.Background()); err != nil {
			return err
		}
	}
	return nil
}
