package sealed

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os/exec"
	"strings"
	"time"

	"github.com/rapport-health/rapport/services/domain/fault"
)

// Hook asks a key management service, by a command of the operator's own. The command is run for each key, without a shell; it
// reads one JSON object and writes one:
//
//	{"operation":"wrap","purpose":"rapport data key 1","key":"<base 64>"}        → {"master":"<name>","wrapped":"<base 64>"}
//	{"operation":"unwrap","purpose":"…","master":"<name>","wrapped":"<base 64>"} → {"key":"<base 64>"}
//
// Name is whatever the service calls its key. Purpose is meant for the service's encryption context. What the command writes to
// its standard error is shown when it fails, so it must write no key there.
type Hook struct {
	// Command and its arguments.
	Command []string
}

// hookLimit bounds one run of the command.
const hookLimit = 20 * time.Second

// maxSaid bounds what is shown of what the command says.
const maxSaid = 300

type hookCall struct {
	Operation string `json:"operation"`
	Purpose   string `json:"purpose"`
	Master    string `json:"master,omitempty"`
	Key       []byte `json:"key,omitempty"`
	Wrapped   []byte `json:"wrapped,omitempty"`
}

// Wrap asks for it.
func (h Hook) Wrap(ctx context.Context, purpose string, key []byte) ([]byte, string, error) {
	answer, err := h.ask(ctx, hookCall{Operation: "wrap", Purpose: purpose, Key: key})
	if err == nil && (len(answer.Wrapped) == 0 || answer.Master == "") {
		err = errHook("it answers wrap without master and wrapped")
	}
	return answer.Wrapped, answer.Master, err
}

// Unwrap asks for it.
func (h Hook) Unwrap(ctx context.Context, purpose string, wrapped []byte, name string) ([]byte, error) {
	answer, err := h.ask(ctx, hookCall{Operation: "unwrap", Purpose: purpose, Master: name, Wrapped: wrapped})
	if err == nil && len(answer.Key) != keySize {
		err = errHook("it answers unwrap without a key of 32 bytes")
	}
	return answer.Key, err
}

func (h Hook) ask(ctx context.Context, call hookCall) (answer hookCall, err error) {
	asked, err := json.Marshal(call)
	if err != nil {
		return answer, fault.Newf(fault.Internal, "exception", "the call of the key command cannot be written")
	}
	ctx, cancel := context.WithTimeout(ctx, hookLimit)
	defer cancel()
	command := exec.CommandContext(ctx, h.Command[0], h.Command[1:]...)
	command.Stdin = bytes.NewReader(asked)
	command.WaitDelay = time.Second
	var out, said bytes.Buffer
	command.Stdout, command.Stderr = &out, &said
	if err := command.Run(); err != nil {
		return answer, errHook(why(ctx, err, said.String()))
	}
	if json.Unmarshal(out.Bytes(), &answer) != nil {
		return answer, errHook("it does not answer with one JSON object")
	}
	return answer, nil
}

func why(ctx context.Context, err error, said string) string {
	switch exit, ok := errors.AsType[*exec.ExitError](err); {
	case ctx.Err() != nil:
		return "it did not answer in time"
	case ok:
		said = strings.Join(strings.Fields(said), " ")
		return strings.TrimSuffix(exit.Error()+": "+said[:min(len(said), maxSaid)], ": ")
	default:
		return err.Error()
	}
}

func errHook(why string) error {
	return fault.Newf(fault.Precondition, "security", "the key command of --master-key failed: %s", why)
}
