package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
)

// outputFlag chooses between text for people and JSON for programs.
type outputFlag struct {
	Output string `short:"o" name:"output" enum:"text,json" default:"text" help:"text or json." env:"-"`
}

func (o outputFlag) json() bool { return o.Output == "json" }

// connection is how a command reaches a server.
type connection struct {
	Addr   string `default:"127.0.0.1:7401" help:"gRPC address of the server." placeholder:"HOST:PORT"`
	TLS    bool   `name:"tls" help:"Use TLS, with the system's certificate authorities."`
	CACert string `name:"ca-cert" type:"existingfile" help:"Use TLS, with these certificate authorities (PEM)." placeholder:"FILE"`
	Bearer string `name:"bearer" help:"Bearer token." placeholder:"TOKEN"`
}

// dial opens a connection that carries the token on every call.
func (c connection) dial() (*grpc.ClientConn, error) {
	transport := insecure.NewCredentials()
	if c.TLS || c.CACert != "" {
		config := &tls.Config{MinVersion: tls.VersionTLS12}
		if c.CACert != "" {
			pem, err := os.ReadFile(c.CACert)
			if err != nil {
				return nil, err
			}
			config.RootCAs = x509.NewCertPool()
			if !config.RootCAs.AppendCertsFromPEM(pem) {
				return nil, fmt.Errorf("--ca-cert %s: no certificate in it", c.CACert)
			}
		}
		transport = credentials.NewTLS(config)
	}
	const most = 72 << 20
	return grpc.NewClient(c.Addr,
		grpc.WithTransportCredentials(transport),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(most), grpc.MaxCallSendMsgSize(most)),
		grpc.WithChainUnaryInterceptor(c.authorizeUnary),
		grpc.WithChainStreamInterceptor(c.authorizeStream),
	)
}

func (c connection) authorized(ctx context.Context) context.Context {
	if c.Bearer == "" {
		return ctx
	}
	return metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+c.Bearer)
}

func (c connection) authorizeUnary(
	ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption,
) error {
	return invoke(c.authorized(ctx), method, req, reply, cc, opts...)
}

func (c connection) authorizeStream(
	ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, open grpc.Streamer, opts ...grpc.CallOption,
) (grpc.ClientStream, error) {
	return open(c.authorized(ctx), desc, cc, method, opts...)
}

// describe is an error in words for a person: of a gRPC error its message and located issues.
func describe(err error) string {
	st, ok := status.FromError(err)
	if !ok {
		return err.Error()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s (%s)", st.Message(), st.Code())
	for _, detail := range st.Details() {
		if issue, ok := detail.(*rapportv1.Issue); ok && issue.GetExpression() != "" {
			fmt.Fprintf(&b, "\n  %s: %s", issue.GetExpression(), issue.GetText())
		}
	}
	return b.String()
}

// printProto writes a message as one line of JSON with the names of the contract.
func printProto(w io.Writer, m proto.Message) error {
	data, err := protojson.MarshalOptions{UseProtoNames: false, EmitUnpopulated: false}.Marshal(m)
	if err != nil {
		return err
	}
	var compact json.RawMessage = data // protojson varies its white space on purpose: write it one way
	line, err := json.Marshal(compact)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s\n", line)
	return err
}

func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
