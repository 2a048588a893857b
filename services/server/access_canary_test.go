package server_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"google.golang.org/grpc/status"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
	"github.com/rapport-health/rapport/services/server"
)

// word stands in every place where a patient's data could be, and may come out nowhere but in what was asked for.
const word = "Canary-Xq7Zt"

// locked is a log that several write.
type locked struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write adds to it.
func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// String is what was written.
func (l *locked) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// carriers are bodies with the word in every kind of place: values, codes, references, extensions, texts, broken ones.
func carriers() []string {
	return []string{
		`{"resourceType":"Patient","id":"p1","identifier":[{"system":"urn:mrn","value":"` + word + `"}],"name":[{"family":"` + word + `","given":["` + word + `"]}],"address":[{"line":["` + word + `"]}],"telecom":[{"value":"` + word + `"}]}`,
		strings.Replace(phq9("r1", "p1", monday, 3, 3, 3, 3, 3, 3, 3, 3, 3), `"item":`, `"text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">`+word+`</div>"},"identifier":{"value":"`+word+`"},"item":`, 1),
		`{"resourceType":"QuestionnaireResponse","id":"r2","questionnaire":"http://` + word + `/q","status":"completed","subject":{"reference":"Patient/p1","display":"` + word + `"},"item":[{"linkId":"` + word + `","text":"` + word + `","answer":[{"valueString":"` + word + `"}]}]}`,
		`{"resourceType":"Observation","id":"o1","status":"final","code":{"text":"` + word + `","coding":[{"system":"http://loinc.org","code":"8867-4","display":"` + word + `"}]},"subject":{"reference":"Patient/p1"},"valueString":"` + word + `","note":[{"text":"` + word + `"}],"effectiveDateTime":"2026-03-01"}`,
		`{"resourceType":"Observation","id":"o2","status":"` + word + `","code":{"coding":[{"code":"` + word + `"}]},"subject":{"reference":"` + word + `"},"` + word + `":"` + word + `"}`,
		`{"resourceType":"Goal","id":"g1","lifecycleStatus":"active","description":{"text":"` + word + `"},"subject":{"reference":"Patient/p1"},"target":[{"detailString":"` + word + `"}]}`,
		`{"resourceType":"Consent","id":"c1","status":"active","scope":{"text":"` + word + `"},"category":[{"text":"` + word + `"}],"patient":{"reference":"Patient/p1","display":"` + word + `"}}`,
		`{"resourceType":"` + word + `"}`, `{"` + word, word, `{"resourceType":"Bundle","type":"` + word + `","entry":[{"fullUrl":"` + word + `","resource":{"resourceType":"Patient"},"request":{"method":"` + word + `","url":"` + word + `"}}]}`,
	}
}

// knock sends the word to every door, in every place of a request.
func (g *gated) knock(token string) {
	g.t.Helper()
	quiet := url.QueryEscape(word)
	for _, body := range carriers() {
		for _, typ := range []string{"Patient", "Observation", "QuestionnaireResponse", "Goal", "Consent", ""} {
			g.over("POST", "/fhir/"+typ, token, body, "If-None-Exist", "identifier="+quiet, "X-Request-Id", word, "Prefer", word, "Idempotency-Key", word)
		}
		g.over("PUT", "/fhir/Observation/"+word, token, body, "If-Match", word)
		g.over("POST", "/fhir/QuestionnaireResponse/$extract", token, body)
		g.over("POST", "/fhir/Observation/$validate", token, body)
		g.over("PATCH", "/fhir/Patient/p1", token, body, "Content-Type", "application/json-patch+json")
		for range 2 {
			_, _ = g.ingest.Ingest(as(g.t.Context(), token), &rapportv1.IngestRequest{Source: "ehr", Items: []*rapportv1.Item{{Body: []byte(body)}}})
			_, _ = g.scoring.Score(as(g.t.Context(), token), &rapportv1.ScoreRequest{Source: "ehr", Response: &rapportv1.ScoreRequest_QuestionnaireResponse{QuestionnaireResponse: []byte(body)}})
		}
	}
	for _, path := range []string{
		"/fhir/Patient?name=" + quiet, "/fhir/Patient?identifier=" + quiet, "/fhir/Observation?code=" + quiet, "/fhir/Observation?" + quiet + "=x", "/fhir/" + word,
		"/fhir/Observation/" + word, "/" + word, "/fhir/Patient/p1/$" + word, "/fhir/Observation?patient=" + quiet + "&date=" + quiet + "&_count=" + quiet,
		"/fhir/AuditEvent?patient=" + quiet, "/fhir/AuditEvent?" + quiet + "=" + quiet, "/fhir/Patient/p1/_history/" + word, "/metrics?x=" + quiet,
	} {
		for _, method := range []string{"GET", "DELETE", word} {
			if method == "DELETE" && strings.HasSuffix(path, "/"+word) {
				continue // an id is a reference: what was deleted is named
			}
			g.over(method, path, token, "", "Accept", word+"/json", "User-Agent", word, "X-Purpose", word, "X-Break-Glass", word, "Referer", word)
			g.over(method, path, token, "")
			g.over(method, path, word, "")
		}
	}
	ctx := as(g.t.Context(), token, "x-purpose", word)
	_, _ = g.outcomes.GetEpisode(ctx, &rapportv1.GetEpisodeRequest{Patient: word})
	_, _ = g.alerts.GetAlert(as(g.t.Context(), token), &rapportv1.GetAlertRequest{Id: word})
	_, _ = g.alerts.ListAlerts(as(g.t.Context(), token), &rapportv1.ListAlertsRequest{Patient: word, Rule: word, PageToken: word})
	f := form(word, word)
	f.Set("client_id", word)
	g.ask(f)
}

func TestAWordInEveryPlaceOfEveryRequestComesOutInNoLogMetricErrorNorRedis(t *testing.T) {
	log, file := &locked{}, filepath.Join(t.TempDir(), "audit.ndjson")
	g := startGated(t, func(c *server.Config) {
		c.Log = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		c.Access.Guests.PerSecond, c.Access.AuditFile, c.Access.AuditStream = 0, file, true
	})
	_, token := g.full("default")
	g.knock(token)
	if _, err := g.outcomes.GetEpisode(as(t.Context(), token), &rapportv1.GetEpisodeRequest{Patient: word}); strings.Contains(fmt.Sprint(status.Convert(err).Message()), word) {
		t.Error("an error quotes the word")
	}
	if metrics := g.want(http.StatusOK, "GET", "/metrics", token, ""); strings.Contains(metrics, word) || !strings.Contains(metrics, "rapport_access_total") {
		t.Error("the metrics hold the word, or nothing of the gate")
	}
	rdb := redis.NewClient(&redis.Options{Addr: g.RedisAddr()})
	defer rdb.Close()
	told := g.redisUntil(rdb, "rapport:{default/audit}")
	if strings.Contains(told, word) {
		at := strings.Index(told, word)
		t.Errorf("Redis holds the word: …%s", told[max(0, at-200):at+len(word)])
	}
	if err := g.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(log.String()) {
		if strings.Contains(line, word) {
			t.Errorf("the log holds the word: %s", line)
		}
	}
	lines, err := os.ReadFile(file)
	if err != nil || !bytes.Contains(lines, []byte(`"method":"GET /fhir/Patient"`)) {
		t.Fatalf("the audit file: %v", err)
	}
	if at := bytes.Index(lines, []byte(word)); at >= 0 {
		t.Errorf("the audit file holds the word: %s", lines[max(0, at-300):at+40])
	}
}

// redisUntil is everything in Redis once a stream is there.
func (g *gated) redisUntil(rdb *redis.Client, stream string) string {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(g.t.Context(), 20*time.Second)
	defer cancel()
	if err := rdb.XRead(ctx, &redis.XReadArgs{Streams: []string{stream, "0"}, Block: 15 * time.Second, Count: 1}).Err(); err != nil {
		g.t.Fatalf("%s: %v", stream, err)
	}
	keys, err := rdb.Keys(ctx, "*").Result()
	if err != nil || len(keys) < 2 {
		g.t.Fatalf("keys %v, %v", keys, err)
	}
	var all strings.Builder
	for _, key := range keys {
		all.WriteString(key)
		if entries, err := rdb.XRange(ctx, key, "-", "+").Result(); err == nil {
			fmt.Fprintln(&all, entries)
		}
	}
	return all.String()
}
