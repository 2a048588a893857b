package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// position remembers how many items of each file are done, so that a broken run goes on where it was.
// A nil position remembers nothing.
type position struct {
	path string

	mu    sync.Mutex
	files map[string]place
	saved time.Time
}

// place is how far one file is done. A file that has changed since begins anew: sending again does no harm, leaving
// something out would.
type place struct {
	Items    int       `json:"items"`
	Size     int64     `json:"size"`
	Modified time.Time `json:"modified"`
	// Run is that of its items; empty in files of earlier versions.
	Run string `json:"run,omitempty"`
}

// openPosition reads the file when it exists; an empty path remembers nothing.
func openPosition(path string) (*position, error) {
	if path == "" {
		return nil, nil
	}
	p := &position{path: path, files: map[string]place{}}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return p, p.save() // what cannot be written is told before anything is sent
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(data, &p.files); err != nil {
		return nil, fmt.Errorf("--resume %s: not a position file of rapport ingest", path)
	}
	return p, nil
}

// begin returns how many items of a file are done, and the run that they are of: a new one unless it goes on.
func (p *position) begin(file string, opened *os.File, run string) (done int, of string, err error) {
	if p == nil {
		return 0, run, nil
	}
	key, err := filepath.Abs(file)
	if err != nil {
		return 0, "", err
	}
	info, err := opened.Stat()
	if err != nil {
		return 0, "", err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := place{Size: info.Size(), Modified: info.ModTime().UTC(), Run: run}
	if before, ok := p.files[key]; ok && before.Size == now.Size && before.Modified.Equal(now.Modified) {
		now.Items = before.Items
		if before.Run != "" {
			now.Run = before.Run
		}
	}
	p.files[key] = now
	return now.Items, now.Run, p.save() // what is sent can be known again after a crash
}

// saveEvery bounds what is sent again after a crash.
const saveEvery = time.Second

// done notes an item. Items of one file are done in order.
func (p *position) done(i item) error {
	if p == nil {
		return nil
	}
	key, err := filepath.Abs(i.file)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	at := p.files[key]
	at.Items = i.number
	p.files[key] = at
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
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.save()
}
