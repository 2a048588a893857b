package main

import (
	"context"
	"fmt"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
)

// unscoredCmd lists what could not be used.
type unscoredCmd struct {
	connection
	outputFlag
	maxFlag
}

// Help shows examples.
func (unscoredCmd) Help() string {
	return `Lists what is stored and yielded no score, log or visit, with the reasons; Patients and the like, which are only kept
for reference, are left out. Nothing is lost: when the cause is mended, here 'rapport rescore --unscored' reads it again,
there the source sends it again.

Examples:
  rapport unscored
  rapport unscored --max 0 -o json`
}

// Run lists.
func (c unscoredCmd) Run(ctx context.Context, s streams) error {
	conn, err := c.dial()
	if err != nil {
		return err
	}
	defer conn.Close()
	client := rapportv1.NewOutcomeServiceClient(conn)
	listed := 0
	more, err := pages(c.Max, func(size int32, token string) (int, string, error) {
		resp, err := client.ListUnscored(ctx, &rapportv1.ListUnscoredRequest{PageSize: size, PageToken: token})
		if err != nil {
			return 0, "", err
		}
		for _, u := range resp.GetUnscored() {
			if err := c.print(s, u); err != nil {
				return 0, "", err
			}
		}
		listed += len(resp.GetUnscored())
		return len(resp.GetUnscored()), resp.GetNextPageToken(), nil
	})
	if err != nil {
		return err
	}
	if listed == 0 && !c.json() {
		fmt.Fprintln(s.out, "Everything that is stored could be used.")
	}
	return sayMore(s, more)
}

func (c unscoredCmd) print(s streams, u *rapportv1.Unscored) error {
	if c.json() {
		return printProto(s.out, u)
	}
	_, err := fmt.Fprintf(s.out, "%s from %s\n", u.GetReference(), u.GetSource())
	for _, issue := range u.GetIssues() {
		fmt.Fprintf(s.out, "  %s\n", issueWords(issue))
	}
	return err
}
