package server

import (
	"context"
	"runtime/debug"

	"google.golang.org/grpc"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/wire"
)

// recoverUnary turns a panic into an internal error. The log gets the stack, not the value, which might quote a patient.
func (s *Server) recoverUnary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (resp any, err error) {
	defer s.recovered(info.FullMethod, &err)
	return handle(ctx, req)
}

func (s *Server) recoverStream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler) (err error) {
	defer s.recovered(info.FullMethod, &err)
	return handle(srv, stream)
}

func (s *Server) recovered(method string, err *error) {
	if recover() != nil {
		s.config.Log.Error("a call panicked", "method", method, "stack", string(debug.Stack()))
		*err = wire.Error(fault.New(fault.Internal))
	}
}
