package auth

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rapport-health/rapport/services/domain/access"
	"github.com/rapport-health/rapport/services/domain/audit"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/store"
)

// rows is an audit in memory, oldest first.
type rows struct {
	store.Audit
	records []audit.Record
}

// FindAudit answers as both engines do.
func (s *rows) FindAudit(_ context.Context, _ ref.Tenant, q audit.Query) (out []audit.Record, err error) {
	for _, r := range slices.Backward(s.records) {
		e, err := r.Entry()
		if err != nil {
			return nil, err
		}
		if q.Before > 0 && r.Seq >= q.Before || q.Patient != "" && !slices.Contains(e.Patients, q.Patient) ||
			!q.From.IsZero() && e.At.Before(q.From) || !q.To.IsZero() && !e.At.Before(q.To) {
			continue
		}
		if out = append(out, r); len(out) == q.Max {
			return out, nil
		}
	}
	return out, nil
}

// AuditAfter reads on from a number.
func (s *rows) AuditAfter(_ context.Context, _ ref.Tenant, after int64, max int) ([]audit.Record, error) {
	return s.records[min(int(after), len(s.records)):min(int(after)+max, len(s.records))], nil
}

// faced is an AuditFace over so many records, some of them of two patients, of one and of none.
func faced(t *testing.T, n int) http.HandlerFunc {
	t.Helper()
	s := &rows{}
	for i := range n {
		e := audit.Entry{
			At: time.Date(2026, 3, 2, 9, 0, i, 0, time.UTC), Action: "R", Outcome: audit.Done, Interaction: "read", Client: "ehr",
			Patients: []ref.Patient{"p1", "p2"}[:i%3],
		}
		if i%2 == 0 {
			e.Person, e.Interaction = "Practitioner/d1", ""
		}
		text, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		s.records = append(s.records, audit.Record{Seq: int64(i + 1), Tenant: "default", Data: text})
	}
	face := &AuditFace{Store: s, Base: func(*http.Request) string { return "https://ehr.example/fhir" }}
	return func(w http.ResponseWriter, r *http.Request) {
		face.ServeHTTP(w, r.WithContext(With(r.Context(), access.Everything("auditor", "default"))))
	}
}

// searched is a Bundle as far as tests look at it.
type searched struct {
	ResourceType string
	Total        *int
	Link         []struct{ Relation, URL string }
	Entry        []struct {
		Resource struct{ ResourceType, ID string }
		Search   struct{ Mode string }
	}
}

func heardFrom(t *testing.T, face http.Handler, method, path string, headers ...string) (int, http.Header, searched) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, nil)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	face.ServeHTTP(w, r)
	var b searched
	if err := json.Unmarshal(w.Body.Bytes(), &b); err != nil || b.ResourceType == "" {
		t.Fatalf("%s %s: %s", method, path, w.Body)
	}
	return w.Code, w.Header(), b
}

func TestAnAuditEventIsReadAndSearchedForAndNothingElse(t *testing.T) {
	face := faced(t, 3)
	for call, want := range map[string]string{
		"GET /fhir/AuditEvent": "200 ", "HEAD /fhir/AuditEvent": "200 ", "POST /fhir/AuditEvent": "405 GET, HEAD", "PUT /fhir/AuditEvent/a1-0": "405 GET, HEAD",
		"PATCH /fhir/AuditEvent/a1-0": "405 GET, HEAD", "DELETE /fhir/AuditEvent/a1-0": "405 GET, HEAD", "DELETE /fhir/AuditEvent": "405 GET, HEAD",
		"GET /fhir/AuditEvent/_search": "405 POST", "POST /fhir/AuditEvent/_search": "200 ", "GET /fhir/AuditEvent/a1-0": "200 ",
		"GET /fhir/AuditEvent/a9-0": "404 ", "POST /fhir/AuditEvent/$foo": "404 ", "GET /fhir/AuditEvent/a1-0/_history": "404 ",
	} {
		method, path, _ := strings.Cut(call, " ")
		status, header, _ := heardFrom(t, face, method, path)
		if got := fmt.Sprint(status, " ", header.Get("Allow")); got != want {
			t.Errorf("%s: %s, want %s", call, got, want)
		}
	}
}

func TestNoParameterOfAnAuditEventIsIgnoredInSilence(t *testing.T) {
	face := faced(t, 3)
	for query, said := range map[string]int{
		"": 0, "?foo=x": 1, "?_sort=-date": 0, "?_sort=date": 1, "?agent:missing=true": 0, "?colour:exact=red": 1, "?_summary=text": 1, "?_total=none": 0,
	} {
		status, _, b := heardFrom(t, face, "GET", "/fhir/AuditEvent"+query)
		outcomes := 0
		for _, e := range b.Entry {
			if e.Search.Mode == "outcome" {
				outcomes++
			}
		}
		if status != 200 || outcomes != said || len(b.Entry) == outcomes {
			t.Errorf("%s: %d, %d of %d say something", query, status, outcomes, len(b.Entry))
		}
		want := 200
		if said > 0 {
			want = 400
			if strings.Contains(b.Link[0].URL, "?") {
				t.Errorf("%s: self is %s", query, b.Link[0].URL)
			}
		}
		if status, _, _ := heardFrom(t, face, "GET", "/fhir/AuditEvent"+query, "Prefer", "handling=strict"); status != want {
			t.Errorf("%s, strictly: %d, want %d", query, status, want)
		}
	}
	for _, query := range []string{"?date=yesterday", "?action:not=R", "?agent:missing=perhaps", "?_count=-1", "?_page=1", "?_total=some"} {
		if status, _, _ := heardFrom(t, face, "GET", "/fhir/AuditEvent"+query); status != 400 {
			t.Errorf("%s: %d", query, status)
		}
	}
}

func TestEveryParameterOfAnAuditEventIsThereOrMissing(t *testing.T) {
	face := faced(t, 12)
	count := func(query string) int {
		_, _, b := heardFrom(t, face, "GET", "/fhir/AuditEvent?_count=0&"+query)
		if b.Total == nil {
			t.Fatalf("%s: no total", query)
		}
		return *b.Total
	}
	all := count("")
	if all != 16 { // a record of two patients is two events
		t.Fatalf("%d events", all)
	}
	for _, p := range AuditCapability().SearchParams {
		if p.Name == "_id" {
			continue
		}
		if with, without := count(p.Name+":missing=false"), count(p.Name+":missing=true"); with+without != all {
			t.Errorf("%s: %d with and %d without, of %d", p.Name, with, without, all)
		}
	}
	if got := count("patient:missing=true"); got != 4 {
		t.Errorf("%d are about nobody", got)
	}
}

func TestPagesOfAuditEventsHoldEachOnceAndTellTheTotal(t *testing.T) {
	face := faced(t, 31)
	for _, query := range []string{"?_count=1", "?_count=2", "?_count=7&agent=Practitioner/d1", "?_count=3&patient=p1", "?_count=500"} {
		_, _, whole := heardFrom(t, face, "GET", "/fhir/AuditEvent"+query[:1]+strings.Join(slices.DeleteFunc(strings.Split(query[1:], "&"), func(p string) bool { return strings.HasPrefix(p, "_count") }), "&"))
		var got []string
		for next := "/fhir/AuditEvent" + query; next != ""; {
			_, _, b := heardFrom(t, face, "GET", next)
			if b.Total == nil || *b.Total != *whole.Total {
				t.Fatalf("%s: total %v, want %d", next, b.Total, *whole.Total)
			}
			next = ""
			for _, e := range b.Entry {
				got = append(got, e.Resource.ID)
			}
			for _, l := range b.Link {
				if u, err := url.Parse(l.URL); err == nil && l.Relation == "next" {
					next = u.RequestURI()
				}
			}
		}
		var want []string
		for _, e := range whole.Entry {
			want = append(want, e.Resource.ID)
		}
		if !slices.Equal(got, want) || len(want) != *whole.Total {
			t.Errorf("%s: %v, want %v", query, got, want)
		}
	}
}
