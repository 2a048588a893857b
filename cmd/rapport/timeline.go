package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
)

// timelineCmd tells what happened in an episode, in order.
type timelineCmd struct {
	connection
	outputFlag
	Patient    string   `arg:"" help:"Patient id, such as p1 or Patient/p1."`
	From       string   `placeholder:"DATE" help:"Only from this day (2026-03-01) or moment (RFC 3339) on." env:"-"`
	Until      string   `placeholder:"DATE" help:"Only up to the end of this day, or before this moment." env:"-"`
	Kinds      []string `name:"kind" placeholder:"KIND" help:"Only these: scores, exercise, prescription, visit, team, goal, measure, course, death, repair, clock, alliance, view, alert." env:"-"`
	Oldest     bool     `help:"Oldest first." env:"-"`
	Superseded bool     `help:"Also what was corrected or withdrawn since, marked." env:"-"`
	maxFlag
}

// Help shows examples.
func (timelineCmd) Help() string {
	return `Tells what happened, what it meant and what became of it, newest first: scores, exercise, visits, prescriptions,
ruptures and repairs, changes of the view, alerts and who took them. With -o json each entry has its working.

Examples:
  rapport timeline p1
  rapport timeline p1 --from 2026-03-01 --kind alert,alliance --oldest
  rapport timeline Patient/p1 --superseded -o json`
}

// Run tells.
func (c timelineCmd) Run(ctx context.Context, s streams) error {
	req, err := c.request()
	if err != nil {
		return usageError{err}
	}
	conn, err := c.dial()
	if err != nil {
		return err
	}
	defer conn.Close()
	client := rapportv1.NewOutcomeServiceClient(conn)
	told := 0
	more, err := pages(c.Max, func(size int32, token string) (int, string, error) {
		req.PageSize, req.PageToken = size, token
		resp, err := client.Timeline(ctx, req)
		if err != nil {
			return 0, "", err
		}
		for _, e := range resp.GetEntries() {
			if err := c.print(s.out, e); err != nil {
				return 0, "", err
			}
		}
		told += len(resp.GetEntries())
		return len(resp.GetEntries()), resp.GetNextPageToken(), nil
	})
	if err != nil {
		return err
	}
	if told == 0 && !c.json() {
		fmt.Fprintln(s.out, "Nothing of the kind happened.")
	}
	return sayMore(s, more)
}

func (c timelineCmd) request() (*rapportv1.TimelineRequest, error) {
	req := &rapportv1.TimelineRequest{Patient: c.Patient, Kinds: c.Kinds, OldestFirst: c.Oldest, Superseded: c.Superseded}
	if c.From != "" {
		from, err := dayOrMoment("--from", c.From)
		if err != nil {
			return nil, err
		}
		req.From = timestamppb.New(from)
	}
	if c.Until != "" {
		until, err := dayOrMoment("--until", c.Until)
		if err != nil {
			return nil, err
		}
		if len(c.Until) == len(time.DateOnly) {
			until = until.AddDate(0, 0, 1)
		}
		req.Until = timestamppb.New(until)
	}
	return req, nil
}

func dayOrMoment(flag, text string) (time.Time, error) {
	if day, err := time.Parse(time.DateOnly, text); err == nil {
		return day, nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return at, fmt.Errorf("%s %q: want 2026-03-31 or 2026-03-31T12:00:00Z", flag, text)
	}
	return at, nil
}

func (c timelineCmd) print(w io.Writer, e *rapportv1.TimelineEntry) error {
	if c.json() {
		return printProto(w, e)
	}
	writeEntry(w, "", e)
	return nil
}

// The columns of an entry.
const (
	entryKind   = 12
	entryMargin = len("2006-01-02 15:04") + 2 + entryKind + 2
)

// writeEntry tells one entry in lines of at most 80.
func writeEntry(w io.Writer, indent string, e *rapportv1.TimelineEntry) {
	text := e.GetText()
	if e.GetSuperseded() {
		text += " (no longer counts" + prefixed(": corrected by ", e.GetSupersededBy()) + ")"
	}
	room := width - entryMargin - len(indent)
	for n, line := range wrap(broken(text, room), room) {
		if n == 0 {
			fmt.Fprintf(w, "%s%s  %-*s  %s\n", indent, e.GetAt().AsTime().Format("2006-01-02 15:04"), entryKind, e.GetKind(), line)
			continue
		}
		fmt.Fprintf(w, "%s%s%s\n", indent, strings.Repeat(" ", entryMargin), line)
	}
}

// broken is text in which no word is longer than n runes: references and codes can be.
func broken(text string, n int) string {
	words := strings.Fields(text)
	for i, word := range words {
		runes := []rune(word)
		var parts []string
		for len(runes) > n {
			parts, runes = append(parts, string(runes[:n])), runes[n:]
		}
		words[i] = strings.Join(append(parts, string(runes)), " ")
	}
	return strings.Join(words, " ")
}
