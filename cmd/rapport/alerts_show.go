package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
)

// alertsShowCmd shows one alert.
type alertsShowCmd struct {
	connection
	outputFlag
	ID       string `arg:"" help:"Alert id."`
	Language string `help:"Wording in this language, such as de, where the rules have it." placeholder:"TAG" env:"-"`
}

// Help shows an example.
func (alertsShowCmd) Help() string {
	return "Example:\n  rapport alerts show 5k7… -o json"
}

// Run shows.
func (c alertsShowCmd) Run(ctx context.Context, s streams) error {
	conn, err := c.dial()
	if err != nil {
		return err
	}
	defer conn.Close()
	resp, err := rapportv1.NewAlertServiceClient(conn).GetAlert(ctx, &rapportv1.GetAlertRequest{Id: c.ID, Language: c.Language})
	if err != nil {
		return err
	}
	return showAlert(s, c.outputFlag, resp.GetAlert())
}

func showAlert(s streams, o outputFlag, a *rapportv1.Alert) error {
	if o.json() {
		return printProto(s.out, a)
	}
	fmt.Fprintf(s.out, "%s  %s, %s, version %d\n", a.GetId(), severityWord(a.GetSeverity()), statusWord(a.GetStatus()), a.GetVersion())
	fmt.Fprintf(s.out, "%s, %s\n\n", a.GetPatient(), a.GetEffective().AsTime().Format(time.DateTime))
	fmt.Fprintln(s.out, a.GetTitle())
	for _, line := range wrap(a.GetSeen(), width-2) {
		fmt.Fprintf(s.out, "  %s\n", line)
	}
	for _, line := range []struct{ label, text string }{
		{"Withheld", withheldWords(a)},
		{"Ask", a.GetQuestion()},
		{"Say", a.GetPhrase()},
		{"Proposed", proposalWords(a.GetProposal())},
		{"Why not raised", a.GetSuppressedBecause()},
		{"Waits for", a.GetWaitingBecause()},
		{"In hand", a.GetAssignee()},
		{"Next", next(a)},
		{"For", strings.Join(a.GetRoles(), ", ")},
		{"Told", recipientWords(a)},
		{"Still to take it", strings.Join(a.GetAwaitedRoles(), ", ")},
		{"Sent to", strings.Join(a.GetFeeds(), ", ")},
		{"Before", a.GetPrevious()},
		{"Rule", a.GetRule() + " " + a.GetRuleVersion()},
		{"Evidence", a.GetEvidence()},
		{"From", strings.Join(a.GetSources(), ", ")},
		{"Also in", strings.Join(a.GetLanguages(), ", ")},
	} {
		if strings.TrimSpace(line.text) == "" {
			continue
		}
		for n, text := range wrap(line.text, width-margin) {
			label := line.label
			if n > 0 {
				label = ""
			}
			fmt.Fprintf(s.out, "  %-15s %s\n", label, text)
		}
	}
	for _, n := range a.GetNumbers() {
		fmt.Fprintf(s.out, "  %-15s %s\n", "Number", numberWords(n))
	}
	for _, step := range a.GetHistory() {
		label, rest := stepWords(step)
		text := step.GetTime().AsTime().Format(time.DateTime) + " by " + step.GetActor() + rest
		for n, line := range wrap(text, width-margin) {
			if n > 0 {
				label = ""
			}
			fmt.Fprintf(s.out, "  %-15s %s\n", label, line)
		}
	}
	return nil
}

// stepWords are what a step did, and what to know of it.
func stepWords(step *rapportv1.AlertStep) (label, rest string) {
	label = statusWord(step.GetStatus())
	switch step.GetVerb() {
	case "comment", "feedback", "amend":
		label = step.GetVerb()
	case "escalate":
		label = "escalated"
	case "page-again", "wake":
		label = "told again"
	case "reassign":
		label = "reassigned"
	case "acknowledge":
		label = "acknowledged"
	}
	if step.GetTo() != "" {
		rest += " to " + step.GetTo()
	}
	rest += prefixed(" as ", step.GetRole())
	if step.GetUntil() != nil {
		rest += " until " + step.GetUntil().AsTime().Format(minute)
	}
	said := []string{verdictWord(step.GetVerdict()), step.GetReason(), step.GetText()}
	return label, rest + prefixed(": ", strings.Join(slices.DeleteFunc(said, func(s string) bool { return s == "" }), ", "))
}

// verdictWord is empty where there is none.
func verdictWord(v rapportv1.FeedbackVerdict) string {
	if v == rapportv1.FeedbackVerdict_FEEDBACK_VERDICT_UNSPECIFIED {
		return ""
	}
	return strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(v.String(), "FEEDBACK_VERDICT_")), "_", "-")
}

func withheldWords(a *rapportv1.Alert) string {
	if !a.GetWithheld() {
		return ""
	}
	return "what the patient said is not shown to the clinician it is about"
}

func proposalWords(p *rapportv1.Proposal) string {
	var words []string
	if p.GetText() != "" {
		words = append(words, p.GetText())
	}
	if how := strings.TrimSpace(p.GetModality()); how != "" {
		words = append(words, how)
	}
	if p.GetWithinDays() > 0 {
		words = append(words, "within "+plural(int(p.GetWithinDays()), "day"))
	}
	return strings.Join(words, "; ")
}

// recipientWords are who is told and why.
func recipientWords(a *rapportv1.Alert) string {
	var words []string
	for _, r := range a.GetRecipients() {
		as := r.GetRole()
		switch r.GetReason() {
		case "lead":
			as += ", who leads"
		case "assigned":
			as = strings.TrimPrefix(as+", handed to them", ", ")
		}
		words = append(words, r.GetPerson()+" ("+as+")")
	}
	if a.GetRouted() == "unassigned" {
		words = append(words, "nobody on the care team has the role: it is unassigned")
	}
	return strings.Join(words, ", ")
}

func numberWords(n *rapportv1.Number) string {
	text := fmt.Sprintf("%s %s%s", n.GetName(), decimal(n.GetValue()), unitWords(n.GetUnit()))
	if n.Reference != nil {
		text += fmt.Sprintf(" (against %s%s)", decimal(n.GetReference()), unitWords(n.GetUnit()))
	}
	return text + doubted(n.GetUnconfirmed())
}

// unitWords is a UCUM unit behind its number; an annotation such as {sessions} is its own word.
func unitWords(unit string) string { return prefixed(" ", strings.Trim(unit, "{}")) }
