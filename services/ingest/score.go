package ingest

import (
	"context"

	"github.com/rapport-health/rapport/services/catalogue"
	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/instrument"
	"github.com/rapport-health/rapport/services/fhir"
	"github.com/rapport-health/rapport/services/fhir/tree"
)

// score turns the draft of a QuestionnaireResponse into one fact, or into reasons why there is none, and gives the
// definition that scored it; nil when none is known for the form. Errors: as catalogue.Shelf.Score.
func (i *Ingest) score(
	ctx context.Context, shelf *catalogue.Shelf, in *decision.Input, doc *tree.Doc, reading *fhir.Reading,
) (*instrument.Definition, error) {
	out, err := shelf.Score(ctx, catalogue.Case{Source: in.Record.Source, Doc: doc, Reading: reading})
	if err != nil {
		return nil, err
	}
	in.Record.Issues = append(in.Record.Issues, out.Issues...)
	if out.Scores != nil {
		in.Facts = append(in.Facts, fact.Fact{Kind: fact.KindScores, At: reading.Draft.Authored, Scores: out.Scores})
	}
	if out.Known != nil {
		in.Facts = append(in.Facts, fact.Fact{ID: "critical", Kind: fact.KindScores, At: reading.Draft.Authored, Scores: out.Known})
	}
	return out.Definition, nil
}
