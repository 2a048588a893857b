package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// item is one thing to send, and where it came from.
type item struct {
	file string
	// number of the item in its file, from 1.
	number int
	body   []byte
}

// maxItem is the largest single item that is read, in bytes: the largest Bundle the server takes.
const maxItem = 64 << 20

// readItems reads files, folders and standard input in order. NDJSON gives an item per line, anything else one per
// top-level JSON value. What was done before, as position knows, is passed over.
func readItems(ctx context.Context, names []string, stdin io.Reader, done *position) iter.Seq2[item, error] {
	return func(yield func(item, error) bool) {
		for _, name := range names {
			files, err := expand(name)
			if err != nil {
				yield(item{}, err)
				return
			}
			for _, file := range files {
				if !readFile(ctx, file, stdin, done, yield) {
					return
				}
			}
		}
	}
}

// suffixes are what is taken out of a folder.
var suffixes = []string{".json", ".ndjson", ".jsonl", ".json.gz", ".ndjson.gz", ".jsonl.gz"}

// expand lists the files of a folder, in name order; anything else is itself.
func expand(name string) ([]string, error) {
	if name == "-" {
		return []string{name}, nil
	}
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return []string{name}, nil
	}
	var files []string
	err = filepath.WalkDir(name, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() && slices.ContainsFunc(suffixes, func(s string) bool { return strings.HasSuffix(path, s) }) {
			files = append(files, path)
		}
		return err
	})
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("%s: no .json, .ndjson or .jsonl file in this folder", name)
	}
	return files, err
}

func readFile(ctx context.Context, name string, stdin io.Reader, done *position, yield func(item, error) bool) bool {
	in := io.NopCloser(stdin)
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			yield(item{}, err)
			return false
		}
		in = f
	}
	defer in.Close()
	plain, err := unzip(bufio.NewReaderSize(in, 1<<20))
	if err != nil {
		yield(item{}, fmt.Errorf("%s: %w", name, err))
		return false
	}
	number := 0
	for body, err := range bodies(plain, strings.Contains(name, ".ndjson") || strings.Contains(name, ".jsonl")) {
		if err != nil {
			yield(item{}, fmt.Errorf("%s, item %d: %w", name, number+1, err))
			return false
		}
		number++
		if number <= done.of(name) {
			continue
		}
		if ctx.Err() != nil || !yield(item{name, number, body}, nil) {
			return false
		}
	}
	return true
}

// unzip looks at the first bytes, so that it does not depend on the name.
func unzip(in *bufio.Reader) (*bufio.Reader, error) {
	magic, _ := in.Peek(2) // shorter input is not gzip
	if !bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		return in, nil
	}
	z, err := gzip.NewReader(in)
	if err != nil {
		return nil, err
	}
	return bufio.NewReaderSize(z, 1<<20), nil
}

func bodies(in *bufio.Reader, lines bool) iter.Seq2[[]byte, error] {
	if lines {
		return eachLine(in)
	}
	return eachValue(in)
}

// eachLine gives non-empty lines.
func eachLine(in *bufio.Reader) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		scan := bufio.NewScanner(in)
		scan.Buffer(make([]byte, 0, 1<<20), maxItem)
		for scan.Scan() {
			if line := bytes.TrimSpace(scan.Bytes()); len(line) > 0 && !yield(bytes.Clone(line), nil) {
				return
			}
		}
		if err := scan.Err(); err != nil {
			yield(nil, err)
		}
	}
}

// eachValue gives each top-level JSON value as it is written. From where it is no JSON the rest is given as one item, so
// that the server says what is wrong with it.
func eachValue(in *bufio.Reader) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		decoder := json.NewDecoder(in)
		for {
			var value json.RawMessage
			err := decoder.Decode(&value)
			switch {
			case errors.Is(err, io.EOF):
				return
			case err != nil:
				yield(remainder(decoder, in))
				return
			case !yield(value, nil):
				return
			}
		}
	}
}

func remainder(decoder *json.Decoder, in io.Reader) ([]byte, error) {
	rest, err := io.ReadAll(io.LimitReader(io.MultiReader(decoder.Buffered(), in), maxItem))
	return bytes.TrimSpace(rest), err
}
