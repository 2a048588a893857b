package testbed_test

import (
	"strings"
	"testing"

	"github.com/rapport-health/rapport/services/testbed"
)

func TestTheValidatorFindsWhatIsWrong(t *testing.T) {
	tests := []struct{ body, want string }{
		{`{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueInteger":3}`, ""},
		{`{"resourceType":"Observation","status":"final","valueInteger":3}`, "Observation.code: Missing"},
		{`{"resourceType":"Observation","status":"over","code":{"text":"x"}}`, "over is not in"},
		{`{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueInteger":3.5}`, "integer"},
		{`{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueInteger":3,"valueString":"3"}`, "Conflicting"},
		{`{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueInteger":3,"dataAbsentReason":{"text":"x"}}`, "obs-6"},
		{`{"resourceType":"Observation","status":"final","code":{"text":"x"},"surprise":1}`, "surprise"},
		{`{"resourceType":"Observation","status":"final","code":{"text":"x"},"effectiveDateTime":"2026-02-30"}`, "dateTime"},
		{`{"resourceType":"Observation","status":"final","code":{"text":"x"},"subject":{"reference":"Goal/1"}}`, "reference"},
		{`{"resourceType":"Bundle","type":"searchset","entry":[{"resource":{"resourceType":"Observation","status":"final"}}]}`, "entry[0].resource.code"},
		{`{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"Goal"}}]}`, "lifecycleStatus"},
		{`{"resourceType":"Bundle","type":"transaction-response","entry":[{"response":{"status":"201"}}]}`, ""},
		{`{"resourceType":"Bundle","type":"transaction-response","entry":[{"fullUrl":"https://a/Goal/1/_history/1","response":{"status":"201"}}]}`, "bdl-8"},
		{`{"resourceType":"OperationOutcome","issue":[{"severity":"bad","code":"invalid"}]}`, "bad is not in"},
		{`{"resourceType":"CapabilityStatement","status":"active","kind":"instance"}`, "CapabilityStatement.date"},
		{`{"resourceType":"Surprise"}`, "Invalid resource type"},
	}
	var bodies [][]byte
	for _, test := range tests {
		bodies = append(bodies, []byte(test.body))
	}
	for i, problems := range testbed.Problems(t, bodies...) {
		if got := strings.Join(problems, "; "); (got == "") != (tests[i].want == "") || !strings.Contains(got, tests[i].want) {
			t.Errorf("%s\n\tis said to be wrong by %q, want %q", tests[i].body, got, tests[i].want)
		}
	}
}
