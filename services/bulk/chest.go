package bulk

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sort"

	"github.com/rapport-health/rapport/services/domain/fault"
)

// What lies in the folder of a job is encrypted under a key that lies in the job's row, and is gone with it: whoever gets
// at the disk, a backup of it, or what is left of a deleted file, reads nothing. Where payloads are sealed the row is, too.
//
// A file is a sequence of frames: the length of what is sealed, in 4 bytes, and the sealed piece (AES-256-GCM: nonce, text,
// tag). Each is bound to the job, the name of the file, and its place in it.

// keySize is that of a job's key, and frameBytes how much of a file that is written as a whole goes into one frame.
const (
	keySize    = 32
	frameBytes = 256 << 10
	// frameHead is the length before a frame, and frameMore how much longer the sealed piece is than the plain one.
	frameHead = 4
	frameMore = 12 + 16
	// maxFrame bounds a frame: the longest line and a buffer.
	maxFrame = 2 * maxLine
)

// newKey is a key that nobody else has.
func newKey() []byte {
	key := make([]byte, keySize)
	_, _ = rand.Read(key) // never fails
	return key
}

// errChest says that a file is not what was written, or that its key is another.
var errChest = errors.New("the file is not as it was written")

// chest is one file of a job.
type chest struct {
	path  string
	about string
	aead  cipher.AEAD
}

// chestOf is the file of a name in the folder of a job.
func chestOf(folder string, key []byte, name string) (chest, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return chest{}, fault.Wrap(fault.Internal, err, "opening a file of a bulk job")
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return chest{}, fault.Wrap(fault.Internal, err, "opening a file of a bulk job")
	}
	return chest{filepath.Join(folder, name), filepath.Base(folder) + "/" + name, aead}, nil
}

// place is what a frame is bound to.
func (c chest) place(n int64) []byte {
	return binary.BigEndian.AppendUint64([]byte(c.about), uint64(n))
}

// frame seals one piece, the n-th of the file.
func (c chest) frame(n int64, plain []byte) []byte {
	out := make([]byte, frameHead, frameHead+len(plain)+frameMore)
	binary.BigEndian.PutUint32(out, uint32(len(plain)+frameMore)) //nolint:gosec // at most maxFrame
	return c.aead.Seal(out, nil, plain, c.place(n))
}

// filler writes a file from its beginning, piece by piece.
type filler struct {
	chest
	into io.Writer
	held []byte
	// frames that were written, and plain bytes that came.
	frames, plain int64
}

// Write takes the next bytes.
func (f *filler) Write(b []byte) (int, error) {
	for rest := b; len(rest) > 0; {
		n := min(len(rest), frameBytes-len(f.held))
		f.held, rest = append(f.held, rest[:n]...), rest[n:]
		if len(f.held) == frameBytes {
			if err := f.flush(); err != nil {
				return 0, err
			}
		}
	}
	f.plain += int64(len(b))
	return len(b), nil
}

// flush writes what is held.
func (f *filler) flush() error {
	if len(f.held) == 0 {
		return nil
	}
	_, err := f.into.Write(f.frame(f.frames, f.held))
	f.frames, f.held = f.frames+1, f.held[:0]
	return err
}

// piece is where a frame lies on the disk, and where what is in it begins.
type piece struct{ at, plain int64 }

// opened reads a file at any place. It is for one reader at a time.
type opened struct {
	chest
	file   *os.File
	pieces []piece
	size   int64
	// held is the text of the piece last read, the n-th; nil for none.
	held []byte
	n    int
}

// open looks where the pieces lie. Errors: Unavailable when the file is not there.
func (c chest) open() (*opened, error) {
	file, err := os.Open(c.path)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "opening a file of a bulk job")
	}
	o := &opened{chest: c, file: file, n: -1}
	var head [frameHead]byte
	for at := int64(0); ; {
		if _, err := file.ReadAt(head[:], at); err != nil {
			if errors.Is(err, io.EOF) {
				return o, nil // what is not whole does not count
			}
			return nil, errors.Join(fault.Wrap(fault.Unavailable, err, "reading a file of a bulk job"), file.Close())
		}
		length := int64(binary.BigEndian.Uint32(head[:]))
		if length < frameMore || length > maxFrame {
			return o, nil // behind what counts: it was being written when the server ended
		}
		o.pieces = append(o.pieces, piece{at, o.size})
		o.size += length - frameMore
		at += frameHead + length
	}
}

// Close lets go of the file.
func (o *opened) Close() error { return o.file.Close() }

// ReadAt reads the text at a place.
func (o *opened) ReadAt(b []byte, at int64) (read int, err error) {
	for read < len(b) {
		here := at + int64(read)
		if here >= o.size {
			return read, io.EOF
		}
		n := sort.Search(len(o.pieces), func(i int) bool { return o.pieces[i].plain > here }) - 1
		if err := o.hold(n); err != nil {
			return read, err
		}
		read += copy(b[read:], o.held[here-o.pieces[n].plain:])
	}
	return read, nil
}

// hold reads the n-th piece.
func (o *opened) hold(n int) error {
	if o.n == n {
		return nil
	}
	end := o.size
	if n+1 < len(o.pieces) {
		end = o.pieces[n+1].plain
	}
	sealed := make([]byte, end-o.pieces[n].plain+frameMore)
	if _, err := o.file.ReadAt(sealed, o.pieces[n].at+frameHead); err != nil {
		return fault.Wrap(fault.Internal, errors.Join(errChest, err), "reading a file of a bulk job")
	}
	plain, err := o.aead.Open(sealed[:0], nil, sealed, o.place(int64(n)))
	if err != nil {
		return fault.Wrap(fault.Internal, errChest, "reading a file of a bulk job")
	}
	o.held, o.n = plain, n
	return nil
}
