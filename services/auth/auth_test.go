package auth_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/rapport-health/rapport/services/auth"
	"github.com/rapport-health/rapport/services/domain/fault"
)

// tokens lets one client in, and returns its token.
func tokens(t *testing.T) (*auth.Tokens, string) {
	t.Helper()
	token, line := auth.NewToken("ehr-main", "north")
	if strings.Contains(line, token) {
		t.Fatal("the line for the file holds the token itself")
	}
	known, err := auth.ReadTokens(strings.NewReader("# clients\n\n" + line + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	return known, token
}

func TestATokenNamesItsTenantAndNoOtherIsLetIn(t *testing.T) {
	known, token := tokens(t)
	for _, scheme := range []string{"Bearer ", "bearer "} {
		if p, err := known.Principal(scheme + token); err != nil || p.Tenant != "north" || p.Name != "ehr-main" {
			t.Errorf("%s: %+v, %v", scheme, p, err)
		}
	}
	for _, wrong := range []string{"", token, "Basic " + token, "Bearer", "Bearer x" + token, "Bearer " + strings.ToLower(token)} {
		if _, err := known.Principal(wrong); fault.Of(err) != fault.Unauthenticated {
			t.Errorf("%q is let in: %v", wrong, err)
		}
	}
}

func TestAFileOfTokensThatCannotBeReadSaysWhere(t *testing.T) {
	for text, want := range map[string]string{
		"":                                     "no token",
		"# nobody\n":                           "no token",
		"\nehr north":                          "line 2",
		"ehr north abc":                        "line 1",
		"ehr north " + strings.Repeat("g", 64): "line 1",
	} {
		if _, err := auth.ReadTokens(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func TestACallWithoutATokenReachesNoServiceButHealthAndReflection(t *testing.T) {
	known, token := tokens(t)
	refusal := errors.New("refused")
	enter := auth.Unary(known, func(error) error { return refusal })
	for _, c := range []struct {
		method, authorization string
		tenant                string
		want                  error
	}{
		{"/rapport.v1.AlertService/ListAlerts", "Bearer " + token, "north", nil},
		{"/rapport.v1.AlertService/ListAlerts", "", "", refusal},
		{"/rapport.v1.AlertService/ListAlerts", "Bearer other", "", refusal},
		{"/grpc.health.v1.Health/Check", "", "", nil},
		{"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", "", "", nil},
	} {
		ctx := context.Background()
		if c.authorization != "" {
			ctx = metadata.NewIncomingContext(ctx, metadata.Pairs("authorization", c.authorization))
		}
		var tenant string
		_, err := enter(ctx, nil, &grpc.UnaryServerInfo{FullMethod: c.method}, func(ctx context.Context, _ any) (any, error) {
			p, _ := auth.From(ctx) // open methods have none
			tenant = string(p.Tenant)
			return nil, nil
		})
		if !errors.Is(err, c.want) || tenant != c.tenant {
			t.Errorf("%s with %q: tenant %q, %v", c.method, c.authorization, tenant, err)
		}
	}
}
