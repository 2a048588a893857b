// Package scoring is ScoringService: which instruments there are, and scores without storing.
package scoring

import (
	"cmp"
	"context"
	"strings"

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
	scored.Assumed = !strings.Contains(a.Instrument, "|")
	return sheetOf(fact.Fact{Scores: fact.FromSheet(scored)}, &scored, issues, explain), nil
}

// sheetOf is what was scored in protobuf.
func sheetOf(f fact.Fact, scored *score.Sheet, issues []fault.Issue, explain bool) *rapportv1.ScoreSheet {
	sheet := wire.Sheet(f)
	sheet.Issues = wire.Issues(issues)
	if explain {
		sheet.Workings = wire.Workings(scored)
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
	f, out, err := s.fact(ctx, sent)
	if err != nil {
		return nil, err
	}
	return sheetOf(f, &out.Sheet, out.Issues, explain), nil
}

// Scored scores one FHIR QuestionnaireResponse of a tenant, in the words of the home source, as Response does, and
// returns the fact that would be taken from it, without id and source, and what was found wrong with it. A definition that
// is made of a Questionnaire is kept, so that it can be fetched.
// Errors: as Response, and Unprocessable when nothing can be taken from it.
func (s *Server) Scored(ctx context.Context, t ref.Tenant, body []byte) (fact.Fact, []fault.Issue, error) {
	f, out, err := s.fact(ctx, Sent{Tenant: t, Body: body})
	return f, out.Issues, err
}

// fact is what a response comes to, with the issues of its reading before those of its scoring.
func (s *Server) fact(ctx context.Context, sent Sent) (fact.Fact, catalogue.Outcome, error) {
	source := cmp.Or(sent.Source, s.Home)
	if !ref.ValidSource(string(source)) {
		return fact.Fact{}, catalogue.Outcome{}, fault.New(fault.Invalid, fault.Errorf("value", "source", "a source has 1 to 64 letters, digits, dots or hyphens"))
	}
	doc, err := tree.Parse(sent.Body, tree.Limits{Bytes: maxBody})
	if err != nil {
		return fact.Fact{}, catalogue.Outcome{}, err
	}
	if typ := doc.Root().Child("resourceType").Text(); typ != "QuestionnaireResponse" {
		return fact.Fact{}, catalogue.Outcome{}, fault.New(fault.Invalid, fault.Errorf("invalid", "resourceType", "only a QuestionnaireResponse can be scored"))
	}
	shelf := s.Library.Open(sent.Tenant)
	defer shelf.Close()
	reading, err := s.Reader.Read(doc, source)
	read := catalogue.Case{Source: source, Doc: doc, Reading: &reading}
	if err != nil {
		return fact.Fact{}, catalogue.Outcome{}, shelf.Refuse(ctx, read, err)
	}
	if reading.Draft == nil {
		return fact.Fact{}, catalogue.Outcome{}, fault.New(fault.Unprocessable, reading.Issues...)
	}
	out, err := shelf.Score(ctx, read)
	if err != nil {
		return fact.Fact{}, catalogue.Outcome{}, err
	}
	if out.Definition == nil {
		return fact.Fact{}, catalogue.Outcome{}, fault.New(fault.NotFound, out.Issues...)
	}
	if err := s.Library.Keep(ctx, sent.Tenant, out.Definition); err != nil {
		return fact.Fact{}, catalogue.Outcome{}, err
	}
	scores := out.Scores
	if scores == nil {
		scores = fact.FromSheet(out.Sheet)
	}
	out.Issues = append(reading.Issues, out.Issues...)
	return fact.Fact{Kind: fact.KindScores, At: reading.Draft.Authored, Scores: scores}, out, nil
}
