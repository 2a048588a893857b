package server_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/rapport-health/rapport/services/domain/access"
	"github.com/rapport-health/rapport/services/rest"
	"github.com/rapport-health/rapport/services/server"
)

// roles are callers, each with a tenant and what it may do.
var matrixRoles = []struct {
	name, scopes string
	change       func(*access.Client)
}{
	{"nobody", "", nil},
	{"full", "system/*.cruds", func(c *access.Client) { c.Feeds, c.Labels = access.Grants{"*"}, []string{"*"} }},
	{"reader", "system/*.rs", func(c *access.Client) { c.Feeds = access.Grants{"*"} }},
	{"writer", "system/*.cu", nil},
	{"eraser", "system/*.d", nil},
	{"observations", "system/Observation.rs", nil},
	{"restricted", "system/*.rs?_security=N", nil},
	{"auditor", "system/AuditEvent.rs", nil},
	{"alerts", "system/DetectedIssue.ru", func(c *access.Client) { c.Feeds = access.Grants{"team:*"} }},
}

// cells are the doors: a gRPC method by its full name, or an HTTP method with a path.
func cells(t *testing.T, g *gated) []string {
	t.Helper()
	var out []string
	for service, info := range g.Services() {
		for _, m := range info.Methods {
			out = append(out, "/"+service+"/"+m.Name)
		}
	}
	for _, pattern := range append(g.RESTRoutes(), g.HTTPRoutes()...) {
		method, path, ok := strings.Cut(pattern, " ")
		if !ok {
			method, path = "GET", pattern
		}
		for _, typ := range []string{"Observation", "Patient", "AuditEvent"} {
			at := strings.NewReplacer("{type}", typ, "{id}", "x1", "{vid}", "1", "{tail}", "Goal", "{n}", "1", "{$}", "").Replace(path)
			out = append(out, method+" "+at)
			if at == path {
				break
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// letIn says whether the door let a call in: what the room behind it says of an empty call does not count.
func (g *gated) letIn(cell, token string) bool {
	if strings.HasPrefix(cell, "/") {
		ctx, cancel := context.WithTimeout(g.t.Context(), 10*time.Second)
		defer cancel()
		if token != "" {
			ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
		}
		stream, err := g.conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, cell)
		if err == nil {
			if err = stream.SendMsg(&emptypb.Empty{}); err == nil {
				_ = stream.CloseSend()
			}
			err = stream.RecvMsg(&emptypb.Empty{})
		}
		cancel()
		return status.Code(err) != codes.Unauthenticated && status.Code(err) != codes.PermissionDenied
	}
	method, path, _ := strings.Cut(cell, " ")
	body := ""
	if method == "POST" || method == "PUT" || method == "PATCH" {
		body = "{}"
	}
	code, _, _ := g.over(method, path, token, body)
	return code != http.StatusUnauthorized && code != http.StatusForbidden
}

func TestNoDoorIsOpenThatShouldBeClosed(t *testing.T) {
	g := startGated(t, func(c *server.Config) { c.Access.Guests.PerSecond, c.Access.Rate.PerSecond = 0, 0 })
	tokens := map[string]string{}
	for _, r := range matrixRoles {
		if r.scopes != "" {
			tokens[r.name] = g.token(g.register(r.name, "default", r.scopes, r.change), r.scopes)
		}
	}
	var table strings.Builder
	for _, cell := range cells(t, g) {
		rule := access.Door("", "")
		if strings.HasPrefix(cell, "/") {
			known, ok := access.Methods[cell]
			if !ok {
				t.Errorf("%s has no rule in access.Methods: who may call it?", cell)
			}
			rule = known
		} else {
			method, path, _ := strings.Cut(cell, " ")
			rule = access.Door(method, path)
			if !rule.Open && !rule.Known && len(rule.Needs) == 0 && !strings.HasPrefix(path, "/fhir/{") {
				t.Errorf("%s has no rule in access.Door: who may call it?", cell)
			}
		}
		var open []string
		for _, r := range matrixRoles {
			in := g.letIn(cell, tokens[r.name])
			if in && r.name == "nobody" && !rule.Open {
				t.Errorf("%s is open to nobody in particular", cell)
			}
			if in {
				open = append(open, r.name)
			}
		}
		if rule.Open != slices.Contains(open, "nobody") || !slices.Contains(open, "full") {
			t.Errorf("%s: open %t, let in %v", cell, rule.Open, open)
		}
		fmt.Fprintf(&table, "%s: %s\n", cell, strings.Join(open, " "))
	}
	const golden = "testdata/doors.txt"
	if os.Getenv("REWRITE") != "" {
		if err := os.MkdirAll(filepath.Dir(golden), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(golden, []byte(table.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got := table.String(); got != string(want) {
		for line := range strings.Lines(got) {
			if !strings.Contains(string(want), line) {
				t.Errorf("now: %s", line)
			}
		}
		t.Errorf("the doors are not as testdata/doors.txt says: look at each line that changed, then write it anew with REWRITE=1")
	}
}

func TestWhoReadsChangesNothingAndWhoWritesReadsNothing(t *testing.T) {
	changing := []string{"POST", "PUT", "PATCH", "DELETE"}
	text, err := os.ReadFile("testdata/doors.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		cell, roles, _ := strings.Cut(strings.TrimSpace(line), ": ")
		method, path, rest := strings.Cut(cell, " ")
		open := strings.Fields(roles)
		if slices.Contains(open, "nobody") || !rest {
			continue
		}
		own := strings.HasPrefix(cell, "DELETE /fhir/bulk/") // a job is its client's own: to delete it changes nobody's data
		reads := own || path == "/cds-services/x1" || strings.HasSuffix(path, "_search") || strings.Contains(path, "$") || path == "/fhir" || path == "/fhir/"
		if slices.Contains(changing, method) && !reads {
			for _, role := range []string{"reader", "observations", "restricted", "auditor"} {
				if slices.Contains(open, role) {
					t.Errorf("%s is open to %s, who may only read", cell, role)
				}
			}
		}
		if method == "GET" && strings.HasPrefix(path, restPrefix) {
			for _, role := range []string{"writer", "eraser"} {
				if slices.Contains(open, role) {
					t.Errorf("%s is open to %s, who may not read", cell, role)
				}
			}
		}
		if strings.HasPrefix(path, restPrefix+"/AuditEvent") && !strings.Contains(path, "/Goal") && slices.Contains(open, "reader") {
			t.Errorf("%s is open to who may read all types, which the audit is not among", cell)
		}
	}
}

const restPrefix = rest.Prefix
