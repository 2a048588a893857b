// Package scoring is ScoringService: which instruments there are, and scores without storing.
package scoring

import (
	"context"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
	"github.com/rapport-health/rapport/services/auth"
	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/instrument"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/domain/response"
	"github.com/rapport-health/rapport/services/domain/score"
	"github.com/rapport-health/rapport/services/fhir"
	"github.com/rapport-health/rapport/services/fhir/tree"
	"github.com/rapport-health/rapport/services/wire"
)

// maxBody is the largest response that is scored, in bytes.
const maxBody = 16 << 20

// dryRun is the source of what is only scored: its references are read and forgotten.
const dryRun = "score"

// Server answers ScoringService.
type Server struct {
	rapportv1.UnimplementedScoringServiceServer
	// Instruments score.
	Instruments *instrument.Registry
	// Reader reads FHIR.
	Reader *fhir.Reader
}

// ListInstruments returns every instrument.
func (s *Server) ListInstruments(ctx context.Context, _ *rapportv1.ListInstrumentsRequest) (*rapportv1.ListInstrumentsResponse, error) {
	if _, err := auth.From(ctx); err != nil {
		return nil, wire.Error(err)
	}
	resp := &rapportv1.ListInstrumentsResponse{}
	for _, d := range s.Instruments.All() {
		resp.Instruments = append(resp.Instruments, wire.Instrument(d))
	}
	return resp, nil
}

// Score scores one response.
func (s *Server) Score(ctx context.Context, req *rapportv1.ScoreRequest) (*rapportv1.ScoreResponse, error) {
	if _, err := auth.From(ctx); err != nil {
		return nil, wire.Error(err)
	}
	var sheet *rapportv1.ScoreSheet
	var err error
	switch r := req.GetResponse().(type) {
	case *rapportv1.ScoreRequest_QuestionnaireResponse:
		sheet, err = s.Response(r.QuestionnaireResponse)
	case *rapportv1.ScoreRequest_Answers:
		sheet, err = s.Answers(r.Answers.GetInstrument(), ordinals(r.Answers.GetAnswers()))
	default:
		err = fault.New(fault.Invalid, fault.Errorf("required", "response", "send a questionnaire_response or answers"))
	}
	if err != nil {
		return nil, wire.Error(err)
	}
	return &rapportv1.ScoreResponse{Sheet: sheet}, nil
}

func ordinals(answers []*rapportv1.Answer) []*float64 {
	out := make([]*float64, len(answers))
	for n, a := range answers {
		out[n] = a.Value
	}
	return out
}

// Answers scores plain ordinals in the order of the printed form; nil is unanswered.
// Errors: NotFound for an unknown instrument, Invalid for ordinals that cannot be.
func (s *Server) Answers(id string, answers []*float64) (*rapportv1.ScoreSheet, error) {
	definition, err := s.Instruments.Lookup(id)
	if err != nil {
		return nil, err
	}
	answered, issues := response.FromOrdinals(definition, answers, "")
	if fault.Any(issues) {
		return nil, fault.New(fault.Invalid, issues...)
	}
	sheet := wire.Sheet(fact.Fact{Scores: fact.FromSheet(score.Score(definition, answered))})
	sheet.Issues = wire.Issues(issues)
	return sheet, nil
}

// Response scores one FHIR QuestionnaireResponse. What an EHR's form leaves unclear is told as issues of the sheet.
// Errors: Invalid for what is no QuestionnaireResponse, NotFound for an unknown questionnaire.
func (s *Server) Response(body []byte) (*rapportv1.ScoreSheet, error) {
	scored, issues, err := s.fact(body)
	if err != nil {
		return nil, err
	}
	sheet := wire.Sheet(scored)
	sheet.Issues = wire.Issues(issues)
	return sheet, nil
}

// Scored scores one FHIR QuestionnaireResponse of a tenant, as Response does, and returns the fact that would be taken
// from it, without id and source, and what was found wrong with it.
// Errors: as Response, and Unprocessable when nothing can be taken from it.
func (s *Server) Scored(_ context.Context, _ ref.Tenant, body []byte) (fact.Fact, []fault.Issue, error) {
	return s.fact(body)
}

func (s *Server) fact(body []byte) (fact.Fact, []fault.Issue, error) {
	doc, err := tree.Parse(body, tree.Limits{Bytes: maxBody})
	if err != nil {
		return fact.Fact{}, nil, err
	}
	if typ := doc.Root().Child("resourceType").Text(); typ != "QuestionnaireResponse" {
		return fact.Fact{}, nil, fault.New(fault.Invalid, fault.Errorf("invalid", "resourceType", "only a QuestionnaireResponse can be scored"))
	}
	reading, err := s.Reader.Read(doc, dryRun)
	if err != nil {
		return fact.Fact{}, nil, err
	}
	if reading.Draft == nil {
		return fact.Fact{}, nil, fault.New(fault.Unprocessable, reading.Issues...)
	}
	definition, err := s.Instruments.Lookup(reading.Draft.Questionnaire)
	if err != nil {
		return fact.Fact{}, nil, err
	}
	answered, issues := response.Bind(definition, *reading.Draft)
	scores := fact.FromSheet(score.Score(definition, answered).By(reading.Respondent))
	scores.Clinician, scores.Encounter = reading.Clinician, reading.Encounter
	scored := fact.Fact{Kind: fact.KindScores, At: reading.Draft.Authored, Scores: scores}
	return scored, append(reading.Issues, issues...), nil
}
