package wire_test

import (
	"math"
	"testing"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"
	"pgregory.net/rapid"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/wire"
)

// thawed is an event as a subscriber reads it.
func thawed(t rapid.TB, e feed.Event) *rapportv1.Event {
	t.Helper()
	frozen, err := wire.FrozenEvent(e)
	if err != nil {
		t.Fatal(err)
	}
	bytes, err := wire.Codec().Marshal(frozen)
	if err != nil {
		t.Fatal(err)
	}
	response := &rapportv1.SubscribeResponse{}
	if err := proto.Unmarshal(bytes.Materialize(), response); err != nil {
		t.Fatal(err)
	}
	return response.GetEvent()
}

func TestAnEventSaysWhatItsStoredJSONSays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		stored := feed.Event{
			Feed: feed.Team(rapid.StringMatching(`[a-z]{1,64}`).Draw(t, "team")), Seq: rapid.Int64Min(1).Draw(t, "seq"),
			TenantSeq: rapid.Int64Min(1).Draw(t, "tenant seq"), ID: text(t), Type: feed.Opened, Time: moment(t).AsTime(), Subject: text(t),
		}
		want := &rapportv1.Event{
			Feed: string(stored.Feed), Seq: stored.Seq, TenantSeq: stored.TenantSeq, Id: stored.ID, Time: timestamppb.New(stored.Time), Subject: stored.Subject,
		}
		var data proto.Message
		if rapid.Bool().Draw(t, "recorded") {
			stored.Type = rapid.SampledFrom([]feed.Type{feed.Recorded, feed.Elapsed}).Draw(t, "type")
			m := &rapportv1.Recorded{}
			want.Data, data = &rapportv1.Event_Recorded{Recorded: m}, m
		} else {
			m := &rapportv1.Alert{}
			want.Data, data = &rapportv1.Event_Alert{Alert: m}, m
		}
		want.Type = string(stored.Type)
		fill(t, data.ProtoReflect())
		var err error
		form := protojson.MarshalOptions{EmitUnpopulated: rapid.Bool().Draw(t, "defaults written")}
		if stored.Data, err = form.Marshal(data); err != nil {
			t.Fatal(err)
		}
		if got := thawed(t, stored); !proto.Equal(got, want) {
			t.Fatalf("stored %s\nwant %v\ngot  %v", stored.Data, want, got)
		}
	})
}

// fill gives some fields of a message some value.
func fill(t *rapid.T, m protoreflect.Message) {
	for i := range m.Descriptor().Fields().Len() {
		f := m.Descriptor().Fields().Get(i)
		switch {
		case rapid.IntRange(0, 2).Draw(t, f.JSONName()+" set") == 0:
		case f.IsList():
			list := m.Mutable(f).List()
			for range rapid.IntRange(0, 3).Draw(t, f.JSONName()+" length") {
				list.Append(value(t, f, list.NewElement))
			}
		default:
			m.Set(f, value(t, f, func() protoreflect.Value { return m.NewField(f) }))
		}
	}
}

func value(t *rapid.T, f protoreflect.FieldDescriptor, fresh func() protoreflect.Value) protoreflect.Value {
	name := f.JSONName()
	switch f.Kind() {
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(text(t))
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(rapid.Bool().Draw(t, name))
	case protoreflect.Int32Kind:
		return protoreflect.ValueOfInt32(rapid.Int32().Draw(t, name))
	case protoreflect.Int64Kind:
		return protoreflect.ValueOfInt64(rapid.Int64().Draw(t, name))
	case protoreflect.DoubleKind:
		return protoreflect.ValueOfFloat64(rapid.OneOf(rapid.Float64(), rapid.SampledFrom([]float64{0, -0.5, math.Inf(1), 1e21, 1e-9})).Draw(t, name))
	case protoreflect.EnumKind:
		values := f.Enum().Values()
		return protoreflect.ValueOfEnum(values.Get(rapid.IntRange(0, values.Len()-1).Draw(t, name)).Number())
	}
	if f.Message().FullName() == "google.protobuf.Timestamp" {
		return protoreflect.ValueOfMessage(moment(t).ProtoReflect())
	}
	inner := fresh()
	fill(t, inner.Message())
	return inner
}

func text(t *rapid.T) string {
	return rapid.OneOf(
		rapid.String(), rapid.SampledFrom([]string{"", "Patient/1", "a \"quote\" \\ / <b> & \u2028 \x00 \t — ä 🙂"}),
	).Filter(utf8.ValidString).Draw(t, "text")
}

func moment(t *rapid.T) *timestamppb.Timestamp {
	return timestamppb.New(time.UnixMicro(rapid.Int64Range(-1e15, 4e15).Draw(t, "moment")))
}

func TestAnEventOfANewerVersionIsReadAsFarAsItIsKnown(t *testing.T) {
	got := thawed(t, feed.Event{Type: feed.Opened, Data: []byte(
		`{"id":"a","novel":{"deep":[1,{"x":null}]},"severity":"SEVERITY_NOVEL","title":null,"history":[],"numbers":[{"name":"n","novel":1}]}`)})
	if want := (&rapportv1.Alert{Id: "a", Numbers: []*rapportv1.Number{{Name: "n"}}}); !proto.Equal(got.GetAlert(), want) {
		t.Errorf("read as %v", got)
	}
}

func TestDataThatIsNoEventIsAFault(t *testing.T) {
	for _, data := range []string{
		``, `{`, `[]`, `"x"`, `null`, `{"id":1}`, `{"id":"a"`, `{"version":"x"}`, `{"rung":4294967296}`, `{"roles":"physician"}`, `{"roles":[`,
		`{"effective":"yesterday"}`, `{"numbers":[1]}`, `{"proposal":[]}`, `{"withheld":"perhaps"}`, `{"id":{}}`, `{"version":[]}`,
	} {
		if _, err := wire.FrozenEvent(feed.Event{ID: "e", Type: feed.Opened, Data: []byte(data)}); err == nil || fault.Of(err) != fault.Internal {
			t.Errorf("%s: %v", data, err)
		}
	}
}
