package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
	"github.com/rapport-health/rapport/services/domain/alliance"
	"github.com/rapport-health/rapport/services/scoring"
)

// plainChange has the names of the golden vectors of change: null is a statistic that nobody knows.
type plainChange struct {
	Instrument  string       `json:"instrument"`
	Version     string       `json:"version"`
	Score       string       `json:"score"`
	From        float64      `json:"from"`
	To          float64      `json:"to"`
	Reliable    *bool        `json:"reliable"`
	Direction   *string      `json:"direction"`
	MIC         *bool        `json:"mic"`
	BandChange  *plainBands  `json:"bandChange"`
	Class       *string      `json:"class"`
	Index       *float64     `json:"rci,omitempty"`
	FromSE      *float64     `json:"fromSe,omitempty"`
	ToSE        *float64     `json:"toSe,omitempty"`
	Unconfirmed bool         `json:"unconfirmed,omitempty"`
	Doubts      []string     `json:"doubts,omitempty"`
	Issues      []plainIssue `json:"issues,omitempty"`
}

// plainBands is what became of the band: better, worse or same.
type plainBands struct {
	From   string `json:"from"`
	To     string `json:"to"`
	Change string `json:"change"`
}

// judge prints the verdicts on a change.
func (c scoreCmd) judge(s streams, room *scoring.Server) error {
	req := &rapportv1.ChangeRequest{Instrument: c.Instrument, Score: c.Score, From: c.Change.from, To: c.Change.to}
	if c.SE.given {
		req.FromSe, req.ToSe = &c.SE.from, &c.SE.to
	}
	resp, err := room.Compare(req)
	if err != nil {
		return err
	}
	if !c.json(s) {
		writeChange(s.out, req, resp)
		return nil
	}
	v := resp.GetVerdict()
	out := plainChange{
		Instrument: c.Instrument, Version: resp.GetVersion(), Score: c.Score, From: c.Change.from, To: c.Change.to,
		Reliable: v.Reliable, Direction: known(v.GetDirection()), MIC: v.Important, Class: known(v.GetClass()), Index: rounded(v.Index),
		FromSE: rounded(resp.FromSe), ToSE: rounded(resp.ToSe), Unconfirmed: v.GetUnconfirmed(), Doubts: v.GetDoubts(),
		Issues: plainIssues(resp.GetIssues()),
	}
	if v.GetBand() != "" {
		out.BandChange = &plainBands{v.GetBandFrom(), v.GetBandTo(), v.GetBand()}
	}
	return json.NewEncoder(s.out).Encode(out)
}

// known is nil for an empty word.
func known(word string) *string {
	if word == "" {
		return nil
	}
	return &word
}

func writeChange(w io.Writer, req *rapportv1.ChangeRequest, resp *rapportv1.ChangeResponse) {
	v := resp.GetVerdict()
	fmt.Fprintf(w, "%s %s %s from %s to %s (%s)%s\n", req.GetInstrument(), resp.GetVersion(), req.GetScore(), decimal(req.GetFrom()), decimal(req.GetTo()),
		signed(v.GetPoints()), prefixed(": ", v.GetDirection()))
	for _, line := range verdicts(v, resp) {
		for n, text := range wrap(line.text, width-14) {
			if n > 0 {
				line.label = ""
			}
			fmt.Fprintf(w, "  %-12s%s\n", line.label, text)
		}
	}
	writeBackings(w, resp.GetRestsOn())
	for _, issue := range resp.GetIssues() {
		for n, line := range wrap(issueWords(issue), width-4) {
			fmt.Fprintf(w, "  %*s%s\n", min(n, 1)*2, "", line)
		}
	}
}

// verdict is one of them in words.
type verdict struct{ label, text string }

func verdicts(v *rapportv1.ChangeVerdict, resp *rapportv1.ChangeResponse) []verdict {
	stats := resp.GetStatistics()
	reliable := yes(v.Reliable)
	switch {
	case stats.GetBySe() && v.Reliable == nil:
		reliable = "not known: a standard error is missing"
	case stats.GetBySe():
		reliable += fmt.Sprintf(", judged by the standard errors %s and %s", decimal(resp.GetFromSe()), decimal(resp.GetToSe()))
	case stats != nil && stats.Reliable != nil:
		reliable += fmt.Sprintf(", from %s points on", decimal(stats.GetReliable()))
	}
	if v.Index != nil {
		reliable += fmt.Sprintf(", reliable change index %.2f", v.GetIndex())
	}
	important := yes(v.Important)
	if stats != nil && stats.Important != nil {
		important += fmt.Sprintf(", from %s points on", decimal(stats.GetImportant()))
	}
	class := v.GetClass() + ", the cut-off is " + decimal(stats.GetCutoff())
	switch {
	case stats == nil || stats.Cutoff == nil:
		class = "not known: no cut-off"
	case v.GetClass() == "":
		class = "not known"
	}
	return []verdict{
		{"reliable", reliable + doubted(stats.GetReliableUnconfirmed())},
		{"important", important + doubted(stats.GetImportantUnconfirmed())},
		{"band", bandWords(v) + doubted(v.GetBand() != "" && contains(v.GetDoubts(), "values"))},
		{"class", class + doubted(contains(v.GetDoubts(), "class"))},
	}
}

// yes is a verdict in a word.
func yes(holds *bool) string {
	switch {
	case holds == nil:
		return "not known: no statistic"
	case *holds:
		return "yes"
	default:
		return "no"
	}
}

// doubted is said of what no source that was read confirms.
func doubted(doubt bool) string {
	if doubt {
		return " (unconfirmed)"
	}
	return ""
}

func contains(list []string, word string) bool {
	return strings.Contains(" "+strings.Join(list, " ")+" ", " "+word+" ")
}

// bandWords say what became of the band.
func bandWords(v *rapportv1.ChangeVerdict) string {
	switch {
	case v.GetBandFrom() == "" || v.GetBandTo() == "":
		return "none defined"
	case v.GetBand() == "same":
		return "still " + v.GetBandTo()
	default:
		return v.GetBandFrom() + " to " + v.GetBandTo() + prefixed(": ", v.GetBand())
	}
}

// signed is a number with its sign.
func signed(x float64) string {
	if x > 0 {
		return "+" + decimal(x)
	}
	return decimal(x)
}

// plainSeries has the names of the golden vectors of ruptures.
type plainSeries struct {
	Instrument string        `json:"instrument"`
	Score      string        `json:"score"`
	Events     []plainEvent  `json:"events"`
	Rupture    *plainRupture `json:"rupture,omitempty"`
	// Unconfirmed: the error band or the step by which ratings were compared is confirmed by no source that was read.
	Unconfirmed bool `json:"unconfirmed,omitempty"`
}

type plainEvent struct {
	At    int            `json:"at"`
	Event alliance.Event `json:"event"`
}

// plainRupture is the open one, or the last one closed.
type plainRupture struct {
	Kind   alliance.Event  `json:"kind"`
	Status alliance.Status `json:"status"`
	Value  float64         `json:"value"`
	Usual  float64         `json:"usual"`
}

// follow prints what the rupture detector makes of a series.
func (c scoreCmd) follow(s streams, room *scoring.Server) error {
	rated, rupture, err := room.Series(c.Instrument, c.Score, c.Series.numbers)
	if err != nil {
		return err
	}
	if !c.json(s) {
		writeSeries(s.out, rated, rupture)
		return nil
	}
	out := plainSeries{Instrument: c.Instrument, Score: c.Score, Events: []plainEvent{}}
	for _, r := range rated {
		out.Events = append(out.Events, plainEvent{r.At, r.Event})
	}
	out.Unconfirmed = slices.ContainsFunc(rated, func(r scoring.Rated) bool { return r.Unconfirmed })
	if rupture != nil {
		out.Rupture = &plainRupture{rupture.Kind, rupture.Status, rupture.Value, rupture.Usual}
	}
	return json.NewEncoder(s.out).Encode(out)
}

func writeSeries(w io.Writer, rated []scoring.Rated, rupture *alliance.Rupture) {
	fmt.Fprintln(w, "visit   rated   usual  event")
	for _, r := range rated {
		usual := "-"
		if r.Usual != nil {
			usual = fmt.Sprintf("%.2f", *r.Usual)
		}
		fmt.Fprintf(w, "%5d  %6s  %6s  %s%s\n", r.At, decimal(r.Value), usual, r.Event, doubted(r.Unconfirmed && r.Event != alliance.None))
	}
	if rupture != nil {
		fmt.Fprintf(w, "The %s that began at %s, below a usual level of %.2f, is %s.\n", rupture.Kind, decimal(rupture.Value), rupture.Usual, rupture.Status)
	}
	fmt.Fprintln(w, "The detector is a heuristic from psychotherapy, not validated in physical therapy.")
}
