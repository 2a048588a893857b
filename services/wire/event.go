package wire

import (
	"sync"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/feed"
)

// told is how what an event tells of stands in it.
type told struct {
	number protowire.Number
	shape  shape
}

var (
	recorded = sync.OnceValues(func() (told, error) { return tells("recorded", (&rapportv1.Recorded{}).ProtoReflect()) })
	alerted  = sync.OnceValues(func() (told, error) { return tells("alert", (&rapportv1.Alert{}).ProtoReflect()) })
)

func tells(name protoreflect.Name, m protoreflect.Message) (told, error) {
	s, err := shapeOf(m.Descriptor())
	return told{(&rapportv1.Event{}).ProtoReflect().Descriptor().Fields().ByName(name).Number(), s}, err
}

// FrozenEvent is a SubscribeResponse with an event, encoded. Errors: Internal for data that is not the JSON form of what
// an event of its type tells.
func FrozenEvent(e feed.Event) (*Frozen, error) {
	what := alerted
	if e.Type == feed.Recorded || e.Type == feed.Elapsed {
		what = recorded
	}
	told, err := what()
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "reading the form of events")
	}
	const fixed = 160
	out, err := nested(make([]byte, 0, len(e.Data)+fixed), 1, func(out []byte) ([]byte, error) {
		out = appendText(out, 1, string(e.Feed))
		out = appendNumber(out, 2, e.Seq)
		out = appendNumber(out, 3, e.TenantSeq)
		out = appendText(out, 4, e.ID)
		out = appendText(out, 5, string(e.Type))
		if !e.Time.IsZero() {
			out = appendMoment(out, 6, e.Time)
		}
		out = appendText(out, 7, e.Subject)
		return nested(out, told.number, func(out []byte) ([]byte, error) { return appendMessage(out, e.Data, told.shape) })
	})
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "reading the data of event "+e.ID)
	}
	return &Frozen{out}, nil
}

func appendText(out []byte, number protowire.Number, text string) []byte {
	return protowire.AppendString(protowire.AppendTag(out, number, protowire.BytesType), text)
}

func appendNumber(out []byte, number protowire.Number, value int64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(out, number, protowire.VarintType), uint64(value))
}
