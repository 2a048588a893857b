package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/rapport-health/rapport/api/client"
)

// deadletterCmd groups what can be done with entries that a consumer group gave up.
type deadletterCmd struct {
	List    deadletterListCmd    `cmd:"" default:"withargs" help:"List which groups gave up how many entries."`
	Show    deadletterShowCmd    `cmd:"" help:"Show the entries that a group gave up, oldest first."`
	Redrive deadletterRedriveCmd `cmd:"" help:"Give entries back to their group."`
}

// Help shows examples.
func (deadletterCmd) Help() string {
	return "Examples:\n  rapport deadletter\n  rapport deadletter redrive team:spine-team pager --all"
}

// deadletterListCmd lists groups.
type deadletterListCmd struct {
	redisFlags
	outputFlag
	Feeds []string `arg:"" optional:"" help:"Only these feeds."`
	Group string   `help:"Only this group. With feeds it asks for their lists alone, and goes not through all keys." placeholder:"NAME" env:"-"`
}

// Help shows examples.
func (deadletterListCmd) Help() string {
	return "Examples:\n  rapport deadletter list --redis redis://localhost:6379\n  rapport deadletter list team:spine-team --group pager -o json"
}

// Run lists.
func (c deadletterListCmd) Run(ctx context.Context, s streams) error {
	r, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer r.Close()
	lists, err := c.lists(ctx, r)
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(s.out, 0, 4, 2, ' ', 0)
	if len(lists) > 0 && !c.json() {
		fmt.Fprintln(table, "FEED\tGROUP\tLETTERS")
	}
	for _, l := range lists {
		if c.json() {
			err = errors.Join(err, printJSON(s, map[string]any{"feed": l.Feed, "group": l.Group, "letters": l.Letters}))
			continue
		}
		fmt.Fprintf(table, "%s\t%s\t%d\n", l.Feed, l.Group, l.Letters)
	}
	if len(lists) == 0 && !c.json() {
		fmt.Fprintln(s.err, "No dead letters.")
	}
	return errors.Join(err, table.Flush())
}

func (c deadletterListCmd) lists(ctx context.Context, r redis.UniversalClient) ([]client.DeadList, error) {
	if c.Group == "" || len(c.Feeds) == 0 {
		lists, err := client.DeadLists(ctx, r, c.Tenant)
		return slices.DeleteFunc(lists, func(l client.DeadList) bool {
			return c.Group != "" && l.Group != c.Group || len(c.Feeds) > 0 && !slices.Contains(c.Feeds, l.Feed)
		}), err
	}
	var lists []client.DeadList
	for _, feed := range c.Feeds {
		n, err := r.XLen(ctx, client.DeadKey(c.Tenant, feed, c.Group)).Result()
		if err != nil {
			return nil, err
		}
		if n > 0 {
			lists = append(lists, client.DeadList{Feed: feed, Group: c.Group, Letters: n})
		}
	}
	return lists, nil
}

// deadletterShowCmd shows letters.
type deadletterShowCmd struct {
	redisFlags
	outputFlag
	Feed  string `arg:"" help:"Feed."`
	Group string `arg:"" help:"Group that gave them up."`
	maxFlag
}

// Help shows examples.
func (deadletterShowCmd) Help() string {
	return "Examples:\n  rapport deadletter show team:spine-team pager\n  rapport deadletter show team:spine-team pager -o json --max 1"
}

// Run shows.
func (c deadletterShowCmd) Run(ctx context.Context, s streams) error {
	r, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer r.Close()
	letters, err := lettersOf(ctx, r, client.Group{Tenant: c.Tenant, Name: c.Group}, c.Feed, int64(c.Max))
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(s.out, 0, 4, 2, ' ', 0)
	if len(letters) > 0 && !c.json() {
		fmt.Fprintln(table, "LETTER\tENTRY\tGIVEN UP\tTRIES\tBY\tREASON\tTYPE\tSUBJECT")
	}
	for _, l := range letters {
		if c.json() {
			err = errors.Join(err, printJSON(s, letterJSON(l)))
			continue
		}
		fmt.Fprintf(table, "%s\t%s@%d\t%s\t%d\t%s\t%s\t%s\t%s\n", l.ID, l.Entry.Feed, l.Entry.Seq,
			l.Given.UTC().Format(time.DateTime), l.Entry.Deliveries, l.Consumer, l.Reason, l.Entry.Type, l.Entry.Subject)
	}
	if len(letters) == 0 && !c.json() {
		fmt.Fprintln(s.err, "No dead letters.")
	}
	return errors.Join(err, table.Flush())
}

// letterJSON is a letter for programs.
func letterJSON(l client.Letter) map[string]any {
	out := map[string]any{
		"letter": l.ID, "feed": l.Entry.Feed, "seq": l.Entry.Seq, "given": l.Given.UTC(), "tries": l.Entry.Deliveries,
		"consumer": l.Consumer, "reason": l.Reason, "id": l.Entry.ID, "type": l.Entry.Type, "subject": l.Entry.Subject,
	}
	if json.Valid(l.Entry.Data) {
		out["data"] = json.RawMessage(l.Entry.Data)
	}
	return out
}

func printJSON(s streams, v any) error {
	line, err := json.Marshal(v)
	if err == nil {
		_, err = fmt.Fprintf(s.out, "%s\n", line)
	}
	return err
}

// lettersOf reads up to max dead letters, or all when it is 0.
func lettersOf(ctx context.Context, r redis.UniversalClient, g client.Group, feed string, max int64) ([]client.Letter, error) {
	const page = 500
	var letters []client.Letter
	for after := ""; max == 0 || int64(len(letters)) < max; after = letters[len(letters)-1].ID {
		size := int64(page)
		if max > 0 {
			size = min(page, max-int64(len(letters)))
		}
		more, err := g.Letters(ctx, r, feed, after, size)
		if err != nil || len(more) == 0 {
			return letters, err
		}
		letters = append(letters, more...)
	}
	return letters, nil
}

// deadletterRedriveCmd gives letters back.
type deadletterRedriveCmd struct {
	redisFlags
	Feed    string   `arg:"" help:"Feed."`
	Group   string   `arg:"" help:"Group that gave them up."`
	Letters []string `arg:"" optional:"" help:"Ids of letters, as 'rapport deadletter show' lists them."`
	All     bool     `help:"All of them." env:"-"`
}

// Help shows examples.
func (deadletterRedriveCmd) Help() string {
	return `The group's consumers get the entries again, as if for the first time.

Examples:
  rapport deadletter redrive team:spine-team pager 1772442000250-0
  rapport deadletter redrive team:spine-team pager --all`
}

// Validate wants to know which.
func (c deadletterRedriveCmd) Validate() error {
	if c.All == (len(c.Letters) > 0) {
		return errors.New("name the letters, or --all")
	}
	return nil
}

// Run gives back.
func (c deadletterRedriveCmd) Run(ctx context.Context, s streams) error {
	r, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer r.Close()
	g := client.Group{Tenant: c.Tenant, Name: c.Group}
	letters, err := lettersOf(ctx, r, g, c.Feed, 0)
	if err != nil {
		return err
	}
	chosen := slices.DeleteFunc(letters, func(l client.Letter) bool { return !c.All && !slices.Contains(c.Letters, l.ID) })
	if !c.All && len(chosen) < len(c.Letters) {
		return fmt.Errorf("the dead letters of group %s in %s have %d of the %d that were named: nothing was done",
			c.Group, c.Feed, len(chosen), len(c.Letters))
	}
	back, gone, err := g.PutBack(ctx, r, c.Feed, chosen...)
	fmt.Fprintf(s.out, "%d given back to group %s\n", back, c.Group)
	if err == nil && len(gone) > 0 {
		err = fmt.Errorf("%d stay, because their entries are no longer in the stream: %s; 'rapport deadletter show -o json' has their data",
			len(gone), strings.Join(gone, " "))
	}
	return err
}
