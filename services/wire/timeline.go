package wire

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/alliance"
	"github.com/rapport-health/rapport/services/domain/episode"
	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/fault"
)

// The kinds of timeline entries that are no facts.
const (
	TimelineAlliance = "alliance"
	TimelineView     = "view"
	TimelineAlert    = "alert"
)

// FactEntry is a fact with its working, in protobuf.
func FactEntry(f fact.Fact) (*rapportv1.TimelineEntry, error) {
	out := &rapportv1.TimelineEntry{
		At: stamp(f.At), Kind: string(f.Kind), Id: f.ID, Source: f.Source.String(), Recorded: stamp(f.Recorded), Text: factWords(f),
	}
	switch {
	case f.Scores != nil:
		out.Detail = &rapportv1.TimelineEntry_Sheet{Sheet: Sheet(f)}
	case f.Kind == fact.KindClock:
		out.Recorded = nil
	default:
		said, err := said(f)
		if err != nil {
			return nil, err
		}
		out.Detail = &rapportv1.TimelineEntry_Fact{Fact: said}
	}
	return out, nil
}

// said is what a fact says, as it is stored.
func said(f fact.Fact) (*structpb.Struct, error) {
	data, err := json.Marshal(f)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "writing a fact")
	}
	var parts map[string]json.RawMessage
	if err := json.Unmarshal(data, &parts); err != nil {
		return nil, fault.Wrap(fault.Internal, err, "writing a fact")
	}
	out := &structpb.Struct{}
	return out, fault.Wrap(fault.Internal, out.UnmarshalJSON(parts[string(f.Kind)]), "writing a fact")
}

// AllianceEntry is what a rating meant in its dyad.
func AllianceEntry(t episode.Turn) *rapportv1.TimelineEntry {
	text := spaced(string(t.Dyad.Event)) + dyadWords(t.Dyad)
	if change, ok := t.Dyad.Change(); ok {
		text += fmt.Sprintf(", %+.2f from the usual level", change)
	}
	return &rapportv1.TimelineEntry{At: stamp(t.Fact.At), Kind: TimelineAlliance, Id: t.Fact.ID, Text: text}
}

// BreakEntry is the beginning or the end of a rupture.
func BreakEntry(t episode.Turn, b episode.Break) *rapportv1.TimelineEntry {
	text := spaced(string(b.Rupture.Kind))
	if b.Rupture.Status == alliance.Open {
		text += " begins"
	} else {
		text += " of " + b.Rupture.Onset.Format(time.DateOnly) + " " + string(b.Rupture.Status) + prefixed(": ", spaced(b.Rupture.Because))
	}
	text += dyadWords(b.Dyad)
	if b.Rupture.Status == alliance.Open && b.Rupture.Score != "" {
		text += ", " + b.Rupture.Score + " " + number(b.Rupture.Value) + " against usually " + number(b.Rupture.Usual)
	}
	return &rapportv1.TimelineEntry{At: stamp(t.Fact.At), Kind: TimelineAlliance, Id: t.Fact.ID, Text: text}
}

func spaced(code string) string { return strings.ReplaceAll(code, "-", " ") }

// dyadWords are whose alliance it is, and who sees it so.
func dyadWords(d *alliance.Dyad) string {
	with := string(d.Clinician)
	if with == "" {
		with = "the team"
	}
	return ", with " + with + " as the " + d.Rater + " sees it on the " + d.Instrument
}

// ViewEntry is a change of the fused view.
func ViewEntry(t episode.Turn) *rapportv1.TimelineEntry {
	view := &rapportv1.ViewChange{Before: string(t.Before.Tier), After: string(t.After.Tier)}
	for _, r := range t.After.Reasons {
		view.Reasons = append(view.Reasons, r.Text)
	}
	text := "from " + view.Before + " to " + view.After
	if view.Before == view.After {
		text = "still " + view.After
	}
	if len(view.Reasons) > 0 {
		text += ": " + strings.Join(view.Reasons, "; ")
	}
	return &rapportv1.TimelineEntry{
		At: stamp(t.Fact.At), Kind: TimelineView, Id: t.Fact.ID, Text: text, Detail: &rapportv1.TimelineEntry_View{View: view},
	}
}

// AlertEntry is the n-th step of an alert.
func AlertEntry(a alert.Alert, n int) *rapportv1.TimelineEntry {
	s := a.History[n]
	text := a.Title + ": " + stepWords(s)
	if s.Actor != alert.Service {
		text += " by " + s.Actor
	}
	switch {
	case s.Reason != "":
		text += " (" + s.Reason + ")"
	case s.Status == alert.Suppressed && a.SuppressedBecause != "":
		text += " (" + a.SuppressedBecause + ")"
	}
	return &rapportv1.TimelineEntry{At: stamp(s.Time), Kind: TimelineAlert, Id: a.ID, Text: text, Detail: &rapportv1.TimelineEntry_Alert{
		Alert: &rapportv1.AlertTurn{Rule: a.Rule, RuleVersion: a.RuleVersion, Severity: severities[a.Severity], Step: alertStep(s)},
	}}
}

// stepWords is what a step made of an alert, in a few words.
func stepWords(s alert.Step) string {
	switch s.Verb {
	case alert.Comment:
		return "comment"
	case alert.Feedback:
		return "feedback " + string(s.Verdict)
	case alert.Reassign:
		return "handed to " + s.To
	case alert.Escalate:
		return "escalated, step " + strconv.Itoa(s.Rung)
	case alert.Wake, alert.PageAgain:
		return "told again"
	case alert.Acknowledge:
		return "acknowledged"
	}
	return string(s.Status)
}

// factWords is a fact in one line.
func factWords(f fact.Fact) string {
	switch {
	case f.Scores != nil:
		return sheetWords(f.Scores)
	case f.Exercise != nil:
		return exerciseWords(f.Exercise)
	case f.Prescription != nil:
		return prescriptionWords(f.Prescription)
	case f.Visit != nil:
		return visitWords(f.Visit)
	case f.Team != nil:
		return teamWords(f.Team)
	case f.Goal != nil:
		return "goal " + f.Goal.ID + " " + joined(f.Goal.Lifecycle, f.Goal.Achievement) + due(f.Goal.Due)
	case f.Measure != nil:
		return joined(tokenWords(f.Measure.Code)+": "+number(f.Measure.Value)+prefixed(" ", f.Measure.Unit), tokenWords(f.Measure.Site), f.Measure.Side)
	case f.Course != nil:
		return "course " + f.Course.ID + " " + joined(f.Course.Status, tokenWords(f.Course.Reason))
	case f.Repair != nil:
		return repairWords(f.Repair)
	case f.Death != nil:
		return "the patient died"
	case f.Clock != nil:
		return "time passed a deadline"
	default:
		return string(f.Kind)
	}
}

func sheetWords(s *fact.Scores) string {
	var parts []string
	for _, score := range s.Scores {
		if score.Value == nil {
			parts = append(parts, score.Code+" not scorable: "+score.NotScorable)
			continue
		}
		parts = append(parts, joined(score.Code+" "+number(*score.Value), score.Band))
	}
	text := s.Instrument + " by the " + s.Respondent
	if s.Clinician != "" {
		text += " about " + string(s.Clinician)
	}
	text += ": " + strings.Join(parts, "; ")
	for _, c := range s.Critical {
		text += fmt.Sprintf("; item %d answered %s", c.Item, number(c.Value))
	}
	return text
}

func exerciseWords(e *fact.Exercise) string {
	switch {
	case e.Percent != nil:
		return "home exercise " + number(*e.Percent) + " % done, as worked out elsewhere"
	case e.Partial:
		return "home exercise: " + counted(len(e.Parts), "exercise") + " logged"
	case e.Done == 0:
		return "home exercise reported not done"
	case e.Done == 1:
		return "home exercise done"
	default:
		return "home exercise done, " + number(e.Done) + " sessions"
	}
}

func prescriptionWords(p *fact.Prescription) string {
	text := "home exercise " + joined(p.Status, tokenWords(p.Reason))
	if len(p.Dates) > 0 {
		return text + ", on " + counted(len(p.Dates), "date")
	}
	if p.Sessions > 0 && p.PeriodDays > 0 {
		text += ", " + number(p.Sessions) + " × in " + number(p.PeriodDays) + " d"
	}
	return text
}

func visitWords(v *fact.Visit) string {
	text := "visit " + v.Status
	if v.Late {
		text += " late"
	}
	if v.Clinician != "" {
		text += ", " + string(v.Clinician)
	}
	if v.Virtual {
		text += ", virtual"
	}
	return text + prefixed(", ", tokenWords(v.Reason)) + due(v.Due)
}

func repairWords(r *fact.Repair) string {
	text := "repair of the alliance " + r.Step
	if r.Clinician != "" {
		text += ", " + string(r.Clinician)
	}
	return text + prefixed(", by ", strings.Join(r.Enhancers, ", ")) + prefixed(", worn down by ", strings.Join(r.Eroders, ", "))
}

func teamWords(t *fact.Team) string {
	if !t.Active {
		return "team " + string(t.ID) + " no longer cares for the patient"
	}
	return "team " + string(t.ID) + " cares for the patient, " + counted(len(t.Members), "member")
}

func due(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return ", due " + t.UTC().Format(time.DateOnly)
}

// tokenWords is a `system|code` with the short name of its system.
func tokenWords(token string) string {
	system, code, found := strings.Cut(token, "|")
	switch {
	case !found:
		return token
	case system == "http://loinc.org":
		return "LOINC " + code
	case system == "http://snomed.info/sct":
		return "SNOMED CT " + code
	default:
		return system[strings.LastIndexByte(system, '/')+1:] + " " + code
	}
}

// joined are the texts that are not empty, with commas.
func joined(texts ...string) string {
	var kept []string
	for _, t := range texts {
		if t != "" {
			kept = append(kept, t)
		}
	}
	return strings.Join(kept, ", ")
}

func prefixed(prefix, text string) string {
	if text == "" {
		return ""
	}
	return prefix + text
}

func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}

// number has three decimals at most.
func number(x float64) string {
	text := strconv.FormatFloat(x, 'f', 3, 64)
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
}

// Reason is one reason for the view, without what it rests on.
func Reason(r episode.Reason) *rapportv1.ExplainedReason {
	return &rapportv1.ExplainedReason{Code: r.Code, View: string(r.Tier), Weight: int32(r.Weight), Text: r.Text, Value: r.Value}
}

// Time in protobuf; nil when it is zero.
func Time(t time.Time) *timestamppb.Timestamp { return stamp(t) }
