package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
)

// explainCmd shows an episode.
type explainCmd struct {
	connection
	outputFlag
	Patient string `arg:"" help:"Patient id, such as p1 or Patient/p1; with --alert an alert's id."`
	AsOf    string `name:"as-of" placeholder:"DATE" help:"As it was known at the end of this day (2026-03-31) or at this moment (RFC 3339); where all was recorded later, as it had gone by then." env:"-"`
	Scores  int32  `default:"5" help:"How many score sheets to show (${default}); 0 for none." env:"-"`
	Why     bool   `help:"Show what each reason and each alert rests on, by which rule, and what happened to it." xor:"form" env:"-"`
	Alert   bool   `help:"Show that of one alert, named by its id." xor:"form" env:"-"`
	Watch   bool   `help:"Show the state again whenever it changes, until interrupted." xor:"form" env:"-"`
	Max     int    `help:"With --watch, stop after this many states; 0 goes on until interrupted (${default})." default:"0" env:"-"`
}

// Help shows examples.
func (explainCmd) Help() string {
	return "Examples:\n  rapport explain p1\n  rapport explain p1 --as-of 2026-03-31\n  rapport explain Patient/p1 -o json\n" +
		"  rapport explain p1 --why\n  rapport explain 5k7… --alert\n  rapport explain p1 --watch"
}

// Validate refuses what cannot be.
func (c explainCmd) Validate() error {
	switch {
	case c.AsOf != "" && (c.Why || c.Alert || c.Watch):
		return errors.New("--as-of shows the state of an earlier day: it goes without --why, --alert and --watch")
	case c.Max < 0:
		return fmt.Errorf("--max %d: want 0 or more", c.Max)
	}
	return nil
}

// Run shows.
func (c explainCmd) Run(ctx context.Context, s streams) error {
	req := &rapportv1.GetEpisodeRequest{Patient: c.Patient}
	if c.AsOf != "" {
		at, err := moment(c.AsOf)
		if err != nil {
			return usageError{err}
		}
		req.AsOf = timestamppb.New(at)
	}
	conn, err := c.dial()
	if err != nil {
		return err
	}
	defer conn.Close()
	switch {
	case c.Why, c.Alert:
		return c.why(ctx, s, conn)
	case c.Watch:
		return c.watch(ctx, s, conn)
	}
	client := rapportv1.NewOutcomeServiceClient(conn)
	resp, err := client.GetEpisode(ctx, req)
	if err != nil {
		return err
	}
	if c.json() {
		return printProto(s.out, resp.GetEpisode())
	}
	var sheets []*rapportv1.ScoreSheet
	if c.Scores > 0 && req.AsOf == nil {
		scores, err := client.ListScores(ctx, &rapportv1.ListScoresRequest{Patient: c.Patient, PageSize: c.Scores})
		if err != nil {
			return err
		}
		sheets = scores.GetSheets()
	}
	episode := resp.GetEpisode()
	if req.AsOf == nil {
		handled, err := rapportv1.NewAlertServiceClient(conn).ListAlerts(ctx, &rapportv1.ListAlertsRequest{
			Patient: c.Patient, PageSize: handledShown, Statuses: []rapportv1.AlertStatus{rapportv1.AlertStatus_ALERT_STATUS_RESOLVED},
		})
		if err != nil {
			return err
		}
		episode.Alerts = append(episode.Alerts, handled.GetAlerts()...)
	}
	writeEpisode(s.out, episode, sheets)
	return nil
}

// handledShown is how many resolved alerts are shown below those that still want somebody.
const handledShown = 3

func moment(text string) (time.Time, error) {
	if day, err := time.Parse(time.DateOnly, text); err == nil {
		return day.AddDate(0, 0, 1).Add(-time.Microsecond), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return at, fmt.Errorf("--as-of %q: want 2026-03-31 or 2026-03-31T12:00:00Z", text)
	}
	return at, nil
}

func writeEpisode(w io.Writer, e *rapportv1.Episode, sheets []*rapportv1.ScoreSheet) {
	fmt.Fprintf(w, "%s  %s\n", e.GetPatient(), strings.ToUpper(e.GetView()))
	writeReasons(w, e)
	fmt.Fprintf(w, "  %d facts, the last of %s", e.GetFacts(), day(e.GetLastFact()))
	if e.GetDeadline() != nil {
		fmt.Fprintf(w, "; looked at again on %s", day(e.GetDeadline()))
	}
	fmt.Fprintln(w)
	writeCourse(w, e)
	writeAlerts(w, e.GetAlerts())
	writeAlliance(w, e)
	writeDistress(w, e.GetDistress())
	writeAdherence(w, e.GetAdherence())
	writeVisits(w, e.GetAttendance())
	writeMilestones(w, e.GetMilestones())
	writeFunction(w, e.GetFunction())
	writeEngagement(w, e.GetEngagement())
	writeMonitoring(w, e.GetMonitoring())
	writeTrajectories(w, e.GetTrajectories())
	for _, sheet := range sheets {
		fmt.Fprintln(w)
		writeSheet(w, sheet)
	}
}

// writeReasons prints why the view is what it is, with the number where the words leave it open.
func writeReasons(w io.Writer, e *rapportv1.Episode) {
	for n, reason := range e.GetReasons() {
		number := ""
		if n < len(e.GetWhy()) {
			if form := reasonNumbers[e.GetWhy()[n].GetCode()]; form != "" {
				number = fmt.Sprintf(": "+form, tenths(e.GetWhy()[n].GetValue()))
			}
		}
		fmt.Fprintf(w, "  because %s%s\n", reason, number)
	}
}

// reasonNumbers are the numbers behind reasons whose words do not hold them.
var reasonNumbers = map[string]string{
	"phq-9-item-9": "answered %s", "phq-9": "%s of 27", "srs": "%s of 40", "pcs": "%s of 52", "tsk-11": "%s of 44",
	"drop-out": "%s points", "adherence-low": "%s %%", "adherence-borderline": "%s %%", "missed-visits": "%s", "silence": "%s days",
	"weak-link": "%s points per item",
}

func day(t *timestamppb.Timestamp) string { return t.AsTime().Format(time.DateOnly) }

func writeDistress(w io.Writer, parts []*rapportv1.DistressPart) {
	fmt.Fprintln(w, "\nDistress")
	for _, p := range parts {
		if p.Value == nil {
			fmt.Fprintf(w, "  %-18s missing\n", p.GetPart())
			continue
		}
		fmt.Fprintf(w, "  %-18s %-9s %s %s on %s", p.GetPart(), p.GetLevel(), p.GetInstrument(), decimal(p.GetValue()), day(p.GetMeasured()))
		if p.GetChange() != "" {
			fmt.Fprintf(w, ", from %s: %s", decimal(p.GetBaseline()), p.GetChange())
		}
		fmt.Fprint(w, doubted(p.GetUnconfirmed() || p.GetSinceFirst().GetUnconfirmed()))
		fmt.Fprint(w, prefixed("; ", p.GetOutcome()))
		if p.GetUnresponsive() {
			fmt.Fprint(w, "; no response in time")
		}
		if p.GetStale() {
			fmt.Fprintf(w, "; %d days old", p.GetAgeDays())
		}
		fmt.Fprintln(w)
	}
}

func writeAlerts(w io.Writer, alerts []*rapportv1.Alert) {
	if len(alerts) == 0 {
		return
	}
	fmt.Fprintln(w, "\nAlerts (the view follows the answers, not what was done about them)")
	slices.SortStableFunc(alerts, func(a, b *rapportv1.Alert) int {
		return cmp.Or(cmp.Compare(a.GetStatus(), b.GetStatus()), cmp.Compare(b.GetSeverity(), a.GetSeverity()))
	})
	for _, a := range alerts {
		fmt.Fprintf(w, "  %-8s  %s  %-12s  %s\n", severityWord(a.GetSeverity()), day(a.GetEffective()), statusWord(a.GetStatus()), a.GetId())
		for _, line := range wrap(a.GetSeen(), width-12) {
			fmt.Fprintf(w, "%12s%s\n", "", line)
		}
	}
}

// writeSheet prints one response's scores with their working.
func writeSheet(w io.Writer, sheet *rapportv1.ScoreSheet) {
	fmt.Fprintf(w, "%s %s%s", sheet.GetInstrument(), sheet.GetVersion(), sheetNotes(sheet))
	if sheet.GetEffective() != nil {
		fmt.Fprintf(w, " on %s", day(sheet.GetEffective()))
	}
	fmt.Fprintf(w, "%s\n", prefixed(" from ", sheet.GetSource()))
	for _, score := range sheet.GetScores() {
		fmt.Fprintf(w, "  %-16s %s\n", score.GetCode(), scoreWords(score))
	}
	for _, d := range sheet.GetDecisions() {
		fmt.Fprintf(w, "  %-16s %s%s%s\n", d.GetCode(), d.GetResult(), prefixed("cannot be said: ", d.GetNotScorable()), doubted(d.GetUnconfirmed()))
	}
	for _, c := range sheet.GetCritical() {
		fmt.Fprintf(w, "  item %d answered %s: %s\n", c.GetItem(), decimal(c.GetValue()), c.GetSeverity())
	}
	for _, item := range sheet.GetSafetyUnknown() {
		fmt.Fprintf(w, "  item %d unanswered: safety unknown\n", item)
	}
	var answers []string
	for _, i := range sheet.GetItems() {
		answers = append(answers, answerWords(i))
	}
	if len(answers) > 0 {
		fmt.Fprintf(w, "  answers          %s\n", strings.Join(answers, " "))
	}
	for _, issue := range sheet.GetIssues() {
		fmt.Fprintf(w, "  %s\n", issueWords(issue))
	}
}

// sheetNotes are what must be known of the definition that scored a sheet.
func sheetNotes(sheet *rapportv1.ScoreSheet) string {
	var notes []string
	if sheet.GetVersionAssumed() {
		notes = append(notes, "no version was named")
	}
	if sheet.GetVariant() != "" {
		notes = append(notes, "numbered "+sheet.GetVariant())
	}
	switch sheet.GetStatus() {
	case "provisional":
		notes = append(notes, "provisional")
	case "licence-review":
		notes = append(notes, "licence review pending")
	}
	if len(notes) == 0 {
		return ""
	}
	return " (" + strings.Join(notes, ", ") + ")"
}

func scoreWords(s *rapportv1.Score) string {
	if s.Value == nil {
		return "not scorable: " + s.GetNotScorable() + doubted(s.GetUnconfirmed())
	}
	text := fmt.Sprintf("%s of %s", decimal(s.GetValue()), rangeWords(s.GetMin(), s.GetMax()))
	if s.Se != nil {
		text += ", standard error " + decimal(s.GetSe())
	}
	text += prefixed(", ", s.GetBand())
	if s.GetProrated() {
		text += ", prorated"
	}
	if s.GetUnconfirmed() {
		text += ", unconfirmed"
	}
	if s.Submitted != nil {
		text += " (" + decimal(s.GetSubmitted()) + " was submitted: ours counts)"
	}
	return text
}

// rangeWords is the range of a score.
func rangeWords(from, to float64) string {
	if from < 0 {
		return decimal(from) + " to " + decimal(to)
	}
	return decimal(from) + "-" + decimal(to)
}

// answerWords is an answer, with the value that was used when it differs: `4→0`.
func answerWords(i *rapportv1.ItemAnswer) string {
	switch {
	case i.Answer == nil:
		return "-"
	case i.Used != nil && i.GetUsed() != i.GetAnswer():
		return decimal(i.GetAnswer()) + "→" + decimal(i.GetUsed())
	default:
		return decimal(i.GetAnswer())
	}
}
