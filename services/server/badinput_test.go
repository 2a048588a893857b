package server_test

import (
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
	"github.com/rapport-health/rapport/services/server"
)

func (c *clinic) verified(store string) {
	c.t.Helper()
	report, err := server.Verify(c.t.Context(), store, func(string) {})
	if err != nil || len(report.Problems) > 0 {
		c.t.Errorf("verify: %+v %v", report, err)
	}
}

func TestScratch(t *testing.T) {
	var store string
	c := start(t, func(c *server.Config) { store = c.Store })
	rep := strings.Repeat
	big := 50 << 20
	obs := func(v string) string {
		return `{"resourceType":"Observation","id":"o","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"44261-6"}]},"subject":{"reference":"Patient/p1"},"effectiveDateTime":"2026-03-02T09:00:00Z","valueQuantity":{"value":` + v + `,"unit":"x"}}`
	}
	at := func(s string) string {
		return strings.Replace(phq9("d"+fmt.Sprint(len(s)*7+int(s[len(s)-1])), "pd", monday, 1, 1, 1, 1, 1, 1, 1, 1, 0), monday.Format(time.RFC3339), s, 1)
	}
	appt := func(s string) string {
		return `{"resourceType":"Appointment","id":"a` + fmt.Sprint(len(s), int(s[0]), int(s[len(s)-1])) + `","status":"booked","start":"` + s + `","end":"` + s + `","participant":[{"actor":{"reference":"Patient/pd"},"status":"accepted"}]}`
	}
	var keys strings.Builder
	keys.WriteString(`{"resourceType":"Patient","id":"keys"`)
	for i := range 100000 {
		fmt.Fprintf(&keys, `,"k%d":1`, i)
	}
	keys.WriteString("}")
	var ids strings.Builder
	ids.WriteString(`{"resourceType":"Patient","id":"many","identifier":[`)
	for i := range 1000 {
		if i > 0 {
			ids.WriteByte(',')
		}
		fmt.Fprintf(&ids, `{"system":"urn:x","value":"%d"}`, i)
	}
	ids.WriteString("]}")
	_ = big
	contained := rep(`{"resourceType":"Patient","contained":[`, 30) + `{"resourceType":"Patient","id":"x"}` + rep(`]}`, 30)
	for _, x := range []struct{ name, body string }{
		{"50MB arrays", `{"resourceType":"Patient","x":` + rep("[", big)},
		{"50MB ones", `{"resourceType":"Patient","x":[` + rep("1,", big/2) + `1]}`},
		{"50MB objects", `{"resourceType":"Patient","x":[` + rep(`{"a":1},`, big/8) + `1]}`},
		{"50MB string", `{"resourceType":"Patient","x":"` + rep("a", big) + `"}`},
		{"50MB digits", `{"resourceType":"Patient","x":` + rep("1", big) + `}`},
		{"50MB spaces", `{"resourceType":"Patient","id":"sp"` + rep(" ", big) + `}`},
		{"15MB ones", `{"resourceType":"Patient","id":"a15","x":[` + rep("1,", 7<<20) + `1]}`},
		{"15MB string", `{"resourceType":"Patient","id":"b15","name":[{"text":"` + rep("a", 15<<20) + `"}]}`},
		{"15MB dups", `{"resourceType":"Patient"` + rep(`,"x":1`, 2<<20) + `}`},
		{"100k keys", keys.String()},
		{"1000 identifiers", ids.String()},
		{"contained", contained},
		{"1e999999", obs("1e999999")},
		{"-1e999999", obs("-1e999999")},
		{"1e-999999", obs("1e-999999")},
		{"long number", obs("0." + rep("1", 1<<20))},
		{"NaN", obs("NaN")},
		{"0001", at("0001-01-01T00:00:00Z")},
		{"0001+14", at("0001-01-01T00:00:00+14:00")},
		{"9999", at("9999-12-31T23:59:59Z")},
		{"9999-14", at("9999-12-31T23:59:59-14:00")},
		{"leap", at("2016-12-31T23:59:60Z")},
		{"1800", at("1800-01-01")},
		{"appt 9999-14", appt("9999-12-31T23:59:59-14:00")},
		{"appt 0001", appt("0001-01-01T00:00:00+14:00")},
		{"appt 9999", appt("9999-12-31T23:59:59Z")},
	} {
		var m0, m1 runtime.MemStats
		runtime.ReadMemStats(&m0)
		b := time.Now()
		r := c.send(x.body)[0]
		d := time.Since(b)
		runtime.ReadMemStats(&m1)
		text := fmt.Sprint(r)
		t.Logf("%-18s %8v alloc %4d MB: %.300s", x.name, d.Round(time.Millisecond), (m1.TotalAlloc-m0.TotalAlloc)>>20, text)
		if len(x.body) > 1<<20 {
			b = time.Now()
			resp, err := http.Post("http://"+c.HTTPAddr()+"/fhir/Patient", "application/fhir+json", strings.NewReader(x.body))
			if err != nil {
				t.Logf("   REST: %v", err)
				continue
			}
			a, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			t.Logf("    REST %v %d %.200s", time.Since(b).Round(time.Millisecond), resp.StatusCode, a)
		}
	}
	// the far-future clock
	n, err := c.Sweep(t.Context())
	t.Log("sweep", n, err)
	c.verified(store)
	t.Log(c.listAlerts(&rapportv1.ListAlertsRequest{}))
}
