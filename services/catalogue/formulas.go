package catalogue

import (
	"context"

	"github.com/rapport-health/rapport/services/domain/instrument"
	"github.com/rapport-health/rapport/services/fhir/tree"
)

// formulas are the expressions of one Questionnaire.
type formulas struct{}

func (c *Catalogue) expressions(n tree.Node, q *questionnaire) formulas { return formulas{} }

func (f formulas) used() bool { return false }

func (f formulas) enabled(ctx context.Context, body []byte) func(linkID string) (bool, error) {
	return nil
}

func (f formulas) scores(d *instrument.Definition) []instrument.Score { return nil }
