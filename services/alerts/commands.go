package alerts

import (
	"context"
	"errors"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
	"github.com/rapport-health/rapport/services/auth"
	"github.com/rapport-health/rapport/services/domain/access"
	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/wire"
)

// Acknowledge takes an alert.
func (s *Server) Acknowledge(ctx context.Context, req *rapportv1.AcknowledgeRequest) (*rapportv1.AcknowledgeResponse, error) {
	after, err := s.command(ctx, alert.Command{
		Alert: req.GetId(), Verb: alert.Acknowledge, Version: req.GetVersion(), Actor: req.GetActor(), Role: req.GetRole(), Key: req.GetKey(),
	})
	return &rapportv1.AcknowledgeResponse{Alert: after}, err
}

// Snooze puts an alert off.
func (s *Server) Snooze(ctx context.Context, req *rapportv1.SnoozeRequest) (*rapportv1.SnoozeResponse, error) {
	until, err := moment(req.GetUntil(), "until")
	if err != nil {
		return nil, wire.Error(err)
	}
	after, err := s.command(ctx, alert.Command{
		Alert: req.GetId(), Verb: alert.Snooze, Version: req.GetVersion(), Actor: req.GetActor(), Until: until,
		Reason: req.GetReason(), Key: req.GetKey(),
	})
	return &rapportv1.SnoozeResponse{Alert: after}, err
}

// Resolve closes an alert with a reason.
func (s *Server) Resolve(ctx context.Context, req *rapportv1.ResolveRequest) (*rapportv1.ResolveResponse, error) {
	after, err := s.command(ctx, alert.Command{
		Alert: req.GetId(), Verb: alert.Resolve, Version: req.GetVersion(), Actor: req.GetActor(), Reason: req.GetReason(), Key: req.GetKey(),
	})
	return &rapportv1.ResolveResponse{Alert: after}, err
}

// Reassign gives an alert to somebody else.
func (s *Server) Reassign(ctx context.Context, req *rapportv1.ReassignRequest) (*rapportv1.ReassignResponse, error) {
	after, err := s.command(ctx, alert.Command{
		Alert: req.GetId(), Verb: alert.Reassign, Version: req.GetVersion(), Actor: req.GetActor(), To: req.GetTo(),
		Reason: req.GetReason(), Key: req.GetKey(),
	})
	return &rapportv1.ReassignResponse{Alert: after}, err
}

// Comment adds a remark.
func (s *Server) Comment(ctx context.Context, req *rapportv1.CommentRequest) (*rapportv1.CommentResponse, error) {
	after, err := s.command(ctx, alert.Command{
		Alert: req.GetId(), Verb: alert.Comment, Version: req.GetVersion(), Actor: req.GetActor(), Reason: req.GetCode(),
		Note: req.GetText(), Key: req.GetKey(),
	})
	return &rapportv1.CommentResponse{Alert: after}, err
}

// Feedback says what an alert was worth.
func (s *Server) Feedback(ctx context.Context, req *rapportv1.FeedbackRequest) (*rapportv1.FeedbackResponse, error) {
	after, err := s.command(ctx, alert.Command{
		Alert: req.GetId(), Verb: alert.Feedback, Version: req.GetVersion(), Actor: req.GetActor(),
		Feedback: wire.Feedback(req.GetVerdict()), Reason: req.GetReason(), Key: req.GetKey(),
	})
	return &rapportv1.FeedbackResponse{Alert: after}, err
}

// command takes a step for a principal and tells them the alert afterwards.
func (s *Server) command(ctx context.Context, c alert.Command) (*rapportv1.Alert, error) {
	p, err := auth.From(ctx)
	if err != nil {
		return nil, wire.Error(err)
	}
	if c, err = s.prepare(ctx, p, c); err != nil {
		return nil, wire.Error(err)
	}
	after, err := s.Group.Command(ctx, p.Tenant, c)
	if err != nil {
		return nil, wire.Error(named(c.Verb, err))
	}
	told, err := tell(p, after, "")
	return told, wire.Error(err)
}

// prepare says who acts and in which role: one in which they are told, or that of their token. Errors: Forbidden when they
// may not; NotFound when there is no such alert.
func (s *Server) prepare(ctx context.Context, p access.Principal, c alert.Command) (alert.Command, error) {
	if c.Actor == "" {
		c.Actor = p.Person
	}
	if lay(p) || p.Person != "" && c.Actor != p.Person {
		return c, fault.New(fault.Forbidden, fault.Errorf("forbidden", "actor", "the caller may not act for this person"))
	}
	a, err := s.read(ctx, p, c.Alert)
	if err != nil {
		return c, err
	}
	remark := c.Verb == alert.Comment || c.Verb == alert.Feedback
	if a.Rated != "" && !remark && (c.Actor == a.Rated || c.To == a.Rated) {
		return c, fault.Newf(fault.Forbidden, "forbidden", "this alert is for somebody else: the patient's rating of a clinician is not theirs to handle")
	}
	switch {
	case c.Verb != alert.Acknowledge:
	case c.Role == "":
		c.Role = roleOf(a, p, c)
	case !a.Tells(c.Actor, c.Role) && c.Role != alert.Role(p.Role):
		return c, fault.New(fault.Forbidden, fault.Errorf("forbidden", "role",
			"%s is neither told of this alert as %s nor has that role by their token: leave the role out", c.Actor, c.Role))
	}
	return c, nil
}

// roleOf is the role in which somebody takes an alert without saying so: the one in which they are told, or else their
// own. A command that is sent again is taken in the role of the first time.
func roleOf(a alert.Alert, p access.Principal, c alert.Command) string {
	for _, step := range a.History {
		if c.Key != "" && step.Key == c.Key && step.Actor == c.Actor {
			return step.Role
		}
	}
	for _, r := range a.Recipients {
		if r.Person == c.Actor {
			return r.Role
		}
	}
	return alert.Role(p.Role)
}

// fields are what the contract calls the parts of a command, where it is something else.
var fields = map[alert.Verb]map[string]string{
	alert.Comment:  {"reason": "code", "note": "text"},
	alert.Feedback: {"feedback": "verdict"},
}

// named has the issues name the fields of the contract.
func named(verb alert.Verb, err error) error {
	var f *fault.Fault
	if !errors.As(err, &f) || len(fields[verb]) == 0 {
		return err
	}
	issues := make([]fault.Issue, len(f.Issues))
	for i, issue := range f.Issues {
		if field, ok := fields[verb][issue.Path]; ok {
			issue.Path = field
		}
		issues[i] = issue
	}
	return fault.New(f.Kind, issues...)
}
