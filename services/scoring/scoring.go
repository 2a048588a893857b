// Package scoring is ScoringService: which instruments there are, and scores without storing.
package scoring

import (
	"cmp"
	"context"
	"strings"

	"google.golang.org/protobuf/types/known/timestamppb"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
	"github.com/rapport-health/rapport/services/auth"
	"github.com/rapport-health/rapport/services/catalogue"
	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/domain/response"
	"github.com/rapport-health/rapport/services/domain/score"
	"github.com/rapport-health/rapport/services/fhir"
	"github.com/rapport-health/rapport/services/fhir/tree"
	"github.com/rapport-health/rapport/services/wire"
)

// maxBody is the largest response that is scored, in bytes.
const maxBody = 16 << 20

// Server answers ScoringService.
type Server struct {
	rapportv1.UnimplementedScoringServiceServer
	// Library scores.
	Library *catalogue.Library
	// Reader reads FHIR.
	Reader *fhir.Reader
	// Home is the source of what names none.
	Home ref.Source
}

// ListInstruments returns every instrument.
func (s *Server) ListInstruments(ctx context.Context, _ *rapportv1.ListInstrumentsRequest) (*rapportv1.ListInstrumentsResponse, error) {
	if _, err := auth.From(ctx); err != nil {
		return nil, wire.Error(err)
	}
	resp := &rapportv1.ListInstrumentsResponse{}
	for _, d := range s.Library.All() {
		resp.Instruments = append(resp.Instruments, wire.Instrument(d))
	}
	return resp, nil
}

// Score scores one response.
func (s *Server) Score(ctx context.Context, req *rapportv1.ScoreRequest) (*rapportv1.ScoreResponse, error) {
	p, err := auth.From(ctx)
	if err != nil {
		return nil, wire.Error(err)
	}
	var sheet *rapportv1.ScoreSheet
	switch r := req.GetResponse().(type) {
	case *rapportv1.ScoreRequest_QuestionnaireResponse:
		sheet, err = s.Response(ctx, Sent{p.Tenant, ref.Source(req.GetSource()), r.QuestionnaireResponse}, req.GetExplain())
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

// Sent is one QuestionnaireResponse, and whose words it speaks.
type Sent struct {
	// Tenant whose stored Questionnaires are meant.
	Tenant ref.Tenant
	// Source whose map is applied; empty is the home source.
	Source ref.Source
	// Body is the FHIR JSON.
	Body []byte
}

// Response scores one FHIR QuestionnaireResponse; explain adds how each score came about. What an EHR's form leaves
// unclear is told as issues of the sheet.
// Errors: Invalid for what is no QuestionnaireResponse, NotFound for an unknown questionnaire, Unprocessable for a
// response that breaks one of our own forms, Unavailable when the store is away.
func (s *Server) Response(ctx context.Context, sent Sent, explain bool) (*rapportv1.ScoreSheet, error) {
	out, reading, err := s.outcome(ctx, sent)
	if err != nil {
		return nil, err
	}
	sheet := sheetOf(out.Sheet, explain, append(reading.Issues, out.Issues...))
	sheet.Clinician = string(reading.Clinician)
	if at := reading.Draft.Authored; !at.IsZero() {
		sheet.Effective = timestamppb.New(at)
	}
	return sheet, nil
}

// Scored scores one FHIR QuestionnaireResponse of a tenant, in the words of the home source, as Response does, and
// returns the fact that would be taken from it, without id and source, and what was found wrong with it. A definition that
// is made of a Questionnaire is kept, so that it can be fetched.
// Errors: as Response, and Unprocessable when nothing can be taken from it.
func (s *Server) Scored(ctx context.Context, t ref.Tenant, body []byte) (fact.Fact, []fault.Issue, error) {
	out, reading, err := s.outcome(ctx, Sent{Tenant: t, Body: body})
	if err != nil {
		return fact.Fact{}, nil, err
	}
	if err := s.Library.Keep(ctx, t, out.Definition); err != nil {
		return fact.Fact{}, nil, err
	}
	scores := out.Scores
	if scores == nil {
		scores = fact.FromSheet(out.Sheet)
	}
	scored := fact.Fact{Kind: fact.KindScores, At: reading.Draft.Authored, Scores: scores}
	return scored, append(reading.Issues, out.Issues...), nil
}

// outcome reads and scores; the outcome has a definition, and the reading a draft.
func (s *Server) outcome(ctx context.Context, sent Sent) (catalogue.Outcome, fhir.Reading, error) {
	source := cmp.Or(sent.Source, s.Home)
	if !ref.ValidSource(string(source)) {
		return catalogue.Outcome{}, fhir.Reading{}, fault.New(fault.Invalid,
			fault.Errorf("value", "source", "a source has 1 to 64 letters, digits, dots or hyphens"))
	}
	doc, err := tree.Parse(sent.Body, tree.Limits{Bytes: maxBody})
	if err != nil {
		return catalogue.Outcome{}, fhir.Reading{}, err
	}
	if typ := doc.Root().Child("resourceType").Text(); typ != "QuestionnaireResponse" {
		return catalogue.Outcome{}, fhir.Reading{}, fault.New(fault.Invalid,
			fault.Errorf("invalid", "resourceType", "only a QuestionnaireResponse can be scored"))
	}
	reading, err := s.Reader.Read(doc, source)
	if err != nil {
		return catalogue.Outcome{}, reading, err
	}
	if reading.Draft == nil {
		return catalogue.Outcome{}, reading, fault.New(fault.Unprocessable, reading.Issues...)
	}
	shelf := s.Library.Open(sent.Tenant)
	defer shelf.Close()
	out, err := shelf.Score(ctx, catalogue.Case{Source: source, Doc: doc, Reading: &reading})
	if err == nil && out.Definition == nil {
		err = fault.New(fault.NotFound, out.Issues...)
	}
	return out, reading, err
}
