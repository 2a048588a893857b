package cds

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/episode"
	"github.com/rapport-health/rapport/services/domain/judge"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/fhir"
)

// card is one card as CDS Hooks 2.0 has it.
type card struct {
	UUID              string       `json:"uuid,omitempty"`
	Summary           string       `json:"summary"`
	Detail            string       `json:"detail,omitempty"`
	Indicator         string       `json:"indicator"`
	Source            source       `json:"source"`
	Suggestions       []suggestion `json:"suggestions,omitempty"`
	SelectionBehavior string       `json:"selectionBehavior,omitempty"`
	OverrideReasons   []coding     `json:"overrideReasons,omitempty"`
	Links             []link       `json:"links,omitempty"`
}

type source struct {
	Label string  `json:"label"`
	URL   string  `json:"url,omitempty"`
	Topic *coding `json:"topic,omitempty"`
}

type coding struct {
	System  string `json:"system,omitempty"`
	Code    string `json:"code"`
	Display string `json:"display,omitempty"`
}

type link struct {
	Label string `json:"label"`
	URL   string `json:"url"`
	Type  string `json:"type"`
}

// The indicators, least urgent first.
const (
	info     = "info"
	warning  = "warning"
	critical = "critical"
)

// label is who speaks.
const label = "Rapport"

// screenOnly stands under every detail.
const screenOnly = "*Decision support: what was screened and counted, not a diagnosis.*"

// attendance are the reasons that matter before booking, whatever their tier.
var attendance = map[string]bool{"missed-visits": true, "drop-out": true, "silence": true}

// cards are the most urgent alert and what else is known, as far as it is worth a card at this hook.
func (s *Server) cards(a *asked, k known) []card {
	sights, reasons := k.sights, k.view.Reasons
	if a.hook == appointmentBook {
		sights, reasons = s.forBooking(a, sights), slices.DeleteFunc(slices.Clone(reasons), func(r episode.Reason) bool {
			return r.Tier == episode.Watch && !attendance[r.Code]
		})
	}
	out := []card{}
	if lay(a.who) {
		for _, one := range sights[:min(len(sights), maxCards)] {
			out = append(out, s.alertCard(a, k.patient, one))
		}
		return out
	}
	if len(sights) > 0 {
		out = append(out, s.alertCard(a, k.patient, sights[0]))
		sights = sights[1:]
	}
	// A single reason beside the alert is the alert once more.
	if len(sights) > 0 || len(reasons) > len(out) {
		out = append(out, s.viewCard(k.patient, sights, reasons, len(out) > 0))
	}
	return out
}

// forBooking puts alerts that propose a visit first. One whose proposal the chosen appointment fulfils is no news, and
// neither is one that asks for nothing.
func (s *Server) forBooking(a *asked, sights []alert.Sight) []alert.Sight {
	out := slices.DeleteFunc(slices.Clone(sights), func(one alert.Sight) bool {
		p := one.Proposal
		if p == nil {
			return one.Severity <= judge.Info
		}
		return p.Modality == "" && p.WithinDays > 0 && !a.booked.IsZero() && !a.booked.After(s.until(p.WithinDays))
	})
	slices.SortStableFunc(out, func(a, b alert.Sight) int {
		switch {
		case a.Proposal != nil && b.Proposal == nil:
			return -1
		case a.Proposal == nil && b.Proposal != nil:
			return 1
		default:
			return 0
		}
	})
	return out
}

// until is the end of a proposed interval.
func (s *Server) until(days int) time.Time { return s.config.Now().AddDate(0, 0, days) }

func (s *Server) alertCard(a *asked, p ref.Patient, of alert.Sight) card {
	c := card{
		Summary: summary(of.Title, of.Seen), Detail: alertDetail(a, of), Indicator: indicators[of.Severity],
		Source: source{Label: label, Topic: topic(of)}, Links: s.links(p),
	}
	if c.Indicator == "" {
		c.Indicator = info
	}
	id, ok := uuidOf(of.ID)
	if !ok || lay(a.who) {
		return c // what cannot be named cannot be answered
	}
	c.UUID, c.OverrideReasons = id, overrides()
	if of.Proposal != nil {
		c.Suggestions, c.SelectionBehavior = []suggestion{s.propose(a, of)}, "at-most-one"
	}
	return c
}

var indicators = map[judge.Severity]string{judge.Info: info, judge.Moderate: warning, judge.High: warning, judge.Critical: critical}

// topic is the rule; those who may not know it are given none.
func topic(of alert.Sight) *coding {
	if of.Rule == "" {
		return nil
	}
	return &coding{System: fhir.SystemRule, Code: of.Rule, Display: of.Title}
}

// maxSummary is how many characters a summary has at most.
const maxSummary = 139

// summary is the title, with what was seen where there is room.
func summary(title, seen string) string {
	if title == "" {
		title, seen = seen, ""
	}
	text := oneLine(title)
	if longer := text + ": " + oneLine(seen); seen != "" && utf8.RuneCountInString(longer) <= maxSummary {
		text = longer
	}
	if utf8.RuneCountInString(text) <= maxSummary {
		return text
	}
	return strings.TrimSpace(string([]rune(text)[:maxSummary-1])) + "…"
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// alertDetail is an alert in GitHub Flavored Markdown.
func alertDetail(a *asked, of alert.Sight) string {
	var m markdown
	m.paragraph("", of.Seen)
	m.paragraph("Ask", of.Question)
	m.paragraph("Say", of.Phrase)
	for _, n := range of.Numbers {
		m.item(numberText(n))
	}
	if p := of.Proposal; p != nil {
		m.paragraph("Proposed", proposalText(p))
		if p.WithinDays > 0 && !a.booked.IsZero() {
			m.paragraph("Chosen appointment", a.booked.UTC().Format(time.DateOnly))
		}
	}
	if of.Assignee != "" && of.Status == alert.Acknowledged {
		m.paragraph("In hand", of.Assignee)
	}
	m.paragraph("Evidence", of.Evidence)
	return m.end()
}

func numberText(n judge.Number) string {
	text := n.Name + ": " + decimal(n.Value) + unit(n.Unit)
	if n.Reference != nil {
		text += ", compared with " + decimal(*n.Reference) + unit(n.Unit)
	}
	if n.Unconfirmed {
		text += " (unconfirmed)"
	}
	return text
}

func unit(u string) string {
	if u == "" {
		return ""
	}
	return " " + u
}

func decimal(v float64) string {
	return strings.TrimSuffix(strings.TrimRight(strconv.FormatFloat(v, 'f', 3, 64), "0"), ".")
}

// tiers in words, and as indicators.
var tiers = map[episode.Tier]struct{ words, indicator string }{
	episode.ActNow: {"act now", critical}, episode.Discuss: {"to discuss", warning}, episode.Watch: {"to watch", info},
	episode.Steady: {"steady", info},
}

// maxListed bounds the lines of a list.
const maxListed = 8

// viewCard is the fused view with its reasons, and the alerts that have no card of their own. Beside the card of an alert it
// is not shown as critical once more.
func (s *Server) viewCard(p ref.Patient, others []alert.Sight, reasons []episode.Reason, beside bool) card {
	tier := episode.Steady
	if len(reasons) > 0 {
		tier = reasons[0].Tier
	}
	c := card{Indicator: tiers[tier].indicator, Source: source{Label: label}, Links: s.links(p)}
	if beside && c.Indicator == critical {
		c.Indicator = warning
	}
	var said []string
	var m markdown
	for i, one := range others[:min(len(others), maxListed)] {
		if i == 0 {
			m.heading("Further alerts")
		}
		m.item(cmp.Or(one.Title, one.Seen))
	}
	for i, r := range reasons[:min(len(reasons), maxListed)] {
		if i == 0 {
			m.heading("Why")
		}
		text := r.Text
		if r.Unconfirmed {
			text += " (unconfirmed)"
		}
		m.item(text)
	}
	if len(reasons) > 0 {
		said = append(said, tiers[tier].words+": "+reasons[0].Text)
	}
	if more := len(reasons) - 1; more > 0 {
		said = append(said, "and "+plural(more, "further reason"))
	}
	if len(others) > 0 {
		said = append(said, plural(len(others), "further alert"))
	}
	c.Summary, c.Detail = summary("This episode", strings.Join(said, ", ")), m.end()
	return c
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}

// patientMark stands for the patient's id in the address of the board.
const patientMark = "{patient}"

// links lead to the board, where its address is known.
func (s *Server) links(p ref.Patient) []link {
	board := s.config.BoardURL
	if board == "" {
		return nil
	}
	id := url.PathEscape(string(p))
	if strings.Contains(board, patientMark) {
		board = strings.ReplaceAll(board, patientMark, id)
	} else {
		board = strings.TrimSuffix(board, "/") + "/patients/" + id
	}
	return []link{{Label: "Open in Rapport", URL: board, Type: "absolute"}}
}

// markdown is a text in GitHub Flavored Markdown whose contents cannot become marks.
type markdown struct {
	strings.Builder
	listing bool
}

var escapes = strings.NewReplacer(
	`\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`, "<", "&lt;", ">", "&gt;", "#", `\#`, "|", `\|`, "~", `\~`, "!", `\!`,
)

func (m *markdown) paragraph(head, text string) {
	if text = oneLine(text); text == "" {
		return
	}
	m.gap()
	if head != "" {
		m.WriteString("**" + head + ":** ")
	}
	m.WriteString(escapes.Replace(text))
}

func (m *markdown) heading(text string) {
	m.gap()
	m.WriteString("**" + text + "**")
}

func (m *markdown) item(text string) {
	if !m.listing {
		m.gap()
	} else {
		m.WriteString("\n")
	}
	m.listing = true
	m.WriteString("- " + escapes.Replace(oneLine(text)))
}

// gap begins a block of its own.
func (m *markdown) gap() {
	if m.Len() > 0 {
		m.WriteString("\n\n")
	}
	m.listing = false
}

func (m *markdown) end() string {
	m.gap()
	m.WriteString(screenOnly)
	return m.String()
}
