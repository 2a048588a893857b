package cds

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/rapport-health/rapport/services/domain/access"
	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/fhir"
	"github.com/rapport-health/rapport/services/store"
)

// override is a reason for which a card may be put aside, and what it says of the alert.
type override struct {
	code, display string
	verdict       alert.Verdict
}

// reasons in the order in which they are offered; api/fhir/codesystem/card-override.json defines them.
var reasons = []override{
	{"already-known", "I knew this already", alert.AlreadyKnown},
	{"plan-in-place", "There is a plan for this", alert.AlreadyKnown},
	{"not-relevant", "Not relevant to this patient now", alert.NotUseful},
	{"not-correct", "I do not think it is so", alert.NotUseful},
	{"patient-declined", "The patient does not want this", alert.NotUseful},
	{"not-my-patient", "Somebody else looks after this", alert.NotUseful},
}

// The reasons of a feedback that names none of ours.
const (
	reasonAccepted = "accepted"
	reasonOther    = "other"
	reasonNone     = "no-reason-given"
)

func overrides() []coding {
	out := make([]coding, len(reasons))
	for i, r := range reasons {
		out[i] = coding{System: fhir.SystemOverride, Code: r.code, Display: r.display}
	}
	return out
}

// said is what became of one card.
type said struct {
	Card     string `json:"card"`
	Outcome  string `json:"outcome"`
	Accepted []struct {
		ID string `json:"id"`
	} `json:"acceptedSuggestions"`
	Override *struct {
		Reason *coding `json:"reason"`
		Text   string  `json:"userComment"`
	} `json:"overrideReason"`
	At string `json:"outcomeTimestamp"`
}

const (
	// maxSaid bounds the outcomes of one request.
	maxSaid = 100
	// maxNote is the longest comment that is kept, in bytes.
	maxNote = 2000
)

// feedback takes what became of cards: all of the request, or nothing of it but what was taken when the store went away. The
// same feedback again has no further effect.
func (s *Server) feedback(r *http.Request) (any, error) {
	if _, err := serviceOf(r); err != nil {
		return nil, err
	}
	who, err := s.config.Caller(r)
	if err != nil {
		return nil, err
	}
	if lay(who) {
		return nil, fault.Newf(fault.Forbidden, "forbidden", "feedback is for the care team")
	}
	var q struct {
		Feedback []said `json:"feedback"`
	}
	if err := read(r, &q); err != nil {
		return nil, err
	}
	if err := checkSaid(q.Feedback); err != nil {
		return nil, err
	}
	var commands []alert.Command
	for _, one := range q.Feedback {
		commands = append(commands, one.commands(actor(who))...)
	}
	if err := s.known(r.Context(), who, commands); err != nil {
		return nil, err
	}
	for _, c := range commands {
		if _, err := s.config.Commands.Command(r.Context(), who.Tenant, c); err != nil {
			return nil, err
		}
	}
	return struct{}{}, nil
}

// actor is the person the token names, or else the client itself: feedback does not say who the user was.
func actor(who access.Principal) string {
	if who.Person != "" {
		return who.Person
	}
	if ref.ValidID(who.Name) {
		return "Device/" + who.Name
	}
	return "Device/" + ref.Digest("client", who.Name)
}

func checkSaid(all []said) error {
	var issues []fault.Issue
	wrong := func(bad bool, path, format string, args ...any) {
		if bad {
			issues = append(issues, fault.Errorf("value", path, format, args...))
		}
	}
	wrong(len(all) == 0 || len(all) > maxSaid, "feedback", "want 1 to %d outcomes of cards", maxSaid)
	for i, one := range all[:min(len(all), maxSaid)] {
		at := "feedback[" + strconv.Itoa(i) + "]."
		wrong(!instanceForm.MatchString(one.Card), at+"card", "want the uuid of a card")
		wrong(one.Outcome != "accepted" && one.Outcome != "overridden", at+"outcome", "want accepted or overridden")
		_, err := time.Parse(time.RFC3339, one.At)
		wrong(err != nil, at+"outcomeTimestamp", "want the moment, such as 2026-03-02T09:00:00Z")
		for j, suggestion := range one.Accepted {
			wrong(!one.offers(suggestion.ID), at+"acceptedSuggestions["+strconv.Itoa(j)+"].id", "that card has no such suggestion")
		}
	}
	if len(issues) > 0 {
		return fault.New(fault.Invalid, issues...)
	}
	return nil
}

// offers says whether the card offers a suggestion.
func (f said) offers(id string) bool {
	digest, ok := digestOf(f.Card)
	own, _ := uuidOf(suggestionID(digest))
	return ok && strings.EqualFold(own, id)
}

// commands are what an outcome says of the alert behind the card: a verdict, and the comment where there is one. Their keys
// tell the same outcome sent twice from two outcomes.
func (f said) commands(actor string) []alert.Command {
	id, _ := digestOf(f.Card) // it was checked
	verdict, reason := f.verdict()
	c := alert.Command{
		Alert: id, Verb: alert.Feedback, Actor: actor, Feedback: verdict, Reason: reason,
		Key: ref.Digest("cds", id, f.Outcome, reason, f.At),
	}
	if f.Override == nil || strings.TrimSpace(f.Override.Text) == "" {
		return []alert.Command{c}
	}
	note := f.Override.Text
	for len(note) > maxNote {
		_, size := utf8.DecodeLastRuneInString(note)
		note = note[:len(note)-size]
	}
	remark := alert.Command{
		Alert: id, Verb: alert.Comment, Actor: actor, Reason: reason, Note: note, Key: ref.Digest("cds-comment", id, reason, note, f.At),
	}
	return []alert.Command{c, remark}
}

// verdict is what an outcome says of the alert, and the code of why.
func (f said) verdict() (alert.Verdict, string) {
	if f.Outcome == "accepted" {
		return alert.Useful, reasonAccepted
	}
	if f.Override == nil || f.Override.Reason == nil || f.Override.Reason.Code == "" {
		return alert.NotUseful, reasonNone
	}
	named := *f.Override.Reason
	at := slices.IndexFunc(reasons, func(r override) bool {
		return r.code == named.Code && (named.System == "" || named.System == fhir.SystemOverride)
	})
	if at < 0 {
		return alert.NotUseful, reasonOther
	}
	return reasons[at].verdict, reasons[at].code
}

// known finds the alerts before anything is said of the first. Errors: NotFound.
func (s *Server) known(ctx context.Context, who access.Principal, commands []alert.Command) error {
	a := asked{who: who}
	return s.config.Store.View(a.ctx(ctx), who.Tenant, func(r store.Reader) error {
		for _, c := range commands {
			if _, err := r.Alert(c.Alert); err != nil {
				return err
			}
		}
		return nil
	})
}
