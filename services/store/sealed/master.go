package sealed

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/rapport-health/rapport/services/domain/fault"
)

// Master wraps data keys. It is asked when a database is opened and when keys are rotated, never for a row.
type Master interface {
	// Wrap a key for a purpose under the current master key, whose name it returns. Errors: Precondition, Unavailable.
	Wrap(ctx context.Context, purpose string, key []byte) (wrapped []byte, name string, err error)
	// Unwrap a key by the master key of a name. Errors: Precondition when there is no such master key or it is another;
	// Unavailable.
	Unwrap(ctx context.Context, purpose string, wrapped []byte, name string) ([]byte, error)
}

// forms of naming a master key.
const forms = "want file:PATH, env:NAME or exec:COMMAND"

// CheckMaster says why a text names no master key; the empty one names none, and is none.
func CheckMaster(named string) error {
	if named == "" {
		return nil
	}
	how, what, _ := strings.Cut(named, ":")
	if what == "" || how != "file" && how != "env" && how != "exec" {
		return errors.New(forms)
	}
	return nil
}

// ParseMaster is the master key that a text names: `file:PATH` and `env:NAME` hold master keys of 32 bytes, in base 64 or
// hexadecimal, of which the last is the current one; `exec:COMMAND` asks a key management service, see Hook. Nil for the empty
// text.
func ParseMaster(named string) (Master, error) {
	if err := CheckMaster(named); err != nil || named == "" {
		return nil, err
	}
	how, what, _ := strings.Cut(named, ":")
	switch how {
	case "exec":
		return Hook{Command: strings.Fields(what)}, nil
	case "env":
		return local{named, func() (string, error) {
			text, set := os.LookupEnv(what)
			if !set {
				return "", fmt.Errorf("the variable %s is not set", what)
			}
			return text, nil
		}}, nil
	default:
		return local{named, func() (string, error) {
			text, err := os.ReadFile(what)
			return string(text), err
		}}, nil
	}
}

// NewMaster is a new master key, as a line of a file.
func NewMaster() string {
	key := make([]byte, keySize)
	_, _ = rand.Read(key) // It never fails.
	return base64.StdEncoding.EncodeToString(key)
}

// MasterName is the name of a master key: a digest that does not tell it.
func MasterName(key []byte) string {
	sum := sha256.Sum256(append([]byte("rapport master key "), key...))
	return hex.EncodeToString(sum[:8])
}

// local are master keys at hand. They are read whenever they are needed, so that a file may be changed while a server runs.
type local struct {
	named string
	read  func() (string, error)
}

type masterKey struct {
	name string
	key  []byte
}

// all are the keys, the current one last. Errors hold nothing of what was read.
func (l local) all() ([]masterKey, error) {
	text, err := l.read()
	if err != nil {
		return nil, fault.Newf(fault.Precondition, "security", "the master key cannot be read: %s", plainly(err))
	}
	var out []masterKey
	for n, line := range strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == ',' }) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, ok := decode(line)
		if !ok {
			return nil, fault.Newf(fault.Precondition, "security", "master key %d of %s is not 32 bytes in base 64 or hexadecimal", n+1, l.named)
		}
		out = append(out, masterKey{MasterName(key), key})
	}
	if len(out) == 0 {
		return nil, fault.Newf(fault.Precondition, "security", "%s holds no master key; `rapport keys make` makes one", l.named)
	}
	return out, nil
}

// plainly is why a file could not be read.
func plainly(err error) string {
	if path, ok := errors.AsType[*os.PathError](err); ok {
		return path.Path + ": " + path.Err.Error()
	}
	return err.Error()
}

func decode(line string) ([]byte, bool) {
	if b, err := hex.DecodeString(line); err == nil && len(b) == keySize {
		return b, true
	}
	b, err := base64.StdEncoding.DecodeString(line)
	return b, err == nil && len(b) == keySize
}

// Wrap seals a data key as a row is sealed.
func (l local) Wrap(_ context.Context, purpose string, key []byte) ([]byte, string, error) {
	all, err := l.all()
	if err != nil {
		return nil, "", err
	}
	current := all[len(all)-1]
	s, err := newSealer(current.key)
	if err != nil {
		return nil, "", fault.Wrap(fault.Internal, err, "wrapping a data key")
	}
	wrapped, err := s.seal(nil, nil, key, []byte(purpose))
	return wrapped, current.name, fault.Wrap(fault.Internal, err, "wrapping a data key")
}

// Unwrap opens it.
func (l local) Unwrap(_ context.Context, purpose string, wrapped []byte, name string) ([]byte, error) {
	all, err := l.all()
	if err != nil {
		return nil, err
	}
	var names []string
	for _, m := range all {
		names = append(names, m.name)
		if m.name != name {
			continue
		}
		s, err := newSealer(m.key)
		if err != nil {
			return nil, fault.Wrap(fault.Internal, err, "unwrapping a data key")
		}
		key, err := s.open(wrapped, []byte(purpose))
		if err != nil {
			return nil, fault.Newf(fault.Precondition, "security", "the stored %s was changed: master key %s does not open it", purpose, name)
		}
		return key, nil
	}
	return nil, fault.Newf(fault.Precondition, "security", "wrong master key: %s is wrapped by master key %s, and %s holds %s",
		purpose, name, l.named, strings.Join(names, ", "))
}
