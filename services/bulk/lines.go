package bulk

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"io"

	"github.com/rapport-health/rapport/services/domain/fault"
)

// maxLine is the longest line that is taken, in bytes: the largest Bundle.
const maxLine = 64 << 20

// errTooLarge says that an input has more bytes than are taken.
var errTooLarge = errors.New("the input is larger than what is taken at once")

// spool copies an input, unpacked where it is packed. Errors: errInput where it is too large or broken; Unavailable where
// it ended early.
func (r *Room) spool(into io.Writer, from io.Reader) error {
	in := bufio.NewReaderSize(from, 64<<10)
	var plain io.Reader = in
	if magic, _ := in.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		unpacked, err := gzip.NewReader(in)
		if err != nil {
			return &errInput{"the input is broken gzip"}
		}
		plain = unpacked
	}
	n, err := io.Copy(into, io.LimitReader(plain, r.MaxInput+1))
	switch {
	case errors.Is(err, gzip.ErrChecksum) || errors.Is(err, gzip.ErrHeader):
		return &errInput{"the input is broken gzip"}
	case err != nil:
		return fault.Wrap(fault.Unavailable, err, "reading an input")
	case n > r.MaxInput:
		return &errInput{errTooLarge.Error()}
	}
	return nil
}

// lines reads the lines of an input, and knows where the next one begins.
type lines struct {
	r      *bufio.Reader
	offset int64
	number int64
}

// next is the next line that is not empty; nil for one that is too long. Errors: io.EOF at the end.
func (l *lines) next() ([]byte, error) {
	for {
		line, long, err := l.read()
		if len(line) == 0 && !long && err != nil {
			return nil, err
		}
		if l.number++; long {
			return nil, nil
		}
		if l.number == 1 {
			line = bytes.TrimPrefix(line, []byte("\ufeff"))
		}
		if line = bytes.TrimSpace(line); len(line) > 0 {
			return line, nil
		}
	}
}

// read reads to the end of a line. What is too long is passed over.
func (l *lines) read() (line []byte, long bool, err error) {
	for {
		piece, err := l.r.ReadSlice('\n')
		l.offset += int64(len(piece))
		if len(line)+len(piece) > maxLine {
			long, line = true, nil
		}
		if !long {
			line = append(line, piece...)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			if errors.Is(err, io.EOF) && (len(line) > 0 || long) {
				err = nil
			}
			return line, long, err
		}
	}
}
