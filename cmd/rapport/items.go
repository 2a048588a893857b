package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/rapport-health/rapport/services/domain/ref"
)

// item is one thing to send, and where it came from.
type item struct {
	file string
	// number of the item in its file, from 1.
	number int
	body   []byte
	// run tells the items of this file in this run from all others, also when it goes on after a crash.
	run string
}

// key by which the server knows an item of this run that it was sent before, so that an older version of a resource that is
// sent again does not take the place of a newer one. What has no id is known by its content.
func (i item) key() string {
	var head struct {
		ResourceType, ID string
	}
	if json.Unmarshal(i.body, &head) != nil || head.ID == "" || head.ResourceType == "Bundle" {
		return ""
	}
	return ref.Digest("ingest", i.run, strconv.Itoa(i.number))
}

// String is where the item stands: file and number.
func (i item) String() string {
	name := i.file
	if name == standardInput {
		name = "(standard input)"
	}
	return fmt.Sprintf("%s:%d", name, i.number)
}

// maxItem is the largest single item that is read, in bytes: the largest Bundle the server takes.
const maxItem = 64 << 20

// standardInput is the name that stands for it.
const standardInput = "-"

// inputs are the files to read, in order.
type inputs struct {
	files []string
	stdin io.Reader
	// done is what an earlier run has sent; nil for nothing.
	done *position
	// size is how many bytes all files have; 0 when it is not known. read is how many of them were read so far.
	size int64
	read atomic.Int64
}

// suffixes are what is taken out of a folder.
var suffixes = []string{".json", ".ndjson", ".jsonl", ".json.gz", ".ndjson.gz", ".jsonl.gz"}

// open looks for all names before anything is read: folders become their files, in name order.
// Errors: every name that does not exist, or is a folder without such a file.
func (in *inputs) open(names []string) error {
	var wrong []error
	known := true
	for _, name := range names {
		if name == standardInput {
			in.files, known = append(in.files, name), false
			continue
		}
		info, err := os.Stat(name)
		switch {
		case err != nil:
			wrong = append(wrong, plainPath(err))
		case info.IsDir():
			if err := in.folder(name); err != nil {
				wrong = append(wrong, err)
			}
		default:
			in.files, in.size = append(in.files, name), in.size+info.Size()
			known = known && info.Mode().IsRegular()
		}
	}
	if !known {
		in.size = 0
	}
	return errors.Join(wrong...)
}

func (in *inputs) folder(name string) error {
	before := len(in.files)
	err := filepath.WalkDir(name, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return plainPath(err)
		}
		if !slices.ContainsFunc(suffixes, func(s string) bool { return strings.HasSuffix(path, s) }) {
			return nil
		}
		info, err := os.Stat(path) // a link counts as what it points to
		if err != nil {
			return plainPath(err)
		}
		if info.Mode().IsRegular() {
			in.files, in.size = append(in.files, path), in.size+info.Size()
		}
		return nil
	})
	if err == nil && len(in.files) == before {
		return fmt.Errorf("%s: no .json, .ndjson or .jsonl file in this folder", name)
	}
	return err
}

// plainPath leaves out the system call.
func plainPath(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return fmt.Errorf("%s: %w", p.Path, p.Err)
	}
	return err
}

// items reads the files. NDJSON gives an item per line, anything else one per top-level JSON value; what was done before
// is passed over. A file that cannot be read to its end gives an item without a body, with the reason; the next file
// follows.
func (in *inputs) items(ctx context.Context) iter.Seq2[item, error] {
	return func(yield func(item, error) bool) {
		for _, name := range in.files {
			if !in.file(ctx, name, yield) {
				return
			}
		}
	}
}

func (in *inputs) file(ctx context.Context, name string, yield func(item, error) bool) bool {
	raw := io.NopCloser(in.stdin)
	skip, run := 0, rand.Text()
	if name != standardInput {
		f, err := os.Open(name)
		if err != nil {
			return yield(item{file: name}, plainPath(err))
		}
		raw = f
		if skip, run, err = in.done.begin(name, f, run); err != nil {
			_ = f.Close()
			return yield(item{file: name}, err)
		}
	}
	defer raw.Close()
	text, err := plainText(bufio.NewReaderSize(counted{raw, &in.read}, 1<<20))
	if err != nil {
		return yield(item{file: name}, fmt.Errorf("%s: %w", name, err))
	}
	number := 0
	for body, err := range bodies(text, name) {
		number++
		switch {
		case ctx.Err() != nil:
			return false
		case err != nil:
			if !yield(item{file: name, number: number}, fmt.Errorf("%s: %w", item{file: name, number: number}, err)) {
				return false
			}
		case number > skip:
			if !yield(item{name, number, body, run}, nil) {
				return false
			}
		}
	}
	return true
}

// counted counts what is read.
type counted struct {
	io.Reader
	n *atomic.Int64
}

// Read reads and counts.
func (c counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// plainText unpacks gzip, known by its first bytes, and takes the mark away with which Windows begins UTF-8.
func plainText(in *bufio.Reader) (*bufio.Reader, error) {
	magic, _ := in.Peek(2) // shorter input is not gzip
	if bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		z, err := gzip.NewReader(in)
		if err != nil {
			return nil, fmt.Errorf("broken gzip: %w", err)
		}
		in = bufio.NewReaderSize(gunzipped{z}, 1<<20)
	}
	if mark, _ := in.Peek(3); bytes.Equal(mark, []byte("\xef\xbb\xbf")) {
		_, err := in.Discard(3)
		return in, err
	}
	if mark, _ := in.Peek(2); bytes.Equal(mark, []byte("\xff\xfe")) || bytes.Equal(mark, []byte("\xfe\xff")) {
		return nil, errors.New("the text is UTF-16: FHIR JSON is UTF-8")
	}
	return in, nil
}

// gunzipped says of what is broken that it is the gzip.
type gunzipped struct{ *gzip.Reader }

// Read unpacks.
func (g gunzipped) Read(p []byte) (int, error) {
	n, err := g.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = fmt.Errorf("broken gzip: %w", err)
	}
	return n, err
}

// bodies are the items of one file.
func bodies(in *bufio.Reader, name string) iter.Seq2[[]byte, error] {
	base := filepath.Base(name)
	if strings.Contains(base, ".ndjson") || strings.Contains(base, ".jsonl") || beginsWithALine(in) {
		return eachLine(in)
	}
	return eachValue(in)
}

// beginsWithALine says whether the first line is a whole JSON value: then every line is taken for itself, whatever the
// name, so that a broken line harms no other.
func beginsWithALine(in *bufio.Reader) bool {
	start, _ := in.Peek(in.Size()) // less, when there is less
	line, _, found := bytes.Cut(bytes.TrimLeft(start, " \t\r\n"), []byte("\n"))
	return found && json.Valid(line)
}

// errTooLarge is what is told of an item that is not read into memory.
var errTooLarge = fmt.Errorf("larger than %d MiB: split the Bundle", maxItem>>20)

// eachLine gives non-empty lines. A line that is too large is told of and passed over.
func eachLine(in *bufio.Reader) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for {
			line, err := oneLine(in)
			if len(bytes.TrimSpace(line)) > 0 && !yield(bytes.TrimSpace(line), nil) {
				return
			}
			switch {
			case errors.Is(err, io.EOF):
				return
			case err == nil:
			case !yield(nil, err) || !errors.Is(err, errTooLarge):
				return
			}
		}
	}
}

// oneLine reads to the end of the line. Of a line that is too large nothing is kept.
func oneLine(in *bufio.Reader) ([]byte, error) {
	var line []byte
	large := false
	for {
		part, err := in.ReadSlice('\n')
		if large = large || len(line)+len(part) > maxItem; large {
			line = nil
		} else {
			line = append(line, part...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
		case large && (err == nil || errors.Is(err, io.EOF)):
			return nil, errTooLarge
		default:
			return line, err
		}
	}
}

// eachValue gives each top-level JSON value as it is written. From where it is no JSON the rest is given as one item, so
// that the server says what is wrong with it.
func eachValue(in *bufio.Reader) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		bounded := &budget{in, 0}
		decoder := json.NewDecoder(bounded)
		for {
			bounded.left = maxItem
			var value json.RawMessage
			err := decoder.Decode(&value)
			switch {
			case errors.Is(err, io.EOF):
				return
			case err != nil:
				if rest, err := remainder(decoder, bounded); err != nil || len(rest) > 0 {
					yield(rest, err)
				}
				return
			case !yield(value, nil):
				return
			}
		}
	}
}

// budget refuses to read more than is left for one value.
type budget struct {
	io.Reader
	left int
}

// Read reads what the budget allows.
func (b *budget) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errTooLarge
	}
	n, err := b.Reader.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

func remainder(decoder *json.Decoder, in io.Reader) ([]byte, error) {
	rest, err := io.ReadAll(io.MultiReader(decoder.Buffered(), in))
	if err != nil {
		return nil, err
	}
	return bytes.TrimSpace(rest), nil
}
