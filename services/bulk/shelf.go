package bulk

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/rapport-health/rapport/services/domain/fault"
)

// The roles of files.
const (
	roleOutput  = "output"
	roleDeleted = "deleted"
	roleError   = "error"
)

// file is one that a client may fetch. The JSON names are a stored form.
type file struct {
	Name string `json:"name"`
	Role string `json:"role"`
	Type string `json:"type"`
	// Count of its lines, and its Bytes. What lies behind is no part of it.
	Count int64 `json:"count"`
	Bytes int64 `json:"bytes"`
	// Frames that these are sealed in, and how many bytes of the disk they are.
	Frames int64 `json:"frames"`
	Stored int64 `json:"stored"`
}

// A file is full when it has so many lines or bytes.
const (
	fullLines = 100_000
	fullBytes = 512 << 20
)

// shelf writes the files of a job. What was added counts once settle has returned.
type shelf struct {
	folder string
	key    []byte
	files  []file
	// open are the files that are being written, by the index of what they are.
	open map[int]*writing
	// pending bytes were added and not settled yet.
	pending int
}

type writing struct {
	*os.File
	chest
	buffer bytes.Buffer
}

// bufferBytes is how much of a file is held before it is written.
const bufferBytes = 256 << 10

// openShelf goes on with files as far as they count: what was written behind that, before the server ended, is cut off.
func openShelf(folder string, key []byte, files []file) (*shelf, error) {
	s := &shelf{folder: folder, key: key, files: slices.Clone(files), open: map[int]*writing{}}
	for _, f := range files {
		path := filepath.Join(folder, f.Name)
		info, err := os.Stat(path)
		if err == nil && info.Size() < f.Stored {
			err = io.ErrUnexpectedEOF
		}
		if err == nil {
			err = os.Truncate(path, f.Stored)
		}
		if err != nil {
			return nil, fault.Wrap(fault.Internal, err, "going on with the files of a bulk job")
		}
	}
	return s, nil
}

// add adds one line to the file of its role and type.
func (s *shelf) add(role, typ string, line []byte) error {
	at := slices.IndexFunc(s.files, func(f file) bool {
		return f.Role == role && f.Type == typ && f.Count < fullLines && f.Bytes < fullBytes
	})
	if at < 0 {
		at = s.begin(role, typ)
	}
	w, err := s.writing(at)
	if err != nil {
		return err
	}
	before := w.buffer.Len()
	if bytes.ContainsAny(line, "\r\n") {
		if err := json.Compact(&w.buffer, line); err != nil {
			return fault.Wrap(fault.Internal, err, "laying a resource on one line")
		}
	} else {
		w.buffer.Write(line)
	}
	w.buffer.WriteByte('\n')
	n := w.buffer.Len() - before
	s.files[at].Count++
	s.files[at].Bytes += int64(n)
	s.pending += n
	if w.buffer.Len() < bufferBytes {
		return nil
	}
	return s.flush(at, w)
}

func (s *shelf) begin(role, typ string) int {
	n := 1
	stem := typ
	if role != roleOutput {
		stem = role
	}
	for _, f := range s.files {
		if f.Role == role && f.Type == typ {
			n++
		}
	}
	s.files = append(s.files, file{Name: fmt.Sprintf("%s-%d.ndjson", stem, n), Role: role, Type: typ})
	return len(s.files) - 1
}

func (s *shelf) writing(at int) (*writing, error) {
	if w, ok := s.open[at]; ok {
		return w, nil
	}
	flags := os.O_WRONLY | os.O_CREATE | os.O_APPEND
	if s.files[at].Frames == 0 {
		flags |= os.O_TRUNC // it may have been begun before, and did not count
	}
	c, err := chestOf(s.folder, s.key, s.files[at].Name)
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(c.path, flags, 0o600)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "opening a file of a bulk job")
	}
	w := &writing{File: f, chest: c}
	s.open[at] = w
	return w, nil
}

func (s *shelf) flush(at int, w *writing) error {
	if w.buffer.Len() == 0 {
		return nil
	}
	sealed := w.frame(s.files[at].Frames, w.buffer.Bytes())
	_, err := w.Write(sealed)
	s.files[at].Frames++
	s.files[at].Stored += int64(len(sealed))
	w.buffer.Reset()
	return fault.Wrap(fault.Internal, err, "writing a file of a bulk job")
}

// settle makes what was added durable, and returns the files as they count now. The shelf can be gone on with.
func (s *shelf) settle() ([]file, error) {
	for at, w := range s.open {
		if err := s.flush(at, w); err != nil {
			return nil, err
		}
		if err := w.Sync(); err != nil {
			return nil, fault.Wrap(fault.Internal, err, "writing a file of a bulk job")
		}
		if err := w.Close(); err != nil {
			return nil, fault.Wrap(fault.Internal, err, "closing a file of a bulk job")
		}
		delete(s.open, at)
	}
	s.pending = 0
	return slices.Clone(s.files), nil
}

// close lets go of what was not settled.
func (s *shelf) close() {
	for at, w := range s.open {
		_ = w.Close() // What was not settled does not count.
		delete(s.open, at)
	}
}
