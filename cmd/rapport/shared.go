package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"syscall"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
)

// outputFlag chooses between text for people and JSON for programs.
type outputFlag struct {
	Output string `short:"o" name:"output" enum:"text,json" default:"text" help:"text, or json: one object per line (${default})." placeholder:"FORM" env:"-"`
}

func (o outputFlag) json() bool { return o.Output == "json" }

// streams are where a command reads and writes.
type streams struct {
	in       io.Reader
	out, err io.Writer
	// terminal says whether err is watched by a person, and screen whether out is.
	terminal, screen bool
}

// sink is an output that remembers that it failed, so that no command has to ask after every line.
type sink struct {
	io.Writer
	// broken is called once, at the first failure.
	broken func()

	mu  sync.Mutex
	err error
}

// Write writes, until it fails for the first time.
func (s *sink) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return 0, s.err
	}
	n, err := s.Writer.Write(p)
	if err != nil {
		s.err = err
		s.broken()
	}
	return n, err
}

// failure is why writing failed; nil as well when the reader went away, as `head` does: it had enough.
func (s *sink) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if gone(s.err) {
		return nil
	}
	return s.err
}

// gone says whether an output failed because its reader went away.
func gone(err error) bool { return errors.Is(err, syscall.EPIPE) || errors.Is(err, io.ErrClosedPipe) }

// describe is an error in words for a person.
func describe(err error) string {
	// Not status.FromError: of an error that was wrapped it gives the text of the wrapping.
	answered, ok := errors.AsType[interface {
		error
		GRPCStatus() *status.Status
	}](err)
	if !ok {
		return err.Error()
	}
	st := answered.GRPCStatus()
	if _, dialled, ok := strings.Cut(st.Message(), "dial tcp "); ok && st.Code() == codes.Unavailable {
		return fmt.Sprintf("no server answers at %s (is one running there? --addr says which)", strings.TrimSuffix(dialled, `"`))
	}
	for _, hint := range connectionHints {
		if strings.Contains(st.Message(), hint.sign) {
			return hint.words
		}
	}
	return st.Message()
}

// connectionHints say what a library's words about a connection ask of the person at the keyboard.
var connectionHints = []struct{ sign, words string }{
	{"another certificate", "the server shows another certificate than the one in --tls-cert"},
	{"error reading server preface", "the server ended the connection: it may want TLS (--tls, --ca-cert FILE or --tls-cert FILE)"},
	{"first record does not look like a TLS handshake", "the server does not speak TLS: leave --tls, --ca-cert and --tls-cert out"},
	{"authentication handshake failed", "the server's certificate is not trusted, or is for another name: name its authority with --ca-cert FILE, " +
		"or the certificate itself with --tls-cert FILE"},
	{"send `Authorization: Bearer", "the server wants a token: --bearer TOKEN, or RAPPORT_BEARER in the environment"},
	{"the token is not known here", "the server does not know this token (--bearer, RAPPORT_BEARER)"},
}

// issueWords is where something is wrong and what.
func issueWords(i *rapportv1.Issue) string {
	return strings.TrimPrefix(i.GetExpression()+": "+i.GetText(), ": ")
}

// protoLine is a message as compact JSON with the names of the contract.
func protoLine(m proto.Message) (json.RawMessage, error) {
	data, err := protojson.Marshal(m)
	if err != nil {
		return nil, err
	}
	return json.Marshal(json.RawMessage(data)) // protojson varies its white space on purpose: this is one way
}

// printProto writes a message as one line of JSON.
func printProto(w io.Writer, m proto.Message) error {
	line, err := protoLine(m)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s\n", line)
	return err
}

// isTerminal says whether a person may be watching: a character device that is not the null device.
func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	null, err := os.Stat(os.DevNull)
	return err != nil || !os.SameFile(info, null)
}

// decimal writes a number with three decimals at most.
func decimal(x float64) string {
	text := strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.3f", x), "0"), ".")
	if text == "-0" {
		return "0"
	}
	return text
}

// prefixed is the text behind its prefix, or nothing.
func prefixed(prefix, text string) string {
	if text == "" {
		return ""
	}
	return prefix + text
}

// plural is a count with its noun.
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
