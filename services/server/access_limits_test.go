package server_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
	"github.com/rapport-health/rapport/services/auth"
	"github.com/rapport-health/rapport/services/server"
)

func TestWhoAsksForTooMuchIsToldWhenToComeAgain(t *testing.T) {
	g := startGated(t, func(c *server.Config) { c.Access.Rate = auth.Rate{PerSecond: 1, Burst: 20} })
	first := g.token(g.register("first", "default", "system/*.rs", nil), "system/*.rs")
	second := g.token(g.register("second", "default", "system/*.rs", nil), "system/*.rs")
	const path = "/fhir/Observation?patient=p1"
	for range 20 {
		g.want(http.StatusOK, "GET", path, first, "")
	}
	code, body, header := g.over("GET", path, first, "")
	if wait, err := strconv.Atoi(header.Get("Retry-After")); code != http.StatusTooManyRequests || err != nil || wait < 1 || !strings.Contains(body, `"throttled"`) {
		t.Errorf("over HTTP: %d %s %v", code, body, header)
	}
	_, err := g.outcomes.ListScores(as(t.Context(), first), &rapportv1.ListScoresRequest{Patient: "p1"})
	if status.Code(err) != codes.ResourceExhausted {
		t.Errorf("over gRPC: %v", err)
	}
	g.want(http.StatusOK, "GET", path, second, "")
}

func TestWhoGuessesTokensIsSlowedDown(t *testing.T) {
	g := startGated(t, func(c *server.Config) { c.Access.Guests = auth.Rate{PerSecond: 1, Burst: 5} })
	refused := map[int]int{}
	for range 10 {
		code, _, _ := g.over("GET", "/fhir/Observation?patient=p1", "guess", "")
		refused[code]++
	}
	if refused[http.StatusUnauthorized] != 5 || refused[http.StatusTooManyRequests] != 5 {
		t.Errorf("answers: %v", refused)
	}
}

// zipped is n zeros behind a beginning of JSON, as gzip.
func zipped(t *testing.T, text string, n int64) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(w, zeros{}, n); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

type zeros struct{}

// Read gives blanks without end.
func (zeros) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

func TestAGzippedBodyIsReadAndABombIsNot(t *testing.T) {
	g := startGated(t, nil)
	_, full := g.full("default")
	g.want(http.StatusCreated, "POST", "/fhir/Patient", full, zipped(t, patientP1, 0), "Content-Encoding", "gzip")
	restricted := g.token(g.register("r", "default", "system/Observation.cu?status=final", nil), "system/Observation.cu?status=final")
	for _, token := range []string{full, restricted} {
		if code, body, _ := g.over("POST", "/fhir/Observation", token, zipped(t, "{", 200<<20), "Content-Encoding", "gzip"); code != http.StatusRequestEntityTooLarge {
			t.Errorf("a bomb: %d %s", code, body)
		}
	}
	g.want(http.StatusBadRequest, "POST", "/fhir/Observation", full, "no gzip", "Content-Encoding", "gzip")
	g.want(http.StatusUnsupportedMediaType, "POST", "/fhir/Observation", full, "{}", "Content-Encoding", "br")
}
