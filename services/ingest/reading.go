package ingest

import (
	"context"

	"github.com/rapport-health/rapport/services/domain/decision"
)

// Reading is one submission as read, before anything is looked up or stored.
type Reading struct {
	// Inputs to judge, in order: one of a resource, those of its entries of a Bundle.
	Inputs []decision.Input
	// Together says that they stand or fall together.
	Together bool
	// Refused are the receipts of what could not be read; it has no input.
	Refused []decision.Receipt
}

// Read reads a submission as Accept does, for who judges without a store. Of the config it uses Reader, Library, Namer,
// Now and Log; a Questionnaire that is sent is not remembered. It never panics. Errors: those of the Library's store.
func Read(ctx context.Context, c Config, s decision.Submission) (Reading, error) {
	shelf := c.Library.Open(s.Tenant)
	defer shelf.Close()
	p, err := (&Ingest{Config: c}).prepare(ctx, shelf, s)
	if err != nil {
		return Reading{}, err
	}
	r := Reading{Inputs: p.inputs, Together: p.atomic}
	for _, known := range p.entries {
		if known != nil {
			r.Refused = append(r.Refused, *known)
		}
	}
	return r, nil
}
