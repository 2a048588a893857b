package ingest

import (
	"context"

	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/fault"
)

// Check reads a submission of one resource as Accept does, stores nothing, and says what was found. What is known only of
// what is stored is left out. Errors: why it would be refused; Unavailable when the store is away.
func (i *Ingest) Check(ctx context.Context, s decision.Submission) ([]fault.Issue, error) {
	shelf := i.Library.Open(s.Tenant)
	defer shelf.Close()
	p, err := i.inTurn(ctx, shelf, s)
	if err != nil {
		return nil, err
	}
	for _, known := range p.entries {
		if known != nil {
			return nil, fault.New(known.Kind, known.Issues...)
		}
	}
	var issues []fault.Issue
	for n := range p.inputs {
		issues = append(issues, p.inputs[n].Record.Issues...)
	}
	return issues, nil
}
