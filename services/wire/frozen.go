package wire

import (
	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/proto" // the codec that Codec goes on from
	"google.golang.org/grpc/mem"
)

// Frozen is a message that was encoded once, to be sent many times.
type Frozen struct{ bytes []byte }

// Codec is the codec of gRPC servers: protobuf, and Frozen messages as they are.
func Codec() encoding.CodecV2 { return codec{encoding.GetCodecV2("proto")} }

type codec struct{ encoding.CodecV2 }

// Marshal encodes a message, unless it is encoded.
func (c codec) Marshal(v any) (mem.BufferSlice, error) {
	if f, ok := v.(*Frozen); ok {
		return mem.BufferSlice{mem.SliceBuffer(f.bytes)}, nil
	}
	return c.CodecV2.Marshal(v)
}
