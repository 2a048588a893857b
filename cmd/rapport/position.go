package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// position remembers how many items of each file are done, so that a broken run goes on where it was.
// A nil position remembers nothing.
type position struct {
	path  string
	files map[string]int
	saved time.Time
}

// openPosition reads the file when it exists; an empty path remembers nothing.
func openPosition(path string) (*position, error) {
	if path == "" {
		return nil, nil
	}
	p := &position{path: path, files: map[string]int{}}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return p, nil
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(data, &p.files); err != nil {
		return nil, fmt.Errorf("--resume %s: not a position file of rapport ingest", path)
	}
	return p, nil
}

// of is how many items of a file are done.
func (p *position) of(file string) int {
	if p == nil {
		return 0
	}
	return p.files[file]
}

// saveEvery bounds what is sent again after a crash; sending again does no harm.
const saveEvery = time.Second

// done notes an item. Items of one file are done in order.
func (p *position) done(i item) error {
	if p == nil {
		return nil
	}
	p.files[i.file] = i.number
	if time.Since(p.saved) < saveEvery {
		return nil
	}
	return p.save()
}

// save replaces the file in one step, so that it is never half-written.
func (p *position) save() error {
	p.saved = time.Now()
	data, err := json.MarshalIndent(p.files, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(p.path+".new", append(data, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(p.path+".new", p.path)
}

func (p *position) close() error {
	if p == nil {
		return nil
	}
	return p.save()
}
