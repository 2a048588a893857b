package alert

import (
	"regexp"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/ref"
)

// Verb is what a command asks of an alert.
type Verb string

// The verbs of people.
const (
	// Acknowledge takes it. Where each role has to, it takes it for the role of the actor.
	Acknowledge Verb = "acknowledge"
	// Snooze puts it off until a moment.
	Snooze Verb = "snooze"
	// Resolve closes it with a reason.
	Resolve Verb = "resolve"
	// Reassign hands it to somebody. Whoever had acknowledged it has it no longer, and the ladder begins anew.
	Reassign Verb = "reassign"
	// Comment remarks on it.
	Comment Verb = "comment"
	// Feedback says whether it was of use.
	Feedback Verb = "feedback"
)

// The verbs of the service itself.
const (
	// Release tells one that waited, or one whose suppression has lost its ground.
	Release Verb = "open"
	// Withhold makes one wait whose suppression has lost its ground at an hour at which it is not told.
	Withhold Verb = "withhold"
	// Lapse ends the waiting of one whose condition ceased to hold.
	Lapse Verb = "lapse"
	// Escalate takes the next steps of the ladder.
	Escalate Verb = "escalate"
	// Wake tells again one that was put off.
	Wake Verb = "wake"
	// PageAgain tells again one whose acknowledgement timed out, or that nobody took although all its ladder was told.
	PageAgain Verb = "page-again"
	// Absorb makes it give way to a more urgent one of the same cause.
	Absorb Verb = "absorb"
	// Retract takes it back because its facts were corrected.
	Retract Verb = "retract"
	// Amend notes that its facts were corrected and that it is still true.
	Amend Verb = "amend"
)

// Service is the actor of steps that nobody asked for.
const Service = "rapport"

// ByService says whether only the service itself takes such a step.
func (v Verb) ByService() bool {
	switch v {
	case Release, Withhold, Lapse, Escalate, Wake, PageAgain, Absorb, Retract, Amend:
		return true
	}
	return false
}

// Command asks for one step.
type Command struct {
	// Alert it is for.
	Alert string
	// Verb is what to do.
	Verb Verb
	// Version that the caller has seen. What the service did since because of time alone, and remarks since, do not
	// stand in its way. Comment and Feedback may leave it 0.
	Version int64
	// Actor asks: a reference such as `Practitioner/p1`, or Service.
	Actor string
	// Role in which the actor acts, as care teams name it; needed to acknowledge where each role has to.
	Role string
	// Reason is a code such as `contacted`. Resolve, Withhold, Lapse, Absorb and Retract need one; others may have one.
	Reason string
	// To is whom Reassign hands it to: a `Practitioner/p2`, a `PractitionerRole/r2` or a `CareTeam/t2`.
	To string
	// Until is when Withhold or Snooze ends: after At, and a Snooze by at most SnoozeMost, or SnoozeUrgent
	// where nothing may hold it back.
	Until time.Time
	// Note is the text of a Comment, of at most 2,000 bytes. A comment has a Reason, or a text, or both.
	Note string
	// Feedback is what Feedback says.
	Feedback Verdict
	// Key makes the command idempotent: the same command of the same actor again is answered with the alert as it is.
	Key string
	// By is the alert that Absorb and Lapse make it give way to; empty when there is none.
	By string
	// At is when, by the injected clock.
	At time.Time
}

// Bounds of a snooze. They are our own decision.
const (
	// SnoozeMost is the longest one.
	SnoozeMost = 30 * 24 * time.Hour
	// SnoozeUrgent is the longest one of a critical or a safety alert.
	SnoozeUrgent = 24 * time.Hour
)

const (
	// maxKey is the longest idempotency key, in bytes.
	maxKey = 128
	// maxNote is the longest text of a comment, in bytes.
	maxNote = 2000
	// maxRemarks bounds the comments, and the feedback, on one alert.
	maxRemarks = 200
)

// What goes into the feeds is a reference and a code: free text could name a patient.
var (
	actorForm  = regexp.MustCompile(`^[A-Z][A-Za-z]{1,63}/[A-Za-z0-9\-.]{1,64}$`)
	takerForm  = regexp.MustCompile(`^(Practitioner|PractitionerRole|CareTeam)/[A-Za-z0-9\-.]{1,64}$`)
	reasonForm = regexp.MustCompile(`^[a-z][a-z0-9-]{0,63}$`)
)

// check finds what is wrong with a command whatever the alert.
func (c Command) check() error {
	var issues []fault.Issue
	wrong := func(bad bool, field, format string, args ...any) {
		if bad {
			issues = append(issues, fault.Errorf("value", field, format, args...))
		}
	}
	_, known := transitions[c.Verb]
	wrong(!known, "verb", "there is no such command")
	if c.Verb.ByService() {
		wrong(c.Actor != Service, "actor", "only the service itself does this")
	} else {
		wrong(!actorForm.MatchString(c.Actor), "actor", "say who, as a reference such as Practitioner/p1")
	}
	wrong(c.reasoned() && !reasonForm.MatchString(c.Reason), "reason",
		"say why, as a code of small letters, digits and hyphens such as contacted or already-known")
	wrong(c.Role != "" && !reasonForm.MatchString(c.Role), "role", "a role is a code such as physician")
	wrong(c.Verb == Reassign && !takerForm.MatchString(c.To), "to", "say to whom: a Practitioner, a PractitionerRole or a CareTeam, such as Practitioner/p2")
	wrong((c.Verb == Snooze || c.Verb == Withhold) && !c.Until.After(c.At), "until", "say until when, as a moment that is still to come")
	wrong(len(c.Key) > maxKey, "key", "an idempotency key has %d bytes at most", maxKey)
	if c.Verb == Comment {
		wrong(c.Reason == "" && c.Note == "", "note", "a comment has a code or a text")
		wrong(len(c.Note) > maxNote || !utf8.ValidString(c.Note), "note", "a text in UTF-8 of %d bytes at most", maxNote)
	}
	wrong(c.Verb == Feedback && c.Feedback != Useful && c.Feedback != NotUseful && c.Feedback != AlreadyKnown, "feedback",
		"say useful, not-useful or already-known")
	if len(issues) > 0 {
		return fault.New(fault.Invalid, issues...)
	}
	return nil
}

// reasoned says whether the reason of a command has to be a code: where one is needed, and wherever one is given.
func (c Command) reasoned() bool {
	switch c.Verb {
	case Resolve, Retract, Lapse, Absorb, Withhold:
		return true
	}
	return c.Reason != ""
}

// digest is the same for the same wish, whatever version it was seen at and whenever it was sent.
func (c Command) digest() string {
	until := ""
	if !c.Until.IsZero() {
		until = strconv.FormatInt(c.Until.UnixMicro(), 10)
	}
	return ref.Digest("command", string(c.Verb), c.Role, c.Reason, c.To, until, c.Note, string(c.Feedback))
}
