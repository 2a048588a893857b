package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/rapport-health/rapport/services/auth"
	"github.com/rapport-health/rapport/services/domain/access"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/server"
)

// clientsCmd keeps the registry of systems that may ask for tokens.
type clientsCmd struct {
	Add    clientAddCmd    `cmd:"" help:"Register a system."`
	List   clientListCmd   `cmd:"" help:"List the registered systems."`
	Show   clientShowCmd   `cmd:"" help:"Show one."`
	Rotate clientRotateCmd `cmd:"" help:"Replace the keys of one; tokens it has are void."`
	Revoke clientRevokeCmd `cmd:"" help:"Take one out; tokens it has are void."`
}

// Help says how it counts.
func (clientsCmd) Help() string {
	return `The registry lies in the store. A change counts on every running server after two seconds; a SQLite file may be in use
by a server meanwhile. Servers give out tokens to registered systems when they are started with --clients.`
}

// keysFlag says where a client's public keys are.
type keysFlag struct {
	JWKS    string `name:"jwks" type:"existingfile" xor:"keys" placeholder:"FILE" help:"JWKS with its public keys: EC P-384 (ES384) or RSA (RS384), with kid." env:"-"`
	JWKSURL string `name:"jwks-url" xor:"keys" placeholder:"URL" help:"Where its JWKS lies; servers fetch it when they need it." env:"-"`
	Private bool   `name:"jwks-private" help:"The URL may be plain http and lead to a private address; serve needs the same flag." env:"-"`
}

// take puts the keys into a registration.
func (k keysFlag) take(c *access.Client) error {
	if k.JWKSURL != "" {
		c.KeysURL, c.Keys = k.JWKSURL, nil
		return auth.CheckKeysURL(k.JWKSURL, k.Private)
	}
	if k.JWKS == "" {
		return nil
	}
	text, err := os.ReadFile(k.JWKS)
	if err != nil {
		return err
	}
	if _, err := auth.ReadKeySet(text); err != nil {
		return err
	}
	c.KeysURL, c.Keys = "", text
	return nil
}

// clientAddCmd registers a system.
type clientAddCmd struct {
	storeFlag
	outputFlag
	keysFlag
	ID          string   `arg:"" help:"Its client_id."`
	Tenant      string   `default:"default" help:"Tenant in which it works (${default})."`
	Scope       []string `name:"scope" sep:" " required:"" help:"SMART scopes it may ask for, such as 'system/*.rs system/Patient.cu'." env:"-"`
	Feed        []string `name:"feed" help:"Feeds it may follow: a name, team:*, role:ROLE, or *." env:"-"`
	Purpose     []string `name:"purpose" help:"Purposes of use it may claim, such as TREAT, HOPERAT, HRESCH; with BTG it may break the glass. Without any: TREAT." env:"-"`
	Label       []string `name:"label" help:"Sensitivity labels it is cleared for, such as PSY or R; '*' for all." env:"-"`
	Person      string   `help:"Person it acts for, such as Practitioner/p1." placeholder:"REFERENCE" env:"-"`
	Role        string   `help:"Role of the person, as care teams name it." env:"-"`
	Certificate string   `help:"Subject, DNS or URI name of the client certificate by which it comes in over mTLS." placeholder:"NAME" env:"-"`
}

// Help shows examples.
func (clientAddCmd) Help() string {
	return `Examples:
  rapport clients add ehr-main --scope 'system/*.cruds' --jwks ehr.jwks.json --feed '*' --label '*'
  rapport clients add physio-app --scope system/DetectedIssue.rs --jwks-url https://app.example.org/jwks \
      --person Practitioner/p1 --role physio --feed role:physio --purpose TREAT,BTG`
}

// Run registers.
func (c clientAddCmd) Run(ctx context.Context, s streams) error {
	now := time.Now().UTC().Truncate(time.Microsecond)
	client := access.Client{
		ID: c.ID, Version: 1, Tenant: ref.Tenant(c.Tenant), Scopes: strings.Join(c.Scope, " "), Person: c.Person, Role: c.Role, Feeds: c.Feed,
		Purposes: c.Purpose, Labels: c.Label, Certificate: c.Certificate, Created: now, Changed: now,
	}
	if err := c.take(&client); err != nil {
		return usageError{err}
	}
	if err := client.Check(); err != nil {
		return usageError{err}
	}
	return withRecords(ctx, c.Store, func(r server.Records) error {
		if err := r.KeepClient(ctx, client); err != nil {
			return err
		}
		return c.print(s, client, "registered")
	})
}

// print says what was done to a client.
func (o outputFlag) print(s streams, c access.Client, done string) error {
	if o.json() {
		return json.NewEncoder(s.out).Encode(c)
	}
	_, err := fmt.Fprintf(s.out, "%s is %s.\n", c.ID, done)
	return err
}

func withRecords(ctx context.Context, store string, do func(server.Records) error, masterKey ...string) error {
	records, err := server.OpenRecords(ctx, store, masterKey...)
	if err != nil {
		return err
	}
	if err := do(records); err != nil {
		_ = records.Close()
		return err
	}
	return records.Close()
}

// alterClient writes the next version of a client.
func alterClient(ctx context.Context, store, id string, alter func(*access.Client) error) (access.Client, error) {
	var changed access.Client
	return changed, withRecords(ctx, store, func(r server.Records) error {
		c, err := findClient(ctx, r, id)
		if err != nil {
			return err
		}
		if err := alter(&c); err != nil {
			return err
		}
		c.Version++
		c.Generation++
		c.Changed = time.Now().UTC().Truncate(time.Microsecond)
		if err := c.Check(); err != nil {
			return err
		}
		changed = c
		return r.KeepClient(ctx, c)
	})
}

func findClient(ctx context.Context, r server.Records, id string) (access.Client, error) {
	clients, err := r.Clients(ctx)
	if err != nil {
		return access.Client{}, err
	}
	i := slices.IndexFunc(clients, func(c access.Client) bool { return c.ID == id })
	if i < 0 {
		return access.Client{}, fault.Newf(fault.NotFound, "not-found", "no client of that id is registered: see `rapport clients list`")
	}
	return clients[i], nil
}

// clientListCmd lists the clients.
type clientListCmd struct {
	storeFlag
	outputFlag
}

// Help shows an example.
func (clientListCmd) Help() string { return "Example:\n  rapport clients list -o json" }

// Run lists.
func (c clientListCmd) Run(ctx context.Context, s streams) error {
	return withRecords(ctx, c.Store, func(r server.Records) error {
		clients, err := r.Clients(ctx)
		if err != nil {
			return err
		}
		if c.json() {
			for _, one := range clients {
				if err := json.NewEncoder(s.out).Encode(one); err != nil {
					return err
				}
			}
			return nil
		}
		if len(clients) == 0 {
			_, err := fmt.Fprintln(s.out, "No client is registered.")
			return err
		}
		table := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(table, "CLIENT\tTENANT\tSTATE\tPERSON\tSCOPES")
		for _, one := range clients {
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", one.ID, one.Tenant, state(one), one.Person, one.Scopes)
		}
		return table.Flush()
	})
}

func state(c access.Client) string {
	if c.Revoked {
		return "revoked"
	}
	return "active"
}

// clientShowCmd shows a client.
type clientShowCmd struct {
	storeFlag
	outputFlag
	ID string `arg:"" help:"Its client_id."`
}

// Help shows an example.
func (clientShowCmd) Help() string { return "Example:\n  rapport clients show ehr-main" }

// Run shows.
func (c clientShowCmd) Run(ctx context.Context, s streams) error {
	return withRecords(ctx, c.Store, func(r server.Records) error {
		one, err := findClient(ctx, r, c.ID)
		if err != nil {
			return err
		}
		if c.json() {
			return json.NewEncoder(s.out).Encode(one)
		}
		table := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
		for _, line := range [][2]string{
			{"client", one.ID},
			{"tenant", string(one.Tenant)},
			{"state", state(one)},
			{"scopes", one.Scopes},
			{"keys", keysWords(one)},
			{"certificate", one.Certificate},
			{"person", one.Person},
			{"role", one.Role},
			{"feeds", strings.Join(one.Feeds, " ")},
			{"purposes", strings.Join(one.Purposes, " ")},
			{"labels", strings.Join(one.Labels, " ")},
			{"created", one.Created.Format(time.RFC3339)},
			{"changed", one.Changed.Format(time.RFC3339)},
		} {
			if line[1] != "" {
				fmt.Fprintf(table, "%s\t%s\n", line[0], line[1])
			}
		}
		return table.Flush()
	})
}

// keysWords are where a client's keys are, and their ids.
func keysWords(c access.Client) string {
	if c.KeysURL != "" {
		return c.KeysURL
	}
	keys, err := auth.ReadKeySet(c.Keys)
	if err != nil {
		return ""
	}
	var ids []string
	for _, k := range keys {
		ids = append(ids, k.KeyID)
	}
	return strings.Join(ids, " ")
}

// clientRotateCmd replaces a client's keys.
type clientRotateCmd struct {
	storeFlag
	outputFlag
	keysFlag
	ID string `arg:"" help:"Its client_id."`
}

// Help shows examples.
func (clientRotateCmd) Help() string {
	return `A client whose keys lie at a URL rotates them there; this is for one whose keys are lost, or that moves to others.

Example:
  rapport clients rotate ehr-main --jwks new.jwks.json`
}

// Run replaces.
func (c clientRotateCmd) Run(ctx context.Context, s streams) error {
	if c.JWKS == "" && c.JWKSURL == "" {
		return usageError{fmt.Errorf("--jwks or --jwks-url is needed")}
	}
	changed, err := alterClient(ctx, c.Store, c.ID, func(one *access.Client) error { return c.take(one) })
	if err != nil {
		return err
	}
	return c.print(s, changed, "known by its new keys")
}

// clientRevokeCmd takes a client out.
type clientRevokeCmd struct {
	storeFlag
	outputFlag
	ID string `arg:"" help:"Its client_id."`
}

// Help shows an example.
func (clientRevokeCmd) Help() string { return "Example:\n  rapport clients revoke ehr-main" }

// Run takes it out.
func (c clientRevokeCmd) Run(ctx context.Context, s streams) error {
	changed, err := alterClient(ctx, c.Store, c.ID, func(one *access.Client) error {
		one.Revoked = true
		return nil
	})
	if err != nil {
		return err
	}
	return c.print(s, changed, "revoked")
}
