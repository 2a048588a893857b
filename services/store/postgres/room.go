package postgres

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// roomy is the first argument of a statement that also says how much room all of them will take. The driver encodes
// arguments into one buffer that it lets grow bit by bit; for a megabyte of rows that copying cost a third of all
// that the store did on its side of the connection.
type roomy struct {
	text string
	// bytes that the encoded arguments will take, about.
	bytes int
}

func newRoomy(text string, args []any) roomy {
	size := len(text) + 64
	for _, arg := range args {
		size += 32
		switch column := arg.(type) {
		case pgtype.FlatArray[string]:
			for _, v := range column {
				size += len(v) + 4
			}
		case pgtype.FlatArray[[]byte]:
			for _, v := range column {
				size += len(v) + 4
			}
		case pgtype.FlatArray[int64]:
			size += 12 * len(column)
		case pgtype.FlatArray[*int64]:
			size += 12 * len(column)
		case pgtype.FlatArray[int16]:
			size += 6 * len(column)
		case pgtype.FlatArray[bool]:
			size += 5 * len(column)
		}
	}
	return roomy{text, size}
}

// prepareRoom teaches a connection to encode a roomy.
func prepareRoom(_ context.Context, conn *pgx.Conn) error {
	m := conn.TypeMap()
	m.TryWrapEncodePlanFuncs = slices.Insert(m.TryWrapEncodePlanFuncs, 0,
		func(value any) (pgtype.WrappedEncodePlanNextSetter, any, bool) {
			r, ok := value.(roomy)
			return &roomPlan{}, r.text, ok
		})
	return nil
}

type roomPlan struct {
	next pgtype.EncodePlan
}

func (p *roomPlan) SetNext(next pgtype.EncodePlan) { p.next = next }

func (p *roomPlan) Encode(value any, buf []byte) ([]byte, error) {
	r := value.(roomy)
	return p.next.Encode(r.text, slices.Grow(buf, r.bytes))
}
