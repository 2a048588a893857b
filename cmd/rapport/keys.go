package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/rapport-health/rapport/services/server"
)

// keysCmd is about the keys that seal what is stored.
type keysCmd struct {
	Make   keysMakeCmd   `cmd:"" help:"Make a master key."`
	List   keysListCmd   `cmd:"" help:"List the data keys of a database."`
	Rotate keysRotateCmd `cmd:"" help:"Go over to the newest master key, and to a new data key."`
	Reseal keysResealCmd `cmd:"" help:"Seal what is stored with the newest data key."`
}

// Help says how it hangs together.
func (keysCmd) Help() string {
	return `With --master-key, serve seals what it stores of patients: the JSON of resources, facts, episode states, alerts and events. Rows are
sealed with data keys, which lie in the database; they are wrapped by the master key, which never does. Columns by which something
is found stay readable: ids, references, codes, dates, identifiers of patients.

A master key is 'file:PATH' or 'env:NAME', with 32 bytes in base 64 or hexadecimal on each line, the last one being the current one; or
'exec:COMMAND', which asks a key management service: the command reads {"operation":"wrap","purpose":…,"key":…} and writes
{"master":…,"wrapped":…}, or reads {"operation":"unwrap","purpose":…,"master":…,"wrapped":…} and writes {"key":…}; keys are in base 64.

Switch it on:    rapport keys make > rapport.key; start serve with --master-key file:rapport.key; then rapport keys reseal
Rotate:          rapport keys make >> rapport.key on every server; then rapport keys rotate; later take the first line out
Lose the master key, and what is sealed is lost.`
}

// keysMakeCmd makes a master key.
type keysMakeCmd struct {
	outputFlag
}

// Help shows an example.
func (keysMakeCmd) Help() string {
	return "Give the file to nobody but the servers.\n\nExample:\n  rapport keys make >> rapport.key"
}

// Run prints it.
func (c keysMakeCmd) Run(s streams) error {
	if c.json() {
		return json.NewEncoder(s.out).Encode(map[string]string{"key": server.NewMasterKey()})
	}
	_, err := fmt.Fprintln(s.out, server.NewMasterKey())
	return err
}

// keysListCmd lists data keys.
type keysListCmd struct {
	storeFlag
	masterFlag
	outputFlag
}

// Help shows an example.
func (keysListCmd) Help() string {
	return "Names of master keys are digests: they tell which one is needed, and nothing of it.\n\nExample:\n  rapport keys list --store sqlite:rapport.db"
}

// Run lists.
func (c keysListCmd) Run(ctx context.Context, s streams) error {
	if err := c.check(); err != nil {
		return err
	}
	keys, err := server.ListKeys(ctx, c.Store, c.MasterKey)
	if err != nil {
		return err
	}
	if !c.json() && len(keys) == 0 {
		_, err := fmt.Fprintln(s.out, "Nothing is sealed here.")
		return err
	}
	for i, k := range keys {
		if c.json() {
			err = json.NewEncoder(s.out).Encode(map[string]any{"id": k.ID, "master": k.Master, "created": k.Created, "seals": i == len(keys)-1})
		} else {
			seals := ""
			if i == len(keys)-1 {
				seals = "  seals what is written"
			}
			_, err = fmt.Fprintf(s.out, "data key %d  of %s  wrapped by master key %s%s\n", k.ID, k.Created.Format(time.DateTime), k.Master, seals)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// keysRotateCmd rotates.
type keysRotateCmd struct {
	storeFlag
	masterFlag
	outputFlag
}

// Help says how.
func (keysRotateCmd) Help() string {
	return `Wraps every data key under the current master key and makes a further data key. Servers go on: each has to have the current master
key already, reads what was sealed before as ever, and seals with the new data key within half a minute.

Example:
  rapport keys rotate --store postgres://rapport@localhost/rapport --master-key file:/run/secrets/rapport.key`
}

// Run rotates.
func (c keysRotateCmd) Run(ctx context.Context, s streams) error {
	if err := c.needed(); err != nil {
		return err
	}
	n, err := server.RotateKeys(ctx, c.Store, c.MasterKey)
	if err != nil {
		return err
	}
	if c.json() {
		return json.NewEncoder(s.out).Encode(map[string]int{"rewrapped": n, "made": 1})
	}
	_, err = fmt.Fprintf(s.out, "%s wrapped anew, and a new one made.\n", plural(n, "data key"))
	return err
}

// keysResealCmd seals stored rows anew.
type keysResealCmd struct {
	storeFlag
	masterFlag
	outputFlag
}

// Help says how.
func (keysResealCmd) Help() string {
	return `Seals every stored row with the newest data key that is plain, or sealed with an earlier one, beside the servers that use the
database. It may be stopped and started again. Of what was plain before, traces remain in free pages and logs until these are
written over: SQLite is rid of them by 'rapport backup' and 'rapport restore', PostgreSQL by VACUUM FULL.

Example:
  rapport keys reseal --store sqlite:rapport.db --master-key file:rapport.key`
}

// Run seals.
func (c keysResealCmd) Run(ctx context.Context, s streams) error {
	if err := c.needed(); err != nil {
		return err
	}
	progress, done := s.progress()
	n, err := server.Reseal(ctx, c.Store, c.MasterKey, progress)
	done()
	if err != nil {
		return err
	}
	if c.json() {
		return json.NewEncoder(s.out).Encode(map[string]int{"sealed": n})
	}
	_, err = fmt.Fprintf(s.out, "%s sealed; nothing is left to seal.\n", plural(n, "row"))
	return err
}

// needed is check where there must be a master key.
func (f masterFlag) needed() error {
	if f.MasterKey == "" {
		return usageError{errors.New("--master-key is needed: file:PATH, env:NAME or exec:COMMAND")}
	}
	return f.check()
}
