// Package scoring is ScoringService: which instruments there are, and scores without storing.
package scoring

import (
	"context"
	"strings"

	"google.golang.org/protobuf/types/known/timestamppb"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
	"github.com/rapport-health/rapport/services/auth"
	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/instrument"
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
		sheet, err = s.Response(r.QuestionnaireResponse, req.GetExplain())
	case *rapportv1.ScoreRequest_Answers:
		sheet, err = s.Answers(Answered{
			Instrument: r.Answers.GetInstrument(), Ordinals: ordinals(r.Answers.GetAnswers()), Variant: r.Answers.GetVariant(),
		}, req.GetExplain())
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

// Answered are plain answers to an instrument.
type Answered struct {
	// Instrument id.
	Instrument string
	// Ordinals in the order of the printed form; nil is unanswered.
	Ordinals []*float64
	// Variant in which they are numbered; empty for the instrument's own.
	Variant string
}

// Answers scores plain ordinals; explain adds how each score came about.
// Errors: NotFound for an unknown instrument, Invalid for ordinals or a variant that cannot be.
func (s *Server) Answers(a Answered, explain bool) (*rapportv1.ScoreSheet, error) {
	definition, err := s.lookup(a.Instrument)
	if err != nil {
		return nil, err
	}
	answered, issues := response.FromOrdinals(definition, a.Ordinals, a.Variant)
	if fault.Any(issues) {
		return nil, fault.New(fault.Invalid, issues...)
	}
	scored := score.Score(definition, answered)
	scored.Assumed = !versioned(a.Instrument)
	return sheetOf(scored, explain, issues), nil
}

// versioned says whether a name of an instrument names a version of it.
func versioned(name string) bool { return strings.Contains(name, "|") }

// sheetOf is what was scored as a sheet in protobuf.
func sheetOf(scored score.Sheet, explain bool, issues []fault.Issue) *rapportv1.ScoreSheet {
	sheet := wire.Sheet(fact.Fact{Scores: fact.FromSheet(scored)})
	sheet.Issues = wire.Issues(issues)
	if explain {
		sheet.Workings = wire.Workings(&scored)
	}
	return sheet
}

// Response scores one FHIR QuestionnaireResponse; explain adds how each score came about. What an EHR's form leaves
// unclear is told as issues of the sheet.
// Errors: Invalid for what is no QuestionnaireResponse, NotFound for an unknown questionnaire.
func (s *Server) Response(body []byte, explain bool) (*rapportv1.ScoreSheet, error) {
	doc, err := tree.Parse(body, tree.Limits{Bytes: maxBody})
	if err != nil {
		return nil, err
	}
	if typ := doc.Root().Child("resourceType").Text(); typ != "QuestionnaireResponse" {
		return nil, fault.New(fault.Invalid, fault.Errorf("invalid", "resourceType", "only a QuestionnaireResponse can be scored"))
	}
	reading, err := s.Reader.Read(doc, dryRun)
	if err != nil {
		return nil, err
	}
	if reading.Draft == nil {
		return nil, fault.New(fault.Unprocessable, reading.Issues...)
	}
	definition, err := s.Instruments.Lookup(reading.Draft.Questionnaire)
	if err != nil {
		return nil, err
	}
	answered, issues := response.Bind(definition, *reading.Draft)
	scored := score.Score(definition, answered).By(reading.Respondent)
	scored.Assumed = !versioned(reading.Draft.Questionnaire)
	sheet := sheetOf(scored, explain, append(reading.Issues, issues...))
	sheet.Clinician = string(reading.Clinician)
	if at := reading.Draft.Authored; !at.IsZero() {
		sheet.Effective = timestamppb.New(at)
	}
	return sheet, nil
}
