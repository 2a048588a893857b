package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
)

// connection is how a command reaches a server.
type connection struct {
	Addr    string `default:"127.0.0.1:7401" help:"gRPC address of the server (${default})." placeholder:"HOST:PORT"`
	TLS     bool   `name:"tls" help:"Use TLS, with the system's certificate authorities."`
	CACert  string `name:"ca-cert" help:"Use TLS, with these certificate authorities (PEM)." placeholder:"FILE"`
	TLSCert string `name:"tls-cert" help:"Use TLS and trust the certificate in this file (PEM) alone, whatever names it has." placeholder:"FILE"`
	Bearer  string `name:"bearer" help:"Bearer token; better set in the environment, where others do not see it." placeholder:"TOKEN"`
}

// maxMessage is the largest message either way, in bytes: the largest Bundle and what goes round it.
const maxMessage = 72 << 20

// reconnect is how soon a lost server is looked for again.
var reconnect = grpc.ConnectParams{
	Backoff:           backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 2 * time.Second},
	MinConnectTimeout: 5 * time.Second,
}

// dial prepares a connection that carries the token on every call.
func (c connection) dial() (*grpc.ClientConn, error) {
	host, _, err := net.SplitHostPort(c.Addr)
	if err != nil {
		return nil, usageError{fmt.Errorf("--addr %q: want host:port, such as 127.0.0.1:7401", c.Addr)}
	}
	transport := insecure.NewCredentials()
	config, err := c.tls()
	switch {
	case err != nil:
		return nil, err
	case config != nil:
		transport = credentials.NewTLS(config)
	case c.Bearer != "" && !isLoopback(host):
		return nil, usageError{errors.New("the bearer token would go over the network for all to read: add --tls, --ca-cert or --tls-cert")}
	}
	return grpc.NewClient(c.Addr,
		grpc.WithTransportCredentials(transport),
		grpc.WithConnectParams(reconnect),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage), grpc.MaxCallSendMsgSize(maxMessage)),
		grpc.WithChainUnaryInterceptor(c.authorizeUnary),
		grpc.WithChainStreamInterceptor(c.authorizeStream),
	)
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// tls is how to know the server; nil without TLS. --ca-cert comes before --tls-cert, which serve has in its environment.
func (c connection) tls() (*tls.Config, error) {
	switch {
	case c.CACert != "":
		text, err := os.ReadFile(c.CACert)
		if err != nil {
			return nil, usageError{fmt.Errorf("--ca-cert: %w", plainPath(err))}
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(text) {
			return nil, usageError{fmt.Errorf("--ca-cert: %s: no certificate in it", c.CACert)}
		}
		return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool}, nil
	case c.TLSCert != "":
		text, err := os.ReadFile(c.TLSCert)
		if err != nil {
			return nil, usageError{fmt.Errorf("--tls-cert: %w", plainPath(err))}
		}
		block, _ := pem.Decode(text)
		if block == nil || block.Type != "CERTIFICATE" {
			return nil, usageError{fmt.Errorf("--tls-cert: %s: no certificate in it", c.TLSCert)}
		}
		return pinned(block.Bytes), nil
	case c.TLS:
		return &tls.Config{MinVersion: tls.VersionTLS12}, nil
	}
	return nil, nil
}

// pinned trusts one certificate, and no authority.
func pinned(certificate []byte) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		// The usual check asks an authority and the name; this one compares the certificate itself.
		InsecureSkipVerify: true,
		VerifyConnection: func(state tls.ConnectionState) error {
			if len(state.PeerCertificates) == 0 || !bytes.Equal(state.PeerCertificates[0].Raw, certificate) {
				return errors.New("the server shows another certificate than the one in --tls-cert")
			}
			return nil
		},
	}
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
