package scoring

import (
	"context"
	"math"
	"strings"
	"time"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
	"github.com/rapport-health/rapport/services/auth"
	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/instrument"
	"github.com/rapport-health/rapport/services/domain/trend"
	"github.com/rapport-health/rapport/services/wire"
)

// Change says what the difference between two values of one score amounts to.
func (s *Server) Change(ctx context.Context, req *rapportv1.ChangeRequest) (*rapportv1.ChangeResponse, error) {
	if _, err := auth.From(ctx); err != nil {
		return nil, wire.Error(err)
	}
	resp, err := s.Compare(req)
	if err != nil {
		return nil, wire.Error(err)
	}
	return resp, nil
}

// Compare is Change without a connection. A standard error that is not given is taken from the instrument's table.
// Errors: NotFound for an unknown instrument or score, Invalid for values that the score cannot have.
func (s *Server) Compare(req *rapportv1.ChangeRequest) (*rapportv1.ChangeResponse, error) {
	def, err := s.lookup(req.GetInstrument())
	if err != nil {
		return nil, err
	}
	key, err := scoreOf(def, req.GetScore())
	if err != nil {
		return nil, err
	}
	before, wrong := value(def, key, "from", req.GetFrom(), req.FromSe)
	after, alsoWrong := value(def, key, "to", req.GetTo(), req.ToSe)
	if issues := append(wrong, alsoWrong...); len(issues) > 0 {
		return nil, fault.New(fault.Invalid, issues...)
	}
	yardstick := trend.Measure(before)
	from, to := trend.Read(time.Time{}, before), trend.Read(time.Time{}, after)
	verdict := yardstick.Compare(from, to)
	if sem := key.ErrorOfMeasurement(); sem != nil {
		verdict.Index = trend.Index(from.Value, to.Value, *sem, *sem, yardstick.HigherBetter)
	}
	resp := &rapportv1.ChangeResponse{
		Verdict: wire.Verdict(verdict, from, to), Statistics: wire.Statistics(yardstick),
		Version: def.Version, DefinitionHash: def.Hash, RestsOn: restsOn(def, key), Issues: wire.Issues(gaps(key, from, to)),
	}
	if key.BySE() {
		resp.FromSe, resp.ToSe = from.SE, to.SE
	}
	return resp, nil
}

// scoreOf finds a score by its code. The error names those that there are.
func scoreOf(def *instrument.Definition, code string) (*instrument.Score, error) {
	if key := def.Score(code); key != nil {
		return key, nil
	}
	var codes []string
	for i := range def.Scores {
		codes = append(codes, def.Scores[i].Code)
	}
	return nil, fault.New(fault.NotFound, fault.Errorf("not-found", "score", "%s has no such score: it has %s", def.ID, strings.Join(codes, ", ")))
}

// value is one of the two values as a ready-made score, with its standard error where one is known.
func value(def *instrument.Definition, key *instrument.Score, name string, x float64, se *float64) (fact.Score, []fault.Issue) {
	scores, ok := fact.External(def, key.Code, x, "")
	if !ok {
		return fact.Score{}, []fault.Issue{beyond(def, key, name)}
	}
	if se != nil && !(*se > 0 && !math.IsInf(*se, 0)) {
		return fact.Score{}, []fault.Issue{fault.Errorf("value", name+"_se", "a standard error is above 0")}
	}
	s := scores.Scores[0]
	if s.SE = se; se == nil {
		s.SE = key.ErrorAt(x)
	}
	return s, nil
}

// beyond says that a value is none of the score.
func beyond(def *instrument.Definition, key *instrument.Score, path string) fault.Issue {
	low, high := key.Reach()
	return fault.Errorf("value", path, "%s %s goes from %s to %s", def.ID, key.Code, instrument.Decimal(low), instrument.Decimal(high))
}

// gaps say what kept a verdict from being given, and what was not needed.
func gaps(key *instrument.Score, from, to trend.Reading) []fault.Issue {
	var issues []fault.Issue
	for _, r := range []struct {
		name string
		trend.Reading
	}{{"from", from}, {"to", to}} {
		switch {
		case key.BySE() && r.SE == nil:
			issues = append(issues, fault.Warnf("not-found", r.name,
				"the conversion table has no such value, so its standard error is not known: whether the change is reliable cannot be said"))
		case !key.BySE() && r.SE != nil:
			issues = append(issues, fault.Infof("not-supported", r.name+"_se", "changes of this score are not judged by standard errors: not used"))
		}
	}
	if key.Bands != nil && (from.Band == "" || to.Band == "") {
		issues = append(issues, fault.Infof("not-found", "score", "the bands of this score depend on another one too: they cannot be compared"))
	}
	return issues
}

// restsOn are the change statistics, and the bands, with their evidence.
func restsOn(def *instrument.Definition, key *instrument.Score) []*rapportv1.Backing {
	out := []*rapportv1.Backing{wire.Backing("key", key.Evidence)}
	if def.Status == instrument.Provisional {
		out = append(out, wire.Backing("instrument", "unconfirmed: provisional, its key or bands are not confirmed"))
	}
	if key.Bands != nil {
		out = append(out, wire.Backing("bands", key.Bands.Evidence))
	}
	if key.Change == nil {
		return out
	}
	if r := key.Change.Reliable; r != nil {
		out = append(out, wire.Backing("reliable change", r.Evidence))
	}
	if i := key.Change.Important; i != nil {
		out = append(out, wire.Backing("minimal important change", i.Evidence))
	}
	if c := key.Change.Cutoff; c != nil {
		out = append(out, wire.Backing("clinical cut-off", c.Evidence))
	}
	return out
}
